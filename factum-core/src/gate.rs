//! The contract's guard at the store's door; `factum-contract` implements it from a catalog.
//!
//! Every append path calls `admit` first, on the caller's thread, before anything is stored.

use crate::envelope::Envelope;
use crate::event::{ContractVersion, EventType};

/// An event that breaks its contract: which rule, where in the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event}.v{version} breaks its contract{}: {message}", self.place())]
pub struct Breach {
    /// The event's contract name.
    pub event: String,
    /// The contract version it claims.
    pub version: ContractVersion,
    /// JSON pointer into the payload; empty for the whole.
    pub path: String,
    /// The rule that is broken: "required", "minimum", "unknown-contract" …
    pub rule: String,
    /// What was expected and what was found.
    pub message: String,
}

impl Breach {
    fn place(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" at {}", self.path) }
    }
}

/// Admits events to a store and opens them for readers.
pub trait Gate: Send + Sync + 'static {
    /// Refuses an event that breaks its contract, or has none.
    ///
    /// # Errors
    /// The first breach found.
    fn admit(&self, envelope: &Envelope) -> Result<(), Breach>;

    /// Prepares a recorded or received event for a reader that knows `known`: validates, and upcasts when the event
    /// is older. Answers the changed envelope, whose type is then `known`, or `None` when it is good as it is.
    ///
    /// # Errors
    /// When the payload breaks its contract, or no chain of upcasters leads to `known`.
    fn open(&self, envelope: &Envelope, known: &EventType) -> Result<Option<Envelope>, Breach>;

    /// Whether a reader of `known` may read this version: for versions newer than the code knows.
    fn can_read(&self, written: &EventType, known: &EventType) -> bool {
        written.version <= known.version
    }
}

/// A gate that is open: no catalog, no checks beyond what the types themselves enforce.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn admit(&self, _: &Envelope) -> Result<(), Breach> {
        Ok(())
    }

    fn open(&self, _: &Envelope, _: &EventType) -> Result<Option<Envelope>, Breach> {
        Ok(None)
    }
}

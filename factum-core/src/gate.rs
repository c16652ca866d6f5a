//! The contract's guard at the store's door; `factum-contract` implements it from a catalog.
//!
//! Every append path calls `admit` first and `seal` next, on the caller's thread, before anything is stored.

use std::sync::Arc;

use bytes::Bytes;

use std::any::Any;

use crate::envelope::Envelope;
use crate::event::{ContractVersion, EventType};
use crate::keys::{Keys, KeysError};
use crate::work::WriteError;

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

/// An event that a reader cannot be given.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unopened {
    /// It breaks its contract, or a sealed value in it was changed; asking again gives the same answer.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// Its personal values cannot be opened now; asking again may help.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// Admits events to a store, seals what is personal in them, and opens them for readers.
pub trait Gate: Send + Sync + 'static {
    /// Refuses an event that breaks its contract, or has none.
    ///
    /// # Errors
    /// The first breach found.
    fn admit(&self, envelope: &Envelope) -> Result<(), Breach>;

    /// Seals the personal values of admitted events. Answers the payloads to be stored, one for each event in its
    /// place, or `None` when all are to be stored as they are. Values that are sealed already stay.
    ///
    /// # Errors
    /// `Refused` when a value cannot be sealed as its contract says; `Store` when the keys cannot be reached.
    fn seal(&self, events: &[Envelope]) -> Result<Option<Vec<Bytes>>, WriteError> {
        let _ = events;
        Ok(None)
    }

    /// Prepares a recorded or received event for a reader that knows `known`: opens what is sealed, validates, and
    /// upcasts when the event is older. Answers the changed envelope, whose type is `known` when it was upcast, or
    /// `None` when it is good as it is.
    ///
    /// # Errors
    /// When the payload breaks its contract, no chain of upcasters leads to `known`, or what is sealed does not open.
    fn open(&self, envelope: &Envelope, known: &EventType) -> Result<Option<Envelope>, Unopened>;

    /// Prepares a recorded event for its topic: personal values leave sealed, unless the topic is open. Answers the
    /// changed envelope, or `None` when it leaves as it is.
    ///
    /// # Errors
    /// When what is sealed does not open.
    fn outgoing(&self, envelope: &Envelope) -> Result<Option<Envelope>, Unopened> {
        let _ = envelope;
        Ok(None)
    }

    /// The keys of data subjects, when the gate has them.
    fn keys(&self) -> Option<&Arc<dyn Keys>> {
        None
    }

    /// Whether a reader of `known` may read this version: for versions newer than the code knows.
    fn can_read(&self, written: &EventType, known: &EventType) -> bool {
        written.version <= known.version
    }

    /// The catalog at work behind the gate, for runtimes that know its type. A gate around another one answers with
    /// the other's; without a catalog nothing is compared with the code, and no contract version is recorded.
    fn catalog(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
}

/// A gate that is open: no catalog, no checks beyond what the types themselves enforce.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn admit(&self, _: &Envelope) -> Result<(), Breach> {
        Ok(())
    }

    fn open(&self, _: &Envelope, _: &EventType) -> Result<Option<Envelope>, Unopened> {
        Ok(None)
    }
}

//! Keys of data subjects: what seals personal values before they are stored, and opens them for readers.
//!
//! A personal value is erased by destroying its subject's key, because a log is never changed. Keys live apart from
//! the log: a store and its backups hold nothing that opens a value. Implementations never answer a value that was
//! changed or moved, and never make a key for a subject that was forgotten.

use std::fmt;

use crate::envelope::{Envelope, EventId};
use crate::event::{ContractVersion, Event, EventType};
use crate::name::{EventName, PartitionKey, StreamId};
use crate::personal::Personal;
use crate::slot::hash64;
use crate::store::StoreError;

/// Longest pseudonym of a data subject, in bytes: it is the key of `subject.forgotten`.
pub const SUBJECT_BYTES_MAX: usize = 250;

/// What a sealed value is bound to: it opens nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The event that holds it.
    pub event: EventId,
    /// The event's contract.
    pub name: &'a EventName,
    /// The contract's version.
    pub version: ContractVersion,
    /// JSON pointer to it in the payload.
    pub path: &'a str,
}

impl<'a> Bound<'a> {
    /// A place in an event's payload.
    #[must_use]
    pub fn at(envelope: &'a Envelope, path: &'a str) -> Self {
        let EventType { name, version, .. } = &envelope.event_type;
        Self { event: envelope.id, name, version: *version, path }
    }
}

impl fmt::Display for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}.v{} {}", self.path, self.name, self.version, self.event)
    }
}

/// A personal value on its way into the log.
#[derive(Clone)]
pub struct ToSeal<'a> {
    /// Whose it is, by pseudonym.
    pub subject: &'a str,
    /// Where it stands.
    pub bound: Bound<'a>,
    /// The value's JSON, byte for byte.
    pub value: &'a [u8],
}

/// The key that sealed a value, as the sealed text names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyName<'a> {
    /// The ring that holds it.
    pub ring: &'a str,
    /// Its number in the ring.
    pub number: u64,
}

impl<'a> KeyName<'a> {
    /// Reads it from the text of a sealed value.
    #[must_use]
    pub fn of_sealed(sealed: &'a str) -> Option<Self> {
        let mut parts = sealed.split('.');
        let (form, ring, number, _) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (form == "1" && parts.next().is_none()).then_some(())?;
        Some(Self { ring, number: number.parse().ok()? })
    }
}

/// What is known of a data subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectState {
    /// No personal value of the subject has been sealed.
    Unknown,
    /// Its key exists.
    Kept {
        /// The key's number.
        number: u64,
    },
    /// Its key is destroyed, and there will be no other.
    Forgotten {
        /// The number that the key had.
        number: u64,
    },
}

/// Why keys did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysError {
    /// A sealed value is not what was sealed at this place.
    #[error("the sealed value at {at} does not open: it was changed, or it was moved here")]
    Tampered {
        /// The place.
        at: String,
    },
    /// The value was sealed with a key of this ring that the ring does not have.
    #[error("key {number} of ring {ring} is missing, which sealed the value at {at}; restore the key file")]
    Lost {
        /// The ring.
        ring: String,
        /// The key's number.
        number: u64,
        /// The place.
        at: String,
    },
    /// The keys cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A ring of keys, one for each data subject.
///
/// Calls block for a moment (a commit for the first value of a subject), so that values are sealed on the caller's
/// thread before anything is written.
pub trait Keys: Send + Sync + 'static {
    /// The ring's name, as sealed values carry it.
    fn ring(&self) -> &str;

    /// Seals values, one answer for each; keys of new subjects are durable before it returns. A value of a subject
    /// that was forgotten is forgotten at once.
    ///
    /// # Errors
    /// When the keys cannot be reached.
    fn seal(&self, values: &[ToSeal<'_>]) -> Result<Vec<Personal<String>>, KeysError>;

    /// Opens a sealed value. One of another ring reads as forgotten: its key is not within reach.
    ///
    /// # Errors
    /// When it was changed or moved, its key is lost, or the keys cannot be reached.
    fn open(&self, sealed: &str, bound: &Bound<'_>) -> Result<Personal<Vec<u8>>, KeysError>;

    /// What is known of a subject. Of one that was forgotten, nothing opens after this answered, whatever was held in
    /// memory.
    ///
    /// # Errors
    /// When the keys cannot be reached.
    fn subject(&self, subject: &str) -> Result<SubjectState, KeysError>;

    /// Destroys a subject's key for good, and leaves nothing of it in the ring's files; the subject never gets
    /// another. Forgetting twice is forgetting once. Answers what was known before.
    ///
    /// # Errors
    /// When the keys cannot be reached; forget again then.
    fn forget(&self, subject: &str) -> Result<SubjectState, KeysError>;
}

/// A data subject was forgotten: its key is destroyed, and its personal values read as forgotten from now on.
///
/// Appended by `factum forget`. Projections with personal columns empty them when they meet it; handle it yourself
/// where you keep copies that Factum does not know of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SubjectForgotten {
    subject: PartitionKey,
}

impl SubjectForgotten {
    /// Of this subject.
    #[must_use]
    pub const fn new(subject: PartitionKey) -> Self {
        Self { subject }
    }

    /// Who was forgotten, by pseudonym.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.subject.as_str()
    }

    /// The stream that holds it: `subject-` and the pseudonym, or a hash of one that no stream's name can hold.
    ///
    /// # Panics
    /// Never: a hash in digits fits every stream's name.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        let category = &Self::TYPE.category;
        StreamId::of(category, self.subject()).unwrap_or_else(|_| {
            let hash = format!("{:016x}", hash64(self.subject().as_bytes()));
            StreamId::of(category, &hash).expect("sixteen hex digits fit a stream's name")
        })
    }
}

impl Event for SubjectForgotten {
    const TYPE: EventType = EventType::event("subject.forgotten", 1, "subject", "subject.forgotten");

    fn key(&self) -> PartitionKey {
        self.subject.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_names_its_key() {
        let name = KeyName::of_sealed("1.9f2c6a1b4d3e8f70.42.q83v");
        assert_eq!(name, Some(KeyName { ring: "9f2c6a1b4d3e8f70", number: 42 }));
        for other in ["", "2.a.1.b", "1.a.x.b", "1.a.1", "1.a.1.b.c"] {
            assert_eq!(KeyName::of_sealed(other), None, "{other}");
        }
    }
}

//! What the runtime keeps in a store's records, and how it is written: JSON, each with a revision of its format.
//!
//! One place for all stored formats, because they outlive every release: fields are added with defaults, never
//! renamed, and `tests/stored_formats.rs` reads every old form. Adapters know none of this.

use bytes::Bytes;
use factum_contract::system::Replay;
use factum_core::{
    ConsumerName, Envelope, EventId, EventType, Guard, Kind, Position, Record, RecordKind, Slot, Timestamp,
};
use serde::{Deserialize, Serialize};

mod archive;
mod asked;
mod migration;
pub(crate) mod projection;
mod saga;
mod snapshot;

pub use archive::{ArchiveState, ArchivedStreamState};
pub use asked::{Answer, AskedState, Compared, Differs, Question};
pub use migration::{MigrationState, Moved, Path, Stage, StageError, ThingState};
pub use projection::{CheckingState, ColumnShape, PersonalTable, ProjectionState, TableShape};
pub use saga::{CommandState, SagaState, ShapeState, TimerState};
pub use snapshot::SnapshotState;

/// Highest format that this release reads.
const FORMAT: u32 = 1;

/// A record whose content cannot be read: damaged, or written by a later release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} record {id:?} cannot be read: {why}")]
pub struct StateError {
    /// The record's kind.
    pub kind: String,
    /// The record's id.
    pub id: String,
    /// What is wrong with it.
    pub why: String,
}

impl From<StateError> for factum_core::StoreError {
    fn from(error: StateError) -> Self {
        Self::new(factum_core::StoreErrorKind::Corrupt, error.to_string())
    }
}

/// A record's content that knows its place.
pub trait State: Serialize + for<'de> Deserialize<'de> {
    /// The kind of record that holds it.
    const KIND: RecordKind;
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    format: u32,
    #[serde(flatten)]
    state: T,
}

/// Writes a state as a record's content.
pub(crate) fn to_bytes<T: Serialize>(state: T) -> Bytes {
    let stored = Stored { format: FORMAT, state };
    serde_json::to_vec(&stored).expect("states are plain structs, which always have a JSON form").into()
}

/// Reads a record's content.
///
/// # Errors
/// When it is damaged, or written by a later release.
pub fn read<T: State>(record: &Record) -> Result<T, StateError> {
    let error = |why: String| StateError { kind: T::KIND.as_str().to_owned(), id: record.id.clone(), why };
    let stored: Stored<T> = serde_json::from_slice(&record.bytes).map_err(|e| error(e.to_string()))?;
    if stored.format > FORMAT {
        return Err(error(format!(
            "format {} is of a later release; this one reads up to {FORMAT}",
            stored.format
        )));
    }
    Ok(stored.state)
}

/// A slot of a consumer: checkpoint, lease and crash marker in one record, so that whoever takes the slot over moves
/// its revision and so fences off everybody before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlotState {
    /// Everything up to here is handled, parked, dead or refused.
    pub position: Position,
    /// The instance that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The event that was started alone after a crash, and how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// What whoever takes it must be able to read: the instance that let it go was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
}

impl State for SlotState {
    const KIND: RecordKind = RecordKind::SLOT;
}

/// An event whose start was recorded before it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The event.
    pub position: Position,
    /// How often it was started without an end.
    pub starts: u32,
}

/// A contract version that stands next in a slot, newer than the instance knew that met it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Its contract name.
    pub event: String,
    /// Its contract version.
    pub version: u32,
    /// Where it stands; the start when it came from a broker.
    pub position: Position,
}

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.v{}", self.event, self.version)
    }
}

impl SlotState {
    /// The record's id.
    #[must_use]
    pub fn id(consumer: &ConsumerName, slot: Slot) -> String {
        format!("{consumer}/{slot}")
    }

    /// The record to put.
    #[must_use]
    pub fn record(&self, consumer: &ConsumerName, slot: Slot) -> Record {
        Record::new(RecordKind::SLOT, consumer.as_str(), Self::id(consumer, slot), to_bytes(self))
    }
}

/// What operators decide about a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlState {
    /// Whether it rests.
    #[serde(default)]
    pub paused: bool,
    /// Why it rests, or who said so.
    #[serde(default)]
    pub reason: String,
    /// Raised when running instances must let go of what they know and read the slots anew (reset, replay).
    #[serde(default)]
    pub generation: u64,
    /// The replay that is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayState>,
    /// What a replay may do, as catalog or code said when the consumer last started.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "replay_word")]
    pub on_replay: Option<Replay>,
    /// It began without positions up to here, which were archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Position>,
    /// How far it may go for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<BoundState>,
}

/// How far a consumer may go, for as long as somebody compares what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundState {
    /// Up to and with this position.
    pub up_to: Position,
    /// The instance that compares: when it is gone, so is the bound.
    pub by: String,
}

/// A word that this release does not know counts as the careful one that is never wrong.
fn replay_word<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Replay>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    let known = |word: String| Replay::ALL.iter().find(|replay| replay.as_str() == word).copied();
    Ok(word.map(|word| known(word).unwrap_or(Replay::EffectsHeld)))
}

impl State for ControlState {
    const KIND: RecordKind = RecordKind::CONSUMER;
}

/// A replay of a consumer: its checkpoint was moved back, and up to `until` its attempts are replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayState {
    /// Identity of the replay.
    pub id: EventId,
    /// Where live events begin again.
    pub until: Position,
}

/// How far ahead of its checkpoints an instance may have started events: the range that is run one by one after a
/// crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAhead {
    /// Nothing after this position has been started.
    pub limit: Position,
}

impl State for ReadAhead {
    const KIND: RecordKind = RecordKind::CONSUMER;
}

impl ReadAhead {
    /// The record's id.
    #[must_use]
    pub fn id(consumer: &ConsumerName, instance: &str) -> String {
        format!("{consumer}/ahead/{instance}")
    }

    /// The record to put.
    #[must_use]
    pub fn record(&self, consumer: &ConsumerName, instance: &str) -> Record {
        let group = format!("{consumer}/ahead");
        Record::new(RecordKind::CONSUMER, group, Self::id(consumer, instance), to_bytes(self))
    }
}

/// A running instance: due at the end of its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceState {
    /// Boot and process namespace: where the process number means something.
    pub host: String,
    /// Process number.
    pub pid: u32,
    /// Start of the process, in the operating system's count, so that a reused number is told apart.
    pub started: u64,
    /// Consumers that it runs, and whose slots it shares with whoever runs them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<String>,
}

impl State for InstanceState {
    const KIND: RecordKind = RecordKind::INSTANCE;
}

/// An instance's turn to remove what is past its window: due when the turn ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnState {
    /// The instance.
    pub by: String,
}

impl State for TurnState {
    const KIND: RecordKind = RecordKind::PURGE;
}

impl TurnState {
    /// The id of its record, the only one of its kind.
    pub const ID: &'static str = "turn";

    /// The record to put.
    #[must_use]
    pub fn record(&self, ends: Timestamp) -> Record {
        Record::new(RecordKind::PURGE, "", Self::ID, to_bytes(self)).due(ends)
    }
}

/// What a parked key waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum KeyWaits {
    /// The record's due time.
    #[default]
    Due,
    /// An operator: its first event is a dead letter.
    Held,
}

/// A key of a consumer whose events wait, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedKey {
    /// The key.
    pub key: String,
    /// Its slot.
    pub slot: u16,
    /// How many of its events wait.
    pub queued: u64,
    /// What it waits for.
    #[serde(default)]
    pub waits: KeyWaits,
    /// Since when.
    pub since: Timestamp,
    /// What the last attempt said.
    #[serde(default)]
    pub error: String,
}

impl State for ParkedKey {
    const KIND: RecordKind = RecordKind::PARKED_KEY;
}

impl ParkedKey {
    /// The record's id, and the group of its parked events.
    #[must_use]
    pub fn id(consumer: &ConsumerName, slot: Slot, key: &str) -> String {
        format!("{consumer}/{slot}/{key}")
    }

    /// The record to put; due when it waits for a time.
    #[must_use]
    pub fn record(&self, consumer: &ConsumerName, due: Option<Timestamp>) -> Record {
        let slot = Slot::at(self.slot).unwrap_or_else(|| Slot::of_text(&self.key));
        let id = Self::id(consumer, slot, &self.key);
        let record = Record::new(RecordKind::PARKED_KEY, consumer.as_str(), id, to_bytes(self));
        Record { due, ..record }
    }
}

/// How an event got among the parked, dead or refused, and what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Troubled {
    /// Its consumer.
    pub consumer: String,
    /// Its key.
    pub key: String,
    /// Its id.
    pub event: EventId,
    /// Its contract name.
    pub name: String,
    /// Its contract version.
    pub version: u32,
    /// Its stream, when it is in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Its position, when it is in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The event itself, when it came from a broker and is in no log of this store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<Inline>,
    /// Its correlation.
    pub correlation: String,
    /// Attempts that failed.
    pub attempts: u32,
    /// What the last attempt said, or why it was refused.
    #[serde(default)]
    pub error: String,
    /// The name of the reason: a rejection's reason, "failed", "timeout", "panic", "crash", "contract", "queued".
    #[serde(default)]
    pub reason: String,
    /// When it was set aside first.
    pub since: Timestamp,
    /// When it was last tried.
    pub at: Timestamp,
    /// Groups letters that fail alike.
    #[serde(default)]
    pub fingerprint: String,
    /// Since when the handler has been saying "later".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_since: Option<Timestamp>,
}

/// An event kept whole because it is in no log of this store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inline {
    /// Stream category.
    pub category: String,
    /// Topic that it came from.
    pub topic: String,
    /// Whether it is a command.
    #[serde(default)]
    pub is_command: bool,
    /// Written metadata.
    pub meta: Vec<u8>,
    /// The payload; when it could not be decoded, the bytes that arrived.
    pub data: Vec<u8>,
    /// When it happened.
    pub time: Timestamp,
}

impl Troubled {
    /// The id of its record, whatever the kind: sorts in the order of events within a key.
    #[must_use]
    pub fn id(&self, slot: Slot) -> String {
        let place = self.position.map_or_else(|| format!("t{}", self.event), |at| format!("p{at:020}"));
        format!("{}/{slot}/{}/{place}", self.consumer, self.key)
    }

    /// A record of a kind that lists it: parked under its key, dead and refused under its consumer.
    #[must_use]
    pub fn record(&self, kind: RecordKind, slot: Slot) -> Record {
        let group = match kind {
            RecordKind::PARKED => format!("{}/{slot}/{}", self.consumer, self.key),
            _ => self.consumer.clone(),
        };
        Record::new(kind, group, self.id(slot), to_bytes(self))
    }

    /// Reads it back from a parked, dead or refused record.
    ///
    /// # Errors
    /// When the record is damaged or of a later release.
    pub fn read(record: &Record) -> Result<Self, StateError> {
        read::<Self>(record)
    }

    /// The envelope kept whole, when there is one that can be read.
    #[must_use]
    pub fn inline_envelope(&self) -> Option<Envelope> {
        let inline = self.inline.as_ref()?;
        let meta = factum_core::envelope::Meta::decode(&inline.meta.clone().into()).ok()?;
        let event_type = EventType {
            name: self.name.parse().ok()?,
            version: self.version,
            kind: if inline.is_command { Kind::Command } else { Kind::Event },
            category: inline.category.parse().ok()?,
            topic: inline.topic.parse().ok()?,
        };
        Some(Envelope {
            id: self.event,
            event_type,
            key: meta.key,
            tags: meta.tags,
            time: inline.time,
            correlation: meta.correlation,
            causation: meta.causation,
            actor: meta.actor,
            trace: meta.trace,
            content_type: meta.content_type,
            data: inline.data.clone().into(),
        })
    }
}

impl State for Troubled {
    const KIND: RecordKind = RecordKind::DEAD;
}

/// The ring of keys that seals the personal data of a store's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingState {
    /// The ring's name.
    pub ring: String,
}

impl State for RingState {
    const KIND: RecordKind = RecordKind::KEYS;
}

/// A contract version that the store has met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractState {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// "event" or "command".
    pub kind: String,
    /// Hash of its meaning, which never changes; as `factum_contract::meaning::hash` writes it.
    pub meaning: String,
    /// The contract as one JSON text, which `factum_contract::Contract::of_json_text` reads; its wording may change.
    pub contract: String,
    /// When the store met it first.
    pub recorded_at: Timestamp,
}

impl State for ContractState {
    const KIND: RecordKind = RecordKind::CONTRACT;
}

impl ContractState {
    /// The record's id: `order.placed.v1`.
    #[must_use]
    pub fn id(name: &str, version: u32) -> String {
        format!("{name}.v{version}")
    }

    /// The record to put.
    #[must_use]
    pub fn record(&self) -> Record {
        let id = Self::id(&self.name, self.version);
        Record::new(RecordKind::CONTRACT, self.name.clone(), id, to_bytes(self))
    }
}

/// Who did what to the system, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Who.
    pub actor: String,
    /// What: "requeue", "discard", "replay" …
    pub action: String,
    /// To what.
    pub target: String,
    /// Details: counts, filters, reasons.
    #[serde(default)]
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

impl State for AuditEntry {
    const KIND: RecordKind = RecordKind::AUDIT;
}

/// The answer to a command with an idempotency key; due when it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyState {
    /// Hash of the command's content: the same key with other content is refused.
    pub fingerprint: u64,
    /// The stream that the command was for.
    pub stream: String,
    /// Version of the stream before the command's events.
    pub before: u64,
    /// Version after them.
    pub after: u64,
    /// Position of the last of them.
    pub position: Position,
    /// The command itself, where it was sent and not executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
}

impl State for ReplyState {
    const KIND: RecordKind = RecordKind::REPLY;
}

/// A guard that says "as I last saw it".
pub(crate) fn as_seen(revision: u64) -> Guard {
    if revision == 0 { Guard::Absent } else { Guard::At(revision) }
}

//! The one primitive under everything that a store keeps beside the log.
//!
//! Checkpoints, inbox marks, parked events, dead letters, timers, saga state, replies, snapshots, leases, audit: each
//! is a kind of record. Adapters implement records once and know none of their meanings.

use std::fmt;

use bytes::Bytes;

use crate::time::Timestamp;

/// How often a record has been written, from 1; the next write names it to be sure that nobody came between.
/// A record that was removed begins anew at 1.
pub type Revision = u64;

/// What a record is for; kinds never see each other's records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKind(&'static str);

impl RecordKind {
    /// A slot of a consumer: its checkpoint, its owner, its crash marker.
    pub const SLOT: Self = Self("slot");
    /// A consumer's control: running or paused, its generation.
    pub const CONSUMER: Self = Self("consumer");
    /// A running instance and until when it holds its slots.
    pub const INSTANCE: Self = Self("instance");
    /// Which instance removes what is past its window, and until when no other does.
    pub const PURGE: Self = Self("purge");
    /// What a consumer of a broker has handled (the inbox).
    pub const MARK: Self = Self("mark");
    /// A key of a consumer whose events wait.
    pub const PARKED_KEY: Self = Self("parked-key");
    /// An event that waits for a later attempt.
    pub const PARKED: Self = Self("parked");
    /// An event that used up its attempts.
    pub const DEAD: Self = Self("dead");
    /// An event refused by name.
    pub const REFUSED: Self = Self("refused");
    /// A durable "not before".
    pub const TIMER: Self = Self("timer");
    /// State of one saga instance.
    pub const SAGA: Self = Self("saga");
    /// The shape of a saga's version, as the store met it first.
    pub const SAGA_SHAPE: Self = Self("saga-shape");
    /// The consumer that handles a command.
    pub const COMMAND: Self = Self("command");
    /// The answer to a command with an idempotency key.
    pub const REPLY: Self = Self("reply");
    /// A decider's state at a version of its stream.
    pub const SNAPSHOT: Self = Self("snapshot");
    /// A contract version that the store has seen.
    pub const CONTRACT: Self = Self("contract");
    /// A projection's version and tables.
    pub const PROJECTION: Self = Self("projection");
    /// A migration's switch, and what it has decided and not finished.
    pub const MIGRATION: Self = Self("migration");
    /// A range of the log that was moved out of it.
    pub const ARCHIVE: Self = Self("archive");
    /// A closed stream whose events were moved out of the log.
    pub const ARCHIVED_STREAM: Self = Self("archived-stream");
    /// A question to an app that has the code to answer it.
    pub const ASKED: Self = Self("asked");
    /// The ring of keys that seals the personal data of the log.
    pub const KEYS: Self = Self("keys");
    /// Who did what, when, why.
    pub const AUDIT: Self = Self("audit");
    /// Records of an application or an extension.
    pub const USER: Self = Self("user");

    /// The name under which stores keep it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One thing kept beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is for.
    pub kind: RecordKind,
    /// Its identity within the kind; at most [`Record::NAME_BYTES_MAX`] bytes.
    pub id: String,
    /// What it is listed under, such as its consumer.
    pub group: String,
    /// When something is to be done about it; `find` orders by it on request.
    pub due: Option<Timestamp>,
    /// How often it has been written; ignored by `put`, which takes a [`Guard`].
    pub revision: Revision,
    /// Its content; small, because records are read whole.
    pub bytes: Bytes,
}

impl Record {
    /// Longest id and group, in bytes.
    pub const NAME_BYTES_MAX: usize = 1024;

    /// A record without due time.
    pub fn new(
        kind: RecordKind,
        group: impl Into<String>,
        id: impl Into<String>,
        bytes: impl Into<Bytes>,
    ) -> Self {
        Self { kind, id: id.into(), group: group.into(), due: None, revision: 0, bytes: bytes.into() }
    }

    /// The same, due at `due`.
    #[must_use]
    pub fn due(mut self, due: Timestamp) -> Self {
        self.due = Some(due);
        self
    }
}

/// What must be true of a record for a write to it to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: the last writer wins.
    Any,
    /// It does not exist.
    Absent,
    /// It exists at this revision.
    At(Revision),
}

/// Which records to find. Answers come by id, or by due time when `due_until` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordQuery {
    /// This very record.
    pub id: Option<String>,
    /// Those of this group.
    pub group: Option<String>,
    /// Those of every group that starts so.
    pub group_prefix: Option<String>,
    /// Those due at or before this time, earliest first.
    pub due_until: Option<Timestamp>,
    /// Of those, the ones due at or after this time: how to page by due time.
    pub due_from: Option<Timestamp>,
    /// Those whose id sorts after this one: how to page.
    pub after_id: Option<String>,
    /// At most so many, up to [`RecordQuery::LIMIT_MAX`].
    pub limit: usize,
}

impl Default for RecordQuery {
    fn default() -> Self {
        Self {
            id: None,
            group: None,
            group_prefix: None,
            due_until: None,
            due_from: None,
            after_id: None,
            limit: Self::LIMIT_MAX,
        }
    }
}

impl RecordQuery {
    /// Most records that one `find` answers.
    pub const LIMIT_MAX: usize = 1000;

    /// This very record.
    pub fn id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), limit: 1, ..Self::default() }
    }

    /// Those of this group.
    pub fn group(group: impl Into<String>) -> Self {
        Self { group: Some(group.into()), ..Self::default() }
    }
}

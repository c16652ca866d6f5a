//! A question to an app that has the code to answer it, and the answer.

use factum_core::{Position, Record, RecordKind, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::{State, to_bytes};

/// A question that waits for an app, or its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedState {
    /// What is asked.
    pub question: Question,
    /// The instance that has begun to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What an app can be asked of its deciders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "asks", rename_all = "kebab-case")]
pub enum Question {
    /// Whether snapshots of a version of the code are what their events give.
    Snapshots {
        /// The decider that keeps them.
        decider: String,
        /// The version of the code.
        code: u32,
        /// Their streams.
        streams: Vec<String>,
    },
    /// The state of a stream.
    State {
        /// The stream.
        stream: String,
        /// The decider; the only one of the stream's category when none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decider: Option<String>,
        /// Up to, and with, this version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// Up to the first event that is later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
    },
}

/// What an app answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub enum Answer {
    /// What became of comparing each snapshot, in the order asked.
    Snapshots {
        /// One for each stream.
        compared: Vec<Compared>,
    },
    /// A state.
    State {
        /// The decider that tells it.
        decider: String,
        /// Version of the last event in it.
        version: Version,
        /// Position of that event.
        position: Position,
        /// The state, as JSON.
        state: String,
    },
    /// It cannot be told.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// What became of comparing a snapshot with its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Compared {
    /// The events give the same state.
    Same {
        /// The version of the stream that it holds.
        version: Version,
    },
    /// The events give another state.
    Other {
        /// The version of the stream that it holds.
        version: Version,
        /// Where they differ, the first of them.
        first: Vec<Differs>,
        /// How many places differ.
        places: usize,
    },
    /// It counts as not there, and is written anew when one is due.
    Ignored {
        /// Why.
        why: String,
    },
    /// There is none any more.
    Gone,
    /// Its events cannot be folded.
    Failed {
        /// Why.
        why: String,
    },
}

/// A place in a state that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    /// JSON pointer; empty for the whole.
    pub path: String,
    /// What the snapshot has there, as JSON, cut when it is long; nothing where it has nothing, or it is personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// What the events give there; as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<String>,
}

impl State for AskedState {
    const KIND: RecordKind = RecordKind::ASKED;
}

impl AskedState {
    /// The record to put; gone by itself when nobody fetches the answer.
    #[must_use]
    pub fn record(&self, id: &str, due: Timestamp) -> Record {
        Record::new(RecordKind::ASKED, "", id, to_bytes(self)).due(due)
    }
}

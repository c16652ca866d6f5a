//! What is kept of a migration: its stage with how it came there, and each thing that it has decided.

use std::fmt;
use std::str::FromStr;

use factum_core::{EventId, MigrationName, Record, RecordKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{State, to_bytes};

/// How far a migration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The old call runs, and nothing else.
    #[default]
    Off,
    /// The old call runs; the new path says what it would do, and does not do it.
    Shadow,
    /// So many of a hundred keys take the new path, the others the old one.
    Canary(u8),
    /// Every key takes the new path.
    On,
    /// The same for good: the old call may go.
    Retired,
}

impl Stage {
    /// Keys of a hundred that take the new path when a canary begins without a number.
    pub const CANARY_FIRST: u8 = 10;
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Shadow => f.write_str("shadow"),
            Self::Canary(percent) => write!(f, "canary {percent} %"),
            Self::On => f.write_str("on"),
            Self::Retired => f.write_str("retired"),
        }
    }
}

/// A text that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected off, shadow, canary, on or retired, found {0:?}")]
pub struct StageError(String);

impl FromStr for Stage {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        match text {
            "off" => Ok(Self::Off),
            "shadow" => Ok(Self::Shadow),
            "canary" => Ok(Self::Canary(Self::CANARY_FIRST)),
            "on" => Ok(Self::On),
            "retired" => Ok(Self::Retired),
            other => Err(StageError(other.to_owned())),
        }
    }
}

/// One move of a migration's switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// When.
    pub at: Timestamp,
    /// Who moved it.
    pub by: String,
    /// From which stage.
    pub from: Stage,
    /// To which stage.
    pub to: Stage,
    /// Why, for those who look later.
    #[serde(default)]
    pub why: String,
    /// Comparisons of this shadow that were equal then.
    #[serde(default)]
    pub equal: u64,
    /// Comparisons of this shadow that differed then.
    #[serde(default)]
    pub differing: u64,
}

/// A migration's switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MigrationState {
    /// Where it stands.
    #[serde(default)]
    pub stage: Stage,
    /// Counts the shadows: comparisons of an earlier one no longer hold anything up.
    #[serde(default)]
    pub round: u64,
    /// The event of the new path.
    pub event: String,
    /// The consumer of the new path, once it has been declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// How it came here, oldest first; the last hundred moves. The audit has all of them.
    #[serde(default)]
    pub history: Vec<Moved>,
}

impl State for MigrationState {
    const KIND: RecordKind = RecordKind::MIGRATION;
}

impl MigrationState {
    /// Moves that a switch remembers.
    pub const HISTORY_MAX: usize = 100;
    /// The group of all switches.
    pub const GROUP: &'static str = "switch";

    /// The record to put.
    #[must_use]
    pub fn record(&self, name: &MigrationName) -> Record {
        Record::new(RecordKind::MIGRATION, Self::GROUP, name.as_str(), to_bytes(self))
    }
}

/// Which way a thing goes; decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// The old call.
    Old,
    /// The old call; the new path only says what it would do.
    Shadow,
    /// The event.
    New,
}

/// One thing that a migration has decided: a mail, a charge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingState {
    /// What identifies it.
    pub thing: String,
    /// Its key.
    pub key: String,
    /// Which way it goes.
    pub path: Path,
    /// The shadow that it belongs to.
    #[serde(default)]
    pub round: u64,
    /// Its event, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Until when whoever calls for it may take; after that the call counts as cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Timestamp>,
    /// What was asked for, until the old call is done.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// What the old call says it did.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What the new path says it does.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// When it was decided.
    pub at: Timestamp,
}

/// A null that was written is something that was said.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl State for ThingState {
    const KIND: RecordKind = RecordKind::MIGRATION;
}

impl ThingState {
    /// The record's id.
    #[must_use]
    pub fn id(name: &MigrationName, thing: &str) -> String {
        format!("{name}/thing/{thing}")
    }

    /// Things whose old call is not done.
    #[must_use]
    pub fn old_group(name: &MigrationName) -> String {
        format!("{name}/old")
    }

    /// Things whose event is not handled.
    #[must_use]
    pub fn new_group(name: &MigrationName) -> String {
        format!("{name}/new")
    }

    /// Things of a shadow whose new side has not spoken.
    #[must_use]
    pub fn waiting_group(name: &MigrationName, round: u64) -> String {
        format!("{name}/{round}/waiting")
    }

    /// Things of a shadow whose sides say the same.
    #[must_use]
    pub fn equal_group(name: &MigrationName, round: u64) -> String {
        format!("{name}/{round}/equal")
    }

    /// Things of a shadow whose sides differ.
    #[must_use]
    pub fn differing_group(name: &MigrationName, round: u64) -> String {
        format!("{name}/{round}/differs")
    }

    /// Things that are done, and were no shadow's.
    #[must_use]
    pub fn done_group(name: &MigrationName) -> String {
        format!("{name}/done")
    }

    /// The record to put; due when it is done, and may be forgotten then.
    #[must_use]
    pub fn record(&self, name: &MigrationName, group: String, due: Option<Timestamp>) -> Record {
        let record = Record::new(RecordKind::MIGRATION, group, Self::id(name, &self.thing), to_bytes(self));
        Record { due, ..record }
    }

    /// The same without what was asked for and said: enough to recognise it.
    #[must_use]
    pub fn ended(&self) -> Self {
        Self { request: None, old: None, new: self.new.as_ref().map(|_| Value::Null), ..self.clone() }
    }
}

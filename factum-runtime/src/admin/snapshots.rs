//! Whether the snapshots that a store keeps were made of the events that it holds.
//!
//! A snapshot has a hash over the ids of its events, so that this needs no code of the decider. What the decider makes of
//! the events is for a running app to say, which has the code.

use factum_core::{Query, Record, RecordKind, RecordQuery, StreamId, Version};

use super::{Admin, AdminError};
use crate::state::{Compared, SnapshotState, read};

/// Snapshots that are held at a time, each up to a megabyte.
const SNAPSHOTS: usize = 50;

/// A snapshot, and whether it can be what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The stream.
    pub stream: String,
    /// The decider that keeps it.
    pub decider: String,
    /// The version of the stream that it holds; zero when it cannot be read.
    pub version: Version,
    /// How long its state is.
    pub bytes: usize,
    /// The version of the code that it belongs to.
    pub code: u32,
    /// Whether it was made of the events that the log holds.
    pub made: Made,
    /// What a running app says of its state; see [`Admin::verify_snapshots`].
    pub compared: Option<Compared>,
}

/// What a snapshot was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The events that the log holds.
    OfTheLog,
    /// Others: why.
    OfOthers(String),
    /// It cannot be read, counts as not there, and is written anew when one is due: why.
    Unreadable(String),
    /// Not told: earlier events of the stream were moved out of the log.
    Archived,
}

impl Admin {
    /// Every snapshot, or those of one stream.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn snapshots(&self, stream: Option<&StreamId>) -> Result<Vec<SnapshotInfo>, AdminError> {
        let mut query = match stream {
            Some(stream) => RecordQuery::group(stream.as_str()),
            None => RecordQuery::default(),
        };
        // A few at a time: what is answered holds no states, which may be large.
        query.limit = SNAPSHOTS;
        let mut infos = Vec::new();
        loop {
            let page = self.store().find(RecordKind::SNAPSHOT, &query).await?;
            let last = page.last().filter(|_| page.len() == SNAPSHOTS).map(|record| record.id.clone());
            for record in page {
                infos.push(self.snapshot(record).await?);
            }
            match last {
                Some(last) => query.after_id = Some(last),
                None => return Ok(infos),
            }
        }
    }

    async fn snapshot(&self, record: Record) -> Result<SnapshotInfo, AdminError> {
        let decider = record.id.rsplit_once('/').map_or("", |(_, decider)| decider).to_owned();
        let (version, bytes, code, made) = match read::<SnapshotState>(&record) {
            Ok(kept) => (kept.version, kept.state.len(), kept.code, self.made(&record.group, &kept).await?),
            Err(error) => (Version::EMPTY, 0, 0, Made::Unreadable(error.why)),
        };
        let (stream, compared) = (record.group, None);
        Ok(SnapshotInfo { stream, decider, version, bytes, code, made, compared })
    }

    async fn made(&self, stream: &str, kept: &SnapshotState) -> Result<Made, AdminError> {
        let Ok(stream) = stream.parse::<StreamId>() else {
            return Ok(Made::OfOthers("it is of no stream".to_owned()));
        };
        if self.archived_stream(&stream).await?.is_some() {
            return Ok(Made::Archived);
        }
        let (mut at, mut folded) = (kept.begins, 0);
        let mut query = Query { kind: None, up_to: kept.position, ..Query::stream(stream) };
        loop {
            let page = self.store().read(&query).await?;
            for event in page.events {
                if event.version <= kept.begins {
                    continue;
                }
                if event.version != at.next() {
                    return Ok(Made::Archived);
                }
                at = event.version;
                folded = SnapshotState::fold(folded, event.envelope.id);
            }
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        Ok(match (at == kept.version, folded == kept.folded) {
            (true, true) => Made::OfTheLog,
            (true, false) => Made::OfOthers("events with other ids".to_owned()),
            (false, _) => Made::OfOthers(format!(
                "a stream that stands at version {at} there, and at {} in it",
                kept.version
            )),
        })
    }
}

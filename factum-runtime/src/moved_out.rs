//! Where events of a stream are that were moved out of the log, and what puts them back.
//!
//! A closed stream leaves alone, every other with ranges of the log; records say where to. Asked for only where events are
//! missing, so that nobody pays who misses none. Never looks into an archive.

use std::fmt;

use factum_core::{Position, Query, RecordKind, RecordQuery, Store, StoreError, StreamId, Version, Work};

use crate::state::{ArchiveState, ArchivedStreamState, read};

/// Events of a stream that were moved out of the log: without them its state cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("events of stream {stream} before version {first} were moved out of the log{to}")]
pub struct MovedOut {
    /// The stream.
    pub stream: StreamId,
    /// The first version behind what is missing, or the one that would be next.
    pub first: Version,
    /// Where they are; printed, it says what to type.
    pub to: MovedTo,
}

/// Where events of a stream were moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovedTo {
    /// Into this file, the stream alone.
    Alone {
        /// The stream.
        stream: StreamId,
        /// The file.
        file: String,
    },
    /// With ranges of the log, into one of these files; they come back in this order.
    WithTheLog(Vec<String>),
    /// The store does not say.
    Unknown,
}

impl fmt::Display for MovedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone { stream, file } => {
                write!(f, " into {file}: `factum stream restore {stream} {file}` puts them back")
            }
            Self::WithTheLog(files) => match &files[..] {
                [] => Ok(()),
                [file] => write!(f, " into {file}: `factum archive restore {file}` puts them back"),
                [newest, ..] => write!(
                    f,
                    " into one of {}: they come back in this order, beginning with `factum archive restore {newest}`",
                    files.join(", ")
                ),
            },
            Self::Unknown => {
                f.write_str(", and the store does not say where to: `factum check` looks whether it is sound")
            }
        }
    }
}

impl MovedOut {
    /// What is missing of a stream before a version, and where it is.
    pub(crate) async fn of(
        work: &mut dyn Work,
        stream: &StreamId,
        first: Version,
    ) -> Result<Self, StoreError> {
        let to = match alone(work, stream).await? {
            Some(out) => MovedTo::Alone { stream: stream.clone(), file: out.to },
            None => {
                let mut files = Vec::new();
                for range in ranges(work).await?.into_iter().rev() {
                    if !files.contains(&range.to) {
                        files.push(range.to);
                    }
                }
                if files.is_empty() { MovedTo::Unknown } else { MovedTo::WithTheLog(files) }
            }
        };
        Ok(Self { stream: stream.clone(), first, to })
    }

    /// What is missing of a stream none of whose events is in the log; nothing where there is no such stream either.
    pub(crate) async fn whole(store: &dyn Store, stream: &StreamId) -> Result<Option<Self>, StoreError> {
        let newest = Query { kind: None, limit: 1, ..Query::stream(stream.clone()) };
        let page = store.read(&newest).await?;
        if !page.events.is_empty() || page.version == Version::EMPTY {
            return Ok(None);
        }
        Self::of(store.begin().await?.as_mut(), stream, page.version.next()).await.map(Some)
    }

    /// What is missing of a stream behind a position, where it was moved out with a range of the log or alone.
    pub(crate) async fn behind(
        store: &dyn Store,
        stream: &StreamId,
        after: Position,
    ) -> Result<Option<Self>, StoreError> {
        let mut work = store.begin().await?;
        let alone = alone(work.as_mut(), stream).await?.map(|out| out.up_to);
        let up_to =
            alone.into_iter().chain(ranges(work.as_mut()).await?.pop().map(|range| range.up_to)).max();
        let Some(up_to) = up_to.filter(|up_to| *up_to > after) else { return Ok(None) };
        // What was spared is still there.
        let mut query = Query { kind: None, ..Query::stream(stream.clone()) };
        let mut there = 0;
        loop {
            let page = store.read(&query).await?;
            let kept = page.events.iter().take_while(|event| event.position <= up_to).count();
            there += kept as u64;
            let next = page.events.get(kept).map(|event| event.version);
            let next = next.or_else(|| (!page.more).then(|| page.version.next()));
            if let Some(first) = next {
                let is_whole = first.number() <= there + 1;
                return match is_whole {
                    true => Ok(None),
                    false => Self::of(work.as_mut(), stream, first).await.map(Some),
                };
            }
            query.after = page.end;
        }
    }
}

async fn alone(work: &mut dyn Work, stream: &StreamId) -> Result<Option<ArchivedStreamState>, StoreError> {
    let found = work.find(RecordKind::ARCHIVED_STREAM, &RecordQuery::id(stream.as_str())).await?;
    Ok(found.first().map(read::<ArchivedStreamState>).transpose()?)
}

/// The ranges that were moved out of the log, oldest first.
pub(crate) async fn ranges(work: &mut dyn Work) -> Result<Vec<ArchiveState>, StoreError> {
    let (mut query, mut all) = (RecordQuery::default(), Vec::new());
    loop {
        let page = work.find(RecordKind::ARCHIVE, &query).await?;
        for record in &page {
            all.push(read::<ArchiveState>(record)?);
        }
        match page.last() {
            Some(last) if page.len() >= query.limit => query.after_id = Some(last.id.clone()),
            _ => return Ok(all),
        }
    }
}

//! A closed stream moved out of the log into a store of its own, and back.
//!
//! As with ranges of the log, events are copied and compared before the first of them leaves, and what was begun is a
//! record, so that a death at any moment loses nothing and the same call goes on. The event that closed the stream
//! stays: it keeps the stream closed. Never moves what somebody has yet to handle, or has set aside.

use factum_core::{
    Commit, Guard, Maintenance, Position, Query, RecordKind, RecordQuery, Recorded, Store, StreamId, closing,
};

use super::follow::Progress;
use super::{Admin, AdminError, Which, all_of};
use crate::instance::as_store_error;
use crate::moved_out::MovedOut;
use crate::state::{ArchivedStreamState, read};

impl Admin {
    /// The streams that were moved out, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn archived_streams(&self) -> Result<Vec<ArchivedStreamState>, AdminError> {
        let all = all_of(self.store.as_ref(), RecordKind::ARCHIVED_STREAM, RecordQuery::default()).await?;
        Ok(all.iter().map(read::<ArchivedStreamState>).collect::<Result<_, _>>()?)
    }

    /// Where a stream was moved to, when it was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn archived_stream(
        &self,
        stream: &StreamId,
    ) -> Result<Option<ArchivedStreamState>, AdminError> {
        let record = self.store.find_one(RecordKind::ARCHIVED_STREAM, stream.as_str()).await?;
        Ok(record.as_ref().map(read::<ArchivedStreamState>).transpose()?)
    }

    /// Moves the events of a closed stream, but for the one that closed it, into another store, of which nothing else
    /// is known than that it is made for this; `name` is what people find it by. What was begun is finished.
    ///
    /// # Errors
    /// `Refused` when the stream is open or out already, somebody has yet to handle some of it or has set it aside, a
    /// part of it is out with a range of the log, or the other store holds something else; or when a store fails.
    pub async fn archive_stream(
        &self,
        stream: &StreamId,
        maintenance: &dyn Maintenance,
        (to, to_maintenance, name): (&dyn Store, &dyn Maintenance, &str),
        progress: Progress<'_>,
    ) -> Result<ArchivedStreamState, AdminError> {
        let (end, begun) = self.may_archive_stream(stream, name).await?;
        let out = match begun {
            Some(out) => {
                holds(to, &out).await?;
                out
            }
            None => self.copy_stream(stream, &end, (to, to_maintenance, name)).await?,
        };
        let mut query = all(stream);
        query.up_to = out.up_to;
        loop {
            let page = to.read(&query).await?;
            maintenance.take_out(&page.events).await?;
            progress(page.end.min(out.up_to), out.up_to);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        let done = ArchivedStreamState { moving: false, ..out };
        self.note_stream(&done, Some("archive")).await?;
        Ok(done)
    }

    /// Whether a stream may be moved out, to this name: its last event, and what was begun before.
    ///
    /// # Errors
    /// `Refused` as [`Admin::archive_stream`], but for what the other store holds; or when the store fails.
    pub async fn may_archive_stream(
        &self,
        stream: &StreamId,
        name: &str,
    ) -> Result<(Recorded, Option<ArchivedStreamState>), AdminError> {
        let end = self.last_of(stream).await?;
        if !closing::is_closing(&end.envelope.event_type.name) {
            return Err(AdminError::Refused(format!(
                "stream {stream} is open, and may grow: `factum stream close {stream}` closes it first"
            )));
        }
        let begun = match self.archived_stream(stream).await? {
            None => None,
            Some(out) if !out.moving => {
                return Err(AdminError::Refused(format!("stream {stream} is in {} already", out.to)));
            }
            Some(out) if out.to != name => {
                return Err(AdminError::Refused(format!(
                    "moving stream {stream} to {} was begun and not finished: name that one again",
                    out.to
                )));
            }
            begun => begun,
        };
        if begun.is_none() {
            self.refuse_unhandled(stream, &end).await?;
        }
        Ok((end, begun))
    }

    /// Puts the events of a stream back that was moved out; it stays closed.
    ///
    /// # Errors
    /// `Refused` when it was not moved out, or the other store does not hold it; or when a store fails.
    pub async fn restore_stream(
        &self,
        stream: &StreamId,
        maintenance: &dyn Maintenance,
        from: &dyn Store,
        progress: Progress<'_>,
    ) -> Result<u64, AdminError> {
        let Some(out) = self.archived_stream(stream).await? else {
            return Err(AdminError::Refused(format!("stream {stream} was not moved out of the log")));
        };
        holds(from, &out).await?;
        self.note_stream(&ArchivedStreamState { moving: true, ..out.clone() }, None).await?;
        let (mut query, mut back) = (Query { up_to: out.up_to, ..all(stream) }, 0);
        loop {
            let page = from.read(&query).await?;
            back += maintenance.put_back(&page.events).await?;
            progress(page.end.min(out.up_to), out.up_to);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        let mut work = self.store.begin().await?;
        work.remove(RecordKind::ARCHIVED_STREAM, stream.to_string(), Guard::Any);
        let detail = format!("{} events from {}", out.events, out.to);
        work.put(self.audit_record("restore", stream.as_str(), detail).await?, Guard::Absent);
        commit(work).await?;
        Ok(back)
    }

    /// Refuses to begin what needs a stream that was moved out.
    pub(super) async fn refuse_archived_streams(
        &self,
        what: &str,
        after: Position,
    ) -> Result<(), AdminError> {
        let all = self.archived_streams().await?;
        let Some(first) = all.iter().find(|out| out.up_to > after) else { return Ok(()) };
        let others = match all.iter().filter(|out| out.up_to > after).count() - 1 {
            0 => String::new(),
            others => format!(", and {others} others"),
        };
        Err(AdminError::Refused(format!(
            "{what} needs stream {}{others}, moved out of the log: `factum stream restore {} {}` puts it back",
            first.stream, first.stream, first.to
        )))
    }

    async fn refuse_unhandled(&self, stream: &StreamId, end: &Recorded) -> Result<(), AdminError> {
        let consumers = self.consumers().await?;
        if let Some(behind) = consumers.iter().find(|info| info.position < end.position) {
            return Err(AdminError::Refused(format!(
                "consumer {} is at position {}, and has yet to handle stream {stream}, which ends at {}: let it catch up",
                behind.name, behind.position, end.position
            )));
        }
        for which in [Which::Dead, Which::Refused, Which::Parked] {
            for letter in self.letters(which, None).await? {
                let Some(at) = letter.troubled.position else { continue };
                let query = Query { up_to: at, limit: 1, ..all(stream) }.after(before(at));
                if !self.store.read(&query).await?.events.is_empty() {
                    return Err(AdminError::Refused(format!(
                        "the event at position {at} of stream {stream} was set aside by consumer {}: requeue or discard it first, see `factum dlq`",
                        letter.troubled.consumer
                    )));
                }
            }
        }
        Ok(())
    }

    /// Copies a stream, compares it, and notes that its events may go.
    async fn copy_stream(
        &self,
        stream: &StreamId,
        end: &Recorded,
        (to, to_maintenance, name): (&dyn Store, &dyn Maintenance, &str),
    ) -> Result<ArchivedStreamState, AdminError> {
        let up_to = before(end.position);
        let (mut query, mut events, mut last) = (Query { up_to, ..all(stream) }, 0, None);
        loop {
            let page = self.store.read(&query).await?;
            if let Some(first) = page.events.first()
                && first.version.number() != events + 1
            {
                let mut work = self.store.begin().await?;
                let out = MovedOut::of(work.as_mut(), stream, first.version).await?;
                return Err(AdminError::Refused(out.to_string()));
            }
            let there = to.head().await?;
            let new: Vec<Recorded> =
                page.events.iter().filter(|event| event.position > there).cloned().collect();
            if !new.is_empty() {
                to_maintenance.import(&new).await?;
            }
            let copied = Query { up_to: page.end.min(up_to), kind: None, ..Query::default() };
            let copied = Query { limit: Query::LIMIT_MAX, ..copied }.after(query.after);
            if to.read(&copied).await?.events != page.events {
                return Err(AdminError::Refused(format!("{name} holds something else: name another file")));
            }
            events += page.events.len() as u64;
            last = page.events.last().map(|event| (event.envelope.id, event.position)).or(last);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        let Some((last, up_to)) = last else {
            return Err(AdminError::Refused(format!(
                "stream {stream} has no event but the one that closed it: there is nothing to move out"
            )));
        };
        if let Some(finding) = to_maintenance.check().await?.findings.first() {
            return Err(AdminError::Refused(format!(
                "{name} is damaged: {}: name another file",
                finding.what
            )));
        }
        let out = ArchivedStreamState {
            stream: stream.clone(),
            up_to,
            events,
            last,
            to: name.to_owned(),
            at: self.store.now().await?,
            moving: true,
        };
        self.note_stream(&out, None).await?;
        Ok(out)
    }

    async fn note_stream(&self, out: &ArchivedStreamState, action: Option<&str>) -> Result<(), AdminError> {
        let mut work = self.store.begin().await?;
        work.put(out.record(), Guard::Any);
        if let Some(action) = action {
            let detail = format!("{} events to {}", out.events, out.to);
            work.put(self.audit_record(action, out.stream.as_str(), detail).await?, Guard::Absent);
        }
        commit(work).await
    }
}

/// Refuses another store than the one that a stream was moved to.
async fn holds(other: &dyn Store, out: &ArchivedStreamState) -> Result<(), AdminError> {
    let at = Query { up_to: out.up_to, limit: 1, ..all(&out.stream) }.after(before(out.up_to));
    let last = other.read(&at).await?.events.pop();
    if last.is_none_or(|last| last.envelope.id != out.last) {
        let (stream, to) = (&out.stream, &out.to);
        return Err(AdminError::Refused(format!("it does not hold stream {stream}, which is in {to}")));
    }
    Ok(())
}

/// Everything of a stream.
fn all(stream: &StreamId) -> Query {
    Query { kind: None, limit: Query::LIMIT_MAX, ..Query::stream(stream.clone()) }
}

fn before(position: Position) -> Position {
    Position::at(position.number().saturating_sub(1))
}

async fn commit(work: Box<dyn factum_core::Work>) -> Result<(), AdminError> {
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other).into()),
    }
}

//! Retention: the oldest part of the log moved out into a store of its own, and back.
//!
//! A range is copied and compared before the first of its events leaves the log, and what was begun is a record, so that
//! a death at any moment leaves every event in the log, in the archive or in both; asked again, it goes on. Ranges leave
//! oldest first and come back newest first. What waits for another attempt is spared, and so is the log's last event.
//! Never moves out by itself.

use std::collections::HashSet;

use factum_core::{
    Commit, Direction, Event as _, EventId, Guard, Maintenance, Position, Query, RecordKind, RecordQuery,
    Recorded, Store, StoreError, StreamClosed, Timestamp,
};

use super::copy::take_over;
use super::follow::Progress;
use super::{Admin, AdminError, Which, all_of};
use crate::instance::as_store_error;
use crate::state::{ArchiveState, ArchivedStreamState, read};

/// What moving a range out would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePlan {
    /// The range begins behind this position.
    pub after: Position,
    /// Its last position.
    pub up_to: Position,
    /// Events in it.
    pub events: u64,
    /// Of these, how many stay in the log: they wait for another attempt, or are dead letters.
    pub spared: u64,
    /// When the first and the last of them happened.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Consumers that have yet to handle some of it, with their positions.
    pub held_by: Vec<(String, Position)>,
    /// Projections that cannot be filled anew without it.
    pub projections: Vec<String>,
    /// Whether it was begun before, and is to be finished.
    pub is_begun: bool,
}

/// What is left to move when consumers have yet to handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhandled {
    /// Refuse.
    Refuse,
    /// Move it out all the same: these consumers will not handle it.
    LeaveOut,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// Ranges.
    pub ranges: usize,
    /// Events that were not in the log.
    pub events: u64,
    /// Up to here the log is still missing.
    pub archived_to: Position,
}

impl Admin {
    /// The ranges that were moved out, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn archives(&self) -> Result<Vec<ArchiveState>, AdminError> {
        let records = all_of(self.store.as_ref(), RecordKind::ARCHIVE, RecordQuery::default()).await?;
        Ok(records.iter().map(read::<ArchiveState>).collect::<Result<_, _>>()?)
    }

    /// What moving everything up to a position out of the log would do; changes nothing. A range that was begun comes
    /// first, whatever the position.
    ///
    /// A plan without events says that there is nothing to move: all of it was moved before, or the log does not go back
    /// so far.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan_archive(&self, up_to: Position) -> Result<ArchivePlan, AdminError> {
        let last = self.archives().await?.pop();
        if let Some(begun) = last.as_ref().filter(|range| range.moving) {
            return Ok(ArchivePlan {
                after: begun.after,
                up_to: begun.up_to,
                events: begun.events,
                spared: self.spared(begun.after, begun.up_to).await?.len() as u64,
                times: None,
                held_by: Vec::new(),
                projections: Vec::new(),
                is_begun: true,
            });
        }
        let after = last.map_or(Position::START, |range| range.up_to);
        let nothing = ArchivePlan {
            after,
            up_to: after,
            events: 0,
            spared: 0,
            times: None,
            held_by: Vec::new(),
            projections: Vec::new(),
            is_begun: false,
        };
        let Some(newest) = last_event(self.store.as_ref(), Position::END).await? else { return Ok(nothing) };
        // By its last event a log knows where it ends.
        let up_to = up_to.min(Position::at(newest.position.number() - 1));
        let (events, times) = self.range(after, up_to).await?;
        if events == 0 {
            return Ok(nothing);
        }
        let consumers = self.consumers().await?;
        let behind = consumers.iter().filter(|info| info.position < up_to);
        Ok(ArchivePlan {
            after,
            up_to,
            events,
            spared: self.spared(after, up_to).await?.len() as u64,
            times,
            held_by: behind.map(|info| (info.name.clone(), info.position)).collect(),
            projections: self.projections().await?.into_iter().map(|info| info.name).collect(),
            is_begun: false,
        })
    }

    /// Moves a range into another store, of which nothing else is known than that it is made for this; `name` is what
    /// people find it by.
    ///
    /// # Errors
    /// `Refused` when consumers have yet to handle it, or the other store holds something else; or when a store fails.
    pub async fn archive(
        &self,
        plan: &ArchivePlan,
        unhandled: Unhandled,
        maintenance: &dyn Maintenance,
        (to, to_maintenance, name): (&dyn Store, &dyn Maintenance, &str),
        progress: Progress<'_>,
    ) -> Result<ArchiveState, AdminError> {
        if plan.events == 0 {
            return Err(AdminError::Refused("there is nothing to move out".to_owned()));
        }
        if let Some((consumer, at)) = plan.held_by.iter().min_by_key(|(_, at)| *at)
            && unhandled == Unhandled::Refuse
        {
            return Err(AdminError::Refused(format!(
                "consumer {consumer} is at position {at}, and has yet to handle what would be moved out up to {}",
                plan.up_to
            )));
        }
        let range = if plan.is_begun {
            self.begun(to, plan).await?
        } else {
            self.copy_out(plan, to, to_maintenance, name, progress).await?
        };
        let spared = self.spared(plan.after, plan.up_to).await?;
        let mut query = within(range.after, range.up_to);
        loop {
            let mut page = to.read(&query).await?;
            page.events.retain(|event| !spared.contains(&event.position));
            maintenance.take_out(&page.events).await?;
            progress(page.end.min(range.up_to), range.up_to);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        let done = ArchiveState { moving: false, ..range };
        let detail = format!("{} events to {}", done.events, done.to);
        self.note_range(&done, Some(("archive", detail))).await?;
        Ok(done)
    }

    /// The range that was begun, when the other store holds it.
    async fn begun(&self, to: &dyn Store, plan: &ArchivePlan) -> Result<ArchiveState, AdminError> {
        let ranges = self.archives().await?;
        let range = ranges.into_iter().find(|range| range.up_to == plan.up_to);
        let range = range.ok_or_else(|| AdminError::Changed("the archive".to_owned()))?;
        if holds(to, &range).await? {
            return Ok(range);
        }
        Err(AdminError::Refused(format!(
            "moving positions {} to {} to {} was begun and not finished: name that one again",
            range.after.number() + 1,
            range.up_to,
            range.to
        )))
    }

    /// Copies a range, compares it, and notes that its events may go.
    async fn copy_out(
        &self,
        plan: &ArchivePlan,
        to: &dyn Store,
        to_maintenance: &dyn Maintenance,
        name: &str,
        progress: Progress<'_>,
    ) -> Result<ArchiveState, AdminError> {
        let store = self.store.as_ref();
        let begun = self.belongs(to).await?.max(plan.after);
        take_over(store, to, to_maintenance, begun, plan.up_to, progress).await?;
        let mut query = within(plan.after, plan.up_to);
        let (mut events, mut last) = (0, None);
        loop {
            let page = to.read(&query).await?;
            let there = Query { up_to: page.end.min(plan.up_to), ..query.clone() };
            if store.read(&there).await?.events != page.events {
                return Err(AdminError::Refused(format!(
                    "{name} differs from the log behind position {}: name another file",
                    query.after
                )));
            }
            events += page.events.len() as u64;
            last = page.events.last().map(|event| event.envelope.id).or(last);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        let Some(last) = last.filter(|_| events == plan.events) else {
            let message = format!("{name} has {events} of the {} events: ask again", plan.events);
            return Err(AdminError::Refused(message));
        };
        if let Some(finding) = to_maintenance.check().await?.findings.first() {
            return Err(AdminError::Refused(format!(
                "{name} is damaged: {}: name another file",
                finding.what
            )));
        }
        let range = ArchiveState {
            after: plan.after,
            up_to: plan.up_to,
            events,
            last,
            to: name.to_owned(),
            at: store.now().await?,
            moving: true,
        };
        self.note_range(&range, None).await?;
        Ok(range)
    }

    /// Where the other store ends, when it holds nothing but earlier ranges and what is still in the log.
    async fn belongs(&self, to: &dyn Store) -> Result<Position, AdminError> {
        let Some(last) = last_event(to, Position::END).await? else { return Ok(Position::START) };
        let is_earlier = self.archives().await?.iter().any(|range| range.last == last.envelope.id);
        if is_earlier || last_event(self.store.as_ref(), last.position).await?.as_ref() == Some(&last) {
            return Ok(last.position);
        }
        Err(AdminError::Refused(format!(
            "it holds something else: its last event, {} at position {}, is not of this log; name another file",
            last.envelope.id, last.position
        )))
    }

    /// Puts back what another store holds of this log, newest range first.
    ///
    /// # Errors
    /// `Refused` when it does not hold the newest range that was moved out; or when a store fails.
    pub async fn restore_archive(
        &self,
        maintenance: &dyn Maintenance,
        from: &dyn Store,
        progress: Progress<'_>,
    ) -> Result<Restored, AdminError> {
        let mut restored = Restored::default();
        let mut ranges = self.archives().await?;
        if ranges.is_empty() {
            return Err(AdminError::Refused("nothing of this log is archived".to_owned()));
        }
        while let Some(range) = ranges.pop() {
            if !holds(from, &range).await? {
                if restored.ranges == 0 {
                    return Err(AdminError::Refused(format!(
                        "it does not hold positions {} to {}, which come back first: they are in {}",
                        range.after.number() + 1,
                        range.up_to,
                        range.to
                    )));
                }
                restored.archived_to = range.up_to;
                break;
            }
            self.note_range(&ArchiveState { moving: true, ..range.clone() }, None).await?;
            let mut query = within(range.after, range.up_to);
            loop {
                let page = from.read(&query).await?;
                restored.events += maintenance.put_back(&page.events).await?;
                progress(page.end.min(range.up_to), range.up_to);
                if !page.more {
                    break;
                }
                query.after = page.end;
            }
            let mut work = self.store.begin().await?;
            work.remove(RecordKind::ARCHIVE, ArchiveState::id(range.up_to), Guard::Any);
            let target = positions(range.after, range.up_to);
            let detail = format!("{} events from {}", range.events, range.to);
            work.put(self.audit_record("restore", &target, detail).await?, Guard::Absent);
            commit(work).await?;
            restored.ranges += 1;
        }
        Ok(restored)
    }

    /// Refuses to begin where the log was moved out.
    pub(super) async fn refuse_archived(&self, what: &str, after: Position) -> Result<(), AdminError> {
        self.refuse_archived_streams(what, after).await?;
        let ranges = self.archives().await?;
        let Some(last) = ranges.last().filter(|range| range.up_to > after) else { return Ok(()) };
        Err(AdminError::Refused(format!(
            "{what} needs positions {}, which were moved out of the log: `factum archive restore {}` puts them back",
            positions(after, last.up_to),
            last.to
        )))
    }

    async fn note_range(
        &self,
        range: &ArchiveState,
        audit: Option<(&str, String)>,
    ) -> Result<(), AdminError> {
        let mut work = self.store.begin().await?;
        work.put(range.record(), Guard::Any);
        if let Some((action, detail)) = audit {
            let target = positions(range.after, range.up_to);
            work.put(self.audit_record(action, &target, detail).await?, Guard::Absent);
        }
        commit(work).await
    }

    /// Positions that a letter points to, dead, refused or parked, and those of events that keep a stream closed.
    async fn spared(&self, after: Position, up_to: Position) -> Result<HashSet<Position>, AdminError> {
        let mut spared = self.ends(after, up_to).await?;
        for which in [Which::Dead, Which::Refused, Which::Parked] {
            let letters = self.letters(which, None).await?;
            let at = letters.iter().filter_map(|letter| letter.troubled.position);
            spared.extend(at.filter(|at| *at > after && *at <= up_to));
        }
        Ok(spared)
    }

    /// Positions of the events that keep streams closed.
    async fn ends(&self, after: Position, up_to: Position) -> Result<HashSet<Position>, AdminError> {
        let mut ends = HashSet::new();
        let mut query = Query { types: vec![StreamClosed::TYPE.name], ..within(after, up_to) };
        loop {
            let page = self.store.read(&query).await?;
            for event in page.events {
                // One behind which the stream was opened again may go.
                if self.last_of(&event.stream).await?.position == event.position {
                    ends.insert(event.position);
                }
            }
            if !page.more {
                return Ok(ends);
            }
            query.after = page.end;
        }
    }

    /// How many events a range has, and when the first and the last of them happened.
    async fn range(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<(u64, Option<(Timestamp, Timestamp)>), AdminError> {
        let (mut count, mut times) = (0, None);
        let mut query = within(after, up_to);
        loop {
            let page = self.store.read(&query).await?;
            count += page.events.len() as u64;
            for event in &page.events {
                let time = event.envelope.time;
                times = Some(times.map_or((time, time), |(first, _)| (first, time)));
            }
            if !page.more {
                return Ok((count, times));
            }
            query.after = page.end;
        }
    }
}

/// Up to where events of the log may be missing, and where the last of them are: with a range, or with a stream.
pub(crate) async fn moved_out(store: &dyn Store) -> Result<Option<(Position, String)>, StoreError> {
    let ranges = all_of(store, RecordKind::ARCHIVE, RecordQuery::default()).await?;
    let range = ranges.last().map(read::<ArchiveState>).transpose()?;
    let mut last = range.map(|range| (range.up_to, range.to));
    for record in all_of(store, RecordKind::ARCHIVED_STREAM, RecordQuery::default()).await? {
        let out = read::<ArchivedStreamState>(&record)?;
        if last.as_ref().is_none_or(|(up_to, _)| *up_to < out.up_to) {
            last = Some((out.up_to, out.to));
        }
    }
    Ok(last)
}

/// Everything behind a position up to another one.
fn within(after: Position, up_to: Position) -> Query {
    Query { kind: None, up_to, limit: Query::LIMIT_MAX, ..Query::default() }.after(after)
}

/// `1 to 500`.
fn positions(after: Position, up_to: Position) -> String {
    format!("{} to {up_to}", after.number() + 1)
}

async fn last_event(store: &dyn Store, up_to: Position) -> Result<Option<Recorded>, AdminError> {
    let last = Query { direction: Direction::Backward, limit: 1, ..within(Position::START, up_to) };
    Ok(store.read(&last).await?.events.pop())
}

/// Whether a store holds a whole range.
async fn holds(store: &dyn Store, range: &ArchiveState) -> Result<bool, AdminError> {
    let mut query = within(range.after, range.up_to);
    let (mut events, mut last): (u64, Option<EventId>) = (0, None);
    loop {
        let page = store.read(&query).await?;
        events += page.events.len() as u64;
        last = page.events.last().map(|event| event.envelope.id).or(last);
        if !page.more {
            return Ok(events == range.events && last == Some(range.last));
        }
        query.after = page.end;
    }
}

async fn commit(work: Box<dyn factum_core::Work>) -> Result<(), AdminError> {
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other).into()),
    }
}

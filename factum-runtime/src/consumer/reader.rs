//! Reads the log once for all lanes of a consumer, splits each page once, and hands each lane its part.
//!
//! Lanes' queues are short: when a lane is slow the reader waits, and nothing grows. Before it hands out events it
//! writes how far ahead it may be, so that after a crash only that range is run one by one. A lane that has nothing
//! of a page is not woken for it: it hears now and then how far the log was looked at.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use factum_core::{Commit, Guard, Position, Query, SLOTS, Slot, StoreError};
use tokio::sync::mpsc;

use super::attempt::Arrived;
use super::shared::Shared;
use crate::instance::as_store_error;
use crate::state::ReadAhead;
use crate::stop::Stop;

/// Positions that one write of the read-ahead limit covers: large enough to cost nothing, small enough that the
/// range is run alone in about a second after a crash.
const AHEAD: u64 = 4096;
/// The most that it covers, for handlers that are done with it sooner than a checkpoint is written.
const AHEAD_MAX: u64 = 16 * AHEAD;
/// How long a lane without events may not know how far the log was looked at.
const TELL: Duration = Duration::from_millis(100);
/// A limit that is reached sooner than this is next set further ahead.
const AHEAD_FOR: Duration = Duration::from_millis(100);

/// A lane's part of a page.
#[derive(Debug)]
pub(crate) struct Portion {
    /// The whole page, shared: handing an event to its lane moves a number, not the event.
    pub(crate) page: Arc<Vec<Arrived>>,
    pub(crate) events: VecDeque<Next>,
}

/// An event that a lane is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub(crate) slot: Slot,
    pub(crate) position: Position,
    /// Its place in the page.
    pub(crate) index: usize,
}

/// Where the reader sends what belongs to a slot.
pub(crate) struct Routes {
    /// By slot number: the lane's index, and from where on.
    pub(crate) slots: HashMap<u16, (usize, Position)>,
    pub(crate) lanes: Vec<mpsc::Sender<Portion>>,
}

/// Reads until told to stop, or until a lane is gone.
pub(crate) async fn read(shared: &Shared, routes: &Routes, stop: &Stop) -> Result<(), StoreError> {
    let Some(start) = routes.slots.values().map(|(_, from)| *from).min() else { return Ok(()) };
    let mut query = Query {
        types: shared.consumer.handles().into_iter().map(|known| known.name).collect(),
        kind: shared.consumer.kind(),
        limit: Query::LIMIT_MAX,
        up_to: shared.bound(),
        ..Query::default()
    }
    .after(start);
    let mut targets: [Option<(usize, Position)>; SLOTS as usize] = [None; SLOTS as usize];
    for (slot, target) in &routes.slots {
        targets[usize::from(*slot)] = Some(*target);
    }
    let mut ahead = ReadAheadLimit::default();
    let mut told = Told::default();
    loop {
        let page = tokio::select! {
            biased;
            () = stop.stopped() => return Ok(()),
            page = shared.store.read(&query) => page?,
        };
        if let Some(last) = page.events.last() {
            ahead.cover(shared, last.position).await?;
        }
        shared.sync_time().await?;
        let (end, more) = (page.end, page.more);
        let share = page.events.len() / routes.lanes.len().max(1);
        let mut portions: Vec<VecDeque<Next>> =
            routes.lanes.iter().map(|_| VecDeque::with_capacity(share + share / 4)).collect();
        for (index, event) in page.events.iter().enumerate() {
            let (slot, position) = (shared.consumer.slot_of(&event.envelope), event.position);
            if let Some((lane, from)) = targets[usize::from(slot.number())]
                && position > from
            {
                shared.progress.handed_out(slot, position);
                portions[lane].push_back(Next { slot, position, index });
            }
        }
        // Before lanes are woken, so that they see it.
        shared.progress.looked_at(end);
        let arrived: Arc<Vec<Arrived>> = Arc::new(page.events.into_iter().map(Arrived::from).collect());
        let tells_all = told.is_due(shared.clock.elapsed());
        for (lane, events) in routes.lanes.iter().zip(portions) {
            if events.is_empty() && !tells_all {
                continue;
            }
            let portion = Portion { page: arrived.clone(), events };
            tokio::select! {
                biased;
                () = stop.stopped() => return Ok(()),
                sent = lane.send(portion) => if sent.is_err() { return Ok(()) },
            }
        }
        told.note(tells_all, shared.clock.elapsed());
        query.after = end;
        if more {
            continue;
        }
        let quiet = told.time_left(shared.clock.elapsed());
        // Beyond its bound there is nothing to wait for: the session ends when the bound moves.
        let is_bounded = end >= query.up_to;
        tokio::select! {
            biased;
            () = stop.stopped() => return Ok(()),
            woken = shared.store.wait(end), if !is_bounded => woken?,
            () = shared.clock.sleep(quiet.unwrap_or_default()), if quiet.is_some() => {}
        }
    }
}

/// When all lanes last heard how far the log was looked at.
#[derive(Default)]
struct Told {
    at: Option<Duration>,
    /// Some lanes have not heard of the last pages.
    owes: bool,
}

impl Told {
    fn is_due(&self, now: Duration) -> bool {
        self.at.is_none_or(|at| now.saturating_sub(at) >= TELL)
    }

    fn note(&mut self, all: bool, now: Duration) {
        self.owes = !all;
        if all {
            self.at = Some(now);
        }
    }

    /// How long until all are told, when some have not heard.
    fn time_left(&self, now: Duration) -> Option<Duration> {
        self.at.filter(|_| self.owes).map(|at| (at + TELL).saturating_sub(now))
    }
}

/// How far ahead of the checkpoints events may have been handed out, as written.
struct ReadAheadLimit {
    limit: Position,
    by: u64,
    written_at: Option<Duration>,
}

impl Default for ReadAheadLimit {
    fn default() -> Self {
        Self { limit: Position::START, by: AHEAD, written_at: None }
    }
}

impl ReadAheadLimit {
    /// Makes sure that the written limit covers a position before its event is handed out.
    async fn cover(&mut self, shared: &Shared, position: Position) -> Result<(), StoreError> {
        if position <= self.limit {
            return Ok(());
        }
        let elapsed = shared.clock.elapsed();
        let is_soon = self.written_at.is_some_and(|at| elapsed.saturating_sub(at) < AHEAD_FOR);
        self.by = if is_soon { (self.by * 2).min(AHEAD_MAX) } else { AHEAD };
        self.written_at = Some(elapsed);
        self.limit = Position::at(position.number() + self.by);
        write_limit(shared, self.limit).await
    }
}

async fn write_limit(shared: &Shared, limit: Position) -> Result<(), StoreError> {
    let mut work = shared.store.begin().await?;
    work.put(ReadAhead { limit }.record(shared.name(), &shared.instance.id), Guard::Any);
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

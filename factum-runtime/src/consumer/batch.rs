//! Events that share commits: while one batch commits, the next one is already handled.
//!
//! The next batch's writes name the slot's revision as it will be, so they count only if the batch before did; what
//! its handlers read waits for that commit, so they never miss what it wrote. A batch that fails is undone, with
//! everything begun after it, and its events are run one by one.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use factum_core::{
    Attempt, Commit, Envelope, Expected, Gate, Guard, Lock, Page, Position, Query, Record, RecordKind,
    RecordQuery, Rows, SLOTS, Sql, StoreError, StoreErrorKind, StreamId, Value, Work,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::attempt::{Outcome, attempt};
use super::lane::{Committed, Lane, LaneEnd, WRITE_HANDLED};
use super::reader::Next;
use crate::observe::count;

/// Where each slot will stand, by number; the start where the batch has none of its events.
type Last = [Position; SLOTS as usize];

/// A batch that was handled and not yet committed.
struct Collected {
    work: Box<dyn Work>,
    last: Last,
    events: usize,
    started: Duration,
}

/// A batch whose commit is under way.
struct Flight {
    commit: JoinHandle<Commit>,
    ended: watch::Receiver<bool>,
    last: Last,
    events: usize,
    started: Duration,
}

impl Lane {
    /// Runs batches from the front of the queue as long as there are any; what fails is left there, to be run one by
    /// one.
    pub(super) async fn run_batches(&mut self) -> Result<(), LaneEnd> {
        let mut flight: Option<Flight> = None;
        loop {
            let ahead = flight.as_ref().map_or(0, |flight| flight.events);
            let next = if self.stop.is_stopped() { 0 } else { self.may_share(ahead) };
            // A single event is no batch, unless it follows one.
            let collected = if next > usize::from(flight.is_none()) {
                self.collect(ahead, next, flight.as_ref()).await?
            } else {
                None
            };
            if let Some(flight) = flight.take()
                && !self.land(flight).await?
            {
                return Ok(());
            }
            match collected {
                Some(collected) if collected.work.is_empty() => self.looked_through(collected),
                Some(collected) => flight = Some(take_off(collected)),
                None => {
                    self.singly = next;
                    return Ok(());
                }
            }
        }
    }

    /// Handles a batch without committing it; `None` when a handler says no.
    async fn collect(
        &mut self,
        ahead: usize,
        events: usize,
        flight: Option<&Flight>,
    ) -> Result<Option<Collected>, LaneEnd> {
        if self.shared.is_outage() {
            return Ok(None);
        }
        self.look();
        let (started, now) = (self.looked, self.now());
        let mut work = self.begin().await?;
        if let Some(flight) = flight {
            work = Box::new(Behind { inner: work, ended: flight.ended.clone() });
        }
        let mut last = [Position::START; SLOTS as usize];
        for index in ahead..ahead + events {
            let Next { slot, position, index } = self.queue[index];
            let arrived = &self.page[index];
            if position <= self.held(slot).done {
                continue;
            }
            let try_ = Attempt { number: 1, is_replay: self.is_replay(arrived) };
            let Outcome::Handled = attempt(&self.shared, &self.seat, arrived, try_, now, work.as_mut()).await
            else {
                return Ok(None);
            };
            last[usize::from(slot.number())] = position;
        }
        if !work.is_empty() {
            for held in &self.held {
                let number = usize::from(held.slot.number());
                if last[number] > Position::START {
                    let before = flight.map_or(Position::START, |flight| flight.last[number]);
                    let (record, guard) =
                        held.record_after(&self.shared, last[number], before > Position::START);
                    work.put(record, guard);
                }
            }
        }
        Ok(Some(Collected { work, last, events, started }))
    }

    /// Waits for a commit; `false` when nothing of it happened.
    async fn land(&mut self, flight: Flight) -> Result<bool, LaneEnd> {
        let commit = flight.commit.await.map_err(|error| {
            let message = format!("a commit ended without an answer: {error}");
            LaneEnd::Store(StoreError::new(StoreErrorKind::Other, message))
        })?;
        let Committed::Yes = Self::judge(commit)? else {
            self.singly = flight.events;
            return Ok(false);
        };
        for held in &mut self.held {
            let position = flight.last[usize::from(held.slot.number())];
            if position > Position::START {
                held.moved(position);
                self.shared.progress.set(held.slot, held.done);
            }
        }
        self.batch_handled(flight.events, flight.started);
        Ok(true)
    }

    /// A batch without effects in the store: its checkpoints are written later.
    fn looked_through(&mut self, collected: Collected) {
        for held in &mut self.held {
            let position = collected.last[usize::from(held.slot.number())];
            if position > Position::START {
                held.done = position;
                self.shared.progress.set(held.slot, held.done);
            }
        }
        self.note_unwritten(WRITE_HANDLED);
        self.batch_handled(collected.events, collected.started);
    }

    fn batch_handled(&mut self, events: usize, started: Duration) {
        self.shared.succeeded();
        count(&self.shared.metrics.handled, events as u64);
        self.look();
        self.shared.metrics.attempt.observe(self.looked.saturating_sub(started));
        let now = self.now();
        for next in self.queue.drain(..events) {
            self.tally.end_to_end(now.since(self.page[next.index].envelope.time));
        }
        self.tell();
        self.shared.progress.announce();
    }
}

/// Starts a batch's commit beside the lane. It ends by itself, whatever becomes of the lane: all of it or none.
fn take_off(collected: Collected) -> Flight {
    let Collected { work, last, events, started } = collected;
    let (sender, ended) = watch::channel(false);
    let commit = tokio::spawn(async move {
        let commit = work.commit().await;
        sender.send_replace(true);
        commit
    });
    Flight { commit, ended, last, events, started }
}

/// A unit of work that reads only once the batch before has committed.
struct Behind {
    inner: Box<dyn Work>,
    ended: watch::Receiver<bool>,
}

impl Behind {
    async fn wait(&mut self) {
        // An error means that the commit's task is gone: then this unit's guard will not hold either.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

#[async_trait]
impl Work for Behind {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.inner.execute(sql, params);
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.inner.append(to, expected, events);
    }

    fn put(&mut self, record: Record, guard: Guard) {
        self.inner.put(record, guard);
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.inner.remove(kind, id, guard);
    }

    async fn query(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError> {
        self.wait().await;
        self.inner.query(sql, params, lock).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.wait().await;
        self.inner.read(query).await
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.wait().await;
        self.inner.find(kind, query).await
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.inner.gate()
    }

    fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    async fn commit(self: Box<Self>) -> Commit {
        self.inner.commit().await
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self.inner.as_any()
    }
}

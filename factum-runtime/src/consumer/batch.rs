//! Events that share commits: while one batch commits, the next one is already handled.
//!
//! The next batch's writes name the slot's revision as it will be, so they count only if the batch before did; what
//! its handlers read waits for that commit, so they never miss what it wrote. A batch that fails is undone, with
//! everything begun after it, and its events are run one by one.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use factum_core::{Around, Attempt, Commit, Position, SLOTS, StoreError, StoreErrorKind, Work, around};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::attempt::{Outcome, attempt_of_many};
use super::lane::{Committed, Lane, LaneEnd, WRITE_HANDLED};
use super::once::Marks;
use super::reader::{Next, Portion};
use super::together::Together;
use crate::observe::count;

/// Where each slot will stand, by number; the start where the batch has none of its events.
type Last = [Position; SLOTS as usize];

/// Commits of one lane that are under way at once, where the store keeps them in order: while one is written, the
/// next is already there.
const IN_ORDER_MAX: usize = 2;

/// Events that were handled together.
struct Batch {
    last: Last,
    /// How many of the queue it covers, and how many of those it ran.
    events: usize,
    ran: usize,
    started: Duration,
}

/// A batch that is not yet committed.
struct Collected {
    batch: Batch,
    work: Box<dyn Work>,
}

/// A batch whose commit is under way.
struct Flight {
    batch: Batch,
    commit: JoinHandle<Commit>,
    ended: watch::Receiver<bool>,
}

impl Lane {
    /// Runs batches from the front of the queue as long as there are any; what fails is left there, to be run one by
    /// one.
    pub(super) async fn run_batches(&mut self, live: &mut mpsc::Receiver<Portion>) -> Result<(), LaneEnd> {
        let most = if self.shared.store.guarantees().commits_in_order { IN_ORDER_MAX } else { 1 };
        let mut flights: VecDeque<Flight> = VecDeque::with_capacity(most);
        loop {
            let ahead = flights.iter().map(|flight| flight.batch.events).sum();
            if !flights.is_empty() && ahead >= self.queue.len() && self.coming.is_none() {
                // The end of a page is no reason to let the store wait.
                self.coming = live.try_recv().ok();
            }
            let next = if self.stop.is_stopped() { 0 } else { self.may_share(ahead) };
            // A single event is no batch, unless it follows one.
            let collected = if next > usize::from(flights.is_empty()) {
                self.collect(ahead, next, &flights).await?
            } else {
                None
            };
            let has_writes = collected.as_ref().is_some_and(|collected| !collected.work.is_empty());
            let stay = if has_writes { most - 1 } else { 0 };
            let mut landed = Vec::new();
            while flights.len() > stay
                && let Some(flight) = flights.pop_front()
            {
                match self.land(flight).await? {
                    Some(one) => landed.push(one),
                    None => return self.give_up(flights).await,
                }
            }
            let (taken_off, looked_through) = match collected {
                Some(collected) if has_writes => (Some(take_off(collected).await), None),
                Some(collected) => (None, Some(collected.batch)),
                None => (None, None),
            };
            // Counted while the store is busy with what has just been handed to it.
            landed.iter().for_each(|batch| self.batch_handled(batch));
            match (taken_off, looked_through) {
                (Some(flight), _) => flights.push_back(flight),
                (None, Some(batch)) => self.looked_through(&batch),
                (None, None) => {
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
        flights: &VecDeque<Flight>,
    ) -> Result<Option<Collected>, LaneEnd> {
        if self.shared.is_outage() {
            return Ok(None);
        }
        self.look();
        let (started, now) = (self.looked, self.now());
        let mut work = self.begin().await?;
        if let Some(flight) = flights.back() {
            work = around(work, Behind { ended: flight.ended.clone() });
        }
        if self.shared.consumer.correlate.is_some() {
            work = around(work, Together::default());
        }
        let (mut ran, mut marks) = (0, Marks::default());
        let mut last = [Position::START; SLOTS as usize];
        let (page, batch) = {
            let (page, behind) = self.behind(ahead);
            (page.clone(), behind.take(events).copied().collect::<Vec<_>>())
        };
        for Next { slot, position, index } in batch {
            let arrived = &page[index];
            if position <= self.held(slot).done {
                continue;
            }
            let try_ = Attempt { number: 1, is_replay: self.is_replay(arrived) };
            let (shared, seat) = (&self.shared, &self.seat);
            let outcome = attempt_of_many(shared, seat, arrived, try_, now, &mut marks, work.as_mut()).await;
            let Outcome::Handled = outcome else { return Ok(None) };
            ran += 1;
            last[usize::from(slot.number())] = position;
        }
        marks.put(work.as_mut());
        if !work.is_empty() {
            for held in &self.held {
                let number = usize::from(held.slot.number());
                if last[number] > Position::START {
                    let before = flights.iter().filter(|flight| flight.batch.last[number] > Position::START);
                    let (record, guard) = held.record_after(&self.shared, last[number], before.count());
                    work.put(record, guard);
                }
            }
        }
        Ok(Some(Collected { batch: Batch { last, events, ran, started }, work }))
    }

    /// Waits for a commit; `None` when nothing of it happened.
    async fn land(&mut self, flight: Flight) -> Result<Option<Batch>, LaneEnd> {
        let commit = ended(flight.commit).await?;
        let Committed::Yes = Self::judge(commit)? else {
            self.singly = flight.batch.events;
            return Ok(None);
        };
        self.moved(&flight.batch.last);
        Ok(Some(flight.batch))
    }

    /// Waits for what was begun after a batch that failed: it failed too, but for slots that were not in that batch.
    async fn give_up(&mut self, flights: VecDeque<Flight>) -> Result<(), LaneEnd> {
        for flight in flights {
            match ended(flight.commit).await? {
                Commit::Committed(_) => {
                    // Its events stay in the queue, and are passed over there.
                    self.moved(&flight.batch.last);
                    count(&self.shared.metrics.handled, flight.batch.ran as u64);
                }
                Commit::Unknown(error) => return Err(LaneEnd::Store(error)),
                Commit::Conflict(_) | Commit::Failed(_) => {}
            }
        }
        Ok(())
    }

    fn moved(&mut self, last: &Last) {
        for held in &mut self.held {
            let position = last[usize::from(held.slot.number())];
            if position > Position::START {
                held.moved(position);
                self.shared.progress.set(held.slot, held.done);
            }
        }
    }

    /// A batch without effects in the store: its checkpoints are written later.
    fn looked_through(&mut self, batch: &Batch) {
        for held in &mut self.held {
            let position = batch.last[usize::from(held.slot.number())];
            if position > Position::START {
                held.done = position;
                self.shared.progress.set(held.slot, held.done);
            }
        }
        self.note_unwritten(WRITE_HANDLED);
        self.batch_handled(batch);
    }

    fn batch_handled(&mut self, batch: &Batch) {
        self.shared.succeeded();
        count(&self.shared.metrics.handled, batch.ran as u64);
        self.look();
        self.shared.metrics.attempt.observe(self.looked.saturating_sub(batch.started));
        let now = self.now();
        for next in self.queue.drain(..batch.events) {
            self.tally.end_to_end(now.since(self.page[next.index].envelope.time));
        }
        self.tell();
        self.shared.progress.announce();
        self.turn_page();
    }
}

async fn ended(commit: JoinHandle<Commit>) -> Result<Commit, LaneEnd> {
    commit.await.map_err(|error| {
        let message = format!("a commit ended without an answer: {error}");
        LaneEnd::Store(StoreError::new(StoreErrorKind::Other, message))
    })
}

/// Starts a batch's commit beside the lane. It ends by itself, whatever becomes of the lane: all of it or none.
async fn take_off(collected: Collected) -> Flight {
    let Collected { batch, work } = collected;
    let (sender, ended) = watch::channel(false);
    let mut commit = Box::pin(async move {
        let commit = work.commit().await;
        sender.send_replace(true);
        commit
    });
    // Handed to the store before the next batch is handled: a spawned task would first wait for the lane to pause.
    let done = poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx))).await;
    let commit = tokio::spawn(async move {
        match done {
            Poll::Ready(done) => done,
            Poll::Pending => commit.await,
        }
    });
    Flight { batch, commit, ended }
}

/// A unit of work that reads only once the batch before has committed.
struct Behind {
    ended: watch::Receiver<bool>,
}

impl Around for Behind {
    async fn before_read(&mut self) {
        // An error means that the commit's task is gone: then this unit's guard will not hold either.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

//! A lane: a worker that holds slots and runs their events in order, one at a time.
//!
//! Each event ends in exactly one way: handled, refused, parked, or dead, and that end is committed together with
//! the slot's checkpoint. A lane that finds its slot taken over, or the store in trouble, ends; the session starts
//! anew from what is written. It never guesses what a failed commit did.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use factum_core::{
    Attempt, Commit, Conflict, Position, RecordKind, Recorded, SLOTS, Slot, StoreError, Work, hash64,
};
use tokio::sync::mpsc;

use super::attempt::{Arrived, Outcome, attempt};
use super::reader::Portion;
use super::shared::Shared;
use super::slots::Held;
use crate::observe::count;
use crate::state::{SlotState, Started, as_seen};
use crate::stop::Stop;

/// Runs of a unit that somebody else's write undid, before that counts as a failure.
const CONFLICTS_MAX: u32 = 5;
/// How long handled events without effects in the store may stay unwritten: what a crash may run again.
const WRITE_HANDLED: Duration = Duration::from_millis(100);
/// How long slots that only looked on may stay unwritten.
const WRITE_IDLE: Duration = Duration::from_secs(1);

/// Why a lane ended before it was told to.
#[derive(Debug)]
pub(crate) enum LaneEnd {
    /// Another instance, or an operator, has moved one of its slots.
    Fenced,
    /// The store is in trouble.
    Store(StoreError),
}

impl From<StoreError> for LaneEnd {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::state::StateError> for LaneEnd {
    fn from(error: crate::state::StateError) -> Self {
        Self::Store(error.into())
    }
}

/// What became of a commit that did not end the lane.
pub(crate) enum Committed {
    Yes,
    /// Somebody came between; nothing happened.
    Again,
    /// A write of the handler cannot be done; nothing happened.
    No(Outcome),
}

pub(crate) struct Lane {
    pub(crate) shared: Arc<Shared>,
    pub(crate) held: Vec<Held>,
    index: [usize; SLOTS as usize],
    queue: VecDeque<(Slot, Recorded)>,
    up_to: Position,
    /// Parked keys to try, alternating with live events.
    again: VecDeque<(Slot, String)>,
    /// Events at the front of the queue that a failed batch left to be run one by one.
    singly: usize,
    /// An unused unit of work, kept for the next event.
    spare: Option<Box<dyn Work>>,
    unwritten: Option<(Duration, Duration)>,
    pub(crate) stop: Stop,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, held: Vec<Held>, stop: Stop) -> Self {
        let mut index = [usize::MAX; SLOTS as usize];
        for (at, slot) in held.iter().enumerate() {
            index[usize::from(slot.slot.number())] = at;
            shared.progress.set(slot.slot, slot.done);
        }
        Self {
            shared,
            held,
            index,
            queue: VecDeque::new(),
            up_to: Position::START,
            again: VecDeque::new(),
            singly: 0,
            spare: None,
            unwritten: None,
            stop,
        }
    }

    /// Works until told to stop; then gives its slots back for release.
    pub(crate) async fn run(
        mut self,
        mut live: mpsc::Receiver<Portion>,
        mut due: mpsc::Receiver<(Slot, String)>,
    ) -> (Vec<Held>, Result<(), LaneEnd>) {
        let result = self.work(&mut live, &mut due).await;
        self.held.iter().for_each(|held| self.shared.progress.forget(held.slot));
        self.shared.progress.announce();
        (self.held, result)
    }

    async fn work(
        &mut self,
        live: &mut mpsc::Receiver<Portion>,
        due: &mut mpsc::Receiver<(Slot, String)>,
    ) -> Result<(), LaneEnd> {
        while !self.stop.is_stopped() {
            while let Ok(key) = due.try_recv() {
                self.again.push_back(key);
            }
            if let Some((slot, key)) = self.again.pop_front()
                && self.revisit(slot, &key).await?
            {
                self.again.push_back((slot, key));
            }
            if !self.queue.is_empty() {
                self.step().await?;
                self.write_if_late().await?;
                continue;
            }
            self.looked_on();
            if !self.again.is_empty() {
                continue;
            }
            let stop = self.stop.clone();
            let late = self.time_to_write();
            tokio::select! {
                biased;
                () = stop.stopped() => {}
                key = due.recv() => match key {
                    Some(key) => self.again.push_back(key),
                    None => return Ok(()),
                },
                portion = live.recv() => match portion {
                    Some(portion) => self.take(portion),
                    None => return Ok(()),
                },
                () = self.shared.clock.sleep(late.unwrap_or_default()), if late.is_some() => {
                    self.write_if_late().await?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, portion: Portion) {
        self.queue.extend(portion.events);
        self.up_to = portion.up_to;
        self.looked_on();
    }

    /// With an empty queue, every slot has seen everything that the reader handed out.
    fn looked_on(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        let mut moved = false;
        for held in self.held.iter_mut().filter(|held| held.done < self.up_to) {
            held.done = self.up_to;
            self.shared.progress.set(held.slot, held.done);
            moved = true;
        }
        if moved {
            self.shared.progress.announce();
            self.note_unwritten(WRITE_IDLE);
        }
    }

    fn note_unwritten(&mut self, within: Duration) {
        let by = self.shared.clock.elapsed() + within;
        self.unwritten = Some(self.unwritten.map_or((by, by), |(first, _)| (first.min(by), by)));
    }

    fn time_to_write(&self) -> Option<Duration> {
        self.unwritten.map(|(by, _)| by.saturating_sub(self.shared.clock.elapsed()))
    }

    async fn write_if_late(&mut self) -> Result<(), LaneEnd> {
        if self.time_to_write() != Some(Duration::ZERO) {
            return Ok(());
        }
        self.unwritten = None;
        let mut work = self.begin().await?;
        let mut written = Vec::new();
        for (at, held) in self.held.iter().enumerate().filter(|(_, held)| held.done > held.saved) {
            let (record, guard) = held.record(&self.shared, held.done);
            work.put(record, guard);
            written.push((at, held.done));
        }
        if let Committed::Yes = self.commit(work).await? {
            for (at, position) in written {
                self.held[at].moved(position);
            }
        }
        Ok(())
    }

    /// Runs the event at the front of the queue, or as many as may share a commit.
    async fn step(&mut self) -> Result<(), LaneEnd> {
        let together = if self.singly > 0 { 1 } else { self.may_share() };
        if together > 1 {
            if !self.run_together(together).await? {
                self.singly = together;
            }
        } else if let Some((slot, event)) = self.queue.pop_front() {
            self.singly = self.singly.saturating_sub(1);
            if event.position > self.held(slot).done {
                self.run_one(slot, event).await?;
            }
        }
        self.shared.progress.announce();
        Ok(())
    }

    /// How many events at the front of the queue may share a commit.
    fn may_share(&self) -> usize {
        let batch = self.shared.consumer.batch;
        let may = |(slot, event): &&(Slot, Recorded)| {
            let held = self.held(*slot);
            event.position > held.alone_until && !held.parked.contains_key(event.envelope.key.as_str())
        };
        if batch == 1 { 1 } else { self.queue.iter().take(batch).take_while(may).count() }
    }

    /// Runs several events in one unit; `false` when any of them fails: then nothing has happened.
    async fn run_together(&mut self, events: usize) -> Result<bool, LaneEnd> {
        if self.shared.must_wait().is_some() {
            return Ok(false);
        }
        let started = self.shared.clock.elapsed();
        let mut work = self.begin().await?;
        let mut last = [Position::START; SLOTS as usize];
        for index in 0..events {
            let (slot, event) = &self.queue[index];
            let (slot, arrived) = (*slot, Arrived::from(event.clone()));
            if event.position <= self.held(slot).done {
                continue;
            }
            let try_ = Attempt { number: 1, is_replay: self.is_replay(&arrived) };
            let Outcome::Handled = attempt(&self.shared, &arrived, try_, work.as_mut()).await else {
                return Ok(false);
            };
            last[usize::from(slot.number())] = event.position;
        }
        let moved = |held: &&mut Held| last[usize::from(held.slot.number())] > Position::START;
        let has_effects = !work.is_empty();
        if has_effects {
            for held in self.held.iter_mut().filter(moved) {
                let (record, guard) = held.record(&self.shared, last[usize::from(held.slot.number())]);
                work.put(record, guard);
            }
            let Committed::Yes = self.commit(work).await? else { return Ok(false) };
        } else {
            self.spare = Some(work);
            self.note_unwritten(WRITE_HANDLED);
        }
        for held in self.held.iter_mut().filter(moved) {
            let position = last[usize::from(held.slot.number())];
            if has_effects {
                held.moved(position)
            } else {
                held.done = position
            }
            self.shared.progress.set(held.slot, held.done);
        }
        self.shared.succeeded();
        count(&self.shared.metrics.handled, events as u64);
        self.shared.metrics.attempt.observe(self.shared.clock.elapsed().saturating_sub(started));
        let now = self.shared.now();
        for (_, event) in self.queue.drain(..events) {
            self.shared.metrics.end_to_end.observe(now.since(event.envelope.time));
        }
        Ok(true)
    }

    async fn run_one(&mut self, slot: Slot, event: Recorded) -> Result<(), LaneEnd> {
        let position = event.position;
        let arrived = Arrived::from(event);
        if self.held(slot).parked.contains_key(arrived.envelope.key.as_str()) {
            return self.queue_behind(slot, &arrived, position).await;
        }
        let is_alone = position <= self.held(slot).alone_until;
        if is_alone && !self.record_start(slot, position).await? {
            let error = "the process ended each time this event was started".to_owned();
            let attempts = self.shared.consumer.policy.crashes_max;
            return self.set_aside(slot, &arrived, position, attempts, "crash", error).await;
        }
        self.run_live(slot, &arrived, position, is_alone).await
    }

    pub(crate) async fn run_live(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        is_alone: bool,
    ) -> Result<(), LaneEnd> {
        let (mut failed, mut conflicts) = (0, 0);
        loop {
            if !self.pass_breaker().await {
                return Ok(());
            }
            let started = self.shared.clock.elapsed();
            let mut work = self.begin().await?;
            let try_ = Attempt { number: failed + 1, is_replay: self.is_replay(arrived) };
            let mut outcome = attempt(&self.shared, arrived, try_, work.as_mut()).await;
            if let Outcome::Handled = outcome {
                if work.is_empty() && !is_alone {
                    self.spare = Some(work);
                    self.held_mut(slot).done = position;
                    self.note_unwritten(WRITE_HANDLED);
                    self.handled(slot, arrived, started);
                    return Ok(());
                }
                let (record, guard) = self.held(slot).record(&self.shared, position);
                work.put(record, guard);
                match self.commit(work).await? {
                    Committed::Yes => {
                        self.held_mut(slot).moved(position);
                        self.handled(slot, arrived, started);
                        return Ok(());
                    }
                    Committed::Again if conflicts < CONFLICTS_MAX => {
                        conflicts += 1;
                        count(&self.shared.metrics.conflicts, 1);
                        continue;
                    }
                    Committed::Again => outcome = too_many_conflicts(),
                    Committed::No(no) => outcome = no,
                }
            }
            match outcome {
                Outcome::Handled => return Ok(()),
                Outcome::Refused { reason, error } => {
                    return self.refuse(slot, arrived, position, &reason, error).await;
                }
                Outcome::Later { after, why } => {
                    return self.park_later(slot, arrived, position, after, why).await;
                }
                Outcome::Failed { reason, error } => {
                    count(&self.shared.metrics.failed, 1);
                    let is_outage = self.shared.failed(hash64(arrived.envelope.key.as_str().as_bytes()));
                    tracing::debug!(consumer = %self.shared.name(), id = %arrived.envelope.id, error, "attempt failed");
                    if is_outage {
                        // The world is broken, not the event: no attempt is counted.
                        return self.set_aside(slot, arrived, position, failed, reason, error).await;
                    }
                    failed += 1;
                    conflicts = 0;
                    if failed >= self.shared.consumer.policy.immediate.max(1) {
                        return self.set_aside(slot, arrived, position, failed, reason, error).await;
                    }
                }
            }
        }
    }

    /// Waits while an outage lasts and no probe is due; `false` when told to stop meanwhile.
    async fn pass_breaker(&mut self) -> bool {
        while let Some(wait) = self.shared.must_wait() {
            tokio::select! {
                biased;
                () = self.stop.stopped() => return false,
                () = self.shared.clock.sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
        !self.stop.is_stopped()
    }

    fn handled(&mut self, slot: Slot, arrived: &Arrived, started: Duration) {
        let shared = &self.shared;
        shared.succeeded();
        shared.progress.set(slot, self.held(slot).done);
        count(&shared.metrics.handled, 1);
        shared.metrics.attempt.observe(shared.clock.elapsed().saturating_sub(started));
        shared.metrics.end_to_end.observe(shared.now().since(arrived.envelope.time));
    }

    /// Writes that an event is about to run; `false` when it has brought the process down too often.
    async fn record_start(&mut self, slot: Slot, position: Position) -> Result<bool, LaneEnd> {
        let held = self.held(slot);
        let before = held.started.filter(|started| started.position == position).map_or(0, |it| it.starts);
        if before >= self.shared.consumer.policy.crashes_max {
            return Ok(false);
        }
        let started = Some(Started { position, starts: before + 1 });
        let owner = Some(self.shared.instance.id.clone());
        let state = SlotState { position: held.done, owner, started };
        let guard = as_seen(held.revision);
        let mut work = self.begin().await?;
        work.put(state.record(self.shared.name(), slot), guard);
        if let Committed::Yes = self.commit(work).await? {
            let held = self.held_mut(slot);
            held.moved(held.done);
            held.started = started;
        }
        Ok(true)
    }

    /// Whether an operator asked for this event again.
    pub(crate) fn is_replay(&self, arrived: &Arrived) -> bool {
        match arrived.origin {
            factum_core::Origin::Log { position, .. } => position <= self.shared.replay_until(),
            factum_core::Origin::Topic(_) => false,
        }
    }

    pub(crate) async fn begin(&mut self) -> Result<Box<dyn Work>, StoreError> {
        match self.spare.take() {
            Some(work) => Ok(work),
            None => self.shared.store.begin().await,
        }
    }

    /// Commits; an unknown outcome ends the lane, because the slot's record tells it apart on the next start.
    pub(crate) async fn commit(&mut self, work: Box<dyn Work>) -> Result<Committed, LaneEnd> {
        match work.commit().await {
            Commit::Committed(_) => Ok(Committed::Yes),
            Commit::Conflict(Conflict::Record { kind: RecordKind::SLOT, .. }) => Err(LaneEnd::Fenced),
            Commit::Conflict(_) => Ok(Committed::Again),
            Commit::Unknown(error) => Err(LaneEnd::Store(error)),
            Commit::Failed(error) => Ok(Committed::No(Outcome::of_write(error)?)),
        }
    }

    pub(crate) fn held(&self, slot: Slot) -> &Held {
        &self.held[self.index[usize::from(slot.number())]]
    }

    pub(crate) fn held_mut(&mut self, slot: Slot) -> &mut Held {
        &mut self.held[self.index[usize::from(slot.number())]]
    }

    pub(crate) fn holds(&self, slot: Slot) -> bool {
        self.index[usize::from(slot.number())] != usize::MAX
    }
}

pub(crate) fn too_many_conflicts() -> Outcome {
    let error = format!("undone by other writers {} times in a row", CONFLICTS_MAX + 1);
    Outcome::Failed { reason: "conflict", error }
}

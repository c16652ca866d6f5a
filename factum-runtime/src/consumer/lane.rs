//! A lane: a worker that holds slots and runs their events in order, one at a time.
//!
//! Each event ends in exactly one way: handled, refused, parked, or dead, and that end is committed together with
//! the slot's checkpoint. A lane that finds its slot taken over, or the store in trouble, ends; the session starts
//! anew from what is written. It never guesses what a failed commit did.

use std::collections::{VecDeque, vec_deque};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use factum_core::retry::{Failed, Next as Retry};
use factum_core::{
    Attempt, Commit, Conflict, Position, RecordKind, SLOTS, Slot, StoreError, Timestamp, Work, hash64,
};
use tokio::sync::mpsc;

use super::attempt::{Arrived, Outcome, attempt};
use super::reader::{Next, Portion};
use super::shared::Shared;
use super::slots::Held;
use super::tally::LaneTally;
use crate::observe::count;
use crate::state::{Needs, SlotState, Started, as_seen};
use crate::stop::Stop;
use crate::watchdog::Seat;

/// Runs of a unit that somebody else's write undid, before that counts as a failure.
pub(crate) const CONFLICTS_MAX: u32 = 5;
/// How long handled events without effects in the store may stay unwritten: what a crash may run again.
pub(super) const WRITE_HANDLED: Duration = Duration::from_millis(100);
/// Events without effects that are run before the lane looks at anything else.
const STRETCH: usize = 64;
/// The longest that such events together may keep the lane from looking.
const STRETCH_MAX: Duration = Duration::from_millis(1);
/// How long slots that only looked on may stay unwritten.
const WRITE_IDLE: Duration = Duration::from_secs(1);

/// Why a lane ended before it was told to.
#[derive(Debug)]
pub(crate) enum LaneEnd {
    /// Another instance, or an operator, has moved one of its slots.
    Fenced,
    /// One of its slots stands at an event of a contract version that this release cannot read.
    Newer,
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
    pub(super) page: Arc<Vec<Arrived>>,
    /// What is still to be run of the page.
    pub(super) queue: VecDeque<Next>,
    /// The part of the next page that batches have already begun with.
    pub(super) coming: Option<Portion>,
    /// Parked keys to try, alternating with live events.
    again: VecDeque<(Slot, String)>,
    /// Events at the front of the queue that a failed batch left to be run one by one.
    pub(super) singly: usize,
    /// An unused unit of work, kept for the next event.
    spare: Option<Box<dyn Work>>,
    unwritten: Option<(Duration, Duration)>,
    pub(crate) seat: Arc<Seat>,
    pub(super) tally: LaneTally,
    /// When the clock was last looked at, and what the store's time was then.
    pub(super) looked: Duration,
    looked_time: (Duration, Timestamp),
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
            seat: shared.seats.take(),
            shared,
            held,
            index,
            page: Arc::default(),
            queue: VecDeque::new(),
            coming: None,
            again: VecDeque::new(),
            singly: 0,
            spare: None,
            unwritten: None,
            tally: LaneTally::default(),
            looked: Duration::ZERO,
            looked_time: (Duration::ZERO, Timestamp::EPOCH),
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
        for held in &mut self.held {
            held.look_on(&self.shared.progress);
            self.shared.progress.forget(held.slot);
        }
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
                self.step(live).await?;
                self.write_if_late().await?;
                continue;
            }
            self.looked_on();
            self.turn_page();
            if !self.queue.is_empty() || !self.again.is_empty() {
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
        self.page = portion.page;
        self.queue = portion.events;
        self.looked_on();
    }

    /// Goes on with the page that batches have begun with, once nothing of the last one is left.
    pub(super) fn turn_page(&mut self) {
        if self.queue.is_empty()
            && let Some(portion) = self.coming.take()
        {
            self.take(portion);
        }
    }

    /// What follows the first `ahead` events of the queue: the rest of the page, or the page to come.
    pub(super) fn behind(&self, ahead: usize) -> (&Arc<Vec<Arrived>>, vec_deque::Iter<'_, Next>) {
        match &self.coming {
            Some(coming) if ahead >= self.queue.len() => {
                (&coming.page, coming.events.range(ahead - self.queue.len()..))
            }
            _ => (&self.page, self.queue.range(ahead..)),
        }
    }

    /// Looks at the clock; the events that follow begin now.
    pub(crate) fn look(&mut self) {
        self.looked = self.shared.clock.elapsed();
        self.looked_time = (self.looked, self.shared.now_at(self.looked));
    }

    /// The store's time when the clock was last looked at.
    pub(super) fn now(&self) -> Timestamp {
        let (at, time) = self.looked_time;
        time.plus(self.looked.saturating_sub(at))
    }

    /// With an empty queue, every slot has seen everything that the reader handed out.
    fn looked_on(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        // An idle lane keeps no page from being freed.
        self.page = Arc::default();
        let mut moved = false;
        for held in &mut self.held {
            moved |= held.look_on(&self.shared.progress);
        }
        if moved {
            self.look();
            self.note_unwritten(WRITE_IDLE);
        }
    }

    pub(super) fn note_unwritten(&mut self, within: Duration) {
        let by = self.looked + within;
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

    /// Runs events from the front of the queue: as many as may share a commit, or a stretch without effects.
    async fn step(&mut self, live: &mut mpsc::Receiver<Portion>) -> Result<(), LaneEnd> {
        let together = if self.singly > 0 { 1 } else { self.may_share(0) };
        if together > 1 {
            self.run_batches(live).await?;
        } else {
            let run = self.stretch().await;
            self.tell();
            run?;
        }
        self.shared.progress.announce();
        Ok(())
    }

    /// Runs one event, and more of them while they are done at once and have no effects in the store: nothing is
    /// committed for those, so what each would pay for looking around is paid once.
    async fn stretch(&mut self) -> Result<(), LaneEnd> {
        let page = self.page.clone();
        self.look();
        let until = self.looked + STRETCH_MAX;
        let most = if self.shared.consumer.batch == 1 { STRETCH } else { 1 };
        self.tally.begin();
        for _ in 0..most {
            let Some(next) = self.queue.pop_front() else { break };
            self.singly = self.singly.saturating_sub(1);
            if next.position > self.held(next.slot).done {
                self.run_one(next.slot, &page[next.index], next.position).await?;
            }
            if self.tally.has_committed() || self.looked > until || self.stop.is_stopped() {
                break;
            }
        }
        Ok(())
    }

    /// Tells the others what was handled since the last time.
    pub(super) fn tell(&mut self) {
        self.tally.tell(&self.shared, &self.held, &self.index);
    }

    /// How many events of the queue, behind the first `ahead`, may share a commit.
    pub(super) fn may_share(&self, ahead: usize) -> usize {
        let batch = self.shared.consumer.batch;
        let (page, behind) = self.behind(ahead);
        let may = |next: &&Next| {
            let held = self.held(next.slot);
            let key = self.shared.consumer.key_of(&page[next.index].envelope);
            next.position > held.alone_until && !held.parked.contains_key(key)
        };
        if batch == 1 { 1 } else { behind.take(batch).take_while(may).count() }
    }

    async fn run_one(&mut self, slot: Slot, arrived: &Arrived, position: Position) -> Result<(), LaneEnd> {
        if self.held(slot).parked.contains_key(self.shared.consumer.key_of(&arrived.envelope)) {
            return self.queue_behind(slot, arrived, position).await;
        }
        let is_alone = position <= self.held(slot).alone_until;
        if is_alone && !self.record_start(slot, position).await? {
            let error = "the process ended each time this event was started".to_owned();
            let failed = Failed { attempts: self.shared.consumer.policy.crashes_max, next: Retry::Dead };
            return self.set_aside(slot, arrived, position, failed, "crash", error).await;
        }
        self.run_live(slot, arrived, position, is_alone).await
    }

    /// Runs an event that nothing holds up, until it has an end. The clock has just been looked at.
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
            let started = self.looked;
            let mut work = self.begin().await?;
            let try_ = Attempt { number: failed + 1, is_replay: self.is_replay(arrived) };
            let mut outcome = {
                let mut running =
                    pin!(attempt(&self.shared, &self.seat, arrived, try_, self.now(), work.as_mut()));
                match std::future::poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx))).await {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => {
                        // What is done already is not held back by what takes its time.
                        self.tally.tell(&self.shared, &self.held, &self.index);
                        self.shared.progress.announce();
                        running.await
                    }
                }
            };
            if let Outcome::Handled = outcome {
                if work.is_empty() && !is_alone {
                    self.spare = Some(work);
                    self.held_mut(slot).done = position;
                    self.handled(slot, arrived, started);
                    self.note_unwritten(WRITE_HANDLED);
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
                        self.look();
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
                Outcome::Newer { why } => return Err(self.let_go(slot, arrived, &why)),
                Outcome::Failed { reason, error } => {
                    count(&self.shared.metrics.failed, 1);
                    self.look();
                    if self.shared.consumer.policy.is_never(&reason) {
                        // Of this event alone: it says nothing about the world.
                        let dead = Failed { attempts: failed + 1, next: Retry::Dead };
                        return self.set_aside(slot, arrived, position, dead, &reason, error).await;
                    }
                    let is_outage =
                        self.shared.failed(hash64(self.shared.consumer.key_of(&arrived.envelope).as_bytes()));
                    tracing::debug!(consumer = %self.shared.name(), id = %arrived.envelope.id, error, "attempt failed");
                    let policy = &self.shared.consumer.policy;
                    let next = policy.after_turn(&arrived.envelope.id, failed, is_outage);
                    if next.next != Retry::AtOnce {
                        return self.set_aside(slot, arrived, position, next, &reason, error).await;
                    }
                    (failed, conflicts) = (next.attempts, 0);
                }
            }
        }
    }

    /// Notes what a slot needs before it is let go: an instance that can read it takes it up.
    pub(crate) fn let_go(&mut self, slot: Slot, arrived: &Arrived, why: &str) -> LaneEnd {
        let event_type = &arrived.envelope.event_type;
        tracing::info!(consumer = %self.shared.name(), %slot, id = %arrived.envelope.id, why, "slot let go");
        self.held_mut(slot).needs = Some(Needs {
            event: event_type.name.to_string(),
            version: event_type.version,
            position: arrived.position(),
        });
        LaneEnd::Newer
    }

    /// Waits while an outage lasts and no probe is due; `false` when told to stop meanwhile.
    async fn pass_breaker(&mut self) -> bool {
        let shared = self.shared.clone();
        loop {
            // Listened for before the breaker is asked, so that its closing is never missed.
            let mut over = pin!(shared.over.notified());
            over.as_mut().enable();
            let looked = shared.clock.elapsed();
            let Some(wait) = shared.must_wait() else { return !self.stop.is_stopped() };
            self.tell();
            tokio::select! {
                biased;
                () = self.stop.stopped() => return false,
                () = &mut over => {}
                () = shared.clock.sleep_until(looked + wait.max(Duration::from_millis(1))) => {}
            }
            self.look();
        }
    }

    fn handled(&mut self, slot: Slot, arrived: &Arrived, started: Duration) {
        self.shared.succeeded();
        self.looked = self.shared.clock.elapsed();
        let (took, age) = (self.looked.saturating_sub(started), self.now().since(arrived.envelope.time));
        self.tally.handled(slot, took, age);
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
        let state = SlotState { position: held.done, owner, started, needs: None };
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
        let until = self.shared.replay_until();
        // Asked first, because it is near; the event itself is still on its way from memory.
        if until == Position::START {
            return false;
        }
        let position = arrived.position();
        position > Position::START && position <= until
    }

    pub(crate) async fn begin(&mut self) -> Result<Box<dyn Work>, StoreError> {
        match self.spare.take() {
            Some(work) => Ok(work),
            None => self.shared.store.begin().await,
        }
    }

    /// Commits; an unknown outcome ends the lane, because the slot's record tells it apart on the next start.
    pub(crate) async fn commit(&mut self, work: Box<dyn Work>) -> Result<Committed, LaneEnd> {
        self.tell();
        self.tally.committed();
        Self::judge(work.commit().await)
    }

    /// What a commit's answer means for the lane.
    pub(super) fn judge(commit: Commit) -> Result<Committed, LaneEnd> {
        match commit {
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
    Outcome::failed("conflict", error)
}

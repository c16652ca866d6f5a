//! What the parts of one running consumer share: the declaration, the store, the clock, the breaker, the counters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factum_core::{
    Breaker, Clock, ConsumerName, EventName, Position, SLOTS, Slot, Store, StoreError, Timestamp,
};
use tokio::sync::Notify;

use super::Consumer;
use crate::instance::Instance;
use crate::observe::{ConsumerMetrics, count};
use crate::watchdog::{Blocked, Seats};

/// How a consumer is doing, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    /// Not started, or between two sessions.
    #[default]
    Starting,
    /// Running.
    Running,
    /// An operator, or too many parked events, made it rest.
    Paused(String),
    /// Everything fails: only probes run.
    Outage,
    /// Another instance holds every slot.
    Standby,
    /// Waits for an instance that reads this contract version, which is newer than this one knows.
    Held(String),
    /// Ended.
    Stopped,
}

pub(crate) struct Shared {
    pub(crate) consumer: Consumer,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) instance: Arc<Instance>,
    pub(crate) metrics: Arc<ConsumerMetrics>,
    pub(crate) progress: Progress,
    /// Something changed that the minder should look at: a key was parked, an operator spoke.
    pub(crate) nudge: Notify,
    /// An outage is over: every lane goes on.
    pub(crate) over: Notify,
    breaker: Mutex<Breaker>,
    /// Whether anything failed since the last success: spares the happy path the breaker's lock.
    failing: AtomicBool,
    status: Mutex<Status>,
    times: Mutex<Option<(Duration, Timestamp)>>,
    replay_until: AtomicU64,
    bound: AtomicU64,
    /// Of the control record that the running session began with.
    pub(crate) generation: AtomicU64,
    /// Its events come from a broker: slots only serve what is parked.
    pub(crate) is_inbox: AtomicBool,
    /// Where its handlers run.
    pub(crate) seats: Seats,
    /// What its handlers have emitted though the catalog does not list it.
    undeclared: Mutex<BTreeSet<EventName>>,
    /// Slots that others let go because they could not read them.
    needed: Mutex<BTreeSet<Slot>>,
}

impl Shared {
    pub(crate) fn new(
        consumer: Consumer,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        instance: Arc<Instance>,
        metrics: Arc<ConsumerMetrics>,
    ) -> Self {
        Self {
            consumer,
            store,
            clock,
            instance,
            metrics,
            progress: Progress::default(),
            nudge: Notify::new(),
            over: Notify::new(),
            breaker: Mutex::default(),
            failing: AtomicBool::new(false),
            status: Mutex::default(),
            times: Mutex::default(),
            replay_until: AtomicU64::new(0),
            bound: AtomicU64::new(Position::END.number()),
            generation: AtomicU64::new(0),
            is_inbox: AtomicBool::new(false),
            seats: Seats::default(),
            undeclared: Mutex::default(),
            needed: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &ConsumerName {
        self.consumer.name()
    }

    pub(crate) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a success; one closes the breaker.
    pub(crate) fn succeeded(&self) {
        if self.failing.load(Ordering::Relaxed) {
            self.failing.store(false, Ordering::Relaxed);
            if self.breaker().succeeded() {
                tracing::info!(consumer = %self.name(), "a probe succeeded: the outage is over");
                self.set_status(Status::Running);
                self.over.notify_waiters();
                self.nudge.notify_one();
            }
        }
    }

    /// Notes a failure; answers whether only probes may run now.
    pub(crate) fn failed(&self, key_hash: u64) -> bool {
        self.failing.store(true, Ordering::Relaxed);
        let mut breaker = self.breaker();
        if breaker.failed(key_hash, self.clock.elapsed()) {
            tracing::warn!(consumer = %self.name(), "every key fails: an outage, only probes run from here");
            self.set_status(Status::Outage);
        }
        breaker.is_open()
    }

    /// Whether only probes may run: a probe is one event, so that one bad event of a batch does not waste it.
    pub(crate) fn is_outage(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && self.breaker().is_open()
    }

    /// How long until an attempt may run: `None` when it may, as a probe or because all is well.
    pub(crate) fn must_wait(&self) -> Option<Duration> {
        if !self.failing.load(Ordering::Relaxed) {
            return None;
        }
        let elapsed = self.clock.elapsed();
        let mut breaker = self.breaker();
        if !breaker.is_open() || breaker.take_probe(elapsed) { None } else { Some(breaker.wait(elapsed)) }
    }

    /// Handlers of this consumer that block their threads.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = Blocked> {
        let overdue = self.seats.overdue(self.consumer.policy.timeout);
        overdue.into_iter().map(|(event, time)| Blocked { consumer: self.name().to_string(), event, time })
    }

    /// Notes that a handler emitted what the catalog does not list; says so once for each event.
    pub(crate) fn undeclared(&self, name: EventName) {
        count(&self.metrics.undeclared, 1);
        let is_new = self.undeclared.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        if is_new {
            let hint = "add it to the consumer's `emits`";
            tracing::warn!(consumer = %self.name(), event = %name, hint, "emitted what the catalog does not list");
        }
    }

    /// Notes slots that others could not read: they stay here when slots are shared out.
    pub(crate) fn note_needed(&self, slots: impl Iterator<Item = Slot>) {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).extend(slots);
    }

    pub(crate) fn is_needed(&self, slot: Slot) -> bool {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).contains(&slot)
    }

    pub(crate) fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_status(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Up to where events are handled again on an operator's word.
    pub(crate) fn replay_until(&self) -> Position {
        Position::at(self.replay_until.load(Ordering::Relaxed))
    }

    pub(crate) fn set_replay_until(&self, until: Position) {
        self.replay_until.store(until.number(), Ordering::Relaxed);
    }

    /// How far it may go for now.
    pub(crate) fn bound(&self) -> Position {
        Position::at(self.bound.load(Ordering::Relaxed))
    }

    pub(crate) fn set_bound(&self, bound: Position) {
        self.bound.store(bound.number(), Ordering::Relaxed);
    }

    /// Asks the store for its time, and remembers it for `now`.
    pub(crate) async fn sync_time(&self) -> Result<Timestamp, StoreError> {
        let now = self.store.now().await?;
        *self.times.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.clock.elapsed(), now));
        Ok(now)
    }

    /// The store's time, carried on from when it was last asked.
    pub(crate) fn now(&self) -> Timestamp {
        self.now_at(self.clock.elapsed())
    }

    /// The same for a moment that the clock's `elapsed` has told.
    pub(crate) fn now_at(&self, elapsed: Duration) -> Timestamp {
        match *self.times.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, time)) => time.plus(elapsed.saturating_sub(at)),
            None => self.clock.now(),
        }
    }
}

/// How far each slot that this process holds has got; others stand at "not mine".
///
/// A slot whose last event that was handed out is done has got as far as the log was looked at. The reader writes the
/// events first and how far it looked second, and whoever asks reads them the other way round: what is answered was
/// true at some moment, and never ahead of an event in hand.
pub(crate) struct Progress {
    done: [AtomicU64; SLOTS as usize],
    /// The last event of each slot that the reader has handed to a lane.
    handed_out: [AtomicU64; SLOTS as usize],
    /// How far the reader has handed out what it found.
    looked_at: AtomicU64,
    changed: Notify,
}

const NOT_MINE: u64 = u64::MAX;

impl Default for Progress {
    fn default() -> Self {
        Self {
            done: std::array::from_fn(|_| AtomicU64::new(NOT_MINE)),
            handed_out: std::array::from_fn(|_| AtomicU64::new(0)),
            looked_at: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }
}

impl Progress {
    /// A session begins: nothing has been handed out, and no reader or lane of an earlier one is left.
    pub(crate) fn begin(&self) {
        self.looked_at.store(0, Ordering::Release);
        self.handed_out.iter().for_each(|slot| slot.store(0, Ordering::Release));
    }

    pub(crate) fn set(&self, slot: Slot, position: Position) {
        self.done[usize::from(slot.number())].store(position.number(), Ordering::Release);
    }

    /// An event is about to be given to its slot's lane.
    pub(crate) fn handed_out(&self, slot: Slot, position: Position) {
        self.handed_out[usize::from(slot.number())].store(position.number(), Ordering::Release);
    }

    /// Whatever the log holds up to here was noted as handed out.
    pub(crate) fn looked_at(&self, end: Position) {
        self.looked_at.store(end.number(), Ordering::Release);
        self.announce();
    }

    pub(crate) fn forget(&self, slot: Slot) {
        self.done[usize::from(slot.number())].store(NOT_MINE, Ordering::Release);
    }

    /// Wakes whoever waits for progress.
    pub(crate) fn announce(&self) {
        self.changed.notify_waiters();
    }

    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// The least advanced slot of this process; `None` when it holds none.
    pub(crate) fn least(&self) -> Option<Position> {
        self.positions().map(|(_, position)| position).min()
    }

    /// Each slot that this process holds.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (Slot, Position)> {
        Slot::all().filter_map(|slot| self.position(slot).map(|position| (slot, position)))
    }

    /// How far a slot has got; `None` when this process does not hold it.
    pub(crate) fn position(&self, slot: Slot) -> Option<Position> {
        let at = usize::from(slot.number());
        let looked_at = self.looked_at.load(Ordering::Acquire);
        let handed_out = self.handed_out[at].load(Ordering::Acquire);
        let done = self.done[at].load(Ordering::Acquire);
        let is_level = done >= handed_out;
        (done != NOT_MINE).then(|| Position::at(if is_level { done.max(looked_at) } else { done }))
    }
}

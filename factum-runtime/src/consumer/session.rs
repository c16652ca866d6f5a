//! Runs a consumer: takes slots, starts its lanes and its reader, minds parked keys and operators' words, and starts
//! anew when anything changes.
//!
//! A session is simple because it ends at every surprise: a slot lost, a store in trouble, a pause, a reset. What is
//! true is in the store; the next session reads it. Every task started here is joined here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use factum_core::{Position, RecordKind, RecordQuery, Slot, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::lane::{Lane, LaneEnd};
use super::reader::{self, Routes};
use super::shared::{Shared, Status};
use super::slots::{self, Held, Taken};
use super::standing;
use crate::admin;
use crate::state::{ControlState, ParkedKey, read};
use crate::stop::{Stop, Stopper};

/// Pages that wait for a lane: one in hand and one behind keep it busy.
const PORTIONS: usize = 2;
/// Parked keys offered to a lane at a time.
const DUE_MAX: usize = 256;
/// How often operators' words and due keys are looked for when nothing calls.
const TICK: Duration = Duration::from_secs(1);
/// How long handlers may take to finish when the app stops.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(4);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

enum Ended {
    Stopped,
    Again,
    /// Instances have come or gone: so many of the slots are kept.
    Shared(usize),
}

enum Task {
    Lane(Vec<Held>, Result<(), LaneEnd>),
    Reader(Result<(), StoreError>),
}

/// Runs sessions until told to stop.
pub(crate) async fn supervise(shared: Arc<Shared>, stop: Stop) {
    let mut backoff = Duration::from_millis(50);
    while !stop.is_stopped() {
        match session(&shared, &stop).await {
            Ok(Ended::Stopped) => break,
            Ok(Ended::Again | Ended::Shared(_)) => backoff = Duration::from_millis(50),
            Err(error) => {
                tracing::warn!(consumer = %shared.name(), error = error.to_string(), ?backoff, "the store is in trouble; trying again");
                rest(&shared, &stop, backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
    shared.set_status(Status::Stopped);
}

async fn rest(shared: &Shared, stop: &Stop, duration: Duration) {
    tokio::select! {
        () = stop.stopped() => {}
        () = shared.nudge.notified() => {}
        () = shared.clock.sleep(duration) => {}
    }
}

pub(crate) async fn control(shared: &Shared) -> Result<ControlState, StoreError> {
    let record = shared.store.find_one(RecordKind::CONSUMER, shared.name().as_str()).await?;
    Ok(record.as_ref().map(read::<ControlState>).transpose()?.unwrap_or_default())
}

async fn session(shared: &Arc<Shared>, stop: &Stop) -> Result<Ended, StoreError> {
    let mut control_now = control(shared).await?;
    if let Some(bound) = &control_now.bound
        && !shared.instance.lives(&bound.by, shared.store.as_ref()).await?
    {
        admin::unbind(shared.store.as_ref(), shared.name()).await?;
        control_now.bound = None;
    }
    shared.set_bound(control_now.bound.as_ref().map_or(Position::END, |bound| bound.up_to));
    shared.set_replay_until(control_now.replay.as_ref().map_or(Position::START, |replay| replay.until));
    if control_now.paused {
        shared.set_status(Status::Paused(control_now.reason));
        rest(shared, stop, TICK).await;
        return Ok(Ended::Again);
    }
    let taken = slots::take(shared).await?;
    if !standing::is_within(shared, &taken).await? {
        slots::release(shared, taken.held, 0).await?;
        return Ok(Ended::Again);
    }
    let Taken { mut held, needs, .. } = taken;
    if held.is_empty() {
        let waits_for = needs.first().map(|needs| Status::Held(needs.to_string()));
        shared.set_status(waits_for.unwrap_or(Status::Standby));
        rest(shared, stop, TICK).await;
        return Ok(Ended::Again);
    }
    slots::forget_gone(shared).await?;
    let waiting = slots::load_parked(shared, &mut held).await?;
    shared.metrics.waiting.store(waiting, Ordering::Relaxed);
    shared.sync_time().await?;
    shared.set_status(Status::Running);

    let (stopper, session_stop) = Stopper::new();
    let (tasks, due) = spawn(shared, held, &session_stop);
    // After the lanes have said where they stand, so that whoever waits for progress sees the moved checkpoints.
    shared.generation.store(control_now.generation, Ordering::Release);
    let mut running = Running { shared, tasks, due, given_back: Vec::new() };
    let ended = running.mind(stop, &control_now).await;
    stopper.stop();
    running.end(stop, ended.as_ref().ok()).await;
    ended
}

type DueSenders = Vec<mpsc::Sender<(Slot, String)>>;

fn spawn(shared: &Arc<Shared>, held: Vec<Held>, stop: &Stop) -> (JoinSet<Task>, DueSenders) {
    let lanes = shared.consumer.lanes.min(held.len());
    shared.progress.begin();
    let mut parts: Vec<Vec<Held>> = (0..lanes).map(|_| Vec::new()).collect();
    let mut routes = Routes { slots: HashMap::new(), lanes: Vec::new() };
    for (index, slot) in held.into_iter().enumerate() {
        routes.slots.insert(slot.slot.number(), (index % lanes, slot.done));
        parts[index % lanes].push(slot);
    }
    let mut tasks = JoinSet::new();
    let mut due_senders = Vec::new();
    for part in parts {
        let (live_sender, live) = mpsc::channel(PORTIONS);
        let (due_sender, due) = mpsc::channel(DUE_MAX);
        routes.lanes.push(live_sender);
        due_senders.push(due_sender);
        let lane = Lane::new(shared.clone(), part, stop.clone());
        tasks.spawn(async move {
            let (held, result) = lane.run(live, due).await;
            Task::Lane(held, result)
        });
    }
    let (shared, stop) = (shared.clone(), stop.clone());
    tasks.spawn(async move {
        if shared.is_inbox.load(Ordering::Relaxed) {
            // The intake hands nothing to lanes; they only try again what it parked.
            stop.stopped().await;
            return Task::Reader(Ok(()));
        }
        Task::Reader(reader::read(&shared, &routes, &stop).await)
    });
    (tasks, due_senders)
}

struct Running<'a> {
    shared: &'a Arc<Shared>,
    tasks: JoinSet<Task>,
    due: DueSenders,
    given_back: Vec<Held>,
}

impl Running<'_> {
    /// Minds the session until something ends it.
    async fn mind(&mut self, stop: &Stop, begun: &ControlState) -> Result<Ended, StoreError> {
        let mut until = Duration::ZERO;
        let mut shared_at: Option<Duration> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return Ok(Ended::Stopped),
                task = self.tasks.join_next() => return self.ended(task),
                () = self.shared.nudge.notified() => {}
                () = self.shared.clock.sleep_until(until) => {}
            }
            if control(self.shared).await? != *begun {
                return Ok(Ended::Again);
            }
            let elapsed = self.shared.clock.elapsed();
            if shared_at.is_none_or(|at| elapsed.saturating_sub(at) >= TICK) {
                shared_at = Some(elapsed);
                // Whoever bounded it may be gone.
                if let Some(bound) = &begun.bound
                    && !self.shared.instance.lives(&bound.by, self.shared.store.as_ref()).await?
                {
                    return Ok(Ended::Again);
                }
                if let Some(keep) = slots::changed_share(self.shared).await? {
                    return Ok(Ended::Shared(keep));
                }
            }
            // From when the clock was looked at, however long the store takes to answer.
            until = elapsed + self.offer_due().await?;
        }
    }

    fn ended(&mut self, task: Option<Result<Task, tokio::task::JoinError>>) -> Result<Ended, StoreError> {
        match task {
            Some(Ok(Task::Lane(held, result))) => {
                self.given_back.extend(held);
                match result {
                    Err(LaneEnd::Store(error)) => Err(error),
                    Ok(()) | Err(LaneEnd::Fenced | LaneEnd::Newer) => Ok(Ended::Again),
                }
            }
            Some(Ok(Task::Reader(result))) => result.map(|()| Ended::Again),
            Some(Err(error)) => {
                tracing::error!(consumer = %self.shared.name(), error = error.to_string(), "a task of the consumer broke");
                Ok(Ended::Again)
            }
            None => Ok(Ended::Again),
        }
    }

    /// Offers keys that are due to their lanes; answers how long until the next look.
    async fn offer_due(&self) -> Result<Duration, StoreError> {
        let now = self.shared.store.now().await?;
        let query = RecordQuery {
            due_until: Some(now.plus(TICK)),
            limit: DUE_MAX,
            ..RecordQuery::group(self.shared.name().as_str())
        };
        for record in self.shared.store.find(RecordKind::PARKED_KEY, &query).await? {
            let wait = record.due.unwrap_or(now).since(now);
            if !wait.is_zero() {
                return Ok(wait.max(Duration::from_millis(5)));
            }
            let state = read::<ParkedKey>(&record)?;
            if let Some(slot) = Slot::at(state.slot) {
                for lane in &self.due {
                    // A lane that is full is busy with what it was offered before; one that does not hold the slot
                    // lets it pass.
                    let _ = lane.try_send((slot, state.key.clone()));
                }
            }
        }
        Ok(TICK)
    }

    /// Waits for every task, bounded, and lets the slots go, but for those that are kept.
    async fn end(mut self, stop: &Stop, ended: Option<&Ended>) {
        let (keep, within) = match ended {
            // Handlers are not cut short because others come: whoever takes their slots waits for them.
            Some(Ended::Shared(keep)) => (*keep, self.shared.consumer.policy.timeout.max(STOP_WITHIN)),
            _ => (0, STOP_WITHIN),
        };
        let mut deadline = Box::pin(self.shared.clock.sleep(within));
        let mut is_asked = within == STOP_WITHIN;
        loop {
            tokio::select! {
                task = self.tasks.join_next() => match task {
                    Some(Ok(Task::Lane(held, _))) => self.given_back.extend(held),
                    Some(_) => {}
                    None => break,
                },
                () = stop.stopped(), if !is_asked => {
                    is_asked = true;
                    deadline = Box::pin(self.shared.clock.sleep(STOP_WITHIN));
                }
                () = &mut deadline => {
                    let left = self.tasks.len();
                    tracing::warn!(consumer = %self.shared.name(), left, "handlers did not finish in time and were dropped");
                    self.tasks.shutdown().await;
                    break;
                }
            }
        }
        let given_back = std::mem::take(&mut self.given_back);
        if let Err(error) = slots::release(self.shared, given_back, keep).await {
            tracing::warn!(consumer = %self.shared.name(), error = error.to_string(), "slots could not be let go; they are taken back on the next start");
        }
    }
}

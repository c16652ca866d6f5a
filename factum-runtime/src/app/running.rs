//! A started app: what can be asked of it while it runs, and how it ends.
//!
//! Waiting looks at progress, never at a clock alone. Stopping joins every task that `start` began.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_core::{ConsumerName, EventSet, Position, Query, Store, StoreError};
use tokio::task::JoinHandle;

use super::Core;
use crate::admin::Admin;
use crate::consumer::session::control;
use crate::consumer::shared::{Shared, Status};
use crate::observe::{self, ConsumerFigures};
use crate::projection::{filler, state_of};
use crate::send::{SendError, SendOptions, Sent, send};
use crate::stop::Stopper;
use crate::watchdog::{Blocked, Watchdog};

/// How long whoever waits for something that does not announce itself waits before the next look.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A started app.
pub struct Running {
    core: Arc<Core>,
    stopper: Stopper,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    watchdog: Mutex<Option<Watchdog>>,
}

/// Who takes in what is waited for.
enum Found {
    Here(Arc<Shared>),
    /// Another instance, which fills the tables that answer.
    Elsewhere(ConsumerName),
}

/// What was waited for did not come in time.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Not within the time given.
    #[error("{consumer} is at position {at}, not yet at {position}")]
    Late {
        /// The consumer.
        consumer: String,
        /// Where it is.
        at: Position,
        /// Where it should be.
        position: Position,
    },
    /// There is no such consumer in this app.
    #[error("this app has no consumer {0}")]
    Unknown(ConsumerName),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Running {
    pub(super) fn new(
        core: Arc<Core>,
        stopper: Stopper,
        tasks: Vec<JoinHandle<()>>,
        watchdog: Watchdog,
    ) -> Self {
        Self { core, stopper, tasks: Mutex::new(tasks), watchdog: Mutex::new(Some(watchdog)) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// Sends a command from outside a handler: durable when this returns, and handled by its one handler, in whatever
    /// app that runs. [`Running::send_as`] takes an idempotency key.
    ///
    /// # Errors
    /// When it is no command, breaks its contract, or the store fails.
    pub async fn send<C: EventSet>(&self, command: &C) -> Result<Sent, SendError> {
        self.send_as(command, &SendOptions::default()).await
    }

    /// The same, with an idempotency key or other metadata.
    ///
    /// # Errors
    /// As [`send`](crate::send()).
    pub async fn send_as<C: EventSet>(&self, command: &C, options: &SendOptions) -> Result<Sent, SendError> {
        send(self.core.store.as_ref(), command, options).await
    }

    /// Operates this app's store.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let core = self.core.clone();
        Admin::new(self.core.store.clone()).nudging(move || {
            core.all().iter().for_each(|shared| shared.nudge.notify_one());
        })
    }

    /// Waits until a consumer, or a projection's live tables, have taken in everything up to `position`: what was
    /// written is then seen by reads. Events that are parked are not waited for. A store that cannot be asked for a
    /// while is asked again.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn wait_for(
        &self,
        consumer: &ConsumerName,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        let started = self.core.clock.elapsed();
        loop {
            let left = self.left(started, within);
            match self.wait_here(consumer, position, left).await {
                Ok(()) => return Ok(()),
                Err(error) => self.bear(error, left).await?,
            }
        }
    }

    fn left(&self, started: Duration, within: Duration) -> Duration {
        within.saturating_sub(self.core.clock.elapsed().saturating_sub(started))
    }

    /// Lets a moment pass when the store is in a trouble that passes, and there is time; else the error stands.
    async fn bear(&self, error: WaitError, left: Duration) -> Result<(), WaitError> {
        match error {
            WaitError::Store(error) if error.is_transient() && !left.is_zero() => {
                tracing::debug!(%error, "the store cannot be asked yet");
                self.core.clock.sleep(ASK_AGAIN.min(left)).await;
                Ok(())
            }
            error => Err(error),
        }
    }

    async fn wait_here(
        &self,
        consumer: &ConsumerName,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        let late = self.core.clock.sleep(within);
        tokio::pin!(late);
        let shared = loop {
            let filler = match self.find(consumer).await? {
                Found::Here(shared) => break shared,
                Found::Elsewhere(filler) => filler,
            };
            let written = crate::admin::checkpoints(self.core.store.as_ref(), &filler).await?;
            let at = written.into_values().min().unwrap_or_default();
            if at >= position {
                return Ok(());
            }
            tokio::select! {
                () = self.core.clock.sleep(ASK_AGAIN) => {}
                () = &mut late => return Err(WaitError::Late { consumer: filler.to_string(), at, position }),
            }
        };
        let generation = control(&shared).await?.generation;
        loop {
            let changed = shared.progress.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (at, is_written) = self.reached(&shared).await?;
            // A replay that this process has not begun yet is still to be waited for; what is written knows of it.
            let is_current = is_written || shared.generation.load(Ordering::Acquire) >= generation;
            if at >= position && is_current {
                return Ok(());
            }
            tokio::select! {
                () = &mut changed => {}
                // Slots of another instance do not announce themselves.
                () = self.core.clock.sleep(ASK_AGAIN) => {}
                () = &mut late => {
                    return Err(WaitError::Late { consumer: consumer.to_string(), at, position });
                }
            }
        }
    }

    async fn find(&self, name: &ConsumerName) -> Result<Found, WaitError> {
        if let Some(shared) = self.core.get(name) {
            return Ok(Found::Here(shared));
        }
        let state = state_of(self.core.store.as_ref(), name).await?.unwrap_or_default();
        // Code of an older version than what is live fills tables of its own, and reads those.
        for suffix in state.live.iter().chain(state.retired.iter().rev()) {
            if let Some(shared) = self.core.get(&filler(name, suffix)?) {
                return Ok(Found::Here(shared));
            }
        }
        // Code of a newer version reads what is live, until its own tables are.
        match &state.live {
            Some(live) if self.core.has_projection(name) => Ok(Found::Elsewhere(filler(name, live)?)),
            _ => Err(WaitError::Unknown(name.clone())),
        }
    }

    /// How far a consumer has got, and whether that is what the store says, because this process holds no slot of it.
    async fn reached(&self, shared: &Shared) -> Result<(Position, bool), StoreError> {
        let mine: HashMap<u16, Position> =
            shared.progress.positions().map(|(slot, position)| (slot.number(), position)).collect();
        if mine.len() == shared.consumer.slots().count() {
            return Ok((mine.values().min().copied().unwrap_or_default(), false));
        }
        let written = crate::admin::checkpoints(self.core.store.as_ref(), shared.name()).await?;
        let at = |slot: u16| mine.get(&slot).copied().max(written.get(&slot).copied()).unwrap_or_default();
        let least = shared.consumer.slots().map(|slot| at(slot.number())).min().unwrap_or_default();
        Ok((least, mine.is_empty()))
    }

    /// Waits until every consumer has taken in everything, including what that caused. Parked events whose time has
    /// not come are not waited for.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn settled(&self, within: Duration) -> Result<(), WaitError> {
        let started = self.core.clock.elapsed();
        loop {
            let left = self.left(started, within);
            match self.settle(left).await {
                Ok(()) => return Ok(()),
                Err(error) => self.bear(error, left).await?,
            }
        }
    }

    async fn settle(&self, within: Duration) -> Result<(), WaitError> {
        let started = self.core.clock.elapsed();
        loop {
            let head = self.core.store.head().await?;
            let is_waited_for =
                |shared: &&Arc<Shared>| !shared.is_inbox.load(Ordering::Relaxed) && !shared.consumer.is_copy;
            for shared in self.core.all().iter().filter(is_waited_for) {
                let left = self.left(started, within);
                self.wait_here(&shared.name().clone(), head, left).await?;
            }
            if self.core.store.head().await? == head {
                return Ok(());
            }
        }
    }

    /// How a consumer is doing.
    #[must_use]
    pub fn status(&self, consumer: &ConsumerName) -> Option<Status> {
        self.core.get(consumer).map(|shared| shared.status())
    }

    /// Whether every consumer runs, and who does not.
    #[must_use]
    pub fn health(&self) -> Vec<(ConsumerName, Status)> {
        self.core.all().iter().map(|shared| (shared.name().clone(), shared.status())).collect()
    }

    /// Handlers that block their threads: they cannot be timed out, only mended.
    #[must_use]
    pub fn blocked(&self) -> Vec<Blocked> {
        self.core.blocked()
    }

    /// Figures of every consumer at this moment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn figures(&self) -> Result<Vec<ConsumerFigures>, StoreError> {
        let head = self.core.store.head().await?;
        let now = self.core.store.now().await?;
        let mut all = Vec::new();
        for shared in self.core.all() {
            let is_inbox = shared.is_inbox.load(Ordering::Relaxed);
            let done = shared.progress.least().filter(|_| !is_inbox).unwrap_or(head);
            let mut lag = Duration::ZERO;
            if done < head {
                let types = shared.consumer.handles().into_iter().map(|known| known.name).collect();
                let kind = shared.consumer.kind();
                let query = Query { types, kind, limit: 1, ..Query::default() }.after(done);
                let next = self.core.store.read(&query).await?.events.pop();
                lag = next.map_or(Duration::ZERO, |event| now.since(event.envelope.time));
            }
            all.push(ConsumerFigures {
                consumer: shared.name().to_string(),
                metrics: shared.metrics.clone(),
                lag_events: head.number().saturating_sub(done.number()),
                lag,
                is_up: shared.status() == Status::Running,
            });
        }
        Ok(all)
    }

    /// The figures as Prometheus text.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn metrics(&self) -> Result<String, StoreError> {
        let head = self.core.store.head().await?;
        let held = Duration::from_micros(self.core.store.stats().held_us);
        Ok(observe::prometheus(head.number(), held, &self.figures().await?))
    }

    /// Ends every task where it stands, letting nothing go: what a crash leaves behind, for whoever starts next to take
    /// over at once. For tests of recovery.
    pub async fn abort(&self) {
        let tasks = self.take_tasks();
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // Each ends as aborted.
            let _ = task.await;
        }
        self.core.instance.dies();
        self.stop_watchdog();
    }

    fn take_tasks(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop_watchdog(&self) {
        let watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner).take();
        watchdog.into_iter().for_each(Watchdog::stop);
    }

    /// Finishes what is in hand, lets every slot go, and joins every task; handlers that do not finish within four
    /// seconds are dropped, and their events run again on the next start. Stopping twice is stopping once.
    pub async fn stop(&self) {
        self.stopper.stop();
        for task in self.take_tasks() {
            if let Err(error) = task.await {
                tracing::error!(error = error.to_string(), "a task of the app broke");
            }
        }
        self.stop_watchdog();
        if let Err(error) = self.core.instance.end(self.core.store.as_ref()).await {
            tracing::warn!(error = error.to_string(), "the instance's lease could not be ended");
        }
    }
}

//! An app: what a user declares, started together, stopped together.
//!
//! Every task started here is joined by `stop`; nothing outlives it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use factum_core::{
    Clock, Commit, ConsumerName, Guard, Position, Projection, Query, RecordKind, RecordQuery, Store,
    StoreError, StoreErrorKind,
};
use tokio::task::JoinHandle;

use crate::admin::Admin;
use crate::clock::TokioClock;
use crate::consumer::Consumer;
use crate::consumer::session::{control, supervise};
use crate::consumer::shared::{Shared, Status};
use crate::inbox::{self, From, InboxDeclared};
use crate::instance::{Instance, RENEW, as_store_error};
use crate::observe::{self, ConsumerFigures};
use crate::projection::{Declared, WATCH, filler, state_of};
use crate::relay::Relay;
use crate::stop::{Stop, Stopper};
use crate::watchdog::{Blocked, Watchdog};

/// How often marks and replies past their window are removed.
const PURGE: Duration = Duration::from_secs(60);

/// Why an app did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two parts of the app have one name.
    #[error("two consumers are called {name}: rename one, or join their handlers")]
    TwoOfOneName {
        /// The name.
        name: ConsumerName,
    },
    /// The store failed.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// A broker cannot be used.
    #[error("the broker cannot be used")]
    Broker(#[from] factum_core::BrokerError),
}

/// Consumers, projections and relays over one store.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use factum_core::{Context, Envelope, Event, EventType, Expected, Failure, Handler, OpenGate, PartitionKey};
/// # use factum_runtime::{App, Consumer};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Placed { order: String }
/// # impl Event for Placed {
/// #     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
/// #     fn key(&self) -> PartitionKey { self.order.parse().expect("a key") }
/// # }
/// struct Thanks;
///
/// impl Handler<Placed> for Thanks {
///     async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
///         println!("thank you for order {}, at {}", event.order, cx.envelope().time);
///         Ok(())
///     }
/// }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let store = factum_store::open("memory:", Arc::new(OpenGate))?.store;
/// let app = App::new(store.clone()).consumer(Consumer::new("thanks").on::<Placed>(Thanks)).start().await?;
///
/// let placed = Envelope::of(&Placed { order: "42".into() })?;
/// store.append(&placed.stream()?, Expected::NoStream, &[placed]).await?;
/// app.settled(Duration::from_secs(5)).await?;
/// app.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct App {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    consumers: Vec<Consumer>,
    inboxes: Vec<InboxDeclared>,
    projections: Vec<Declared>,
}

impl App {
    /// An app over a store, with nothing in it yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(TokioClock::default());
        Self { store, clock, consumers: Vec::new(), inboxes: Vec::new(), projections: Vec::new() }
    }

    /// Another clock for delays, timeouts and leases: tests move theirs by hand.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Runs a consumer of the store's log.
    #[must_use]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Runs a consumer of broker topics, with an inbox in the store.
    #[must_use]
    pub fn consumer_from(mut self, source: From, consumer: Consumer) -> Self {
        self.inboxes.push(InboxDeclared { source, consumer });
        self
    }

    /// Runs a projection.
    #[must_use]
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        self.projections.push(Declared::new(projection));
        self
    }

    /// Runs a relay: events leave for a broker because they were committed.
    #[must_use]
    pub fn relay(mut self, relay: Relay) -> Self {
        self.consumers.push(relay.into_consumer());
        self
    }

    /// Starts everything.
    ///
    /// # Errors
    /// When two parts have one name, or the store or a broker cannot be used.
    pub async fn start(self) -> Result<Running, StartError> {
        self.check_names()?;
        let instance = Instance::new();
        instance.renew(self.store.as_ref()).await?;
        let (stopper, stop) = Stopper::new();
        let core =
            Arc::new(Core { store: self.store, clock: self.clock, instance, consumers: RwLock::default() });
        let mut tasks = Vec::new();
        for consumer in self.consumers {
            tasks.push(core.spawn(consumer, stop.clone()));
        }
        for declared in self.inboxes {
            let shared = core.share(declared.consumer);
            tasks.push(tokio::spawn(inbox::supervise(shared, declared.source, stop.clone())));
        }
        for declared in self.projections {
            // Started here, not in the task, so that whoever has the app can wait for its projections at once.
            let mut fillers = HashMap::new();
            mind_projection(&core, &declared, &mut fillers).await?;
            let (core, stop) = (core.clone(), stop.clone());
            tasks.push(tokio::spawn(async move { run_projection(&core, &declared, fillers, &stop).await }));
        }
        tasks.push(tokio::spawn(keep_lease(core.clone(), stop.clone())));
        tasks.push(tokio::spawn(purge(core.clone(), stop)));
        let watched = core.clone();
        let watchdog = Watchdog::start(move || watched.blocked()).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "the watchdog's thread cannot be started").because(error)
        })?;
        Ok(Running { core, stopper, tasks: Mutex::new(tasks), watchdog: Mutex::new(Some(watchdog)) })
    }

    /// Starts everything, and stops it on ctrl-c or SIGTERM.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn run(self) -> Result<(), StartError> {
        let running = self.start().await?;
        asked_to_stop().await;
        running.stop().await;
        Ok(())
    }

    fn check_names(&self) -> Result<(), StartError> {
        let mut names: Vec<&ConsumerName> = self.consumers.iter().map(Consumer::name).collect();
        names.extend(self.projections.iter().map(|declared| &declared.name));
        names.extend(self.inboxes.iter().map(|declared| declared.consumer.name()));
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(StartError::TwoOfOneName { name: pair[0].clone() }),
            None => Ok(()),
        }
    }
}

/// Ends on ctrl-c, or when the system asks the process to end.
pub async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler there is nobody to ask: run on.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Core {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    instance: Arc<Instance>,
    consumers: RwLock<BTreeMap<ConsumerName, Arc<Shared>>>,
}

impl Core {
    fn share(&self, consumer: Consumer) -> Arc<Shared> {
        let name = consumer.name().clone();
        let (store, clock, instance) = (self.store.clone(), self.clock.clone(), self.instance.clone());
        let shared = Arc::new(Shared::new(consumer, store, clock, instance, Arc::default()));
        self.consumers.write().unwrap_or_else(PoisonError::into_inner).insert(name, shared.clone());
        shared
    }

    fn spawn(&self, consumer: Consumer, stop: Stop) -> JoinHandle<()> {
        tokio::spawn(supervise(self.share(consumer), stop))
    }

    fn forget(&self, name: &ConsumerName) {
        self.consumers.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        self.consumers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn blocked(&self) -> Vec<Blocked> {
        self.all().iter().flat_map(|shared| shared.blocked()).collect()
    }

    fn get(&self, name: &ConsumerName) -> Option<Arc<Shared>> {
        self.consumers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Renews the lease until told to stop, then ends it.
async fn keep_lease(core: Arc<Core>, stop: Stop) {
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = core.clock.sleep(RENEW) => {}
        }
        if let Err(error) = core.instance.renew(core.store.as_ref()).await {
            tracing::warn!(error = error.to_string(), "the instance's lease could not be renewed");
        }
    }
}

/// Removes marks and replies past their window.
async fn purge(core: Arc<Core>, stop: Stop) {
    loop {
        for kind in [RecordKind::MARK, RecordKind::REPLY] {
            if let Err(error) = purge_kind(core.store.as_ref(), kind).await {
                tracing::warn!(
                    ?kind,
                    error = error.to_string(),
                    "records past their window could not be removed"
                );
            }
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = core.clock.sleep(PURGE) => {}
        }
    }
}

async fn purge_kind(store: &dyn Store, kind: RecordKind) -> Result<(), StoreError> {
    loop {
        let query = RecordQuery { due_until: Some(store.now().await?), ..RecordQuery::default() };
        let expired = store.find(kind, &query).await?;
        let mut work = store.begin().await?;
        for record in &expired {
            work.remove(kind, record.id.clone(), Guard::At(record.revision));
        }
        if work.is_empty() {
            return Ok(());
        }
        match work.commit().await {
            // A conflict means that one was met again just now, and stays.
            Commit::Committed(_) | Commit::Conflict(_) => {}
            other => return Err(as_store_error(other)),
        }
        if expired.len() < query.limit {
            return Ok(());
        }
    }
}

/// Running consumers of a projection, by the suffix of the tables that they fill.
type Fillers = HashMap<String, (Stopper, JoinHandle<()>)>;

/// Runs the consumers that fill a projection's tables, and cuts over when new tables have caught up.
async fn run_projection(core: &Arc<Core>, declared: &Declared, mut fillers: Fillers, stop: &Stop) {
    while !stop.is_stopped() {
        if let Err(error) = mind_projection(core, declared, &mut fillers).await {
            tracing::warn!(projection = %declared.name, error = error.to_string(), "the projection's record cannot be read");
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = core.clock.sleep(WATCH) => {}
        }
    }
    for (suffix, (stopper, task)) in fillers {
        stop_filler(core, declared, &suffix, stopper, task).await;
    }
}

async fn mind_projection(
    core: &Arc<Core>,
    declared: &Declared,
    fillers: &mut Fillers,
) -> Result<(), StoreError> {
    let state = declared.prepare(core.store.as_ref()).await?;
    let wanted: Vec<String> = [&state.live, &state.building].into_iter().flatten().cloned().collect();
    let gone: Vec<String> = fillers.keys().filter(|suffix| !wanted.contains(suffix)).cloned().collect();
    for suffix in gone {
        if let Some((stopper, task)) = fillers.remove(&suffix) {
            stop_filler(core, declared, &suffix, stopper, task).await;
        }
    }
    for suffix in wanted.into_iter().filter(|suffix| declared.fills(suffix)) {
        if let Entry::Vacant(free) = fillers.entry(suffix) {
            let (stopper, stop) = Stopper::new();
            let task = core.spawn(declared.consumer(free.key())?, stop);
            free.insert((stopper, task));
        }
    }
    if let Some(building) = &state.building {
        let shared = core.get(&filler(&declared.name, building)?);
        let done = shared.and_then(|shared| shared.progress.least());
        if done.is_some_and(|done| done > Position::START) && done >= Some(core.store.head().await?) {
            declared.cut_over(core.store.as_ref(), building).await?;
            tracing::info!(projection = %declared.name, tables = building, "rebuilt tables are live");
        }
    }
    Ok(())
}

async fn stop_filler(core: &Core, declared: &Declared, suffix: &str, stopper: Stopper, task: JoinHandle<()>) {
    stopper.stop();
    // A task that panicked has nothing more to finish.
    let _ = task.await;
    if let Ok(name) = filler(&declared.name, suffix) {
        core.forget(&name);
    }
}

/// A started app.
pub struct Running {
    core: Arc<Core>,
    stopper: Stopper,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    watchdog: Mutex<Option<Watchdog>>,
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
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
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
    /// written is then seen by reads. Events that are parked are not waited for.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn wait_for(
        &self,
        consumer: &ConsumerName,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        let shared = self.find(consumer).await?;
        let generation = control(&shared).await?.generation;
        let late = self.core.clock.sleep(within);
        tokio::pin!(late);
        loop {
            let changed = shared.progress.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let at = self.reached(&shared).await?;
            // A replay that this process has not begun yet is still to be waited for.
            let is_current =
                shared.progress.least().is_none() || shared.generation.load(Ordering::Acquire) >= generation;
            if at >= position && is_current {
                return Ok(());
            }
            tokio::select! {
                () = &mut changed => {}
                // Slots of another instance do not announce themselves.
                () = self.core.clock.sleep(Duration::from_millis(20)) => {}
                () = &mut late => {
                    return Err(WaitError::Late { consumer: consumer.to_string(), at, position });
                }
            }
        }
    }

    async fn find(&self, name: &ConsumerName) -> Result<Arc<Shared>, WaitError> {
        if let Some(shared) = self.core.get(name) {
            return Ok(shared);
        }
        let state = state_of(self.core.store.as_ref(), name).await?;
        let live = state.and_then(|state| state.live);
        let filler = live.map(|suffix| filler(name, &suffix)).transpose()?;
        filler.and_then(|name| self.core.get(&name)).ok_or_else(|| WaitError::Unknown(name.clone()))
    }

    async fn reached(&self, shared: &Shared) -> Result<Position, StoreError> {
        let mine: HashMap<u16, Position> =
            shared.progress.positions().map(|(slot, position)| (slot.number(), position)).collect();
        if mine.len() == shared.consumer.slots().count() {
            return Ok(mine.values().min().copied().unwrap_or_default());
        }
        let written = crate::admin::checkpoints(self.core.store.as_ref(), shared.name()).await?;
        let at = |slot: u16| mine.get(&slot).copied().max(written.get(&slot).copied()).unwrap_or_default();
        Ok(shared.consumer.slots().map(|slot| at(slot.number())).min().unwrap_or_default())
    }

    /// Waits until every consumer has taken in everything, including what that caused. Parked events whose time has
    /// not come are not waited for.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn settled(&self, within: Duration) -> Result<(), WaitError> {
        let started = self.core.clock.elapsed();
        loop {
            let head = self.core.store.head().await?;
            for shared in self.core.all().iter().filter(|shared| !shared.is_inbox.load(Ordering::Relaxed)) {
                let left = within.saturating_sub(self.core.clock.elapsed().saturating_sub(started));
                self.wait_for(&shared.name().clone(), head, left).await?;
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

    /// Ends every task where it stands, letting nothing go: what a crash leaves behind. For tests of recovery.
    pub async fn abort(&self) {
        let tasks = self.take_tasks();
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // Each ends as aborted.
            let _ = task.await;
        }
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

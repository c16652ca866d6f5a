//! An app: what a user declares, started together, stopped together.
//!
//! Every task started here is joined by `stop`; nothing outlives it.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use factum_core::{Clock, ConsumerName, Decider, Projection, Saga, Store, StoreError, StoreErrorKind};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::admin;
use crate::answers::{self, DeciderDeclared};
use crate::clock::TokioClock;
use crate::consumer::Consumer;
use crate::consumer::session::supervise;
use crate::consumer::shared::Shared;
use crate::contracts::{self, Claims, ContractsRefused, Disagreements, Parts, catalog_of, record_contracts};
use crate::inbox::{self, From, InboxDeclared};
use crate::inline::inline_projections;
use crate::instance::{Instance, RENEW};
use crate::projection::Declared;
use crate::relay::{Relay, RelayNamed};
use crate::saga::{self, Alarm, SagaRefused, check};
use crate::stop::{Stop, Stopper};
use crate::watchdog::{Blocked, Watchdog};

mod projections;
mod purge;
mod running;

pub use running::{Running, WaitError};

/// Why an app did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two parts of the app have one name.
    #[error("two consumers are called {name}: rename one, or join their handlers")]
    TwoOfOneName {
        /// The name.
        name: ConsumerName,
    },
    /// Code and catalog disagree.
    #[error(transparent)]
    Disagree(#[from] Disagreements),
    /// The store has met contracts that the catalog does not keep.
    #[error(transparent)]
    Contracts(#[from] ContractsRefused),
    /// A saga or the handler of a command is not as it must be.
    #[error(transparent)]
    Saga(#[from] SagaRefused),
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
    inline: Vec<Declared>,
    sagas: Vec<saga::Declared>,
    relays: Vec<RelayNamed>,
    deciders: Vec<DeciderDeclared>,
    claims: Claims,
}

impl App {
    /// An app over a store, with nothing in it yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(TokioClock::default()),
            consumers: Vec::new(),
            inboxes: Vec::new(),
            projections: Vec::new(),
            inline: Vec::new(),
            sagas: Vec::new(),
            relays: Vec::new(),
            deciders: Vec::new(),
            claims: Claims::default(),
        }
    }

    /// Runs this service of the catalog, whole: its consumers and projections must be the catalog's, and no others.
    /// Said once for each service. Where none is named, an app runs the services that it has something of.
    ///
    /// # Panics
    /// When the name breaks the grammar of service names.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().parse().unwrap_or_else(|error| panic!("{error}"));
        self.claims.services.push((name, Location::caller()));
        self
    }

    /// Runs only a part of its services: what the catalog lists and this app lacks runs elsewhere.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.claims.is_partial = true;
        self
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
    #[track_caller]
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        self.projections.push(Declared::new(projection));
        self
    }

    /// Answers for an inline projection while the app runs: `factum projections verify` has it fill a copy of the tables
    /// from the log. Appends through an [`InlineStore`](crate::InlineStore) need no declaration.
    #[must_use]
    #[track_caller]
    pub fn inline<P: Projection>(mut self, projection: P) -> Self {
        self.inline.push(Declared::new(projection).inline());
        self
    }

    /// Runs a saga. Said again with an older version of the same saga, that version goes on with its instances until
    /// they have ended; new ones begin with the newest.
    #[must_use]
    #[track_caller]
    pub fn saga<S: Saga>(mut self) -> Self {
        self.sagas.push(saga::Declared::new::<S>());
        self
    }

    /// Answers for a decider while the app runs: `factum stream verify` asks whether its snapshots are what the events
    /// give, `factum stream state` what a state is or was. Deciding needs no declaration.
    ///
    /// It is called as its snapshots are, or as the category of its events where it keeps none.
    ///
    /// # Panics
    /// When the app has another decider of this name.
    #[must_use]
    pub fn decider<D: Decider<State: Serialize>>(mut self) -> Self {
        let declared = DeciderDeclared::new::<D>();
        let is_new = self.deciders.iter().all(|known| known.name != declared.name);
        assert!(is_new, "two deciders are called {}: name their snapshots apart", declared.name);
        self.deciders.push(declared);
        self
    }

    /// Runs a relay: events leave for a broker because they were committed.
    #[must_use]
    pub fn relay(mut self, relay: Relay) -> Self {
        self.relays.push(relay.named());
        self.consumers.push(relay.into_consumer());
        self
    }

    /// Starts everything, and records the contract versions of the store's catalog.
    ///
    /// # Errors
    /// When two parts have one name, code and catalog disagree, the catalog does not keep what the store has recorded
    /// of contracts, or the store or a broker cannot be used. Nothing runs then.
    pub async fn start(mut self) -> Result<Running, StartError> {
        self.sagas = check::join(std::mem::take(&mut self.sagas))?;
        let alarm = Arc::new(Alarm::default());
        self.consumers.extend(self.sagas.iter().map(|saga| saga.consumer(alarm.clone())));
        self.check_names()?;
        self.agree().await?;
        record_contracts(self.store.as_ref()).await?;
        if let Some(refused) = check::shapes(self.store.as_ref(), &self.sagas).await? {
            return Err(refused.into());
        }
        self.note_replays().await?;
        // Projections have one slot each: there is nothing to share.
        let inboxes = self.inboxes.iter().map(|declared| &declared.consumer);
        let runs = self.consumers.iter().chain(inboxes).map(|consumer| consumer.name().to_string());
        let instance = Instance::new(runs.collect());
        instance.renew(self.store.as_ref()).await?;
        if let Some(refused) = check::claim_commands(self.store.as_ref(), &instance, &self.consumers).await? {
            instance.end(self.store.as_ref()).await?;
            return Err(refused.into());
        }
        let (stopper, stop) = Stopper::new();
        let projections = self.projections.iter().map(|declared| declared.name.clone()).collect();
        let (store, clock, consumers) = (self.store, self.clock, RwLock::default());
        let core = Arc::new(Core { store, clock, instance, projections, consumers });
        let mut tasks = Vec::new();
        for consumer in self.consumers {
            tasks.push(core.spawn(consumer, stop.clone()));
        }
        for declared in self.inboxes {
            let shared = core.share(declared.consumer);
            tasks.push(tokio::spawn(inbox::supervise(shared, declared.source, stop.clone())));
        }
        for declared in self.projections.into_iter().chain(self.inline) {
            // Started here, not in the task, so that whoever has the app can wait for its projections at once.
            let fillers = projections::start(&core, &declared).await?;
            let (core, stop) = (core.clone(), stop.clone());
            tasks.push(tokio::spawn(async move { projections::run(&core, &declared, fillers, &stop).await }));
        }
        if !self.sagas.is_empty() {
            let (store, clock) = (core.store.clone(), core.clock.clone());
            tasks.push(tokio::spawn(saga::timer::run(store, clock, alarm, stop.clone())));
        }
        if !self.deciders.is_empty() {
            tasks.push(tokio::spawn(answer(core.clone(), self.deciders, stop.clone())));
        }
        tasks.push(tokio::spawn(keep_lease(core.clone(), stop.clone())));
        tasks.push(tokio::spawn(purge::run(core.clone(), stop)));
        let watched = core.clone();
        let watchdog = Watchdog::start(move || watched.blocked()).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "the watchdog's thread cannot be started").because(error)
        })?;
        Ok(Running::new(core, stopper, tasks, watchdog))
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

    /// Takes from the catalog what the code leaves open, and compares the rest.
    async fn agree(&mut self) -> Result<(), StartError> {
        let gate = self.store.gate().clone();
        let Some(contracts) = catalog_of(gate.as_ref()) else { return Ok(()) };
        let system = &contracts.catalog().system;
        let inboxes = self.inboxes.iter_mut().map(|inbox| &mut inbox.consumer);
        for consumer in self.consumers.iter_mut().chain(inboxes) {
            if let Some(spec) = system.consumers.get(consumer.name()) {
                let own =
                    system.services.get(&spec.service.value).into_iter().flat_map(|service| &service.emits);
                let emits = own.chain(&spec.emits).map(|name| name.value.clone()).collect();
                *consumer = consumer.clone().settle(spec, emits);
            }
        }
        for inbox in &mut self.inboxes {
            inbox.remember_as_long_as(system);
        }
        let parts = Parts {
            claims: &self.claims,
            consumers: self.consumers.iter().collect(),
            inboxes: &self.inboxes,
            projections: &self.projections,
            relays: &self.relays,
            sagas: &self.sagas,
            inline: inline_projections(self.store.as_ref()).await?,
        };
        Ok(contracts::check(contracts, &parts)?)
    }

    /// Writes down what a replay of each consumer may do, for tools that know the store alone.
    async fn note_replays(&self) -> Result<(), StoreError> {
        let inboxes = self.inboxes.iter().map(|inbox| &inbox.consumer);
        for consumer in self.consumers.iter().chain(inboxes) {
            admin::note_replays(self.store.as_ref(), consumer.name(), consumer.replay).await?;
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), StartError> {
        let mut names: Vec<&ConsumerName> = self.consumers.iter().map(Consumer::name).collect();
        names.extend(self.projections.iter().chain(&self.inline).map(|declared| &declared.name));
        names.extend(self.inboxes.iter().map(|declared| declared.consumer.name()));
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(StartError::TwoOfOneName { name: pair[0].clone() }),
            None => {
                let inboxes = self.inboxes.iter().map(|inbox| &inbox.consumer);
                match check::two_handlers(self.consumers.iter().chain(inboxes)) {
                    Some(refused) => Err(refused.into()),
                    None => Ok(()),
                }
            }
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
    /// The projections that the app has declared, whichever of their tables it fills.
    projections: Vec<ConsumerName>,
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

    /// Whether the app has declared this projection.
    fn has_projection(&self, name: &ConsumerName) -> bool {
        self.projections.contains(name)
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

/// Answers what operators ask of the app's deciders, until told to stop.
async fn answer(core: Arc<Core>, deciders: Vec<DeciderDeclared>, stop: Stop) {
    let mut busy_until = Duration::ZERO;
    loop {
        match answers::answer(core.store.as_ref(), &deciders, &core.instance).await {
            Ok(true) => busy_until = core.clock.elapsed() + answers::BUSY,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = error.to_string(), "questions to deciders could not be answered");
            }
        }
        let is_busy = core.clock.elapsed() < busy_until;
        tokio::select! {
            () = stop.stopped() => return,
            () = core.clock.sleep(if is_busy { answers::LOOK_BUSY } else { answers::LOOK }) => {}
        }
    }
}

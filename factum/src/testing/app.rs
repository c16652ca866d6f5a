//! A whole app in memory, with a clock that stands still until the test moves it.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_contract::fixture::Broken;
use factum_contract::{Contracts, ContractsError};
use factum_core::{
    AppendError, Bytes, Clock, ConsumerName, Envelope, Event, EventId, EventSet, Expected, ManualClock,
    PartitionKey, Position, RecordKind, RecordQuery, Store, StoreError,
};
use factum_runtime::{Admin, App, Running};
use factum_store::SqliteStore;
use factum_store::sqlite::Options;

use super::Story;
use super::crash::{Fuse, Mortal};
use super::heard::{encoded, encoded_all, keys, orders};
use crate::keys::KeyOptions;

/// How long a test waits, by the clock on the wall, for what never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most orders that are tried: each starts an app of its own.
const ORDERS_MAX: usize = 24;

/// Where the clock stands at the start.
const START: &str = "2026-01-05T10:00:00Z";

/// An app over a store in memory.
///
/// ```
/// # use factum::contract::CatalogSource;
/// # use factum::{Consumer, Context, Event, EventType, Failure, Handler, PartitionKey};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Placed { order: String }
/// # impl Event for Placed {
/// #     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
/// #     fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// # }
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Paid { order: String }
/// # impl Event for Paid {
/// #     const TYPE: EventType = EventType::event("order.paid", 1, "order", "order.paid");
/// #     fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// # }
/// # struct Pays;
/// # impl Handler<Placed> for Pays {
/// #     async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
/// #         cx.emit(&Paid { order: event.order });
/// #         Ok(())
/// #     }
/// # }
/// use factum::testing::TestApp;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let app = TestApp::open(|app| app.consumer(Consumer::new("payments").on::<Placed>(Pays))).await;
/// let id = app.given(&Placed { order: "42".into() }).await;
/// app.settled(id).await.then(["order.placed", "order.paid"]).without_trouble();
/// app.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestApp {
    build: Box<dyn Fn(App) -> App + Send + Sync>,
    store: Arc<dyn Store>,
    maintenance: SqliteStore,
    clock: ManualClock,
    given: Mutex<Vec<EventId>>,
    living: Mutex<Living>,
}

/// What ends with a crash.
#[derive(Clone)]
struct Living {
    running: Arc<Running>,
    fuse: Arc<Fuse>,
}

impl TestApp {
    /// Starts an app without contracts. `build` runs again when the app starts anew after a crash.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open(build: impl Fn(App) -> App + Send + Sync + 'static) -> Self {
        Self::over(Arc::new(factum_core::OpenGate), build).await
    }

    /// Starts an app whose events keep the contracts of a catalog. Personal data is sealed with keys that live in memory:
    /// see [`forget`](Self::forget).
    ///
    /// # Panics
    /// When the catalog is not valid, or the app does not start.
    pub async fn start(
        catalog: impl TryInto<Contracts, Error: Into<ContractsError>>,
        build: impl Fn(App) -> App + Send + Sync + 'static,
    ) -> Self {
        let contracts: Result<Contracts, ContractsError> = catalog.try_into().map_err(Into::into);
        let contracts = contracts.unwrap_or_else(|error| panic!("the catalog cannot be used: {error}"));
        let contracts = crate::with_keys("memory:", contracts, KeyOptions::default());
        let contracts = contracts.unwrap_or_else(|error| panic!("{}", whole(&error)));
        Self::over(Arc::new(contracts), build).await
    }

    async fn over(
        gate: Arc<dyn factum_core::Gate>,
        build: impl Fn(App) -> App + Send + Sync + 'static,
    ) -> Self {
        let clock = ManualClock::at(START.parse().unwrap_or_default());
        let now = clock.clone();
        let options = Options::new(gate).now(move || Clock::now(&now));
        let store = SqliteStore::open("memory:", options).unwrap_or_else(|error| panic!("no store: {error}"));
        let maintenance = store.clone();
        let (store, build): (Arc<dyn Store>, _) = (Arc::new(store), Box::new(build));
        let bound = factum_runtime::ring::bind(store.as_ref()).await;
        bound.unwrap_or_else(|error| panic!("the keys cannot be bound to the store: {error}"));
        let living = Mutex::new(start(&store, &clock, &build).await);
        Self { build, store, maintenance, clock, given: Mutex::default(), living }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What operators do.
    #[must_use]
    pub fn admin(&self) -> Admin {
        self.living().running.admin()
    }

    /// Records an event in the stream of its category and key.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn given<E: EventSet>(&self, event: &E) -> EventId {
        self.record(encoded(event)).await
    }

    async fn record(&self, envelope: Envelope) -> EventId {
        let stream = envelope.stream().unwrap_or_else(|error| panic!("{error}"));
        let id = envelope.id;
        let envelope = Envelope { time: self.clock.now(), ..envelope };
        let appended = self.store().append(&stream, Expected::Any, &[envelope]).await;
        appended.unwrap_or_else(|error| panic!("the event is refused: {}", whole(&error)));
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        id
    }

    /// Forgets a person: what was sealed with their key reads as forgotten from now on, wherever it stands.
    ///
    /// # Panics
    /// When the catalog has no personal data, or the subject is no pseudonym.
    pub async fn forget(&self, subject: &str) {
        let forgot = self.admin().forget(subject, &self.maintenance, &mut |_, _| {}).await;
        forgot.unwrap_or_else(|error| panic!("{subject} cannot be forgotten: {}", whole(&error)));
    }

    /// From now on the app dies as soon as its consumers, sagas and relays have recorded so many events: what they
    /// committed last is there, nobody has heard of it, and nothing more is done. Whoever waits for the app then, with
    /// [`settled`](Self::settled) or [`advance`](Self::advance), starts it anew over the same store, and waits on. What
    /// the test itself records does not count. What a handler did outside of the store and had not committed happens
    /// again, as after any crash.
    ///
    /// Run a story once for each step, and assert the same: what happens may not depend on when the app died.
    pub fn crash_after(&self, events: u32) {
        self.living().fuse.set(events);
    }

    /// Waits until every consumer has taken in everything, and answers what this event caused.
    ///
    /// # Panics
    /// When that takes longer than half a minute by the clock on the wall: with what happened.
    pub async fn settled(&self, id: EventId) -> Story {
        let waited = self.rested().await;
        let story = self.story(&[id]).await;
        if let Err(why) = waited {
            panic!("the app did not come to rest: {why}\n{story}");
        }
        story
    }

    /// What these events have caused so far.
    async fn story(&self, given: &[EventId]) -> Story {
        let health = self.living().running.health();
        let consumers: Vec<ConsumerName> = health.into_iter().map(|(name, _)| name).collect();
        let mut trees = Vec::new();
        for id in given {
            trees.extend(self.admin().trace(&id.to_string()).await.unwrap_or_else(|error| panic!("{error}")));
        }
        Story::of(&trees, &consumers)
    }

    /// What all that the test has given has caused so far.
    async fn whole_story(&self) -> Story {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.story(&given).await
    }

    /// Moves the clock, and waits until what was due by then has been tried.
    ///
    /// # Panics
    /// As [`TestApp::settled`].
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Err(why) = self.rested().await {
            panic!("the app did not come to rest after {by:?}: {why}\n{}", self.whole_story().await);
        }
    }

    /// Asserts that a consumer which handles every event of the log again changes nothing that `observe` sees, and
    /// that it records nothing new.
    ///
    /// # Panics
    /// With what it changed.
    pub async fn handled_twice<T, F>(&self, consumer: &str, observe: impl Fn() -> F)
    where
        T: PartialEq + Debug,
        F: Future<Output = T>,
    {
        let name: ConsumerName = consumer.parse().unwrap_or_else(|error| panic!("{error}"));
        self.rested().await.unwrap_or_else(|why| panic!("{why}"));
        let (before, head) = (observe().await, self.head().await);
        let reset = self.admin().reset(&name, Position::START, true).await;
        reset.unwrap_or_else(|error| panic!("{consumer} cannot begin anew: {error}"));
        self.rested().await.unwrap_or_else(|why| panic!("{why}"));
        let (after, grown) = (observe().await, self.head().await);
        if before != after || head != grown {
            let story = self.whole_story().await;
            assert!(before == after, "{consumer} is not idempotent: {before:?} became {after:?}\n{story}");
            panic!("{consumer} recorded something new: the log grew from {head} to {grown}\n{story}");
        }
    }

    /// Asserts that it does not matter in which order a log holds these events, those of one key apart, which keep
    /// theirs: `observe` sees the same, as it is printed, in up to 24 apps, each begun by `open` and given another order.
    ///
    /// # Panics
    /// With what it saw, and what happened, when it sees something else.
    pub async fn out_of_order<E: EventSet, T: Debug>(
        open: impl AsyncFn() -> Self,
        events: impl IntoIterator<Item = E>,
        observe: impl AsyncFn(&Self) -> T,
    ) {
        let events = encoded_all::<E>(events);
        let mut first = None;
        for order in std::iter::once(events.clone()).chain(orders(&events, ORDERS_MAX)) {
            let app = open().await;
            for event in &order {
                app.record(event.clone()).await;
            }
            app.rested().await.unwrap_or_else(|why| panic!("{why}"));
            let seen = observe(&app).await;
            let before = first.get_or_insert_with(|| format!("{seen:?}"));
            if *before != format!("{seen:?}") {
                let story = app.whole_story().await;
                panic!("the order of keys matters: {before} became {seen:?} with {}\n{story}", keys(&order));
            }
            app.stop().await;
        }
    }

    /// Asserts that payloads which break a contract are refused where they would enter, each by the rule it breaks,
    /// and leave nothing behind: `app.malformed::<OrderPlaced>(OrderPlaced::invalid_json())`.
    ///
    /// # Panics
    /// With the first that is taken, or refused for another reason.
    pub async fn malformed<E: Event>(&self, documents: impl IntoIterator<Item = Broken>) {
        let head = self.head().await;
        for broken in documents {
            let key =
                PartitionKey::try_from("malformed".to_owned()).unwrap_or_else(|error| panic!("{error}"));
            let envelope = Envelope::raw(E::TYPE, key, Bytes::from(broken.json.clone()));
            let stream = envelope.stream().unwrap_or_else(|error| panic!("{error}"));
            match self.store().append(&stream, Expected::Any, &[envelope]).await {
                Err(AppendError::Refused(_)) => {}
                other => {
                    panic!("{} ({}) is not refused: {other:?}\n{}", broken.what, broken.rule, broken.json)
                }
            }
        }
        assert_eq!(self.head().await, head, "a refused payload was recorded");
    }

    /// Stops the app.
    ///
    /// # Panics
    /// When it was to die and recorded too little for that: such a test tests nothing.
    pub async fn stop(self) {
        let living = self.living();
        living.running.stop().await;
        assert!(!living.fuse.is_set(), "the app was to die, and recorded too few events for that");
    }

    fn living(&self) -> Living {
        self.living.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn head(&self) -> Position {
        self.store().head().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until nothing is left that could be done now.
    async fn rested(&self) -> Result<(), String> {
        let resting = async {
            loop {
                let living = self.living();
                tokio::select! {
                    biased;
                    () = living.fuse.died() => {
                        living.running.abort().await;
                        // What the system sees at once of a dead process, a test must not wait a lease for.
                        living.fuse.forget();
                        living.running.stop().await;
                        let anew = start(&self.store, &self.clock, &self.build).await;
                        *self.living.lock().unwrap_or_else(PoisonError::into_inner) = anew;
                        continue;
                    }
                    settled = living.running.settled(PATIENCE) => settled.map_err(|error| error.to_string())?,
                }
                if !self.is_anything_due().await.map_err(|error| error.to_string())? {
                    return Ok(());
                }
                // What is due is on its way: let others run. Nothing announces when a parked key is through.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, resting).await {
            Ok(rested) => rested,
            Err(_) => Err(format!("not within {PATIENCE:?}")),
        }
    }

    async fn is_anything_due(&self) -> Result<bool, StoreError> {
        let query = RecordQuery { due_until: Some(self.clock.now()), limit: 1, ..RecordQuery::default() };
        for kind in [RecordKind::PARKED_KEY, RecordKind::TIMER] {
            if !self.store().find(kind, &query).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn start(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
    build: &(dyn Fn(App) -> App + Send + Sync),
) -> Living {
    let fuse = Arc::new(Fuse::default());
    let mortal = Mortal { inner: store.clone(), fuse: fuse.clone() };
    let app = build(App::new(Arc::new(mortal)).clock(Arc::new(clock.clone())));
    let running = app.start().await.unwrap_or_else(|error| panic!("the app does not start: {error}"));
    Living { running: Arc::new(running), fuse }
}

/// An error with its causes.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    said
}

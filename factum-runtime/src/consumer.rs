//! A consumer: a named reader with handlers (elsewhere: consumer group).
//!
//! This file is what users declare; the loop that runs it is in the parts below, in the order in which an event
//! meets them. Consumers never see a store: their handlers are given a `Context`.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use factum_contract::system::{ConsumerSpec, Idempotency, Replay};
use factum_core::{
    ConsumerName, Context, DecodeError, EncodeError, Envelope, EventName, EventSet, EventType, Failure,
    Handler, Kind, RetryPolicy, SLOTS, Slot, StartAt,
};

pub(crate) mod aside;
pub(crate) mod attempt;
mod batch;
pub(crate) mod lane;
pub(crate) mod letter;
pub(crate) mod once;
pub(crate) mod parked;
pub(crate) mod reader;
pub(crate) mod session;
pub(crate) mod shared;
pub(crate) mod slots;
mod standing;
pub(crate) mod tally;
mod together;

/// Most lanes of a consumer: one per slot.
pub const LANES_MAX: usize = factum_core::SLOTS as usize;
/// Most events that share a commit.
pub const BATCH_MAX: usize = 1000;
/// How many events of a saga share a commit: what it does is all in the store, and undone as a whole.
const SAGA_BATCH: usize = 256;

/// What a consumer's handlers do beyond their unit of work; decides what a replay may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effects {
    /// Anything: a replay needs the operator's explicit word.
    #[default]
    Any,
    /// Only tables of a projection: replays freely.
    TablesOnly,
}

/// Declares a consumer: its name, its handlers, its policy.
///
/// Events of one key are handled in order, one at a time; different keys at the same time. Effects in the store
/// happen exactly once per event.
///
/// What the catalog says of a consumer of this name (retries, timeout, dead letters, idempotency, replay, lanes) holds
/// unless the code says otherwise: a catalog is enough, and so is code.
#[derive(Clone)]
pub struct Consumer {
    name: ConsumerName,
    at: &'static Location<'static>,
    /// Sorted by name: a few comparisons find one sooner than a hash.
    routes: Vec<Route>,
    everything: Option<Arc<dyn Handles>>,
    pub(crate) lanes: usize,
    pub(crate) batch: usize,
    pub(crate) policy: RetryPolicy,
    pub(crate) start_at: StartAt,
    pub(crate) parked_max: u64,
    pub(crate) effects: Effects,
    /// Whether all its keys share one slot.
    is_one_slot: bool,
    /// Whether it fills a copy that is only there to be compared.
    pub(crate) is_copy: bool,
    /// The field whose tag stands for the key of an event, so that events keyed differently meet in order.
    correlate: Option<&'static str>,
    /// Whether the catalog is to list it.
    pub(crate) is_declared: bool,
    /// What the code has said, so that the catalog does not.
    said: Said,
    /// Handles what carries the same value once.
    pub(crate) once: Option<Once>,
    /// How long the inbox remembers, when the catalog says so.
    pub(crate) window: Option<Duration>,
    /// What the catalog says it emits.
    pub(crate) emits: Option<Arc<[EventName]>>,
    /// What a replay of it may do, when somebody said so.
    pub(crate) replay: Option<Replay>,
}

/// Which settings the code has made.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    lanes: bool,
    retry: bool,
    idempotency: bool,
}

/// A field whose value is remembered: another event of the same type with the same value is not handled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Once {
    pub(crate) field: String,
    pub(crate) window: Duration,
}

#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) known: EventType,
    at: &'static Location<'static>,
    pub(crate) handler: Arc<dyn Handles>,
}

/// A future of a handler.
pub(crate) type Handled<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// A handler of whatever events, decoding included.
pub(crate) trait Handles: Send + Sync {
    fn handle<'a>(&'a self, envelope: &'a Envelope, cx: &'a mut Context<'_>) -> Handled<'a>;
}

struct Typed<E, H> {
    handler: H,
    event: PhantomData<fn() -> E>,
}

impl<E: EventSet, H: Handler<E>> Handles for Typed<E, H> {
    fn handle<'a>(&'a self, envelope: &'a Envelope, cx: &'a mut Context<'_>) -> Handled<'a> {
        match E::decode(&envelope.event_type, &envelope.data) {
            Ok(event) => Box::pin(self.handler.handle(event, cx)),
            Err(error) => Box::pin(async move { Err(undecodable(&error)) }),
        }
    }
}

/// What the type says of a payload is final: the bytes will not change.
fn undecodable(error: &DecodeError) -> Failure {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    Failure::reject("undecodable").detail(text)
}

/// Stands for every event, for handlers that look at the envelope alone.
#[derive(Debug, Clone, Copy)]
pub struct Anything;

impl EventSet for Anything {
    fn types() -> Vec<EventType> {
        Vec::new()
    }

    fn decode(_: &EventType, _: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn encode(&self) -> Result<Envelope, EncodeError> {
        Err(EncodeError { event: "anything".to_owned(), source: "it stands for events and is none".into() })
    }
}

impl Consumer {
    /// A consumer without handlers.
    ///
    /// # Panics
    /// When the name breaks the grammar of consumer names.
    #[must_use]
    #[track_caller]
    pub fn new(name: impl AsRef<str>) -> Self {
        let name = name.as_ref().parse().unwrap_or_else(|error| panic!("{error}"));
        Self {
            name,
            at: Location::caller(),
            routes: Vec::new(),
            everything: None,
            lanes: 8,
            batch: 1,
            policy: RetryPolicy::default(),
            start_at: StartAt::Oldest,
            parked_max: 10_000,
            effects: Effects::Any,
            is_one_slot: false,
            is_copy: false,
            correlate: None,
            is_declared: true,
            said: Said::default(),
            once: None,
            window: None,
            emits: None,
            replay: None,
        }
    }

    /// Handles the events of a set: one event type, or an `event_set!`.
    ///
    /// # Panics
    /// When one of them has a handler already.
    #[must_use]
    #[track_caller]
    pub fn on<E: EventSet>(mut self, handler: impl Handler<E>) -> Self {
        let at = Location::caller();
        let handler: Arc<dyn Handles> = Arc::new(Typed { handler, event: PhantomData });
        for known in E::types() {
            let Err(place) = self.place(&known.name) else {
                let (consumer, name) = (&self.name, &known.name);
                panic!("consumer {consumer} has two handlers for {name}: join them, or make two consumers");
            };
            self.routes.insert(place, Route { known, at, handler: handler.clone() });
        }
        self
    }

    /// Handles every event that has no handler of its own.
    #[must_use]
    pub fn on_everything(mut self, handler: impl Handler<Anything>) -> Self {
        self.everything = Some(Arc::new(Typed { handler, event: PhantomData }));
        self
    }

    /// How many workers share the slots: 1 to 64; default: what the catalog says, else 8. May change from start to
    /// start.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.clamp(1, LANES_MAX);
        self.said.lanes = true;
        self
    }

    /// How many events may share a commit, default 1. A batch that fails is undone and redone one by one.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.clamp(1, BATCH_MAX);
        self
    }

    /// How failures are dealt with; default: what the catalog says, over the defaults of [`RetryPolicy`].
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self.said.retry = true;
        self
    }

    /// Handles events of one type that carry the same value in a top-level `field` once within `window`, whatever
    /// their ids: for producers that say the same thing twice. Default: what the catalog says; without it, only the
    /// same event id is the same event.
    ///
    /// The mark is committed with the handler's effects, so a failed attempt leaves none, and a replay of the event
    /// that was handled runs again. An event without the field is handled.
    #[must_use]
    pub fn once_per(mut self, field: impl Into<String>, window: Duration) -> Self {
        self.once = Some(Once { field: field.into(), window });
        self.said.idempotency = true;
        self
    }

    /// What a replay of it may do; default: what the catalog says, else [`Replay::EffectsHeld`].
    ///
    /// `Safe` is replayed without further ado; `EffectsHeld` only with the operator's explicit word that effects
    /// outside the store may run again; `Refuse` never. The same holds for a reset that goes back.
    #[must_use]
    pub fn replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }

    /// Runs though the catalog does not list it: a tool, a test, a part that is nobody else's affair.
    #[must_use]
    pub fn undeclared(mut self) -> Self {
        self.is_declared = false;
        self
    }

    /// Where it starts when the store has never seen it; default: with the oldest event.
    #[must_use]
    pub fn start_at(mut self, start_at: StartAt) -> Self {
        self.start_at = start_at;
        self
    }

    /// How many events may be parked before the consumer pauses; default 10,000.
    #[must_use]
    pub fn parked_max(mut self, parked_max: u64) -> Self {
        self.parked_max = parked_max;
        self
    }

    pub(crate) fn effects(mut self, effects: Effects) -> Self {
        self.effects = effects;
        self
    }

    /// Puts all keys into one slot: every event in the order of the log, and one record to write for each commit.
    /// For life, like the slots themselves.
    pub(crate) fn in_one_slot(mut self) -> Self {
        self.is_one_slot = true;
        self
    }

    /// Nobody waits for it: what it fills is compared, and goes.
    pub(crate) fn copying(mut self, is_copy: bool) -> Self {
        self.is_copy = is_copy;
        self
    }

    /// Its slots.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        Slot::all().take(if self.is_one_slot { 1 } else { usize::from(SLOTS) })
    }

    /// The consumer behind a saga: its keys are correlations.
    pub(crate) fn of_saga(
        name: ConsumerName,
        at: &'static Location<'static>,
        correlate: &'static str,
        types: Vec<EventType>,
        handler: Arc<dyn Handles>,
    ) -> Self {
        let routes = types.into_iter().map(|known| Route { known, at, handler: handler.clone() });
        let mut routes: Vec<Route> = routes.collect();
        routes.sort_by(|a, b| a.known.name.cmp(&b.known.name));
        let named = Self::new(name.as_str()).undeclared().batch(SAGA_BATCH);
        Self { name, at, routes, correlate: Some(correlate), ..named }
    }

    /// What keeps an event in order: its key, or its correlation.
    pub(crate) fn key_of<'e>(&self, envelope: &'e Envelope) -> &'e str {
        let correlation = self.correlate.and_then(|field| envelope.tags.value(field));
        correlation.unwrap_or_else(|| envelope.key.as_str())
    }

    /// The slot of an event.
    pub(crate) fn slot_of(&self, envelope: &Envelope) -> Slot {
        if self.is_one_slot { Slot::default() } else { Slot::of_text(self.key_of(envelope)) }
    }

    pub(crate) fn renamed(mut self, name: ConsumerName) -> Self {
        self.name = name;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ConsumerName {
        &self.name
    }

    /// Takes from the catalog what the code has not said.
    pub(crate) fn settle(mut self, spec: &ConsumerSpec, emits: Arc<[EventName]>) -> Self {
        if !self.said.retry {
            self.policy = spec.retry_policy();
        }
        if let Some(lanes) = spec.lanes.filter(|_| !self.said.lanes) {
            self.lanes = (lanes as usize).clamp(1, LANES_MAX);
        }
        match &spec.idempotency {
            Some(Idempotency::Field { by, window }) if !self.said.idempotency => {
                self.once = Some(Once {
                    field: by.value.clone(),
                    window: window.unwrap_or(crate::execute::REPLY_WINDOW),
                });
            }
            Some(Idempotency::EventId { window }) => self.window = *window,
            _ => {}
        }
        self.emits = Some(emits);
        self.replay = self.replay.or(spec.replay);
        self
    }

    /// Where the code declares it.
    pub(crate) fn place_in_code(&self) -> &'static Location<'static> {
        self.at
    }

    /// What it has handlers for, and where the code says so.
    pub(crate) fn handled(&self) -> impl Iterator<Item = (&EventType, &'static Location<'static>)> {
        self.routes.iter().map(|route| (&route.known, route.at))
    }

    /// Whether it has a handler for whatever has none of its own.
    pub(crate) fn takes_everything(&self) -> bool {
        self.everything.is_some()
    }

    /// The types that it handles; empty when it handles everything.
    #[must_use]
    pub fn handles(&self) -> Vec<EventType> {
        if self.everything.is_some() {
            return Vec::new();
        }
        let mut types: Vec<EventType> = self.routes.iter().map(|route| route.known.clone()).collect();
        types.sort();
        types
    }

    /// Where the route of an event is, or would be.
    fn place(&self, name: &EventName) -> Result<usize, usize> {
        self.routes.binary_search_by(|route| route.known.name.cmp(name))
    }

    /// The type as which it knows an event, when it has a handler of its own for it.
    pub(crate) fn known(&self, name: &EventName) -> Option<&EventType> {
        self.place(name).ok().map(|place| &self.routes[place].known)
    }

    /// Whether it needs to see commands.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let mut kinds = self.routes.iter().map(|route| route.known.kind);
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first).filter(|kind| {
            // "Everything" means every event; a command has exactly one handler, which asks for it by name.
            self.everything.is_none() || *kind == Kind::Event
        })
    }

    pub(crate) fn route(&self, event_type: &EventType) -> Option<(Option<&EventType>, &Arc<dyn Handles>)> {
        if let Ok(place) = self.place(&event_type.name) {
            let route = &self.routes[place];
            return Some((Some(&route.known), &route.handler));
        }
        if event_type.kind == Kind::Command {
            return None;
        }
        self.everything.as_ref().map(|handler| (None, handler))
    }
}

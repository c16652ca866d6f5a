//! Handlers: given tables, when an event comes, then this is emitted, written, or refused. No app, and no broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_contract::fixture::Broken;
use factum_core::{
    Around, Attempt, Commit, ConsumerName, Context, Envelope, Event, EventId, EventSet, Expected, Failure,
    Handler, OpenGate, Origin, Position, Store, StreamId, Timestamp, Version, Work, around,
};

use super::diagram::{Diagram, name_of};
use super::heard::{ORDERS_MAX, encoded, encoded_all, keys, listed, orders, takes_none, written};

/// Where the clock stands at the start.
const NOW: &str = "2026-01-05T10:00:00Z";
static CONSUMER: ConsumerName = ConsumerName::constant("tested");

/// A handler that has heard this.
pub struct HandlerTest<E, H> {
    handler: Arc<H>,
    store: Arc<dyn Store>,
    now: Timestamp,
    /// What was run before, for a store of another order.
    statements: Vec<String>,
    heard: Vec<Envelope>,
    emitted: Vec<Envelope>,
    failure: Option<Failure>,
    diagram: Diagram,
    event: std::marker::PhantomData<fn(E)>,
}

/// A handler that has heard nothing yet, over a store in memory without tables.
///
/// ```
/// # use factum::{Context, Event, EventType, Failure, Handler, PartitionKey, values};
/// # macro_rules! event { ($name:ident, $type:literal) => {
/// #     #[derive(serde::Serialize, serde::Deserialize)] struct $name { order: String }
/// #     impl Event for $name {
/// #         const TYPE: EventType = EventType::event($type, 1, "order", $type);
/// #         fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// #     }
/// # } }
/// # event!(Placed, "order.placed");
/// # event!(Paid, "order.paid");
/// struct Payments;
///
/// impl Handler<Placed> for Payments {
///     async fn handle(&self, placed: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
///         if placed.order == "free" {
///             return Err(Failure::reject("nothing-to-pay"));
///         }
///         cx.execute("insert into payment values ($1)", values![placed.order.as_str()]);
///         cx.emit(&Paid { order: placed.order });
///         Ok(())
///     }
/// }
///
/// use factum::testing::given_handler;
///
/// given_handler::<Placed, _>(Payments)
///     .sql("create table payment (id text primary key)")
///     .when(Placed { order: "42".into() })
///     .then([Paid { order: "42".into() }])
///     .rows("select id from payment", &["42"])
///     .when(Placed { order: "free".into() })
///     .is_refused("nothing-to-pay");
/// ```
///
/// # Panics
/// When no store can be opened in memory.
pub fn given_handler<E: EventSet, H: Handler<E>>(handler: H) -> HandlerTest<E, H> {
    HandlerTest::of(Arc::new(handler))
}

impl<E: EventSet, H: Handler<E>> HandlerTest<E, H> {
    fn of(handler: Arc<H>) -> Self {
        let opened = factum_store::open("memory:", Arc::new(OpenGate));
        Self {
            handler,
            store: opened.unwrap_or_else(|error| panic!("no store: {error}")).store,
            now: NOW.parse().unwrap_or_default(),
            statements: Vec::new(),
            heard: Vec::new(),
            emitted: Vec::new(),
            failure: None,
            diagram: Diagram::default(),
            event: std::marker::PhantomData,
        }
    }

    /// Runs a statement: a table that there is, a row that stands in it.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn sql(mut self, statement: &str) -> Self {
        self.statements.push(statement.to_owned());
        let ran = self.wait(async {
            let mut work = self.store.begin().await?;
            work.execute(statement.to_owned().into(), Vec::new());
            work.commit().await.into_result().map_err(whole)?;
            Ok(())
        });
        ran.unwrap_or_else(|error: Box<dyn std::error::Error + Send + Sync>| panic!("{statement}: {error}"));
        self
    }

    /// An event comes.
    ///
    /// # Panics
    /// When what the handler did cannot be committed.
    #[must_use]
    pub fn when(self, event: impl Into<E>) -> Self {
        self.hear(encoded(&event.into()))
    }

    /// Time passes, by the clock of its context.
    #[must_use]
    pub fn advance(mut self, by: Duration) -> Self {
        self.now = self.now.plus(by);
        self.diagram.note(name_of::<H>(), format_args!("after {by:?}"));
        self
    }

    /// Asserts that the event was handled, and emitted or sent exactly these, in this order.
    ///
    /// # Panics
    /// When it was not, or emitted others.
    #[track_caller]
    pub fn then<X: EventSet>(self, expected: impl IntoIterator<Item = X>) -> Self {
        let expected: Vec<String> = expected.into_iter().map(|event| written(&encoded(&event))).collect();
        assert!(self.failure.is_none(), "it should be handled, {}", self.found());
        let found: Vec<String> = self.emitted.iter().map(written).collect();
        assert!(
            found == expected,
            "it should lead to\n{}and leads to\n{}{}",
            listed(&expected),
            listed(&found),
            self.diagram
        );
        self
    }

    /// Asserts that the event was handled, and led to no other.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then([] as [E; 0])
    }

    /// Asserts the rows of a query: the values of each as text, joined by `|`.
    ///
    /// # Panics
    /// When there are others.
    #[track_caller]
    pub fn rows(self, sql: &str, expected: &[&str]) -> Self {
        let found = self.rows_of(sql);
        assert!(
            found == expected,
            "{sql} should answer {expected:?}, and answers {found:?}\n{}",
            self.diagram
        );
        self
    }

    /// Asserts that the event is refused for this reason, and never tried again.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn is_refused(self, reason: &str) -> Self {
        let is = self.failure.as_ref().is_some_and(|failure| failure.is_rejection());
        assert!(is && self.reason() == Some(reason), "it should be refused as {reason}, {}", self.found());
        self
    }

    /// Asserts that the event fails and is tried again; under this name, when it is given.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn fails(self, reason: Option<&str>) -> Self {
        let is = self.failure.as_ref().is_some_and(|failure| !failure.is_rejection());
        assert!(is && (reason.is_none() || self.reason() == reason), "it should fail, {}", self.found());
        self
    }

    /// Asserts that the event is not handled before so long from now.
    ///
    /// # Panics
    /// When something else follows.
    #[track_caller]
    pub fn waits(self, delay: Duration) -> Self {
        let found = self.failure.as_ref().and_then(Failure::delay);
        assert!(found == Some(delay), "it should wait for {delay:?}, {}", self.found());
        self
    }

    /// Asserts that hearing the last event a second time changes nothing that a query sees, and emits the same again,
    /// under the same ids, so that it is recorded once.
    ///
    /// # Panics
    /// When it does, or nothing was heard.
    #[track_caller]
    pub fn handled_twice(self, sql: &str) -> Self {
        let Some(last) = self.heard.last().cloned() else { panic!("nothing has been heard yet") };
        let ids = |test: &Self| test.emitted.iter().map(|envelope| envelope.id).collect::<Vec<EventId>>();
        let (before, seen) = (ids(&self), self.rows_of(sql));
        let again = self.hear(last);
        let after = again.rows_of(sql);
        assert!(again.failure.is_none(), "it should be handled the second time, {}", again.found());
        assert!(seen == after, "hearing it twice changes {seen:?} to {after:?}\n{}", again.diagram);
        assert!(ids(&again) == before, "hearing it twice emits something new\n{}", again.diagram);
        again
    }

    /// Hears these events in every order in which the log may hold them, up to 120: those of one key keep theirs.
    /// Asserts that a query answers the same, and that the same is emitted. Each order begins with tables and events as
    /// this test has them so far, and the same handler; an event that fails comes again after those of other keys.
    ///
    /// # Panics
    /// With both orders, when they differ; when an event is refused, or fails however often it comes.
    #[track_caller]
    pub fn out_of_order(self, events: impl IntoIterator<Item = impl Into<E>>, sql: &str) -> Self {
        let events = encoded_all::<E>(events);
        let (first, emitted) = self.anew().hear_all(&events);
        let rows = first.rows_of(sql);
        for order in orders(&events, ORDERS_MAX) {
            let (other, also_emitted) = self.anew().hear_all(&order);
            let found = other.rows_of(sql);
            assert!(
                rows == found && emitted == also_emitted,
                "the order of keys matters: with {}, {rows:?} and\n{}became {found:?} and\n{}{}",
                keys(&order),
                listed(&emitted),
                listed(&also_emitted),
                other.diagram
            );
        }
        first
    }

    /// Asserts that it never hears a payload which breaks its contract: none of these can be read as its event.
    ///
    /// # Panics
    /// With the first that can.
    #[track_caller]
    pub fn malformed<X: Event>(self, documents: impl IntoIterator<Item = Broken>) -> Self {
        takes_none::<E, X>(name_of::<H>(), documents);
        self
    }

    /// The same tables, and the same heard, in a store of its own.
    fn anew(&self) -> Self {
        let test = self.statements.iter().fold(Self::of(self.handler.clone()), |test, sql| test.sql(sql));
        self.heard.iter().cloned().fold(Self { now: self.now, ..test }, Self::hear)
    }

    /// Hears everything, and answers what was emitted in all, sorted.
    fn hear_all(mut self, events: &[Envelope]) -> (Self, Vec<String>) {
        let (mut waiting, mut emitted) = (events.to_vec(), Vec::new());
        while !waiting.is_empty() {
            let mut left: Vec<Envelope> = Vec::new();
            for envelope in &waiting {
                if left.iter().any(|other| other.key == envelope.key) {
                    left.push(envelope.clone());
                    continue;
                }
                self = self.hear(envelope.clone());
                match &self.failure {
                    None => emitted.extend(self.emitted.iter().map(written)),
                    Some(failure) if failure.is_rejection() => {
                        panic!("it should be handled, {}", self.found())
                    }
                    Some(_) => left.push(envelope.clone()),
                }
            }
            assert!(left.len() < waiting.len(), "it fails however often it comes, {}", self.found());
            waiting = left;
        }
        emitted.sort();
        (self, emitted)
    }

    fn rows_of(&self, sql: &str) -> Vec<String> {
        let found = self.wait(async { self.store.query(sql, &[]).await });
        let found = found.unwrap_or_else(|error| panic!("{sql}: {error}"));
        found.iter().map(|row| row.values().iter().map(super::text).collect::<Vec<_>>().join("|")).collect()
    }

    fn hear(mut self, envelope: Envelope) -> Self {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let outcome = self.wait(self.run(&envelope, &noted));
        self.emitted = std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner));
        self.failure = outcome.err();
        let handler = name_of::<H>();
        self.diagram.tell("log", handler, written(&envelope));
        match &self.failure {
            None => {
                self.emitted.iter().for_each(|emitted| self.diagram.tell(handler, "log", written(emitted)))
            }
            Some(failure) => self.diagram.fail(handler, "log", failure),
        }
        self.heard.push(envelope);
        self
    }

    async fn run(&self, envelope: &Envelope, noted: &Arc<Mutex<Vec<Envelope>>>) -> Result<(), Failure> {
        let event = E::decode(&envelope.event_type, &envelope.data)?;
        let origin =
            Origin::Log { stream: envelope.stream()?, version: Version::at(1), position: Position::at(1) };
        let mut work = around(self.store.begin().await?, Noting(noted.clone()));
        let mut cx = Context::new(envelope, &origin, &CONSUMER, Attempt::FIRST, self.now, work.as_mut());
        self.handler.handle(event, &mut cx).await?;
        if let Some(fault) = cx.take_fault() {
            return Err(fault.into());
        }
        match work.commit().await {
            Commit::Committed(_) => Ok(()),
            other => Err(whole(other.into_result().err()).into()),
        }
    }

    fn reason(&self) -> Option<&str> {
        self.failure.as_ref().and_then(Failure::reason)
    }

    fn found(&self) -> String {
        match &self.failure {
            None => format!("and is handled\n{}", self.diagram),
            Some(failure) => format!("and answers: {failure} ({:?})\n{}", failure.reason(), self.diagram),
        }
    }

    /// Waits on a thread of its own, so that tests need no runtime and may have one.
    fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        std::thread::scope(|scope| {
            let alone = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(future)
            });
            alone.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn whole(error: impl std::fmt::Debug) -> String {
    format!("what it did cannot be committed: {error:?}")
}

/// A unit of work that keeps what is appended in sight.
struct Noting(Arc<Mutex<Vec<Envelope>>>);

impl Around for Noting {
    fn append(&mut self, inner: &mut dyn Work, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(events.iter().cloned());
        inner.append(to, expected, events);
    }
}

//! Handlers: given tables, when an event comes, then this is emitted, written, or refused. No app, and no broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_core::{
    Around, Attempt, Commit, ConsumerName, Context, Envelope, EventId, EventSet, Expected, Failure, Handler,
    OpenGate, Origin, Position, Store, StreamId, Timestamp, Version, Work, around,
};

/// Where the clock stands.
const NOW: &str = "2026-01-05T10:00:00Z";
static CONSUMER: ConsumerName = ConsumerName::constant("tested");

/// A handler that has heard this.
pub struct HandlerTest<E, H> {
    handler: H,
    store: Arc<dyn Store>,
    last: Option<Envelope>,
    emitted: Vec<Envelope>,
    failure: Option<Failure>,
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
    let opened = factum_store::open("memory:", Arc::new(OpenGate));
    let store = opened.unwrap_or_else(|error| panic!("no store: {error}")).store;
    let (last, emitted, failure) = (None, Vec::new(), None);
    HandlerTest { handler, store, last, emitted, failure, event: std::marker::PhantomData }
}

impl<E: EventSet, H: Handler<E>> HandlerTest<E, H> {
    /// Runs a statement: a table that there is, a row that stands in it.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn sql(self, statement: &str) -> Self {
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
        let envelope = event.into().encode().unwrap_or_else(|error| panic!("no JSON form: {error}"));
        self.hear(envelope)
    }

    /// Asserts that the event was handled, and emitted or sent exactly these, in this order.
    ///
    /// # Panics
    /// When it was not, or emitted others.
    #[track_caller]
    pub fn then<X: EventSet>(self, expected: impl IntoIterator<Item = X>) -> Self {
        let written = |envelope: &Envelope| {
            format!("{} {}", envelope.event_type, String::from_utf8_lossy(&envelope.data))
        };
        let expected: Vec<String> = expected
            .into_iter()
            .map(|event| written(&event.encode().unwrap_or_else(|error| panic!("no JSON form: {error}"))))
            .collect();
        if let Some(failure) = &self.failure {
            panic!("it should be handled, and fails: {failure}");
        }
        let found: Vec<String> = self.emitted.iter().map(written).collect();
        assert!(
            found == expected,
            "it should lead to\n  {}\nand leads to\n  {}",
            expected.join("\n  "),
            found.join("\n  ")
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
        let found = self.wait(async { self.store.query(sql, &[]).await });
        let found = found.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found: Vec<String> = found
            .iter()
            .map(|row| row.values().iter().map(super::text).collect::<Vec<_>>().join("|"))
            .collect();
        assert!(found == expected, "{sql} should answer {expected:?}, and answers {found:?}");
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
        let Some(last) = self.last.clone() else { panic!("nothing has been heard yet") };
        let ids = |test: &Self| test.emitted.iter().map(|envelope| envelope.id).collect::<Vec<EventId>>();
        let rows = |test: &Self| test.wait(async { test.store.query(sql, &[]).await });
        let (before, seen) = (ids(&self), format!("{:?}", rows(&self)));
        let again = self.hear(last);
        let after = format!("{:?}", rows(&again));
        assert!(again.failure.is_none(), "the second time it fails, {}", again.found());
        assert!(seen == after, "hearing it twice changes {seen} to {after}");
        assert!(ids(&again) == before, "hearing it twice emits something new");
        again
    }

    fn hear(mut self, envelope: Envelope) -> Self {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let outcome = self.wait(self.run(&envelope, &noted));
        self.emitted = std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner));
        self.failure = outcome.err();
        self.last = Some(envelope);
        self
    }

    async fn run(&self, envelope: &Envelope, noted: &Arc<Mutex<Vec<Envelope>>>) -> Result<(), Failure> {
        let event = E::decode(&envelope.event_type, &envelope.data)?;
        let origin =
            Origin::Log { stream: envelope.stream()?, version: Version::at(1), position: Position::at(1) };
        let now: Timestamp = NOW.parse().unwrap_or_default();
        let mut work = around(self.store.begin().await?, Noting(noted.clone()));
        let mut cx = Context::new(envelope, &origin, &CONSUMER, Attempt::FIRST, now, work.as_mut());
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
            None => "and is handled".to_owned(),
            Some(failure) => format!("and answers: {failure} ({:?})", failure.reason()),
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

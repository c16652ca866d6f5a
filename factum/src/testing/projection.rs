//! Projections: given events, when one comes, then these are its rows. No runtime is needed: it brings its own, on a
//! thread of its own.

use std::sync::Arc;
use std::time::Duration;

use factum_contract::fixture::Broken;
use factum_core::{Envelope, Event, Expected, OpenGate, Projection, Store, Value};
use factum_runtime::{App, ReadSide};

use super::diagram::Diagram;
use super::heard::{encoded, encoded_all, keys, orders, takes_none, written};

/// How long the events may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most orders that are tried: each fills a store of its own.
const ORDERS_MAX: usize = 24;

/// A projection that has been given events.
pub struct ProjectionTest<P> {
    projection: P,
    events: Vec<Envelope>,
}

/// A projection that is given these events, in this order.
///
/// ```
/// # use factum::{ConsumerName, Event, EventType, Failure, PartitionKey, Projection, Table, Tables, values};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Placed { order: String }
/// # impl Event for Placed {
/// #     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
/// #     fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// # }
/// # #[derive(Clone)] struct Orders;
/// # impl Projection for Orders {
/// #     const NAME: ConsumerName = ConsumerName::constant("orders");
/// #     const VERSION: u32 = 1;
/// #     type Input = Placed;
/// #     fn tables() -> Vec<Table> { vec![Table::new("orders", "id text primary key")] }
/// #     async fn apply(&self, event: Placed, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
/// #         tables.execute("insert into {orders} (id) values ($1)", values![event.order]);
/// #         Ok(())
/// #     }
/// # }
/// use factum::testing::given_projection;
///
/// given_projection(Orders, [Placed { order: "a".into() }])
///     .rows("select id from {orders} order by id", &["a"])
///     .when(Placed { order: "b".into() })
///     .rows("select id from {orders} order by id", &["a", "b"])
///     .out_of_order("select id from {orders} order by id");
/// ```
///
/// # Panics
/// When an event has no JSON form.
#[must_use]
pub fn given_projection<P: Projection + Clone>(
    projection: P,
    events: impl IntoIterator<Item = impl Into<P::Input>>,
) -> ProjectionTest<P> {
    ProjectionTest { projection, events: encoded_all::<P::Input>(events) }
}

impl<P: Projection + Clone> ProjectionTest<P> {
    /// An event comes.
    ///
    /// # Panics
    /// When it has no JSON form.
    #[must_use]
    pub fn when(mut self, event: impl Into<P::Input>) -> Self {
        self.events.push(encoded(&event.into()));
        self
    }

    /// Asserts the rows of a query on the projection's tables: the values of each as text, joined by `|`.
    ///
    /// # Panics
    /// When there are others, an event cannot be applied, or the query fails.
    #[track_caller]
    pub fn rows(self, sql: &str, expected: &[&str]) -> Self {
        let found = self.rows_of(&self.events, sql);
        let diagram = diagram::<P>(&self.events);
        assert!(found == expected, "{sql} should answer {expected:?}, and answers {found:?}\n{diagram}");
        self
    }

    /// Asserts that the rows are the same in other orders in which the log may hold the events, up to 24: those of one
    /// key keep theirs.
    ///
    /// # Panics
    /// With both, when they differ.
    #[track_caller]
    pub fn out_of_order(self, sql: &str) -> Self {
        let first = self.rows_of(&self.events, sql);
        for order in orders(&self.events, ORDERS_MAX) {
            let rows = self.rows_of(&order, sql);
            assert!(
                rows == first,
                "the order of keys matters: {first:?} became {rows:?} with {}\n{}",
                keys(&order),
                diagram::<P>(&order)
            );
        }
        self
    }

    /// Asserts that it never hears a payload which breaks its contract: none of these can be read as its input.
    ///
    /// # Panics
    /// With the first that can.
    #[track_caller]
    pub fn malformed<E: Event>(self, documents: impl IntoIterator<Item = Broken>) -> Self {
        takes_none::<P::Input, E>(P::NAME.as_str(), documents);
        self
    }

    #[track_caller]
    fn rows_of(&self, events: &[Envelope], sql: &str) -> Vec<String> {
        let (projection, taken) = (self.projection.clone(), events.to_vec());
        let rows = std::thread::scope(|scope| {
            let alone = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
                runtime.block_on(rows(projection, taken, sql))
            });
            alone.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        rows.unwrap_or_else(|error| panic!("{error}\n{}", diagram::<P>(events)))
    }
}

fn diagram<P: Projection>(events: &[Envelope]) -> Diagram {
    let mut diagram = Diagram::default();
    events.iter().for_each(|event| diagram.tell("log", P::NAME.as_str(), written(event)));
    diagram
}

async fn rows<P: Projection>(
    projection: P,
    events: Vec<Envelope>,
    sql: &str,
) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let store: Arc<dyn Store> = factum_store::open("memory:", Arc::new(OpenGate))?.store;
    for event in events {
        store.append(&event.stream()?, Expected::Any, &[event]).await?;
    }
    let running = App::new(store.clone()).projection(projection).start().await?;
    running.settled(PATIENCE).await?;
    let troubles = running.admin().letters(factum_runtime::admin::Which::Parked, None).await?;
    if let Some(letter) = troubles.first() {
        return Err(format!("an event could not be applied: {}", letter.troubled.error).into());
    }
    let found = ReadSide::<P>::new(store).query(sql, &[]).await?;
    let rows = found.iter().map(|row| row.values().iter().map(text).collect::<Vec<_>>().join("|")).collect();
    running.stop().await;
    Ok(rows)
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.to_string(),
        Value::Bytes(value) => format!("{} bytes", value.len()),
        Value::Instant(value) => value.to_string(),
    }
}

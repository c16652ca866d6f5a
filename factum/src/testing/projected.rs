//! Projections: given events, then rows. No runtime is needed: it brings its own, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use factum_core::{Envelope, EventSet, Expected, OpenGate, Projection, Store, Value};
use factum_runtime::{App, ReadSide};

/// How long the events may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A projection that has been given events.
pub struct Projected<P> {
    make: Box<dyn Fn() -> P + Send + Sync>,
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
/// use factum::testing::projected;
///
/// let orders = projected(Orders, [Placed { order: "a".into() }, Placed { order: "b".into() }]);
/// assert_eq!(orders.rows("select id from {orders} order by id"), ["a", "b"]);
/// orders.out_of_order("select id from {orders} order by id");
/// ```
///
/// # Panics
/// When an event has no JSON form.
pub fn projected<P: Projection + Clone>(
    projection: P,
    events: impl IntoIterator<Item = impl Into<P::Input>>,
) -> Projected<P> {
    let encoded = |event: P::Input| event.encode().unwrap_or_else(|error| panic!("no JSON form: {error}"));
    let events = events.into_iter().map(|event| encoded(event.into())).collect();
    Projected { make: Box::new(move || projection.clone()), events }
}

impl<P: Projection> Projected<P> {
    /// The rows of a query on the projection's tables: the values of each as text, joined by `|`.
    ///
    /// # Panics
    /// When an event cannot be applied, or the query fails.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.rows_of(self.events.clone(), sql)
    }

    /// Asserts that the rows are the same whichever keys come first; events of one key keep their order.
    ///
    /// # Panics
    /// With both, when they differ.
    pub fn out_of_order(&self, sql: &str) {
        let first = self.rows(sql);
        let mut by_key: BTreeMap<&str, Vec<&Envelope>> = BTreeMap::new();
        for event in &self.events {
            by_key.entry(event.key.as_str()).or_default().push(event);
        }
        let last_first: Vec<Envelope> =
            by_key.values().rev().flatten().map(|event| (*event).clone()).collect();
        let mut in_turn = Vec::new();
        let longest = by_key.values().map(Vec::len).max().unwrap_or_default();
        for at in 0..longest {
            in_turn.extend(by_key.values().filter_map(|events| events.get(at).map(|event| (*event).clone())));
        }
        for order in [last_first, in_turn] {
            let keys: Vec<&str> = order.iter().map(|event| event.key.as_str()).collect();
            let keys = keys.join(", ");
            let rows = self.rows_of(order, sql);
            assert!(
                rows == first,
                "the order of keys matters: {first:?} became {rows:?} with keys in the order {keys}"
            );
        }
    }

    fn rows_of(&self, events: Vec<Envelope>, sql: &str) -> Vec<String> {
        let projection = (self.make)();
        std::thread::scope(|scope| {
            let alone = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
                runtime.block_on(rows(projection, events, sql))
            });
            match alone.join() {
                Ok(rows) => rows.unwrap_or_else(|error| panic!("{error}")),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
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

//! One read model made in each way: it follows the log, it changes with the append, it is folded when asked. It joins
//! streams of two categories by a tag, and fans out to two tables; a plain function asks it.

use std::sync::Arc;

use factum_core::{
    ConsumerName, Envelope, Event, EventType, Expected, Failure, PartitionKey, Position, Projection, Query,
    Rebuild, Store, StoreError, Table, Tables, Tag, Tags, event_set, values,
};
use factum_runtime::admin::Then;
use factum_runtime::app::WaitError;
use factum_runtime::{Admin, App, InlineStore, ReadSide, fold};

use crate::kit::*;
use crate::projection::{Steps, StepsTwo, total_of};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Placed {
    order: String,
    customer: String,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Paid {
    payment: String,
    order: String,
    cents: i64,
}

fn order_tag(order: &str) -> Tags {
    Tags::new([Tag::new("orderId", order).unwrap()]).unwrap()
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        order_tag(&self.order)
    }
}

impl Event for Paid {
    const TYPE: EventType = EventType::event("payment.made", 1, "payment", "payment.made");

    fn key(&self) -> PartitionKey {
        self.payment.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        order_tag(&self.order)
    }
}

event_set! {
    /// What a sale is made of: streams of two categories.
    #[derive(Debug, Clone)]
    enum Sale { Placed, Paid }
}

/// What was paid for each order, and by each customer.
struct Sales;

impl Projection for Sales {
    const NAME: ConsumerName = ConsumerName::constant("sales");
    const VERSION: u32 = 1;
    type Input = Sale;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("sale", "order_id text primary key, customer text not null, cents bigint not null"),
            Table::new("customer", "name text primary key, orders bigint not null, cents bigint not null"),
        ]
    }

    async fn apply(&self, event: Sale, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        match event {
            Sale::Placed(Placed { order, customer }) => {
                tables.execute(
                    "insert into {sale} (order_id, customer, cents) values ($1, $2, 0)",
                    values![order, customer.clone()],
                );
                tables.execute(
                    "insert into {customer} as known (name, orders, cents) values ($1, 1, 0)
                     on conflict (name) do update set orders = known.orders + 1",
                    values![customer],
                );
            }
            Sale::Paid(Paid { order, cents, .. }) => {
                tables.execute(
                    "update {sale} set cents = cents + $2 where order_id = $1",
                    values![order.clone(), cents],
                );
                tables.execute(
                    "update {customer} set cents = cents + $2
                     where name = (select customer from {sale} where order_id = $1)",
                    values![order, cents],
                );
            }
        }
        Ok(())
    }
}

/// A query is a function over the read side.
async fn paid_for(sales: &ReadSide<Sales>, order: &str) -> Result<Option<i64>, StoreError> {
    let rows = sales.query("select cents from {sale} where order_id = $1", &values![order]).await?;
    Ok(rows.first().map(|row| row.get("cents").unwrap()))
}

async fn customers(sales: &ReadSide<Sales>) -> Vec<(String, i64, i64)> {
    let rows = sales.query("select name, orders, cents from {customer} order by name", &[]).await.unwrap();
    let row = |row: factum_core::Row<'_>| {
        (row.get("name").unwrap(), row.get("orders").unwrap(), row.get("cents").unwrap())
    };
    rows.iter().map(row).collect()
}

async fn record<E: Event>(store: &dyn Store, event: &E) -> Position {
    let envelope = Envelope::of(event).unwrap();
    let stream = envelope.stream().unwrap();
    // Inline projections are given versions, so each stream here has one event.
    store.append(&stream, Expected::NoStream, &[envelope]).await.unwrap().position
}

async fn sell(store: &dyn Store) -> Position {
    for (order, customer) in [("1", "ann"), ("2", "ben"), ("3", "ann")] {
        record(store, &Placed { order: order.into(), customer: customer.into() }).await;
    }
    let mut last = Position::START;
    for (payment, order, cents) in [("a", "1", 500), ("b", "3", 250), ("c", "1", 100)] {
        last = record(store, &Paid { payment: payment.into(), order: order.into(), cents }).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_is_the_same_whether_it_follows_changes_with_the_append_or_is_folded_when_asked() {
    let expected = [("ann".to_owned(), 2, 850), ("ben".to_owned(), 1, 0)];

    let store = fresh();
    let running = App::new(store.clone()).projection(Sales).start().await.unwrap();
    let position = sell(store.as_ref()).await;
    running.wait_for(&Sales::NAME, position, SOON).await.unwrap();
    let sales = ReadSide::<Sales>::new(store.clone());
    assert_eq!(paid_for(&sales, "1").await.unwrap(), Some(600), "what was written is read");
    assert_eq!(paid_for(&sales, "9").await.unwrap(), None);
    assert_eq!(customers(&sales).await, expected);
    running.stop().await;

    let plain = fresh();
    let store: Arc<dyn Store> = Arc::new(InlineStore::new(plain.clone()).projection(Sales).await.unwrap());
    sell(store.as_ref()).await;
    let sales = ReadSide::<Sales>::new(plain.clone());
    assert_eq!(paid_for(&sales, "1").await.unwrap(), Some(600), "there as soon as the append is");
    assert_eq!(customers(&sales).await, expected);

    // Joined by the tag, from the log alone.
    let of_order = Query { tags: vec!["orderId:1".parse().unwrap()], ..Query::default() };
    let folded = fold(plain.as_ref(), &of_order, (String::new(), 0), |(customer, cents), sale| match sale {
        Sale::Placed(placed) => (placed.customer, cents),
        Sale::Paid(paid) => (customer, cents + paid.cents),
    });
    let folded = folded.await.unwrap();
    assert_eq!((folded.state, folded.position), (("ann".to_owned(), 600), plain.head().await.unwrap()));
    let count = fold(plain.as_ref(), &Query { limit: 2, ..Query::default() }, 0, |n, _: Sale| n + 1).await;
    assert_eq!(count.unwrap().state, 6, "page by page");
    let early =
        Query { up_to: folded.position, ..of_order }.after(Position::at(folded.position.number() - 1));
    let last = fold(plain.as_ref(), &early, 0, |n, _: Sale| n + 1).await.unwrap();
    assert_eq!(last.state, 1, "its bounds count");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_projection_is_listed_says_what_to_do_and_its_old_tables_are_dropped() {
    let plain = fresh();
    InlineStore::new(plain.clone()).projection(Steps).await.unwrap();
    step(plain.as_ref(), "a", 2).await;
    InlineStore::new(plain.clone()).projection(StepsTwo).await.unwrap();
    assert_eq!(total_of::<StepsTwo>(&plain, "a").await, Some((1, 4)), "filled anew from the log");
    let admin = Admin::new(plain.clone());
    let info = admin.projections().await.unwrap().remove(0);
    assert!(info.is_inline);
    assert_eq!((info.state.version, info.state.live.as_deref(), info.position), (2, Some("v2"), info.head));
    assert_eq!(info.state.retired, ["v1"]);
    let inline = "projection steps is inline: its tables change with each append, and are filled anew from the log when an app starts that raised its VERSION";
    assert_eq!(admin.rebuild(&Steps::NAME, Then::CutOver).await.unwrap_err().to_string(), inline);
    assert_eq!(admin.diff(&Steps::NAME, 1, &mut |_, _| {}).await.unwrap_err().to_string(), inline);
    assert_eq!(admin.drop_retired(&Steps::NAME).await.unwrap(), (vec!["v1".to_owned()], vec![]));
    assert!(plain.query("select count(*) as n from steps__v1", &[]).await.is_err());
    let info = admin.projections().await.unwrap().remove(0);
    assert!(info.is_inline && info.state.retired.is_empty() && info.state.dropping.is_empty());
    assert_eq!(total_of::<StepsTwo>(&plain, "a").await, Some((1, 4)));
}

/// The second version, which waits to be asked.
struct StepsAsked;

impl Projection for StepsAsked {
    const NAME: ConsumerName = Steps::NAME;
    const VERSION: u32 = 2;
    const REBUILD: Rebuild = Rebuild::Asked;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        Steps::tables()
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        StepsTwo.apply(event, tables).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_has_only_the_new_version_waits_for_the_tables_that_answer() {
    let store = fresh();
    step(store.as_ref(), "a", 1).await;
    let old = App::new(store.clone()).projection(Steps).start().await.unwrap();
    old.settled(SOON).await.unwrap();
    let new = App::new(store.clone()).projection(StepsAsked).start().await.unwrap();
    let position = step(store.as_ref(), "a", 2).await;
    new.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    assert_eq!(total_of::<StepsAsked>(&store, "a").await, Some((2, 3)), "the old tables answer");
    old.stop().await;
    let position = step(store.as_ref(), "a", 3).await;
    let late = new.wait_for(&Steps::NAME, position, std::time::Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(&late, WaitError::Late { consumer, .. } if consumer == "steps.v1"), "{late}");
    // While it waits, the new tables go live.
    let (admin, name) = (new.admin(), Steps::NAME);
    let (waited, asked) =
        tokio::join!(new.wait_for(&name, position, SOON), admin.rebuild(&name, Then::CutOver));
    waited.unwrap();
    asked.unwrap();
    assert_eq!(total_of::<StepsAsked>(&store, "a").await, Some((3, 12)));
    new.stop().await;
}

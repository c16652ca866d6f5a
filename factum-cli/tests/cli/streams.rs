//! `factum stream`: a stream as it was, and snapshots that were not made of it.

use std::convert::Infallible;

use factum_core::{Decider, Guard, RecordKind, RecordQuery, Snapshots, Store, StreamId};
use factum_runtime::state::{SnapshotState, read};
use factum_runtime::{App, ExecuteOptions, execute};
use insta::assert_snapshot;

use crate::documented::{agree, tables};
use crate::look::shown;
use crate::sample::{Placed, empty, open};
use crate::terminal::Terminal;

/// Sections of the page that need snapshots, or a stream that ends.
pub(crate) const DOCUMENTED: [&str; 6] = [
    "factum stream verify",
    "factum stream state",
    "factum stream close",
    "factum stream reopen",
    "factum stream archive",
    "factum stream restore",
];

/// An order that may be placed again and again.
struct Orders;

impl Decider for Orders {
    type Command = String;
    type Event = Placed;
    type State = u32;
    type Refusal = Infallible;

    fn evolve(placed: u32, _: &Placed) -> u32 {
        placed + 1
    }

    fn decide(placed: &u32, order: String) -> Result<Vec<Placed>, Infallible> {
        let (customer, amount) = (format!("customer-{placed}"), format!("{placed}.00"));
        Ok(vec![Placed { order, customer, amount }])
    }

    fn snapshots() -> Option<Snapshots<u32>> {
        Some(Snapshots::new("orders", 1).every(2))
    }
}

/// Two orders with snapshots; that of the second was made of other events.
async fn orders() -> Terminal {
    let shop = empty();
    let store = open(&shop);
    for order in ["1", "2"] {
        let stream: StreamId = format!("order-{order}").parse().unwrap();
        for _ in 0..4 {
            let options = ExecuteOptions::default();
            execute::<Orders>(store.as_ref(), &stream, order.to_owned(), &options).await.unwrap();
        }
    }
    change(store.as_ref(), "order-2", |state| state.folded ^= 1).await;
    shop
}

async fn change(store: &dyn Store, stream: &str, change: impl FnOnce(&mut SnapshotState)) {
    let found = store.find(RecordKind::SNAPSHOT, &RecordQuery::group(stream)).await.unwrap().remove(0);
    let mut state = read::<SnapshotState>(&found).unwrap();
    change(&mut state);
    let record = state.record(&stream.parse().unwrap(), Orders::snapshots().unwrap().name());
    let mut work = store.begin().await.unwrap();
    work.put(record, Guard::At(found.revision));
    work.commit().await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_shown_as_it_was_and_snapshots_of_other_events_are_found() {
    let shop = orders().await;
    assert_snapshot!(shown!(
        shop,
        ["stream", "order-1", "--as-of", "2"],
        ["stream", "order-1", "--as-of", "2000-01-01"],
        ["stream", "order-1", "--as-of", "0s", "--last", "1"],
        ["stream", "order-9", "--as-of", "2"],
        ["stream", "order-1", "--as-of", "soon"],
        ["stream"],
        ["stream", "verify", "--ids"],
        ["stream", "verify", "--ids", "order-1"],
        ["stream", "verify", "order-1"],
        ["stream", "verify", "order-9"],
        ["stream", "state", "order-1"],
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_app_says_whether_snapshots_are_right_and_what_a_state_was() {
    let shop = orders().await;
    let store = open(&shop);
    let running = App::new(store.clone()).decider::<Orders>().start().await.unwrap();
    change(store.as_ref(), "order-1", |state| state.state = "7".to_owned()).await;
    assert_snapshot!(shown!(
        shop,
        ["stream", "verify"],
        ["stream", "verify", "order-1", "--json"],
        ["stream", "verify", "order-2"],
        ["stream", "state", "order-2"],
        ["stream", "state", "order-2", "--as-of", "1"],
        ["stream", "state", "order-2", "--as-of", "2000-01-01", "--decider", "orders"],
        ["stream", "state", "order-2", "--json"],
    ));
    let [verify, state, ..] = DOCUMENTED;
    agree(&shop, &tables(), verify, &[&["stream", "verify"]]);
    agree(&shop, &tables(), state, &[&["stream", "state", "order-1"]]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_events_left_with_the_log_says_where_they_are() {
    let shop = orders().await;
    let running = App::new(open(&shop)).decider::<Orders>().start().await.unwrap();
    assert_snapshot!(shown!(
        shop,
        ["archive", "old.db", "--before", "7"],
        ["stream", "order-1"],
        ["stream", "order-1", "--as-of", "2"],
        ["stream", "close", "order-1"],
        ["stream", "state", "order-1"],
        ["stream", "state", "order-1", "--as-of", "1"],
        ["stream", "state", "order-2", "--as-of", "2000-01-01"],
        ["archive", "restore", "old.db"],
        ["stream", "state", "order-1", "--as-of", "1"],
    ));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_closed_moved_into_a_file_and_put_back() {
    let shop = orders().await;
    assert_snapshot!(shown!(
        shop,
        ["stream", "archive", "order-1", "order-1.db"],
        ["stream", "close", "order-1", "--why", "paid and delivered"],
        ["stream", "close", "order-1"],
        ["stream", "close", "order-9"],
        ["stream", "archive", "order-1", "postgres://db/old"],
        ["stream", "archive", "order-1", "order-1.db"],
        ["stream", "archive", "order-1", "order-1.db"],
        ["stream", "order-1"],
        ["stream", "order-1", "--store", "order-1.db"],
        ["stream", "verify", "--ids", "order-1"],
        ["check"],
        ["stream", "restore", "order-1", "order-1.db"],
        ["stream", "restore", "order-1", "order-1.db"],
        ["stream", "reopen", "order-1"],
        ["stream", "reopen", "order-1"],
        ["stream", "order-1"],
    ));
    let tables = tables();
    let [.., close, reopen, archive, restore] = DOCUMENTED;
    agree(&shop, &tables, close, &[&["stream", "close", "order-2"]]);
    agree(&shop, &tables, archive, &[&["stream", "archive", "order-2", "order-2.db"]]);
    agree(&shop, &tables, restore, &[&["stream", "restore", "order-2", "order-2.db"]]);
    agree(&shop, &tables, reopen, &[&["stream", "reopen", "order-2"]]);
}

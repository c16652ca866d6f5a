//! `factum stream`: a stream as it was, and snapshots that were not made of it.

use std::convert::Infallible;

use factum_core::{Decider, Guard, RecordKind, RecordQuery, Snapshots, Store, StreamId};
use factum_runtime::state::{SnapshotState, read};
use factum_runtime::{ExecuteOptions, execute};
use insta::assert_snapshot;

use crate::documented::{agree, tables};
use crate::look::shown;
use crate::sample::{Placed, empty, open};
use crate::terminal::Terminal;

/// The section of the page that needs snapshots.
pub(crate) const DOCUMENTED: &str = "factum stream verify";

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
    spoil(store.as_ref(), "order-2").await;
    shop
}

async fn spoil(store: &dyn Store, stream: &str) {
    let found = store.find(RecordKind::SNAPSHOT, &RecordQuery::group(stream)).await.unwrap().remove(0);
    let mut state = read::<SnapshotState>(&found).unwrap();
    state.folded ^= 1;
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
        ["stream", "verify"],
        ["stream", "verify", "order-1"],
        ["stream", "verify", "order-9"],
    ));
    agree(&shop, &tables(), DOCUMENTED, &[&["stream", "verify"]]);
}

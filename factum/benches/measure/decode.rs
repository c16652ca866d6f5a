//! Reading a log of contracts' events: bytes alone, decoded, and checked against the contract as handlers get them.

use std::sync::Arc;
use std::time::Instant;

use factum::contract::Contracts;
use factum::contract::rt::{CatalogSource, Compiled};
use factum::store::sqlite::{Options, SqliteStore};
use factum::{Envelope, EventSet as _, EventType, Expected, Gate, Page, Query, Store};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, per_second};

#[path = "../../examples/thirty_seconds/contracts/order.rs"]
mod order;

use order::OrderPlaced;

const CATALOG: CatalogSource =
    CatalogSource::new(include_str!("../../examples/thirty_seconds/contracts/catalog.json"));

/// What the generated module stands on beside its types.
static CONTRACTS: Compiled = Compiled::new(CATALOG);

const EVENTS: usize = 200_000;
const FILL: usize = 1_000;

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    let gate: Arc<dyn Gate> = Arc::new(Contracts::try_from(CATALOG).expect("the example's contracts"));
    let place = kit.path("decode.db");
    let store = SqliteStore::open(place.to_str().expect("a plain path"), Options::default()).expect("opens");
    let placed = Envelope::of(&OrderPlaced::example()).expect("the example has a JSON form");
    runtime.block_on(async {
        for number in 0..EVENTS / FILL {
            let fresh = |_| Envelope { id: factum::EventId::new(), ..placed.clone() };
            let events: Vec<Envelope> = (0..FILL).map(fresh).collect();
            let stream = format!("order-{number}").parse().expect("a stream");
            store.append(&stream, Expected::Any, &events).await.expect("the events are recorded");
        }
    });
    let known = OrderPlaced::types().pop().expect("one type");
    let spec = |name| Spec { name, unit: "events/s", beside: "raw bytes", target: Target::Stated };
    let specs = [spec("catch-up read, decoded"), spec("catch-up read, checked and decoded")];
    kit.measure(specs, |_| {
        let raw = rate(runtime, &store, |_| {});
        let decoded = rate(runtime, &store, |envelope| decode(&known, envelope));
        let checked = rate(runtime, &store, |envelope| {
            gate.open(envelope, &known).expect("the event keeps its contract");
            decode(&known, envelope);
        });
        let note = format!("payload of {} bytes", placed.data.len());
        [Pair::new(decoded, raw).note(note), Pair::new(checked, raw)]
    });
}

fn decode(known: &EventType, envelope: &Envelope) {
    std::hint::black_box(OrderPlaced::decode(known, &envelope.data).expect("the payload is the type's"));
}

fn rate(runtime: &Runtime, store: &dyn Store, each: impl Fn(&Envelope)) -> f64 {
    let began = Instant::now();
    let (mut seen, mut query) = (0, Query { limit: Query::LIMIT_MAX, ..Query::all() });
    loop {
        let page: Page = runtime.block_on(store.read(&query)).expect("a page");
        page.events.iter().for_each(|event| each(&event.envelope));
        seen += page.events.len();
        query.after = page.end;
        if !page.more {
            assert_eq!(seen, EVENTS, "all of the log was read");
            return per_second(seen, began.elapsed());
        }
    }
}

//! The outbox: what is new leaves as fast behind a long log as behind a short one.

use std::time::Instant;

use factum_core::{Commit, Guard, Position, Query, Record, RecordKind, Store};
use factum_store::postgres::PostgresStore;

use crate::kit::{Kit, Pair, Spec, Target, per_second};
use crate::place::Bench;
use crate::read::fill;

/// Old rows of the short log.
const FEW: usize = 1_000;
/// Old rows of the long log.
const MANY: usize = 500_000;
const MANY_LONG: usize = 10_000_000;
/// What a round drains.
const NEW: usize = 20_000;
/// Events that a relay publishes before it moves its checkpoint.
const PAGE: usize = 500;

/// A relay by hand, of whose broker nothing is measured: a page, and a checkpoint behind it.
async fn drain(store: &PostgresStore, from: Position) -> usize {
    let (mut seen, mut query) = (0, Query { limit: PAGE, after: from, ..Query::all() });
    loop {
        let page = store.read(&query).await.expect("reads");
        seen += page.events.len();
        let mut unit = store.begin().await.expect("begins");
        unit.put(Record::new(RecordKind::USER, "relay", "relay", page.end.number().to_string()), Guard::Any);
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        query.after = page.end;
        if !page.more {
            return seen;
        }
    }
}

pub(crate) fn outbox(kit: &mut Kit, bench: &Bench) {
    let (many, name) = match kit.is_long {
        true => (MANY_LONG, "outbox drained, 10 M old rows behind it"),
        false => (MANY, "outbox drained, 500 k old rows behind it (--long: 10 M)"),
    };
    let places = [bench.place(), bench.place()];
    let [short, long] = [places[0].open(), places[1].open()];
    fill(bench, &short, FEW);
    fill(bench, &long, many);
    for place in &places {
        place.psql("vacuum analyze factum.event");
    }
    bench.settle();
    let spec = Spec { name, unit: "events/s", beside: "1 k old rows", target: Target::AtLeast(0.8) };
    kit.measure([spec], |_| {
        let rate = |store: &PostgresStore| {
            let from = bench.runtime.block_on(store.head()).expect("a head");
            fill(bench, store, NEW);
            let began = Instant::now();
            assert_eq!(bench.runtime.block_on(drain(store, from)), NEW);
            per_second(NEW, began.elapsed())
        };
        [Pair::new(rate(&long), rate(&short))]
    });
}

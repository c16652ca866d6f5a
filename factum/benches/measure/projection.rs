//! Filling a projection anew, beside the same upserts by hand in commits of the same size.

use std::time::Instant;

use factum::{App, ConsumerName, Failure, Projection, Table, Tables, values};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, per_second};
use crate::scene::{Stepped, caught_up, fill, keys, open};
use crate::twin::Twin;

/// Events that are applied; with `--long` as many as a large store has.
const EVENTS: usize = 200_000;
const EVENTS_LONG: usize = 1_000_000;
/// How many events a projection's commit holds.
const BATCH: usize = 256;

struct Totals;

impl Projection for Totals {
    const NAME: ConsumerName = ConsumerName::constant("totals");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("total", "thing text primary key, steps integer not null, last integer not null")]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute(
            "insert into {total} (thing, steps, last) values ($1, 1, $2)
             on conflict (thing) do update set steps = steps + 1, last = excluded.last",
            values![event.thing.as_str(), event.step],
        );
        Ok(())
    }
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    fill_anew(kit, runtime, "projection filled anew, 10,000 rows", 10_000);
    fill_anew(kit, runtime, "projection filled anew, one counter", 1);
    fill_anew(kit, runtime, "projection filled anew, 100,000 rows", 100_000);
}

fn fill_anew(kit: &mut Kit, runtime: &Runtime, name: &'static str, rows: usize) {
    let events = if kit.is_long { EVENTS_LONG } else { EVENTS };
    let keys = keys(rows);
    let full = kit.path(&format!("full{rows}.db"));
    let store = open(&full);
    runtime.block_on(fill(store.as_ref(), &keys, events));
    drop(store);
    let spec = Spec { name, unit: "events/s", beside: "raw", target: Target::AtLeast(0.7) };
    let (fresh, raw) = (kit.path("fresh.db"), kit.path("raw.db"));
    kit.measure([spec], |_| {
        for file in [&fresh, &raw] {
            ["", "-wal", "-shm"].iter().for_each(|end| {
                // What is not there needs no removing.
                let _ = std::fs::remove_file(format!("{}{end}", file.display()));
            });
        }
        let mut twin = Twin::open(&raw);
        let steps: Vec<(&str, i64)> =
            (0..events).map(|step| (keys[step % rows].as_str(), step as i64)).collect();
        let began = Instant::now();
        steps.chunks(BATCH).for_each(|batch| twin.commit(0, batch.iter().copied()));
        let raw = per_second(events, began.elapsed());
        std::fs::copy(&full, &fresh).expect("the full store is copied");
        let took = runtime.block_on(async {
            let store = open(&fresh);
            let began = Instant::now();
            let running = App::new(store.clone()).projection(Totals).start().await.expect("the app starts");
            caught_up(&running).await;
            let took = began.elapsed();
            running.stop().await;
            took
        });
        let note = format!("{events} events, {BATCH} a commit; ours reads and decodes them too");
        [Pair::new(per_second(events, took), raw).note(note)]
    });
    // A million events are room that the next row needs.
    let _ = std::fs::remove_file(&full);
}

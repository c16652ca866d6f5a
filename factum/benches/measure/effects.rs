//! Handlers with one SQL effect, each with its checkpoint in a commit of its own: how many share a sync.

use std::time::Instant;

use factum::{App, Consumer, Context, Failure, Handler, values};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, per_second};
use crate::scene::{Stepped, caught_up, fill, key_of_each_slot, open, run_sql};
use crate::twin::{TABLE, Twin, UPSERT_NAMED};

const EVENTS: usize = 64 * 300;
/// Commits of the twin: enough for a stable rate on a slow disk.
const RAW: usize = 1_500;

/// Writes one row an event.
pub(crate) struct Totals;

impl Handler<Stepped> for Totals {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.execute(UPSERT_NAMED, values![event.thing.as_str(), event.step]);
        Ok(())
    }
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    let keys = key_of_each_slot();
    let store = open(&kit.path("effects.db"));
    runtime.block_on(run_sql(store.as_ref(), TABLE));
    runtime.block_on(fill(store.as_ref(), &keys, EVENTS));
    let mut twin = Twin::open(&kit.path("effects-raw.db"));
    let spec = Spec {
        name: "handler with one SQL effect, batch 1, 64 keys on 64 lanes",
        unit: "events/s",
        beside: "raw",
        target: Target::AtLeast(8.0),
    };
    let mut round = 0;
    kit.measure([spec], |_| {
        round += 1;
        let began = Instant::now();
        for step in 0..RAW {
            let slot = step % keys.len();
            twin.commit(slot, [(keys[slot].as_str(), step as i64)].into_iter());
        }
        let raw = per_second(RAW, began.elapsed());
        let name = format!("round.r{round}");
        let (took, commits) = runtime.block_on(async {
            let consumer = Consumer::new(&name).on::<Stepped>(Totals).lanes(64);
            let (began, before) = (Instant::now(), store.stats());
            let running = App::new(store.clone()).consumer(consumer).start().await.expect("the app starts");
            caught_up(&running).await;
            let (took, after) = (began.elapsed(), store.stats());
            running.stop().await;
            (took, after.commits - before.commits)
        });
        let note = format!("{:.1} events a sync", EVENTS as f64 / commits as f64);
        [Pair::new(per_second(EVENTS, took), raw).note(note)]
    });
}

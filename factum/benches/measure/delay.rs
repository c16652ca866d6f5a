//! From an append to its effect being committed, in one process, while events come at a steady pace.
//!
//! An open loop: events come when they are due, whether or not earlier ones are done, and each delay counts from
//! when its event was due.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use factum::{App, Consumer, Context, Expected, Failure, Handler, Store, values};
use tokio::runtime::{Handle, Runtime};

use crate::kit::{Disk, Kit, Pair, Spec, Target, millis, quantile};
use crate::scene::{Stepped, keys, open, run_sql, stepped};
use crate::staged::{Commits, Staged, StagedWork};
use crate::twin::{TABLE, UPSERT_NAMED};

const RATE: u32 = 2_000;
const SECONDS: u32 = 3;
const EVENTS: usize = (RATE * SECONDS) as usize;
/// Events before the first that counts: caches fill, the consumer reaches the head.
const WARM: usize = 1_000;
const KEYS: usize = 1_000;
/// Long enough for whatever is late; a loop that waits for more has lost an event.
const GIVE_UP: Duration = Duration::from_secs(60);

struct Totals;

impl Handler<Stepped> for Totals {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.execute(UPSERT_NAMED, values![event.thing.as_str(), event.step]);
        cx.native::<StagedWork>().expect("the measured store's unit").holds(event.step);
        Ok(())
    }
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    let spec = |name| Spec { name, unit: "ms", beside: "limit", target: Target::AtMost(1.0) };
    let specs = [
        spec("append to effect committed at 2,000 events/s, p50 (limit 2.5 × sync p50 + 0.5 ms)"),
        spec("append to effect committed at 2,000 events/s, p99 (limit 3 × sync p99 + 2 ms)"),
    ];
    let mut round = 0;
    let paths: Vec<_> = (0..32).map(|round| kit.path(&format!("delay-{round}.db"))).collect();
    kit.measure(specs, |disk| {
        round += 1;
        let store = open(&paths[round]);
        runtime.block_on(run_sql(store.as_ref(), TABLE));
        let before = store.stats();
        let mut delays = run(runtime, &store);
        let after = store.stats();
        let (p50, p99) = (quantile(&mut delays, 0.50), quantile(&mut delays, 0.99));
        let units = (after.units - before.units) as f64 / (after.commits - before.commits) as f64;
        let note =
            format!("max {:.1} ms, {units:.1} units a sync", delays.last().copied().unwrap_or_default());
        let Disk { p50: sync_p50, p99: sync_p99 } = disk;
        [Pair::new(p50, 2.5 * sync_p50 + 0.5).note(note), Pair::new(p99, 3.0 * sync_p99 + 2.0)]
    });
}

fn run(runtime: &Runtime, store: &Arc<dyn Store>) -> Vec<f64> {
    let total = WARM + EVENTS;
    let commits = Arc::new(Commits::new(total));
    let staged: Arc<dyn Store> = Arc::new(Staged::commits(store.clone(), commits.clone()));
    let consumer = Consumer::new("delay").on::<Stepped>(Totals).lanes(64);
    let running = runtime.block_on(App::new(staged).consumer(consumer).start()).expect("the app starts");
    let due = pace(runtime.handle(), store, total);
    let began = Instant::now();
    while (0..total).any(|step| commits.at(step).is_none()) {
        assert!(began.elapsed() < GIVE_UP, "an event was never handled");
        thread::sleep(Duration::from_millis(20));
    }
    runtime.block_on(running.stop());
    let late = |step: usize| commits.at(step).map(|at| millis(at.saturating_duration_since(due[step])));
    (WARM..total).filter_map(late).collect()
}

/// Appends each event when it is due; answers when each was.
fn pace(handle: &Handle, store: &Arc<dyn Store>, total: usize) -> Vec<Instant> {
    let keys = keys(KEYS);
    let start = Instant::now() + Duration::from_millis(50);
    let mut due = Vec::with_capacity(total);
    for step in 0..total {
        let at = start + Duration::from_secs(1) / RATE * step as u32;
        due.push(at);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let (store, envelope) = (store.clone(), stepped(&keys[step % KEYS], step as u32));
        handle.spawn(async move {
            let stream = envelope.stream().expect("a plain key");
            store.append(&stream, Expected::Any, &[envelope]).await.expect("the event is recorded");
        });
    }
    due
}

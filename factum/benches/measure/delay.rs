//! From an append to its effect being committed, in one process, while events come at a steady pace.
//!
//! An open loop: events come when they are due, whether or not earlier ones are done, and each delay counts from
//! when its event was due.
//!
//! By hand the same way is three threads: one paces, one commits all that waits for it, one answers each event with
//! its effect. A machine that takes a core away for some milliseconds shows there too, which tells the machine's share
//! of a tail from ours.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use factum::{App, Consumer, Context, Expected, Failure, Handler, Store, values};
use tokio::runtime::Runtime;

use crate::kit::{Disk, Kit, Pair, Spec, Target, millis, quantile};
use crate::scene::{Stepped, keys, open, run_sql, stepped};
use crate::staged::{Commits, Staged, StagedWork};
use crate::twin::{TABLE, Twin, UPSERT_NAMED};

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
    let stated = |name| Spec { name, unit: "ms", beside: "by hand", target: Target::Stated };
    let specs = [
        spec("append to effect committed at 2,000 events/s, p50 (limit 2.5 × sync p50 + 0.5 ms)"),
        spec("append to effect committed at 2,000 events/s, p99 (limit 3 × sync p99 + 2 ms)"),
        stated("append to effect committed at 2,000 events/s, p50, beside the same by hand"),
        stated("append to effect committed at 2,000 events/s, p99, beside the same by hand"),
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
        let mut by_hand = run_by_hand(&paths[round].with_extension("raw.db"));
        let note_by_hand = format!("max by hand {:.1} ms", by_hand.iter().copied().fold(0.0, f64::max));
        let (raw_p50, raw_p99) = (quantile(&mut by_hand, 0.50), quantile(&mut by_hand, 0.99));
        [
            Pair::new(p50, 2.5 * sync_p50 + 0.5).note(note),
            Pair::new(p99, 3.0 * sync_p99 + 2.0),
            Pair::new(p50, raw_p50),
            Pair::new(p99, raw_p99).note(note_by_hand),
        ]
    });
}

fn run(runtime: &Runtime, store: &Arc<dyn Store>) -> Vec<f64> {
    let total = WARM + EVENTS;
    let commits = Arc::new(Commits::new(total));
    let staged: Arc<dyn Store> = Arc::new(Staged::commits(store.clone(), commits.clone()));
    let consumer = Consumer::new("delay").on::<Stepped>(Totals).lanes(64);
    let running = runtime.block_on(App::new(staged).consumer(consumer).start()).expect("the app starts");
    let keys = keys(KEYS);
    let due = pace(total, |step| {
        let (store, envelope) = (store.clone(), stepped(&keys[step % KEYS], step as u32));
        runtime.spawn(async move {
            let stream = envelope.stream().expect("a plain key");
            store.append(&stream, Expected::Any, &[envelope]).await.expect("the event is recorded");
        });
    });
    let began = Instant::now();
    while (0..total).any(|step| commits.at(step).is_none()) {
        assert!(began.elapsed() < GIVE_UP, "an event was never handled");
        thread::sleep(Duration::from_millis(20));
    }
    runtime.block_on(running.stop());
    let late = |step: usize| commits.at(step).map(|at| millis(at.saturating_duration_since(due[step])));
    (WARM..total).filter_map(late).collect()
}

/// What the writing thread by hand is asked for.
#[derive(Clone, Copy)]
enum Raw {
    Event(usize),
    Effect(usize),
}

fn run_by_hand(place: &Path) -> Vec<f64> {
    let total = WARM + EVENTS;
    let keys = keys(KEYS);
    let mut twin = Twin::open(place);
    let (ask, asked) = mpsc::sync_channel::<Raw>(2 * total);
    let (told, tell) = mpsc::sync_channel::<usize>(total);
    let effects = ask.clone();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut done = vec![None; total];
            let mut left = total;
            while left > 0 {
                let first = asked.recv().expect("the pacer and the handler hold the channel");
                let group: Vec<Raw> = std::iter::once(first).chain(asked.try_iter()).collect();
                twin.commit(
                    0,
                    group.iter().map(|raw| {
                        let (Raw::Event(step) | Raw::Effect(step)) = *raw;
                        (keys[step % KEYS].as_str(), step as i64)
                    }),
                );
                for raw in group {
                    match raw {
                        Raw::Event(step) => told.send(step).expect("the handler listens"),
                        Raw::Effect(step) => {
                            done[step] = Some(Instant::now());
                            left -= 1;
                        }
                    }
                }
            }
            done
        });
        scope.spawn(move || {
            for step in tell {
                effects.send(Raw::Effect(step)).expect("the writer listens");
            }
        });
        let due = pace(total, |step| ask.send(Raw::Event(step)).expect("the writer listens"));
        let done = writer.join().expect("the writer ends when all is done");
        let late = |step: usize| done[step].map(|at| millis(at.saturating_duration_since(due[step])));
        (WARM..total).filter_map(late).collect()
    })
}

/// Begins each step when it is due; answers when each was.
fn pace(total: usize, mut begin: impl FnMut(usize)) -> Vec<Instant> {
    let start = Instant::now() + Duration::from_millis(50);
    let mut due = Vec::with_capacity(total);
    for step in 0..total {
        let at = start + Duration::from_secs(1) / RATE * step as u32;
        due.push(at);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        begin(step);
    }
    due
}

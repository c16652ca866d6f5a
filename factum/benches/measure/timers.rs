//! A million timers that wait: how soon an app starts over them, what it pays while it is idle, and how late the one
//! is that is due.
//!
//! Processor time is that of all threads of the process, as the system's scheduler counts it, so the figure holds the
//! app's other loops too; the same of an app over an empty store stands in the note.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum::state::TimerState;
use factum::{
    Action, App, ConsumerName, Envelope, Event, EventId, EventType, Expected, Guard, PartitionKey, Query,
    Route, Running, Saga, SagaSignalled, Signal, Store, Tag, Tags,
};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, millis, quantile};
use crate::scene::open;

const TIMERS: usize = 1_000_000;
/// Timers of one unit while the store is filled.
const FILL: usize = 10_000;
/// How long an app is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(4);
/// How long an app is left alone before that: leases are taken, pages are read.
const SETTLE: Duration = Duration::from_secs(2);
/// Timers that fall due in a round, one after the other.
const DUE: usize = 20;
const AFTER: Duration = Duration::from_millis(50);
const GIVE_UP: Duration = Duration::from_secs(60);

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Begun {
    thing: String,
}

impl Event for Begun {
    const TYPE: EventType = EventType::event("thing.begun", 1, "thing", "thing.begun");

    fn key(&self) -> PartitionKey {
        self.thing.parse().expect("things have plain names")
    }

    fn tags(&self) -> Tags {
        Tags::new([Tag::new("thing", &self.thing).expect("a plain tag")]).expect("one tag")
    }
}

/// Waits once.
struct Waits;

impl Saga for Waits {
    const NAME: ConsumerName = ConsumerName::constant("waits");
    const CORRELATE: &'static str = "thing";
    type Input = Begun;
    type State = ();

    fn route(_: &Begun) -> Route {
        Route::Starts
    }

    fn evolve((): (), _: &Signal<Begun>) {}

    fn react((): &(), heard: &Signal<Begun>) -> Vec<Action> {
        match heard {
            Signal::Event(_) => vec![Action::start_timer("wait", AFTER)],
            _ => vec![Action::complete()],
        }
    }
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    let spec = |name, unit| Spec { name, unit, beside: "limit", target: Target::AtMost(1.0) };
    let specs = [
        spec("start of an app with 1 M timers pending", "ms"),
        spec("processor time of an idle app with 1 M timers pending", "% of a core"),
        spec("from when a timer is due to its signal committed, idle, 1 M others pending, p50", "ms"),
    ];
    let (full, empty) = (kit.path("timers.db"), kit.path("no-timers.db"));
    runtime.block_on(fill(open(&full).as_ref()));
    let mut round = 0;
    kit.measure(specs, |_| {
        round += 1;
        let (_, without, _) = runtime.block_on(run(&open(&empty), round));
        let (start, idle, mut late) = runtime.block_on(run(&open(&full), round));
        let p99 = quantile(&mut late, 0.99);
        [
            Pair::new(start, 1_000.0),
            Pair::new(idle, 1.0).note(format!("without timers {without:.2} %")),
            Pair::new(quantile(&mut late, 0.5), 100.0).note(format!("p99 {p99:.1} ms")),
        ]
    });
}

async fn fill(store: &dyn Store) {
    let now = store.now().await.expect("the store's time");
    for first in (0..TIMERS).step_by(FILL) {
        let mut work = store.begin().await.expect("a unit begins");
        for number in first..first + FILL {
            let state = TimerState {
                saga: Waits::NAME.to_string(),
                instance: format!("far{number}").parse().expect("a plain name"),
                field: "thing".to_owned(),
                timer: "wait".parse().expect("a timer's name"),
                cause: EventId::new(),
                correlation: "far".parse().expect("a correlation"),
                since: now,
            };
            // Spread over a month, beginning tomorrow.
            let due = now.plus(Duration::from_secs(86_400 + number as u64 * 30 * 86_400 / TIMERS as u64));
            work.put(state.record(due), Guard::Absent);
        }
        work.commit().await.into_result().expect("the timers are kept");
    }
}

/// Milliseconds of the start, percent of a core while idle, and by how many milliseconds each timer was late.
async fn run(store: &Arc<dyn Store>, round: usize) -> (f64, f64, Vec<f64>) {
    let began = Instant::now();
    let running = App::new(store.clone()).saga::<Waits>().start().await.expect("the app starts");
    let start = millis(began.elapsed());
    tokio::time::sleep(SETTLE).await;
    let (before, began) = (processor_time(), Instant::now());
    tokio::time::sleep(IDLE).await;
    let used = processor_time().saturating_sub(before);
    let idle = 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64();
    let late = late(store.as_ref(), &running, round).await;
    running.stop().await;
    (start, idle, late)
}

async fn late(store: &dyn Store, running: &Running, round: usize) -> Vec<f64> {
    let before = store.head().await.expect("the head");
    for number in 0..DUE {
        let begun = Begun { thing: format!("near{round}x{number}") };
        let envelope = Envelope::of(&begun).expect("a plain struct has a JSON form");
        let stream = envelope.stream().expect("a plain key");
        store.append(&stream, Expected::Any, &[envelope]).await.expect("the event is recorded");
        tokio::time::sleep(2 * AFTER).await;
    }
    let query = Query { types: vec![SagaSignalled::TYPE.name], ..Query::all() }.after(before);
    let began = Instant::now();
    let events = loop {
        let events = store.read(&query).await.expect("the log is read").events;
        if events.len() >= DUE {
            break events;
        }
        assert!(began.elapsed() < GIVE_UP, "a timer never fired");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    running.settled(GIVE_UP).await.expect("the app comes to rest");
    let late = events.iter().map(|event| {
        let signalled: serde_json::Value = serde_json::from_slice(&event.envelope.data).expect("JSON");
        let due = signalled["due"].as_str().and_then(|due| due.parse().ok()).expect("a due time");
        millis(event.envelope.time.since(due))
    });
    late.collect()
}

/// Processor time of every thread of this process so far.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

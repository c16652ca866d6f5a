//! The simulation against the real consumer: the same load, event for event, through an app that runs.
//!
//! Once in virtual time on the store that is kept simple, where the figures must agree almost exactly; once in real
//! seconds on SQLite, where a machine that is busy with other things has its say too.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum_architect::reliability::simulate::{Arrival, Load, arrivals};
use factum_architect::reliability::{Simulation, simulate};
use factum_core::clock::Sleep;
use factum_core::{
    Clock, ConsumerName, Context, Envelope, EventType, Expected, Failure, Handler, OnDead, OpenGate,
    RetryPolicy, Store, Timestamp,
};
use factum_runtime::{Anything, App, Consumer};
use tokio::time::Instant;

const TYPE: EventType = EventType::event("thing.came", 1, "thing", "thing.came");
const NAME: ConsumerName = ConsumerName::constant("worker");

/// Time as tokio tells it: real, or paused and moved on whenever nobody can go on.
struct Told(Instant);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[derive(Default)]
struct Counts {
    attempts: AtomicU64,
    failed: AtomicU64,
    handled: AtomicU64,
}

struct Worker {
    load: Load,
    begun: Instant,
    counts: Arc<Counts>,
}

impl Handler<Anything> for Worker {
    async fn handle(&self, _: Anything, cx: &mut Context<'_>) -> Result<(), Failure> {
        let is_poison = cx.envelope().data.as_ref() == b"true";
        let fails = is_poison || self.load.is_away(self.begun.elapsed());
        tokio::time::sleep(if fails { self.load.fail } else { self.load.work }).await;
        self.counts.attempts.fetch_add(1, Ordering::Relaxed);
        let counter = if fails { &self.counts.failed } else { &self.counts.handled };
        counter.fetch_add(1, Ordering::Relaxed);
        if fails { Err("away".into()) } else { Ok(()) }
    }
}

/// What a real run came to.
#[derive(Debug)]
struct Real {
    attempts: u64,
    failed: u64,
    handled: u64,
    dead: u64,
    held: u64,
    backlog_max: u64,
    recovered_after: f64,
}

fn envelope(arrival: &Arrival) -> Envelope {
    let data = if arrival.is_poison { &b"true"[..] } else { b"false" };
    let mut envelope = Envelope::raw(TYPE, arrival.key.clone(), data.to_vec().into());
    envelope.id = arrival.id;
    envelope
}

/// Runs a load through an app, and waits until nothing can go on.
async fn run(store: Arc<dyn Store>, policy: RetryPolicy, load: &Load, ends_with: u64) -> Real {
    let begun = Instant::now();
    let counts = Arc::new(Counts::default());
    let worker = Worker { load: load.clone(), begun, counts: counts.clone() };
    let consumer = Consumer::new(NAME.as_str()).on_everything(worker).lanes(load.consumers).retry(policy);
    let app = App::new(store.clone()).clock(Arc::new(Told(begun))).consumer(consumer).start().await.unwrap();
    let producer = {
        let (store, load) = (store.clone(), load.clone());
        tokio::spawn(async move {
            for arrival in arrivals(&load) {
                tokio::time::sleep_until(begun + arrival.at).await;
                let envelope = envelope(&arrival);
                let stream = envelope.stream().unwrap();
                store.append(&stream, Expected::Any, &[envelope]).await.unwrap();
            }
        })
    };
    let end = load.before + load.outage;
    let (mut backlog_max, mut recovered_after) = (0, f64::NAN);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = begun.elapsed();
        let came = ((now.as_secs_f64() * load.rate) as u64 + 1).min(load.events());
        let handled = counts.handled.load(Ordering::Relaxed);
        let ended = app.admin().consumer(&NAME).await.map_or(0, |info| info.dead);
        backlog_max = backlog_max.max(came.saturating_sub(handled + ended));
        if recovered_after.is_nan() && now >= end && came.saturating_sub(handled) <= load.consumers as u64 {
            recovered_after = (now - end).as_secs_f64();
        }
        if producer.is_finished() && handled + ended >= ends_with {
            break;
        }
        assert!(now < Duration::from_secs(36_000), "never came to rest: {handled} handled, {ended} dead");
    }
    let info = app.admin().consumer(&NAME).await.unwrap();
    app.stop().await;
    Real {
        attempts: counts.attempts.load(Ordering::Relaxed),
        failed: counts.failed.load(Ordering::Relaxed),
        handled: counts.handled.load(Ordering::Relaxed),
        dead: info.dead,
        held: info.parked,
        backlog_max,
        recovered_after,
    }
}

fn near(what: &str, real: f64, simulated: f64, share: f64, least: f64) {
    let far = (real - simulated).abs();
    assert!(far <= (simulated * share).max(least), "{what}: {real} in the real run, {simulated} simulated");
}

/// The figures of a run in virtual time: those that are counted agree, times within the look of the test.
fn agree(simulation: &Simulation, real: &Real) {
    let (outcome, totals) = (&simulation.outcome, &simulation.outcome.totals);
    assert_eq!((real.handled, real.dead, real.held), (totals.handled, totals.dead, totals.held));
    near("attempts", real.attempts as f64, totals.attempts as f64, 0.01, 2.0);
    near("failed attempts", real.failed as f64, totals.failed as f64, 0.05, 3.0);
    // What waits behind a dead letter is no backlog, and the look from outside cannot tell it apart.
    if totals.held == 0 {
        near("backlog", real.backlog_max as f64, outcome.backlog_max as f64, 0.02, 4.0);
    }
}

async fn compare(policy: RetryPolicy, load: &str) -> (Simulation, Real) {
    let load: Load = load.parse().unwrap();
    let simulation = simulate(&policy, &load);
    let store = factum_conformance::ModelStore::default().clock(Arc::new(Told(Instant::now())));
    let totals = simulation.outcome.totals;
    let real = run(Arc::new(store), policy, &load, totals.handled + totals.dead).await;
    agree(&simulation, &real);
    (simulation, real)
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_what_the_simulation_says() {
    let load = "outage=90s,rate=40/s,consumers=4,keys=200,work=20ms,fail=50ms,after=30s";
    let (simulation, real) = compare(RetryPolicy::default(), load).await;
    let recovered = simulation.outcome.recovered_after_seconds.unwrap();
    near("recovery", real.recovered_after, recovered, 0.05, 1.5);
    assert_eq!(real.dead, 0);
}

#[tokio::test(start_paused = true)]
async fn poison_costs_what_the_simulation_says() {
    let policy = RetryPolicy { attempts: 5, max: Duration::from_secs(8), ..RetryPolicy::default() };
    let load = "outage=0s,rate=20/s,consumers=3,keys=100,poison=2%,work=20ms,fail=20ms,after=60s";
    let (_, real) = compare(policy.clone(), load).await;
    assert!(real.dead > 0 && real.held > 0);
    let skip = RetryPolicy { on_dead: OnDead::Skip, ..policy };
    let (_, real) = compare(skip, load).await;
    assert_eq!(real.held, 0);
}

#[tokio::test(start_paused = true)]
async fn few_keys_in_trouble_are_no_outage_in_both() {
    // Three keys: the breaker never opens, and every event pays with its own attempts.
    let policy = RetryPolicy { attempts: 4, max: Duration::from_secs(4), ..RetryPolicy::default() };
    let (simulation, real) =
        compare(policy, "outage=20s,rate=2/s,consumers=2,keys=3,work=20ms,fail=20ms,after=20s").await;
    assert!(real.dead > 0, "{simulation:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_seconds_on_sqlite_come_near_to_it() {
    let policy = RetryPolicy { first: Duration::from_millis(200), ..RetryPolicy::default() };
    let load: Load =
        "before=2s,outage=4s,after=2s,rate=40/s,consumers=4,keys=100,work=10ms,fail=10ms".parse().unwrap();
    let simulation = simulate(&policy, &load);
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("shop.db").display().to_string();
    let store = factum_store::open(&url, Arc::new(OpenGate)).unwrap().store;
    let totals = simulation.outcome.totals;
    let real = run(store, policy, &load, totals.handled).await;
    assert_eq!((real.handled, real.dead, real.held), (totals.handled, totals.dead, totals.held));
    near("attempts", real.attempts as f64, totals.attempts as f64, 0.05, 5.0);
    near("failed attempts", real.failed as f64, totals.failed as f64, 0.3, 5.0);
    near("backlog", real.backlog_max as f64, simulation.outcome.backlog_max as f64, 0.15, 10.0);
    near("recovery", real.recovered_after, simulation.outcome.recovered_after_seconds.unwrap(), 0.3, 1.5);
}

//! Durable timers: they fire once, on time, after a restart too, and cost nothing while they wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{
    Action, Clock, ConsumerName, Event, Guard, ManualClock, Query, Route, Saga, SagaSignalled, SagaStatus,
    Signal, Store, Timestamp,
};
use factum_runtime::state::TimerState;
use factum_runtime::{App, Running};

use crate::kit::*;
use crate::shop::*;

fn noon() -> Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

async fn fired(store: &dyn Store) -> usize {
    let query = Query { types: vec![SagaSignalled::TYPE.name], limit: Query::LIMIT_MAX, ..Query::default() };
    store.read(&query).await.unwrap().events.len()
}

/// An order whose payment never comes, on a clock that the test moves.
async fn waiting(clock: &Arc<ManualClock>, order: &str) -> (Arc<dyn Store>, Running) {
    let store = fresh_at(clock.clone());
    tables(store.as_ref()).await;
    let running = app(&store, &Services::default()).clock(clock.clone()).start().await.unwrap();
    append(store.as_ref(), &Placed::of(order)).await;
    until("its timer waits", async || timers(store.as_ref()).await.len() == 1).await;
    (store, running)
}

/// Lets time pass in small steps until something is true.
async fn pass(clock: &ManualClock, what: &str, mut is: impl AsyncFnMut() -> bool) {
    let passing = async {
        while !is().await {
            clock.advance(Duration::from_millis(500));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, passing).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_once_and_not_before_it_is_due() {
    let clock = Arc::new(ManualClock::at(noon()));
    let (store, running) = waiting(&clock, "slow").await;
    let due = timers(store.as_ref()).await[0].due.unwrap();
    pass(&clock, "it fires", async || fired(store.as_ref()).await > 0).await;
    assert!(clock.now() >= due, "not before {due}");
    pass(&clock, "the saga gives up", async || {
        instance(store.as_ref(), "slow").await.unwrap().instance.status == SagaStatus::Compensated
    })
    .await;
    assert_eq!(fired(store.as_ref()).await, 1);
    assert!(timers(store.as_ref()).await.is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_fires_what_is_due_then_and_one_set_back_waits() {
    let clock = Arc::new(ManualClock::at(noon()));
    let (store, running) = waiting(&clock, "slow").await;
    clock.jump_to(noon().minus(PATIENCE));
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        running.admin().consumers().await.unwrap();
    }
    assert_eq!(fired(store.as_ref()).await, 0);
    clock.jump_to(noon().plus(2 * PATIENCE));
    pass(&clock, "it fires", async || fired(store.as_ref()).await > 0).await;
    assert!(clock.now() < noon().plus(3 * PATIENCE), "at the next look, not a patience later");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_two_apps_see_due_fires_once() {
    let clock = Arc::new(ManualClock::at(noon()));
    let (store, one) = waiting(&clock, "slow").await;
    let two = app(&store, &Services::default()).clock(clock.clone()).start().await.unwrap();
    pass(&clock, "the saga gives up", async || {
        instance(store.as_ref(), "slow").await.unwrap().instance.status == SagaStatus::Compensated
    })
    .await;
    assert_eq!(fired(store.as_ref()).await, 1);
    one.stop().await;
    two.stop().await;
}

/// Counts to three, a timer for each.
pub(crate) struct Bell;

pub(crate) const BELL: ConsumerName = ConsumerName::constant("bell");

impl Saga for Bell {
    const NAME: ConsumerName = BELL;
    const CORRELATE: &'static str = "order";
    type Input = Placed;
    type State = u32;

    fn route(_: &Placed) -> Route {
        Route::Starts
    }

    fn evolve(rung: u32, heard: &Signal<Placed>) -> u32 {
        rung + u32::from(matches!(heard, Signal::Timer(_)))
    }

    fn react(rung: &u32, _: &Signal<Placed>) -> Vec<Action> {
        if *rung < 3 {
            vec![Action::start_timer("bell", Duration::from_millis(300))]
        } else {
            vec![Action::complete()]
        }
    }
}

async fn late_by(store: &dyn Store) -> Vec<Duration> {
    let query = Query { types: vec![SagaSignalled::TYPE.name], ..Query::default() };
    let events = store.read(&query).await.unwrap().events;
    let late = events.iter().map(|event| {
        let signalled: serde_json::Value = serde_json::from_slice(&event.envelope.data).unwrap();
        event.envelope.time.since(signalled["due"].as_str().unwrap().parse().unwrap())
    });
    late.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_idle_system_timers_fire_on_time_and_after_a_restart_too() {
    let store = fresh();
    let start = async || App::new(store.clone()).saga::<Bell>().start().await.unwrap();
    let running = start().await;
    append(store.as_ref(), &Placed::of("a")).await;
    until("it has rung once", async || fired(store.as_ref()).await == 1).await;
    // The next timer is pending, or about to be: a crash loses neither.
    running.abort().await;
    let running = start().await;
    until("it has rung three times", async || fired(store.as_ref()).await == 3).await;
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let late = late_by(store.as_ref()).await;
    // The second was interrupted. This machine runs other tests as well, so the promise is judged further down.
    assert!(late[0] < Duration::from_millis(500) && late[2] < Duration::from_millis(500), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_timers_fire_within_a_hundred_milliseconds_though_other_tests_run_beside() {
    let store = fresh();
    let running = App::new(store.clone()).saga::<Bell>().start().await.unwrap();
    for order in 0..5 {
        append(store.as_ref(), &Placed::of(&format!("o{order}"))).await;
        until("it has rung three times", async || fired(store.as_ref()).await == 3 * (order + 1)).await;
    }
    running.stop().await;
    let mut late = late_by(store.as_ref()).await;
    late.sort();
    assert!(late[late.len() / 2] < Duration::from_millis(100), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_that_wait_far_ahead_do_not_slow_one_that_is_due() {
    let store = fresh();
    let many = 20_000;
    let now = store.now().await.unwrap();
    for hundred in 0..many / 1000 {
        let mut work = store.begin().await.unwrap();
        for number in 0..1000 {
            let state = TimerState {
                saga: "bell".into(),
                instance: format!("far-{hundred}-{number}").parse().unwrap(),
                field: "order".into(),
                timer: "bell".parse().unwrap(),
                cause: factum_core::EventId::new(),
                correlation: "far".parse().unwrap(),
                since: now,
            };
            work.put(state.record(now.plus(Duration::from_secs(86_400))), Guard::Any);
        }
        work.commit().await.into_result().unwrap();
    }
    let started = Instant::now();
    let running = App::new(store.clone()).saga::<Bell>().start().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "they are not read at the start");
    append(store.as_ref(), &Placed::of("a")).await;
    until("it has rung three times", async || fired(store.as_ref()).await == 3).await;
    running.stop().await;
    let late = late_by(store.as_ref()).await;
    assert!(late.iter().all(|late| *late < Duration::from_millis(500)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_is_listed_moved_and_cancelled() {
    let clock = Arc::new(ManualClock::at(noon()));
    let (store, running) = waiting(&clock, "slow").await;
    let admin = running.admin();
    let (timer, later) = ("payment".parse().unwrap(), noon().plus(3 * PATIENCE));
    admin.move_timer(&NAME, "slow", &timer, later).await.unwrap();
    until("it is moved", async || admin.timers(None, None, 10).await.unwrap()[0].due == later).await;
    admin.cancel_timer(&NAME, "slow", &timer).await.unwrap();
    until("it is gone", async || admin.timers(Some(&NAME), None, 10).await.unwrap().is_empty()).await;
    clock.jump_to(later.plus(PATIENCE));
    clock.advance(Duration::from_secs(5));
    running.settled(SOON).await.unwrap();
    assert_eq!(instance(store.as_ref(), "slow").await.unwrap().instance.status, SagaStatus::Running);
    let unknown = admin.cancel_timer(&NAME, "slow", &timer).await.unwrap_err().to_string();
    assert!(unknown.starts_with("timer \"payment\" is not known"), "{unknown}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_timers_than_a_page_holds_are_listed_each_once_though_many_are_due_at_the_same_time() {
    let store = fresh();
    let due = |number: u64| noon().plus(Duration::from_secs(number / 1100));
    for hundred in 0..25 {
        let mut work = store.begin().await.unwrap();
        for number in hundred * 100..hundred * 100 + 100 {
            let state = TimerState {
                saga: "bell".into(),
                instance: format!("i{number:05}").parse().unwrap(),
                field: "order".into(),
                timer: "bell".parse().unwrap(),
                cause: factum_core::EventId::new(),
                correlation: "many".parse().unwrap(),
                since: noon(),
            };
            work.put(state.record(due(number)), Guard::Any);
        }
        work.commit().await.into_result().unwrap();
    }
    let admin = factum_runtime::Admin::new(store.clone());
    let listed = async |from, most| -> Vec<String> {
        let timers = admin.timers(Some(&BELL), from, most).await.unwrap();
        timers.iter().map(|info| info.state.instance.to_string()).collect()
    };
    let all: Vec<String> = (0..2500).map(|number| format!("i{number:05}")).collect();
    assert_eq!(listed(None, usize::MAX).await, all);
    assert_eq!(listed(None, 1500).await, all[..1500]);
    assert_eq!(listed(Some(due(1100)), 2000).await, all[1100..]);
}

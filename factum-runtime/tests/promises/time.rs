//! Clocks that are set forward and back: nothing runs early, nothing hangs, nobody loses what they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum_core::{Clock, ConsumerName, ManualClock, RetryPolicy, Timestamp};
use factum_runtime::{App, Consumer, Running, Status};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");
const HOUR: Duration = Duration::from_secs(3600);

fn noon() -> Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

/// A consumer whose first tries fail, on a clock that a test moves.
async fn failing(
    clock: &Arc<ManualClock>,
    tries: &Arc<AtomicU32>,
    fail: u32,
) -> (Arc<dyn factum_core::Store>, Running) {
    let store = fresh_at(clock.clone());
    effects(store.as_ref()).await;
    let count = tries.clone();
    let policy = RetryPolicy {
        immediate: 1,
        first: Duration::from_secs(60),
        jitter: 0.0,
        timeout: 24 * HOUR,
        ..RetryPolicy::default()
    };
    let answer =
        move |_: &Stepped, _| if count.fetch_add(1, Ordering::SeqCst) < fail { no("broken") } else { yes() };
    let consumer =
        Consumer::new("walker").on::<Stepped>(Does { seen: Seen::default(), answer }).retry(policy);
    let running = App::new(store.clone()).clock(clock.clone()).consumer(consumer).start().await.unwrap();
    (store, running)
}

async fn parked(running: &Running) -> u64 {
    running.admin().consumer(&NAME).await.map_or(0, |info| info.parked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_brings_no_retry_before_its_delay_has_passed() {
    let clock = Arc::new(ManualClock::at(noon()));
    let tries = Arc::new(AtomicU32::new(0));
    let (store, running) = failing(&clock, &tries, 1).await;
    step(store.as_ref(), "a", 1).await;
    until("it is parked", async || parked(&running).await == 1).await;
    clock.jump_to(noon().plus(HOUR));
    // Give the minder every chance to be wrong: several of its looks, none of the delay.
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        running.admin().consumers().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(tries.load(Ordering::SeqCst), 1, "20 seconds are not 60, whatever the wall says");
    until("it is tried when the delay has passed", async || {
        clock.advance(Duration::from_secs(5));
        effects_of(store.as_ref(), "a").await == [1]
    })
    .await;
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_delays_retries_and_stops_nothing_else() {
    let clock = Arc::new(ManualClock::at(noon()));
    let tries = Arc::new(AtomicU32::new(0));
    let (store, running) = failing(&clock, &tries, 1).await;
    step(store.as_ref(), "a", 1).await;
    until("it is parked", async || parked(&running).await == 1).await;
    clock.jump_to(noon().minus(HOUR));
    let position = step(store.as_ref(), "b", 2).await;
    until("other keys go on", async || effects_of(store.as_ref(), "b").await == [2]).await;
    clock.advance(HOUR);
    until("the retry comes once the store's clock has caught up", async || {
        clock.advance(Duration::from_secs(10));
        effects_of(store.as_ref(), "a").await == [1]
    })
    .await;
    running.wait_for(&NAME, position, SOON).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_lease_jumped_away_keeps_working_and_nobody_works_beside_it() {
    let clock = Arc::new(ManualClock::at(noon()));
    let tries = Arc::new(AtomicU32::new(0));
    let (store, running) = failing(&clock, &tries, 0).await;
    step(store.as_ref(), "a", 1).await;
    running.settled(SOON).await.unwrap();
    // To every lease it now looks as if the instance had been silent for an hour.
    clock.jump_to(noon().plus(HOUR));
    let consumer =
        Consumer::new("walker").on::<Stepped>(Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() });
    let second = App::new(store.clone()).clock(clock.clone()).consumer(consumer).start().await.unwrap();
    for number in 2..20 {
        step(store.as_ref(), "a", number).await;
        clock.advance(Duration::from_secs(1));
    }
    until("every event is handled, by whoever holds the slot", async || {
        clock.advance(Duration::from_millis(200));
        effects_of(store.as_ref(), "a").await.len() == 19
    })
    .await;
    assert_eq!(effects_of(store.as_ref(), "a").await, (1..20).collect::<Vec<_>>(), "each once, in order");
    let up = [running.status(&NAME), second.status(&NAME)];
    assert!(up.contains(&Some(Status::Running)), "{up:?}");
    let clock: &dyn Clock = clock.as_ref();
    assert!(clock.now() > noon());
    running.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_found_by_halves_even_where_events_came_out_of_turn() {
    let store = fresh();
    let admin = factum_runtime::Admin::new(store.clone());
    assert_eq!(admin.position_at(noon()).await.unwrap().number(), 0, "an empty log starts everywhere");
    // Minutes after noon, by position; the fifth event was delayed on its way.
    for (index, minute) in [0_u64, 1, 2, 10, 3, 4, 5, 6, 7, 8].into_iter().enumerate() {
        let event = Stepped { thing: "a".into(), step: index as u32 };
        let mut envelope = factum_core::Envelope::of(&event).unwrap();
        envelope.time = noon().plus(Duration::from_secs(60 * minute));
        let stream = envelope.stream().unwrap();
        store.append(&stream, factum_core::Expected::Any, &[envelope]).await.unwrap();
    }
    let at = async |minute: u64| {
        let time = noon().plus(Duration::from_secs(60 * minute));
        admin.position_at(time).await.unwrap().number()
    };
    assert_eq!(admin.position_at(noon().minus(HOUR)).await.unwrap().number(), 0);
    assert_eq!((at(0).await, at(1).await, at(2).await), (0, 1, 2));
    assert_eq!(at(3).await, 3, "the one from minute ten stands before minute three");
    assert_eq!(at(9).await, 3);
    assert_eq!(at(11).await, 10, "after the last event nothing is left");
}

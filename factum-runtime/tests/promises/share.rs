//! Instances share a consumer's slots evenly, whoever comes, stops or is killed, and no key notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum_core::{ConsumerName, RecordKind, RecordQuery, StartAt, Store};
use factum_runtime::state::{SlotState, read};
use factum_runtime::{Consumer, Status};

use crate::kit::*;
use crate::place::Place;
use crate::walker::{Walker, open};

const NAME: ConsumerName = ConsumerName::constant("walker");
const THINGS: u32 = 24;

/// How many slots each instance holds, the most first.
async fn spread(store: &dyn Store) -> Vec<usize> {
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for record in store.find(RecordKind::SLOT, &RecordQuery::group("walker")).await.unwrap() {
        if let Some(owner) = read::<SlotState>(&record).unwrap().owner {
            *held.entry(owner).or_default() += 1;
        }
    }
    let mut spread: Vec<usize> = held.into_values().collect();
    spread.sort_by(|a, b| b.cmp(a));
    spread
}

pub(crate) async fn becomes(store: &dyn Store, expected: &[usize]) {
    until(&format!("slots are spread as {expected:?}"), async || spread(store).await == expected).await;
}

/// Appends one step after the other to things in turn until told to stop; answers how many each has.
async fn load(store: Arc<dyn Store>, stop: Arc<AtomicBool>) -> u32 {
    let mut steps = 0;
    while !stop.load(Ordering::Relaxed) {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), steps).await;
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        steps += 1;
    }
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_instance_to_four_to_two_every_key_stays_in_order_and_each_event_counts_once() {
    let place = Place::new();
    let url = place.url();
    let store = open(&url);
    effects(store.as_ref()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(store.clone(), stop.clone()));
    let mut walkers = vec![Walker::start(&url)];
    becomes(store.as_ref(), &[64]).await;
    walkers.extend((0..3).map(|_| Walker::start(&url)));
    becomes(store.as_ref(), &[16, 16, 16, 16]).await;
    walkers.iter().for_each(Walker::begins_something);
    // One goes as it should, one as it should not.
    walkers.remove(0).stop();
    walkers.remove(1).signal("-KILL");
    becomes(store.as_ref(), &[32, 32]).await;
    walkers.iter().for_each(Walker::begins_something);
    stop.store(true, Ordering::Relaxed);
    let steps = loading.await.unwrap();
    for thing in 0..THINGS {
        let thing = format!("thing-{thing}");
        until(&format!("all of {thing}"), async || {
            effects_of(store.as_ref(), &thing).await.len() >= steps as usize
        })
        .await;
        let effects = effects_of(store.as_ref(), &thing).await;
        assert_eq!(effects, (0..steps).collect::<Vec<_>>(), "{thing}: once each, in order");
    }
    for walker in walkers {
        walker.stop();
    }
    becomes(store.as_ref(), &[]).await;
}

fn walker(seen: &Seen) -> Consumer {
    let answer = |_: &Stepped, _| yes();
    Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer }).retry(quick())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_gets_half_and_takes_everything_over_when_the_first_stops() {
    let store = fresh();
    let (first_seen, second_seen) = (Seen::default(), Seen::default());
    let first = start(&store, walker(&first_seen)).await;
    step(store.as_ref(), "a", 0).await;
    first.settled(SOON).await.unwrap();
    assert_eq!(spread(store.as_ref()).await, [64]);
    let second = start(&store, walker(&second_seen)).await;
    becomes(store.as_ref(), &[32, 32]).await;
    for number in 0..100 {
        step(store.as_ref(), &format!("thing-{number}"), number).await;
    }
    // Each waits for what the other does, too.
    first.settled(SOON).await.unwrap();
    second.settled(SOON).await.unwrap();
    let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), 101);
    let seen =
        |seen: &Seen| (0..100).filter(|number| seen.of(&format!("thing-{number}")) == [*number]).count();
    assert!(seen(&first_seen) > 20 && seen(&second_seen) > 20, "both work");
    first.stop().await;
    step(store.as_ref(), "a", 1).await;
    until("the second has it all", async || effects_of(store.as_ref(), "a").await == [0, 1]).await;
    becomes(store.as_ref(), &[64]).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_aborted_app_held_is_taken_over_at_once_though_somebody_still_holds_the_app() {
    let store = fresh();
    let seen = Seen::default();
    let first = start(&store, walker(&seen)).await;
    step(store.as_ref(), "a", 0).await;
    first.settled(SOON).await.unwrap();
    first.abort().await;
    let position = step(store.as_ref(), "a", 1).await;
    let second = start(&store, walker(&seen)).await;
    // Well before the first one's lease ends, which is of fifteen seconds.
    second.wait_for(&NAME, position, Duration::from_secs(10)).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 1]);
    drop(first);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_comes_second_starts_where_the_first_does() {
    let store = fresh();
    for number in 0..100 {
        step(store.as_ref(), &format!("thing-{number}"), 0).await;
    }
    let seen = Seen::default();
    let consumer = || walker(&seen).start_at(StartAt::New);
    let (first, second) = (start(&store, consumer()).await, start(&store, consumer()).await);
    becomes(store.as_ref(), &[32, 32]).await;
    for number in 0..100 {
        step(store.as_ref(), &format!("thing-{number}"), 1).await;
    }
    first.settled(SOON).await.unwrap();
    assert!((0..100).all(|number| seen.of(&format!("thing-{number}")) == [1]), "only what is new");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_instance_of_another_consumer_takes_no_share() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen)).await;
    let other =
        Consumer::new("other").on::<Stepped>(Does { seen: seen.clone(), answer: |_: &Stepped, _| yes() });
    let beside = start(&store, other).await;
    until("it runs", async || running.status(&NAME) == Some(Status::Running)).await;
    // Long enough for a look at who is there.
    let position = step(store.as_ref(), "a", 0).await;
    running.wait_for(&NAME, position, SOON).await.unwrap();
    assert_eq!(spread(store.as_ref()).await, [64]);
    beside.stop().await;
    running.stop().await;
}

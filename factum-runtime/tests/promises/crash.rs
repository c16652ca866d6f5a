//! Instances that vanish: dropped without a stop, fenced off, killed by an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum_core::{ConsumerName, Guard, RecordKind, RecordQuery, RetryPolicy, Slot, Work};
use factum_runtime::admin::Which;
use factum_runtime::state::{SlotState, Started, read};
use factum_runtime::{Admin, Consumer};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");

fn walker<F>(seen: &Seen, answer: F) -> Consumer
where
    F: Fn(&Stepped, u32) -> Answer + Send + Sync + 'static,
{
    Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer }).retry(quick())
}

/// Makes it look as if the process ended while it ran this slot.
async fn crash(store: &dyn factum_core::Store, slot: Slot, change: impl Fn(SlotState) -> SlotState) {
    let id = SlotState::id(&NAME, slot);
    let record = store.find_one(RecordKind::SLOT, &id).await.unwrap().unwrap();
    let state = change(read::<SlotState>(&record).unwrap());
    let mut work: Box<dyn Work> = store.begin().await.unwrap();
    work.put(state.record(&NAME, slot), Guard::At(record.revision));
    let ahead = factum_runtime::state::ReadAhead { limit: factum_core::Position::at(1000) };
    let json = serde_json::json!({ "format": 1, "limit": ahead.limit }).to_string();
    let group = format!("{NAME}/ahead");
    let ahead = factum_core::Record::new(RecordKind::CONSUMER, group, format!("{NAME}/ahead/gone"), json);
    work.put(ahead, Guard::Any);
    work.commit().await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_off_handler_may_still_run_and_never_commits() {
    let store = fresh();
    let seen = Seen::default();
    let (entered, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let is_first = Arc::new(AtomicBool::new(true));
    let (entered2, go2) = (entered.clone(), go.clone());
    let consumer = walker(&seen, move |_, _| {
        let (entered, go, waits) = (entered2.clone(), go2.clone(), is_first.swap(false, Ordering::SeqCst));
        Box::pin(async move {
            if waits {
                entered.notify_one();
                go.notified().await;
            }
            Ok(())
        })
    });
    let running = start(&store, consumer).await;
    step(store.as_ref(), "a", 1).await;
    entered.notified().await;
    // Somebody takes the slot while the handler runs: moves its revision.
    crash(store.as_ref(), Slot::of_text("a"), |state| state).await;
    go.notify_one();
    until("the event is handled by a new session", async || seen.of("a") == [1, 1]).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [1], "the first attempt committed nothing");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_dropped_without_a_stop_is_taken_over_at_once_and_nothing_is_lost_or_doubled() {
    let store = fresh();
    let seen = Seen::default();
    for round in 0..5 {
        let running = start(&store, walker(&seen, |_, _| yes())).await;
        for number in 0..10 {
            step(store.as_ref(), "a", round * 10 + number).await;
        }
        // Killed somewhere in the middle: every task of it ends at the drop of its runtime.
        drop_like_a_crash(running).await;
    }
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, (0..50).collect::<Vec<_>>());
    running.stop().await;
}

/// Ends an app as a crash would: nothing is released.
async fn drop_like_a_crash(running: factum_runtime::Running) {
    running.abort().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_keeps_killing_the_process_ends_as_a_dead_letter() {
    let store = fresh();
    let seen = Seen::default();
    let slot = Slot::of_text("a");
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    step(store.as_ref(), "a", 0).await;
    running.settled(SOON).await.unwrap();
    running.stop().await;

    let killer = step(store.as_ref(), "a", 1).await;
    step(store.as_ref(), "a", 2).await;
    let starts = RetryPolicy::default().crashes_max;
    let started = Some(Started { position: killer, starts });
    crash(store.as_ref(), slot, |state| SlotState { owner: Some("gone".into()), started, ..state }).await;

    let running = start(&store, walker(&seen, |_, _| yes())).await;
    running.settled(SOON).await.unwrap();
    let dead = running.admin().letters(Which::Dead, Some(&NAME)).await.unwrap();
    assert_eq!(dead[0].troubled.reason, "crash");
    assert_eq!(seen.of("a"), [0], "it was not started again, and its key waits behind it");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_starts_are_recorded_and_a_good_run_forgets_them() {
    let store = fresh();
    let seen = Seen::default();
    let slot = Slot::of_text("a");
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    step(store.as_ref(), "a", 0).await;
    running.settled(SOON).await.unwrap();
    running.stop().await;
    crash(store.as_ref(), slot, |state| SlotState { owner: Some("gone".into()), ..state }).await;

    let (watched, noted) = (store.clone(), Arc::new(std::sync::Mutex::new(None)));
    let note = noted.clone();
    let consumer = walker(&seen, move |_, _| {
        let (store, note) = (watched.clone(), note.clone());
        Box::pin(async move {
            let record = store.find_one(RecordKind::SLOT, &SlotState::id(&NAME, slot)).await?.unwrap();
            *note.lock().unwrap() = read::<SlotState>(&record)?.started;
            Ok(())
        })
    });
    let position = step(store.as_ref(), "a", 1).await;
    let running = start(&store, consumer).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(*noted.lock().unwrap(), Some(Started { position, starts: 1 }), "recorded before it ran");
    running.stop().await;
    let slots = store.find(RecordKind::SLOT, &RecordQuery::group("walker")).await.unwrap();
    assert!(slots.iter().all(|record| read::<SlotState>(record).unwrap().started.is_none()));
    assert_eq!(Admin::new(store).consumer(&NAME).await.unwrap().dead, 0);
}

//! Order, exactly once, nothing lost: when all goes well, and when handlers come and go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use factum_core::{ConsumerName, Context, Failure, Handler, RecordKind, RecordQuery, values};
use factum_runtime::{App, Consumer, Status};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");

fn walker<F>(seen: &Seen, answer: F) -> Consumer
where
    F: Fn(&Stepped, u32) -> Answer + Send + Sync + 'static,
{
    Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer }).retry(quick())
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_of_one_key_commit_in_order_and_exactly_once() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, |_, _| yes()).lanes(8)).await;
    for number in 0..50 {
        for thing in ["a", "b", "c", "d"] {
            step(store.as_ref(), thing, number).await;
        }
    }
    running.settled(SOON).await.unwrap();
    for thing in ["a", "b", "c", "d"] {
        assert_eq!(effects_of(store.as_ref(), thing).await, (0..50).collect::<Vec<_>>());
        assert_eq!(seen.of(thing), (0..50).collect::<Vec<_>>());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_where_the_first_stopped() {
    let store = fresh();
    let seen = Seen::default();
    for round in 0..3 {
        let running = start(&store, walker(&seen, |_, _| yes())).await;
        step(store.as_ref(), "a", round).await;
        running.settled(SOON).await.unwrap();
        running.stop().await;
    }
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 1, 2]);
    assert_eq!(seen.of("a"), [0, 1, 2], "nothing is handed out twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_is_redone_one_by_one_and_only_the_failing_event_pays() {
    let store = fresh();
    effects(store.as_ref()).await;
    for number in 0..30 {
        step(store.as_ref(), "a", number).await;
        step(store.as_ref(), &format!("other-{number}"), number).await;
    }
    let seen = Seen::default();
    let consumer = walker(
        &seen,
        |event, attempt| {
            if event.thing == "other-7" && attempt < 3 { no("not yet") } else { yes() }
        },
    );
    let running = start(&store, consumer.batch(64).lanes(1)).await;
    running.settled(SOON).await.unwrap();
    until("the failing event is handled", async || effects_of(store.as_ref(), "other-7").await == [7]).await;
    assert_eq!(effects_of(store.as_ref(), "a").await, (0..30).collect::<Vec<_>>());
    let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), 60, "each once");
    running.stop().await;
}

/// Counts each event, and writes what cannot be written when it first meets one of those numbers.
struct CannotBeWritten(Seen);

impl Handler<Stepped> for CannotBeWritten {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        let is_first = !self.0.of(&event.thing).contains(&event.step);
        self.0.note(&event);
        cx.execute(
            "insert into effect (thing, step) values ($1, $2)",
            values![event.thing.as_str(), event.step],
        );
        if is_first && event.step % 7 == 3 {
            cx.execute("insert into effect (thing, step) values ($1, null)", values![event.thing]);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_begun_after_one_that_cannot_be_committed_count_once() {
    let store = fresh();
    effects(store.as_ref()).await;
    // More than a page, so that batches cross from one page to the next.
    let things: Vec<String> = (0..25).map(|number| format!("thing-{number}")).collect();
    for number in 0..60 {
        for thing in &things {
            step(store.as_ref(), thing, number).await;
        }
    }
    let handler = CannotBeWritten(Seen::default());
    let consumer = Consumer::new("walker").on::<Stepped>(handler).retry(quick()).batch(32).lanes(2);
    let running = start(&store, consumer).await;
    running.settled(SOON).await.unwrap();
    for thing in &things {
        until("every event is handled", async || effects_of(store.as_ref(), thing).await.len() >= 60).await;
        assert_eq!(effects_of(store.as_ref(), thing).await, (0..60).collect::<Vec<_>>(), "{thing}");
    }
    let figures = running.figures().await.unwrap();
    assert_eq!(figures[0].metrics.handled.load(Ordering::Relaxed), 25 * 60, "each is counted once");
    running.stop().await;
}

struct Emits;

impl Handler<Stepped> for Emits {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        if event.step < 5 {
            cx.emit(&Stepped { thing: event.thing, step: event.step + 1 });
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_emits_carries_its_cause_and_is_waited_for() {
    let store = fresh();
    let running = start(&store, Consumer::new("emits").on::<Stepped>(Emits)).await;
    step(store.as_ref(), "a", 0).await;
    running.settled(SOON).await.unwrap();
    let events = store.read(&factum_core::Query::all()).await.unwrap().events;
    assert_eq!(events.len(), 6);
    for pair in events.windows(2) {
        assert_eq!(pair[1].envelope.causation, Some(pair[0].envelope.id));
        assert_eq!(pair[1].envelope.correlation, events[0].envelope.correlation);
    }
    let trace = running.admin().trace(&events[3].envelope.id.to_string()).await.unwrap();
    assert_eq!(trace.len(), 1);
    assert_eq!(trace[0].caused[0].caused[0].event.envelope.id, events[2].envelope.id);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_your_writes_waits_for_the_position() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    for number in 0..20 {
        let position = step(store.as_ref(), "a", number).await;
        running.wait_for(&NAME, position, SOON).await.unwrap();
        assert_eq!(effects_of(store.as_ref(), "a").await.len(), number as usize + 1);
    }
    let ahead = factum_core::Position::at(1_000_000);
    let late = running.wait_for(&NAME, ahead, Duration::from_millis(30)).await.unwrap_err();
    assert_eq!(late.to_string(), "walker is at position 20, not yet at 1000000");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_consumer_takes_nothing_and_a_resumed_one_misses_nothing() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    step(store.as_ref(), "a", 0).await;
    running.settled(SOON).await.unwrap();
    let admin = running.admin();
    admin.pause(&NAME, "lunch").await.unwrap();
    until("it rests", async || running.status(&NAME) == Some(Status::Paused("lunch".into()))).await;
    step(store.as_ref(), "a", 1).await;
    assert_eq!(admin.consumer(&NAME).await.unwrap().paused.as_deref(), Some("lunch"));
    assert_eq!(seen.of("a"), [0]);
    admin.resume(&NAME).await.unwrap();
    until("it goes on", async || effects_of(store.as_ref(), "a").await == [0, 1]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_other_types_move_the_checkpoint_and_nothing_else() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, |_, _| yes())).await;
    let other = factum_core::EventType::event("other.happened", 1, "other", "other.happened");
    let envelope =
        factum_core::Envelope::raw(other, "x".parse().unwrap(), factum_core::Bytes::from_static(b"{}"));
    let stream = envelope.stream().unwrap();
    let position = store.append(&stream, factum_core::Expected::Any, &[envelope]).await.unwrap().position;
    running.wait_for(&NAME, position, SOON).await.unwrap();
    running.stop().await;
    let info = factum_runtime::Admin::new(store.clone()).consumer(&NAME).await.unwrap();
    assert_eq!((info.position, info.lag, info.slots_held), (position, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_is_in_hand_and_lets_go_of_everything() {
    let store = fresh();
    let (entered, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (entered2, go2) = (entered.clone(), go.clone());
    let consumer = walker(&Seen::default(), move |_, _| {
        let (entered, go) = (entered2.clone(), go2.clone());
        Box::pin(async move {
            entered.notify_one();
            go.notified().await;
            Ok(())
        })
    });
    let running = start(&store, consumer).await;
    step(store.as_ref(), "a", 1).await;
    entered.notified().await;
    let stopping = tokio::spawn(async move { running.stop().await });
    go.notify_one();
    stopping.await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [1], "what was in hand is committed");
    let slots = store.find(RecordKind::SLOT, &RecordQuery::group("walker")).await.unwrap();
    assert!(slots.iter().all(|slot| !String::from_utf8_lossy(&slot.bytes).contains("owner")));
    assert!(store.find(RecordKind::INSTANCE, &RecordQuery::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_of_one_name_are_refused_at_start() {
    let seen = Seen::default();
    let app = App::new(fresh()).consumer(walker(&seen, |_, _| yes())).consumer(walker(&seen, |_, _| yes()));
    let error = app.start().await.err().unwrap();
    assert_eq!(error.to_string(), "two consumers are called walker: rename one, or join their handlers");
}

#[test]
#[should_panic(expected = "consumer walker has two handlers for thing.stepped")]
fn two_handlers_for_one_event_are_refused_with_their_names() {
    let seen = Seen::default();
    let _ = walker(&seen, |_, _| yes()).on::<Stepped>(Does { seen, answer: |_: &Stepped, _| yes() });
}

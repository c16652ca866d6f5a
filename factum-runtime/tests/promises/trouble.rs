//! Failing handlers: parked, retried, dead, refused, timed out, panicking, in an outage; and operators who help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use factum_core::{Breaker, ConsumerName, Failure, OnDead, RetryPolicy};
use factum_runtime::admin::{AdminError, Which};
use factum_runtime::{Admin, Consumer, Status};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");

fn walker<F>(seen: &Seen, policy: RetryPolicy, answer: F) -> Consumer
where
    F: Fn(&Stepped, u32) -> Answer + Send + Sync + 'static,
{
    Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer }).retry(policy)
}

async fn letters(admin: &Admin, which: Which) -> Vec<factum_runtime::admin::Letter> {
    admin.letters(which, Some(&NAME)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_key_keeps_its_order_and_holds_up_no_other() {
    let store = fresh();
    let seen = Seen::default();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let consumer = walker(&seen, RetryPolicy { attempts: 1000, ..quick() }, move |event, _| {
        if event.thing == "bad" && event.step == 1 && !mended.load(Ordering::SeqCst) {
            no("broken")
        } else {
            yes()
        }
    });
    // One lane: the failing key and the others share it.
    let running = start(&store, consumer.lanes(1)).await;
    for number in 0..4 {
        step(store.as_ref(), "bad", number).await;
        step(store.as_ref(), "good", number).await;
    }
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "good").await, [0, 1, 2, 3]);
    assert_eq!(effects_of(store.as_ref(), "bad").await, [0], "everything behind the failing event waits");
    assert_eq!(running.admin().consumer(&NAME).await.unwrap().parked, 3);
    is_mended.store(true, Ordering::SeqCst);
    until("the key is released", async || effects_of(store.as_ref(), "bad").await == [0, 1, 2, 3]).await;
    until("nothing is parked", async || running.admin().consumer(&NAME).await.unwrap().parked == 0).await;
    step(store.as_ref(), "bad", 4).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "bad").await, [0, 1, 2, 3, 4]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_last_attempt_an_event_is_a_dead_letter_and_its_key_waits_behind_it() {
    let store = fresh();
    let seen = Seen::default();
    let consumer = walker(&seen, RetryPolicy { attempts: 4, ..quick() }, |event, _| {
        if event.step == 1 { no("always broken") } else { yes() }
    });
    let running = start(&store, consumer).await;
    let admin = running.admin();
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    until("it is dead", async || letters(&admin, Which::Dead).await.len() == 1).await;
    let dead = letters(&admin, Which::Dead).await.remove(0);
    assert_eq!((dead.troubled.attempts, dead.troubled.error.as_str()), (4, "always broken"));
    assert_eq!(seen.of("a"), [0, 1, 1, 1, 1], "two at once, two delayed, and then no more");
    assert_eq!(effects_of(store.as_ref(), "a").await, [0], "the key is held");

    admin.discard(&dead, "it will never work").await.unwrap();
    until("the key goes on", async || effects_of(store.as_ref(), "a").await == [0, 2]).await;
    assert!(letters(&admin, Which::Dead).await.is_empty());
    let audit = admin.audit().await.unwrap();
    assert_eq!(audit.last().unwrap().action, "discard");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_skip_the_key_goes_on_and_a_requeue_gives_up_only_that_events_order() {
    let store = fresh();
    let seen = Seen::default();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let policy = RetryPolicy { attempts: 2, on_dead: OnDead::Skip, ..quick() };
    let consumer = walker(&seen, policy, move |event, _| {
        if event.step == 1 && !mended.load(Ordering::SeqCst) { no("broken") } else { yes() }
    });
    let running = start(&store, consumer).await;
    let admin = running.admin();
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    until("it is dead", async || letters(&admin, Which::Dead).await.len() == 1).await;
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 2]);

    is_mended.store(true, Ordering::SeqCst);
    let dead = letters(&admin, Which::Dead).await;
    let first = admin.requeue(&dead).await.unwrap();
    assert_eq!((first.requeued, first.already), (1, 0));
    let again = admin.requeue(&dead).await.unwrap();
    assert_eq!((again.requeued, again.already), (0, 1), "asking twice changes nothing");
    until("it is handled", async || effects_of(store.as_ref(), "a").await == [0, 2, 1]).await;
    step(store.as_ref(), "a", 3).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 2, 1, 3]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_key_is_released_in_order_by_a_requeue_even_when_nothing_runs() {
    let store = fresh();
    let seen = Seen::default();
    let broken = walker(&seen, RetryPolicy { attempts: 2, ..quick() }, |event, _| {
        if event.step == 1 { no("broken") } else { yes() }
    });
    let running = start(&store, broken).await;
    for number in 0..4 {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;

    let admin = Admin::new(store.clone());
    let dead = letters(&admin, Which::Dead).await;
    assert_eq!(admin.requeue(&dead).await.unwrap().requeued, 1);
    let running = start(&store, walker(&seen, quick(), |_, _| yes())).await;
    until("all are handled", async || effects_of(store.as_ref(), "a").await == [0, 1, 2, 3]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_refuses_is_kept_by_name_never_retried_and_never_holds_its_key() {
    let store = fresh();
    let seen = Seen::default();
    let consumer = walker(&seen, quick(), |event, _| {
        let step = event.step;
        Box::pin(async move {
            if step == 1 { Err(Failure::reject("no-such-thing").detail("thing 7")) } else { Ok(()) }
        })
    });
    let running = start(&store, consumer).await;
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 2]);
    assert_eq!(seen.of("a"), [0, 1, 2]);
    let refused = letters(&running.admin(), Which::Refused).await;
    assert_eq!(refused[0].troubled.reason, "no-such-thing");
    assert_eq!(refused[0].troubled.error, "no-such-thing: thing 7");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_event_is_refused_and_stops_nobody() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, quick(), |_, _| yes())).await;
    let kind = <Stepped as factum_core::Event>::TYPE;
    let broken = factum_core::Envelope::raw(
        kind,
        "a".parse().unwrap(),
        factum_core::Bytes::from_static(b"{\"thing\":"),
    );
    let stream = broken.stream().unwrap();
    store.append(&stream, factum_core::Expected::Any, &[broken]).await.unwrap();
    step(store.as_ref(), "a", 1).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [1]);
    assert_eq!(letters(&running.admin(), Which::Refused).await[0].troubled.reason, "undecodable");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_a_timeout_and_broken_sql_are_failures_of_their_event_alone() {
    let store = fresh();
    let seen = Seen::default();
    let policy = RetryPolicy { attempts: 1, immediate: 1, timeout: Duration::from_millis(50), ..quick() };
    let consumer = walker(&seen, policy, |event, _| match event.thing.as_str() {
        "panics" => Box::pin(async { panic!("out of luck") }),
        "hangs" => Box::pin(std::future::pending()),
        _ => yes(),
    });
    let running = start(&store, consumer.lanes(1)).await;
    for thing in ["panics", "hangs", "well"] {
        step(store.as_ref(), thing, 1).await;
    }
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "well").await, [1]);
    assert!(effects_of(store.as_ref(), "hangs").await.is_empty(), "nothing of a failed attempt stays");
    let mut dead: Vec<_> = letters(&running.admin(), Which::Dead)
        .await
        .into_iter()
        .map(|letter| (letter.troubled.key, letter.troubled.reason, letter.troubled.error))
        .collect();
    dead.sort();
    assert_eq!(dead[0].1, "timeout");
    assert_eq!(dead[0].2, "no answer within 50ms; the handler was dropped");
    assert_eq!(dead[1].1, "panic");
    assert_eq!(dead[1].2, "the handler panicked: out of luck");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_counts_no_attempt() {
    let store = fresh();
    let seen = Seen::default();
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let consumer = walker(&seen, RetryPolicy { attempts: 2, ..quick() }, move |_, _| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if number < 5 { Err(Failure::later(Duration::from_millis(10), "not open yet")) } else { Ok(()) }
        })
    });
    let running = start(&store, consumer).await;
    step(store.as_ref(), "a", 1).await;
    until("it is handled at last", async || effects_of(store.as_ref(), "a").await == [1]).await;
    assert!(letters(&running.admin(), Which::Dead).await.is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_never_comes_sooner_than_its_policy_says() {
    let store = fresh();
    let seen = Seen::default();
    let tries = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = tries.clone();
    let policy = RetryPolicy {
        immediate: 1,
        attempts: 4,
        first: Duration::from_millis(60),
        multiplier: 2.0,
        ..quick()
    };
    let policy = RetryPolicy { max: Duration::from_secs(1), ..policy };
    let consumer = walker(&seen, policy, move |_, _| {
        noted.lock().unwrap().push(Instant::now());
        no("broken")
    });
    let running = start(&store, consumer).await;
    step(store.as_ref(), "a", 1).await;
    until("it is dead", async || letters(&running.admin(), Which::Dead).await.len() == 1).await;
    let tries = tries.lock().unwrap().clone();
    let gaps: Vec<Duration> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([60, 120, 240]) {
        assert!(*gap >= Duration::from_millis(least), "{gaps:?}");
    }
    assert_eq!(tries.len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_fills_no_dead_letters_and_one_success_ends_it() {
    let store = fresh();
    let seen = Seen::default();
    let is_down = Arc::new(AtomicBool::new(true));
    let down = is_down.clone();
    // Two attempts and a short delay: without the breaker every event would be dead in no time.
    let policy = RetryPolicy { attempts: 2, ..quick() };
    let consumer =
        walker(
            &seen,
            policy,
            move |_, _| {
                if down.load(Ordering::SeqCst) { no("the database is down") } else { yes() }
            },
        );
    let running = start(&store, consumer.lanes(4)).await;
    for number in 0..200 {
        step(store.as_ref(), &format!("thing-{number}"), number).await;
    }
    until("the outage is seen", async || running.status(&NAME) == Some(Status::Outage)).await;
    let admin = running.admin();
    let dead = letters(&admin, Which::Dead).await.len();
    assert!(dead < Breaker::KEYS as usize, "{dead} dead letters from an outage");
    is_down.store(false, Ordering::SeqCst);
    running.settled(SOON).await.unwrap();
    until("every event that is not dead is handled", async || {
        let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
        rows.first().unwrap().get::<i64>("n").unwrap() == 200 - dead as i64
    })
    .await;
    assert_eq!(running.status(&NAME), Some(Status::Running));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_parked_events_pause_the_consumer() {
    let store = fresh();
    let seen = Seen::default();
    let slow = RetryPolicy { first: Duration::from_secs(600), max: Duration::from_secs(600), ..quick() };
    let consumer = walker(&seen, slow, |event, _| if event.step == 0 { no("broken") } else { yes() });
    let running = start(&store, consumer.parked_max(10)).await;
    for number in 0..30 {
        step(store.as_ref(), "a", number).await;
    }
    until("it rests", async || matches!(running.status(&NAME), Some(Status::Paused(_)))).await;
    let info = running.admin().consumer(&NAME).await.unwrap();
    assert!(info.parked >= 10 && info.parked < 30, "{}", info.parked);
    assert!(info.paused.unwrap().contains("events are parked, the most this consumer allows"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_runs_no_effect_unless_asked() {
    let store = fresh();
    let seen = Seen::default();
    let running = start(&store, walker(&seen, quick(), |_, _| yes())).await;
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    let admin = running.admin();
    let mut request = factum_runtime::admin::ReplayRequest {
        consumer: NAME,
        after: factum_core::Position::at(1),
        from_time: None,
        effects: false,
    };
    let refused = admin.replay(&request).await.unwrap_err();
    assert!(matches!(refused, AdminError::Refused(_)), "{refused}");
    assert_eq!(seen.of("a"), [0, 1, 2]);
    request.effects = true;
    let plan = admin.replay(&request).await.unwrap();
    assert_eq!(plan.types, [("thing.stepped.v1".to_owned(), 2)]);
    running.settled(SOON).await.unwrap();
    assert_eq!(seen.of("a"), [0, 1, 2, 1, 2], "settled waits for the replay that was asked for");
    running.stop().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_is_named_and_other_lanes_go_on() {
    let store = fresh();
    let seen = Seen::default();
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = std::sync::Mutex::new(released);
    let policy = RetryPolicy { timeout: Duration::from_millis(100), ..quick() };
    let consumer = walker(&seen, policy, move |event, _| {
        if event.thing == "blocks" {
            // Blocks the thread, as a sleep or a slow computation would.
            let _ = released.lock().unwrap().recv();
        }
        yes()
    });
    let running = start(&store, consumer.lanes(64)).await;
    step(store.as_ref(), "blocks", 1).await;
    step(store.as_ref(), "flows", 1).await;
    until("the other key is handled", async || effects_of(store.as_ref(), "flows").await == [1]).await;
    until("the blocked handler is named", async || !running.blocked().is_empty()).await;
    let event = store.read(&factum_core::Query::all()).await.unwrap().events.remove(0);
    let blocked = running.blocked().remove(0);
    assert_eq!((blocked.consumer.as_str(), blocked.event), ("walker", event.envelope.id));
    release.send(()).unwrap();
    until("it is handled once it returns", async || effects_of(store.as_ref(), "blocks").await == [1]).await;
    assert!(running.blocked().is_empty());
    running.stop().await;
}

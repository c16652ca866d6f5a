//! Servers that die while events are published or consumed, members that die, and what is left of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use factum_broker::NatsBroker;
use factum_core::{Broker as _, Bytes};

use crate::kit::{LONG, PAYMENTS, TOPIC, broker, event, join, next, number, options, server, within};

/// Publishes what was not taken again, as a relay does, until all is.
async fn insist(broker: &NatsBroker, batch: &[factum_core::Envelope]) -> usize {
    let (mut left, mut attempts) = (batch.to_vec(), 0);
    while !left.is_empty() {
        attempts += 1;
        let Err(error) = broker.publish(&TOPIC, &left).await else { break };
        assert!(error.error.is_transient, "a server that is away comes back: {error:?}");
        left = error.failed.iter().map(|&index| left[index].clone()).collect();
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_events_are_published_loses_and_repeats_none() {
    const EVENTS: usize = 4_000;
    let server = Arc::new(server());
    let broker = broker(&server).await;
    let (published, is_done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let killer = {
        let (server, published, is_done) = (server.clone(), published.clone(), is_done.clone());
        std::thread::spawn(move || {
            let mut kills = 0;
            for mark in [EVENTS / 5, EVENTS / 2, EVENTS * 4 / 5] {
                while published.load(Ordering::Relaxed) < mark && !is_done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_micros(200));
                }
                if !is_done.load(Ordering::Relaxed) {
                    server.kill();
                    server.up().unwrap();
                    kills += 1;
                }
            }
            kills
        })
    };
    let mut attempts = 0;
    for start in (0..EVENTS).step_by(100) {
        let batch: Vec<_> =
            (start..start + 100).map(|number| event(&format!("k{}", number % 7), number)).collect();
        attempts += within(insist(&broker, &batch)).await;
        published.store(start + 100, Ordering::Relaxed);
    }
    is_done.store(true, Ordering::Relaxed);
    assert_eq!(killer.join().unwrap(), 3, "the server was killed in the middle, not after the end");
    assert!(attempts >= EVENTS / 100, "every batch was published");
    let mut deliveries = join(&broker).await;
    let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut count = 0;
    while count < EVENTS {
        for delivered in next(&mut *deliveries, 64).await {
            let envelope = delivered.event.unwrap();
            by_key.entry(envelope.key.to_string()).or_default().push(number(&envelope));
            deliveries.ack(delivered.token).await.unwrap();
            count += 1;
        }
    }
    for (key, numbers) in by_key {
        let first: usize = key[1..].parse().unwrap();
        assert_eq!(
            numbers,
            (first..EVENTS).step_by(7).collect::<Vec<_>>(),
            "key {key}: lost, repeated or out of order"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_events_are_consumed_loses_none_and_keeps_their_order() {
    const EVENTS: usize = 600;
    let server = server();
    let broker = broker(&server).await;
    let batch: Vec<_> = (0..EVENTS).map(|number| event(&format!("k{}", number % 5), number)).collect();
    broker.publish(&TOPIC, &batch).await.unwrap();
    let mut deliveries = join(&broker).await;
    // The latest of each key that was acknowledged: one may come again, and none may overtake another.
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    let (mut handled, mut kills) = (0, 0);
    while done.values().filter(|&&latest| latest + 5 >= EVENTS).count() < 5 {
        let delivered = match tokio::time::timeout(LONG, deliveries.next(8)).await.expect("events go on") {
            Ok(delivered) => delivered,
            Err(error) => {
                assert!(error.is_transient, "{error}");
                deliveries = join(&broker).await;
                continue;
            }
        };
        for delivered in delivered {
            let envelope = delivered.event.unwrap();
            let (key, number) = (envelope.key.to_string(), number(&envelope));
            let next = done.get(&key).map_or(key[1..].parse().unwrap(), |latest| latest + 5);
            assert!(number <= next, "event {number} of {key} overtook event {next}");
            handled += 1;
            if handled % 200 == 100 && kills < 3 {
                // While it is in flight: its acknowledgement has nobody to go to yet.
                server.kill();
                server.up().unwrap();
                kills += 1;
            }
            deliveries.ack(delivered.token).await.unwrap();
            done.insert(key, number.max(next.saturating_sub(5)));
        }
    }
    assert_eq!(kills, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_that_died_held_goes_to_another() {
    let server = server();
    let two = broker(&server).await;
    two.publish(&TOPIC, &[event("k", 0), event("k", 1)]).await.unwrap();
    // A process that dies says nothing: neither close nor drop, and no more signs of life.
    let url = server.url();
    let dead = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let one = NatsBroker::connect(&url, options()).await.unwrap();
            let mut held = join(&one).await;
            let first = next(&mut *held, 1).await;
            assert_eq!(number(first[0].event.as_ref().unwrap()), 0);
            std::mem::forget(held);
        });
    });
    dead.join().unwrap();
    let mut staying = join(&two).await;
    for expected in [0, 1] {
        let delivered = next(&mut *staying, 1).await.pop().unwrap();
        assert_eq!(number(delivered.event.as_ref().unwrap()), expected);
        assert_eq!(delivered.deliveries, Some(if expected == 0 { 2 } else { 1 }));
        staying.ack(delivered.token).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_member_that_lives_keeps_what_it_holds() {
    let server = server();
    let (one, two) = (broker(&server).await, broker(&server).await);
    one.publish(&TOPIC, &[event("k", 0)]).await.unwrap();
    let mut slow = join(&one).await;
    let held = next(&mut *slow, 1).await.pop().unwrap();
    let mut other = join(&two).await;
    let given = tokio::time::timeout(options().ack_wait * 5 / 2, other.next(1)).await;
    assert!(given.is_err(), "what a living member holds went to another: {given:?}");
    slow.ack(held.token).await.unwrap();
    one.publish(&TOPIC, &[event("k", 1)]).await.unwrap();
    drop(slow);
    let delivered = next(&mut *other, 1).await.pop().unwrap();
    assert_eq!(number(delivered.event.as_ref().unwrap()), 1, "what was acknowledged came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_a_consumer() {
    const EVENTS: usize = 200;
    let server = server();
    let publisher = broker(&server).await;
    let batch: Vec<_> = (0..EVENTS).map(|number| event(&format!("k{number}"), number)).collect();
    publisher.publish(&TOPIC, &batch).await.unwrap();
    let left = Arc::new(tokio::sync::watch::Sender::new(EVENTS));
    let mut members = Vec::new();
    for _ in 0..2 {
        let mut deliveries = join(&broker(&server).await).await;
        let left = left.clone();
        members.push(tokio::spawn(async move {
            let (mut done, mut taken) = (left.subscribe(), Vec::new());
            loop {
                let delivered = tokio::select! {
                    delivered = deliveries.next(1) => delivered.unwrap(),
                    _ = done.wait_for(|left| *left == 0) => return taken,
                };
                for delivered in delivered {
                    taken.push(number(delivered.event.as_ref().unwrap()));
                    deliveries.ack(delivered.token).await.unwrap();
                    left.send_modify(|left| *left -= 1);
                }
            }
        }));
    }
    let mut all = Vec::new();
    for member in members {
        let taken = within(member).await.unwrap();
        assert!(!taken.is_empty(), "one member did everything");
        all.extend(taken);
    }
    all.sort_unstable();
    assert_eq!(all, (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_is_no_event_is_handed_over_with_its_bytes_and_stops_nothing() {
    let server = server();
    let broker = broker(&server).await;
    broker.publish(&TOPIC, &[event("a", 0)]).await.unwrap();
    let foreign = async_nats::connect(server.url()).await.unwrap();
    // On the topic's own subject, and in the middle of a part.
    let subjects = ["order.placed", "order.placed.~3"];
    for subject in subjects {
        foreign.request(subject, Bytes::from_static(b"\0 not \xff an event")).await.unwrap();
    }
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", "7");
    foreign.request_with_headers("order.placed", headers, Bytes::from_static(b"{}")).await.unwrap();
    broker.publish(&TOPIC, &[event("a", 1)]).await.unwrap();
    let mut deliveries = join(&broker).await;
    let (mut events, mut others) = (Vec::new(), Vec::new());
    while events.len() + others.len() < 5 {
        for delivered in next(&mut *deliveries, 1).await {
            deliveries.ack(delivered.token).await.unwrap();
            match delivered.event {
                Ok(envelope) => events.push(number(&envelope)),
                Err(undecodable) => others.push(undecodable),
            }
        }
    }
    assert_eq!(events, [0, 1]);
    let with_bytes = others.iter().filter(|other| other.bytes == b"\0 not \xff an event"[..]).count();
    assert_eq!(with_bytes, 2);
    let broken = others.iter().find(|other| other.bytes == b"{}"[..]).unwrap();
    assert_eq!(broken.why, "not a CloudEvent: source: it is required, and missing");
}

#[tokio::test]
async fn an_event_of_another_system_is_read() {
    let server = server();
    let broker = broker(&server).await;
    let mut deliveries = join(&broker).await;
    let foreign = async_nats::connect(server.url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "A-7"),
        ("ce-source", "/theirs"),
        ("ce-type", "order.placed"),
        ("ce-subject", "caf%C3%A9"),
        ("Content-Type", "application/json"),
    ] {
        headers.insert(name, value);
    }
    foreign.request_with_headers("order.placed", headers, Bytes::from_static(b"{\"a\": 1.0}")).await.unwrap();
    let structured =
        br#"{"specversion":"1.0","id":"A-8","source":"/theirs","type":"order.placed","data":{"a": 2}}"#;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("content-type", "application/cloudevents+json; charset=utf-8");
    foreign.request_with_headers("order.placed", headers, Bytes::from_static(structured)).await.unwrap();
    for (key, data) in [("café", &b"{\"a\": 1.0}"[..]), ("A-8", b"{\"a\": 2}")] {
        let delivered = next(&mut *deliveries, 1).await.pop().unwrap();
        let envelope = delivered.event.unwrap();
        assert_eq!((envelope.key.as_str(), &envelope.data[..]), (key, data));
        deliveries.ack(delivered.token).await.unwrap();
    }
}

#[tokio::test]
async fn a_consumer_that_is_forgotten_begins_anew() {
    let server = server();
    let broker = broker(&server).await;
    broker.publish(&TOPIC, &[event("a", 0)]).await.unwrap();
    for _ in 0..2 {
        let mut deliveries = join(&broker).await;
        let delivered = next(&mut *deliveries, 1).await.pop().unwrap();
        assert_eq!(number(delivered.event.as_ref().unwrap()), 0);
        deliveries.ack(delivered.token).await.unwrap();
        deliveries.close().await.unwrap();
        broker.forget(&TOPIC, &PAYMENTS).await.unwrap();
    }
    broker.forget(&TOPIC, &PAYMENTS).await.unwrap();
}

#[tokio::test]
async fn closing_leaves_no_task() {
    let server = server();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    {
        let broker = broker(&server).await;
        broker.publish(&TOPIC, &[event("a", 0), event("b", 1)]).await.unwrap();
        let mut closed = join(&broker).await;
        next(&mut *closed, 1).await;
        closed.close().await.unwrap();
        let mut dropped = join(&broker).await;
        next(&mut *dropped, 1).await;
        drop(dropped);
        assert!(tasks() > before, "a connection is a task");
        broker.close().await;
    }
    let begun = std::time::Instant::now();
    while tasks() > before {
        assert!(begun.elapsed() < LONG, "{} tasks are left", tasks() - before);
        tokio::task::yield_now().await;
    }
}

//! Commands from outside a handler: durable, once by key, and handled by their one handler.

use std::sync::Arc;
use std::time::Duration;

use factum_core::{Clock, Event, ManualClock, Query, Store};
use factum_runtime::{App, SendError, SendOptions, send};

use crate::kit::*;
use crate::shop::*;

async fn recorded(store: &dyn Store) -> usize {
    let query = Query { types: vec![TakePayment::TYPE.name], kind: None, ..Query::default() };
    store.read(&query).await.unwrap().events.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_sent_is_handled_though_its_handler_starts_later() {
    let (store, services) = (fresh(), Services::default());
    tables(store.as_ref()).await;
    let sent = send(store.as_ref(), &TakePayment::of("a"), &SendOptions::default()).await.unwrap();
    let running = App::new(store.clone()).consumer(services.consumer()).start().await.unwrap();
    running.wait_for(&"services".parse().unwrap(), sent.position, SOON).await.unwrap();
    assert_eq!(committed(store.as_ref(), "a").await, ["take.payment a"]);
    let paid = store.read(&Query { types: vec![Paid::TYPE.name], ..Query::default() }).await.unwrap().events;
    assert_eq!(paid[0].envelope.causation, Some(sent.id));
    let second = running.send(&TakePayment::of("b")).await.unwrap();
    running.wait_for(&"services".parse().unwrap(), second.position, SOON).await.unwrap();
    assert_eq!(committed(store.as_ref(), "b").await, ["take.payment b"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_key_is_recorded_once_however_many_send_it_at_once() {
    let store = fresh();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        senders.spawn(async move {
            send(store.as_ref(), &TakePayment::of("a"), &SendOptions::once("request-7")).await.unwrap()
        });
    }
    let answers = senders.join_all().await;
    assert_eq!(recorded(store.as_ref()).await, 1);
    assert_eq!(answers.iter().filter(|sent| !sent.is_repeated).count(), 1);
    assert!(answers.iter().all(|sent| (sent.id, sent.position) == (answers[0].id, answers[0].position)));
    // Another key is another request, and without a key each is one.
    for options in [SendOptions::once("request-8"), SendOptions::default(), SendOptions::default()] {
        assert!(!send(store.as_ref(), &TakePayment::of("a"), &options).await.unwrap().is_repeated);
    }
    assert_eq!(recorded(store.as_ref()).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_other_content_is_refused_and_forgotten_after_its_window() {
    let clock = Arc::new(ManualClock::at("2026-01-05T12:00:00Z".parse().unwrap()));
    let store = fresh_at(clock.clone());
    let once = SendOptions::once("request-7");
    send(store.as_ref(), &TakePayment::of("a"), &once).await.unwrap();
    let refused = send(store.as_ref(), &TakePayment::of("b"), &once).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "idempotency key \"request-7\" was used for a take.payment with other content; use a new key"
    );
    // Of another command the key is another one.
    send(store.as_ref(), &Ship::of("b"), &once).await.unwrap();
    let now = clock.now();
    clock.jump_to(now.plus(Duration::from_secs(24 * 3600 + 1)));
    assert!(!send(store.as_ref(), &TakePayment::of("b"), &once).await.unwrap().is_repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_no_command() {
    let refused = send(fresh().as_ref(), &Placed::of("a"), &SendOptions::default()).await.unwrap_err();
    assert!(matches!(refused, SendError::NotACommand { .. }));
    assert_eq!(
        refused.to_string(),
        "order.placed is an event and no command: append it, or send the command that leads to it"
    );
}

//! Sagas: what an instance takes, its state, its commands, events and timers are one; what it did can be undone.

use factum_core::{Query, SagaStatus, StoreError};
use factum_runtime::admin::{Cancel, Resume};
use factum_runtime::{SagaRefused, StartError};

use crate::kit::*;
use crate::shop::*;

#[tokio::test(flavor = "multi_thread")]
async fn events_with_other_keys_meet_in_their_instance_and_each_step_happens_once() {
    let store = fresh();
    tables(store.as_ref()).await;
    let services = Services::default();
    let running = app(&store, &services).start().await.unwrap();
    for number in 0..20 {
        append(store.as_ref(), &Placed::of(&format!("o{number}"))).await;
    }
    for number in 0..20 {
        until_status(store.as_ref(), &format!("o{number}"), SagaStatus::Completed).await;
    }
    running.settled(SOON).await.unwrap();
    for number in 0..20 {
        let order = format!("o{number}");
        let expected = ["take.payment", "reserve.stock", "ship.order"].map(|what| format!("{what} {order}"));
        assert_eq!(committed(store.as_ref(), &order).await, expected);
    }
    assert!(timers(store.as_ref()).await.is_empty(), "a timer that was cancelled is gone");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_instance_begins_none_unless_it_starts_one() {
    let store = fresh();
    tables(store.as_ref()).await;
    let running = app(&store, &Services::default()).start().await.unwrap();
    append(store.as_ref(), &Paid::of("a")).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(instance(store.as_ref(), "a").await, None);
    append(store.as_ref(), &Placed::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Completed).await;
    append(store.as_ref(), &Placed::of("a")).await;
    running.settled(SOON).await.unwrap();
    let state = instance(store.as_ref(), "a").await.unwrap();
    assert_eq!(state.instance.status, SagaStatus::Completed, "what has ended does not begin anew");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_undone_backwards_each_once_the_one_before_is_handled() {
    let store = fresh();
    tables(store.as_ref()).await;
    let services = Services::default();
    services.break_("ship.order");
    let running = app(&store, &services).start().await.unwrap();
    append(store.as_ref(), &Placed::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Compensated).await;
    let expected = ["take.payment a", "reserve.stock a", "release.stock a", "refund.payment a"];
    assert_eq!(services.done(), expected, "shipping failed for good, and the saga heard of it");
    let state = instance(store.as_ref(), "a").await.unwrap();
    assert_eq!(state.instance.undone, ["release.stock", "refund.payment"]);
    let query = Query { types: vec!["order.cancelled".parse().unwrap()], ..Query::default() };
    assert_eq!(store.read(&query).await.unwrap().events.len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_with_nothing_to_undo_ends_at_once() {
    let store = fresh();
    tables(store.as_ref()).await;
    let running = app(&store, &Services::default()).start().await.unwrap();
    append(store.as_ref(), &Placed::of("poor")).await;
    until_status(store.as_ref(), "poor", SagaStatus::Compensated).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_fails_for_good_leaves_the_saga_stuck_and_a_requeue_takes_it_on() {
    let store = fresh();
    tables(store.as_ref()).await;
    let services = Services::default();
    services.break_("release.stock");
    services.break_("ship.order");
    let running = app(&store, &services).start().await.unwrap();
    append(store.as_ref(), &Placed::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Stuck).await;
    let state = instance(store.as_ref(), "a").await.unwrap();
    assert_eq!(state.instance.error.as_deref(), Some("release.stock is out of order"));
    assert_eq!(state.instance.undo.len(), 1, "the refund waits behind it");
    services.mend();
    let admin = running.admin();
    let letters = admin.letters(factum_runtime::admin::Which::Dead, None).await.unwrap();
    let letter = letters.iter().find(|letter| letter.troubled.name == "release.stock").unwrap();
    admin.requeue(std::slice::from_ref(letter)).await.unwrap();
    until_status(store.as_ref(), "a", SagaStatus::Compensated).await;
    let expected = ["take.payment a", "reserve.stock a", "release.stock a", "refund.payment a"];
    assert_eq!(services.done(), expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_handler_for_a_command_stops_the_start_by_name() {
    let store = fresh();
    let (one, two) = (Services::default(), Services::default());
    let second = factum_runtime::Consumer::new("rivals").on::<Asked>(two.clone());
    let refused = app(&store, &one).consumer(second.clone()).start().await.err().unwrap();
    let StartError::Saga(SagaRefused::TwoHandlers { command, first, second: rival }) = refused else {
        panic!("{refused}")
    };
    assert_eq!((command.as_str(), first.as_str(), rival.as_str()), ("refund.payment", "services", "rivals"));

    // In another app of the same store too, as long as the first one runs.
    let running = app(&store, &one).start().await.unwrap();
    let rivals = || factum_runtime::App::new(store.clone()).consumer(second.clone());
    let refused = rivals().start().await.err().unwrap();
    assert!(matches!(refused, StartError::Saga(SagaRefused::TwoHandlers { .. })), "{refused}");
    running.stop().await;
    rivals().start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_killed_in_the_middle_goes_on_where_it_was_and_doubles_nothing() {
    let store = fresh();
    tables(store.as_ref()).await;
    let services = Services::default();
    for round in 0..5 {
        let running = app(&store, &services).start().await.unwrap();
        for number in 0..4 {
            append(store.as_ref(), &Placed::of(&format!("o{round}{number}"))).await;
        }
        running.abort().await;
    }
    let running = app(&store, &services).start().await.unwrap();
    for number in (0..5).flat_map(|round| (0..4).map(move |number| format!("o{round}{number}"))) {
        until_status(store.as_ref(), &number, SagaStatus::Completed).await;
        let expected = ["take.payment", "reserve.stock", "ship.order"].map(|what| format!("{what} {number}"));
        assert_eq!(committed(store.as_ref(), &number).await, expected);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_correlation_is_refused_by_name() -> Result<(), StoreError> {
    let store = fresh();
    tables(store.as_ref()).await;
    let running = app(&store, &Services::default()).start().await.unwrap();
    let mut envelope = factum_core::Envelope::of(&Placed::of("a")).unwrap();
    envelope.tags = factum_core::Tags::default();
    store.append(&envelope.stream().unwrap(), factum_core::Expected::Any, &[envelope]).await.unwrap();
    running.settled(SOON).await.unwrap();
    let refused = running.admin().letters(factum_runtime::admin::Which::Refused, None).await.unwrap();
    assert_eq!(refused[0].troubled.reason, "no-correlation");
    running.stop().await;
    Ok(())
}

/// Brings an order to where its stock cannot be released.
async fn stuck(
    store: &std::sync::Arc<dyn factum_core::Store>,
    services: &Services,
) -> factum_runtime::Running {
    tables(store.as_ref()).await;
    services.break_("release.stock");
    services.break_("ship.order");
    let running = app(store, services).start().await.unwrap();
    append(store.as_ref(), &Placed::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Stuck).await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_resumes_a_stuck_saga_and_asking_twice_is_refused() {
    let store = fresh();
    let services = Services::default();
    let running = stuck(&store, &services).await;
    let admin = running.admin();
    // Still broken: it is stuck again.
    admin.resume_saga(&NAME, "a", Resume::TryAgain).await.unwrap();
    until("it was tried again", async || {
        let letters = admin.letters(factum_runtime::admin::Which::Dead, None).await.unwrap();
        letters.iter().any(|letter| letter.troubled.name == "release.stock")
    })
    .await;
    until_status(store.as_ref(), "a", SagaStatus::Stuck).await;
    services.mend();
    admin.resume_saga(&NAME, "a", Resume::TryAgain).await.unwrap();
    until_status(store.as_ref(), "a", SagaStatus::Compensated).await;
    assert_eq!(services.done()[2..], ["release.stock a", "refund.payment a"]);
    let refused = admin.resume_saga(&NAME, "a", Resume::TryAgain).await.unwrap_err();
    assert_eq!(refused.to_string(), "saga fulfilment a is compensated, and not stuck");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_undone_by_hand_is_passed_over() {
    let store = fresh();
    let services = Services::default();
    let running = stuck(&store, &services).await;
    running.admin().resume_saga(&NAME, "a", Resume::ByHand).await.unwrap();
    until_status(store.as_ref(), "a", SagaStatus::Compensated).await;
    assert_eq!(services.done(), ["take.payment a", "reserve.stock a", "refund.payment a"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_saga_undoes_what_it_did_or_ends_as_it_stands() {
    let store = fresh();
    tables(store.as_ref()).await;
    let services = Services::default();
    let running = app(&store, &services).start().await.unwrap();
    for order in ["slow 1", "slow 2"] {
        append(store.as_ref(), &Placed::of(order)).await;
        until_status(store.as_ref(), order, SagaStatus::Running).await;
    }
    let admin = running.admin();
    admin.cancel_saga(&NAME, "slow 1", Cancel::Undo, "the customer called").await.unwrap();
    admin.cancel_saga(&NAME, "slow 2", Cancel::AsItStands, "").await.unwrap();
    until_status(store.as_ref(), "slow 1", SagaStatus::Cancelled).await;
    until_status(store.as_ref(), "slow 2", SagaStatus::Cancelled).await;
    assert!(timers(store.as_ref()).await.is_empty());
    let query = Query { types: vec!["order.cancelled".parse().unwrap()], ..Query::default() };
    assert_eq!(store.read(&query).await.unwrap().events.len(), 1, "one of them said so");
    let counts = admin.saga_counts().await.unwrap();
    assert!(counts[&("fulfilment".to_owned(), 1)].contains(&(SagaStatus::Cancelled, 2)));
    running.stop().await;
}

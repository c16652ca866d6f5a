//! Promise 17, the broker's half: what is not acknowledged is delivered again, what is acknowledged is not.
//!
//! That a consumer acknowledges after its effects are committed is the runtime's half.

use std::sync::Arc;

use factum_core::StartAt;

use super::BrokerHarness;
use super::kit::*;
use super::publish::envelope_numbers;

type Harness = Arc<dyn BrokerHarness>;

pub(super) async fn what_is_acknowledged_is_not_delivered_again(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    stage.publish(&events("k", 3)).await;
    take(&mut *deliveries, 2).await;
    deliveries.close().await.expect("leaving succeeds");
    let mut deliveries = stage.join("one", StartAt::Oldest).await;
    assert_eq!(envelope_numbers(&take(&mut *deliveries, 1).await), [2]);
    stage.publish(&[event("k", 3)]).await;
    assert_eq!(envelope_numbers(&take(&mut *deliveries, 1).await), [3], "what was acknowledged came again");
}

pub(super) async fn what_is_given_back_is_delivered_again(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    let batch = events("k", 1);
    stage.publish(&batch).await;
    for _ in 0..3 {
        let delivered = next_one(&mut *deliveries).await;
        assert_eq!(*envelope(&delivered), batch[0]);
        nack(&mut *deliveries, &delivered).await;
    }
    assert_eq!(take(&mut *deliveries, 1).await, batch, "an event that was given back came again unchanged");
}

pub(super) async fn what_was_in_flight_at_close_is_delivered_again(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut leaving = stage.join("one", StartAt::New).await;
    let batch = [event("a", 0), event("b", 1)];
    stage.publish(&batch).await;
    next_one(&mut *leaving).await;
    leaving.close().await.expect("leaving succeeds");
    let mut staying = stage.join("one", StartAt::New).await;
    assert_eq!(sorted_ids(&take(&mut *staying, 2).await), sorted_ids(&batch));
}

pub(super) async fn what_a_dropped_member_held_is_delivered_again(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut staying = stage.join("one", StartAt::New).await;
    let mut dropped = stage.join("one", StartAt::New).await;
    // Held by whichever member is given it; that member goes.
    let batch = events("k", 1);
    stage.publish(&batch).await;
    let staying = tokio::select! {
        delivered = dropped.next(1) => {
            delivered.expect("a healthy broker delivers");
            drop(dropped);
            staying
        }
        delivered = staying.next(1) => {
            delivered.expect("a healthy broker delivers");
            drop(staying);
            dropped
        }
    };
    let mut staying = staying;
    assert_eq!(take(&mut *staying, 1).await, batch, "what a member held when it was dropped goes to another");
}

pub(super) async fn a_late_acknowledgement_acknowledges_nothing(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    let batch = events("k", 1);
    stage.publish(&batch).await;
    let first = next_one(&mut *deliveries).await;
    nack(&mut *deliveries, &first).await;
    let second = next_one(&mut *deliveries).await;
    // An error or silence will do, as long as the delivery in flight now is not taken for done.
    let _ = deliveries.ack(first.token).await;
    nack(&mut *deliveries, &second).await;
    assert_eq!(
        take(&mut *deliveries, 1).await,
        batch,
        "a late acknowledgement was credited to a later delivery"
    );
}

pub(super) async fn deliveries_are_counted(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    stage.publish(&[event("k", 0)]).await;
    for count in 1..=3 {
        let delivered = next_one(&mut *deliveries).await;
        assert_eq!(delivered.deliveries, Some(count), "the count says how often the event was delivered");
        nack(&mut *deliveries, &delivered).await;
    }
    take(&mut *deliveries, 1).await;
    stage.publish(&[event("k", 1)]).await;
    assert_eq!(next_one(&mut *deliveries).await.deliveries, Some(1), "each event has a count of its own");
}

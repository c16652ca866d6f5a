//! Promise 19, the broker's half: what is no event is delivered as the bytes it is, and stops nothing.
//!
//! That a consumer parks it is the runtime's half.

use std::sync::Arc;

use factum_core::{Bytes, StartAt};

use super::BrokerHarness;
use super::kit::*;

type Harness = Arc<dyn BrokerHarness>;

const FOREIGN: &[u8] = b"\0{ not an event \xff";

pub(super) async fn foreign_bytes_are_delivered_as_they_are(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    harness.publish_foreign(&stage.topic, Bytes::from_static(FOREIGN)).await;
    let delivered = next_one(&mut *deliveries).await;
    let undecodable = delivered.event.as_ref().expect_err("these bytes are no event");
    assert_eq!(undecodable.bytes, FOREIGN, "the bytes are those that were published");
    assert!(!undecodable.why.is_empty(), "why they are no event is said");
    nack(&mut *deliveries, &delivered).await;
    let again = next_one(&mut *deliveries).await;
    assert_eq!(again.event.as_ref().expect_err("these bytes are no event").bytes, FOREIGN);
    ack(&mut *deliveries, &again).await;
}

pub(super) async fn foreign_bytes_stop_nothing(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    stage.publish(&[event("k", 0)]).await;
    harness.publish_foreign(&stage.topic, Bytes::from_static(FOREIGN)).await;
    harness.publish_foreign(&stage.topic, Bytes::new()).await;
    stage.publish(&[event("k", 1)]).await;
    let (mut events, mut foreign) = (0, 0);
    while events + foreign < 4 {
        for delivered in next(&mut *deliveries, 4).await {
            ack(&mut *deliveries, &delivered).await;
            match delivered.event {
                Ok(_) => events += 1,
                Err(_) => foreign += 1,
            }
        }
    }
    assert_eq!((events, foreign), (2, 2));
}

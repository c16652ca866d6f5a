//! The test kit itself: what it asserts holds, and what does not hold is shown.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![cfg(feature = "sqlite")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::testing::TestApp;
use factum::{Consumer, Context, Event, EventType, Failure, Handler, PartitionKey, RetryPolicy};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Placed {
    order: String,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Paid {
    order: String,
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

impl Event for Paid {
    const TYPE: EventType = EventType::event("order.paid", 1, "payment", "order.paid");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

struct Pays;

impl Handler<Placed> for Pays {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.emit(&Paid { order: event.order });
        Ok(())
    }
}

/// Sends letters; the post is shut at first, as often as told.
#[derive(Clone, Default)]
struct Post {
    shut: Arc<AtomicU32>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Handler<Paid> for Post {
    async fn handle(&self, event: Paid, _: &mut Context<'_>) -> Result<(), Failure> {
        if self.shut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err("the post is shut".into());
        }
        self.sent.lock().unwrap().push(event.order);
        Ok(())
    }
}

async fn shop(post: &Post) -> TestApp {
    let hourly = RetryPolicy {
        immediate: 1,
        first: Duration::from_secs(3600),
        max: Duration::from_secs(3600),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    let post = post.clone();
    TestApp::open(|app| {
        app.consumer(Consumer::new("payments").on::<Placed>(Pays))
            .consumer(Consumer::new("post").on::<Paid>(post).retry(hourly))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_event_caused_is_a_diagram_and_what_waits_comes_when_the_clock_is_moved() {
    let post = Post { shut: Arc::new(AtomicU32::new(1)), ..Post::default() };
    // quote: begin
    let app = shop(&post).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    let story = app.settled(id).await;
    story.then(["order.placed", "order.paid"]);
    let diagram = "sequenceDiagram\n  test->>log: order.placed in order-42\n  log->>payments: order.placed\n  \
                   payments->>log: order.paid in payment-42\n  log-xpost: order.paid, parked: the post is shut\n";
    assert_eq!(story.to_string(), diagram);
    app.advance(Duration::from_secs(3599)).await;
    assert!(post.sent.lock().unwrap().is_empty(), "its hour has not passed");
    app.advance(Duration::from_secs(2)).await;
    assert_eq!(*post.sent.lock().unwrap(), ["42"]);
    app.settled(id).await.without_trouble();
    // quote: end
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_records_under_derived_ids_is_handled_twice_and_changes_nothing() {
    let app = shop(&Post::default()).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    app.settled(id).await;
    app.handled_twice("payments", async || ()).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "post is not idempotent: [\"42\"] became [\"42\", \"42\"]")]
async fn a_consumer_whose_effects_repeat_is_shown() {
    let post = Post::default();
    let app = shop(&post).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    app.settled(id).await;
    app.handled_twice("post", async || post.sent.lock().unwrap().clone()).await;
}

//! What errors say: what happened, where, and what to do; and never a password.

use std::time::Duration;

use factum_broker::{NatsBroker, NatsOptions};
use factum_conformance::nats::NatsServer;
use factum_core::{Broker as _, BrokerError, Bytes, Envelope, StartAt, Topic};

use crate::kit::{PAYMENTS, TOPIC, broker, event, options, server};

async fn refused(url: &str) -> BrokerError {
    let error = NatsBroker::connect(url, options()).await.err().expect("this is no server to connect to");
    assert!(!error.message.contains("s3cret"), "{error}");
    error
}

fn says(error: &BrokerError, words: &[&str]) {
    for word in words {
        assert!(error.message.contains(word), "expected {word:?} in: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_named_and_may_be_asked_again() {
    let server = server();
    server.kill();
    let error = refused(&server.url_as("ann:s3cret")).await;
    says(&error, &["no NATS server answers at nats://127.0.0.1:", "is it running?"]);
    assert!(error.is_transient);
}

#[tokio::test]
async fn refused_credentials_are_named_without_being_told() {
    let server = NatsServer::start_with(&["--jetstream", "--user", "ann", "--pass", "r1ght"]).unwrap();
    for wrong in ["ann:s3cret", "s3cret"] {
        let error = refused(&server.url_as(wrong)).await;
        says(&error, &["refuses these credentials", "nats://user:password@host:port"]);
        assert!(!error.is_transient);
    }
    says(&refused(&server.url()).await, &["refuses these credentials"]);
    let broker = NatsBroker::connect(&server.url_as("ann:r1ght"), options()).await.unwrap();
    broker.publish(&TOPIC, &[event("a", 1)]).await.unwrap();
}

#[tokio::test]
async fn a_token_is_a_user_without_a_password() {
    let server = NatsServer::start_with(&["--jetstream", "--auth", "t0ken%"]).unwrap();
    says(&refused(&server.url_as("s3cret")).await, &["refuses these credentials"]);
    NatsBroker::connect(&server.url_as("t0ken%25"), options()).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_says_how_to_get_it() {
    let server = NatsServer::start_with(&[]).unwrap();
    let error = refused(&server.url()).await;
    says(&error, &["JetStream is not enabled at nats://127.0.0.1:", "nats-server --jetstream"]);
    assert!(!error.is_transient);
}

#[tokio::test]
async fn an_event_too_large_for_the_server_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("small.conf");
    std::fs::write(&settings, "max_payload: 2000\n").unwrap();
    let server = NatsServer::start_with(&["--jetstream", "--config", settings.to_str().unwrap()]).unwrap();
    let broker = broker(&server).await;
    let large = Envelope { data: Bytes::from(vec![b'x'; 1_900]), ..event("large", 1) };
    let batch = [event("a", 0), large, event("large", 2), event("b", 3)];
    let error = broker.publish(&TOPIC, &batch).await.expect_err("the large one is refused");
    assert_eq!(error.failed, [1, 2], "and what stands behind it, of its key");
    says(&error.error, &["bytes with its headers", "takes 2000", "max_payload"]);
    assert!(!error.error.is_transient);
}

#[tokio::test]
async fn a_missing_stream_says_which_subjects_it_needs() {
    let server = server();
    let options = NatsOptions { creates_streams: false, ..options() };
    let broker = NatsBroker::connect(&server.url(), options).await.unwrap();
    let error = broker.publish(&TOPIC, &[event("a", 1)]).await.expect_err("there is no stream").error;
    says(&error, &["no stream for topic order.placed", "`order.placed` and `order.placed.*`"]);
    let error = broker.subscribe(&TOPIC, &PAYMENTS, StartAt::New).await.err().expect("there is no stream");
    says(&error, &["no stream for topic order.placed"]);
}

/// Makes a stream as its owner would.
async fn make(server: &NatsServer, config: serde_json::Value) {
    let client = async_nats::connect(server.url()).await.unwrap();
    let subject = format!("$JS.API.STREAM.CREATE.{}", config["name"].as_str().unwrap());
    let answer = client.request(subject, config.to_string().into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer.payload).contains("\"error\""), "{answer:?}");
}

#[tokio::test]
async fn a_stream_of_another_hand_is_used_when_it_promises_enough() {
    let server = server();
    make(&server, serde_json::json!({"name": "ORDERS", "subjects": ["order.>"], "storage": "file"})).await;
    let broker = broker(&server).await;
    broker.publish(&TOPIC, &[event("a", 1)]).await.unwrap();
    let mut deliveries = broker.subscribe(&TOPIC, &PAYMENTS, StartAt::Oldest).await.unwrap();
    assert_eq!(crate::kit::next(&mut *deliveries, 9).await.len(), 1);
    let other = Topic::constant("order.cancelled");
    let other_event = Envelope { ..event("a", 2) };
    broker.publish(&other, &[other_event]).await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(300), deliveries.next(9)).await;
    assert!(quiet.is_err(), "another topic's events are not this one's, although they share a stream");
}

#[tokio::test]
async fn a_stream_that_promises_less_is_refused_with_the_reason() {
    for (config, words) in [
        (
            serde_json::json!({"subjects": ["order.placed"]}),
            ["does not take the subject order.placed.~0", "order.placed.*"],
        ),
        (
            serde_json::json!({"subjects": ["order.>"], "storage": "memory"}),
            ["as durably as Memory", "PageCache"],
        ),
        (
            serde_json::json!({"subjects": ["order.>"], "retention": "workqueue"}),
            ["retention workqueue", "limits"],
        ),
        (serde_json::json!({"subjects": ["order.>"], "no_ack": true}), ["confirms nothing", "no_ack"]),
    ] {
        let server = server();
        let mut config = config;
        config["name"] = "ORDERS".into();
        if config["storage"].is_null() {
            config["storage"] = "file".into();
        }
        make(&server, config).await;
        let broker = broker(&server).await;
        let error = broker.publish(&TOPIC, &[event("a", 1)]).await.expect_err("it promises too little").error;
        says(&error, &words);
        says(&error, &["ORDERS"]);
        assert!(!error.is_transient);
    }
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_again_when_it_is_asked_for_again() {
    let server = server();
    let broker = broker(&server).await;
    broker.publish(&TOPIC, &[event("a", 1)]).await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    client.request("$JS.API.STREAM.DELETE.order~placed", "".into()).await.unwrap();
    let error = broker.publish(&TOPIC, &[event("a", 2)]).await.expect_err("nobody takes it").error;
    says(&error, &["no stream at", "publish again"]);
    assert!(error.is_transient);
    broker.publish(&TOPIC, &[event("a", 2)]).await.unwrap();
}

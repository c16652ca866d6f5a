//! What is read is what was written: every attribute, every byte.
//!
//! Never compares through a decoder: payloads need not be JSON, and JSON is never written anew.

use std::sync::Arc;

use factum_core::{Bytes, ContentType, Envelope, EventId, EventType, Query, Tag, Tags, Timestamp};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

pub(super) async fn an_envelope_reads_back_as_written(harness: Harness) {
    let store = open(&harness).await;
    let full = Envelope {
        id: EventId::new(),
        event_type: EventType::command("suite.do-it", 7, "suite.kind", "suite.topic-1"),
        key: "schlüssel \u{1F511} '\"\\%_".parse().expect("a key may hold what is no control character"),
        tags: Tags::new([tag("orderId:42"), tag("größe:x y:z"), tag("quote:'; drop table")])
            .expect("three tags are few"),
        time: "2026-01-05T10:00:00.123456Z".parse().expect("a time"),
        correlation: "corrélation/1".parse().expect("a correlation id"),
        causation: Some(EventId::new()),
        actor: Some("ann@example.org".parse().expect("an actor")),
        trace: Some(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a traceparent"),
        ),
        content_type: ContentType::constant("application/vnd.suite+json; charset=utf-8"),
        data: Bytes::from_static(b"{\"a\":1}"),
    };
    let plain = Envelope { time: Timestamp::from_micros(-1), ..event("plain") };
    let derived = Envelope { id: EventId::derived(full.id, "suite", 3), ..event("derived") };
    let batch = [full, plain, derived];
    append(&*store, "suite-é", &batch).await;
    let read = read_all(&*store).await;
    for (written, read) in batch.iter().zip(&read) {
        assert_eq!(read.envelope, *written);
        // `EventType` compares whole; named here because a store that keeps only names would lose these.
        assert_eq!(read.envelope.event_type.topic, written.event_type.topic);
        assert_eq!(read.envelope.event_type.kind, written.event_type.kind);
        assert_eq!(read.stream, stream("suite-é"));
    }
    assert_eq!(read.len(), 3);
}

pub(super) async fn a_payload_is_kept_byte_for_byte(harness: Harness) {
    let store = open(&harness).await;
    let payloads: [&[u8]; 10] = [
        b"{ \"b\" : 1.0,\n\t\"a\": 1e400, \"a\": 2 }",
        b"{\"n\":123456789012345678901234567890.0000000001}",
        b"\"\\u00e9\\/\xc3\xa9\"",
        b"",
        b"null",
        b" \n",
        b"\0\x01\x02\xff\xfe not text",
        b"'; drop table events; --",
        b"\xef\xbb\xbf{}",
        b"$1 ?1 :a %s",
    ];
    let batch: Vec<Envelope> =
        payloads.iter().map(|bytes| Envelope { data: Bytes::from_static(bytes), ..event("") }).collect();
    append(&*store, "suite-1", &batch).await;
    for (read, written) in read_all(&*store).await.iter().zip(payloads) {
        assert_eq!(&*read.envelope.data, written, "the payload is not the bytes that were written");
    }
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let large = Envelope { data: large.into(), ..event("") };
    append(&*store, "suite-2", std::slice::from_ref(&large)).await;
    assert!(read_stream(&*store, "suite-2").await[0].envelope == large, "300,000 bytes read back as written");
}

pub(super) async fn the_longest_names_fit(harness: Harness) {
    let store = open(&harness).await;
    let line = "ß".repeat(125);
    let tags = (0..Tags::COUNT_MAX).map(|n| {
        let value = format!("{n:0>width$}", width = Tag::BYTES_MAX - 2);
        Tag::new("t", &value).expect("a tag of the longest length")
    });
    let longest = Envelope {
        event_type: EventType {
            name: "n".repeat(100).parse().expect("a long name"),
            topic: "t".repeat(100).parse().expect("a long topic"),
            category: "c".repeat(60).parse().expect("a long category"),
            version: u32::MAX >> 1,
            ..HAPPENED
        },
        key: line.parse().expect("a long key"),
        correlation: line.parse().expect("a long correlation id"),
        actor: Some(line.parse().expect("a long actor")),
        tags: Tags::new(tags).expect("as many tags as are allowed"),
        ..event("long")
    };
    let name = format!("{}-{}", "s".repeat(60), "i".repeat(189));
    append(&*store, &name, std::slice::from_ref(&longest)).await;
    let read = read_stream(&*store, &name).await;
    assert_eq!(envelopes(&read), std::slice::from_ref(&longest));
    let last_tag = longest.tags.iter().last().expect("it has tags").parse().expect("it was a tag");
    assert_eq!(read_by_tag(&store, last_tag).await, 1, "the last of 64 tags is found");
}

async fn read_by_tag(store: &Arc<dyn factum_core::Store>, tag: Tag) -> usize {
    read(&**store, Query { tags: vec![tag], ..Query::all() }).await.len()
}

pub(super) async fn names_are_never_patterns(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-ab", &[tagged(["t:ab"])]).await;
    append(&*store, "suite-AB", &[tagged(["t:AB"])]).await;
    for odd in ["suite-a%", "suite-a_", "suite-'", "suite-a*", "suite-%", "suite-\u{e9}", "suite-e\u{301}"] {
        assert_eq!(
            read_stream(&*store, odd).await,
            [],
            "{odd} was never written and must not match another stream"
        );
    }
    assert_eq!(read_stream(&*store, "suite-ab").await.len(), 1, "streams differ by case");
    for odd in ["t:a%", "t:a_", "t:a", "t:%", "t:abc", "T:ab"] {
        assert_eq!(read_by_tag(&store, tag(odd)).await, 0, "{odd} must not match another tag");
    }
    assert_eq!(read_by_tag(&store, tag("t:AB")).await, 1, "tags differ by case");
}

//! The official conformance data of CloudEvents: every valid event is read and comes back the same, every invalid one
//! is refused with its reason.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test, a panic is the report")]

use std::path::{Path, PathBuf};

use factum_core::Bytes;
use factum_core::cloudevents::{
    CloudEvent, Data, batch_from_json, batch_to_json, from_http, from_json, from_kafka, to_http, to_json,
    to_kafka,
};
use serde_json::Value;

fn vectors(file: &str) -> Option<Vec<Value>> {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/cloudevents/format-json");
    let Ok(text) = std::fs::read_to_string(folder.join(file)) else {
        println!("skipped: cloudevents {file}: ../shared/vectors is absent");
        return None;
    };
    let data: Value = serde_json::from_str(&text).unwrap();
    Some(data["tests"].as_array().unwrap().clone())
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

#[test]
fn every_valid_event_is_read_and_comes_back_the_same_in_every_mode() {
    let Some(tests) = vectors("valid-events.json") else { return };
    assert_eq!(tests.len(), 10);
    let mut samples: std::collections::HashMap<String, CloudEvent> = std::collections::HashMap::new();
    for test in tests {
        let event =
            from_json(&bytes(&test["event"])).unwrap_or_else(|error| panic!("{}: {error}", test["id"]));
        assert_eq!(from_json(&to_json(&event)).as_ref(), Ok(&event), "{}", test["id"]);
        // Headers have no types: extensions come back as text.
        let (headers, body) = to_http(&event);
        let read = from_http(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())), body).unwrap();
        assert_eq!(
            (&read.id, &read.source, &read.time, &read.subject),
            (&event.id, &event.source, &event.time, &event.subject)
        );
        let (headers, body) = to_kafka(&event);
        let read = from_kafka(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())), body).unwrap();
        assert_eq!(
            (&read.id, &read.event_type, &read.data_schema),
            (&event.id, &event.event_type, &event.data_schema)
        );
        // Tests of one sample say the same event in different words.
        let sample = test["sampleId"].as_str().unwrap().to_owned();
        assert_eq!(samples.entry(sample).or_insert_with(|| event.clone()), &event, "{}", test["id"]);
    }
}

#[test]
fn every_invalid_event_is_refused_with_its_reason() {
    let Some(tests) = vectors("invalid-events.json") else { return };
    assert_eq!(tests.len(), 25);
    let reasons: Vec<String> = tests
        .iter()
        .map(|test| match from_json(&bytes(&test["event"])) {
            Ok(event) => panic!("{} was taken for valid: {event:?}", test["id"]),
            Err(error) => format!("{}: {error}", test["id"].as_str().unwrap()),
        })
        .collect();
    assert!(
        reasons
            .iter()
            .any(|reason| reason == "invalidNoId: not a CloudEvent: id: it is required, and missing")
    );
    assert!(
        reasons
            .iter()
            .any(|reason| reason == "invalidNumericId: not a CloudEvent: id: expected text, found 25")
    );
}

#[test]
fn batches_are_read_whole_or_refused_whole() {
    let (Some(valid), Some(invalid)) = (vectors("valid-batches.json"), vectors("invalid-batches.json"))
    else {
        return;
    };
    assert_eq!((valid.len(), invalid.len()), (5, 3));
    for test in valid {
        let batch =
            batch_from_json(&bytes(&test["batch"])).unwrap_or_else(|error| panic!("{}: {error}", test["id"]));
        assert_eq!(batch.len(), test["batch"].as_array().unwrap().len());
        assert_eq!(batch_from_json(&batch_to_json(&batch)).as_ref(), Ok(&batch));
    }
    for test in invalid {
        assert!(batch_from_json(&bytes(&test["batch"])).is_err(), "{}", test["id"]);
    }
}

const BODY: &[u8] = br#"{ "message": "Hello World!" }"#;

fn headers(prefix: &str, content_type: &str) -> Vec<(String, Vec<u8>)> {
    let attributes = [
        ("specversion", "1.0"),
        ("type", "com.example.someevent"),
        ("time", "2018-04-05T03:56:24Z"),
        ("id", "1234-1234-1234"),
        ("source", "/mycontext/subcontext"),
    ];
    let mut headers: Vec<_> = attributes
        .iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value.as_bytes().to_vec()))
        .collect();
    headers.push(("Content-Type".to_owned(), content_type.as_bytes().to_vec()));
    headers
}

fn borrowed(headers: &[(String, Vec<u8>)]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
}

/// The scenarios of the HTTP and Kafka features, in both modes and with parameters on the content type.
#[test]
fn http_and_kafka_are_read_in_binary_and_in_structured_mode() {
    let structured = br#"{"specversion":"1.0","type":"com.example.someevent","time":"2018-04-05T03:56:24Z",
        "id":"1234-1234-1234","source":"/mycontext/subcontext","datacontenttype":"application/json",
        "data":{ "message": "Hello World!" }}"#;
    for content_type in ["application/json", "application/json; charset=utf-8"] {
        let http = headers("CE-", content_type);
        let kafka = headers("ce_", content_type);
        let body = Bytes::from_static(BODY);
        for event in [from_http(borrowed(&http), body.clone()), from_kafka(borrowed(&kafka), body)] {
            let event = event.unwrap();
            assert_eq!(event.data_content_type.as_deref(), Some(content_type));
            assert_eq!(
                (event.id.as_str(), event.data),
                ("1234-1234-1234", Some(Data::Json(Bytes::from_static(BODY))))
            );
        }
        let content_type = content_type.replace("json", "cloudevents+json");
        let only = [("content-type".to_owned(), content_type.into_bytes())];
        let body = Bytes::from_static(structured);
        for event in [from_http(borrowed(&only), body.clone()), from_kafka(borrowed(&only), body)] {
            let event = event.unwrap();
            assert_eq!(event.source, "/mycontext/subcontext");
            assert_eq!(event.data, Some(Data::Json(Bytes::from_static(BODY))), "as written, spaces too");
        }
    }
}

#[test]
fn what_is_no_event_says_what_was_expected() {
    let plain = [("content-type".to_owned(), b"text/html".to_vec())];
    let error = from_http(borrowed(&plain), Bytes::from_static(b"<p>")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a CloudEvent: event: expected headers ce-… or the content type application/cloudevents+json, found neither"
    );
    let batch = [("content-type".to_owned(), b"application/cloudevents-batch+json".to_vec())];
    assert!(from_http(borrowed(&batch), Bytes::from_static(b"[]")).is_err());
    let twice = br#"{"specversion":"1.0","id":"1","id":"2","type":"t","source":"/s"}"#;
    assert!(from_json(twice).unwrap_err().to_string().contains("\"id\" is given twice"));
    let bytes = br#"{"specversion":"1.0","id":"1","type":"t","source":"/s","data_base64":"AP8="}"#;
    let event = from_json(bytes).unwrap();
    assert_eq!(event.data, Some(Data::Binary(Bytes::from_static(b"\x00\xff"))));
    assert_eq!(from_json(&to_json(&event)).unwrap(), event);
    for cut in 0..bytes.len() {
        assert!(from_json(&bytes[..cut]).is_err());
    }
}

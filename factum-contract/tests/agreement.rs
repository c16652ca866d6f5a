//! The compiled validator agrees with an independent implementation of JSON Schema about every payload.
//!
//! Where it is stricter, it is so on purpose and by a rule of its own: those rules are named here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "support/places.rs"]
mod places;
#[path = "support/theirs.rs"]
mod theirs;

use std::path::Path;
use std::sync::LazyLock;

use factum_contract::node::Node;
use factum_contract::{Catalog, Contract, Source, Validator, check, folder};
use places::pointers;
use proptest::prelude::*;
use serde_json::{Value, json};
use theirs::{OURS, theirs};

fn catalogs() -> Vec<Catalog> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("tests/corpus/contracts"), root.join("../examples/orders/contracts")];
    folders.iter().map(|folder| check(&folder::read(folder).unwrap()).catalog.unwrap()).collect()
}

/// One contract with both validators, compiled once.
struct Subject {
    label: String,
    ours: Validator,
    theirs: jsonschema::Validator,
    examples: Vec<Value>,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let of = |contract: &Contract| Subject {
        label: contract.label(),
        ours: Validator::of(contract).unwrap(),
        theirs: theirs(contract),
        examples: contract.examples.iter().map(Node::to_json).collect(),
    };
    catalogs().iter().flat_map(|catalog| catalog.contracts().map(of).collect::<Vec<_>>()).collect()
});

/// A value that is likely to be near some bound.
fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-12i64..1200).prop_map(Value::from),
        (-3.0f64..3.0)
            .prop_filter("whole doubles are told apart by text", |n| n.fract() != 0.0)
            .prop_map(Value::from),
        "[a-zA-Z0-9 .@:/+-]{0,8}".prop_map(Value::from),
        Just(json!("EUR")),
        Just(json!("10.50")),
        Just(json!("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c")),
        Just(json!("2026-01-05T10:00:00Z")),
        Just(json!("2026-01-05")),
        Just(json!("a@example.org")),
        Just(json!("https://example.org/a")),
        Just(json!({})),
        Just(json!([])),
        Just(json!(["x", null])),
        Just(json!({ "a": 1 })),
    ]
}

fn change(payload: &mut Value, which: usize, new: Value, kind: u8) {
    let all = pointers(payload);
    let Some(target) = payload.pointer_mut(&all[which % all.len()]) else { return };
    match (kind, target) {
        (0, Value::Object(object)) => {
            let key = object.keys().nth(which % object.len().max(1)).cloned();
            key.map(|key| object.remove(&key));
        }
        (0, Value::Array(items)) => drop(items.pop()),
        (1, Value::Object(object)) => drop(object.insert("extra".into(), new)),
        (1, Value::Array(items)) => items.push(new),
        (_, target) => *target = new,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn both_accept_and_refuse_the_same(changes in proptest::collection::vec((any::<usize>(), junk(), 0u8..4), 0..3)) {
        for subject in SUBJECTS.iter() {
            for example in &subject.examples {
                let mut payload = example.clone();
                for (which, new, kind) in &changes {
                    change(&mut payload, *which, new.clone(), *kind);
                }
                let text = payload.to_string();
                let is_valid = subject.theirs.is_valid(&payload);
                let (bytes, tree) = (subject.ours.check(text.as_bytes()), subject.ours.check_value(&payload));
                prop_assert_eq!(bytes.is_ok(), tree.is_ok(), "{} {}: {:?}", subject.label, text, tree);
                match subject.ours.check(text.as_bytes()) {
                    Ok(_) => prop_assert!(is_valid, "only ours accepts {} {}", subject.label, text),
                    Err(flaw) if OURS.contains(&flaw.rule) => {}
                    Err(flaw) => prop_assert!(!is_valid, "only ours refuses {} {}: {}", subject.label, text, flaw),
                }
            }
        }
    }
}

fn validator(payload: &str) -> Validator {
    let contract = format!(r#"{{"event":"a.b","version":1,"owner":"o","key":"id","payload":{payload}}}"#);
    let sources = [
        Source::new("system.json", r#"{"system":"s","services":{"o":{}}}"#),
        Source::new("a.json", contract),
    ];
    Validator::of(Catalog::read(&sources).unwrap().contract("a.b", 1).unwrap()).unwrap()
}

#[test]
fn what_json_schema_leaves_open_is_settled() {
    let ours = validator(
        r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"},
        "n":{"type":"integer"},"list":{"type":"array","items":{"type":"object","properties":{
        "tag":{"type":"string","role":"identifier"}}}}}}"#,
    );
    let cases = [
        (r#"{"id":"a","n":1.0}"#, "type"),
        (r#"{"id":"a","n":9223372036854775808}"#, "type"),
        (r#"{"id":"a","id":"b"}"#, "duplicate-field"),
        (r#"{"id":"a","\u0069d":"b"}"#, "duplicate-field"),
        (r#"{"id":""}"#, "key"),
        ("{\"id\":\"a\\n\"}", "key"),
        (r#"{"id":"a","list":[{"tag":""}]}"#, "identifier"),
        (r#"{"id":"a"} x"#, "json"),
        ("{\"id\":\"a\x01\"}", "json"),
        (r#"{"id":"\ud800"}"#, "json"),
        ("", "json"),
    ];
    for (payload, rule) in cases {
        assert_eq!(ours.check(payload.as_bytes()).unwrap_err().rule, rule, "{payload}");
    }
    assert_eq!(ours.check(b"{\"id\":\"\xff\"}").unwrap_err().rule, "json");
    let nested = format!(r#"{{"id":"a","other":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ours.check(nested.as_bytes()).unwrap_err().rule, "json");
    let many: Vec<String> = (0..65).map(|n| format!(r#"{{"tag":"{n}"}}"#)).collect();
    let payload = format!(r#"{{"id":"a","list":[{}]}}"#, many.join(","));
    assert_eq!(ours.check(payload.as_bytes()).unwrap_err().rule, "identifiers");
    let same = payload.replace("\"64\"", "\"0\"");
    assert!(ours.check(same.as_bytes()).is_ok(), "the same identifier counts once");
}

#[test]
fn personal_values_never_stand_in_an_error() {
    let ours = validator(
        r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string","personal":"self"},
        "mail":{"type":"string","format":"email","personal":"id"},
        "age":{"type":"integer","minimum":0,"personal":"id"}}}"#,
    );
    for payload in [r#"{"id":"a","mail":"SECRET"}"#, r#"{"id":"a","age":-987654}"#] {
        let flaw = ours.check(payload.as_bytes()).unwrap_err().to_string();
        assert!(!flaw.contains("SECRET") && !flaw.contains("987654"), "{flaw}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[{}\\[\\]\":,a-z0-9\\\\ -]{0,40}") {
        let ours = &SUBJECTS[0].ours;
        let _ = ours.check(&bytes);
        let _ = ours.check(text.as_bytes());
        let _ = ours.tags(&bytes);
    }
}

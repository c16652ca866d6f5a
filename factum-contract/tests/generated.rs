//! Generated code compiles without a warning, and agrees with the gate about every payload.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![deny(warnings, clippy::all, missing_docs)]

use std::path::{Path, PathBuf};

use factum_contract::generate::rust::{Options, generate};
use factum_contract::rt::{Decimal, Invalid};
use factum_contract::{Contracts, check, folder};
use factum_core::{Bytes, Envelope, Event, EventSet, Gate};
use serde_json::{Value, json};

#[path = "corpus/generated"]
mod generated {
    pub mod contracts;
}
use generated::contracts;

use contracts::parts::{Part, PartsClosedStatus, PartsListedStatus, v1};
use contracts::r#type::{Maybe, Ratio, Type};
use contracts::{It3dPrinted, MovePart, PartId, PartsClosed, PartsListed, PersonMoved, Place};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn gate() -> Contracts {
    Contracts::try_from(contracts::CATALOG).unwrap()
}

#[test]
fn the_corpus_is_fresh() {
    let report = check(&folder::read(&corpus().join("contracts")).unwrap());
    assert_eq!(report.errors(), 0, "{report}");
    let options = Options { root: "factum_contract::rt".to_owned(), ..Options::default() };
    let generated = generate(&report.catalog.unwrap(), &options).unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        generated.write(&corpus().join("generated")).unwrap();
    }
    assert_eq!(generated.stale(&corpus().join("generated")).unwrap(), [], "run with UPDATE_GENERATED=1");
}

fn agrees<E: Event + PartialEq + std::fmt::Debug + Clone>(example: &E) {
    let envelope = Envelope::of(example).unwrap();
    gate().admit(&envelope).unwrap();
    assert_eq!(&E::decode(&E::TYPE, &envelope.data).unwrap(), example);
    let raw = gate().envelope(E::TYPE.name.as_str(), envelope.data.clone()).unwrap();
    assert_eq!((raw.key, raw.tags), (envelope.key, envelope.tags), "gate and types agree on key and tags");
}

#[test]
fn every_example_is_admitted_and_read_back() {
    agrees(&It3dPrinted::example());
    agrees(&PartsListed::example());
    agrees(&MovePart::example());
    agrees(&PartsClosed::new(3, PartsClosedStatus::Won, None));
    agrees(&PersonMoved::example());
}

#[test]
fn a_payload_is_kept_as_it_was_sent() {
    let example = serde_json::to_value(It3dPrinted::example()).unwrap();
    assert_eq!(example["new"], Value::Null, "required and null stays");
    assert_eq!(example["build"], json!(-9_007_199_254_740_993_i64));
    assert_eq!(example["ratio"], json!("10.50"), "decimals keep their digits");
    assert_eq!(example["maybe"], json!("never-heard-of"), "unknown words are kept");
    let listed = serde_json::to_value(PartsListed::example()).unwrap();
    assert!(listed["parts"][0].get("a").is_none(), "absent stays absent");
}

#[test]
fn a_forgotten_value_is_read_and_written_whatever_its_type() {
    let mut forgotten = serde_json::to_value(PersonMoved::example()).unwrap();
    for pointer in [
        "/name",
        "/email",
        "/born",
        "/income",
        "/rooms",
        "/diet",
        "/home",
        "/phones/1",
        "/kin",
        "/boxes/0/label",
    ] {
        *forgotten.pointer_mut(pointer).unwrap() = json!({"$forgotten": true});
    }
    let event: PersonMoved = serde_json::from_value(forgotten.clone()).unwrap();
    assert!(event.name().is_forgotten() && event.income().is_forgotten() && event.home().is_forgotten());
    assert_eq!(event.phones()[0].known().map(String::as_str), Some("1"));
    assert_eq!(serde_json::to_value(&event).unwrap(), forgotten);
    agrees(&event);
    assert!(!format!("{event:?}").contains("Ada"), "what is personal is never printed");
}

#[test]
fn a_stand_in_is_accepted_for_personal_values_alone() {
    let example = serde_json::to_value(PersonMoved::example()).unwrap();
    for stand_in in [json!({"$forgotten": true}), json!({"$sealed": "1.r.1.x"})] {
        for (pointer, is_accepted) in
            [("/home", true), ("/phones/0", true), ("/phones", false), ("/personId", false)]
        {
            let mut changed = example.clone();
            *changed.pointer_mut(pointer).unwrap() = stand_in.clone();
            let is_admitted = gate().check(&PersonMoved::TYPE, changed.to_string().as_bytes()).is_ok();
            assert_eq!(is_admitted, is_accepted, "{pointer}: {stand_in}");
        }
    }
}

#[test]
fn no_error_quotes_what_is_personal() {
    let example = serde_json::to_value(PersonMoved::example()).unwrap();
    let changes = [
        ("/email", json!("canary")),
        ("/income", json!("canary")),
        ("/born", json!("canary")),
        ("/home", json!({"street": "", "canary": 1})),
        ("/home", json!({"street": "x", "canary": 1})),
        ("/kin", json!({"canary": 1})),
        ("/phones/0", json!(["canary"])),
    ];
    for (pointer, value) in changes {
        let mut changed = example.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let breach = gate().check(&PersonMoved::TYPE, changed.to_string().as_bytes()).unwrap_err();
        assert!(!format!("{breach} {breach:?}").contains("canary"), "{breach}");
        let error = serde_json::from_value::<PersonMoved>(changed).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{pointer}: {error}");
    }
}

#[test]
fn a_newer_versions_word_is_unknown_and_not_an_error() {
    assert_eq!(Maybe::from("yes"), Maybe::Yes);
    assert_eq!(Maybe::from("perhaps"), Maybe::Unknown("perhaps".to_owned()));
    assert!(PartsListedStatus::try_from("ajar").is_err());
    assert_eq!(Type::try_from("in_transit").unwrap(), Type::InTransit2);
}

#[test]
fn nothing_invalid_can_be_built() {
    let built = PartsListed::example().to_builder().parts(vec![]).build();
    assert_eq!(
        built.unwrap_err().to_string(),
        "/parts is not valid: expected at least 1 items, found 0 items"
    );
    let missing = PartsListed::builder().number(1).build();
    assert_eq!(missing.unwrap_err().to_string(), "/status is not valid: expected a value, found none");
    assert!(PartId::try_from("").is_err() && PartId::try_from("a\n").is_err());
    assert!(Ratio::try_from(Decimal::new(105, 1)).is_err(), "10.5 has one digit after the point");
    assert!(Ratio::try_from(Decimal::new(1050, 2)).is_ok());
}

#[test]
fn a_fixture_is_changed_by_name() -> Result<(), Invalid> {
    let part = Part::builder().part_id("p-9").place(Place::new("s9".try_into()?)).build()?;
    let listed =
        PartsListed::example().to_builder().parts([part]).status(PartsListedStatus::Closed).build()?;
    assert_eq!(listed.parts()[0].part_id().as_str(), "p-9");
    assert_eq!(listed.boss().map(|boss| boss.part_id().as_str()), Some("p-3"));
    Ok(())
}

#[test]
fn tags_are_found_wherever_identifiers_stand() {
    let tags = PartsListed::example().tags();
    let tags: Vec<&str> = tags.iter().collect();
    assert_eq!(tags, ["partId:p-1", "partId:p-2", "partId:p-3", "shelf:s1"]);
}

#[test]
fn an_older_version_is_read_as_the_one_that_is_generated() {
    let old = factum_core::EventType { version: 1, ..PartsClosed::TYPE };
    let envelope = Envelope::raw(old, "7".parse().unwrap(), Bytes::from_static(br#"{"number":7}"#));
    gate().admit(&envelope).unwrap();
    let opened = gate().open(&envelope, &PartsClosed::TYPE).unwrap().unwrap();
    let event = PartsClosed::decode(&opened.event_type, &opened.data).unwrap();
    assert_eq!(event, PartsClosed::new(7, PartsClosedStatus::Won, None));
}

#[test]
fn an_earlier_version_is_built_sent_and_brought_up_to_date() {
    let old = v1::PartsClosed::new(7, None, Some(Place::new("s1".try_into().unwrap())));
    let envelope = Envelope::of(&old).unwrap();
    gate().admit(&envelope).unwrap();
    let opened = gate().open(&envelope, &PartsClosed::TYPE).unwrap().unwrap();
    let new = PartsClosed::try_from(old).unwrap();
    assert_eq!(PartsClosed::decode(&opened.event_type, &opened.data).unwrap(), new, "as the gate opens it");
    assert_eq!((new.number(), new.status()), (7, &PartsClosedStatus::Won));
    assert_eq!(
        new.place().map(|place| place.shelf().as_str()),
        Some("s1"),
        "the type of a place is the same"
    );
}

#[test]
fn what_is_absent_is_read_as_its_default_and_written_out() {
    let json = br#"{"number":1,"status":"open","parts":[{"partId":"a"}]}"#;
    let listed = PartsListed::from_json(json).unwrap();
    assert_eq!((listed.size().get(), listed.word().as_str()), (3, "plain"));
    let again = serde_json::to_value(&listed).unwrap();
    assert_eq!((&again["size"], &again["word"]), (&json!(3), &json!("plain")));
    let built =
        PartsListed::builder().number(1).status("open").parts(listed.parts().to_vec()).build().unwrap();
    assert_eq!(built, listed, "a builder leaves it at the default");
}

#[test]
fn a_payload_that_does_not_fit_is_explained_with_its_path() {
    let json = br#"{"number":1,"status":"open","parts":[{"partId":"a"},{"partId":7}]}"#;
    let error = PartsListed::from_json(json).unwrap_err();
    assert_eq!(error.to_string(), "/parts/1/partId is not valid: expected text, found a number");
    let error = PartsListed::from_json(b"{").unwrap_err();
    assert_eq!(error.path, "");
}

/// Made of numbers: always the same, always valid, always read back.
fn is_always_valid<E: Event + PartialEq + std::fmt::Debug + Clone>(make: fn(u64) -> E) {
    for seed in 0..300 {
        let event = make(seed);
        assert_eq!(event, make(seed));
        agrees(&event);
    }
}

#[test]
fn every_number_makes_a_valid_event() {
    is_always_valid(It3dPrinted::arbitrary_valid);
    is_always_valid(PartsListed::arbitrary_valid);
    is_always_valid(PartsClosed::arbitrary_valid);
    is_always_valid(MovePart::arbitrary_valid);
    let least = serde_json::to_value(PartsClosed::arbitrary_valid(0)).unwrap();
    assert_eq!(least.as_object().unwrap().len(), 2, "0 has what is required alone");
    let most = serde_json::to_value(PartsClosed::arbitrary_valid(1)).unwrap();
    assert_eq!(most.as_object().unwrap().len(), 3, "1 has everything");
}

#[test]
fn every_rule_is_broken_and_refused_by_gate_and_type() {
    let broken = It3dPrinted::invalid_json();
    let rules: std::collections::BTreeSet<&str> = broken.iter().map(|one| one.rule).collect();
    let expected = [
        "additionalProperties",
        "const",
        "enum",
        "exclusiveMaximum",
        "format",
        "identifier",
        "key",
        "maxItems",
        "maxLength",
        "minimum",
        "multipleOf",
        "pattern",
        "required",
        "type",
    ];
    assert_eq!(rules.into_iter().collect::<Vec<_>>(), expected);
    for one in &broken {
        let breach = gate().check(&It3dPrinted::TYPE, one.json.as_bytes()).unwrap_err();
        assert_eq!((breach.rule.as_str(), &breach.path), (one.rule, &one.path));
        let error = It3dPrinted::from_json(one.json.as_bytes()).unwrap_err();
        assert_eq!(error.path, one.path, "{one:?}");
    }
}

/// Each change breaks the contract: the gate names a rule, and the type refuses to be read.
#[test]
fn what_the_gate_refuses_cannot_be_read_either() {
    let changes = [
        ("/self", json!(7), "type"),
        ("/self", json!(""), "key"),
        ("/type", json!("other"), "enum"),
        ("/build", json!(1.5), "type"),
        ("/key", json!(0), "minimum"),
        ("/key", json!(7), "multipleOf"),
        ("/grade", json!(1.5), "exclusiveMaximum"),
        ("/grade", json!(-0.1), "minimum"),
        ("/ratio", json!("10.5"), "pattern"),
        ("/ratio", json!("ten"), "format"),
        ("/ratio", json!(10.5), "type"),
        ("/price", json!(10.5), "type"),
        ("/price", json!("1_0"), "format"),
        ("/sizes/d", json!(-4), "minimum"),
        ("/labels/0", json!("too long"), "maxLength"),
        ("/labels", json!(["a", "b", "c", "d"]), "maxItems"),
        ("/contact", json!("nobody"), "format"),
        ("/site", json!("nowhere"), "format"),
        ("/day", json!("2026-02-30"), "format"),
        ("/sure", json!("never"), "const"),
        ("/price", Value::Null, "type"),
        ("/contact", Value::Null, "type"),
        ("/day", Value::Null, "type"),
        ("/tags", json!([null]), "type"),
        ("/extra", json!(1), "additionalProperties"),
    ];
    let example = serde_json::to_value(It3dPrinted::example()).unwrap();
    for (pointer, value, rule) in changes {
        let mut changed = example.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        }
        let breach = gate().check(&It3dPrinted::TYPE, changed.to_string().as_bytes()).unwrap_err();
        assert_eq!(breach.rule, rule, "{pointer}: {breach}");
        let is_whole = ["required", "additionalProperties"].contains(&rule);
        assert!(is_whole || breach.path.starts_with(pointer), "{pointer}: {breach}");
        assert!(serde_json::from_value::<It3dPrinted>(changed).is_err(), "{pointer} can be read");
    }
}

//! The judge on generated schemas: no document may contradict a verdict.
//!
//! Schemas and documents share a small vocabulary, so that documents often meet rules and often just miss them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use factum_contract::contract::Policy;
use factum_contract::judge::{Formats, Mode, Options, Verdict, judge};
use jsoncompat::{CompatibilityResult, Role, SchemaDocument, analyze_compat};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Documents that are tried against one verdict.
const DOCUMENTS: usize = 150;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "x"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.5),
        json!(2),
        json!(3),
        json!(-1),
        json!(""),
        json!("a"),
        json!("b"),
        json!("ab"),
        json!("abc"),
    ])
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "^a",
        "b$",
        "^ab?$",
        "x",
        "^[a-c]*$",
        "^.{2}$",
        "a|b",
        "^[^a]+$",
        "^(a|ab)(b|c|$)",
        "^\\w*$",
        "^(?!a)",
        "^$",
    ])
    .prop_map(str::to_owned)
}

fn leaf_keyword() -> impl Strategy<Value = (String, Value)> {
    let kind =
        prop::sample::select(vec!["null", "boolean", "integer", "number", "string", "array", "object"]);
    let kinds = prop::collection::vec(kind.clone(), 1..4);
    let bound = prop::sample::select(vec![json!(-1), json!(0), json!(1), json!(1.5), json!(2), json!(3)]);
    let count = (0_u8..4).prop_map(|count| json!(count));
    let pair = |keyword: &str, value: Value| (keyword.to_owned(), value);
    prop_oneof![
        4 => kind.prop_map(move |kind| pair("type", json!(kind))),
        2 => kinds.prop_map(move |kinds| {
            let set: std::collections::BTreeSet<&str> = kinds.into_iter().collect();
            pair("type", json!(set))
        }),
        2 => prop::collection::vec(document(), 1..4).prop_map(move |values| pair("enum", json!(values))),
        1 => document().prop_map(move |value| pair("const", value)),
        3 => (prop::sample::select(vec!["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), bound)
            .prop_map(move |(keyword, bound)| pair(keyword, bound)),
        1 => prop::sample::select(vec![json!(1), json!(0.5), json!(2), json!(3)])
            .prop_map(move |step| pair("multipleOf", step)),
        3 => (
            prop::sample::select(vec![
                "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
            ]),
            count,
        )
            .prop_map(move |(keyword, count)| pair(keyword, count)),
        1 => pattern().prop_map(move |pattern| pair("pattern", json!(pattern))),
        1 => Just(pair("uniqueItems", json!(true))),
        2 => prop::collection::btree_set(name(), 0..3).prop_map(move |names| pair("required", json!(names))),
        1 => (name(), prop::collection::btree_set(name(), 0..2))
            .prop_map(move |(name, needs)| pair("dependentRequired", json!({ name: needs }))),
    ]
}

fn object_of(keywords: Vec<Vec<(String, Value)>>) -> Value {
    Value::Object(keywords.into_iter().flatten().collect::<Map<String, Value>>())
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::Bool),
        8 => prop::collection::vec(leaf_keyword().prop_map(|pair| vec![pair]), 1..4).prop_map(object_of),
        1 => Just(json!({ "$ref": "#" })),
        1 => Just(json!({ "$ref": "#/$defs/d" })),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let one = |keyword: &'static str, inner: BoxedStrategy<Value>| {
            inner.prop_map(move |schema| vec![(keyword.to_owned(), schema)])
        };
        let many = |keyword: &'static str, inner: BoxedStrategy<Value>| {
            prop::collection::vec(inner, 1..4)
                .prop_map(move |schemas| vec![(keyword.to_owned(), json!(schemas))])
        };
        let inner = inner.boxed();
        let fields = prop::collection::btree_map(name(), inner.clone(), 1..4)
            .prop_map(|fields| vec![("properties".to_owned(), json!(fields))]);
        let patterns = prop::collection::btree_map(pattern(), inner.clone(), 1..3)
            .prop_map(|fields| vec![("patternProperties".to_owned(), json!(fields))]);
        let contains = (inner.clone(), 0_u8..3, prop::option::of(0_u8..3)).prop_map(|(item, min, max)| {
            let mut pairs = vec![("contains".to_owned(), item), ("minContains".to_owned(), json!(min))];
            pairs.extend(max.map(|max| ("maxContains".to_owned(), json!(max))));
            pairs
        });
        let condition = (inner.clone(), inner.clone(), inner.clone()).prop_map(|(test, then, other)| {
            vec![("if".to_owned(), test), ("then".to_owned(), then), ("else".to_owned(), other)]
        });
        let dependent = (name(), inner.clone())
            .prop_map(|(name, then)| vec![("dependentSchemas".to_owned(), json!({ name: then }))]);
        let keyword = prop_oneof![
            6 => leaf_keyword().prop_map(|pair| vec![pair]),
            4 => fields,
            2 => patterns,
            2 => one("additionalProperties", inner.clone()),
            1 => one("unevaluatedProperties", inner.clone()),
            1 => one("unevaluatedItems", inner.clone()),
            1 => one("propertyNames", inner.clone()),
            2 => one("items", inner.clone()),
            1 => many("prefixItems", inner.clone()),
            1 => contains,
            2 => many("allOf", inner.clone()),
            2 => many("anyOf", inner.clone()),
            2 => many("oneOf", inner.clone()),
            1 => one("not", inner.clone()),
            1 => condition,
            1 => dependent,
        ];
        prop::collection::vec(keyword, 1..4).prop_map(object_of)
    })
}

/// A schema with something to refer to.
fn root() -> impl Strategy<Value = Value> {
    (schema(), schema()).prop_map(|(mut root, definition)| {
        if let Value::Object(keywords) = &mut root {
            keywords.insert("$defs".to_owned(), json!({ "d": definition }));
        }
        root
    })
}

/// Pairs that have something to do with each other: unrelated ones break in boring ways.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        2 => (root(), root()),
        2 => (root(), leaf_keyword()).prop_map(|(old, extra)| {
            let mut new = old.clone();
            if let Value::Object(keywords) = &mut new {
                keywords.insert(extra.0, extra.1);
            }
            (old, new)
        }),
        1 => (schema(), schema()).prop_map(|(one, other)| (one.clone(), json!({ "anyOf": [other, one] }))),
        1 => (schema(), schema()).prop_map(|(one, other)| (json!({ "allOf": [one, other] }), other)),
        1 => (schema(), schema()).prop_map(|(one, other)| {
            (json!({ "oneOf": [one, other] }), json!({ "anyOf": [one, other] }))
        }),
        1 => (schema(), schema()).prop_map(|(one, other)| {
            (json!({ "not": { "anyOf": [one, other] } }), json!({ "not": one }))
        }),
    ]
    .prop_flat_map(|(old, new)| prop_oneof![Just((old.clone(), new.clone())), Just((new, old))])
    .prop_flat_map(|(old, new)| prop_oneof![3 => Just((old.clone(), new.clone())), 1 => Just((as_draft7(old), as_draft7(new)))])
}

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

/// The same schema in the words of draft 7, as far as it has them.
fn as_draft7(mut schema: Value) -> Value {
    to_old_words(&mut schema);
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("$schema".to_owned(), json!(DRAFT_7));
    }
    schema
}

fn to_old_words(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let rest =
                keywords.remove("prefixItems").and_then(|first| keywords.insert("items".to_owned(), first));
            keywords.extend(rest.map(|rest| ("additionalItems".to_owned(), rest)));
            for keyword in ["dependentRequired", "dependentSchemas"] {
                if let Some(needs) = keywords.remove(keyword) {
                    keywords.insert("dependencies".to_owned(), needs);
                }
            }
            keywords.values_mut().for_each(to_old_words);
        }
        Value::Array(items) => items.iter_mut().for_each(to_old_words),
        _ => {}
    }
}

fn compile(schema: &Value) -> Option<jsonschema::Validator> {
    let is_old = schema.get("$schema").is_some();
    let draft = if is_old { jsonschema::Draft::Draft7 } else { jsonschema::Draft::Draft202012 };
    jsonschema::options().with_draft(draft).should_validate_formats(false).build(schema).ok()
}

/// What the crate `jsoncompat` says; nothing where it does not take a schema, or may not come back from a reference.
fn other_prover(old: &Value, new: &Value) -> Option<CompatibilityResult> {
    if [old, new].iter().any(|schema| schema.to_string().contains("$ref")) {
        return None;
    }
    let document = |schema: &Value| SchemaDocument::from_json(schema).ok();
    // There the old schema reads what the new one writes.
    analyze_compat(&document(new)?, &document(old)?, Role::Serializer).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn judge_is_never_contradicted_by_a_document(
        (old, new) in pair(),
        documents in prop::collection::vec(document(), DOCUMENTS),
    ) {
        let verdict = judge(&old, &new, Mode::Backward, Options::default());
        let (Some(writer), Some(reader)) = (compile(&old), compile(&new)) else { return Ok(()) };
        match verdict {
            Verdict::Compatible => {
                for document in &documents {
                    prop_assert!(
                        !writer.is_valid(document) || reader.is_valid(document),
                        "compatible, but {document}:\n{old}\n{new}"
                    );
                }
            }
            Verdict::Breaking(found) => {
                let document = &found.counterexample;
                prop_assert!(writer.is_valid(document) && !reader.is_valid(document), "{document}:\n{old}\n{new}");
            }
            Verdict::Unknown { why } => if std::env::var("JUDGE_TELL").is_ok() {
                eprintln!("unknown: {why}\n  {old}\n  {new}");
            }
        }
    }

    #[test]
    fn judge_finds_every_schema_compatible_with_itself(schema in root()) {
        let same = json!({ "allOf": [schema.clone()] });
        for policy in [Policy::Strict, Policy::Lenient] {
            let options = Options { policy, formats: Formats::Told };
            let verdict = judge(&schema, &schema, Mode::Full, options);
            prop_assert!(verdict.as_break().is_none(), "{verdict:?}\n{schema}");
        }
        let verdict = judge(&schema, &same, Mode::Full, Options::default());
        prop_assert!(verdict.as_break().is_none() || schema.to_string().contains("$ref"), "{verdict:?}\n{schema}");
    }

    #[test]
    fn judge_is_more_tolerant_when_lenient((old, new) in pair()) {
        let lenient = Options { policy: Policy::Lenient, formats: Formats::Told };
        if judge(&old, &new, Mode::Backward, Options::default()) == Verdict::Compatible {
            let verdict = judge(&old, &new, Mode::Backward, lenient);
            prop_assert!(verdict.as_break().is_none(), "{verdict:?}\n{old}\n{new}");
        }
    }

    #[test]
    fn judge_is_not_refuted_by_another_prover((old, new) in pair()) {
        let (Some(writer), Some(reader)) = (compile(&old), compile(&new)) else { return Ok(()) };
        let Some(theirs) = other_prover(&old, &new) else { return Ok(()) };
        let ours = judge(&old, &new, Mode::Backward, Options::default());
        if let (Verdict::Compatible, CompatibilityResult::Incompatible { counterexample, .. }) = (&ours, &theirs) {
            prop_assert!(
                !writer.is_valid(counterexample) || reader.is_valid(counterexample),
                "compatible, but {counterexample}:\n{old}\n{new}"
            );
        }
        if std::env::var("JUDGE_TELL").is_ok() {
            eprintln!("ours {}, theirs {}", ours.as_str(), serde_json::to_value(&theirs).unwrap()["status"]);
        }
    }
}

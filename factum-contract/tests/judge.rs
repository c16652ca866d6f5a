//! The judge's promises on schemas and contracts, one by one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use factum_contract::contract::{Compatibility, Policy};
use factum_contract::judge::compare::{Advice, ChangeKind, Outcome};
use factum_contract::judge::pairs::judge_pairs;
use factum_contract::judge::{
    BreakRule, Comparison, Formats, Mode, Options, Side, Verdict, compare, compare_promised, compare_under,
    judge,
};
use factum_contract::{Catalog, Contract, Source};
use serde_json::{Value, json};

const LENIENT: Options = Options { policy: Policy::Lenient, formats: Formats::Told };

fn strict(old: Value, new: Value) -> Verdict {
    judge(&old, &new, Mode::Backward, Options::default())
}

fn assert_compatible(old: Value, new: Value) {
    assert_eq!(strict(old.clone(), new.clone()), Verdict::Compatible, "{old}\n{new}");
}

fn assert_breaks(old: Value, new: Value, rule: BreakRule) {
    let verdict = strict(old.clone(), new.clone());
    assert_eq!(verdict.as_break().map(|found| found.rule), Some(rule), "{old}\n{new}\n{verdict:?}");
}

#[test]
fn judge_compares_numbers_exactly() {
    assert_compatible(json!({ "multipleOf": 0.3, "type": "number" }), json!({ "multipleOf": 0.1 }));
    assert_compatible(
        json!({ "type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2 }),
        json!({ "const": 1 }),
    );
    assert_compatible(json!({ "type": "integer", "minimum": 0.5, "maximum": 0.7 }), json!(false));
    assert_breaks(
        json!({ "maximum": 9007199254740993_u64 }),
        json!({ "maximum": 9007199254740992_u64 }),
        BreakRule::Bounds,
    );
    assert_breaks(
        json!({ "multipleOf": 2, "type": "integer" }),
        json!({ "multipleOf": 4 }),
        BreakRule::Multiple,
    );
}

#[test]
fn judge_compares_patterns_as_languages() {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    assert_compatible(text("^[A-Z]{3}$"), text("^[A-Z]+$"));
    assert_compatible(text("^(foo|bar)$"), text("^[a-z]{3}$"));
    assert_compatible(text("^a{2,4}$"), json!({ "minLength": 2, "maxLength": 4 }));
    assert_compatible(json!({ "enum": ["EUR", "USD"] }), text("^[A-Z]{3}$"));
    assert_compatible(text("^\\d+$"), text("^[0-9]*$"));
    assert_breaks(text("^[A-Z]{2,3}$"), text("^[A-Z]{3}$"), BreakRule::Pattern);
    assert_breaks(json!({ "type": "string" }), text("^[^\\u0000]*$"), BreakRule::Pattern);
}

#[test]
fn judge_follows_recursion() {
    let tree = |value: Value| {
        json!({
            "type": "object",
            "properties": { "value": value, "children": { "type": "array", "items": { "$ref": "#" } } },
            "additionalProperties": false,
        })
    };
    assert_compatible(tree(json!({ "type": "integer" })), tree(json!({ "type": "number" })));
    assert_breaks(tree(json!({ "type": "number" })), tree(json!({ "type": "integer" })), BreakRule::Type);
    let list = json!({ "$ref": "#/$defs/l", "$defs": { "l": { "anyOf": [
        { "type": "null" },
        { "type": "array", "prefixItems": [{}, { "$ref": "#/$defs/l" }], "items": false, "minItems": 2 },
    ] } } });
    assert_compatible(list.clone(), json!({ "type": ["array", "null"], "maxItems": 2 }));
    assert_breaks(list, json!({ "type": ["array", "null"], "maxItems": 1 }), BreakRule::ItemCount);
}

#[test]
fn judge_tells_the_branches_of_a_union_apart() {
    let circle = json!({ "type": "object", "required": ["kind", "radius"],
        "properties": { "kind": { "const": "circle" }, "radius": { "type": "number" } } });
    let square = json!({ "type": "object", "required": ["kind", "side"],
        "properties": { "kind": { "const": "square" }, "side": { "type": "number" } } });
    let line =
        json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "const": "line" } } });
    let two = json!({ "oneOf": [circle, square] });
    let three = json!({ "oneOf": [circle, square, line] });
    assert_compatible(two.clone(), three.clone());
    assert_compatible(two.clone(), json!({ "anyOf": [square, circle] }));
    assert_breaks(three, two, BreakRule::NoBranch);
}

#[test]
fn judge_tells_the_branches_of_a_long_union_apart() {
    let union = |count: usize, min: u64| {
        let branch = |n: usize| {
            let size = format!("size{n}");
            json!({ "type": "object", "required": ["kind", size], "additionalProperties": false,
                "properties": { "kind": { "const": format!("kind{n}") }, size: { "type": "integer", "minimum": min },
                    "parts": { "type": "array", "items": { "$ref": "#" } } } })
        };
        json!({ "oneOf": (0..count).map(branch).collect::<Vec<_>>() })
    };
    assert_compatible(union(24, 1), union(25, 0));
    assert_breaks(union(25, 1), union(24, 0), BreakRule::NoBranch);
    assert_breaks(union(24, 0), union(24, 1), BreakRule::NoBranch);
}

#[test]
fn judge_reads_tuples_of_both_dialects() {
    let old = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "array",
        "items": [{ "type": "integer" }, { "type": "string" }], "additionalItems": false });
    let new = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "array",
        "prefixItems": [{ "type": "number" }, { "type": "string" }], "items": false });
    assert_compatible(old.clone(), new.clone());
    assert_breaks(new, old, BreakRule::Type);
}

#[test]
fn judge_reads_open_bounds_of_draft_4() {
    let bound = |is_open: bool| json!({ "$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 0, "exclusiveMinimum": is_open });
    assert_compatible(bound(true), bound(false));
    assert_breaks(bound(false), bound(true), BreakRule::Bounds);
    let why = "draft 4 and later drafts disagree about whole numbers".to_owned();
    assert_eq!(strict(bound(true), json!({ "minimum": 0 })), Verdict::Unknown { why });
}

#[test]
fn judge_counts_what_lists_contain() {
    let holds = |min: u64, max: u64| json!({ "type": "array", "contains": { "const": 1 }, "minContains": min, "maxContains": max });
    assert_compatible(holds(2, 3), holds(1, 4));
    assert_breaks(holds(1, 4), holds(2, 4), BreakRule::Contains);
    assert_compatible(
        json!({ "type": "array", "items": { "enum": [1, 2] }, "uniqueItems": true }),
        json!({ "maxItems": 2 }),
    );
    assert_breaks(
        json!({ "type": "array", "maxItems": 2 }),
        json!({ "uniqueItems": true }),
        BreakRule::ItemsTwice,
    );
}

#[test]
fn judge_knows_what_is_left_unevaluated() {
    let old = json!({
        "type": "object",
        "allOf": [{ "properties": { "a": true } }],
        "anyOf": [{ "properties": { "b": true }, "required": ["b"] }, true],
        "unevaluatedProperties": false,
    });
    let named = |names: &[&str]| {
        let named: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
        json!({ "properties": named, "additionalProperties": false })
    };
    assert_compatible(old.clone(), named(&["a", "b"]));
    assert_breaks(old, named(&["a"]), BreakRule::FieldRefused);
}

#[test]
fn judge_decides_conditions_and_dependencies() {
    let old = json!({ "type": "object", "required": ["country"],
        "properties": { "country": { "enum": ["DE", "US"] }, "zip": { "type": "string" } },
        "if": { "properties": { "country": { "const": "US" } } }, "then": { "required": ["zip"] } });
    let mut new = old.clone();
    new["then"] = json!(true);
    assert_compatible(old.clone(), new.clone());
    assert_breaks(new, old, BreakRule::FieldMissing);
    assert_compatible(
        json!({ "dependentRequired": { "a": ["b"], "b": ["c"] } }),
        json!({ "dependentRequired": { "a": ["c"] } }),
    );
}

#[test]
fn judge_takes_an_optional_field_as_breaking_only_when_strict() {
    let old = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let new =
        json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    assert_breaks(old.clone(), new.clone(), BreakRule::Type);
    assert_eq!(judge(&old, &new, Mode::Full, LENIENT), Verdict::Compatible);
}

#[test]
fn judge_finds_lenient_breaks_in_what_is_declared() {
    let old =
        json!({ "type": "object", "properties": { "a": { "properties": { "b": { "type": "number" } } } } });
    let new =
        json!({ "type": "object", "properties": { "a": { "properties": { "b": { "type": "integer" } } } } });
    let verdict = judge(&old, &new, Mode::Backward, LENIENT);
    assert_eq!(verdict.as_break().unwrap().path, "/a/b");
    assert_eq!(judge(&new, &old, Mode::Backward, LENIENT), Verdict::Compatible);
}

#[test]
fn judge_proves_nothing_by_writers_that_can_send_nothing() {
    let old = json!({ "type": "object", "properties": { "a": true }, "required": ["id"] });
    let new = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] });
    assert_eq!(judge(&old, &new, Mode::Backward, LENIENT).as_break().unwrap().path, "/id");
    let old = json!({ "type": "object", "properties": { "a": true }, "minProperties": 2 });
    let verdict = judge(&old, &json!({ "type": "string" }), Mode::Backward, LENIENT);
    assert_eq!(
        verdict,
        Verdict::Unknown { why: "the writer must send fields that it does not declare".to_owned() }
    );
}

#[test]
fn judge_lets_closed_readers_refuse_even_when_lenient() {
    let old =
        json!({ "type": "object", "properties": { "a": true, "b": true }, "additionalProperties": false });
    let new = json!({ "type": "object", "properties": { "a": true }, "additionalProperties": false });
    let verdict = judge(&old, &new, Mode::Backward, LENIENT);
    assert_eq!(verdict.as_break().unwrap().rule, BreakRule::FieldRefused);
}

#[test]
fn judge_names_the_side_that_breaks() {
    let (old, new) = (json!({ "type": "integer" }), json!({ "type": "number" }));
    let forward = judge(&old, &new, Mode::Forward, Options::default());
    assert_eq!(forward.as_break().unwrap().side, Side::Producer);
    let backward = judge(&new, &old, Mode::Backward, Options::default());
    assert_eq!(backward.as_break().unwrap().side, Side::Consumer);
    assert!(judge(&old, &new, Mode::Full, Options::default()).as_break().is_some());
}

#[test]
fn judge_says_unknown_with_a_reason() {
    let remote = json!({ "$ref": "https://example.org/schema.json" });
    let Verdict::Unknown { why } = strict(json!({ "type": "string" }), remote) else { panic!("not unknown") };
    assert_eq!(why, "a reference leads out of the document");
    let ahead = |text: &str| json!({ "type": "string", "pattern": text });
    let verdict = strict(ahead("^(?=a)[a-c]+$"), ahead("^(?=a)[a-z]+$"));
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
}

#[test]
fn judge_never_takes_two_things_it_does_not_know_for_the_same() {
    let remote = |address: &str| json!({ "properties": { "a": { "$ref": address } } });
    let is_unknown = |old: Value, new: Value| {
        let verdict = strict(old.clone(), new.clone());
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{old}\n{new}\n{verdict:?}");
    };
    is_unknown(remote("a.json"), remote("b.json"));
    is_unknown(remote("#nowhere"), remote("#elsewhere"));
    is_unknown(json!({ "minimum": "1" }), json!({ "minimum": "2" }));
    let wider = json!({ "properties": { "a": { "$ref": "a.json" } }, "description": "the same" });
    assert_compatible(remote("a.json"), wider);
    let deep = |leaf: &str| (0..300).fold(json!({ "type": leaf }), |inner, _| json!({ "items": inner }));
    is_unknown(deep("number"), deep("integer"));
}

#[test]
fn judge_answers_in_bounded_time() {
    let branch = |n: usize| {
        json!({ "type": "object", "required": [format!("a{n}"), format!("b{n}")],
            "properties": { format!("a{n}"): { "minLength": n }, format!("b{n}"): { "pattern": format!("x{{{n}}}") } } })
    };
    let many: Vec<Value> = (1..14).map(branch).collect();
    let started = std::time::Instant::now();
    let verdict = strict(json!({ "anyOf": many }), json!({ "oneOf": many }));
    assert_ne!(verdict, Verdict::Compatible);
    for (old, new) in [
        (json!({ "minProperties": 290 }), json!({ "minProperties": 291 })),
        (json!({ "minItems": 290, "uniqueItems": true }), json!({ "minItems": 291 })),
        (json!({ "type": "string", "minLength": 90_000 }), json!({ "minLength": 90_001 })),
    ] {
        assert!(strict(old, new).as_break().is_some());
    }
    assert!(matches!(
        strict(json!({ "minItems": 1_000_000_000 }), json!({ "maxItems": 7 })),
        Verdict::Unknown { .. }
    ));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn judge_reads_and_writes_pairs_line_by_line() {
    let lines = r#"{ "id": 1, "old": { "type": "integer" }, "new": { "type": "number" } }

{ "id": "b", "old": true, "new": { "required": ["x"] } }
{ "id": 3, "old": {}, "new": { "$ref": "other.json" } }"#;
    let verdicts = judge_pairs(lines, Mode::Backward, Options::default()).unwrap();
    let lines: Vec<String> = verdicts.iter().map(|verdict| serde_json::to_string(verdict).unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let error = judge_pairs("{}\n", Mode::Backward, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "line 1: expected an object with `id`");
}

fn contract(text: &str) -> Contract {
    let system = "system: shop\nservices: { orders: { team: t }, stock: { team: t } }\nteams: { t: {} }\n";
    let sources = [Source::new("system.yaml", system), Source::new("order.placed.yaml", text)];
    let catalog = Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"));
    catalog.contracts().next().unwrap().clone()
}

const OLD: &str = "
event: order.placed
version: 1
summary: A customer ordered.
owner: orders
key: orderId
ordering: per-key
payload:
  type: object
  required: [orderId, amount, customer]
  properties:
    orderId: { type: string, format: uuid, role: identifier }
    customer: { type: string, personal: self }
    amount:  { type: integer, minimum: 0, unit: cent }
    note:    { type: string, maxLength: 100 }
    email:   { type: string, format: email }
    channel: { enum: [web, shop], extensible: true }
    items:
      type: array
      items: { type: object, required: [sku], properties: { sku: { type: string, minLength: 1 } } }
reserved: [discount]
";

const NEW: &str = "
event: order.placed
version: 2
summary: A customer completed checkout.
owner: stock
topic: orders
key: orderId
ordering: none
payload:
  type: object
  required: [orderId, amount, customer, currency]
  properties:
    orderId:  { type: string, format: uuid, role: identifier }
    customer: { type: string, personal: self }
    amount:   { type: integer, minimum: 1, unit: euro }
    note:     { type: [string, \"null\"], maxLength: 80 }
    channel:  { enum: [web, shop, phone], extensible: true }
    currency: { type: string, pattern: \"^[A-Z]{3}$\", default: EUR }
    discount: { type: integer }
    items:
      type: array
      minItems: 1
      items: { type: object, required: [sku], properties: { sku: { type: string, minLength: 3 }, count: { type: integer } } }
";

#[test]
fn judge_lists_every_change_of_a_contract() {
    let comparison = compare(&contract(OLD), &contract(NEW));
    insta::assert_snapshot!(comparison.to_text());
}

#[test]
fn judge_serialises_comparisons_for_other_tools() {
    let new = OLD.replace("version: 1", "version: 2").replace("minimum: 0", "minimum: 1");
    let comparison = compare(&contract(OLD), &contract(&new));
    insta::assert_snapshot!(serde_json::to_string_pretty(&comparison).unwrap());
}

fn changed(from: &str, to: &str) -> Comparison {
    let new = OLD.replace("version: 1", "version: 2").replace(from, to);
    assert!(new.contains(to));
    compare(&contract(OLD), &contract(&new))
}

#[test]
fn judge_advises_to_keep_the_version_when_only_words_changed() {
    let comparison = changed("A customer ordered.", "Somebody ordered.");
    assert_eq!(comparison.advice, Advice::None);
    assert_eq!(comparison.changes.len(), 1);
    assert_eq!(comparison.changes[0].kind, ChangeKind::Wording);
}

#[test]
fn judge_advises_overlap_only_when_the_promise_breaks() {
    assert_eq!(changed("maxLength: 100", "maxLength: 200").advice, Advice::Compatible);
    let narrower = changed("maxLength: 100", "maxLength: 50");
    assert_eq!(narrower.advice, Advice::Breaking);
    assert_eq!(narrower.keeps(Compatibility::Forward), Outcome::Compatible);
    assert!(matches!(narrower.keeps(Compatibility::FullTransitive), Outcome::Breaking(_)));
}

#[test]
fn judge_says_of_a_default_who_must_apply_it() {
    let old = contract(OLD);
    let new = OLD
        .replace("version: 1", "version: 2")
        .replace("[orderId, amount, customer]", "[orderId, amount, customer, note]");
    let new = contract(&new.replace("maxLength: 100", "maxLength: 100, default: none"));
    let comparison = compare(&old, &new);
    let change = comparison.changes.iter().find(|change| change.kind == ChangeKind::Required).unwrap();
    assert!(matches!(change.backward, Outcome::Breaking(_)));
    assert!(change.note.as_ref().unwrap().contains("only for readers that apply defaults"));
}

#[test]
fn judge_takes_hidden_changes_as_breaking() {
    for (from, to, kind) in [
        ("unit: cent", "unit: euro", ChangeKind::Unit),
        ("key: orderId", "key: orderId\ntopic: other", ChangeKind::Topic),
        ("key: orderId", "key: orderId\nstream: other", ChangeKind::Stream),
        ("reserved: [discount]", "reserved: []", ChangeKind::Reserved),
        (", role: identifier", "", ChangeKind::Role),
        ("ordering: per-key", "ordering: none", ChangeKind::Ordering),
        ("format: email }", "format: email, personal: customer }", ChangeKind::Personal),
    ] {
        let comparison = changed(from, to);
        assert_eq!(comparison.changes[0].kind, kind, "{comparison:?}");
        let full = comparison.outcome(Mode::Full);
        let Outcome::Breaking(harm) = &full else { panic!("{kind}: {comparison:?}") };
        assert_eq!(harm.rule, format!("contract/{kind}"));
    }
}

#[test]
fn judge_lets_extensible_enums_grow() {
    let comparison = changed("[web, shop]", "[web, shop, phone]");
    assert_eq!(comparison.outcome(Mode::Full), Outcome::Compatible);
    let closed = OLD.replace("version: 1", "version: 2").replace(", extensible: true", "");
    let (old, new) = (contract(OLD), contract(&closed));
    assert_eq!(compare_under(&old, &new, Policy::Lenient).outcome(Mode::Full), Outcome::Compatible);
    assert!(matches!(compare_under(&old, &new, Policy::Strict).backward, Outcome::Breaking(_)));
}

#[test]
fn judge_points_at_the_change_in_the_new_contract() {
    let comparison = changed("maxLength: 100", "maxLength: 50");
    let line = OLD.lines().position(|line| line.contains("note:")).unwrap() + 1;
    assert_eq!(comparison.changes[0].span.unwrap().line as usize, line);
    assert_eq!(changed("    note:    { type: string, maxLength: 100 }\n", "").changes[0].span, None);
}

#[test]
fn judge_compares_with_every_version_that_was_promised() {
    let version = |version: u32, promise: &str| {
        contract(&OLD.replace("version: 1", &format!("version: {version}\ncompatibility: {promise}")))
    };
    let earlier = [&version(1, "none"), &version(2, "none")];
    let compared = |promise: &str| {
        let comparisons = compare_promised(&earlier, &version(3, promise));
        comparisons.iter().map(|comparison| comparison.old.clone()).collect::<Vec<_>>()
    };
    assert!(compared("none").is_empty());
    assert_eq!(compared("backward"), ["order.placed.v2"]);
    assert_eq!(compared("full-transitive"), ["order.placed.v2", "order.placed.v1"]);
}

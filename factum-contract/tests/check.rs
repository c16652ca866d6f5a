//! What `factum contract check` says: each mistake with its place, what was expected, and what to write.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use factum_contract::{Report, Source, check};
use proptest::prelude::*;

const SYSTEM: &str = "system: shop\nservices: { orders: {}, payments: {} }\n";

const PLACED: &str = r#"event: order.placed
version: 1
owner: orders
key: orderId
payload:
  type: object
  required: [orderId]
  properties:
    orderId: { type: string, role: identifier }
    total: { type: string, format: decimal }
examples:
  - { orderId: "42", total: "21.00" }
"#;

fn of(files: &[(&str, &str)]) -> Report {
    let sources: Vec<Source> = files.iter().map(|(name, text)| Source::new(*name, *text)).collect();
    check(&sources)
}

/// The findings for one contract, made from a good one by replacing text.
fn with(changes: &[(&str, &str)]) -> String {
    let mut text = PLACED.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    of(&[("system.yaml", SYSTEM), ("order.placed.v1.yaml", &text)]).to_string()
}

#[test]
fn a_good_catalog_has_no_findings() {
    insta::assert_snapshot!(with(&[]), @"1 contract in 2 files: 0 errors, 0 warnings");
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    insta::assert_snapshot!(with(&[("owner:", "ownr:"), ("format: decimal", "fromat: decimal")]));
}

#[test]
fn unknown_words_suggest_the_nearest() {
    insta::assert_snapshot!(with(&[
        ("format: decimal", "format: decimals"),
        ("role: identifier", "role: idenitfier"),
        ("total: { type: string", "total: { type: text")
    ]));
}

#[test]
fn duplicate_keys_are_refused() {
    insta::assert_snapshot!(with(&[("version: 1", "version: 1\nversion: 2")]));
}

#[test]
fn broken_yaml_has_a_place() {
    insta::assert_snapshot!(with(&[(
        "{ type: string, role: identifier }",
        "{ type: string, role: identifier"
    )]));
}

#[test]
fn links_must_lead_somewhere() {
    let system = r#"system: shop
teams: { checkout: {} }
services:
  orders: { team: chekout, emits: [order.plced] }
topics:
  order.placed: { owner: order }
consumers:
  payments.charge: { service: payment, on: [order.paid], dead_letters: { owner: nobody } }
sagas:
  fulfilment: { service: orders, starts: order.placed, correlate: orderID }
projections:
  order_summary: { service: orders, on: order.placd }
"#;
    insta::assert_snapshot!(of(&[("system.yaml", system), ("a.yaml", PLACED)]));
}

#[test]
fn the_key_is_a_required_plain_field() {
    insta::assert_snapshot!(with(&[("key: orderId", "key: orderID")]));
    insta::assert_snapshot!(with(&[
        ("required: [orderId]", "required: [total]"),
        ("key: orderId", "key: total")
    ]));
}

#[test]
fn examples_are_checked_where_they_stand() {
    insta::assert_snapshot!(with(&[("\"21.00\"", "21.00"), ("\"42\"", "7")]));
    insta::assert_snapshot!(with(&[("orderId: \"42\", ", "")]));
}

#[test]
fn what_generators_cannot_carry_is_refused_with_the_reason() {
    let cases = [
        "{ oneOf: [{ type: string }, { type: integer }] }",
        "{ type: [string, integer] }",
        "{ type: array }",
        "{ enum: [1, 2] }",
        "{ type: string, pattern: '(?=a)' }",
        "{ $ref: 'https://example.org/x.json' }",
        "{ type: object, properties: { a: { type: string } }, required: [b] }",
        "{ type: integer, minimum: 5, maximum: 4 }",
        "{}",
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|schema| with(&[("{ type: string, format: decimal }", schema), ("total: \"21.00\"", "")]))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn definitions_may_not_contain_themselves() {
    let recursive = "{ $ref: '#/$defs/Part' }\n  $defs:\n    Part: { type: object, properties: { inner: { $ref: '#/$defs/Part' } } }";
    insta::assert_snapshot!(with(&[
        ("{ type: string, format: decimal }", recursive),
        (", total: \"21.00\"", "")
    ]));
}

#[test]
fn versions_follow_each_other() {
    let third = PLACED
        .replace("version: 1", "version: 3")
        .replace("required: [orderId]", "required: [orderId, total, channel]")
        .replace("    total:", "    channel: { enum: [web] }\n    total:")
        .replace("\"42\",", "\"42\", channel: web,");
    let second = third.replace("version: 3", "version: 2");
    insta::assert_snapshot!(of(&[("system.yaml", SYSTEM), ("1.yaml", PLACED), ("3.yaml", &third)]));
    insta::assert_snapshot!(of(&[("system.yaml", SYSTEM), ("1.yaml", PLACED), ("2.yaml", &second)]));
    let upcast = format!("{second}upcast:\n  - set: {{ channel: web }}\n");
    insta::assert_snapshot!(of(&[("system.yaml", SYSTEM), ("1.yaml", PLACED), ("2.yaml", &upcast)]));
    let wrong = format!("{second}upcast:\n  - split: {{ field: total, into: [a] }}\n  - ad: 1\n");
    insta::assert_snapshot!(of(&[("system.yaml", SYSTEM), ("1.yaml", PLACED), ("2.yaml", &wrong)]));
}

#[test]
fn personal_fields_belong_to_a_subject() {
    let text = "{ type: string, format: email, personal: customerId, role: identifier }";
    insta::assert_snapshot!(with(&[("{ type: string, format: decimal }", text), (", total: \"21.00\"", "")]));
}

#[test]
fn a_default_is_a_value_that_fits() {
    insta::assert_snapshot!(with(&[("format: decimal }", "format: decimal, default: ten }")]));
}

#[test]
fn times_and_amounts_identify_nothing() {
    insta::assert_snapshot!(with(&[("format: decimal }", "format: decimal, role: identifier }")]));
}

#[test]
fn reserved_names_stay_unused() {
    insta::assert_snapshot!(with(&[("examples:", "reserved: [total]\nexamples:")]));
}

#[test]
fn all_errors_of_all_files_come_in_one_run() {
    let report = of(&[
        ("system.yaml", "systm: x"),
        ("a.yaml", "event: A B"),
        ("b.yaml", "- 1"),
        ("c.json", "{\"event\":}"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn a_catalog_needs_a_system() {
    insta::assert_snapshot!(of(&[("a.yaml", PLACED)]));
}

#[test]
fn a_system_that_cannot_be_read_is_not_said_to_be_missing() {
    let report = of(&[("system.yaml", "system: [shop"), ("a.yaml", PLACED)]);
    let rules: Vec<&str> = report.findings.iter().map(|finding| &*finding.rule).collect();
    assert_eq!(rules, ["syntax"]);
}

#[test]
fn a_finding_serialises_for_other_tools() {
    let report = of(&[("system.yaml", SYSTEM), ("a.yaml", &PLACED.replace("owner: orders", "owner: order"))]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn large_files_are_refused_unread() {
    let large = format!("# {}", "x".repeat(factum_contract::read::FILE_BYTES_MAX));
    let report = of(&[("system.yaml", SYSTEM), ("a.yaml", &large)]);
    assert_eq!(report.findings[0].rule, "size");
}

/// References that double at every step would be 2^40 schemas.
#[test]
fn references_cannot_grow_without_bound() {
    let mut text = PLACED
        .replace("{ type: string, format: decimal }", "{ $ref: '#/$defs/d40' }")
        .replace("examples:\n", "")
        .replace("  - { orderId: \"42\", total: \"21.00\" }\n", "");
    text.push_str("  $defs:\n    d0: { type: string }\n");
    let text = text.replace("  $defs:", "PLACEHOLDER");
    let mut defs = String::from("  $defs:\n    d0: { type: string }\n");
    for n in 1..=40 {
        let below = n - 1;
        defs.push_str(&format!("    d{n}: {{ type: object, properties: {{ a: {{ $ref: '#/$defs/d{below}' }}, b: {{ $ref: '#/$defs/d{below}' }} }} }}\n"));
    }
    let text = format!("{}{defs}", text.split("PLACEHOLDER").next().unwrap());
    let report = of(&[("system.yaml", SYSTEM), ("a.yaml", &text)]);
    assert!(report.findings.iter().any(|finding| finding.rule == "size"), "{report}");
}

proptest! {
    /// Any part of a good contract may be replaced by anything.
    #[test]
    fn no_change_panics(at in 0usize..400, length in 0usize..40, junk in "\\PC{0,12}|[-\\[\\]{}:,&*!|>'\"%@`# \\n\\t~?]{0,12}") {
        let chars: Vec<char> = PLACED.chars().collect();
        let at = at.min(chars.len());
        let end = (at + length).min(chars.len());
        let text: String = chars[..at].iter().copied().chain(junk.chars()).chain(chars[end..].iter().copied()).collect();
        let report = of(&[("system.yaml", SYSTEM), ("a.yaml", &text), ("b.json", &junk)]);
        let _ = report.to_string();
    }
}

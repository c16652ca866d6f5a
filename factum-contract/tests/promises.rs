//! Every version keeps its promise to the ones before it, here and where it was published; what does not is shown.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use factum_contract::history::{Stage, history, usage};
use factum_contract::promises::{OnUnknown, Options, Reference, check};
use factum_contract::{Catalog, Date, Report, Source};

const SYSTEM: &str = "system: shop\nservices: { orders: {}, payments: {} }\n";

const PLACED: &str = r#"event: order.placed
version: 1
owner: orders
key: orderId
payload:
  type: object
  required: [orderId, total]
  properties:
    orderId: { type: string, role: identifier }
    total: { type: string, format: decimal }
    note: { type: string }
examples:
  - { orderId: "42", total: "21.00" }
"#;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn options() -> Options {
    Options { is_frozen: false, unknown: OnUnknown::Fail, today: day("2026-06-01") }
}

fn frozen() -> Options {
    Options { is_frozen: true, ..options() }
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let system = Source::new("system.yaml", SYSTEM);
    let files = files.iter().map(|(name, text)| Source::new(*name, *text));
    std::iter::once(system).chain(files).collect()
}

/// A version of the order, made from the first by replacing text.
fn version(number: u32, changes: &[(&str, &str)]) -> String {
    let mut text = PLACED.replace("version: 1", &format!("version: {number}"));
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

fn alone(files: &[(&str, &str)]) -> Report {
    check(&sources(files), None, options()).unwrap()
}

/// Compares with `main`, where the files were others.
fn against(files: &[(&str, &str)], published: &[(&str, &str)], options: Options) -> Report {
    let reference = Reference { label: "main".to_owned(), sources: sources(published) };
    check(&sources(files), Some(&reference), options).unwrap()
}

fn rules(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.rule.as_ref()).collect()
}

#[test]
fn a_version_that_breaks_its_promise_is_shown_with_a_document() {
    let v2 = version(
        2,
        &[
            ("[orderId, total]", "[orderId, total, note]"),
            ("total: \"21.00\"", "total: \"21.00\", note: gift"),
        ],
    );
    let report = alone(&[("order.placed.v1.yaml", PLACED), ("order.placed.v2.yaml", &v2)]);
    insta::assert_snapshot!(report);
    let broken = report.findings.iter().find(|finding| finding.rule == "judge/field-missing").unwrap();
    let document = broken.proof.as_ref().unwrap().counterexample.as_ref().unwrap();
    assert!(document.get("note").is_none(), "the document is what an old producer writes: {document}");
}

#[test]
fn a_version_that_keeps_its_promise_has_no_findings() {
    let v2 = version(
        2,
        &[("    note: { type: string }\n", "    note: { type: string }\n    gift: { type: boolean }\n")],
    );
    let report = alone(&[("a.yaml", PLACED), ("b.yaml", &v2)]);
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.compared, 1);
}

#[test]
fn a_transitive_promise_is_for_the_whole_history() {
    // The second version drops the note, the third brings it back as a number.
    let v2 = version(2, &[("    note: { type: string }\n", "")]);
    let v3 = |promise: &str| {
        let with = format!("owner: orders\ncompatibility: {promise}");
        version(3, &[("note: { type: string }", "note: { type: integer }"), ("owner: orders", &with)])
    };
    let of = |promise: &str| alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2), ("v3.yaml", &v3(promise))]);
    let near = of("backward");
    assert_eq!((near.errors(), near.compared), (0, 2), "{near}");
    let far = of("backward-transitive");
    assert_eq!((far.errors(), far.compared), (1, 3), "{far}");
    let finding = &far.findings[0];
    assert_eq!(finding.file, "v3.yaml");
    assert!(finding.message.contains("order.placed.v1"), "{finding}");
}

#[test]
fn nothing_promised_is_nothing_broken() {
    let v2 = version(
        2,
        &[
            ("owner: orders", "owner: orders\ncompatibility: none"),
            ("format: decimal", "format: date"),
            ("21.00", "2026-01-05"),
        ],
    );
    // An example of before that does not become one of now is another matter.
    let report = alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2)]);
    assert!(!rules(&report).iter().any(|rule| rule.starts_with("judge/")), "{report}");
}

#[test]
fn what_schemas_do_not_show_breaks_promises_too() {
    let v2 = version(2, &[("owner: orders", "owner: orders\ntopic: shop.orders")]);
    let report = alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2)]);
    insta::assert_snapshot!(report);
}

#[test]
fn an_accepted_break_is_counted_until_its_end() {
    let changes = [
        ("[orderId, total]", "[orderId, total, note]"),
        ("total: \"21.00\"", "total: \"21.00\", note: gift"),
    ];
    let with = |until: &str| {
        let allow = format!(
            "upcast: [set: {{ note: none }}]\nallow: [{{ rule: judge/field-missing, reason: all readers moved, until: {until} }}]\nexamples:"
        );
        let mut all = changes.to_vec();
        all.push(("examples:", &allow));
        let v2 = version(2, &all);
        alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2)])
    };
    let accepted = with("2026-12-31");
    assert_eq!((accepted.findings.len(), accepted.accepted), (0, 1), "{accepted}");
    let ended = with("2026-05-31");
    assert_eq!(rules(&ended), ["judge/field-missing"]);
    assert!(ended.findings[0].hint.as_deref().unwrap().contains("ended on 2026-05-31"), "{ended}");
}

#[test]
fn a_break_that_an_upcast_bridges_is_a_warning() {
    let v2 = version(
        2,
        &[
            ("[orderId, total]", "[orderId, total, note]"),
            ("examples:", "upcast: [set: { note: none }]\nexamples:"),
            ("total: \"21.00\"", "total: \"21.00\", note: gift"),
        ],
    );
    let report = alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2)]);
    assert_eq!((report.errors(), rules(&report)), (0, vec!["judge/field-missing"]), "{report}");
    assert!(report.findings[0].message.contains("upcast"), "{report}");
}

#[test]
fn what_cannot_be_decided_is_said_and_fails_unless_it_may_pass() {
    // A unit that was not written says nothing of values of before.
    let v2 = version(2, &[("format: decimal }", "format: decimal, unit: EUR }")]);
    let files = [("v1.yaml", PLACED), ("v2.yaml", v2.as_str())];
    let strict = alone(&files);
    assert_eq!((strict.errors(), rules(&strict)), (1, vec!["judge/unknown"]), "{strict}");
    let lenient = check(&sources(&files), None, Options { unknown: OnUnknown::Warn, ..options() }).unwrap();
    assert_eq!((lenient.errors(), lenient.warnings()), (0, 1), "{lenient}");
}

#[test]
fn an_accepted_break_hides_nothing_that_is_unknown() {
    let v2 = version(
        2,
        &[
            ("format: decimal }", "format: decimal, unit: EUR }"),
            ("owner: orders", "owner: orders\ntopic: shop.orders"),
            ("examples:", "allow: [{ rule: contract/topic, reason: everybody moved }]\nexamples:"),
        ],
    );
    let report = alone(&[("v1.yaml", PLACED), ("v2.yaml", &v2)]);
    assert_eq!((report.accepted, rules(&report)), (1, vec!["judge/unknown"]), "{report}");
}

#[test]
fn a_published_contract_that_is_gone_is_a_finding() {
    let report = against(&[], &[("orders/order.placed.yaml", PLACED)], options());
    insta::assert_snapshot!(report);
}

#[test]
fn a_renamed_file_is_the_same_contract() {
    let report = against(&[("new-name.yaml", PLACED)], &[("old-name.yaml", PLACED)], frozen());
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.compared, 1);
}

#[test]
fn line_ends_byte_order_marks_and_notes_are_no_change() {
    let windows = format!("\u{feff}# a note\r\n{}", PLACED.replace('\n', "\r\n"));
    let report = against(&[("a.yaml", &windows)], &[("a.yaml", PLACED)], frozen());
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn json_may_begin_with_a_byte_order_mark_too() {
    let json = format!(
        "\u{feff}{}",
        r#"{"event":"a.b","version":1,"owner":"orders","key":"id","payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}},"examples":[{"id":"1"}]}"#
    );
    let report = alone(&[("a.json", &json)]);
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn wording_of_a_published_version_may_change() {
    let changes = [
        (
            "owner: orders",
            "owner: payments\nsummary: Somebody ordered.\nlifecycle: { since: 2026-01-05, deprecated: 2026-05-01, sunset: 2026-09-01 }",
        ),
        ("note: { type: string }", "note: { type: string, description: For the parcel. }"),
        ("orderId: \"42\"", "orderId: \"43\""),
    ];
    let report = against(&[("a.yaml", &version(1, &changes))], &[("a.yaml", PLACED)], frozen());
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn the_meaning_of_a_published_version_is_frozen() {
    for change in [
        ("key: orderId", "key: orderId\ntopic: shop.orders"),
        ("key: orderId", "key: orderId\nstream: basket"),
        ("key: orderId", "key: orderId\nordering: none"),
        ("key: orderId", "key: orderId\nreserved: [gift]"),
        ("event: order.placed", "command: order.placed"),
        ("role: identifier", "role: fact"),
        ("format: decimal", "format: decimal, unit: EUR"),
        ("note: { type: string }", "note: { type: string, personal: orderId }"),
        ("note: { type: string }", "note: { type: string, maxLength: 9 }"),
        ("    note: { type: string }\n", "    note: { type: string }\n    gift: { type: boolean }\n"),
    ] {
        let text = version(1, &[change]);
        // Personal data needs a subject; that finding is not what is asked here.
        let report = against(&[("a.yaml", &text)], &[("a.yaml", PLACED)], frozen());
        assert!(rules(&report).contains(&"contract/frozen"), "{change:?}: {report}");
    }
    let report = against(
        &[("a.yaml", &version(1, &[("note: { type: string }", "note: { type: integer }")]))],
        &[("a.yaml", PLACED)],
        frozen(),
    );
    insta::assert_snapshot!(report);
}

#[test]
fn a_compatible_edit_in_place_is_a_warning_and_a_breaking_one_an_error() {
    let published = [("a.yaml", PLACED)];
    let gift = version(
        1,
        &[("    note: { type: string }\n", "    note: { type: string }\n    gift: { type: boolean }\n")],
    );
    let report = against(&[("a.yaml", &gift)], &published, options());
    assert_eq!((report.errors(), rules(&report)), (0, vec!["contract/edited"]), "{report}");
    let typed = version(1, &[("note: { type: string }", "note: { type: integer }")]);
    let report = against(&[("a.yaml", &typed)], &published, options());
    assert_eq!((report.errors(), rules(&report)), (1, vec!["judge/type"]), "{report}");
    assert!(report.findings[0].message.contains("in main"), "{report}");
}

#[test]
fn a_promise_cannot_be_taken_back_by_the_edit_that_breaks_it() {
    let text = version(
        1,
        &[
            ("owner: orders", "owner: orders\ncompatibility: none"),
            ("note: { type: string }", "note: { type: integer }"),
        ],
    );
    let report = against(&[("a.yaml", &text)], &[("a.yaml", PLACED)], options());
    assert_eq!(rules(&report), ["judge/type"], "{report}");
}

#[test]
fn the_next_version_in_the_place_of_the_last_is_compared_and_the_last_is_missed() {
    let v2 = version(2, &[("note: { type: string }", "note: { type: integer }")]);
    let report = against(&[("a.yaml", &v2)], &[("a.yaml", PLACED)], options());
    let mut found = rules(&report);
    found.sort_unstable();
    assert_eq!(found, ["contract/removed", "judge/type"], "{report}");
}

#[test]
fn a_gap_in_the_versions_is_a_finding() {
    let v3 = version(3, &[]);
    let report = alone(&[("v1.yaml", PLACED), ("v3.yaml", &v3)]);
    assert_eq!(rules(&report), ["version-gap"], "{report}");
}

#[test]
fn no_contracts_at_all_are_no_findings() {
    let report = against(&[], &[], frozen());
    assert!(report.findings.is_empty() && report.contracts == 0, "{report}");
}

#[test]
fn a_reference_without_contracts_is_a_warning() {
    let report = against(&[("a.yaml", PLACED)], &[], frozen());
    assert_eq!((report.errors(), rules(&report)), (0, vec!["empty-reference"]), "{report}");
}

#[test]
fn what_cannot_be_read_here_is_not_taken_for_gone() {
    let report = against(&[("a.yaml", "event: [order\n")], &[("a.yaml", PLACED)], options());
    assert_eq!(rules(&report), ["syntax"], "{report}");
}

#[test]
fn a_reference_that_cannot_be_read_is_an_error_with_its_place() {
    let reference =
        Reference { label: "main".to_owned(), sources: sources(&[("a.yaml", "event: [order\n")]) };
    let error = check(&sources(&[("a.yaml", PLACED)]), Some(&reference), options()).unwrap_err();
    assert_eq!((error.findings[0].file.as_str(), error.findings[0].line), ("a.yaml", 2));
}

#[test]
fn a_reference_may_be_one_file_under_the_systems_defaults() {
    let strict =
        "system: shop\ndefaults: { compatibility: full, policy: strict }\nservices: { orders: {} }\n";
    let here = [Source::new("system.yaml", strict), Source::new("a.yaml", PLACED)];
    let reference = Reference { label: "a.yaml".to_owned(), sources: vec![Source::new("a.yaml", PLACED)] };
    let report = check(&here, Some(&reference), frozen()).unwrap();
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn a_broken_system_file_of_before_is_nobodys_concern() {
    let old = [Source::new("system.yaml", "system: shop\nsrvices: {}\n"), Source::new("a.yaml", PLACED)];
    let reference = Reference { label: "main".to_owned(), sources: old.into() };
    let report = check(&sources(&[("a.yaml", PLACED)]), Some(&reference), frozen()).unwrap();
    assert!(report.findings.is_empty(), "{report}");
}

const READERS: &str = "system: shop
services: { orders: {}, payments: {} }
consumers:
  charge: { service: payments, on: [order.placed@1] }
  both: { service: payments, on: [order.placed@1, order.placed@2] }
  newest: { service: payments, on: order.placed }
projections:
  summary: { service: orders, on: [order.placed@2] }
";

#[test]
fn a_reader_names_the_version_it_was_written_for() {
    let v1 = version(
        1,
        &[(
            "owner: orders",
            "owner: orders\nlifecycle: { since: 2026-01-05, deprecated: 2026-05-01, sunset: 2026-09-01 }",
        )],
    );
    let v2 = version(2, &[]);
    let files = [("system.yaml", READERS), ("v1.yaml", v1.as_str()), ("v2.yaml", v2.as_str())];
    let catalog = Catalog::read(&files.map(|(name, text)| Source::new(name, text))).unwrap();
    let told: Vec<String> = usage(&catalog, "order.placed")
        .into_iter()
        .map(|usage| {
            let moves = usage.move_by.map(|date| format!(" until {date}, then {}", usage.move_to.unwrap()));
            let pinned = if usage.is_pinned { "" } else { " (newest)" };
            format!(
                "{} {} uses {}{pinned}{}",
                usage.kind,
                usage.reader,
                usage.version,
                moves.unwrap_or_default()
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    let stages: Vec<Stage> =
        history(&catalog, "order.placed", day("2026-06-01")).iter().map(|one| one.stage).collect();
    assert_eq!(stages, [Stage::Deprecated, Stage::InUse]);
    let later = history(&catalog, "order.placed", day("2026-09-01"));
    assert_eq!(later[0].stage, Stage::Gone);
    assert!(later[0].comparison.is_none() && later[1].comparison.is_some());
}

#[test]
fn a_reader_of_a_version_that_is_not_there_is_told_which_are() {
    let system =
        READERS.replace("on: [order.placed@1] }", "on: [order.placed@7, order.placed@x, order@place@1] }");
    let files = [
        Source::new("system.yaml", system),
        Source::new("v1.yaml", PLACED),
        Source::new("v2.yaml", version(2, &[])),
    ];
    insta::assert_snapshot!(factum_contract::check(&files));
}

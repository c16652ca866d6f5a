//! The same on samples that no rule was made with: what was expected of them was written down before they were read.
//!
//! Each section of `tests/heldout` is a system of its own, in the shapes of public catalogs and services. Sections of
//! code stand beside the catalog in `shop.txt`, which is sound. What the first run told is kept in `first-run.txt`; this
//! is what is told today.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use factum_architect::review::{Options, Profile};
use factum_contract::Severity;

use crate::corpus::{Expected, expected, found, unmarked};
use crate::sample::{options, reviewed};

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/heldout");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Sections by their number and title.
fn sections(files: &[&str]) -> BTreeMap<String, String> {
    let shop = text("shop.txt");
    let mut sections = BTreeMap::new();
    for all in files.iter().map(|name| text(name)) {
        for section in all.split("=== ").skip(1) {
            let (title, body) = section.split_once('\n').unwrap();
            let has_catalog = body.starts_with("# contracts/");
            let whole = if has_catalog { body.to_owned() } else { format!("{shop}{body}") };
            sections.insert(title.to_owned(), whole);
        }
    }
    sections
}

/// What is told of all samples, rule by rule, and how many errors are told and right.
fn measured(files: &[&str]) -> (String, [usize; 2]) {
    let recommended = Options { profile: Profile::Recommended, ..options() };
    let severities = [Severity::Error, Severity::Warning];
    let mut rules: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let (mut told, mut right, mut notes) = ([0; 2], [0; 2], String::new());
    let sections = sections(files);
    for (title, text) in &sections {
        let report = reviewed(&unmarked(text), &recommended);
        let expected = expected(text);
        let mut all = Expected::new();
        for (index, severity) in severities.into_iter().enumerate() {
            let found = found(&report, severity);
            told[index] += found.len();
            right[index] += found.intersection(&expected).count();
            all.extend(found);
        }
        for one in &all {
            let counts = rules.entry(one.2.clone()).or_default();
            counts[0] += 1;
            counts[1] += usize::from(expected.contains(one));
            if !expected.contains(one) {
                let message = report.findings.iter().find(|found| found.rule == one.2 && found.line == one.1);
                let message = message.map_or("", |found| found.message.as_str());
                let _ = writeln!(notes, "beyond: {title}: {} at {}:{}: {message}", one.2, one.0, one.1);
            }
        }
        for one in expected.difference(&all) {
            rules.entry(one.2.clone()).or_default()[2] += 1;
            let _ = writeln!(notes, "missed: {title}: {} at {}:{}", one.2, one.0, one.1);
        }
    }
    let mut table = format!("{} samples\n\nrule, told, right, missed\n", sections.len());
    for (rule, [told, right, missed]) in &rules {
        let _ = writeln!(table, "{rule}, {told}, {right}, {missed}");
    }
    let _ = writeln!(table, "\nerrors told: {}, right: {}", told[0], right[0]);
    let _ = writeln!(table, "warnings told: {}, right: {}\n\n{notes}", told[1], right[1]);
    (table, [told[0], right[0]])
}

#[test]
fn what_is_told_of_samples_that_were_held_out_is_right() {
    let (table, [told, right]) =
        measured(&["catalogs.txt", "typescript.txt", "jvm_and_python.txt", "go_and_rust.txt"]);
    insta::assert_snapshot!(table);
    assert!(right * 20 >= told * 19, "{right} of {told} errors are right\n{table}");
}

#[test]
fn what_is_told_of_samples_that_came_after_the_rules_is_right() {
    let (table, [told, right]) = measured(&["second.txt"]);
    insta::assert_snapshot!(table);
    assert!(right * 20 >= told * 19, "{right} of {told} errors are right\n{table}");
}

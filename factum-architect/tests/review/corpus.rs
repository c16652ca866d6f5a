//! Precision on catalogs and code as they are found in the wild: what is told is right.
//!
//! Each file of `tests/corpus` holds a system; a comment `expect: RULE` stands where a reviewer would point. What the
//! rules tell beyond that is wrong, what they leave out is missed, and the table of both is a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use factum_architect::review::{Options, Profile, Report, input, review};
use factum_contract::Severity;

use crate::sample::{files, options, reviewed};

/// A place and the rule that points there.
pub(crate) type Expected = BTreeSet<(String, u32, String)>;

pub(crate) fn expected(text: &str) -> Expected {
    let mut all = Expected::new();
    for file in files(text) {
        for (index, line) in file.text.lines().enumerate() {
            let Some((_, rules)) = line.split_once("expect: ") else { continue };
            let number = u32::try_from(index + 1).unwrap();
            all.extend(rules.split(", ").map(|rule| (file.name.clone(), number, rule.trim().to_owned())));
        }
    }
    all
}

/// The same without the marks, which hold words that rules listen to.
pub(crate) fn unmarked(text: &str) -> String {
    let cut = |line: &str| match line.split_once("expect: ") {
        Some((code, _)) => code.trim_end_matches(['#', '/', ' ']).to_owned(),
        None => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

pub(crate) fn found(report: &Report, severity: Severity) -> Expected {
    let findings = report.findings.iter().filter(|one| one.severity == severity);
    findings.map(|one| (one.file.clone(), one.line, one.rule.to_string())).collect()
}

fn corpus() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_stem().unwrap().display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn what_is_told_of_real_catalogs_and_code_is_right() {
    let recommended = Options { profile: Profile::Recommended, ..options() };
    let (mut errors, mut right) = (0, 0);
    let mut rules: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut told = String::new();
    for (name, text) in corpus() {
        let report = reviewed(&unmarked(&text), &recommended);
        let expected = expected(&text);
        assert!(!expected.is_empty(), "{name} expects nothing");
        let all: Expected =
            [Severity::Error, Severity::Warning].into_iter().flat_map(|one| found(&report, one)).collect();
        let of_errors = found(&report, Severity::Error);
        errors += of_errors.len();
        right += of_errors.intersection(&expected).count();
        for one in &all {
            let counts = rules.entry(one.2.clone()).or_default();
            counts[0] += 1;
            counts[1] += usize::from(expected.contains(one));
            if !expected.contains(one) {
                let _ = writeln!(told, "{name}: told beyond: {} at {}:{}", one.2, one.0, one.1);
            }
        }
        for one in expected.difference(&all) {
            rules.entry(one.2.clone()).or_default()[2] += 1;
            let _ = writeln!(told, "{name}: missed: {} at {}:{}", one.2, one.0, one.1);
        }
    }
    let mut table = String::from("rule, told, right, missed\n");
    for (rule, [found, right, missed]) in &rules {
        let _ = writeln!(table, "{rule}, {found}, {right}, {missed}");
    }
    let _ = writeln!(table, "\nerrors told: {errors}, right: {right}\n\n{told}");
    insta::assert_snapshot!(table);
    assert!(right * 20 >= errors * 19, "{right} of {errors} errors are right\n{told}");
}

#[test]
fn the_examples_are_reviewed_and_have_no_errors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut told = String::new();
    for name in ["orders", "hotel", "saga-pattern", "outbox-pattern", "event-sourcing-cqrs", "basic-pub-sub"]
    {
        let input = input::read(&root.join(name), None).unwrap();
        let report =
            review(&input.documents, &input.code, &Options { profile: Profile::Recommended, ..options() });
        let _ = writeln!(told, "{name}: {} contracts, {} accepted", report.contracts, report.accepted);
        for one in &report.findings {
            let _ = writeln!(
                told,
                "{} {} {}:{} {}",
                one.severity.as_str(),
                one.rule,
                one.file,
                one.line,
                one.message
            );
        }
        assert_eq!(report.count(Severity::Error), 0, "{told}");
    }
    insta::assert_snapshot!(told);
}

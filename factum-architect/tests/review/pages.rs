//! A rule cannot rot: what its page shows as bad is found, what it shows as good is clean.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use factum_architect::review::rule;

use crate::sample::{files, found, options, reviewed};

#[test]
fn every_rules_bad_example_is_found_at_a_place() {
    let mut missed = String::new();
    for rule in rule::all() {
        let (bad, rule) = (rule.bad, rule.id);
        let all = match rule.starts_with("allow/") {
            true => reviewed(bad, &options())
                .findings
                .into_iter()
                .filter(|one| one.rule == rule)
                .map(|one| format!(":{} {}", one.line, one.message))
                .collect(),
            false => found(bad, rule),
        };
        if all.is_empty() {
            let _ = writeln!(missed, "{rule}: nothing found in its bad example");
        }
        if all.iter().any(|one| one.contains(":0")) {
            let _ = writeln!(missed, "{rule}: found at no place: {all:?}");
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn every_rules_good_example_is_clean() {
    let mut wrong = String::new();
    for rule in rule::all() {
        let all = match rule.id.starts_with("allow/") {
            true => reviewed(rule.good, &options())
                .findings
                .into_iter()
                .filter(|one| one.rule == rule.id)
                .map(|one| one.message)
                .collect(),
            false => found(rule.good, rule.id),
        };
        if !all.is_empty() {
            let _ = writeln!(wrong, "{}: {all:?}", rule.id);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_examples_catalog_can_be_read() {
    for rule in rule::all() {
        for text in [rule.bad, rule.good] {
            let broken = reviewed(text, &options())
                .findings
                .into_iter()
                .find(|one| matches!(one.rule.as_ref(), "yaml" | "json"));
            assert!(broken.is_none(), "{}: {}", rule.id, broken.unwrap());
            assert!(!files(text).is_empty());
        }
    }
}

#[test]
fn every_rule_has_a_whole_page_and_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for rule in rule::all() {
        assert!(names.insert(rule.id), "{} is there twice", rule.id);
        assert!(rule.id.split('/').count() == 2, "{}", rule.id);
        assert!(rule.title.ends_with('.') && rule.why.ends_with(['.', '?']), "{}", rule.id);
        assert!(!rule.fix.is_empty() && !rule.fix.ends_with('.'), "{}", rule.id);
        let page = rule.page();
        assert!(page.contains("Bad:") && page.contains("Good:") && page.contains("Why:"), "{}", rule.id);
    }
}

#[test]
fn the_rules_are_those_of_the_table() {
    let all: Vec<String> = rule::all()
        .map(|rule| format!("{} {} {}", rule.id, rule.severity.as_str(), rule.profile.as_str()))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_page_says_what_why_and_how() {
    insta::assert_snapshot!(rule::find("name/command").unwrap().page());
}

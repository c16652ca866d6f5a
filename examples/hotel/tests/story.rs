//! The catalog is in order, and has changed as its page tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeSet;
use std::path::Path;

use factum_contract::contract::Compatibility;
use factum_contract::judge::compare::{Advice, Outcome, mode_of};
use factum_contract::judge::{compare, compare_promised};
use factum_contract::upcast::Step;
use factum_contract::{Catalog, Contract, check, folder};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn catalog() -> Catalog {
    let report = check(&folder::read(&here().join("contracts")).unwrap());
    assert!(report.findings.is_empty(), "{report}");
    report.catalog.unwrap()
}

/// A row of the page's table: contract, old and new version, the verdicts both ways, the promise.
struct Told {
    name: String,
    from: u32,
    to: u32,
    backward: String,
    forward: String,
    promise: String,
}

fn told() -> Vec<Told> {
    let page = std::fs::read_to_string(here().join("README.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains(" → "));
    rows.map(|line| {
        let cells: Vec<&str> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, step, _, backward, forward, promise] = cells[..] else { panic!("six cells: {line}") };
        let (from, to) = step.split_once(" → ").unwrap();
        Told {
            name: name.to_owned(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            backward: backward.to_owned(),
            forward: forward.to_owned(),
            promise: promise.to_owned(),
        }
    })
    .collect()
}

#[test]
fn the_catalog_has_no_findings() {
    let catalog = catalog();
    assert_eq!(catalog.names().count(), 32, "the page names the number");
}

#[test]
fn every_step_is_judged_as_the_page_tells() {
    let catalog = catalog();
    for step in told() {
        let old = catalog.contract(&step.name, step.from).unwrap();
        let new = catalog.contract(&step.name, step.to).unwrap();
        let comparison = compare(old, new);
        let judged = (comparison.backward.as_str(), comparison.forward.as_str(), new.compatibility.as_str());
        let expected = (step.backward.as_str(), step.forward.as_str(), step.promise.as_str());
        assert_eq!(judged, expected, "{}", comparison.to_text());
    }
}

#[test]
fn every_step_is_told() {
    let catalog = catalog();
    let told: BTreeSet<(String, u32)> = told().into_iter().map(|step| (step.name, step.to)).collect();
    let steps = catalog.contracts().filter(|contract| contract.version > 1);
    let steps: BTreeSet<(String, u32)> =
        steps.map(|contract| (contract.name.to_string(), contract.version)).collect();
    assert_eq!(steps, told);
}

#[test]
fn every_promise_is_kept() {
    let catalog = catalog();
    for contract in catalog.contracts() {
        let Some(mode) = mode_of(contract.compatibility) else { continue };
        let earlier: Vec<&Contract> = catalog
            .versions(contract.name.as_str())
            .filter(|other| other.version < contract.version)
            .collect();
        for comparison in compare_promised(&earlier, contract) {
            assert_eq!(comparison.outcome(mode), Outcome::Compatible, "{}", comparison.to_text());
        }
    }
}

#[test]
fn what_breaks_is_published_beside_the_old_version_for_a_while() {
    let catalog = catalog();
    let mut breaking = 0;
    for new in catalog.contracts().filter(|contract| contract.version > 1) {
        let old = catalog.contract(new.name.as_str(), new.version - 1).unwrap();
        if compare(old, new).advice != Advice::Breaking {
            continue;
        }
        breaking += 1;
        let life = &old.lifecycle;
        assert!(life.deprecated.is_some() && life.sunset > new.lifecycle.since, "{}", old.label());
        assert!(new.lifecycle.since <= life.deprecated, "{} begins before {} ends", new.label(), old.label());
    }
    assert_eq!(breaking, 4);
}

#[test]
fn every_compatibility_is_used_and_every_step_of_an_upcast_that_examples_can_check() {
    let catalog = catalog();
    let used: BTreeSet<&str> = catalog.contracts().map(|contract| contract.compatibility.as_str()).collect();
    let all = [
        Compatibility::None,
        Compatibility::Backward,
        Compatibility::BackwardTransitive,
        Compatibility::Forward,
        Compatibility::ForwardTransitive,
        Compatibility::Full,
        Compatibility::FullTransitive,
    ];
    assert_eq!(used, all.map(Compatibility::as_str).into());
    let steps: BTreeSet<&str> =
        catalog.contracts().flat_map(|contract| &contract.upcast).map(|step| step.word()).collect();
    assert_eq!(steps, ["map", "move", "rename", "set", "split"].into());
    assert!(catalog.contracts().flat_map(|one| &one.upcast).all(|step| !matches!(step.value, Step::Code(_))));
}

#[test]
fn old_examples_become_payloads_that_still_say_the_same() {
    let catalog = catalog();
    let mut said = Vec::new();
    for new in catalog.contracts().filter(|contract| !contract.upcast.is_empty()) {
        let old = catalog.contract(new.name.as_str(), new.version - 1).unwrap();
        for example in &old.examples {
            let mut payload = example.to_json();
            new.upcast.iter().for_each(|step| step.apply(&mut payload).unwrap());
            said.push(format!("{}\n  {}\n  {payload}", new.label(), example.to_json()));
        }
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn every_runbook_is_there() {
    let catalog = catalog();
    let runbooks =
        catalog.system.consumers.values().filter_map(|consumer| consumer.dead_letters.runbook.as_ref());
    let missing: Vec<&String> = runbooks.filter(|runbook| !here().join(runbook).is_file()).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

//! Contracts at the edges of what Rust can say are carried whole, or refused by the word that is not carried.
//!
//! All that is carried is generated, compiled once as one crate under the house's lints, and run: every payload that the
//! gate admits is read, every one that it refuses is not, and an independent validator of JSON Schema agrees with both.
//! The schemas are third-party ones, read from beside the project where they are there, and traps of our own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "the counts are for people, and a skipped test says so aloud")]

#[path = "compiled/cases.rs"]
mod cases;
#[path = "compiled/crate_of.rs"]
mod crate_of;
#[path = "support/places.rs"]
mod places;
#[path = "support/theirs.rs"]
mod theirs;
#[path = "compiled/traps.rs"]
mod traps;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cases::{Case, Subject};
use factum_contract::generate::rust::{Options, generate};

const TABLE: &str = include_str!("compiled.table");

/// What one source of schemas came to.
#[derive(Default)]
struct Counts {
    carried: usize,
    refused: usize,
    words: BTreeMap<String, usize>,
}

impl Counts {
    fn of(cases: &[Case]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            match &case.read {
                Ok(_) => counts.carried += 1,
                Err(words) => {
                    counts.refused += 1;
                    words.iter().for_each(|word| *counts.words.entry(word.clone()).or_default() += 1);
                }
            }
        }
        counts
    }

    fn table(&self, name: &str) -> String {
        let mut table = format!("{name}: {} carried, {} refused\n", self.carried, self.refused);
        for (word, count) in &self.words {
            writeln!(table, "  {word:<28}{count:>4}").unwrap();
        }
        table
    }
}

#[test]
fn every_schema_is_carried_whole_or_refused_by_name() {
    let traps = cases::traps();
    let vectors = cases::vectors();
    let mut table = Counts::of(&traps).table("traps");
    if let Some(vectors) = &vectors {
        table += &Counts::of(vectors).table("vectors");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compiled.table"), &table).unwrap();
        }
        assert_eq!(table, TABLE, "the committed table is tests/compiled.table; UPDATE_GENERATED=1 writes it");
    } else {
        assert!(TABLE.starts_with(&table), "{table}");
    }
    let all: Vec<Case> = traps.into_iter().chain(vectors.into_iter().flatten()).collect();
    assert!(all.len() > 100, "{} schemas", all.len());
    let subjects: Vec<Subject> = all.into_iter().filter_map(Subject::of).flatten().collect();

    let catalog = cases::joined(&subjects);
    let options = Options { root: "factum_contract::rt".to_owned(), ..Options::default() };
    let generated = generate(&catalog, &options).unwrap();
    let program = crate_of::compile(&generated, &subjects);

    let mut asked = Vec::new();
    for subject in &subjects {
        asked.extend(subject.payloads().into_iter().map(|json| (subject, json)));
    }
    let answers = program.read(asked.iter().map(|(subject, json)| (subject.label.as_str(), json.as_str())));
    assert_eq!(answers.len(), asked.len());
    let mut told = String::new();
    let (mut admitted, mut refused) = (0, 0);
    for ((subject, json), answer) in asked.iter().zip(&answers) {
        let gate = subject.ours.check(json.as_bytes()).map(drop);
        match &gate {
            Ok(()) => admitted += 1,
            Err(_) => refused += 1,
        }
        if let Some(why) = subject.disagreement(json, &gate, answer.as_deref()) {
            writeln!(told, "{}: {why}: {json}", subject.label).unwrap();
        }
    }
    println!(
        "{} contracts compiled, {admitted} payloads admitted and {refused} refused by all",
        subjects.len()
    );
    assert!(told.is_empty(), "{told}");
    assert!(admitted > 1_000 && refused > 1_000);
}

/// Every rule of every contract is broken alone, or known to be implied by another.
#[test]
fn every_rule_is_broken_by_a_payload_of_its_own() {
    let mut unbroken = BTreeMap::new();
    for subject in cases::traps().into_iter().filter_map(Subject::of).flatten() {
        let broken = subject.fixtures.broken();
        for one in &broken {
            let flaw = subject.ours.check(one.json.as_bytes()).unwrap_err();
            assert_eq!((flaw.rule, &flaw.path), (one.rule, &one.path), "{}: {}", subject.label, one.json);
            subject.assert_breaks_only(one);
        }
        let left: Vec<String> =
            subject.fixtures.unbroken().iter().map(|one| format!("{} {}", one.rule, one.path)).collect();
        if !left.is_empty() {
            unbroken.insert(subject.label.clone(), left);
        }
    }
    insta::assert_debug_snapshot!(unbroken);
}

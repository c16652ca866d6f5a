//! The judge on third-party pairs of schemas: nothing wrong, little unknown, and the counts as committed.
//!
//! The pairs are not part of the project; where they are absent the tests say that they were skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "the counts are for people, and a skipped test says so aloud")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use factum_contract::judge::{Mode, Options, Verdict, judge};
use serde_json::Value;

const TABLE: &str = include_str!("judge_vectors.table");

/// Pairs whose published meaning is refuted by a document: its id, and a document that is valid under `old` and
/// invalid under `new`.
const REFUTED: [(&str, &str); 1] =
    [("jsoncompat-pattern_properties_fall_back_to_additional_properties-de", r#"{ "x": "not an integer" }"#)];

/// Most pairs, in percent of the settled ones, for which the verdict may be unknown.
const UNKNOWN_MAX_PERCENT: usize = 5;

fn vectors(file: &str) -> Option<Vec<Value>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.exists() {
        println!("skipped: judge_vectors: ../shared/vectors is absent");
        return None;
    }
    let text = std::fs::read_to_string(folder.join("compat").join(file)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[derive(Default)]
struct Counts {
    right_compatible: usize,
    right_breaking: usize,
    wrong_compatible: usize,
    wrong_breaking: usize,
    unknown: usize,
    refuted: usize,
    unsettled: usize,
}

impl Counts {
    fn settled(&self) -> usize {
        self.right_compatible
            + self.right_breaking
            + self.wrong_compatible
            + self.wrong_breaking
            + self.unknown
    }
}

fn is_refuted(pair: &Value) -> bool {
    let Some((_, document)) = REFUTED.iter().find(|(id, _)| pair["id"] == *id) else { return false };
    let document: Value = serde_json::from_str(document).unwrap();
    assert!(jsonschema::is_valid(&pair["old"], &document) && !jsonschema::is_valid(&pair["new"], &document));
    true
}

#[test]
fn judge_agrees_with_every_settled_pair_or_says_unknown() {
    let Some(pairs) = vectors("vectors.json") else { return };
    let mut suites: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut told = String::new();
    for pair in &pairs {
        let counts = suites.entry(pair["suite"].as_str().unwrap()).or_default();
        let verdict = judge(&pair["old"], &pair["new"], Mode::Backward, Options::default());
        let count = match (pair["semantic"].as_bool(), &verdict) {
            (None, _) => &mut counts.unsettled,
            (Some(_), _) if is_refuted(pair) => {
                assert!(verdict.as_break().is_some());
                &mut counts.refuted
            }
            (Some(true), Verdict::Compatible) => &mut counts.right_compatible,
            (Some(false), Verdict::Breaking(_)) => &mut counts.right_breaking,
            (Some(false), Verdict::Compatible) => &mut counts.wrong_compatible,
            (Some(true), Verdict::Breaking(_)) => &mut counts.wrong_breaking,
            (_, Verdict::Unknown { .. }) => &mut counts.unknown,
        };
        *count += 1;
        let is_right = matches!(
            (pair["semantic"].as_bool(), &verdict),
            (Some(true), Verdict::Compatible) | (Some(false), Verdict::Breaking(_))
        );
        if !is_right {
            writeln!(told, "{} is {}: {verdict:?}", pair["id"], pair["semantic"]).unwrap();
        }
    }
    println!("{told}");
    let mut table = String::from(
        "suite       settled  compatible  breaking  wrong compatible  wrong breaking  unknown  refuted  unsettled\n",
    );
    for (suite, counts) in &suites {
        writeln!(
            table,
            "{suite:<12}{:>7}{:>12}{:>10}{:>18}{:>16}{:>9}{:>9}{:>11}",
            counts.settled(),
            counts.right_compatible,
            counts.right_breaking,
            counts.wrong_compatible,
            counts.wrong_breaking,
            counts.unknown,
            counts.refuted,
            counts.unsettled,
        )
        .unwrap();
        assert_eq!(counts.wrong_compatible + counts.wrong_breaking, 0, "{told}");
        assert!(counts.unknown * 100 <= counts.settled() * UNKNOWN_MAX_PERCENT, "{told}");
    }
    println!("{table}");
    assert_eq!(table, TABLE, "the committed table is tests/judge_vectors.table");
}

#[test]
fn judge_settles_what_schema_evolution_changed() {
    let Some(pairs) = vectors("nakadi-evolution.json") else { return };
    let mut told = String::new();
    for pair in &pairs {
        let (old, new) = (&pair["original_schema"], &pair["update_schema"]);
        let verdict = judge(old, new, Mode::Backward, Options::default());
        assert!(!matches!(verdict, Verdict::Unknown { .. }), "{pair} {verdict:?}");
        let errors: Vec<&str> = pair["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let is_about_narrowing =
            errors.iter().any(|error| error.contains("NARROWED") || error.contains("EXTENDED"));
        if is_about_narrowing {
            assert!(matches!(verdict, Verdict::Breaking(_)), "{pair} {verdict:?}");
        }
        if errors.is_empty() {
            assert_eq!(verdict, Verdict::Compatible, "{pair}");
        }
        writeln!(told, "{:<12}{}", verdict.as_str(), errors.join(", ")).unwrap();
    }
    println!("{told}");
}

#[test]
fn judge_takes_under_a_millisecond_for_a_pair() {
    let Some(pairs) = vectors("vectors.json") else { return };
    let started = Instant::now();
    for pair in &pairs {
        let _ = judge(&pair["old"], &pair["new"], Mode::Backward, Options::default());
    }
    let each = started.elapsed() / u32::try_from(pairs.len()).unwrap();
    println!("{each:?} for each pair");
    // Without optimisation the same work may take five times as long.
    let each_max = if cfg!(debug_assertions) { 5_000 } else { 1_000 };
    assert!(each.as_micros() < each_max, "{each:?} for each pair");
}

//! What checking a payload costs, beside a general JSON Schema validator on the same payload in the same run.
//!
//! Both are compiled once. Ours reads bytes; the other needs a parsed value, so its parse is shown with and without.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use factum_contract::{Validator, check, folder};
use serde_json::Value;

const ROUNDS: usize = 9;
const PASSES: u32 = 20_000;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders/contracts");
    let report = check(&folder::read(&folder).expect("the flagship's contracts are there"));
    let catalog = report.catalog.expect("the flagship's contracts are in order");
    println!(
        "{:<22} {:>9} {:>12} {:>14} {:>12}",
        "contract", "ours ns", "theirs ns", "parse+theirs", "ratio"
    );
    for contract in catalog.contracts() {
        let ours = Validator::of(contract).expect("was checked");
        let mut schema = contract.document.get("payload").expect("has a payload").to_json();
        keep_closed(&mut schema);
        let theirs = jsonschema::options()
            .should_validate_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .with_format("decimal", |text: &str| {
                text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            })
            .build(&schema)
            .expect("is a schema");
        let bytes = contract.examples[0].to_json_text().into_bytes();
        let value: Value = serde_json::from_slice(&bytes).expect("is JSON");
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            times[0].push(nanoseconds(|| ours.check(black_box(&bytes)).is_ok()));
            times[1].push(nanoseconds(|| theirs.is_valid(black_box(&value))));
            times[2].push(nanoseconds(|| {
                let value: Value = serde_json::from_slice(black_box(&bytes)).expect("is JSON");
                theirs.is_valid(&value)
            }));
        }
        let [ours, theirs, parsed] = times.map(median);
        println!(
            "{:<22} {ours:>9.0} {theirs:>12.0} {parsed:>14.0} {:>5.2} / {:.2}",
            contract.label(),
            ours / theirs,
            ours / parsed
        );
    }
}

/// Extensible enums as plain text, which is what they accept.
fn keep_closed(schema: &mut Value) {
    if let Value::Object(object) = schema {
        if object.contains_key("extensible") {
            object.remove("enum");
            object.insert("type".into(), "string".into());
        }
        object.values_mut().for_each(keep_closed);
    }
}

fn nanoseconds(mut pass: impl FnMut() -> bool) -> f64 {
    let start = Instant::now();
    for _ in 0..PASSES {
        assert!(pass());
    }
    let taken: Duration = start.elapsed();
    taken.as_nanos() as f64 / f64::from(PASSES)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

//! How long the gate takes, and that it takes as long per contract in a large catalog as in a small one.
//!
//! Each catalog is made of contracts with five versions that grow as such contracts do, and is checked twice: against
//! itself, and frozen against a copy of which a tenth was edited. Times include reading all YAML.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Instant;

use factum_contract::promises::{OnUnknown, Options, Reference, check};
use factum_contract::{Date, Source};

const SIZES: [usize; 4] = [40, 200, 500, 1_000];
const VERSIONS: u32 = 5;
const ROUNDS: usize = 5;

fn main() {
    println!(
        "{:>9} {:>9} {:>12} {:>14} {:>12} {:>14}",
        "contracts", "files", "compared", "history ms", "frozen ms", "us a version"
    );
    let today = Date::new(2026, 1, 5).expect("a day");
    for size in SIZES {
        let (sources, edited) = (catalog(size, false), catalog(size, true));
        let options = Options { is_frozen: false, unknown: OnUnknown::Fail, today };
        let (history, compared) = best(|| {
            let report = check(&sources, None, options).expect("there is no reference");
            assert_eq!(report.errors(), 0, "{report}");
            report.compared
        });
        let reference = Reference { label: "main".to_owned(), sources: edited };
        let (frozen, _) = best(|| {
            let options = Options { is_frozen: true, ..options };
            let report = check(&sources, Some(&reference), options).expect("the reference is read");
            assert!(report.errors() > 0, "the edits are found");
            report.compared
        });
        let versions = size * VERSIONS as usize;
        println!(
            "{size:>9} {:>9} {compared:>12} {:>14.1} {:>12.1} {:>14.1}",
            sources.len(),
            history * 1e3,
            frozen * 1e3,
            history * 1e6 / versions as f64
        );
    }
}

/// The best time of some rounds, in seconds, and what the last answered.
fn best(mut run: impl FnMut() -> usize) -> (f64, usize) {
    let mut least = f64::MAX;
    let mut answer = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        answer = run();
        least = least.min(begun.elapsed().as_secs_f64());
    }
    (least, answer)
}

/// Contracts with all their versions; of every tenth, the last version is another when `is_edited`.
fn catalog(size: usize, is_edited: bool) -> Vec<Source> {
    let mut sources = vec![Source::new("system.yaml", "system: large\nservices: { orders: {} }\n")];
    for number in 0..size {
        for version in 1..=VERSIONS {
            let is_other = is_edited && version == VERSIONS && number % 10 == 0;
            sources.push(Source::new(
                format!("thing{number}.changed.v{version}.yaml"),
                contract(number, version, is_other),
            ));
        }
    }
    sources
}

/// A contract that gains an optional field with each version.
fn contract(number: usize, version: u32, is_other: bool) -> String {
    let gained: String =
        (1..version).map(|field| format!("    gained{field}: {{ type: string, maxLength: 40 }}\n")).collect();
    let length_max = if is_other { 50 } else { 60 };
    format!(
        r#"event: thing{number}.changed
version: {version}
summary: A thing has changed.
owner: orders
key: thingId
compatibility: full
payload:
  type: object
  required: [thingId, customerId, items, totalAmount, currency, timestamp]
  properties:
    thingId: {{ type: string, format: uuid, role: identifier }}
    customerId: {{ type: string, maxLength: {length_max}, role: identifier, personal: self }}
    email: {{ type: string, format: email, personal: customerId }}
    items:
      type: array
      minItems: 1
      maxItems: 100
      items:
        type: object
        required: [productId, quantity, price]
        properties:
          productId: {{ type: string }}
          quantity: {{ type: integer, minimum: 1, maximum: 1000 }}
          price: {{ type: string, format: decimal, unit: currency }}
    totalAmount: {{ type: string, format: decimal, unit: currency }}
    currency: {{ type: string, pattern: "^[A-Z]{{3}}$" }}
    channel: {{ enum: [web, shop, phone], extensible: true }}
    timestamp: {{ type: string, format: date-time, role: metadata }}
{gained}examples:
  - thingId: 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c
    customerId: c-1
    items: [{{ productId: p-1, quantity: 2, price: "10.50" }}]
    totalAmount: "21.00"
    currency: EUR
    timestamp: 2026-01-05T10:00:00Z
"#
    )
}

//! What checking and reading a payload costs, beside a general JSON Schema validator and bare `serde_json`.
//!
//! Ours and the twin take turns within each round, and the figure that counts is the median of the rounds' ratios, so
//! that other load on the machine falls on both. `--rounds N` says how many (15); the table names the load.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

// Generated code stands on `factum::contract::rt`: here that is this crate.
extern crate self as factum;

/// Contracts, as the facade has them.
pub mod contract {
    pub use factum_contract::*;
}

/// The flagship's generated module.
#[path = "../../examples/orders/src"]
pub mod flagship {
    pub mod contracts;
}

use std::hint::black_box;
use std::time::{Duration, Instant};

use factum_contract::{Catalog, Contract, Validator};
use serde::Deserialize;
use serde_json::{Value, json};

use flagship::contracts::{self, OrderPlaced};

const ROUNDS: usize = 15;
/// Time of one turn.
const TURN: Duration = Duration::from_millis(60);

/// The same event without rules: what `serde_json` alone makes of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read to be measured")]
struct Bare {
    order_id: String,
    customer_id: String,
    items: Vec<BareItem>,
    total_amount: String,
    currency: String,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read to be measured")]
struct BareItem {
    product_id: String,
    quantity: i64,
    price: String,
}

fn main() {
    let rounds = rounds();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, load {}, medians of {rounds} rounds", load.trim());
    println!("what | ours ns | beside it ns | ratio | target |");
    println!("--- | ---: | ---: | ---: | --- | ---");
    let catalog = contracts::CATALOG.load().expect("the flagship's contracts are in order");
    let contract = catalog.contract("order.placed", 1).expect("the flagship has it");
    for items in [1, 52] {
        measure(contract, &payload(items), rounds);
    }
    others(&catalog, rounds);
}

/// The flagship's other contracts, by their first example.
fn others(catalog: &Catalog, rounds: usize) {
    for contract in catalog.latest() {
        let bytes = contract.examples[0].to_json_text().into_bytes();
        let (ours, theirs) = (Validator::of(contract).expect("was checked"), theirs(contract));
        let name = format!("check {}, {} B", contract.label(), bytes.len());
        row(&name, Some(1.3), rounds, || {
            let check = nanoseconds(|| ours.check(black_box(&bytes)).is_ok());
            (check, nanoseconds(|| theirs.is_valid(&parse(black_box(&bytes)))))
        });
    }
}

fn measure(contract: &Contract, bytes: &[u8], rounds: usize) {
    let (ours, theirs) = (Validator::of(contract).expect("was checked"), theirs(contract));
    let value = parse(bytes);
    assert!(ours.check(bytes).is_ok() && theirs.is_valid(&value), "both admit it");
    let size = bytes.len();
    let check = || nanoseconds(|| ours.check(black_box(bytes)).is_ok());
    let their_check = || nanoseconds(|| theirs.is_valid(black_box(&value)));
    let bare = || nanoseconds(|| serde_json::from_slice::<Bare>(black_box(bytes)).is_ok());
    row(&format!("check bytes, beside parsing and checking, {size} B"), Some(1.3), rounds, || {
        (check(), nanoseconds(|| theirs.is_valid(&parse(black_box(bytes)))))
    });
    row(&format!("check a parsed value, beside the same, {size} B"), Some(1.3), rounds, || {
        (nanoseconds(|| ours.check_value(black_box(&value)).is_ok()), their_check())
    });
    row(&format!("check bytes, beside checking a parsed value, {size} B"), None, rounds, || {
        (check(), their_check())
    });
    // What a consumer does with an event: the gate checks it, the type reads it.
    let both = || ours.check(black_box(bytes)).is_ok() && read(bytes);
    row(
        &format!("check and read, beside 1.5 × bare reading and the check, {size} B"),
        Some(1.0),
        rounds,
        || (nanoseconds(both), 1.5 * bare() + check()),
    );
    row(&format!("read, beside bare reading, {size} B"), None, rounds, || {
        (nanoseconds(|| read(bytes)), bare())
    });
}

fn read(bytes: &[u8]) -> bool {
    serde_json::from_slice::<OrderPlaced>(black_box(bytes)).is_ok()
}

/// Measures by turns, and prints a row.
fn row(name: &str, target: Option<f64>, rounds: usize, mut turn: impl FnMut() -> (f64, f64)) {
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| turn()).collect();
    let ratio = median(pairs.iter().map(|(ours, beside)| ours / beside).collect());
    let verdict = match target {
        None => "– | stated".to_owned(),
        Some(most) => format!("≤ {most} | {}", if ratio <= most { "met" } else { "missed" }),
    };
    let middle = |figure: fn(&(f64, f64)) -> f64| median(pairs.iter().map(figure).collect());
    let (ours, beside) = (middle(|pair| pair.0), middle(|pair| pair.1));
    println!("{name} | {ours:.0} | {beside:.0} | {ratio:.2} | {verdict}");
}

fn rounds() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    arguments.next().map_or(ROUNDS, |rounds| rounds.parse().expect("--rounds takes a number"))
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("is JSON")
}

/// An order of some items: one makes about 256 bytes, fifty about 4 KB.
fn payload(items: usize) -> Vec<u8> {
    let item =
        |n: usize| json!({ "productId": format!("sku-{n:06}"), "quantity": n % 9 + 1, "price": "3.00" });
    let items: Vec<Value> = (0..items).map(item).collect();
    let order = json!({
        "orderId": "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
        "customerId": "c-1",
        "items": items,
        "totalAmount": "21.00",
        "currency": "EUR",
        "timestamp": "2026-01-05T10:00:00Z",
    });
    order.to_string().into_bytes()
}

fn theirs(contract: &Contract) -> jsonschema::Validator {
    let mut schema = contract.document.get("payload").expect("has a payload").to_json();
    keep_open(&mut schema);
    jsonschema::options()
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .with_format("decimal", |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        .build(&schema)
        .expect("is a schema")
}

/// Extensible enums as plain text, which is what they accept.
fn keep_open(schema: &mut Value) {
    if let Value::Object(object) = schema {
        if object.contains_key("extensible") {
            object.remove("enum");
            object.insert("type".into(), "string".into());
        }
        object.values_mut().for_each(keep_open);
    }
}

fn nanoseconds(mut pass: impl FnMut() -> bool) -> f64 {
    let start = Instant::now();
    let mut passes = 0_u32;
    while start.elapsed() < TURN {
        for _ in 0..50 {
            assert!(pass(), "a valid payload is admitted and read");
        }
        passes += 50;
    }
    start.elapsed().as_nanos() as f64 / f64::from(passes)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! A working project: contracts, a service that runs, tests that pass, a pipeline, and a page that says how to go on.

use factum_contract::generate::{self, rust};
use factum_contract::{Catalog, Source};

use super::ScaffoldError;

/// What a project is made of.
#[derive(Debug)]
pub struct Project<'p> {
    /// Its name: that of its package.
    pub name: &'p str,
    /// How its manifest finds the crate `factum`: `version = "0.1"` or `path = "../factum"`.
    pub factum: &'p str,
}

/// All files of a new project, by path.
///
/// # Errors
/// When the name is none of a package.
pub fn project(project: &Project<'_>) -> Result<Vec<Source>, ScaffoldError> {
    let name = project.name;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    if !is_name || ["test", "core", "std", "factum", "main"].contains(&name) {
        let expected = "small letters, digits, '-' or '_', starting with a letter, such as shop";
        return Err(ScaffoldError::Name { found: name.to_owned(), kind: "project", expected });
    }
    let contracts: Vec<Source> =
        CONTRACTS.iter().map(|(file, text)| Source::new(*file, fill(text, project))).collect();
    let mut files: Vec<Source> = contracts
        .iter()
        .map(|file| Source::new(format!("contracts/{}", file.name), file.text.clone()))
        .collect();
    files.extend(
        generated(&contracts).into_iter().map(|file| Source::new(format!("src/{}", file.path), file.text)),
    );
    files.extend(FILES.iter().map(|(path, text)| Source::new(*path, fill(text, project))));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn generated(contracts: &[Source]) -> Vec<generate::GeneratedFile> {
    let catalog = Catalog::read(contracts).expect("the contracts of a new project are tested");
    let options = rust::Options { module: "contracts".to_owned(), root: "factum::contract::rt".to_owned() };
    rust::generate(&catalog, &options).expect("names of a new project do not collide").files
}

fn fill(text: &str, project: &Project<'_>) -> String {
    text.replace("@crate", &project.name.replace('-', "_"))
        .replace("@name", project.name)
        .replace("@factum", project.factum)
}

const CONTRACTS: [(&str, &str); 3] =
    [("system.yaml", SYSTEM), ("order.placed.v1.yaml", PLACED), ("payment.approved.v1.yaml", APPROVED)];

const SYSTEM: &str = r##"# Services, and what passes between them. `factum contract check` reads it, and the program starts only when it agrees.
system: @name
defaults: { compatibility: backward, policy: lenient }
services:
  orders: { emits: [order.placed] }
  payments: {}
consumers:
  payments.charge:
    service: payments
    on: [order.placed]
    emits: [payment.approved]
    idempotency: { by: orderId, window: 24h }
    retry: { immediate: 2, attempts: 8, first: 1s, max: 10m }
    dead_letters: { owner: payments, on_dead: hold }
"##;

const PLACED: &str = r##"event: order.placed
version: 1
summary: A customer placed an order.
owner: orders
key: orderId
ordering: per-key
payload:
  type: object
  required: [orderId, amount, currency]
  properties:
    orderId: { type: string, format: uuid, role: identifier }
    amount: { type: string, format: decimal, unit: currency }
    currency: { type: string, pattern: "^[A-Z]{3}$" }
examples:
  - { orderId: 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c, amount: "21.00", currency: EUR }
"##;

const APPROVED: &str = r##"event: payment.approved
version: 1
summary: The payment of an order was approved.
owner: payments
key: orderId
ordering: per-key
payload:
  type: object
  required: [orderId, amount, currency]
  properties:
    orderId: { type: string, format: uuid, role: identifier }
    amount: { type: string, format: decimal, unit: currency }
    currency: { type: string, pattern: "^[A-Z]{3}$" }
examples:
  - { orderId: 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c, amount: "21.00", currency: EUR }
"##;

const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", MANIFEST),
    ("src/lib.rs", LIB),
    ("src/main.rs", MAIN),
    ("src/payments.rs", PAYMENTS),
    ("tests/flow.rs", FLOW),
    ("factum.toml", SETTINGS),
    (".gitignore", IGNORE),
    (".github/workflows/ci.yml", PIPELINE),
    ("README.md", README),
];

const MANIFEST: &str = r##"[package]
name = "@name"
version = "0.1.0"
edition = "2024"
publish = false

[dependencies]
factum = { @factum }
tokio = { version = "1", default-features = false, features = ["rt-multi-thread", "macros"] }

# It stands alone, wherever it is put.
[workspace]

# Guests are built once, and soon; `opt-level = 1` here lets them run faster, and takes three times as long to build.
[profile.dev]
debug = "line-tables-only"
[profile.dev.package."*"]
debug = false
"##;

const LIB: &str = r##"//! Orders are placed, payments follow: two services that know each other by events alone.

pub mod contracts;
pub mod payments;

use std::sync::Arc;

use factum::{App, Store};

/// The program, put together: what runs here is what the contracts list.
#[must_use]
pub fn app(store: Arc<dyn Store>) -> App {
    App::new(store).consumer(payments::consumer())
}
"##;

const MAIN: &str = r##"//! Places one order, and shows what it causes.

use std::time::Duration;

use @crate::contracts::{CATALOG, OrderPlaced};
use factum::{Envelope, Query};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = factum::open(&url, CATALOG).await?;
    let running = @crate::app(store.clone()).start().await?;
    running.admin().publish(Envelope::of(&OrderPlaced::example())?).await?;
    running.settled(Duration::from_secs(10)).await?;
    for event in store.read(&Query::all()).await?.events {
        println!("{} {} in {}", event.position, event.envelope.event_type, event.stream);
    }
    running.stop().await;
    Ok(())
}
"##;

const PAYMENTS: &str = r##"//! Payments: charges every order that is placed, once.

use factum::prelude::*;

use crate::contracts::{OrderPlaced, PaymentApproved};

/// Charges orders.
#[derive(Debug, Clone, Copy, Default)]
pub struct Charge;

impl Handler<OrderPlaced> for Charge {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        // The same on every try: hand it to the payment provider, so that it charges once.
        let _key = cx.idempotency_key("charge");
        cx.emit(&PaymentApproved::new(order.order_id(), order.amount(), order.currency().clone()));
        Ok(())
    }
}

/// The consumer `payments.charge`.
#[must_use]
pub fn consumer() -> Consumer {
    Consumer::new("payments.charge").on::<OrderPlaced>(Charge)
}
"##;

const FLOW: &str = r##"//! What becomes of an order, from the outside.

use std::time::Duration;

use @crate::contracts::{CATALOG, OrderPlaced};
use factum::{Envelope, Query};

#[tokio::test]
async fn an_order_is_paid_once_however_often_it_is_delivered() {
    let store = factum::open("memory:", CATALOG).await.expect("the store opens");
    let running = @crate::app(store.clone()).start().await.expect("code and catalog agree");
    let placed = Envelope::of(&OrderPlaced::example()).expect("the example is valid");
    for _ in 0..2 {
        running.admin().publish(placed.clone()).await.expect("it is published");
    }
    running.settled(Duration::from_secs(20)).await.expect("all is handled");
    let page = store.read(&Query::all()).await.expect("the log can be read");
    let names: Vec<&str> = page.events.iter().map(|event| event.envelope.event_type.name.as_str()).collect();
    assert_eq!(names, ["order.placed", "payment.approved"]);
    running.stop().await;
}

#[test]
fn what_breaks_the_contract_is_refused() {
    for broken in OrderPlaced::invalid_json() {
        assert!(OrderPlaced::from_json(broken.json.as_bytes()).is_err(), "{} was let through", broken.what);
    }
}
"##;

const SETTINGS: &str = r##"# Where the command line finds things.
store = "sqlite:@name.db"
contracts = "contracts"
"##;

const IGNORE: &str = "/target\n*.db\n*.db-*\n";

const PIPELINE: &str = r##"name: ci
on:
  push: { branches: [main] }
  pull_request:
permissions: { contents: read }
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
      - run: cargo test
      - run: factum contract check contracts --format github
      - run: factum generate rust --contracts contracts --out src --check
"##;

const README: &str = r##"# @name

Two services, orders and payments, that know each other by events alone.

```text
cargo run                  # places one order in memory, shows what it causes
cargo run -- @name.db      # keeps it in a file
factum log --store @name.db
cargo test
```

| where | what |
|---|---|
| `contracts/` | events and the system around them; change these first |
| `src/contracts.rs` | generated: `factum generate rust --contracts contracts --out src` |
| `src/payments.rs` | a consumer |
| `src/lib.rs` | what runs |
| `tests/flow.rs` | what must be true, from the outside |

Next: `factum scaffold consumer stock.reserve payment.approved`, or a plan: `factum plan SPEC --slice 1`.
"##;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_of_a_new_project_pass_check() {
        let files = project(&Project { name: "my-shop", factum: "version = \"0.1\"" }).unwrap();
        let contracts: Vec<Source> = files
            .iter()
            .filter_map(|file| Some(Source::new(file.name.strip_prefix("contracts/")?, file.text.clone())))
            .collect();
        let report = factum_contract::check(&contracts);
        assert!(report.findings.is_empty(), "{report}");
        assert!(files.iter().all(|file| !file.text.contains("@name") && !file.text.contains("@crate")));
    }

    /// What a project begins with is built before its first test runs: nothing that it does not use, and nothing slowly.
    #[test]
    fn a_new_project_builds_no_more_than_it_needs() {
        let files = project(&Project { name: "shop", factum: "version = \"0.1\"" }).unwrap();
        let manifest = files.iter().find(|file| file.name == "Cargo.toml").unwrap();
        let settings: Vec<&str> = manifest.text.lines().filter(|line| !line.starts_with('#')).collect();
        let settings = settings.join("\n");
        assert!(!settings.contains("opt-level") && !settings.contains("[dev-dependencies]"), "{settings}");
        let guests = settings.split("[dependencies]\n").nth(1).unwrap().split("\n\n").next().unwrap();
        assert_eq!(guests.lines().count(), 2, "{guests}");
    }

    #[test]
    fn a_name_that_is_no_package_is_refused() {
        for name in ["", "Shop", "1shop", "a b", "../x", "factum"] {
            assert!(project(&Project { name, factum: "" }).is_err(), "{name}");
        }
    }
}

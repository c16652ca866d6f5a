//! The flagship's contracts are in order, and the code generated from them is fresh.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::Path;

use factum_contract::generate::rust;
use factum_contract::{check, folder};

fn orders() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders")
}

#[test]
fn the_contracts_of_the_flagship_have_no_findings() {
    let report = check(&folder::read(&orders().join("contracts")).unwrap());
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn the_generated_code_of_the_flagship_is_fresh() {
    let report = check(&folder::read(&orders().join("contracts")).unwrap());
    let generated = rust::generate(&report.catalog.unwrap(), &rust::Options::default()).unwrap();
    assert_eq!(generated.stale(&orders().join("src")).unwrap(), [], "run `factum generate rust`");
}

#[test]
fn the_catalog_is_listed_with_who_sends_and_who_reads() {
    let catalog = check(&folder::read(&orders().join("contracts")).unwrap()).catalog.unwrap();
    let rows = factum_contract::overview::list(&catalog);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} -> {}", row.name, row.producers.join(" "), row.consumers.join(" ")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let details = factum_contract::overview::show(&catalog, "order.placed", None).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&details).unwrap());
    assert!(factum_contract::overview::show(&catalog, "order.placed", Some(2)).is_none());
}

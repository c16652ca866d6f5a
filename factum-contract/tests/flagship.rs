//! The flagship's contracts are in order, and the code generated from them is fresh.

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

//! The very same program on PostgreSQL: what it prints is what it prints in memory.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::process::Command;

use factum_conformance::postgres::fresh_url;

fn told(url: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_basic-pub-sub")).arg(url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    // Within the process, subscribers hear at the same time, in any order.
    told.split_once("durable:").unwrap().1.to_owned()
}

#[test]
fn what_is_durable_is_the_same_on_both_stores() {
    assert_eq!(told(&fresh_url()), told("memory:"));
}

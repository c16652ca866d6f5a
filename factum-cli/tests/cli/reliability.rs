//! `factum reliability` on the flagship's consumers, and on plain words.

use std::path::Path;

use insta::assert_snapshot;

use crate::look::shown;
use crate::terminal::Terminal;

fn flagship() -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders/contracts");
    at.canonicalize().unwrap().display().to_string()
}

/// What was printed, without the machine's path to the flagship.
fn same(text: &str) -> String {
    text.replace(&flagship(), "<flagship>")
}

#[test]
fn a_policy_of_the_catalog_is_explained() {
    let (terminal, at) = (Terminal::new(), flagship());
    assert_snapshot!(same(&shown!(
        terminal,
        ["reliability", "--contracts", &at],
        ["reliability", "payments.charge", "--contracts", &at],
        ["reliability", "orders.stock", "--contracts", &at],
        ["reliability", "payments.chrage", "--contracts", &at],
    )));
}

#[test]
fn without_a_policy_one_is_proposed_with_reasons() {
    let terminal = Terminal::new();
    let at = Terminal::contracts().display().to_string();
    assert_snapshot!(shown!(
        terminal,
        ["reliability", "payments", "--contracts", &at],
        ["reliability", "retry", "strategy", "for", "webhook", "ingestion"],
        ["reliability", "send the confirmation mail"],
        ["reliability"],
    ));
}

#[test]
fn an_outage_is_simulated() {
    let (terminal, at) = (Terminal::new(), flagship());
    assert_snapshot!(same(&shown!(
        terminal,
        [
            "reliability",
            "payments.charge",
            "--contracts",
            &at,
            "--simulate",
            "outage=5m,rate=200/s,consumers=4"
        ],
        [
            "reliability",
            "payments.charge",
            "--contracts",
            &at,
            "--simulate",
            "outage=0s,rate=20/s,poison=1%,keys=200"
        ],
        ["reliability", "payments.charge", "--contracts", &at, "--simulate", "outage=soon"],
    )));
}

#[test]
fn attempts_and_curves_are_drawn() {
    let (terminal, at) = (Terminal::new(), flagship());
    let load = "outage=5m,rate=200/s,consumers=4";
    for (file, more) in [("attempts.svg", vec![]), ("curve.svg", vec!["--simulate", load])] {
        let args = ["reliability", "payments.charge", "--contracts", &at, "--svg", file];
        let args: Vec<&str> = args.into_iter().chain(more).collect();
        assert_eq!(terminal.code(&args), 0);
        let drawn = std::fs::read_to_string(terminal.folder().join(file)).unwrap();
        assert_snapshot!(file.replace('.', "_"), drawn);
    }
}

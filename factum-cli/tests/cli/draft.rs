//! The first version of a contract: from flags, from answers, and what is refused.

use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::look::shown;
use crate::terminal::Terminal;

/// Runs with answers on standard input.
fn answered(terminal: &Terminal, args: &[&str], answers: &str) -> String {
    let mut command = terminal.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have said no before it read anything.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    terminal.show(args, &child.wait_with_output().unwrap())
}

#[test]
fn a_contract_from_flags_passes_check_at_once() {
    let terminal = Terminal::new();
    assert_snapshot!(shown!(
        terminal,
        ["contract", "new", "event", "order.placed", "--owner", "orders", "--system", "shop"],
        ["contract", "check"],
        [
            "contract",
            "new",
            "command",
            "reserve.stock",
            "--owner",
            "orders",
            "--summary",
            "Set goods aside: now.",
            "--field",
            "orderId:uuid!",
            "--field",
            "quantity:integer!",
            "--field",
            "channel:web|shop",
            "--key",
            "orderId",
            "--topic",
            "stock.orders",
            "--ordering",
            "total",
            "--compatibility",
            "full-transitive"
        ],
        ["contract", "check"],
        ["contract", "list"],
    ));
    let text = std::fs::read_to_string(terminal.folder().join("contracts/reserve.stock.v1.yaml")).unwrap();
    assert_snapshot!("what_is_written", text);
}

#[test]
fn what_would_be_written_can_be_seen_first() {
    let terminal = Terminal::new();
    let args =
        ["contract", "new", "event", "order.placed", "--owner", "orders", "--system", "shop", "--dry-run"];
    assert_snapshot!(terminal.run(&args));
    assert_eq!(std::fs::read_dir(terminal.folder()).unwrap().count(), 0);
}

#[test]
fn a_person_is_asked() {
    let terminal = Terminal::new();
    let args = ["contract", "new", "event", "order.placed", "--ask", "--system", "shop"];
    let answers =
        "orders\nA customer completed checkout.\norderId:uuid!\ntotal:money\ntotal:decimal!\n\n\n\n2\nfull\n";
    let first = answered(&terminal, &args, answers);
    let again = ["contract", "new", "event", "order.paid", "--ask"];
    let second = answered(&terminal, &again, "1\nThe money is there.\n\n\n\n\n\n");
    let third = terminal.run(&["contract", "check"]);
    assert_snapshot!([first, second, third].join("\n"));
}

#[test]
fn answers_that_end_too_early_write_nothing() {
    let terminal = Terminal::new();
    let args = ["contract", "new", "event", "order.placed", "--ask"];
    let text = [answered(&terminal, &args, "orders\n"), answered(&terminal, &args, "1\n2\n3\n4\n5\n6\n")];
    assert_snapshot!(text.join("\n"));
    assert_eq!(std::fs::read_dir(terminal.folder()).unwrap().count(), 0);
}

#[test]
fn nothing_is_overwritten_and_nothing_wrong_is_written() {
    let terminal = Terminal::new();
    let new = |name: &str, rest: &[&str]| {
        let args: Vec<&str> = ["contract", "new", "event", name].iter().chain(rest).copied().collect();
        terminal.run(&args)
    };
    let mut text = vec![
        new("order.placed", &["--owner", "orders", "--system", "shop"]),
        new("order.placed", &["--owner", "orders"]),
        new("order.paid", &["--owner", "ordrs"]),
        new("order.paid", &[]),
        new("order paid", &["--owner", "orders"]),
        new("order.paid", &["--owner", "orders", "--field", "total:money"]),
        new("order.paid", &["--owner", "orders", "--field", "total:decimal!", "--key", "total"]),
        new("order.paid", &["--owner", "orders", "--ordering", "sometimes"]),
    ];
    std::fs::write(terminal.folder().join("contracts/order.paid.v1.yaml"), "event: order.lost\n").unwrap();
    text.push(new("order.paid", &["--owner", "orders"]));
    assert_snapshot!(text.join("\n"));
}

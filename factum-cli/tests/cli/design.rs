//! From words on a wall to a design, from a specification to a plan, and what is refused on the way.

use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::look::shown;
use crate::terminal::Terminal;

const WALL: &str = "system shop\n\
    Orders: place order -> order.placed [orderId] (orders)\n\
    Payments: on order.placed -> payment.approved | payment.declined     # calls psp-http-api\n\
    Orders: on payment.approved -> order.paid\n\
    Stock: on order.paid -> stock.reserved | stock.rejected\n\
    Orders: on stock.rejected -> order.cancelled ; compensates order.paid with refund.payment\n\
    Prices: ask Orders for the total and wait for the answer\n\
    Stock: on Tuesday -> !!!\n";

fn wall(text: &str) -> Terminal {
    let terminal = Terminal::new();
    std::fs::write(terminal.folder().join("wall.txt"), text).unwrap();
    terminal
}

fn read(terminal: &Terminal, path: &str) -> String {
    std::fs::read_to_string(terminal.folder().join(path)).unwrap()
}

#[test]
fn a_wall_becomes_contracts_that_pass_check() {
    let terminal = wall(WALL);
    assert_snapshot!(shown!(
        terminal,
        ["design", "wall.txt", "--dry-run"],
        ["design", "wall.txt"],
        ["contract", "check"],
        ["design", "wall.txt"],
    ));
}

#[test]
fn what_people_edited_stays_and_conflicts_stop_it() {
    let terminal = wall(WALL);
    terminal.run(&["design", "wall.txt"]);
    let path = "contracts/system.yaml";
    let edited = read(&terminal, path).replace("system: shop", "system: shop\ndescription: The shop.");
    std::fs::write(
        terminal.folder().join(path),
        edited.replace("[psp-http-api]", "[psp-http-api, fraud-check]"),
    )
    .unwrap();
    std::fs::write(
        terminal.folder().join("wall.txt"),
        format!("{WALL}Mail: on order.paid -> mail.sent [orderId]\n"),
    )
    .unwrap();
    let first = terminal.run(&["design", "wall.txt"]);
    let merged = read(&terminal, path);
    assert!(
        merged.contains("fraud-check") && merged.contains("mail.on-order") && merged.contains("The shop."),
        "{merged}"
    );

    std::fs::write(terminal.folder().join("wall.txt"), WALL.replace("psp-http-api", "bank-api")).unwrap();
    let before = read(&terminal, path);
    let second = terminal.run(&["design", "wall.txt"]);
    assert_eq!(read(&terminal, path), before, "nothing is written when there is a conflict");
    let third = terminal.run(&["design", "wall.txt", "--on-conflict", "mine"]);
    assert!(read(&terminal, path).contains("fraud-check"));
    assert_snapshot!([first, second, third].join("\n"));
}

#[test]
fn a_person_is_asked_what_stands_on_the_wall() {
    let terminal = Terminal::new();
    let mut command = terminal.command(&["design", "--ask"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let answers = "shop\nOrders\nplace order\norder.placed [orderId]\n\n\nMail\non order.placed\nmail.sent\nsmtp\n\n\nabout 10 orders per second\n";
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_snapshot!(terminal.show(&["design", "--ask"], &output));
    assert_snapshot!("the_wall_of_an_interview", read(&terminal, "docs/architecture/shop.storm.txt"));
    assert_eq!(terminal.code(&["contract", "check"]), 0);
}

#[test]
fn what_cannot_be_designed_is_said_with_what_was_understood() {
    let terminal = wall("# Shop\nWe talked.\nOrders: on Tuesday -> !!!\n");
    std::fs::write(terminal.folder().join("binary"), b"\x89PNG\0").unwrap();
    std::fs::write(terminal.folder().join("calls.txt"), "Orders: ask Prices for the total\n").unwrap();
    assert_snapshot!(shown!(
        terminal,
        ["design", "wall.txt"],
        ["design", "binary"],
        ["design", "calls.txt"],
        ["design", "no-such-file"],
        ["design"],
        ["design", "--from-code", "nowhere"],
        ["design", "--from-code", "."],
        ["design", "--from-asyncapi", "wall.txt"],
    ));
}

const SPEC: &str = "# Loyalty\n\nRisk: low\n\n## Slice 1: points for paid orders\n\n\
    - [ ] when `order.placed` arrives, publishes `loyalty.earned` with `orderId` and `points`\n\
    - [ ] works properly\n\n```\n- [ ] not this\n```\n\n## Slice 2: later\n";

fn specified() -> Terminal {
    let terminal = wall(WALL);
    terminal.run(&["design", "wall.txt"]);
    std::fs::create_dir_all(terminal.folder().join("docs/specs")).unwrap();
    std::fs::write(terminal.folder().join("docs/specs/loyalty.md"), SPEC).unwrap();
    terminal
}

#[test]
fn a_slice_becomes_a_plan_that_keeps_its_ticks() {
    let terminal = specified();
    let plan = "docs/specs/loyalty-slice-1-tdd-plan.md";
    let first = terminal.run(&["plan", "docs/specs/loyalty.md", "--slice", "1", "--scaffold"]);
    let ticked = read(&terminal, plan).replacen("- [ ] **RED**", "- [x] **RED**", 2).replacen(
        "- [ ] **GREEN**",
        "- [ ] ⚠️ **GREEN**",
        1,
    );
    std::fs::write(terminal.folder().join(plan), &ticked).unwrap();
    let more = SPEC.replace("works properly", "refuses no order");
    std::fs::write(terminal.folder().join("docs/specs/loyalty.md"), more).unwrap();
    let second = terminal.run(&["plan", "docs/specs/loyalty.md", "--slice", "points", "--risk", "moderate"]);
    let now = read(&terminal, plan);
    assert_eq!(now.matches("- [x] **RED**").count(), 2);
    assert!(now.contains("refuses no order") && now.contains("⚠️ **GREEN**"));
    let status = terminal.run(&["plan", "status"]);
    let verify = terminal.run(&["plan", "verify"]);
    assert_snapshot!([first, second, status, verify].join("\n"));
}

#[test]
fn a_plan_is_for_one_slice_and_says_what_it_cannot_plan() {
    let terminal = specified();
    std::fs::write(terminal.folder().join("binary.md"), b"\xff\0").unwrap();
    std::fs::write(terminal.folder().join("empty.md"), "# Nothing\n").unwrap();
    let spec = "docs/specs/loyalty.md";
    assert_snapshot!(shown!(
        terminal,
        ["plan", "docs/specs/loyalty.md"],
        ["plan", "docs/specs/loyalty.md", "--slice", "2"],
        ["plan", "docs/specs/loyalty.md", "--slice", "9"],
        ["plan", "binary.md", "--slice", "1"],
        ["plan", "empty.md", "--slice", "1"],
        ["plan", "nowhere.md", "--slice", "1"],
        ["plan"],
        ["plan", "status", "contracts"],
    ));
    let before = read(&terminal, spec);
    terminal.run(&["plan", spec, "--slice", "1", "--dry-run"]);
    assert_eq!(read(&terminal, spec), before);
    assert!(!terminal.folder().join("docs/specs/loyalty-slice-1-tdd-plan.md").exists());
}

#[test]
fn only_test_runners_are_run() {
    let terminal = Terminal::new();
    let plan = "# P\n\n### b\n\n- [x] **RUN** `rm -rf x`: it passes\n";
    std::fs::write(terminal.folder().join("p-tdd-plan.md"), plan).unwrap();
    assert_snapshot!(shown!(terminal, ["plan", "verify", "p-tdd-plan.md"]));
}

#[test]
fn what_is_scaffolded_is_shown_and_never_overwrites() {
    let terminal = wall(WALL);
    terminal.run(&["design", "wall.txt"]);
    assert_snapshot!(shown!(
        terminal,
        ["scaffold", "consumer", "payments.on-order", "order.placed", "--lang", "rust"],
        ["scaffold", "consumer", "payments.on-order", "order.placed", "--lang", "rust"],
        ["scaffold", "consumer", "mail.send", "order.paid", "--lang", "ts", "--dry-run"],
        ["scaffold", "consumer", "mail.send", "order.paid", "--lang", "python", "--dry-run"],
        ["scaffold", "consumer", "mail.send", "order.payd"],
        ["scaffold", "consumer", "mail.send"],
        ["scaffold", "saga", "x", "order.paid", "--lang", "ts"],
        ["scaffold", "consumer", "../x", "order.paid"],
        ["scaffold", "service", "ordrs"],
        ["scaffold", "contract", "order.lost", "--dry-run"],
    ));
}

#[test]
fn a_project_is_made_where_there_is_none() {
    let terminal = Terminal::new();
    assert_snapshot!(shown!(
        terminal,
        ["new", "shop"],
        ["new", "shop"],
        ["new", "My Shop"],
        ["new", "x", "--factum", "shop"],
        ["contract", "check", "shop/contracts"]
    ));
}

#[test]
fn plain_words_find_the_mode_and_say_why() {
    let terminal = Terminal::new();
    assert_snapshot!(shown!(
        terminal,
        ["plan the next slice test first"],
        ["is adding a field a breaking change?"],
        ["Orders: place order -> order.placed"],
        ["design a REST API for orders"],
        ["build a nightly batch pipeline"],
        ["install Kafka on kubernetes"],
        ["lorem ipsum dolor"],
        ["new", "project", "please"],
        ["scaffold a listener", "--json"],
    ));
}

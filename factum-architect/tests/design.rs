//! What becomes of the words on a wall: contracts that pass, a document that hides nothing, drawings that Mermaid reads.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot go on stops")]

use std::path::Path;
use std::process::Command;

use factum_architect::codebase;
use factum_architect::design::{Carrier, Design, DesignError, Style, from_asyncapi, from_code, from_text};
use insta::assert_snapshot;

fn wall(name: &str) -> Design {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/walls").join(name);
    from_text(name, &std::fs::read(path).unwrap()).unwrap()
}

fn words(text: &str) -> Design {
    from_text("wall.txt", text.as_bytes()).unwrap()
}

fn shown(design: &Design) -> String {
    design.outputs().iter().map(|file| format!("=== {}\n{}\n", file.name, file.text.trim_end())).collect()
}

#[test]
fn the_words_on_a_wall_become_contracts_and_a_document() {
    assert_snapshot!(shown(&wall("shop.txt")));
}

#[test]
fn lists_headings_prose_and_other_arrows_are_understood() {
    assert_snapshot!(shown(&wall("messy.md")));
}

#[test]
fn what_is_designed_passes_check_without_a_finding() {
    for design in [wall("shop.txt"), wall("messy.md"), words("a: b c -> d.done")] {
        let report = factum_contract::check(&design.files);
        assert!(report.findings.is_empty(), "{report}");
    }
}

#[test]
fn every_event_has_a_producer_a_key_consumers_and_a_strategy_or_a_question() {
    for design in [wall("shop.txt"), wall("messy.md")] {
        let document = design.document();
        let table = document.split("## Who says what to whom").nth(1).unwrap().split("\n## ").next().unwrap();
        for contract in design.catalog.latest() {
            let row = table.lines().find(|line| line.starts_with(&format!("| `{}` |", contract.name)));
            let cells: Vec<&str> = row.unwrap().trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 6, "{row:?}");
            for cell in cells {
                assert!(!cell.is_empty() && cell != "nobody" || cell.contains('Q'), "{row:?}");
            }
        }
        let numbers: Vec<usize> = design.questions.iter().map(|question| question.number).collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    }
}

#[test]
fn mermaid_reads_every_drawing_of_a_document() {
    let Some(tools) = xtask::tools::or_skip("design::mermaid_reads_every_drawing_of_a_document", "mermaid")
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for design in [
        wall("shop.txt"),
        wall("messy.md"),
        words("end: graph loop -> end.done [class]\nsubgraph: on end.done -> click.made"),
    ] {
        let document = design.document();
        for (index, drawing) in document.split("```mermaid\n").skip(1).enumerate() {
            let name = format!("{}-{index}.mmd", design.system);
            std::fs::write(folder.path().join(&name), drawing.split("```").next().unwrap()).unwrap();
            files.push(name);
        }
    }
    assert!(files.len() >= 9, "{files:?}");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../factum-contract/tests/interchange/draw.mjs");
    let output =
        Command::new("node").arg(script).arg(tools).args(&files).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();
    assert_eq!(read.lines().count(), files.len());
    for line in read.lines() {
        let drawing: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(drawing["error"].is_null(), "{drawing}");
    }
}

#[test]
fn a_saga_comes_from_undoing_waiting_and_joining_alone() {
    let style = |text: &str| words(text).coordination.style;
    let chain = "A: do it -> a.done [id]\nB: on a.done -> b.done\nC: on b.done -> c.done\n";
    assert_eq!(style(chain), Style::Choreography);
    assert_eq!(
        style(&format!("{chain}A: on c.done -> a.closed ; compensates a.done with undo.a")),
        Style::Saga
    );
    assert_eq!(
        style(&format!("{chain}A: on c.done -> a.closed within 15m otherwise a.expired")),
        Style::Saga
    );
    assert_eq!(style(&format!("{chain}A: on b.done and c.done -> a.closed")), Style::Saga);
    assert_eq!(style("A: do it -> a.done"), Style::None);
    let director = "A: do it -> a.done [id]\nB: do b -> b.done\nC: c -> c.done\nD: d -> d.done\nE: on b.done -> do.b\nE: on c.done -> do.c\nE: on d.done -> do.d";
    assert_eq!(style(director), Style::Orchestration);
}

#[test]
fn the_least_carrier_that_does_the_work_is_recommended() {
    let two = "Orders: place order -> order.placed [id]\nMail: on order.placed -> mail.sent\n";
    let carrier = |more: &str| words(&format!("{two}{more}\n")).advice.carrier;
    assert_eq!(carrier(""), Carrier::PostgreSql);
    assert_eq!(carrier("all of it runs in one process"), Carrier::Embedded);
    assert_eq!(carrier("about 5,000 orders per second"), Carrier::Nats);
    assert_eq!(carrier("about 50k events per second"), Carrier::Kafka);
    assert_eq!(carrier("the company runs RabbitMQ"), Carrier::RabbitMq);
    assert_eq!(carrier("everything on AWS, nobody runs servers"), Carrier::Managed);
    assert_eq!(
        words("Orders: place order -> order.placed\nOrders: on order.placed -> order.mailed").advice.carrier,
        Carrier::Embedded
    );
}

#[test]
fn it_says_when_events_are_more_than_is_needed() {
    let why = |text: &str| words(text).fit.overkill.join("\n");
    assert!(why("Orders: save form -> form.saved").contains("nobody reacts"));
    assert!(
        why("Orders: save form -> form.saved\nOrders: on form.saved -> form.mailed")
            .contains("function call")
    );
    assert_eq!(why("Orders: place order -> order.placed\nMail: on order.placed -> mail.sent"), "");
}

#[test]
fn what_needs_its_answer_at_once_stays_a_call() {
    let design = words(
        "Orders: place order -> order.placed\nMail: on order.placed -> mail.sent\nOrders: ask Prices for the total and wait for the answer -> total",
    );
    assert_eq!(design.fit.direct.len(), 1);
    assert!(design.catalog.versions("total").next().is_none());
    assert!(design.document().contains("## What stays a direct call"));
    let error = from_text("wall.txt", b"Orders: ask Prices for the total").unwrap_err();
    assert!(matches!(error, DesignError::OnlyRequests { .. }), "{error}");
}

#[test]
fn what_cannot_be_used_says_what_was_understood() {
    let told = |bytes: &[u8]| {
        let error = from_text("wall.txt", bytes).unwrap_err();
        format!("{error}\nhint: {}\n", error.hint())
    };
    let long = vec![b'a'; 1024 * 1024 + 1];
    let nothing = told(b"# Shop\nWe talked for an hour.\nIt was nice?\nOrders: on Tuesday -> !!!\n");
    assert_snapshot!([told(b""), nothing, told(b"a\0b"), told(b"a\xffb"), told(&long)].concat());
}

#[test]
fn what_is_answered_in_the_text_is_no_longer_asked() {
    let open = words("Orders: place order -> order.placed\nMail: on order.placed -> mail.sent");
    let told = words(
        "Orders: place order -> order.placed [orderId, total:decimal!]\nMail: on order.placed -> mail.sent [orderId, to:email!] ; retry 5 times ; dead letters to mail\n\
        Audit: on mail.sent ; retry 3 times ; dead letters to audit\nabout 10 orders per second",
    );
    assert!(open.questions.len() >= 5, "{:#?}", open.questions);
    assert_eq!(told.questions, []);
}

#[test]
fn a_design_can_begin_with_the_code_that_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders");
    let code = codebase::scan(&folder).unwrap();
    let (text, design) = from_code("orders", &code).unwrap();
    assert_snapshot!(text);
    assert!(design.catalog.versions("payment.approved").next().is_some(), "{text}");
}

#[test]
fn a_design_can_begin_with_an_asyncapi_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../factum-cli/tests/asyncapi/light.yaml");
    let design = from_asyncapi("light.yaml", &std::fs::read(folder).unwrap()).unwrap();
    assert!(design.catalog.latest().count() > 0);
    assert_snapshot!(design.document());
}

//! What the commands that change nothing print.

use insta::assert_snapshot;

use crate::sample::{empty, shop};

/// Runs each and joins what was printed, so that one snapshot shows a command whole.
macro_rules! shown {
    ($terminal:expr, $([$($arg:expr),*]),+ $(,)?) => {
        [$($terminal.run(&[$($arg),*])),+].join("\n")
    };
}
pub(crate) use shown;

#[tokio::test]
async fn log_lists_events_newest_last() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["log"],
        ["log", "--types", "order.placed", "--last", "2"],
        ["log", "--tag", "orderId:3", "--since", "1"],
        ["log", "--category", "payment", "--since", "5", "--until", "8"],
        ["log", "--correlation", "checkout-4"],
        ["log", "--stream", "order-2", "--since", "1h"],
        ["log", "--since", "2099-01-01"],
        ["log", "--last", "1", "--json"],
    ));
}

#[tokio::test]
async fn stream_and_event_show_one_thing() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["stream", "order-3"],
        ["stream", "order-3", "--json"],
        ["event", "6"],
        ["event", "5"],
        ["event", "@6", "--json"],
    ));
}

#[tokio::test]
async fn trace_is_a_tree_with_times_and_troubles() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["trace", "checkout-3"],
        ["trace", "4"],
        ["trace", "8"],
        ["trace", "checkout-3", "--color", "always"],
        ["trace", "checkout-3", "--json"],
    ));
}

#[tokio::test]
async fn search_finds_text_anywhere() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["search", "CUSTOMER-4"],
        ["search", "50.50", "payment"],
        ["search", "checkout-1", "--last", "1"],
        ["search", "no such text"],
        ["search", "no such text", "--json"],
    ));
}

#[tokio::test]
async fn stats_counts_types_and_streams() {
    let shop = shop().await;
    assert_snapshot!(shown!(shop, ["stats"], ["stats", "--json"]));
}

#[tokio::test]
async fn consumers_and_projections_say_how_they_are() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["consumers"],
        ["consumers", "--json"],
        ["projections"],
        ["projections", "--json"],
    ));
}

#[tokio::test]
async fn dead_letters_are_listed_by_group_and_each() {
    let shop = shop().await;
    let groups = shop.json(&["dlq", "list"]);
    let fingerprint = groups["groups"][0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(groups["letters"], 2);
    assert_snapshot!(shown!(
        shop,
        ["dlq", "list"],
        ["dlq", "list", "--json"],
        ["dlq", "list", "--each"],
        ["dlq", "list", "--group", &fingerprint[..6]],
        ["dlq", "list", "--consumer", "stock", "--refused"],
        ["dlq", "list", "--parked"],
        ["dlq", "list", "--parked", "--each"],
        ["dlq", "list", "--parked", "--each", "--json"],
        ["dlq", "list", "--consumer", "payments"],
    ));
}

#[tokio::test]
async fn a_letter_is_shown_whole_by_its_id_or_its_event() {
    let shop = shop().await;
    let letters = shop.json(&["dlq", "list", "--each"]);
    let (id, event) =
        (letters["letters"][0]["id"].as_str().unwrap(), letters["letters"][0]["eventId"].as_str().unwrap());
    assert_snapshot!(shown!(shop, ["dlq", "show", id], ["dlq", "show", id, "--json"]));
    let parked = shop.json(&["dlq", "list", "--parked", "--each"]);
    let parked = shop.run(&["dlq", "show", parked["letters"][0]["id"].as_str().unwrap()]);
    assert!(parked.contains("next         in <a while>"), "{parked}");
    assert_eq!(shop.json(&["dlq", "show", event]), shop.json(&["dlq", "show", id]));
}

#[tokio::test]
async fn check_and_doctor_answer_with_findings() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["check"],
        ["check", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["audit"],
        ["audit", "--json"],
    ));
}

#[test]
fn an_empty_store_is_no_trouble() {
    let terminal = empty();
    assert_snapshot!(shown!(
        terminal,
        ["log"],
        ["stats"],
        ["consumers"],
        ["projections"],
        ["dlq", "list"],
        ["check"],
        ["doctor"],
        ["audit"],
    ));
}

#[test]
fn bench_measures_and_leaves_nothing_behind() {
    let terminal = empty();
    let json = terminal.json(&["bench", "--seconds", "0.05", "--writers", "4"]);
    for part in ["fsync", "appendSingle", "appendGrouped", "read"] {
        assert!(json[part]["perSecond"].as_f64().unwrap() > 0.0, "{part}");
    }
    let files = std::fs::read_dir(terminal.folder()).unwrap();
    let names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("shop.db")), "{names:?}");
    let text = terminal.run(&["bench", "--seconds", "0.02", "--writers", "2"]);
    assert!(text.contains("appends, 2 writers together") && text.ends_with("[exit 0]\n"), "{text}");
}

#[tokio::test]
async fn narrow_terminals_cut_text_and_pipes_do_not() {
    let shop = shop().await;
    let commands: [&[&str]; 5] = [
        &["log"],
        &["tail", "--since", "1", "--limit", "9"],
        &["trace", "1"],
        &["dlq", "list"],
        &["consumers"],
    ];
    for (args, columns) in commands.iter().flat_map(|args| [50, 60, 90].map(|columns| (args, columns))) {
        let narrow = shop.command(args).env("COLUMNS", columns.to_string()).output().unwrap();
        let lines = String::from_utf8(narrow.stdout).unwrap();
        assert!(lines.lines().all(|line| line.chars().count() <= columns), "{columns}: {lines}");
    }
    let piped = shop.command(&["log"]).env_remove("COLUMNS").output().unwrap();
    assert!(!String::from_utf8(piped.stdout).unwrap().contains('…'));
}

#[tokio::test]
async fn colours_are_for_terminals_alone() {
    let shop = shop().await;
    let plain = shop.command(&["consumers"]).output().unwrap().stdout;
    assert!(!plain.contains(&0x1b));
    let coloured = shop.command(&["consumers", "--color", "always"]).output().unwrap().stdout;
    assert!(coloured.contains(&0x1b));
    let json = shop.command(&["consumers", "--color", "always", "--json"]).output().unwrap().stdout;
    assert!(!json.contains(&0x1b));
}

//! Commands that change something: what they print, what they do, and that asking twice does no more.

use insta::assert_snapshot;

use crate::look::shown;
use crate::sample::{PATIENCE, app, open, shop};

#[tokio::test]
async fn requeueing_twice_says_already_queued() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["dlq", "requeue", "--consumer", "stock", "--dry-run"],
        ["dlq", "requeue", "--consumer", "stock"],
        ["dlq", "requeue", "--consumer", "stock"],
        ["dlq", "list"],
        ["dlq", "requeue", "--refused", "--all", "--json"],
        ["dlq", "requeue", "--parked", "--all"],
        ["audit", "--action", "requeue"],
    ));
}

#[tokio::test]
async fn a_letter_is_requeued_once_by_its_id() {
    let shop = shop().await;
    let letters = shop.json(&["dlq", "list", "--each"]);
    let id = letters["letters"][0]["id"].as_str().unwrap();
    let event = letters["letters"][0]["eventId"].as_str().unwrap();
    assert_snapshot!(shown!(
        shop,
        ["dlq", "requeue", id, id],
        ["dlq", "requeue", id],
        ["dlq", "requeue", event]
    ));
    // The queue of its key is one long: the second request was not counted again.
    let parked = shop.json(&["dlq", "list", "--parked", "--consumer", "stock"]);
    assert_eq!(parked["letters"], 1);
    let stock = &shop.json(&["consumers"])["consumers"][3];
    assert_eq!((stock["name"].as_str(), stock["parked"].as_u64()), (Some("stock"), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeued_letter_is_handled_and_then_gone() {
    let shop = shop().await;
    let letters = shop.json(&["dlq", "list", "--each"]);
    let id = letters["letters"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(shop.json(&["dlq", "requeue", "--all"])["requeued"], 2);
    let running = app(open(&shop), true).start().await.unwrap();
    let started = std::time::Instant::now();
    while shop.json(&["consumers"])["consumers"][3]["parked"] != 0 {
        assert!(started.elapsed() < PATIENCE, "the letters are not handled");
    }
    running.stop().await;
    assert_eq!(shop.json(&["dlq", "list"])["letters"], 0);
    assert_snapshot!(shown!(shop, ["dlq", "show", &id], ["dlq", "requeue", "--all"], ["check"]));
}

#[tokio::test]
async fn discarding_keeps_the_letter_in_the_audit() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["dlq", "discard", "--refused", "--consumer", "stock", "--why", "not ours", "--dry-run"],
        ["dlq", "discard", "--refused", "--consumer", "stock", "--why", "not ours"],
        ["dlq", "discard", "--refused", "--consumer", "stock"],
        ["dlq", "discard", "--all", "--json"],
        ["dlq", "list"],
        ["audit", "--actor", "ann", "--action", "discard"],
        ["audit", "--action", "discard", "--last", "1", "--json"],
    ));
}

#[tokio::test]
async fn a_consumer_rests_and_goes_on() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["consumers", "pause", "stock", "--why", "no paper"],
        ["consumers"],
        ["doctor"],
        ["consumers", "resume", "stock"],
        ["consumers", "pause", "mail", "--json"],
        ["audit"],
    ));
}

#[tokio::test]
async fn checkpoints_go_where_they_are_put() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["consumers", "reset", "stock", "--to", "start", "--dry-run"],
        ["consumers", "reset", "stock", "--to", "4", "--effects"],
        ["consumers", "reset", "stock", "--to", "end", "--dry-run", "--json"],
        ["consumers", "reset", "stock", "--to", "end"],
        ["consumers", "reset", "order-summary.v1r1", "--to", "start"],
        ["consumers"],
    ));
}

#[tokio::test]
async fn a_replay_is_planned_before_it_is_begun() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["replay", "--consumer", "stock", "--from-position", "3", "--dry-run"],
        ["replay", "--consumer", "stock", "--from-time", "1h", "--dry-run", "--json"],
        ["replay", "--consumer", "stock", "--from-position", "3", "--effects"],
        ["consumers"],
    ));
}

#[tokio::test]
async fn a_projection_is_rebuilt_beside_the_live_one() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["projections", "rebuild", "order-summary"],
        ["projections", "rebuild", "order-summary"],
        ["projections", "rebuild", "order-summary", "--json"],
        ["projections"],
        ["doctor"],
    ));
}

#[tokio::test]
async fn a_copy_is_a_whole_store() {
    let shop = shop().await;
    let said = shop.json(&["backup", "copy.db"]);
    assert_eq!(said["file"], "copy.db");
    assert!(said["bytes"].as_u64().unwrap() > 0);
    assert_eq!(shop.json(&["stats", "--store", "copy.db"]), shop.json(&["stats"]));
    assert_snapshot!(shown!(shop, ["check", "--store", "copy.db"]));
    let text = shop.run(&["backup", "again.db"]);
    assert!(text.contains("copied to again.db, "), "{text}");
}

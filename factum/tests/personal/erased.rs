//! What is left after a subject was forgotten: in tables, in files, after a crash in the middle.

use std::process::{Command, Stdio};
use std::time::Duration;

use factum::keys::{KeyOptions, KeysAt};
use factum::{Admin, App, Event, Projection, RecordKind, RecordQuery, SubjectForgotten};

use crate::kit::*;

#[tokio::test(flavor = "multi_thread")]
async fn after_forgetting_no_file_of_the_store_holds_the_value_or_its_key() {
    let place = Place::new();
    let opened = place.open().await;
    for number in 0..200 {
        append(&opened.store, &joined(&format!("c-{number}"), &format!("x{number}x{CANARY}"))).await;
    }
    let none: [&str; 0] = [];
    assert_eq!(place.holding(CANARY.as_bytes()), none, "the log never holds it, nor any file beside it");
    let app = App::new(opened.store.clone()).projection(Addresses).start().await.unwrap();
    app.settled(SOON).await.unwrap();
    assert!(!place.holding(b"x17xcanary").is_empty(), "the projection's table does");
    assert_eq!(address(&opened.store, "c-17").await, Some(Some(format!("x17x{CANARY}"))));
    let key = place.wrapped("c-17").unwrap();
    assert_eq!(place.holding(&key), [KEYS]);

    let forgot = forget(&opened, "c-17").await;
    assert_eq!(forgot.behind, none);
    assert_eq!(forgot.plan.tables, [("addresses__v1".to_owned(), 1)]);
    assert_eq!(place.holding(b"x17xcanary"), none, "no page, no journal, no free space");
    assert_eq!(place.holding(&key), none, "nor the key, wrapped as it was");
    assert_eq!(address(&opened.store, "c-17").await, Some(None));
    assert_eq!(
        address(&opened.store, "c-18").await,
        Some(Some(format!("x18x{CANARY}"))),
        "others keep theirs"
    );

    let admin = app.admin();
    admin.rebuild(&Addresses::NAME, factum::admin::Then::CutOver).await.unwrap();
    let live = async || admin.projections().await.unwrap()[0].state.live.clone();
    let rebuilt = async {
        while live().await.as_deref() != Some("v1r1") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, rebuilt).await.unwrap();
    assert_eq!(
        address(&opened.store, "c-17").await,
        Some(None),
        "a rebuild goes on, and brings nothing back"
    );
    assert_eq!(address(&opened.store, "c-18").await, Some(Some(format!("x18x{CANARY}"))));
    app.stop().await;
    drop(opened);
    assert_eq!(place.holding(b"x17xcanary"), none);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_is_told_once_and_audited_each_time() {
    let opened = memory().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    let (first, again) = (forget(&opened, "c-1").await, forget(&opened, "c-1").await);
    assert_eq!(first.position, again.position);
    let told = last(&opened.store).await;
    assert_eq!(told.envelope.event_type, SubjectForgotten::TYPE);
    assert_eq!((told.stream.as_str(), told.position), ("subject-c-1", first.position));
    assert_eq!(told.envelope.actor.as_ref().map(factum::Actor::as_str), Some("ann"));
    let audit = Admin::new(opened.store.clone()).audit().await.unwrap();
    let audit: Vec<(&str, &str)> =
        audit.iter().map(|one| (one.action.as_str(), one.target.as_str())).collect();
    assert_eq!(audit, [("forget", "c-1"), ("forget", "c-1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_never_had_a_key_never_gets_one() {
    let opened = memory().await;
    let forgot = forget(&opened, "c-9").await;
    assert_eq!(forgot.plan.values, 0);
    append(&opened.store, &joined("c-9", CANARY)).await;
    let data = last(&opened.store).await.envelope.data;
    assert_eq!(data, r#"{"customerId":"c-9","email":{"$forgotten":true}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_dropped() {
    let opened = memory().await;
    let mut work = opened.store.begin().await.unwrap();
    for id in ["a", "b"] {
        work.put(factum::Record::new(RecordKind::SNAPSHOT, "order", id, CANARY), factum::Guard::Absent);
    }
    work.commit().await.into_result().unwrap();
    assert_eq!(forget(&opened, "c-1").await.plan.snapshots, 2);
    assert!(opened.store.find(RecordKind::SNAPSHOT, &RecordQuery::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_goes_and_what_stays() {
    let opened = memory().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    let app = App::new(opened.store.clone()).projection(Addresses).start().await.unwrap();
    app.settled(SOON).await.unwrap();
    let plan = app.admin().plan_forget("c-1", &mut |_, _| {}).await.unwrap();
    assert_eq!(plan.events, [("customer.joined.v2".to_owned(), 1)]);
    assert_eq!((plan.tables.as_slice(), plan.stays.len()), (&[("addresses__v1".to_owned(), 1)][..], 0));
    assert_eq!(address(&opened.store, "c-1").await, Some(Some(CANARY.to_owned())), "a plan changes nothing");
    app.stop().await;
}

const CHILD: &str = "FACTUM_FORGETTING";
const MASTER: &str = "FACTUM_FORGETTING_BY";

/// The other half of the test below: forgets until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by a_kill_in_the_middle_leaves_nothing_that_forgetting_again_does_not_finish"]
async fn forgets_in_a_process_of_its_own() {
    let (Ok(url), Ok(master)) = (std::env::var(CHILD), std::env::var(MASTER)) else { return };
    let master = factum::keys::MasterKey::read(std::path::Path::new(&master)).unwrap();
    let opened = open(&url, KeyOptions::default().master(master)).await;
    for number in 0..1_000 {
        println!("forgetting");
        forget(&opened, &format!("c-{number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_nothing_that_forgetting_again_does_not_finish() {
    use std::io::{BufRead as _, BufReader};
    let mut place = Place::new();
    place.master = factum::keys::MasterKey::make(&place.path("master.key")).unwrap();
    let opened = place.open().await;
    for number in 0..40 {
        append(&opened.store, &joined(&format!("c-{number}"), &format!("x{number}x{CANARY}"))).await;
    }
    let app = App::new(opened.store.clone()).projection(Addresses).start().await.unwrap();
    app.settled(SOON).await.unwrap();
    app.stop().await;
    opened.maintenance.scrub().await.unwrap();
    drop((app, opened));
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "erased::forgets_in_a_process_of_its_own", "--ignored", "--nocapture"])
            .env(CHILD, place.url())
            .env(MASTER, place.path("master.key"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut begun = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(begun.any(|line| line.contains("forgetting")), "the child never began");
        // Another moment each time: within the key file, the log, the journal.
        std::thread::sleep(Duration::from_micros(round * 2_300));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let opened = place.open().await;
    for number in 0..40 {
        forget(&opened, &format!("c-{number}")).await;
    }
    let none: [&str; 0] = [];
    assert_eq!(place.holding(CANARY.as_bytes()), none);
    assert_eq!(place.wrapped("c-0"), None);
    assert!(opened.maintenance.check().await.unwrap().findings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_belongs_to_another_store_is_refused() {
    let place = Place::new();
    append(&place.open().await.store, &joined("c-1", CANARY)).await;
    let at = KeysAt::File(place.path("other.keys.db"));
    let keys = KeyOptions { at: Some(at), master: Some(place.master.clone()) };
    let contracts = factum::contract::Contracts::try_from(CATALOG).unwrap();
    let error = factum::open_with(&place.url(), contracts, keys).await.unwrap_err().to_string();
    assert!(error.contains("restore the key file that belongs to the store"), "{error}");
}

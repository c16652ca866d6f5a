//! What needs the code of a decider is asked of a running app: whether snapshots are right, and what a state was.

use std::convert::Infallible;
use std::sync::Arc;

use factum_core::{
    Decider, Envelope, Expected, Guard, Record, RecordKind, RecordQuery, Snapshots, Store, StreamId, Version,
};
use factum_runtime::admin::Made;
use factum_runtime::state::{Compared, Differs, SnapshotState, read};
use factum_runtime::{Admin, App, AsOf, ExecuteOptions, Running, execute};

use crate::kit::*;

#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Walked {
    steps: u32,
    last: Vec<u32>,
}

/// Remembers its last two steps; keeps its state every five, as `VERSION` of its code says.
struct Walk<const VERSION: u32>;

impl<const VERSION: u32> Decider for Walk<VERSION> {
    type Command = u32;
    type Event = Stepped;
    type State = Walked;
    type Refusal = Infallible;

    fn evolve(mut state: Walked, event: &Stepped) -> Walked {
        state.steps += 1;
        state.last.push(event.step);
        let old = state.last.len().saturating_sub(2);
        Walked { last: state.last.split_off(old), ..state }
    }

    fn decide(_: &Walked, step: u32) -> Result<Vec<Stepped>, Infallible> {
        Ok(vec![Stepped { thing: "1".into(), step }])
    }

    fn snapshots() -> Option<Snapshots<Walked>> {
        Some(Snapshots::new("walk", VERSION).every(5))
    }
}

/// Follows the same streams, and keeps no snapshots: it is called as their category.
struct Counts;

impl Decider for Counts {
    type Command = ();
    type Event = Stepped;
    type State = u32;
    type Refusal = Infallible;

    fn evolve(state: u32, _: &Stepped) -> u32 {
        state + 1
    }

    fn decide(_: &u32, (): ()) -> Result<Vec<Stepped>, Infallible> {
        Ok(vec![])
    }
}

fn thing(number: u32) -> StreamId {
    format!("thing-{number}").parse().unwrap()
}

async fn walk<const VERSION: u32>(store: &dyn Store, stream: u32, steps: std::ops::RangeInclusive<u32>) {
    for step in steps {
        let options = ExecuteOptions::default();
        execute::<Walk<VERSION>>(store, &thing(stream), step, &options).await.unwrap();
    }
}

async fn record(store: &dyn Store, stream: u32) -> Record {
    store.find(RecordKind::SNAPSHOT, &RecordQuery::group(thing(stream).as_str())).await.unwrap().remove(0)
}

async fn put(store: &dyn Store, record: Record) {
    let mut work = store.begin().await.unwrap();
    work.put(record, Guard::Any);
    work.commit().await.into_result().unwrap();
}

async fn spoil(store: &dyn Store, stream: u32, state: &str) {
    let mut kept = read::<SnapshotState>(&record(store, stream).await).unwrap();
    kept.state = state.to_owned();
    put(store, kept.record(&thing(stream), Snapshots::<Walked>::new("walk", 1).name())).await;
}

async fn verified(admin: &Admin) -> Vec<(Made, Option<Compared>)> {
    let infos = admin.verify_snapshots(None, &mut |_, _| {}).await.unwrap();
    infos.into_iter().map(|info| (info.made, info.compared)).collect()
}

async fn app(store: &Arc<dyn Store>) -> Running {
    App::new(store.clone()).decider::<Walk<1>>().start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_its_events_do_not_give_is_named_with_what_differs() {
    let store = fresh();
    for stream in 1..=3 {
        walk::<1>(store.as_ref(), stream, 1..=7).await;
    }
    let admin = Admin::new(store.clone());
    let untold = verified(&admin).await;
    assert_eq!(untold, vec![(Made::OfTheLog, None); 3], "nobody runs who could tell");

    let running = app(&store).await;
    let same = Compared::Same { version: Version::at(5) };
    assert_eq!(verified(&admin).await, vec![(Made::OfTheLog, Some(same.clone())); 3]);
    // The hash over its events is right, and what was made of them is not.
    spoil(store.as_ref(), 2, r#"{"steps":5,"last":[4,50]}"#).await;
    let damaged = Record { bytes: "no JSON".into(), ..record(store.as_ref(), 3).await };
    put(store.as_ref(), damaged).await;
    let all = verified(&admin).await;
    let place = Differs { path: "/last/1".into(), kept: Some("50".into()), folded: Some("5".into()) };
    let other = Compared::Other { version: Version::at(5), first: vec![place], places: 1 };
    assert_eq!(all[..2], [(Made::OfTheLog, Some(same)), (Made::OfTheLog, Some(other))]);
    assert!(matches!(&all[2], (Made::Unreadable(_), None)), "it is no trouble: {:?}", all[2]);
    walk::<1>(store.as_ref(), 3, 8..=8).await;
    let rewritten = read::<SnapshotState>(&record(store.as_ref(), 3).await).unwrap();
    assert_eq!(rewritten.version, Version::at(7), "it was ignored, and is written anew");

    let asked = store.find(RecordKind::ASKED, &RecordQuery::default()).await.unwrap();
    assert_eq!(asked, [], "questions leave nothing behind");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_an_older_version_leaves_newer_snapshots_to_those_who_know_them() {
    let store = fresh();
    walk::<2>(store.as_ref(), 1, 1..=7).await;
    let old = app(&store).await;
    let admin = Admin::new(store.clone());
    assert_eq!(verified(&admin).await, [(Made::OfTheLog, None)]);
    let new = App::new(store.clone()).decider::<Walk<2>>().start().await.unwrap();
    assert_eq!(verified(&admin).await, [(Made::OfTheLog, Some(Compared::Same { version: Version::at(5) }))]);
    walk::<1>(store.as_ref(), 2, 1..=7).await;
    old.stop().await;
    let all = verified(&admin).await;
    let why = "it is of version 1 of the code, which is at 2".to_owned();
    assert_eq!(all[1].1, Some(Compared::Ignored { why }));
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_app_tells_a_state_now_and_as_it_was() {
    let store = fresh();
    for (step, time) in
        [(1, "2026-01-05T10:00:00Z"), (2, "2026-01-05T11:00:00Z"), (3, "2026-01-05T12:00:00Z")]
    {
        let event = Stepped { thing: "1".into(), step };
        let envelope = Envelope { time: time.parse().unwrap(), ..Envelope::of(&event).unwrap() };
        store.append(&thing(1), Expected::Any, &[envelope]).await.unwrap();
    }
    let admin = Admin::new(store.clone());
    let nobody = admin.state_of(&thing(1), None, AsOf::Now).await.unwrap_err().to_string();
    let expected = "no app that runs has a decider of thing-1: start the app that declares it with `App::decider`, and ask again";
    assert_eq!(nobody, expected);
    let running = App::new(store.clone()).decider::<Walk<1>>().decider::<Counts>().start().await.unwrap();
    let several = admin.state_of(&thing(1), None, AsOf::Now).await.unwrap_err().to_string();
    assert_eq!(several, "several deciders follow thing-1: name one of walk, thing");
    let state = async |decider, as_of| {
        let told = admin.state_of(&thing(1), Some(decider), as_of).await.unwrap();
        (told.version.number(), told.state)
    };
    assert_eq!(state("thing", AsOf::Now).await, (3, "3".to_owned()));
    let walked = |steps: u32, last: &str| format!(r#"{{"steps":{steps},"last":{last}}}"#);
    assert_eq!(state("walk", AsOf::Now).await, (3, walked(3, "[2,3]")));
    assert_eq!(state("walk", AsOf::Version(Version::at(1))).await, (1, walked(1, "[1]")));
    let noon = AsOf::Time("2026-01-05T11:59:00Z".parse().unwrap());
    assert_eq!(state("walk", noon).await, (2, walked(2, "[1,2]")));
    let early = AsOf::Time("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(state("walk", early).await, (0, walked(0, "[]")));
    running.stop().await;
}

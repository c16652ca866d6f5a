//! Snapshots of deciders' states, and states as of a version or a time.

use std::time::Duration;

use factum_core::{
    Decider, Envelope, EventType, Expected, Guard, Kind, Query, Record, RecordKind, RecordQuery, Snapshots,
    Store, StreamId, Timestamp, Version,
};
use factum_runtime::state::{SnapshotState, read};
use factum_runtime::{AsOf, ExecuteOptions, SnapshotVerdict, execute, state_of, verify_snapshot};

use crate::kit::*;

/// Counts steps; keeps its state as `VERSION` of its code says.
struct Steps<const VERSION: u32>;

#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Walked {
    steps: u32,
    last: u32,
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("enough")]
struct Enough;

impl<const VERSION: u32> Decider for Steps<VERSION> {
    type Command = u32;
    type Event = Stepped;
    type State = Walked;
    type Refusal = Enough;

    fn evolve(state: Walked, event: &Stepped) -> Walked {
        Walked { steps: state.steps + 1, last: event.step }
    }

    fn decide(_: &Walked, step: u32) -> Result<Vec<Stepped>, Enough> {
        Ok(vec![Stepped { thing: "1".into(), step }])
    }

    fn snapshots() -> Option<Snapshots<Walked>> {
        Some(Snapshots::new("steps", VERSION).every(10))
    }
}

fn thing() -> StreamId {
    "thing-1".parse().unwrap()
}

async fn walk<const VERSION: u32>(store: &dyn Store, steps: std::ops::RangeInclusive<u32>) {
    for step in steps {
        let options = ExecuteOptions::default();
        execute::<Steps<VERSION>>(store, &thing(), step, &options).await.unwrap();
    }
}

async fn record(store: &dyn Store) -> Option<Record> {
    store.find(RecordKind::SNAPSHOT, &RecordQuery::group("thing-1")).await.unwrap().pop()
}

async fn kept(store: &dyn Store) -> Option<SnapshotState> {
    record(store).await.map(|record| read::<SnapshotState>(&record).unwrap())
}

/// Writes another content into the snapshot's record.
async fn spoil(store: &dyn Store, change: impl FnOnce(&mut SnapshotState)) {
    let mut state = kept(store).await.unwrap();
    change(&mut state);
    let mut work = store.begin().await.unwrap();
    work.put(state.record(&thing(), Snapshots::<Walked>::new("steps", 1).name()), Guard::Any);
    work.commit().await.into_result().unwrap();
}

async fn now(store: &dyn Store) -> Walked {
    state_of::<Steps<1>>(store, &thing(), AsOf::Now).await.unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_kept_every_so_many_events_and_read_from_there() {
    let store = fresh();
    walk::<1>(store.as_ref(), 1..=10).await;
    assert_eq!(kept(store.as_ref()).await, None, "nine events had been read before the tenth was decided");
    walk::<1>(store.as_ref(), 11..=25).await;
    let state = kept(store.as_ref()).await.unwrap();
    assert_eq!((state.version.number(), state.code), (20, 1));
    assert_eq!(state.state, r#"{"steps":20,"last":20}"#);
    let agrees = SnapshotVerdict::Agrees { version: Version::at(20) };
    assert_eq!(verify_snapshot::<Steps<1>>(store.as_ref(), &thing()).await.unwrap(), agrees);
    assert_eq!(now(store.as_ref()).await, Walked { steps: 25, last: 25 });
    // That it is read at all shows when it says something else.
    spoil(store.as_ref(), |state| state.state = r#"{"steps":1000,"last":20}"#.into()).await;
    assert_eq!(now(store.as_ref()).await, Walked { steps: 1005, last: 25 });
    let verdict = verify_snapshot::<Steps<1>>(store.as_ref(), &thing()).await.unwrap();
    let differs = SnapshotVerdict::Differs {
        version: Version::at(20),
        kept: r#"{"steps":1000,"last":20}"#.into(),
        folded: r#"{"steps":20,"last":20}"#.into(),
    };
    assert_eq!(verdict, differs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_cannot_be_read_is_ignored_and_written_anew() {
    let store = fresh();
    walk::<1>(store.as_ref(), 1..=12).await;
    let good = kept(store.as_ref()).await.unwrap();
    let garbage = Record::new(RecordKind::SNAPSHOT, "thing-1", "thing-1/steps", "no JSON");
    let mut work = store.begin().await.unwrap();
    work.put(garbage, Guard::Any);
    work.commit().await.into_result().unwrap();
    let verdict = verify_snapshot::<Steps<1>>(store.as_ref(), &thing()).await.unwrap();
    assert!(matches!(verdict, SnapshotVerdict::Ignored { .. }), "{verdict:?}");
    walk::<1>(store.as_ref(), 13..=13).await;
    let rewritten = kept(store.as_ref()).await.unwrap();
    assert_eq!((rewritten.version.number(), now(store.as_ref()).await.steps), (12, 13));
    assert_ne!(rewritten, good);
    // One whose state is of another form, and one of a place where no event stands.
    spoil(store.as_ref(), |state| state.state = "[]".into()).await;
    assert_eq!(now(store.as_ref()).await.steps, 13);
    spoil(store.as_ref(), |state| state.version = Version::at(99)).await;
    assert_eq!(now(store.as_ref()).await.steps, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_version_of_the_code_counts_as_not_there() {
    let store = fresh();
    walk::<1>(store.as_ref(), 1..=12).await;
    spoil(store.as_ref(), |state| state.state = r#"{"steps":1000,"last":0}"#.into()).await;
    let read = state_of::<Steps<2>>(store.as_ref(), &thing(), AsOf::Now).await.unwrap();
    assert_eq!(read.state.steps, 12);
    let verdict = verify_snapshot::<Steps<2>>(store.as_ref(), &thing()).await.unwrap();
    let why = "it is of version 1 of the code, which is at 2".to_owned();
    assert_eq!(verdict, SnapshotVerdict::Ignored { why });
    walk::<2>(store.as_ref(), 13..=13).await;
    let state = kept(store.as_ref()).await.unwrap();
    assert_eq!((state.code, state.state.as_str()), (2, r#"{"steps":12,"last":12}"#));
}

/// Keeps its state whenever reading took any time at all.
struct Impatient;

impl Decider for Impatient {
    type Command = u32;
    type Event = Stepped;
    type State = Walked;
    type Refusal = Enough;

    fn evolve(state: Walked, event: &Stepped) -> Walked {
        Steps::<1>::evolve(state, event)
    }

    fn decide(state: &Walked, step: u32) -> Result<Vec<Stepped>, Enough> {
        Steps::<1>::decide(state, step)
    }

    fn snapshots() -> Option<Snapshots<Walked>> {
        Some(Snapshots::new("impatient", 1).every(1_000_000).slower_than(Duration::ZERO))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_slow_to_read_is_kept_however_few_its_events() {
    let store = fresh();
    for step in 1..=2 {
        let options = ExecuteOptions::default();
        execute::<Impatient>(store.as_ref(), &thing(), step, &options).await.unwrap();
    }
    assert_eq!(kept(store.as_ref()).await.unwrap().version.number(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_meet_keep_no_state_that_is_not_so() {
    let store = fresh();
    let mut walkers = tokio::task::JoinSet::new();
    for walker in 0..8 {
        let store = store.clone();
        walkers.spawn(async move {
            for step in 0..20 {
                let options = ExecuteOptions::default();
                while execute::<Steps<1>>(store.as_ref(), &thing(), walker * 100 + step, &options)
                    .await
                    .is_err()
                {}
            }
        });
    }
    walkers.join_all().await;
    assert_eq!(now(store.as_ref()).await.steps, 160);
    let verdict = verify_snapshot::<Steps<1>>(store.as_ref(), &thing()).await.unwrap();
    assert!(matches!(verdict, SnapshotVerdict::Agrees { .. }), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_told_as_of_a_version_and_as_of_a_time() {
    let store = fresh();
    for (step, time) in
        [(1, "2026-01-05T10:00:00Z"), (2, "2026-01-05T11:00:00Z"), (3, "2026-01-05T12:00:00Z")]
    {
        let event = Stepped { thing: "1".into(), step };
        let envelope = Envelope { time: time.parse().unwrap(), ..Envelope::of(&event).unwrap() };
        store.append(&thing(), Expected::Any, &[envelope]).await.unwrap();
    }
    let at = async |as_of| state_of::<Steps<1>>(store.as_ref(), &thing(), as_of).await.unwrap();
    assert_eq!(at(AsOf::Version(Version::at(2))).await.state, Walked { steps: 2, last: 2 });
    let noon = at(AsOf::Time("2026-01-05T11:59:59Z".parse().unwrap())).await;
    assert_eq!((noon.state.last, noon.version.number()), (2, 2));
    assert_eq!(at(AsOf::Time("2026-01-05T12:00:00Z".parse().unwrap())).await.state.last, 3);
    assert_eq!(at(AsOf::Time("2026-01-01T00:00:00Z".parse().unwrap())).await.version, Version::EMPTY);
    // A snapshot that is too new for the question is not the answer.
    walk::<1>(store.as_ref(), 4..=12).await;
    assert_eq!(kept(store.as_ref()).await.unwrap().version.number(), 10);
    assert_eq!(at(AsOf::Version(Version::at(2))).await.state, Walked { steps: 2, last: 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_as_of_a_time_is_read_from_a_snapshot_that_is_not_later() {
    let store = fresh();
    let time = |text: &str| format!("2026-01-05T{text}:00Z").parse::<Timestamp>().unwrap();
    for step in 1..=12 {
        let event = Stepped { thing: "1".into(), step };
        let envelope = Envelope { time: time(&format!("{step:02}:00")), ..Envelope::of(&event).unwrap() };
        store.append(&thing(), Expected::Any, &[envelope]).await.unwrap();
    }
    walk::<1>(store.as_ref(), 13..=13).await;
    let made = kept(store.as_ref()).await.unwrap();
    assert_eq!((made.version.number(), made.latest), (12, Some(time("12:00"))));
    // That it is read at all shows when it says something else.
    spoil(store.as_ref(), |state| state.state = r#"{"steps":1000,"last":12}"#.into()).await;
    let steps = async |text| {
        let at = state_of::<Steps<1>>(store.as_ref(), &thing(), AsOf::Time(time(text))).await.unwrap();
        at.state.steps
    };
    assert_eq!((steps("12:30").await, steps("12:00").await), (1000, 1000));
    assert_eq!(steps("11:59").await, 11, "it has an event that is later");
    // One of an earlier release does not say how late its events are.
    spoil(store.as_ref(), |state| state.latest = None).await;
    assert_eq!(steps("12:30").await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_recorded_in_the_stream_is_no_part_of_its_state() {
    let store = fresh();
    walk::<1>(store.as_ref(), 1..=1).await;
    let asked = EventType { kind: Kind::Command, ..EventType::event("step.on", 1, "thing", "step.on") };
    let envelope =
        Envelope { event_type: asked, ..Envelope::of(&Stepped { thing: "1".into(), step: 9 }).unwrap() };
    store.append(&thing(), Expected::Any, &[envelope]).await.unwrap();
    walk::<1>(store.as_ref(), 2..=2).await;
    assert_eq!(now(store.as_ref()).await, Walked { steps: 2, last: 2 });
    let all = Query { kind: None, ..Query::stream(thing()) };
    assert_eq!(store.read(&all).await.unwrap().events.len(), 3);
}

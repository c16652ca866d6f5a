//! The life of a stream: closed, moved out of the log and back, opened again; and begun anew by a summary.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum_core::{
    AppendError, CheckReport, Context, Decider, Envelope, Event, EventType, Expected, Failure, Finding,
    Handler, Maintenance, OpenGate, Position, Query, Recorded, Snapshots, Store, StoreError, StoreErrorKind,
    StreamClosed, StreamId, Timestamp, Version, event_set,
};
use factum_runtime::admin::{Made, Unhandled, Which};
use factum_runtime::{
    Admin, App, AsOf, Consumer, ExecuteError, ExecuteOptions, LoadError, SnapshotVerdict, execute, fold,
    state_of, verify_snapshot,
};

use crate::kit::*;
use crate::place::Place;
use crate::projection::Steps;

/// What was walked so far, told at the turn of the year.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Summed {
    thing: String,
    steps: u32,
}

impl Event for Summed {
    const TYPE: EventType = EventType::event("thing.summed", 1, "thing", "thing.summed");

    fn key(&self) -> factum_core::PartitionKey {
        self.thing.parse().unwrap()
    }
}

event_set! {
    /// What happens on a walk.
    #[derive(Debug, Clone)]
    enum Walked { Stepped, Summed, StreamClosed }
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Step,
    Sum,
    End,
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("no")]
struct No;

/// Counts steps; knows how to sum them up, and to come to an end.
struct Walk;

impl Decider for Walk {
    type Command = Ask;
    type Event = Walked;
    type State = u32;
    type Refusal = No;

    fn evolve(steps: u32, event: &Walked) -> u32 {
        match event {
            Walked::Stepped(_) => steps + 1,
            Walked::Summed(summed) => summed.steps,
            Walked::StreamClosed(_) => steps,
        }
    }

    fn decide(steps: &u32, ask: Ask) -> Result<Vec<Walked>, No> {
        let stepped = Stepped { thing: "1".into(), step: *steps };
        Ok(match ask {
            Ask::Step => vec![stepped.into()],
            Ask::Sum => vec![Summed { thing: "1".into(), steps: *steps }.into()],
            Ask::End => vec![stepped.into(), StreamClosed::new(&thing()).unwrap().because("home").into()],
        })
    }

    fn snapshots() -> Option<Snapshots<u32>> {
        Some(Snapshots::new("walk", 1).every(5))
    }

    fn summaries() -> Vec<EventType> {
        vec![Summed::TYPE]
    }
}

fn thing() -> StreamId {
    "thing-1".parse().unwrap()
}

async fn ask(store: &dyn Store, ask: Ask) -> Result<Version, ExecuteError<No>> {
    Ok(execute::<Walk>(store, &thing(), ask, &ExecuteOptions::default()).await?.version)
}

async fn steps(store: &dyn Store, as_of: AsOf) -> Result<u32, LoadError> {
    Ok(state_of::<Walk>(store, &thing(), as_of).await?.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_ends_its_stream_and_what_comes_later_is_told_what_to_do() {
    let store = fresh();
    for _ in 0..3 {
        ask(store.as_ref(), Ask::Step).await.unwrap();
    }
    assert_eq!(ask(store.as_ref(), Ask::End).await.unwrap(), Version::at(5));
    let late = ask(store.as_ref(), Ask::Step).await.unwrap_err();
    assert!(matches!(late, ExecuteError::Append(AppendError::Closed { .. })), "{late:?}");
    assert_eq!(
        late.to_string(),
        "stream thing-1 was closed at version 5: append to another stream, or open it again with `factum stream reopen thing-1`"
    );
    assert_eq!(steps(store.as_ref(), AsOf::Now).await.unwrap(), 4, "what it was can be told as before");
    let admin = Admin::new(store.clone()).actor("ann");
    let again = admin.close_stream(&thing(), "").await.unwrap();
    assert_eq!((again.version, again.was_so), (Version::at(5), true));
    let opened = admin.reopen_stream(&thing(), "forgot the keys").await.unwrap();
    assert_eq!((opened.version, opened.was_so), (Version::at(6), false));
    assert_eq!(ask(store.as_ref(), Ask::Step).await.unwrap(), Version::at(7));
    assert_eq!(steps(store.as_ref(), AsOf::Now).await.unwrap(), 5, "its own end is nothing that was walked");
    let unknown = admin.close_stream(&"thing-9".parse().unwrap(), "").await.unwrap_err();
    assert!(unknown.to_string().starts_with("stream \"thing-9\" is not known"), "{unknown}");
    let audit = admin.audit().await.unwrap();
    let told: Vec<_> = audit.iter().map(|entry| (&*entry.actor, &*entry.action, &*entry.target)).collect();
    assert_eq!(told, [("ann", "reopen", "thing-1")]);
}

/// Writes to a stream that was closed.
struct Late;

impl Handler<Stepped> for Late {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        let late = cx.caused(factum_core::Envelope::of(&Summed { thing: event.thing, steps: 1 }).unwrap());
        cx.work().append(thing(), Expected::Any, vec![late]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_writes_to_a_closed_stream_is_refused_by_name() {
    let store = fresh();
    ask(store.as_ref(), Ask::End).await.unwrap();
    let running = start(&store, Consumer::new("late").on::<Stepped>(Late)).await;
    running.settled(SOON).await.unwrap();
    let refused = running.admin().letters(Which::Refused, None).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].troubled.reason, "stream-closed");
    assert!(refused[0].troubled.error.contains("factum stream reopen thing-1"), "{:?}", refused[0]);
    running.stop().await;
}

/// A store whose maintenance dies after the first page that it takes out.
struct Dies {
    inner: Arc<dyn Maintenance>,
    dead: AtomicBool,
}

#[async_trait::async_trait]
impl Maintenance for Dies {
    async fn check(&self) -> Result<CheckReport, StoreError> {
        self.inner.check().await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.inner.backup(to).await
    }

    async fn import(&self, events: &[Recorded]) -> Result<(), StoreError> {
        self.inner.import(events).await
    }

    async fn take_out(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        if self.dead.swap(true, Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "dead"));
        }
        self.inner.take_out(&events[..events.len() / 2]).await
    }

    async fn put_back(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        self.inner.put_back(events).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.inner.scrub().await
    }

    async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        self.inner.doctor().await
    }
}

async fn events_of(store: &dyn Store) -> Vec<Recorded> {
    let query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::stream(thing()) };
    store.read(&query).await.unwrap().events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stream_is_moved_out_whole_and_back() {
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    let opened = factum_store::open(&place.url(), Arc::new(OpenGate)).unwrap();
    let file = folder.path().join("thing-1.db").display().to_string();
    let archive = factum_store::open(&file, Arc::new(OpenGate)).unwrap();
    let store = opened.store.clone();
    for number in 0..40 {
        step(store.as_ref(), "1", number).await;
        step(store.as_ref(), "2", number).await;
    }
    let admin = Admin::new(store.clone());
    let mut quiet = |_, _| {};
    let to = || (archive.store.as_ref(), archive.maintenance.as_ref(), file.as_str());
    let maintenance = opened.maintenance.as_ref();
    let open = admin.archive_stream(&thing(), maintenance, to(), &mut quiet).await.unwrap_err();
    assert_eq!(
        open.to_string(),
        "stream thing-1 is open, and may grow: `factum stream close thing-1` closes it first"
    );
    admin.close_stream(&thing(), "done").await.unwrap();
    let whole = events_of(store.as_ref()).await;

    // Whoever has yet to hear of it keeps it in the log.
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    step(store.as_ref(), "2", 40).await;
    admin.close_stream(&"thing-2".parse().unwrap(), "").await.unwrap();
    let behind = admin.archive_stream(&"thing-2".parse().unwrap(), maintenance, to(), &mut quiet).await;
    let behind = behind.unwrap_err().to_string();
    assert!(
        behind.contains("consumer steps.v1 is at position") && behind.contains("let it catch up"),
        "{behind}"
    );

    // It dies half-way, and goes on.
    let dies = Dies { inner: opened.maintenance.clone(), dead: AtomicBool::new(false) };
    admin.archive_stream(&thing(), &dies, to(), &mut quiet).await.unwrap();
    assert_eq!(events_of(store.as_ref()).await.len(), 21, "half of it is left");
    let mut under_way = admin.archived_stream(&thing()).await.unwrap().unwrap();
    under_way.moving = true;
    let mut work = store.begin().await.unwrap();
    work.put(under_way.record(), factum_core::Guard::Any);
    work.commit().await.into_result().unwrap();
    let elsewhere = (archive.store.as_ref(), archive.maintenance.as_ref(), "other.db");
    let refused = admin.archive_stream(&thing(), maintenance, elsewhere, &mut quiet).await.unwrap_err();
    assert!(refused.to_string().ends_with("was begun and not finished: name that one again"), "{refused}");
    let other = factum_store::open("memory:", Arc::new(OpenGate)).unwrap();
    let empty = (other.store.as_ref(), other.maintenance.as_ref(), file.as_str());
    let refused = admin.archive_stream(&thing(), maintenance, empty, &mut quiet).await.unwrap_err();
    assert!(refused.to_string().starts_with("it does not hold stream thing-1"), "{refused}");
    let out = admin.archive_stream(&thing(), maintenance, to(), &mut quiet).await.unwrap();
    assert_eq!((out.events, out.moving), (40, false));
    let twice = admin.archive_stream(&thing(), maintenance, to(), &mut quiet).await.unwrap_err();
    assert!(twice.to_string().ends_with("already"), "{twice}");

    assert_eq!(events_of(store.as_ref()).await, whole[40..], "the event that closed it stays");
    assert_eq!(events_of(archive.store.as_ref()).await, whole[..40], "the others are in the file");
    assert_eq!(maintenance.check().await.unwrap().findings, vec![]);
    assert!(matches!(ask(store.as_ref(), Ask::Step).await, Err(ExecuteError::Archived(_))));
    let late = Stepped { thing: "1".into(), step: 1 };
    let late = [factum_core::Envelope::of(&late).unwrap()];
    let closed = store.append(&thing(), Expected::Any, &late).await.unwrap_err();
    assert!(matches!(closed, AppendError::Closed { .. }), "{closed:?}");
    let gone = steps(store.as_ref(), AsOf::Now).await.unwrap_err().to_string();
    let moved = format!(
        "events of stream thing-1 before version 41 were moved out of the log into {file}: `factum stream restore thing-1 {file}` puts them back"
    );
    assert_eq!(gone, moved);
    let rebuild =
        admin.rebuild(&<Steps as factum_core::Projection>::NAME, Default::default()).await.unwrap_err();
    let needs = format!(
        "a rebuild of steps needs stream thing-1, moved out of the log: `factum stream restore thing-1 {file}` puts it back"
    );
    assert_eq!(rebuild.to_string(), needs);

    let wrong = admin.restore_stream(&thing(), maintenance, other.store.as_ref(), &mut quiet).await;
    assert!(wrong.unwrap_err().to_string().starts_with("it does not hold stream thing-1"));
    let back = admin.restore_stream(&thing(), maintenance, archive.store.as_ref(), &mut quiet).await.unwrap();
    assert_eq!(back, 40);
    assert_eq!(events_of(store.as_ref()).await, whole);
    assert_eq!(maintenance.check().await.unwrap().findings, vec![]);
    assert!(matches!(
        ask(store.as_ref(), Ask::Step).await,
        Err(ExecuteError::Append(AppendError::Closed { .. }))
    ));
    admin.reopen_stream(&thing(), "").await.unwrap();
    assert_eq!(ask(store.as_ref(), Ask::Step).await.unwrap(), Version::at(43));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_the_log_that_is_moved_out_leaves_closed_streams_closed() {
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    let opened = factum_store::open(&place.url(), Arc::new(OpenGate)).unwrap();
    let file = folder.path().join("old.db").display().to_string();
    let archive = factum_store::open(&file, Arc::new(OpenGate)).unwrap();
    let (store, admin) = (opened.store.clone(), Admin::new(opened.store.clone()));
    for number in 0..5 {
        step(store.as_ref(), "1", number).await;
    }
    admin.close_stream(&thing(), "").await.unwrap();
    step(store.as_ref(), "2", 1).await;
    step(store.as_ref(), "2", 2).await;
    let plan = admin.plan_archive(Position::END).await.unwrap();
    let to = (archive.store.as_ref(), archive.maintenance.as_ref(), file.as_str());
    admin.archive(&plan, Unhandled::Refuse, opened.maintenance.as_ref(), to, &mut |_, _| {}).await.unwrap();
    assert_eq!(plan.spared, 1);
    assert_eq!(events_of(store.as_ref()).await.len(), 1);
    assert_eq!(opened.maintenance.check().await.unwrap().findings, vec![]);
    drop((store, admin, opened));
    // Nobody remembers anything but the log.
    let again = place.open(Arc::new(OpenGate));
    let late = [factum_core::Envelope::of(&Stepped { thing: "1".into(), step: 1 }).unwrap()];
    let closed = again.append(&thing(), Expected::Any, &late).await.unwrap_err();
    assert!(matches!(closed, AppendError::Closed { version, .. } if version == Version::at(6)), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_left_whole_with_the_log_says_where_it_is_and_is_not_taken_for_new() {
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    let opened = factum_store::open(&place.url(), Arc::new(OpenGate)).unwrap();
    let (store, maintenance) = (opened.store.clone(), opened.maintenance.as_ref());
    let admin = Admin::new(store.clone());
    let files = ["old.db", "older.db"].map(|name| folder.path().join(name).display().to_string());
    let [new, old] = files.clone().map(|file| factum_store::open(&file, Arc::new(OpenGate)).unwrap());
    let [new_name, old_name] = &files;
    for _ in 0..3 {
        ask(store.as_ref(), Ask::Step).await.unwrap();
    }
    step(store.as_ref(), "2", 1).await;
    let mut quiet = |_, _| {};
    let plan = admin.plan_archive(Position::at(2)).await.unwrap();
    let to = (old.store.as_ref(), old.maintenance.as_ref(), old_name.as_str());
    admin.archive(&plan, Unhandled::Refuse, maintenance, to, &mut quiet).await.unwrap();
    let some = steps(store.as_ref(), AsOf::Now).await.unwrap_err().to_string();
    assert_eq!(
        some,
        format!(
            "events of stream thing-1 before version 3 were moved out of the log into {old_name}: `factum archive restore {old_name}` puts them back"
        )
    );
    step(store.as_ref(), "2", 2).await;
    let plan = admin.plan_archive(Position::END).await.unwrap();
    let to = (new.store.as_ref(), new.maintenance.as_ref(), new_name.as_str());
    admin.archive(&plan, Unhandled::Refuse, maintenance, to, &mut quiet).await.unwrap();
    assert_eq!(events_of(store.as_ref()).await, vec![], "none of it is here");

    let all = format!(
        "events of stream thing-1 before version 4 were moved out of the log into one of {new_name}, {old_name}: they come back in this order, beginning with `factum archive restore {new_name}`"
    );
    let late = AsOf::Time("2100-01-01T00:00:00Z".parse().unwrap());
    for as_of in [AsOf::Now, AsOf::Version(Version::at(1)), late] {
        assert_eq!(steps(store.as_ref(), as_of).await.unwrap_err().to_string(), all, "{as_of:?}");
    }
    assert_eq!(ask(store.as_ref(), Ask::Step).await.unwrap_err().to_string(), all);
    let first = [factum_core::Envelope::of(&Stepped { thing: "1".into(), step: 1 }).unwrap()];
    let new_stream = store.append(&thing(), Expected::NoStream, &first).await.unwrap_err();
    assert!(matches!(new_stream, AppendError::Conflict(_)), "{new_stream:?}");
    let count = |count: u32, _: Stepped| count + 1;
    let folded = fold(store.as_ref(), &Query::stream(thing()), 0, count).await.unwrap_err();
    assert_eq!(folded.to_string(), all);
    assert_eq!(admin.close_stream(&thing(), "").await.unwrap_err().to_string(), all);
    // Of what is no stream it is said what is there, and up to where it may not be all.
    let every = fold(store.as_ref(), &Query::all(), 0, count).await.unwrap();
    assert_eq!((every.state, every.lacks), (1, Some(plan.up_to)));
    let rest = fold(store.as_ref(), &Query::all().after(plan.up_to), 0, count).await.unwrap();
    assert_eq!((rest.state, rest.lacks), (1, None));
    // What was never there is new.
    assert_eq!(admin.moved_out(&"thing-9".parse().unwrap()).await.unwrap(), None);

    for from in [&new, &old] {
        admin.restore_archive(maintenance, from.store.as_ref(), &mut quiet).await.unwrap();
    }
    assert_eq!(fold(store.as_ref(), &Query::stream(thing()), 0, count).await.unwrap().state, 3);
    assert_eq!(ask(store.as_ref(), Ask::Step).await.unwrap(), Version::at(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_from_its_last_summary_and_what_came_before_stays_readable() {
    let place = Place::new();
    let opened = factum_store::open(&place.url(), Arc::new(OpenGate)).unwrap();
    let store = opened.store.clone();
    for _ in 0..3 {
        ask(store.as_ref(), Ask::Step).await.unwrap();
    }
    ask(store.as_ref(), Ask::Sum).await.unwrap();
    for _ in 0..2 {
        ask(store.as_ref(), Ask::Step).await.unwrap();
    }
    let version = |number| AsOf::Version(Version::at(number));
    for (at, expected) in [(2, 2), (3, 3), (4, 3), (5, 4), (6, 5)] {
        assert_eq!(steps(store.as_ref(), version(at)).await.unwrap(), expected, "as of version {at}");
    }
    assert_eq!(steps(store.as_ref(), AsOf::Now).await.unwrap(), 5);
    assert_eq!(events_of(store.as_ref()).await.len(), 6, "nothing is gone");

    // What the summary makes up for may be moved out: nobody reads it for the state.
    let old: Vec<Recorded> = events_of(store.as_ref()).await.drain(..3).collect();
    opened.maintenance.take_out(&old).await.unwrap();
    assert_eq!(steps(store.as_ref(), AsOf::Now).await.unwrap(), 5);
    assert_eq!(steps(store.as_ref(), version(5)).await.unwrap(), 4);
    assert_eq!(steps(store.as_ref(), AsOf::Time("2100-01-01T00:00:00Z".parse().unwrap())).await.unwrap(), 5);
    let early = steps(store.as_ref(), version(3)).await;
    assert!(matches!(early, Err(LoadError::Archived(_))), "{early:?}");
    for _ in 0..5 {
        ask(store.as_ref(), Ask::Step).await.unwrap();
    }
    // A snapshot on top of a summary is compared with what the summary and what follows give.
    let agrees = SnapshotVerdict::Agrees { version: Version::at(10) };
    assert_eq!(verify_snapshot::<Walk>(store.as_ref(), &thing()).await.unwrap(), agrees);
    let admin = Admin::new(store.clone());
    assert_eq!(admin.snapshots(None).await.unwrap()[0].made, Made::OfTheLog);
    // A newer summary is where loading begins, snapshot or not.
    ask(store.as_ref(), Ask::Sum).await.unwrap();
    let gone: Vec<Recorded> =
        events_of(store.as_ref()).await.into_iter().filter(|event| event.version < Version::at(12)).collect();
    opened.maintenance.take_out(&gone).await.unwrap();
    assert_eq!(steps(store.as_ref(), AsOf::Now).await.unwrap(), 10);
    opened.maintenance.put_back(&gone).await.unwrap();
    opened.maintenance.put_back(&old).await.unwrap();
    assert_eq!(steps(store.as_ref(), version(3)).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_as_of_a_time_begins_with_the_last_summary_that_is_not_later() {
    let store = fresh();
    let stepped = || Envelope::of(&Stepped { thing: "1".into(), step: 1 }).unwrap();
    let summed = |steps| Envelope::of(&Summed { thing: "1".into(), steps }).unwrap();
    let unreadable = Envelope::raw(Stepped::TYPE, "1".parse().unwrap(), "{}".into());
    let time = |text: &str| format!("2026-01-05T{text}:00Z").parse::<Timestamp>().unwrap();
    for (hour, envelope) in [
        ("01:00", unreadable),
        ("02:00", summed(5)),
        ("03:00", stepped()),
        ("04:00", summed(6)),
        ("05:00", stepped()),
        // Of a machine whose clock is late.
        ("03:00", stepped()),
    ] {
        let envelope = Envelope { time: time(hour), ..envelope };
        store.append(&thing(), Expected::Any, &[envelope]).await.unwrap();
    }
    for (as_of, steps, version) in
        [("02:30", 5, 2), ("03:30", 6, 3), ("04:30", 6, 4), ("05:30", 8, 6), ("23:00", 8, 6)]
    {
        let at = state_of::<Walk>(store.as_ref(), &thing(), AsOf::Time(time(as_of))).await.unwrap();
        assert_eq!((at.state, at.version.number()), (steps, version), "as of {as_of}");
    }
    let early = steps(store.as_ref(), AsOf::Time(time("01:30"))).await;
    assert!(matches!(early, Err(LoadError::Decode(_))), "what came before is read: {early:?}");
}

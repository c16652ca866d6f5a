//! Contracts at run time: what a store has met never changes, and newer versions wait for who can read them.

use std::sync::Arc;
use std::time::Duration;

use factum_contract::contracts::Upcaster;
use factum_contract::{Catalog, Contracts, Source};
use factum_core::{
    Bytes, ConsumerName, Context, Decider, Event, EventType, Expected, Failure, Handler, PartitionKey, Store,
};
use factum_runtime::{
    Admin, App, Consumer, ExecuteError, ExecuteOptions, Running, StartError, Status, execute,
};

use crate::kit::*;
use crate::place::{self, Place};

const NAME: ConsumerName = ConsumerName::constant("walker");

/// One version of `thing.stepped`: its promise, what `step` is, and the rest of the contract.
fn stepped(version: u32, promise: &str, step: &str, rest: &str) -> String {
    format!(
        r#"{{"event":"thing.stepped","version":{version},"owner":"walks","key":"thing","compatibility":"{promise}",
        "payload":{{"type":"object","required":["thing","step"],"properties":{{
            "thing":{{"type":"string"}},"step":{step}}}}}{rest}}}"#
    )
}

const WHOLE: &str = r#"{"type":"integer","minimum":0}"#;
const TEXT: &str = r#"{"type":"string"}"#;
/// How a whole step becomes text.
const TO_TEXT: &str = r#","upcast":[{"map":{"field":"step","values":{"1":"1"},"otherwise":"9"}}]"#;
const SYSTEM: &str = r#"{"system":"walks","services":{"walks":{}}}"#;

fn contracts(versions: &[String]) -> Contracts {
    let mut sources = vec![Source::new("system.json", SYSTEM)];
    sources.extend(versions.iter().enumerate().map(|(n, text)| Source::new(format!("{n}.json"), text)));
    Contracts::new(Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

/// One store, opened by releases with catalogs of their own.
struct Releases(Place);

impl Releases {
    fn new() -> Self {
        Self(Place::new())
    }

    fn with(&self, versions: &[String]) -> Arc<dyn Store> {
        self.0.open(Arc::new(contracts(versions)))
    }
}

async fn recorded(store: &Arc<dyn Store>) -> Vec<String> {
    let all = Admin::new(store.clone()).contracts().await.unwrap();
    all.iter().map(|contract| format!("{}.v{}", contract.name, contract.version)).collect()
}

async fn refused(store: Arc<dyn Store>) -> String {
    match App::new(store).start().await {
        Err(StartError::Contracts(refused)) => refused.to_string(),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("it started"),
    }
}

async fn starts(store: &Arc<dyn Store>) {
    App::new(store.clone()).start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_contract_version_is_recorded_once_with_its_meaning_and_text() {
    let releases = Releases::new();
    let store = releases.with(&[stepped(1, "backward", WHOLE, "")]);
    starts(&store).await;
    let first = Admin::new(store.clone()).contracts().await.unwrap();
    starts(&store).await;
    assert_eq!(
        Admin::new(store.clone()).contracts().await.unwrap(),
        first,
        "the second start changes nothing"
    );
    let [contract] = &first[..] else { panic!("{first:?}") };
    assert_eq!(
        (contract.name.as_str(), contract.version, contract.kind.as_str()),
        ("thing.stepped", 1, "event")
    );
    let read = factum_contract::Contract::of_json_text(&contract.contract).unwrap();
    assert_eq!(factum_contract::meaning::hash(&read), contract.meaning, "the text means what the hash says");
    let store = releases.with(&[stepped(1, "backward", WHOLE, ""), stepped(2, "full", WHOLE, "")]);
    starts(&store).await;
    assert_eq!(recorded(&store).await, ["thing.stepped.v1", "thing.stepped.v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_are_recorded_anew_and_the_first_meeting_stays() {
    let releases = Releases::new();
    let store = releases.with(&[stepped(1, "backward", WHOLE, "")]);
    starts(&store).await;
    let before = Admin::new(store.clone()).contracts().await.unwrap().remove(0);
    let store = releases.with(&[stepped(1, "backward", WHOLE, r#","summary":"A step.""#)]);
    starts(&store).await;
    let after = Admin::new(store.clone()).contracts().await.unwrap().remove(0);
    assert!(after.contract.contains("A step."), "{after:?}");
    assert_eq!((after.meaning, after.recorded_at), (before.meaning, before.recorded_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_version_with_another_meaning_stops_the_start_with_the_differences() {
    let releases = Releases::new();
    starts(&releases.with(&[stepped(1, "backward", WHOLE, "")])).await;
    let changed = releases.with(&[stepped(1, "backward", TEXT, r#","topic":"steps""#)]);
    let said = refused(changed.clone()).await;
    let said =
        said.replace(&Admin::new(changed).contracts().await.unwrap()[0].recorded_at.to_string(), "TIME");
    insta::assert_snapshot!(said, @r#"
    the store does not take the catalog's contracts

    thing.stepped.v1 was recorded on TIME and means something else now
      topic: thing.stepped -> steps
      step: whole number, at least 0 -> text
      hint: a recorded version never changes; describe the new meaning as thing.stepped.v2
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_that_breaks_its_promise_to_what_is_recorded_stops_the_start() {
    let releases = Releases::new();
    starts(&releases.with(&[stepped(1, "backward", WHOLE, "")])).await;
    // The catalog no longer has version 1; the store does.
    let broken = releases.with(&[stepped(2, "backward", TEXT, "")]);
    insta::assert_snapshot!(refused(broken.clone()).await, @r#"
    the store does not take the catalog's contracts

    thing.stepped.v2 promises `backward`, and breaks that with thing.stepped.v1
      step: whole number, at least 0 -> text: 0 is not of type "string" (judge/type)
      one side sends, and the other refuses: {"step":0,"thing":""}
      hint: keep the promise, or declare `compatibility: none` and say with `upcast` how thing.stepped.v1 becomes it
    "#);
    assert_eq!(recorded(&broken).await, ["thing.stepped.v1"], "nothing was recorded");
    starts(&releases.with(&[stepped(2, "none", TEXT, "")])).await;
    assert_eq!(recorded(&broken).await, ["thing.stepped.v1", "thing.stepped.v2"]);
}

/// A second version that refuses small steps: old events break, old readers do not.
fn steep(promise: &str, rest: &str) -> [String; 2] {
    let narrow = r#"{"type":"integer","minimum":5}"#;
    [stepped(1, "backward", WHOLE, ""), stepped(2, promise, narrow, rest)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_that_the_catalog_accepts_starts_and_another_is_refused_with_a_counterexample() {
    let accepts =
        |rule: &str| format!(r#","allow":[{{"rule":"{rule}","reason":"nobody takes small steps"}}]"#);
    for promise in ["backward", "full"] {
        let releases = Releases::new();
        starts(&releases.with(&[stepped(1, "backward", WHOLE, "")])).await;
        let said = refused(releases.with(&steep(promise, &accepts("judge/type")))).await;
        assert!(said.contains("step: whole number, at least 0 -> whole number, at least 5: "), "{said}");
        assert!(said.contains(r#"one side sends, and the other refuses: {"step":0,"thing":""}"#), "{said}");
        let store = releases.with(&steep(promise, &accepts("judge/bounds")));
        starts(&store).await;
        assert_eq!(recorded(&store).await, ["thing.stepped.v1", "thing.stepped.v2"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_carry_over_what_new_readers_cannot_read_and_nothing_for_a_promise_to_old_ones_too() {
    let raise = r#","upcast":[{"set":{"step":9}}]"#;
    let release = async |promise: &str| {
        let releases = Releases::new();
        starts(&releases.with(&[stepped(1, "backward", WHOLE, "")])).await;
        releases.with(&steep(promise, raise))
    };
    starts(&release("backward").await).await;
    let said = refused(release("full").await).await;
    assert!(said.contains("promises `full`, and breaks that with thing.stepped.v1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transitive_promise_is_held_against_the_whole_history() {
    let releases = Releases::new();
    starts(&releases.with(&[stepped(1, "backward", TEXT, "")])).await;
    starts(&releases.with(&[stepped(2, "none", WHOLE, "")])).await;
    let third = |promise| releases.with(&[stepped(2, "none", WHOLE, ""), stepped(3, promise, WHOLE, "")]);
    let said = refused(third("backward-transitive")).await;
    assert!(said.contains("breaks that with thing.stepped.v1"), "{said}");
    starts(&third("backward")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_is_raised_later_is_judged_then() {
    let releases = Releases::new();
    starts(&releases.with(&[stepped(1, "none", TEXT, "")])).await;
    starts(&releases.with(&[stepped(2, "none", WHOLE, "")])).await;
    let said = refused(releases.with(&[stepped(2, "full", WHOLE, "")])).await;
    assert!(said.contains("promises `full`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_record_together_and_one_that_differs_is_refused() {
    let releases = Releases::new();
    let (same, other) = ([stepped(1, "backward", WHOLE, "")], [stepped(1, "backward", TEXT, "")]);
    let mut starting = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = releases.with(if number % 4 == 3 { &other } else { &same });
        starting.spawn(async move { (number % 4 == 3, App::new(store).start().await.map(drop)) });
    }
    let results = starting.join_all().await;
    for (is_other, result) in &results {
        match result {
            Ok(()) | Err(StartError::Contracts(_)) => {}
            Err(error) => panic!("{is_other}: {error:?}"),
        }
    }
    let started: Vec<bool> =
        results.iter().filter(|(_, result)| result.is_ok()).map(|(other, _)| *other).collect();
    assert!(!started.is_empty() && started.iter().all(|other| *other == started[0]), "{started:?}");
    assert_eq!(started.len(), if started[0] { 2 } else { 6 });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_release_starts_beside_a_newer_record() {
    let releases = Releases::new();
    let (old, new) = (stepped(1, "backward", WHOLE, ""), stepped(2, "none", TEXT, TO_TEXT));
    starts(&releases.with(&[old.clone(), new])).await;
    let store = releases.with(&[old]);
    starts(&store).await;
    assert_eq!(recorded(&store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_log_holds_stays_in_the_catalog() {
    let releases = Releases::new();
    let old = releases.with(&[stepped(1, "backward", WHOLE, "")]);
    starts(&old).await;
    append(&old, "a", 1.into()).await;
    let said = refused(releases.with(&[stepped(2, "none", TEXT, TO_TEXT)])).await;
    let hint = "the log holds thing.stepped.v1 at position 1, and the catalog begins with thing.stepped.v2";
    assert!(said.contains(hint), "{said}");
    starts(&releases.with(&[stepped(1, "backward", WHOLE, ""), stepped(2, "none", TEXT, TO_TEXT)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upcast_that_does_not_lead_to_the_next_version_stops_the_start() {
    let example = r#","examples":[{"thing":"a","step":1}]"#;
    let start = async |rest: &str, upcaster: Option<Upcaster>| {
        let first = stepped(1, "backward", WHOLE, example);
        let contracts = contracts(&[first, stepped(2, "none", TEXT, rest)]);
        let contracts = upcaster.map_or(contracts.clone(), |upcaster| contracts.upcaster("spell", upcaster));
        let store = place::fresh(Arc::new(contracts));
        match App::new(store).start().await {
            Err(StartError::Disagree(found)) => Some(found.to_string()),
            Err(other) => panic!("refused for another reason: {other}"),
            Ok(_) => None,
        }
    };
    let said = start("", None).await.unwrap();
    assert!(said.contains("example 1 of thing.stepped.v1 does not become thing.stepped.v2: /step"), "{said}");
    assert_eq!(start(TO_TEXT, None).await, None);
    let code = r#","upcast":[{"code":"spell"}]"#;
    let said = start(code, None).await.unwrap();
    assert!(said.contains("is read through the code `spell`, which nobody has registered"), "{said}");
    assert!(start(code, Some(|_| Ok(()))).await.unwrap().contains("does not become thing.stepped.v2"));
    let spell: Upcaster = |payload| {
        payload["step"] = payload["step"].to_string().into();
        Ok(())
    };
    assert_eq!(start(code, Some(spell)).await, None);
}

/// The same event in version 2.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct SteppedTwo {
    thing: String,
    step: serde_json::Value,
}

impl Event for SteppedTwo {
    const TYPE: EventType = EventType::event("thing.stepped", 2, "thing", "thing.stepped");

    fn key(&self) -> PartitionKey {
        self.thing.parse().unwrap()
    }
}

/// Handles version 2, and notes what came under the same table as the kit's handler.
struct Two;

impl Handler<SteppedTwo> for Two {
    async fn handle(&self, event: SteppedTwo, cx: &mut Context<'_>) -> Result<(), Failure> {
        assert_eq!(cx.envelope().event_type.version, 2);
        let step = event.step.as_i64().or_else(|| event.step.as_str()?.parse().ok());
        let sql = "insert into effect (thing, step) values ($1, $2)";
        cx.execute(sql, factum_core::values![event.thing, step.unwrap_or(-1)]);
        Ok(())
    }
}

async fn append(store: &Arc<dyn Store>, thing: &str, step: serde_json::Value) {
    let payload = serde_json::json!({ "thing": thing, "step": step }).to_string();
    let contracts = store.gate().catalog().and_then(|any| any.downcast_ref::<Contracts>()).unwrap();
    let envelope = contracts.envelope("thing.stepped", Bytes::from(payload)).unwrap();
    store.append(&envelope.stream().unwrap(), Expected::Any, &[envelope]).await.unwrap();
}

fn one() -> Consumer {
    Consumer::new("walker").on::<Stepped>(Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() })
}

fn two() -> Consumer {
    Consumer::new("walker").on::<SteppedTwo>(Two)
}

async fn start_on(store: &Arc<dyn Store>, consumer: Consumer) -> Running {
    start(store, consumer.retry(quick())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_is_handled_by_an_older_release_when_the_record_promises_it() {
    let releases = Releases::new();
    let v1 = stepped(1, "backward", WHOLE, "");
    let old = releases.with(std::slice::from_ref(&v1));
    let running = start_on(&old, one()).await;
    // The newer release comes while the older one runs.
    let new = releases.with(&[v1, stepped(2, "full", WHOLE, "")]);
    starts(&new).await;
    append(&old, "a", 1.into()).await;
    append(&new, "a", 2.into()).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(old.as_ref(), "a").await, [1, 2]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_a_newer_release_renamed_has_its_old_name_for_an_older_one() {
    let releases = Releases::new();
    let first = stepped(1, "backward", WHOLE, r#","examples":[{"thing":"a","step":1}]"#);
    let second = r#"{"event":"thing.stepped","version":2,"owner":"walks","key":"thing","compatibility":"backward",
        "payload":{"type":"object","required":["thing","pace"],"properties":{
            "thing":{"type":"string"},"pace":{"type":"integer","minimum":0}}},
        "examples":[{"thing":"a","pace":1}],"upcast":[{"rename":{"step":"pace"}}]}"#;
    let store = releases.with(&[first.clone(), second.to_owned()]);
    starts(&store).await;
    let payload = serde_json::json!({"thing": "a", "pace": 7}).to_string();
    let event_type = EventType { version: 2, ..Stepped::TYPE };
    let envelope = factum_core::Envelope::raw(event_type, "a".parse().unwrap(), payload.into());
    store.append(&"thing-a".parse().unwrap(), Expected::Any, &[envelope]).await.unwrap();

    let old = releases.with(&[first]);
    let running = start_on(&old, one()).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(old.as_ref(), "a").await, [7]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_that_cannot_be_read_waits_with_its_slot_for_a_release_that_can() {
    let releases = Releases::new();
    let v1 = stepped(1, "backward", WHOLE, "");
    let old = releases.with(std::slice::from_ref(&v1));
    let running = start_on(&old, one()).await;
    let new = releases.with(&[v1, stepped(2, "none", TEXT, TO_TEXT)]);
    starts(&new).await;
    for step in ["1", "2"] {
        append(&new, "a", step.into()).await;
    }
    append(&old, "b", 1.into()).await;
    let admin = running.admin();
    until("the slot is let go", async || {
        admin.consumer(&NAME).await.is_ok_and(|info| !info.needs.is_empty())
    })
    .await;
    until("other slots go on", async || effects_of(old.as_ref(), "b").await == [1]).await;
    let info = admin.consumer(&NAME).await.unwrap();
    assert_eq!((info.parked, info.dead, info.refused), (0, 0, 0), "neither dead nor refused");
    let (needs, slots) = &info.needs[0];
    assert_eq!((needs.to_string().as_str(), *slots), ("thing.stepped.v2", 1));
    assert_eq!((info.slots_held, running.status(&NAME)), (63, Some(Status::Running)));
    let said: Vec<String> = admin.health().await.unwrap().into_iter().map(|finding| finding.what).collect();
    assert!(
        said.iter().any(|what| what.ends_with("1 slot for an instance that reads thing.stepped.v2")),
        "{said:?}"
    );
    assert_eq!(effects_of(old.as_ref(), "a").await, [] as [u32; 0]);

    let newer = start_on(&new, two()).await;
    until("the newer release takes it up", async || effects_of(old.as_ref(), "a").await == [1, 2]).await;
    assert!(admin.consumer(&NAME).await.unwrap().needs.is_empty());
    running.stop().await;
    // With the older release gone, everything is the newer one's, old events and new.
    append(&old, "c", 1.into()).await;
    append(&new, "c", "2".into()).await;
    newer.settled(SOON).await.unwrap();
    assert_eq!(effects_of(old.as_ref(), "c").await, [1, 2], "version 1 was brought up to date on the way");
    newer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_can_read_nothing_of_a_consumer_says_what_it_waits_for() {
    let releases = Releases::new();
    let v1 = stepped(1, "backward", WHOLE, "");
    let new = releases.with(&[v1.clone(), stepped(2, "none", TEXT, TO_TEXT)]);
    starts(&new).await;
    for thing in 0..400 {
        append(&new, &thing.to_string(), "1".into()).await;
    }
    let old = releases.with(&[v1]);
    let running = start_on(&old, one()).await;
    until("every slot is let go", async || {
        running.status(&NAME) == Some(Status::Held("thing.stepped.v2".to_owned()))
    })
    .await;
    let info = running.admin().consumer(&NAME).await.unwrap();
    assert_eq!((info.slots_held, info.needs.iter().map(|(_, slots)| slots).sum()), (0, 64_usize));
    running.stop().await;
    // A release that reads both handles everything, once.
    let newer = start_on(&new, two()).await;
    newer.settled(Duration::from_secs(60)).await.unwrap();
    assert_eq!(effects_of(new.as_ref(), "7").await, [1]);
    newer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_refuses_to_fold_what_it_cannot_read() {
    let releases = Releases::new();
    let v1 = stepped(1, "backward", WHOLE, "");
    let new = releases.with(&[v1.clone(), stepped(2, "none", TEXT, TO_TEXT)]);
    starts(&new).await;
    append(&new, "a", "1".into()).await;
    let old = releases.with(&[v1]);
    let stream = "thing-a".parse().unwrap();
    let answer = execute::<Walk>(old.as_ref(), &stream, 2, &ExecuteOptions::default()).await;
    match answer {
        Err(ExecuteError::Contract(breach)) => {
            assert_eq!((breach.rule.as_str(), breach.version), ("newer", 2))
        }
        other => panic!("{other:?}"),
    }
    // With the promise, the same stream is read.
    let promising = releases.with(&[stepped(1, "backward", WHOLE, ""), stepped(2, "none", TEXT, TO_TEXT)]);
    assert!(!promising.gate().can_read(&SteppedTwo::TYPE, &Stepped::TYPE), "nor by a release that has both");
}

/// Takes steps one by one.
struct Walk;

impl Decider for Walk {
    type Command = u32;
    type Event = Stepped;
    type State = u32;
    type Refusal = std::convert::Infallible;

    fn evolve(_: u32, event: &Stepped) -> u32 {
        event.step
    }

    fn decide(_: &u32, step: u32) -> Result<Vec<Stepped>, Self::Refusal> {
        Ok(vec![Stepped { thing: "a".to_owned(), step }])
    }
}

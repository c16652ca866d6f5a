//! Code and catalog: an app starts only when both say the same, and takes from the catalog what the code leaves open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_contract::{Catalog, Contracts, Source as File};
use factum_core::{
    Broker, ConsumerName, Context, Envelope, Event, EventType, Expected, Failure, Handler, PartitionKey,
    Projection, RetryPolicy, Store, Table, Tables,
};
use factum_runtime::admin::Which;
use factum_runtime::{App, Consumer, Relay, Source, StartError};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");

const STEPPED: &str = r#"{"event":"thing.stepped","version":1,"owner":"walks","key":"thing",
    "payload":{"type":"object","required":["thing","step"],"properties":{
        "thing":{"type":"string"},"step":{"type":"integer"}}}}"#;
const STOPPED: &str = r#"{"event":"thing.stopped","version":1,"owner":"walks","key":"thing",
    "payload":{"type":"object","required":["thing"],"properties":{"thing":{"type":"string"}}}}"#;

/// A system with one contract for each event of these tests.
pub(crate) fn catalog(system: &str) -> Contracts {
    let file = |name: &str, text: &str| File::new(name, text);
    let sources = [
        file("system.json", system),
        file("thing.stepped.v1.json", STEPPED),
        file("thing.stopped.v1.json", STOPPED),
    ];
    Contracts::new(Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

pub(crate) fn store_of(contracts: Contracts) -> Arc<dyn Store> {
    crate::place::fresh(Arc::new(contracts))
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Stopped {
    thing: String,
}

impl Event for Stopped {
    const TYPE: EventType = EventType::event("thing.stopped", 1, "thing", "thing.stopped");

    fn key(&self) -> PartitionKey {
        self.thing.parse().unwrap()
    }
}

/// An event that no contract describes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Stoped {
    thing: String,
}

impl Event for Stoped {
    const TYPE: EventType = EventType::event("thing.stoped", 1, "thing", "thing.stoped");

    fn key(&self) -> PartitionKey {
        self.thing.parse().unwrap()
    }
}

pub(crate) struct Quiet;

impl<E: Event> Handler<E> for Quiet {
    async fn handle(&self, _: E, _: &mut Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

struct Steps;

impl Projection for Steps {
    const NAME: ConsumerName = ConsumerName::constant("steps");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("steps", "thing text")]
    }

    async fn apply(&self, _: Stepped, _: &mut Tables<'_, '_>) -> Result<(), Failure> {
        Ok(())
    }
}

const SYSTEM: &str = r#"{
  "system": "walks",
  "services": {
    "walks": {},
    "rests": {}
  },
  "consumers": {
    "walker": {
      "service": "walks",
      "on": ["thing.stepped"],
      "emits": ["thing.stopped"],
      "lanes": 3,
      "retry": { "immediate": 1, "attempts": 3, "first": "20ms", "max": "30ms", "jitter": 0 },
      "dead_letters": { "on_dead": "skip" }
    },
    "sleeper": { "service": "rests", "on": ["thing.stopped"] }
  },
  "projections": {
    "steps": { "service": "walks", "on": ["thing.stepped"] }
  }
}"#;

/// What an app says when it does not start; lines of this file are all called line 0.
pub(crate) async fn disagreement(app: App) -> String {
    let error = match app.start().await {
        Err(StartError::Disagree(found)) => found.to_string(),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("it started"),
    };
    let is_place = |line: &&str| line.trim_start().starts_with("code: ");
    let place = |line: &str| {
        let (file, _) = line.split_once(".rs:").unwrap();
        format!("  code: {}.rs:0:0", file.rsplit(['/', '\\']).next().unwrap())
    };
    error
        .lines()
        .map(|line| if is_place(&line) { place(line) } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_as_the_catalog_says_starts() {
    let store = store_of(catalog(SYSTEM));
    let app = App::new(store.clone()).service("walks").projection(Steps);
    app.consumer(Consumer::new("walker").on::<Stepped>(Quiet)).start().await.unwrap().stop().await;
    // Without a service's name, it runs those that it has something of.
    let app = App::new(store.clone()).projection(Steps);
    app.consumer(Consumer::new("walker").on::<Stepped>(Quiet)).start().await.unwrap().stop().await;
    let app = App::new(store.clone()).partial();
    app.consumer(Consumer::new("walker").on::<Stepped>(Quiet)).start().await.unwrap().stop().await;
    // A process that runs nothing of the system but reads and writes is no app of a service.
    App::new(store).start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_more_or_less_than_the_catalog_says_stops_the_start_with_both_places() {
    let app = App::new(store_of(catalog(SYSTEM))).partial();
    let said = disagreement(app.consumer(Consumer::new("walker").on::<Stopped>(Quiet))).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree in 2 things

    consumer walker handles thing.stopped, which its `on` does not list
      catalog: system.json:10:14
      code: agree.rs:0:0
      hint: add thing.stopped to its `on`, or remove the handler

    consumer walker is to handle thing.stepped, and has no handler for it
      catalog: system.json:10:14
      code: agree.rs:0:0
      hint: handle it, or remove thing.stepped from its `on`
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_for_an_event_that_nobody_declares_stops_the_start() {
    let consumer = Consumer::new("walker").on::<Stepped>(Quiet).on::<Stoped>(Quiet);
    let said = disagreement(App::new(store_of(catalog(SYSTEM))).partial().consumer(consumer)).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree

    consumer walker handles thing.stoped.v1, which no contract describes
      code: agree.rs:0:0
      hint: did you mean `thing.stopped`?
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_only_one_side_knows_stops_the_start() {
    let consumer = Consumer::new("wlker").on::<Stepped>(Quiet);
    let said = disagreement(App::new(store_of(catalog(SYSTEM))).consumer(consumer).projection(Steps)).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree in 2 things

    consumer wlker is not in the catalog
      code: agree.rs:0:0
      hint: add it under `consumers:`, or say `.undeclared()` of a consumer that is no part of the system; did you mean `walker`?

    the app runs service walks, and not its consumer walker
      catalog: system.json:8:5
      hint: declare it, or say `.partial()` of an app that runs a part of its services
    "#);
    // One that is no part of the system says so.
    let consumer = Consumer::new("probe").on::<Stepped>(Quiet).undeclared();
    App::new(store_of(catalog(SYSTEM))).consumer(consumer).start().await.unwrap().stop().await;
    // A catalog that lists no consumers leaves them to the code.
    let plain = catalog(r#"{"system":"walks","services":{"walks":{}}}"#);
    let consumer = Consumer::new("wlker").on::<Stepped>(Quiet);
    App::new(store_of(plain)).consumer(consumer).start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_named_runs_what_is_its_own_and_nothing_else() {
    let app = App::new(store_of(catalog(SYSTEM))).service("rests");
    let said = disagreement(app.consumer(Consumer::new("walker").on::<Stepped>(Quiet))).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree in 2 things

    consumer walker is of service walks, which this app does not say it runs
      catalog: system.json:8:5
      code: agree.rs:0:0
      hint: say `.service("walks")` of the app

    the app runs service rests, and not its consumer sleeper
      catalog: system.json:16:5
      hint: declare it, or say `.partial()` of an app that runs a part of its services
    "#);
    let said = disagreement(App::new(store_of(catalog(SYSTEM))).service("walk").partial()).await;
    assert!(said.contains("did you mean `walks`?"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_lanes_and_dead_letters_come_from_the_catalog() {
    let store = store_of(catalog(SYSTEM));
    effects(store.as_ref()).await;
    let seen = Seen::default();
    let answer = |event: &Stepped, _| if event.step == 1 { no("broken") } else { yes() };
    let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer });
    let running = App::new(store.clone()).partial().consumer(consumer).start().await.unwrap();
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    let admin = running.admin();
    until("it is dead", async || admin.letters(Which::Dead, Some(&NAME)).await.unwrap().len() == 1).await;
    let dead = admin.letters(Which::Dead, Some(&NAME)).await.unwrap().remove(0);
    assert_eq!(dead.troubled.attempts, 3, "as many as the catalog says");
    until("the key goes on", async || effects_of(store.as_ref(), "a").await == [0, 2]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_the_catalog_says_is_never_retried_is_a_dead_letter_at_once() {
    let never = r#"{"attempts":5,"first":"10ms","max":"20ms","never":["lame"]}"#;
    let store = store_of(catalog(&format!(
        r#"{{"system":"walks","services":{{"walks":{{}}}},"consumers":{{"walker":{{
        "service":"walks","on":["thing.stepped"],"dead_letters":{{"on_dead":"skip"}},"retry":{never}}}}}}}"#
    )));
    let seen = Seen::default();
    let named =
        |name: &'static str| -> Answer { Box::pin(async move { Err(Failure::named(name, "it hurts")) }) };
    // One is lame from the start, one turns out to be at its third attempt, one fails under another name.
    let answer = move |event: &Stepped, attempt| match (event.step, attempt) {
        (1, _) | (2, 3) => named("lame"),
        (2, _) => no("slow"),
        (3, 1) => named("tired"),
        _ => yes(),
    };
    let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer });
    let running = start(&store, consumer).await;
    for number in 1..=3 {
        step(store.as_ref(), &number.to_string(), number).await;
    }
    let admin = running.admin();
    until("two are dead", async || admin.letters(Which::Dead, Some(&NAME)).await.unwrap().len() == 2).await;
    let mut dead: Vec<_> = admin.letters(Which::Dead, Some(&NAME)).await.unwrap();
    dead.sort_by(|a, b| a.troubled.key.cmp(&b.troubled.key));
    let said = dead.iter().map(|dead| (dead.troubled.attempts, dead.troubled.reason.as_str()));
    assert_eq!(said.collect::<Vec<_>>(), [(1, "lame"), (3, "lame")]);
    assert_eq!((seen.of("1"), seen.of("2").len()), (vec![1], 3));
    until("the other is tried again", async || effects_of(store.as_ref(), "3").await == [3]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_failure_is_never_retried_is_a_dead_letter_at_once() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let store =
        store_of(over_a_broker(r#","replay":"refuse","retry":{"never":["timeout"],"timeout":"50ms"}"#));
    effects(store.as_ref()).await;
    let seen = Seen::default();
    let answer = |_: &Stepped, _| -> Answer { Box::pin(std::future::pending()) };
    let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer });
    let source = Source::topics_of_events(broker.clone());
    let running = App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap();
    let envelope = Envelope::of(&Stepped { thing: "a".to_owned(), step: 7 }).unwrap();
    broker.publish(&Stepped::TYPE.topic, std::slice::from_ref(&envelope)).await.unwrap();
    let admin = running.admin();
    until("it is dead", async || admin.letters(Which::Dead, Some(&NAME)).await.unwrap().len() == 1).await;
    let dead = admin.letters(Which::Dead, Some(&NAME)).await.unwrap().remove(0);
    assert_eq!((dead.troubled.attempts, dead.troubled.reason.as_str()), (1, "timeout"));
    assert_eq!(seen.of("a"), [7]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_to_a_topic_that_the_catalog_does_not_have_stops_the_start_with_both_places() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let with = |topics: &[&'static str]| {
        let topics = topics.to_vec();
        App::new(store_of(over_a_broker(""))).partial().relay(Relay::to(broker.clone()).topics(topics))
    };
    with(&["thing.stepped", "thing.stopped"]).start().await.unwrap().stop().await;
    insta::assert_snapshot!(disagreement(with(&["thing.stepped", "thing.stoped", "walks"])).await, @r#"
    code and catalog disagree in 2 things

    relay relay publishes to topic thing.stoped, which the catalog does not have
      catalog: thing.stopped.v1.json:1:10
      code: agree.rs:0:0
      hint: did you mean `thing.stopped`?

    relay relay publishes to topic walks, which the catalog does not have
      catalog: system.json:1:53
      code: agree.rs:0:0
      hint: known: thing.stepped, thing.stopped
    "#);
    App::new(store_of(over_a_broker("")))
        .partial()
        .relay(Relay::to(broker))
        .start()
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_code_says_of_retries_goes_before_the_catalog() {
    let store = store_of(catalog(SYSTEM));
    effects(store.as_ref()).await;
    let answer = |_: &Stepped, _| no("broken");
    let consumer = Consumer::new("walker")
        .on::<Stepped>(Does { seen: Seen::default(), answer })
        .retry(RetryPolicy { immediate: 1, attempts: 1, ..quick() });
    let running = App::new(store.clone()).partial().consumer(consumer).start().await.unwrap();
    step(store.as_ref(), "a", 1).await;
    let admin = running.admin();
    until("it is dead", async || admin.letters(Which::Dead, Some(&NAME)).await.unwrap().len() == 1).await;
    assert_eq!(admin.letters(Which::Dead, Some(&NAME)).await.unwrap()[0].troubled.attempts, 1);
    running.stop().await;
}

/// Emits an event that its consumer's `emits` does not list.
struct Restless;

impl Handler<Stopped> for Restless {
    async fn handle(&self, event: Stopped, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.emit(&Stepped { thing: event.thing, step: 9 });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_emits_does_not_list_is_stored_and_counted() {
    let store = store_of(catalog(SYSTEM));
    let consumer = Consumer::new("sleeper").on::<Stopped>(Restless);
    let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
    for thing in ["a", "b"] {
        let envelope = Envelope::of(&Stopped { thing: thing.to_owned() }).unwrap();
        store.append(&envelope.stream().unwrap(), Expected::Any, &[envelope]).await.unwrap();
    }
    running.settled(SOON).await.unwrap();
    assert_eq!(store.head().await.unwrap().number(), 4, "nothing is lost over a line in the catalog");
    let text = running.metrics().await.unwrap();
    assert!(text.contains("factum_consumer_undeclared_total{consumer=\"sleeper\"} 2"), "{text}");
    running.stop().await;
}

/// The system, with what makes handling twice harmless.
fn once(idempotency: &str, retry: &str) -> Contracts {
    catalog(&format!(
        r#"{{"system":"walks","services":{{"walks":{{}}}},"consumers":{{"walker":{{
        "service":"walks","on":["thing.stepped"],"idempotency":{idempotency},"retry":{retry}}}}}}}"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_say_the_same_under_two_ids_are_handled_once_when_the_catalog_says_so() {
    let store = store_of(once(r#"{"by":"step","window":"24h"}"#, "{}"));
    let seen = Seen::default();
    let tries = Arc::new(AtomicU32::new(0));
    let failing = tries.clone();
    let answer =
        move |_: &Stepped, _| if failing.fetch_add(1, Ordering::SeqCst) == 0 { no("once") } else { yes() };
    let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer });
    let running = start(&store, consumer).await;
    for number in [1, 1, 2, 1] {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    assert_eq!(seen.of("a"), [1, 1, 2], "the failed attempt left no mark");
    assert_eq!(effects_of(store.as_ref(), "a").await, [1, 2]);
    let text = running.metrics().await.unwrap();
    assert!(text.contains("factum_consumer_repeated_total{consumer=\"walker\"} 2"), "{text}");
    // The same event, asked for again, runs again; its twins do not.
    let admin = running.admin();
    let request = factum_runtime::admin::ReplayRequest {
        consumer: NAME,
        after: factum_core::Position::START,
        from_time: None,
        effects: true,
    };
    admin.replay(&request).await.unwrap();
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [1, 2, 1, 2]);
    running.stop().await;
}

/// Reads, then appends through the store: refused inside a unit that holds the store's writer.
struct Reads(Arc<dyn Store>, Arc<AtomicU32>);

impl Handler<Stepped> for Reads {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.1.fetch_add(1, Ordering::SeqCst);
        cx.query("select count(*) as n from effect", &[]).await?;
        let told = Envelope::of(&Stopped { thing: event.thing })?;
        self.0.append(&told.stream()?, Expected::Any, &[told]).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_share_a_commit_are_marked_behind_their_handlers_so_that_reads_stay_unlocked() {
    let store = store_of(once(r#"{"by":"step","window":"24h"}"#, "{}"));
    effects(store.as_ref()).await;
    for number in [1, 2, 1, 3, 2] {
        step(store.as_ref(), "a", number).await;
    }
    let calls = Arc::new(AtomicU32::new(0));
    let consumer =
        Consumer::new("walker").on::<Stepped>(Reads(store.clone(), calls.clone())).batch(16).lanes(1);
    let running = start(&store, consumer).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(store.head().await.unwrap().number(), 5 + 3, "each value once, also within a commit");
    let text = running.metrics().await.unwrap();
    assert!(text.contains("factum_consumer_repeated_total{consumer=\"walker\"} 2"), "{text}");
    // A batch that fails is undone, and its events run one by one.
    assert_eq!(calls.load(Ordering::SeqCst), 3, "no handler failed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_retries_can_outlast_stops_the_start() {
    let slow = r#"{"attempts":4,"first":"10m","max":"10m","jitter":0,"timeout":"1m"}"#;
    let consumer = || Consumer::new("walker").on::<Stepped>(Quiet);
    let short = store_of(once(r#"{"by":"step","window":"20m"}"#, slow));
    insta::assert_snapshot!(disagreement(App::new(short).consumer(consumer())).await, @r#"
    code and catalog disagree

    consumer walker may try an event again for 24m, and remembers its `step` for 20m only
      catalog: system.json:1:56
      code: agree.rs:0:0
      hint: a longer `window`, or fewer or shorter retries: else one event's effects can come twice
    "#);
    let long = store_of(once(r#"{"by":"step","window":"30m"}"#, slow));
    App::new(long.clone()).consumer(consumer()).start().await.unwrap().stop().await;
    // Code that says otherwise is judged by what it says.
    let code = consumer().once_per("step", Duration::from_secs(60));
    assert!(disagreement(App::new(long).consumer(code)).await.contains("1m only"));
    let nowhere = store_of(once(r#"{"by":"stp","window":"24h"}"#, "{}"));
    assert!(
        disagreement(App::new(nowhere).consumer(consumer()))
            .await
            .contains("which thing.stepped does not have")
    );
}

/// The system as consumers of a broker see it.
pub(crate) fn over_a_broker(replay: &str) -> Contracts {
    catalog(&format!(
        r#"{{"system":"walks","services":{{"walks":{{}}}},"topics":{{"thing.stepped":{{"retention":"30d"}}}},
        "consumers":{{"walker":{{"service":"walks","on":["thing.stepped"]{replay}}}}}}}"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_keeps_events_longer_than_the_inbox_remembers_stops_the_start() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let consumer = || Consumer::new("walker").on::<Stepped>(Quiet);
    let app = |replay| App::new(store_of(over_a_broker(replay)));
    let source = || Source::topics_of_events(broker.clone());
    let said = disagreement(app("").consumer_from(source(), consumer())).await;
    assert!(
        said.contains("keeps events for 30d, and consumer walker remembers what it handled for 7d only"),
        "{said}"
    );
    let long = source().window(Duration::from_secs(30 * 86400));
    app("").consumer_from(long, consumer()).start().await.unwrap().stop().await;
    let window = r#","idempotency":{"by":"event-id","window":"30d"}"#;
    app(window).consumer_from(source(), consumer()).start().await.unwrap().stop().await;
    let held = r#","replay":"effects-held""#;
    app(held).consumer_from(source(), consumer()).start().await.unwrap().stop().await;
    let elsewhere = Source::broker(broker.clone(), ["things"]);
    let said = disagreement(app(held).consumer_from(elsewhere, consumer())).await;
    assert!(said.contains("does not listen to its topic thing.stepped"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_topics_keep_counts_for_a_topic_that_says_nothing() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let consumer = || Consumer::new("walker").on::<Stepped>(Quiet);
    let source = || Source::topics_of_events(broker.clone());
    let app = |topics: &str, replay: &str| {
        App::new(store_of(catalog(&format!(
            r#"{{"system":"walks","defaults":{{"retention":"30d"}},"services":{{"walks":{{}}}},{topics}
            "consumers":{{"walker":{{"service":"walks","on":["thing.stepped"]{replay}}}}}}}"#
        ))))
    };
    for topics in ["", r#""topics":{"thing.stepped":{"partitions":6}},"#] {
        let said = disagreement(app(topics, "").consumer_from(source(), consumer())).await;
        assert!(said.contains("topic thing.stepped keeps events for 30d"), "{said}");
    }
    // A topic that says it itself is believed, and what is held back remembers long enough by itself.
    let own = r#""topics":{"thing.stepped":{"retention":"1d"}},"#;
    app(own, "").consumer_from(source(), consumer()).start().await.unwrap().stop().await;
    let held = app("", r#","replay":"effects-held""#).consumer_from(source(), consumer());
    held.start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topics_of_a_consumer_come_from_its_contracts() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let store = store_of(over_a_broker(r#","replay":"refuse""#));
    effects(store.as_ref()).await;
    let answer = |_: &Stepped, _| yes();
    let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: Seen::default(), answer });
    let source = Source::topics_of_events(broker.clone());
    let running = App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap();
    let envelope = Envelope::of(&Stepped { thing: "a".to_owned(), step: 7 }).unwrap();
    broker.publish(&Stepped::TYPE.topic, std::slice::from_ref(&envelope)).await.unwrap();
    until("it arrives", async || effects_of(store.as_ref(), "a").await == [7]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_a_newer_version_waits_in_the_store_for_a_release_that_can_read_it() {
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let store = store_of(over_a_broker(r#","replay":"refuse""#));
    let consumer = Consumer::new("walker").on::<Stepped>(Quiet);
    let source = Source::topics_of_events(broker.clone());
    let running = App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap();
    let newer = Envelope {
        event_type: EventType { version: 2, ..Stepped::TYPE },
        ..Envelope::of(&Stepped { thing: "a".to_owned(), step: 7 }).unwrap()
    };
    broker.publish(&Stepped::TYPE.topic, std::slice::from_ref(&newer)).await.unwrap();
    let admin = running.admin();
    until("its slot is let go", async || {
        admin.consumer(&NAME).await.is_ok_and(|info| info.needs.len() == 1 && info.parked == 1)
    })
    .await;
    let info = admin.consumer(&NAME).await.unwrap();
    assert_eq!((info.needs[0].0.to_string().as_str(), info.dead, info.refused), ("thing.stepped.v2", 0, 0));
    running.stop().await;
}

//! What a replay may do: said in the catalog or in code, kept in the store, and asked by whoever operates it.

use std::sync::Arc;
use std::time::Duration;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_core::{Broker, ConsumerName, Envelope, Event, Position, RecordKind, RecordQuery, Store};
use factum_runtime::admin::{AdminError, ReplayRequest};
use factum_runtime::{Admin, App, Consumer, Replay, Source};

use crate::agree::{Quiet, catalog, over_a_broker, store_of};
use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");

fn replaying(replay: &str) -> Arc<dyn Store> {
    store_of(catalog(&format!(
        r#"{{"system":"walks","services":{{"walks":{{}}}},"consumers":{{"walker":{{
        "service":"walks","on":["thing.stepped"]{replay}}}}}}}"#
    )))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_may_do_comes_from_the_catalog() {
    let request =
        |effects| ReplayRequest { consumer: NAME, after: Position::START, from_time: None, effects };
    for (replay, asked, forced) in [
        ("", Some("pass --effects if that is meant"), None),
        (r#","replay":"effects-held""#, Some("pass --effects if that is meant"), None),
        (r#","replay":"safe""#, None, None),
        (r#","replay":"refuse""#, Some("`replay: refuse`"), Some("`replay: refuse`")),
    ] {
        let store = replaying(replay);
        let answer = |_: &Stepped, _| yes();
        let consumer = Consumer::new("walker").on::<Stepped>(Does { seen: Seen::default(), answer });
        let running = start(&store, consumer).await;
        step(store.as_ref(), "a", 1).await;
        running.settled(SOON).await.unwrap();
        // The store alone knows it: operators have no catalog at hand.
        let admin = running.admin();
        let position = async || admin.consumer(&NAME).await.unwrap().position;
        until("every slot has written where it is", async || position().await > Position::START).await;
        for (effects, refusal) in [(false, asked), (true, forced)] {
            let replayed = admin.replay(&request(effects)).await.map(drop);
            let reset = admin.reset(&NAME, Position::START, effects).await.map(drop);
            for done in [replayed, reset] {
                match (done, refusal) {
                    (Ok(()), None) => {}
                    (Err(AdminError::Refused(said)), Some(refusal)) => {
                        assert!(said.contains(refusal), "{said}")
                    }
                    (done, _) => panic!("{replay}, effects {effects}: {done:?}"),
                }
            }
            running.settled(SOON).await.unwrap();
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_code_says_of_replays_goes_before_the_catalog_and_the_last_start_counts() {
    let store = replaying(r#","replay":"refuse""#);
    let on_replay = async || Admin::new(store.clone()).consumer(&NAME).await.unwrap().on_replay;
    for (said, known) in [(None, Replay::Refuse), (Some(Replay::Safe), Replay::Safe), (None, Replay::Refuse)]
    {
        let consumer = Consumer::new("walker").on::<Stepped>(Quiet);
        let consumer = said.map_or(consumer.clone(), |replay| consumer.replay(replay));
        let running = start(&store, consumer).await;
        step(store.as_ref(), "a", 1).await;
        running.settled(SOON).await.unwrap();
        running.stop().await;
        assert_eq!(on_replay().await, Some(known));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_whose_effects_are_held_remembers_as_long_as_its_topic_keeps_events() {
    let days = |days: u64| Duration::from_secs(days * 86400);
    for (said, kept) in [
        (r#","replay":"effects-held""#, days(30)),
        (r#","replay":"refuse","idempotency":{"by":"event-id","window":"9d"}"#, days(30)),
        (r#","replay":"effects-held","idempotency":{"by":"event-id","window":"60d"}"#, days(60)),
        (r#","replay":"safe","idempotency":{"by":"event-id","window":"31d"}"#, days(31)),
    ] {
        let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
        let store = store_of(over_a_broker(said));
        let consumer = Consumer::new("walker").on::<Stepped>(Quiet);
        let source = Source::topics_of_events(broker.clone());
        let running = App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap();
        let envelope = Envelope::of(&Stepped { thing: "a".to_owned(), step: 7 }).unwrap();
        broker.publish(&Stepped::TYPE.topic, std::slice::from_ref(&envelope)).await.unwrap();
        let marks = async || store.find(RecordKind::MARK, &RecordQuery::default()).await.unwrap();
        until("it is handled", async || marks().await.len() == 1).await;
        let left = marks().await[0].due.unwrap().since(store.now().await.unwrap());
        assert!(left <= kept && left > kept - days(1), "{said}: {left:?}");
        running.stop().await;
    }
}

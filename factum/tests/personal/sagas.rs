//! Personal data that a saga keeps: sealed in its state and in what would undo its steps, gone with the subject's key.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::contract::{CatalogSource, Contracts};
use factum::keys::KeyOptions;
use factum::store::Opened;
use factum::{
    Action, App, Consumer, ConsumerName, Context, Envelope, Event, EventType, Failure, Handler, PartitionKey,
    Personal, RecordKind, RecordQuery, Route, Running, Saga, SagaStatus, Signal, Store, Tag, Tags, event_set,
};

use crate::kit::{CANARY, SOON, append, forget};
use crate::place::Place;

const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
    "system.yaml":{"system":"club","services":{"club":{}}},
    "a.yaml":{"event":"member.joined","version":1,"owner":"club","key":"memberId","payload":{"type":"object",
      "required":["memberId","email"],"properties":{
      "memberId":{"type":"string","role":"identifier","personal":"self"},
      "email":{"type":"string","personal":"memberId"}}}},
    "b.yaml":{"event":"member.left","version":1,"owner":"club","key":"memberId","payload":{"type":"object",
      "required":["memberId"],"properties":{"memberId":{"type":"string","role":"identifier","personal":"self"}}}},
    "c.yaml":{"command":"write.letter","version":1,"owner":"club","key":"memberId","stream":"member","payload":{"type":"object",
      "required":["memberId","email","text"],"properties":{
      "memberId":{"type":"string","role":"identifier","personal":"self"},
      "email":{"type":"string","personal":"memberId"},"text":{"type":"string"}}}}}}"#,
);

macro_rules! contract {
    ($name:ident, $kind:ident, $type:literal, { $($field:ident: $ty:ty),* }) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct $name { member_id: String, $($field: $ty),* }
        impl Event for $name {
            const TYPE: EventType = EventType::$kind($type, 1, "member", $type);
            fn key(&self) -> PartitionKey {
                self.member_id.parse().unwrap()
            }
            fn tags(&self) -> Tags {
                Tags::new([Tag::new("memberId", &self.member_id).unwrap()]).unwrap()
            }
        }
    };
}

contract!(Joined, event, "member.joined", { email: Personal<String> });
contract!(Left, event, "member.left", {});
contract!(Write, command, "write.letter", { email: Personal<String>, text: String });

event_set! {
    #[derive(Debug, Clone)]
    enum Heard { Joined, Left }
}

/// Welcomes a member, and says farewell: the address is only in the first event.
struct Letters;

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Known {
    member: String,
    email: Option<Personal<String>>,
    before: Vec<Personal<String>>,
}

impl Saga for Letters {
    const NAME: ConsumerName = ConsumerName::constant("letters");
    const CORRELATE: &'static str = "memberId";
    const SUBJECT: Option<&'static str> = Some("member");
    type Input = Heard;
    type State = Known;

    fn route(event: &Heard) -> Route {
        if matches!(event, Heard::Joined(_)) { Route::Starts } else { Route::Continues }
    }

    fn evolve(mut known: Known, heard: &Signal<Heard>) -> Known {
        if let Signal::Event(Heard::Joined(joined)) = heard {
            known.member.clone_from(&joined.member_id);
            known.before.extend(known.email.take());
            known.email = Some(joined.email.clone());
        }
        known
    }

    fn react(known: &Known, heard: &Signal<Heard>) -> Vec<Action> {
        let letter = |text: &str| Write {
            member_id: known.member.clone(),
            email: known.email.clone().unwrap_or(Personal::Forgotten),
            text: text.to_owned(),
        };
        match heard {
            Signal::Event(Heard::Joined(_)) => {
                vec![Action::send(&letter("welcome")), Action::undo_by(&letter("sorry"))]
            }
            Signal::Event(Heard::Left(_)) => vec![Action::compensate()],
            _ => vec![],
        }
    }
}

/// What was written, and to whom; `None` to one who is forgotten.
type Written = (String, Option<String>);

#[derive(Clone, Default)]
struct Post(Arc<Mutex<Vec<Written>>>);

impl Handler<Write> for Post {
    async fn handle(&self, letter: Write, _: &mut Context<'_>) -> Result<(), Failure> {
        self.0.lock().unwrap().push((letter.text, letter.email.into_known()));
        Ok(())
    }
}

async fn open(place: &Place) -> Opened {
    let keys = KeyOptions::default().master(place.master.clone());
    factum::open_with(&place.url(), Contracts::try_from(CATALOG).unwrap(), keys).await.unwrap()
}

async fn club(store: &Arc<dyn Store>, post: &Post) -> Running {
    let desk = Consumer::new("desk").on::<Write>(post.clone());
    App::new(store.clone()).saga::<Letters>().consumer(desk).start().await.unwrap()
}

fn joined(member: &str) -> Envelope {
    Envelope::of(&Joined { member_id: member.into(), email: Personal::from(format!("{member}-{CANARY}")) })
        .unwrap()
}

async fn until_ended(running: &Running, member: &str) {
    let ended = async {
        loop {
            let saga = running.admin().saga(&Letters::NAME, member).await.unwrap();
            if saga.instance.status == SagaStatus::Compensated {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_saga_knows_of_a_person_is_in_no_file_and_goes_with_the_key_while_the_saga_goes_on() {
    let (place, post) = (Place::new(), Post::default());
    let opened = open(&place).await;
    let running = club(&opened.store, &post).await;
    for number in 0..20 {
        append(&opened.store, &joined(&format!("m-{number}"))).await;
    }
    // Twice, so that a list in the state holds an address as well.
    append(&opened.store, &joined("m-7")).await;
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let none: [&str; 0] = [];
    assert_eq!(place.holding(CANARY.as_bytes()), none, "neither state nor undo log holds an address");
    let kept = opened.store.find(RecordKind::SAGA, &RecordQuery::id("letters/m-7")).await.unwrap();
    let text = String::from_utf8_lossy(&kept[0].bytes).into_owned();
    assert_eq!(text.matches("$sealed").count(), 4, "two in the state, two in what would undo it: {text}");

    forget(&opened, "m-7").await;
    let running = club(&opened.store, &post).await;
    for member in ["m-7", "m-8"] {
        let left = Envelope::of(&Left { member_id: member.into() }).unwrap();
        append(&opened.store, &left).await;
        until_ended(&running, member).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let written = post.0.lock().unwrap().clone();
    let farewells: Vec<_> = written.into_iter().filter(|(text, _)| text == "sorry").collect();
    let sorry = |to: Option<String>| ("sorry".to_owned(), to);
    let known = Some(format!("m-8-{CANARY}"));
    assert_eq!(farewells, [sorry(None), sorry(None), sorry(known)]);
    assert_eq!(place.holding(CANARY.as_bytes()), none);
}

/// Keeps an address and does not say whose.
struct Careless;

impl Saga for Careless {
    const NAME: ConsumerName = ConsumerName::constant("careless");
    const CORRELATE: &'static str = "memberId";
    type Input = Joined;
    type State = Option<Personal<String>>;

    fn route(_: &Joined) -> Route {
        Route::Starts
    }

    fn evolve(state: Self::State, heard: &Signal<Joined>) -> Self::State {
        match heard {
            Signal::Event(joined) => Some(joined.email.clone()),
            _ => state,
        }
    }

    fn react(_: &Self::State, _: &Signal<Joined>) -> Vec<Action> {
        vec![]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_does_not_say_whose_data_it_keeps_keeps_nothing_and_says_what_to_write() {
    let place = Place::new();
    let opened = open(&place).await;
    let running = App::new(opened.store.clone()).saga::<Careless>().start().await.unwrap();
    append(&opened.store, &joined("m-1")).await;
    running.settled(SOON).await.unwrap();
    let parked = running.admin().letters(factum::admin::Which::Parked, None).await.unwrap();
    let error = parked[0].troubled.error.clone();
    assert!(
        error.starts_with("the state holds personal data (all of it), and nothing says whose"),
        "{error}"
    );
    running.stop().await;
    let none: [&str; 0] = [];
    assert_eq!(place.holding(CANARY.as_bytes()), none);
}

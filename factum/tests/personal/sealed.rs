//! What is sealed, where it opens, and what a store without keys does.

use std::sync::{Arc, Mutex};

use factum::contract::Contracts;
use factum::{
    App, AppendError, Broker, Bytes, Consumer, Context, Envelope, Event, EventId, EventType, Expected,
    Failure, Handler, InlineStore, Personal, Relay, StartAt, Store, Unopened, WriteError,
};

use crate::kit::*;

#[tokio::test]
async fn only_the_personal_value_is_changed_and_the_id_is_what_a_retry_is_known_by() {
    let opened = memory().await;
    let data = format!("{{ \"plan\" : \"gold\" ,\n\"email\":\"{CANARY}\",  \"customerId\":\"c-1\" }}");
    let event = Envelope { data: data.clone().into(), ..joined("c-1", CANARY) };
    append(&opened.store, &event).await;
    let stored = last(&opened.store).await.envelope;
    let text = std::str::from_utf8(&stored.data).unwrap();
    let (before, rest) = text.split_once("{\"$sealed\":\"").unwrap();
    let (_, after) = rest.split_once("\"}").unwrap();
    assert_eq!(format!("{before}\"{CANARY}\"{after}"), data, "every other byte stays");
    assert!(!text.contains("canary"));
    assert!(append(&opened.store, &event).await.known, "ids are compared, never bytes");
    let plain = opened.store.gate().open(&stored, &Joined::TYPE).unwrap().unwrap();
    assert_eq!(plain.data, data, "a reader gets what was written, byte for byte");
}

#[tokio::test]
async fn a_changed_or_moved_value_is_refused_and_never_served() {
    let opened = memory().await;
    let gate = opened.store.gate();
    append(&opened.store, &joined("c-1", CANARY)).await;
    let stored = last(&opened.store).await.envelope;
    let text = String::from_utf8(stored.data.to_vec()).unwrap();
    let refused = |envelope: &Envelope, why: &str| match gate.open(envelope, &Joined::TYPE) {
        Err(Unopened::Breach(breach)) => {
            assert_eq!((breach.rule.as_str(), breach.path.is_empty()), ("sealed", false))
        }
        other => panic!("{why}: {other:?}"),
    };
    let elsewhere = Envelope { id: EventId::new(), ..stored.clone() };
    refused(&elsewhere, "the value of another event");
    let moved = Envelope { data: text.replace("\"email\"", "\"plan\"").into(), ..stored.clone() };
    refused(&moved, "the value of another field");
    let body = text.find('.').unwrap() + 25..text.find("\"}").unwrap();
    for at in body.step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        refused(&Envelope { data: bytes.into(), ..stored.clone() }, "a changed byte");
    }
    // Nor is it taken in: the log holds no value that does not open where it stands.
    let copied = Envelope { data: stored.data.clone(), ..joined("c-1", "x") };
    let answer = opened.store.append(&copied.stream().unwrap(), Expected::Any, &[copied]).await;
    assert!(matches!(answer, Err(factum::AppendError::Refused(breach)) if breach.rule == "sealed"));
}

#[tokio::test]
async fn nothing_personal_is_stored_without_keys() {
    let contracts = Contracts::try_from(CATALOG).unwrap();
    let opened = factum::store::open("memory:", Arc::new(contracts)).unwrap();
    let event = joined("c-1", CANARY);
    let answer =
        opened.store.append(&event.stream().unwrap(), Expected::Any, std::slice::from_ref(&event)).await;
    assert!(matches!(answer, Err(factum::AppendError::Refused(breach)) if breach.rule == "keys"));
    let mut work = opened.store.begin().await.unwrap();
    work.append(event.stream().unwrap(), Expected::Any, vec![event]);
    assert!(matches!(work.commit().await, factum::Commit::Failed(WriteError::Refused(_))));
}

#[tokio::test]
async fn a_subject_must_be_a_pseudonym_that_can_be_told() {
    let opened = memory().await;
    for subject in ["", &"x".repeat(251), "a\nb"] {
        let event = Envelope { data: told(subject, "a").data, ..told("c-1", "a") };
        let answer = opened.store.gate().seal(&[event]);
        assert!(
            matches!(&answer, Err(WriteError::Refused(breach)) if breach.path == "/customerId"),
            "{subject:?}: {answer:?}"
        );
    }
}

fn told(customer: &str, email: &str) -> Envelope {
    let told = EventType::event("customer.told", 1, "customer", "customer.open");
    let data = serde_json::json!({"customerId": customer, "email": email}).to_string();
    Envelope::raw(told, "c-1".parse().unwrap(), data.into())
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Joined>>>);

impl Handler<Joined> for Notes {
    async fn handle(&self, event: Joined, _: &mut Context<'_>) -> Result<(), Failure> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_see_a_value_until_its_subject_is_forgotten_and_go_on_after() {
    let opened = memory().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    append(&opened.store, &joined("c-2", "bob@example.org")).await;
    let old = EventType { version: 1, ..Joined::TYPE };
    let old = Envelope::raw(old, "c-1".parse().unwrap(), Bytes::from(r#"{"customerId":"c-1","name":"Ada"}"#));
    append(&opened.store, &old).await;
    let seen = async |name: &str| {
        let notes = Notes::default();
        let consumer = Consumer::new(name).on::<Joined>(notes.clone()).lanes(1);
        let app = App::new(opened.store.clone()).consumer(consumer).start().await.unwrap();
        app.settled(SOON).await.unwrap();
        app.stop().await;
        let mut seen = notes.0.lock().unwrap().clone();
        seen.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
        seen.into_iter().map(|event| (event.customer_id, event.email.into_known())).collect::<Vec<_>>()
    };
    let (ann, bob) = ("c-1".to_owned(), ("c-2".to_owned(), Some("bob@example.org".to_owned())));
    let before = seen("before").await;
    assert!(
        before.contains(&(ann.clone(), Some(CANARY.to_owned()))),
        "plain, from the version that is known"
    );
    assert!(
        before.contains(&(ann.clone(), Some("Ada".to_owned()))),
        "an older version is opened, then upcast"
    );
    let forgot = forget(&opened, "c-1").await;
    assert_eq!((forgot.plan.values, forgot.plan.events.len()), (2, 2), "{forgot:?}");
    append(&opened.store, &joined("c-1", "later")).await;
    let gone = (ann, None);
    assert_eq!(
        seen("after").await,
        [gone.clone(), gone.clone(), gone, bob],
        "a later event is forgotten at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_sends_sealed_values_unless_the_topic_is_open() {
    let opened = memory().await;
    let broker: Arc<dyn Broker> = Arc::new(factum::broker::MemoryBroker::default());
    let reader = "reader".parse().unwrap();
    let mut sealed =
        broker.subscribe(&"customer.joined".parse().unwrap(), &reader, StartAt::Oldest).await.unwrap();
    let mut open =
        broker.subscribe(&"customer.open".parse().unwrap(), &reader, StartAt::Oldest).await.unwrap();
    append(&opened.store, &joined("c-1", CANARY)).await;
    append(&opened.store, &told("c-1", CANARY)).await;
    let app = App::new(opened.store.clone()).relay(Relay::to(broker.clone())).start().await.unwrap();
    for (deliveries, is_open) in [(&mut sealed, false), (&mut open, true)] {
        let delivered = deliveries.next(1).await.unwrap().pop().unwrap();
        let data = String::from_utf8_lossy(&delivered.event.unwrap().data).into_owned();
        assert_eq!((data.contains(CANARY), data.contains("$sealed")), (is_open, !is_open), "{data}");
    }
    app.stop().await;
}

#[test]
fn what_is_sealed_elsewhere_reads_as_forgotten() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (here, there) = (memory().await, memory().await);
        append(&there.store, &joined("c-1", CANARY)).await;
        let arrived = last(&there.store).await.envelope;
        let read = here.store.gate().open(&arrived, &Joined::TYPE).unwrap().unwrap();
        let event: Joined = serde_json::from_slice(&read.data).unwrap();
        assert_eq!(event.email, Personal::Forgotten);
        append(&here.store, &arrived).await;
        assert_eq!(last(&here.store).await.envelope.data, arrived.data, "taken in as it is");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_value_that_breaks_its_contract_is_refused_where_a_projection_is_inline_too() {
    let opened = memory().await;
    let inline = InlineStore::new(opened.store.clone()).projection(Addresses).await.unwrap();
    let inline: Arc<dyn Store> = Arc::new(inline);
    let broken =
        |data: &'static str| Envelope { data: Bytes::from_static(data.as_bytes()), ..joined("c-1", CANARY) };
    let event = broken(r#"{"customerId":"c-1","email":17}"#);
    for store in [&opened.store, &inline] {
        let to = event.stream().unwrap();
        let error = store.append(&to, Expected::NoStream, std::slice::from_ref(&event)).await.unwrap_err();
        let AppendError::Refused(breach) = &error else { panic!("{error:?}") };
        assert_eq!((breach.path.as_str(), breach.rule.as_str()), ("/email", "type"), "{breach}");
    }
    let good = joined("c-1", CANARY);
    inline.append(&good.stream().unwrap(), Expected::NoStream, std::slice::from_ref(&good)).await.unwrap();
    assert!(String::from_utf8_lossy(&last(&opened.store).await.envelope.data).contains("$sealed"));
}

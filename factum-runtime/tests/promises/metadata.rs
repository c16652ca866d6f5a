//! What a handler can know of its event, and what a creator can set: the table of `docs/envelope.md`.

use std::sync::{Arc, Mutex};

use factum_core::{
    Context, Envelope, Event, EventId, Expected, Failure, Handler, Kind, Position, StreamId, Tag, Tags,
    Version,
};
use factum_runtime::{App, Consumer};

use crate::kit::*;

#[derive(Debug, Clone)]
struct Known {
    envelope: Envelope,
    stream: Option<StreamId>,
    version: Option<Version>,
    position: Option<Position>,
    consumer: String,
    attempt: u32,
}

#[derive(Clone, Default)]
struct Looks(Arc<Mutex<Vec<Known>>>);

impl Handler<Stepped> for Looks {
    async fn handle(&self, _: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.0.lock().unwrap().push(Known {
            envelope: cx.envelope().clone(),
            stream: cx.stream().cloned(),
            version: cx.version(),
            position: cx.position(),
            consumer: cx.consumer().to_string(),
            attempt: cx.attempt().number,
        });
        Ok(())
    }
}

async fn handled(envelope: Envelope) -> Known {
    let store = fresh();
    let looks = Looks::default();
    let app = App::new(store.clone()).consumer(Consumer::new("looks").on::<Stepped>(looks.clone()));
    let running = app.start().await.unwrap();
    let stream = envelope.stream().unwrap();
    store.append(&stream, Expected::Any, &[envelope]).await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    looks.0.lock().unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_metadata_has_a_default_that_handlers_can_read() {
    let envelope = Envelope::of(&Stepped { thing: "a".into(), step: 1 }).unwrap();
    let known = handled(envelope.clone()).await;
    assert_eq!(known.envelope, envelope, "as it was made, whole");
    let of = &known.envelope.event_type;
    assert_eq!((of.name.as_str(), of.version, of.kind), ("thing.stepped", 1, Kind::Event));
    assert_eq!((of.category.as_str(), of.topic.as_str()), ("thing", "thing.stepped"));
    assert_eq!(known.envelope.key, "a");
    assert_eq!(
        known.envelope.correlation.as_str(),
        envelope.id.to_string(),
        "its own id, as the first of its kind"
    );
    assert_eq!((known.envelope.causation, known.envelope.actor, known.envelope.trace), (None, None, None));
    assert_eq!(known.envelope.content_type.as_str(), "application/json");
    assert_eq!(known.stream.unwrap().as_str(), "thing-a");
    assert_eq!((known.version, known.position), (Some(Version::at(1)), Some(Position::at(1))));
    assert_eq!((known.consumer.as_str(), known.attempt), ("looks", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_metadata_can_be_set_by_its_creator() {
    let mut envelope = Envelope::of(&Stepped { thing: "a".into(), step: 1 }).unwrap();
    envelope.id = EventId::from_bytes([9; 16]);
    envelope.key = "another".parse().unwrap();
    envelope.tags = Tags::new([Tag::new("thing", "a").unwrap()]).unwrap();
    envelope.time = "2020-02-29T23:59:59.999999Z".parse().unwrap();
    envelope.correlation = "order 42".parse().unwrap();
    envelope.causation = Some(EventId::from_bytes([8; 16]));
    envelope.actor = Some("ann@example.org".parse().unwrap());
    envelope.trace = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
    envelope.content_type = "application/vnd.thing+json".parse().unwrap();
    assert_eq!(handled(envelope.clone()).await.envelope, envelope);
    assert_eq!(Stepped::TYPE, envelope.event_type);
}

//! Who sends and who takes, as AsyncAPI's operations: one for each topic that a service sends to, and one for each
//! topic that a consumer, saga or projection takes from.

use std::collections::{BTreeMap, BTreeSet};

use factum_core::{ConsumerName, EventName, Topic};

use crate::canonical;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::flow::{Arrow, Flow, Part};
use crate::node::build::Map;
use crate::system::Pin;
use crate::words::{Placed, ServiceName};

use super::bindings::{self, Protocols};
use super::{owner, reference, tags};

pub(super) fn all(catalog: &Catalog, flow: &Flow<'_>, protocols: Protocols) -> Map {
    let mut map = Map::default();
    let mut put = |wanted: String, operation: Map| {
        let mut id = wanted.clone();
        let mut count = 1;
        // Names hold dots, so two operations may want the same one.
        while map.has(&id) {
            count += 1;
            id = format!("{wanted}_{count}");
        }
        map.put(&id, operation);
    };
    for ((service, topic), arrows) in by_topic(catalog, &flow.sends, |arrow| arrow.service) {
        put(format!("{service}.send.{topic}"), send(catalog, service, topic, &arrows, protocols));
    }
    for (((part, service), topic), arrows) in
        by_topic(catalog, &flow.takes, |arrow| (arrow.part, arrow.service))
    {
        let operation = receive(catalog, part, service, topic, &arrows, protocols);
        put(format!("{}.receive.{topic}", part.name().unwrap_or(service.as_str())), operation);
    }
    map
}

type ByTopic<'c, K> = BTreeMap<(K, &'c Topic), BTreeSet<&'c EventName>>;

fn by_topic<'c, K: Ord>(
    catalog: &'c Catalog,
    arrows: &BTreeSet<Arrow<'c>>,
    key: impl Fn(&Arrow<'c>) -> K,
) -> ByTopic<'c, K> {
    let mut found = ByTopic::new();
    for arrow in arrows {
        let topics: BTreeSet<&Topic> =
            catalog.versions(arrow.event.as_str()).map(|contract| &contract.topic.value).collect();
        for topic in topics {
            found.entry((key(arrow), topic)).or_default().insert(arrow.event);
        }
    }
    found
}

/// The beginning of every operation.
fn begin(
    catalog: &Catalog,
    action: &str,
    topic: &Topic,
    says: (String, String),
    service: &ServiceName,
) -> Map {
    let mut map = Map::of("action", action);
    map.put("channel", reference(&["channels", topic.as_str()]));
    map.put("summary", says.0);
    map.put("description", says.1);
    map.put("tags", tags(catalog, service.as_str()));
    map
}

/// References to the versions of events that are meant; the question is asked with whether it is the newest.
fn messages(
    catalog: &Catalog,
    topic: &Topic,
    events: &BTreeSet<&EventName>,
    is_meant: &dyn Fn(&Contract, bool) -> bool,
) -> Vec<Map> {
    let mut found = Vec::new();
    for name in events {
        let versions: Vec<&Contract> =
            catalog.versions(name.as_str()).filter(|contract| contract.topic.value == *topic).collect();
        for (index, contract) in versions.iter().enumerate() {
            if !is_meant(contract, index + 1 == versions.len()) {
                continue;
            }
            found.push(reference(&["channels", topic.as_str(), "messages", &contract.label()]));
        }
    }
    found
}

/// What a reader takes: the versions that it names, or all.
fn taken(catalog: &Catalog, part: Part<'_>, topic: &Topic, events: &BTreeSet<&EventName>) -> Vec<Map> {
    let system = &catalog.system;
    let pinned: &[Placed<Pin>] = match part {
        Part::Consumer(name) => system.consumers.get(name).map_or(&[], |one| &one.pinned),
        Part::Saga(name) => system.sagas.get(name).map_or(&[], |one| &one.pinned),
        Part::Projection(name) => system.projections.get(name).map_or(&[], |one| &one.pinned),
        Part::Service => &[],
    };
    let is_meant = |contract: &Contract| {
        let mut pins = pinned.iter().filter(|pin| pin.name == contract.name).peekable();
        pins.peek().is_none() || pins.any(|pin| pin.version == contract.version)
    };
    messages(catalog, topic, events, &|contract, _| is_meant(contract))
}

fn listed(events: &BTreeSet<&EventName>) -> String {
    events.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn send(
    catalog: &Catalog,
    service: &ServiceName,
    topic: &Topic,
    events: &BTreeSet<&EventName>,
    protocols: Protocols,
) -> Map {
    let says = (
        format!("{service} sends {}", listed(events)),
        format!("The service {service} sends {} to {topic}.", listed(events)),
    );
    let mut map = begin(catalog, "send", topic, says, service);
    map.put("messages", messages(catalog, topic, events, &|_, is_newest| is_newest));
    map.map("bindings", bindings::send(protocols));
    map.put("x-contact", owner(catalog, service.as_str()));
    map
}

fn receive(
    catalog: &Catalog,
    part: Part<'_>,
    service: &ServiceName,
    topic: &Topic,
    events: &BTreeSet<&EventName>,
    protocols: Protocols,
) -> Map {
    let name = part.name().unwrap_or(service.as_str());
    let described = match part {
        Part::Consumer(name) => catalog.system.consumers.get(name).and_then(|one| one.description.clone()),
        Part::Saga(name) => catalog.system.sagas.get(name).and_then(|one| one.description.clone()),
        Part::Projection(name) => {
            catalog.system.projections.get(name).and_then(|one| one.description.clone())
        }
        Part::Service => None,
    };
    let plain = || format!("The {} {name} of {service} takes {} from {topic}.", part.kind(), listed(events));
    let says = (format!("{name} takes {}", listed(events)), described.unwrap_or_else(plain));
    let mut map = begin(catalog, "receive", topic, says, service);
    map.put("messages", taken(catalog, part, topic, events));
    map.map("bindings", bindings::receive(name, protocols));
    map.put("x-contact", owner(catalog, service.as_str()));
    match part {
        Part::Consumer(name) => consumer(catalog, name, &mut map),
        Part::Saga(name) => map.put("x-saga", name.as_str()),
        Part::Projection(name) => map.put("x-projection", name.as_str()),
        Part::Service => {}
    }
    map
}

/// What a consumer does when handling fails, and how it keeps order, by the words of contracts.
fn consumer(catalog: &Catalog, name: &ConsumerName, map: &mut Map) {
    map.put("x-consumer", name.as_str());
    let Some(spec) = catalog.system.consumers.get(name) else { return };
    for (key, value) in canonical::consumer_rules(spec) {
        map.put(&format!("x-{}", key.replace('_', "-")), value);
    }
}

//! A catalog as files in one form: the same meaning gives the same bytes.
//!
//! What is written says everything that differs from the defaults, in one order, and nothing else. Files that people
//! wrote are not touched by this; it is the form in which other formats are read in, and sent out.

use factum_core::EventName;

use crate::catalog::Catalog;
use crate::contract::{Audience, Compatibility, Contract, Ordering, Policy, Purpose};
use crate::finding::Source;
use crate::generate::duration;
use crate::generate::payload::{self, Words};
use crate::node::Node;
use crate::node::build::Map;
use crate::node::write::{Width, yaml};
use crate::system::{
    ConsumerSpec, DeadLetters, Defaults, Idempotency, Pin, RetrySpec, SagaSpec, SagaStep, Service, System,
    Team, TopicSpec,
};
use crate::words::{Placed, Words as _};

/// The files of a catalog: `system.yaml`, and one for each contract version.
#[must_use]
pub fn files(catalog: &Catalog) -> Vec<Source> {
    let text = |map: Map| yaml(&Node::from(map), Width::CONTRACT);
    let mut files = vec![Source::new("system.yaml", text(system(&catalog.system)))];
    for one in catalog.contracts() {
        let name = format!("{}.yaml", one.label());
        files.push(Source::new(name, text(contract(one, &catalog.system.defaults))));
    }
    files
}

/// One contract version.
pub(crate) fn contract(contract: &Contract, defaults: &Defaults) -> Map {
    let mut map = Map::of(contract.kind.as_str(), contract.name.as_str());
    map.put("version", contract.version);
    map.maybe("category", differs(contract.purpose, Purpose::Business).map(Purpose::as_str));
    map.maybe("summary", contract.summary.as_deref());
    map.maybe("description", contract.description.as_deref());
    map.put("owner", contract.owner.as_str());
    map.maybe("audience", differs(contract.audience, Audience::Company).map(Audience::as_str));
    map.maybe("topic", (contract.topic.as_str() != contract.name.as_str()).then(|| contract.topic.as_str()));
    let first = contract.name.as_str().split('.').next().unwrap_or_default().replace('-', "_");
    map.maybe("stream", (contract.category.as_str() != first).then(|| contract.category.as_str()));
    map.put("key", contract.key.as_str());
    map.maybe("ordering", differs(contract.ordering, Ordering::PerKey).map(Ordering::as_str));
    let promise = differs(contract.compatibility, defaults.compatibility);
    map.maybe("compatibility", promise.map(Compatibility::as_str));
    map.maybe("policy", differs(contract.policy, defaults.policy).map(Policy::as_str));
    map.put("payload", payload::node(&contract.payload, Words::Contract));
    for key in ["reserved", "examples", "lifecycle", "upcast", "allow"] {
        map.maybe(key, said(&contract.document, key));
    }
    map
}

/// What a document says under a key, unless it is nothing.
pub(crate) fn said(document: &Node, key: &str) -> Option<Node> {
    use crate::node::Content;
    let node = document.get(key)?;
    let is_empty = match &node.content {
        Content::Null => true,
        Content::List(nodes) => nodes.is_empty(),
        Content::Map(entries) => entries.is_empty(),
        _ => false,
    };
    (!is_empty).then(|| node.clone())
}

fn differs<T: PartialEq>(value: T, default: T) -> Option<T> {
    (value != default).then_some(value)
}

/// The system around the contracts.
pub(crate) fn system(system: &System) -> Map {
    let mut map = Map::of("system", system.name.as_str());
    map.maybe("description", system.description.as_deref());
    map.map("defaults", defaults(&system.defaults));
    map.map("teams", table(&system.teams, team));
    map.map("services", table(&system.services, service));
    map.map("topics", table(&system.topics, topic));
    map.map("consumers", table(&system.consumers, consumer));
    map.map("sagas", table(&system.sagas, saga));
    map.map(
        "projections",
        table(&system.projections, |projection| {
            let mut map = Map::of("service", projection.service.as_str());
            map.put("on", taken(&projection.on, &projection.pinned));
            map.maybe("description", projection.description.as_deref());
            map
        }),
    );
    map.list(
        "allow",
        system
            .allow
            .iter()
            .map(|allow| {
                let mut map = Map::of("rule", allow.rule.as_str());
                map.put("reason", allow.reason.as_str());
                map.maybe("until", allow.until.map(|date| date.to_string()));
                map
            })
            .collect(),
    );
    map
}

fn table<K: ToString, V>(items: &std::collections::BTreeMap<K, V>, one: impl Fn(&V) -> Map) -> Map {
    let mut map = Map::default();
    for (name, item) in items {
        map.put(&name.to_string(), one(item));
    }
    map
}

fn sorted<T: AsRef<str>>(names: &[Placed<T>]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.value.as_ref().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// What a reader takes, each name with the versions that it names.
fn taken(on: &[Placed<EventName>], pinned: &[Placed<Pin>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in on {
        let pins = pinned.iter().filter(|pin| pin.name == name.value);
        let before = names.len();
        names.extend(pins.map(|pin| format!("{}@{}", pin.name, pin.version)));
        if names.len() == before {
            names.push(name.value.to_string());
        }
    }
    names.sort();
    names.dedup();
    names
}

fn defaults(defaults: &Defaults) -> Map {
    let plain = Defaults::default();
    let mut map = Map::default();
    let promise = differs(defaults.compatibility, plain.compatibility);
    map.maybe("compatibility", promise.map(Compatibility::as_str));
    map.maybe("policy", differs(defaults.policy, plain.policy).map(Policy::as_str));
    map.maybe("retention", defaults.retention.map(duration));
    map
}

fn team(team: &Team) -> Map {
    let mut map = Map::default();
    map.maybe("contact", team.contact.as_deref());
    map.maybe("description", team.description.as_deref());
    map
}

fn service(service: &Service) -> Map {
    let mut map = Map::default();
    map.maybe("team", service.team.as_ref().map(|team| team.as_str()));
    map.maybe("datastore", service.datastore.as_deref());
    map.maybe("description", service.description.as_deref());
    map.list("emits", sorted(&service.emits));
    map
}

/// What is known of a topic.
pub(crate) fn topic(topic: &TopicSpec) -> Map {
    let mut map = Map::default();
    map.maybe("owner", topic.owner.as_ref().map(|owner| owner.as_str()));
    map.maybe("partitions", topic.partitions);
    map.maybe("retention", topic.retention.map(duration));
    if topic.is_open {
        map.put("open", true);
    }
    map.maybe("description", topic.description.as_deref());
    map
}

/// A named reader.
fn consumer(consumer: &ConsumerSpec) -> Map {
    let mut map = Map::of("service", consumer.service.as_str());
    map.maybe("description", consumer.description.as_deref());
    map.put("on", taken(&consumer.on, &consumer.pinned));
    for (key, value) in consumer_rules(consumer) {
        map.put(key, value);
    }
    map
}

/// What a consumer does with what it takes, by the words of contracts.
pub(crate) fn consumer_rules(consumer: &ConsumerSpec) -> Vec<(&'static str, Node)> {
    let mut calls = consumer.calls.clone();
    calls.sort();
    calls.dedup();
    let emits = sorted(&consumer.emits);
    let (retry, dead_letters) = (retry(&consumer.retry), dead_letters(&consumer.dead_letters));
    let rules = [
        ("emits", (!emits.is_empty()).then(|| Node::from(emits))),
        ("calls", (!calls.is_empty()).then(|| Node::from(calls))),
        (
            "idempotency",
            consumer.idempotency.as_ref().map(|idempotency| Node::from(self::idempotency(idempotency))),
        ),
        ("retry", (!retry.is_empty()).then(|| Node::from(retry))),
        ("dead_letters", (!dead_letters.is_empty()).then(|| Node::from(dead_letters))),
        ("replay", consumer.replay.map(|replay| Node::from(replay.as_str()))),
        ("lanes", consumer.lanes.map(Node::from)),
    ];
    rules.into_iter().filter_map(|(key, node)| Some((key, node?))).collect()
}

fn idempotency(idempotency: &Idempotency) -> Map {
    let (mut map, window) = match idempotency {
        Idempotency::EventId { window } => (Map::of("by", "event-id"), *window),
        Idempotency::Field { by, window } => (Map::of("by", by.as_str()), *window),
        Idempotency::Natural { why } => (Map::of("natural", why.as_str()), None),
    };
    map.maybe("window", window.map(duration));
    map
}

fn retry(retry: &RetrySpec) -> Map {
    let mut map = Map::default();
    map.maybe("immediate", retry.immediate);
    map.maybe("attempts", retry.attempts);
    map.maybe("first", retry.first.map(duration));
    map.maybe("max", retry.max.map(duration));
    map.maybe("multiplier", retry.multiplier.map(number));
    map.maybe("jitter", retry.jitter.map(number));
    map.maybe("timeout", retry.timeout.map(duration));
    map.list("never", retry.never.iter().map(String::as_str).collect());
    map
}

/// A number as people write it: `2`, not `2.0`.
fn number(value: f64) -> Node {
    let whole = value as i64;
    // Small whole numbers only, which a double holds exactly.
    if value.fract() == 0.0 && value.abs() < 1e9 { Node::from(whole) } else { Node::from(value) }
}

fn dead_letters(letters: &DeadLetters) -> Map {
    let mut map = Map::default();
    map.maybe("owner", letters.owner.as_ref().map(|owner| owner.as_str()));
    let on_dead = letters.on_dead.and_then(|on_dead| {
        factum_core::OnDead::WORDS.iter().find(|(_, meaning)| *meaning == on_dead).map(|(word, _)| *word)
    });
    map.maybe("on_dead", on_dead);
    map.maybe("alert", letters.alert.as_deref());
    map.maybe("runbook", letters.runbook.as_deref());
    map
}

fn saga(saga: &SagaSpec) -> Map {
    // Which place named a version does not matter, so the first that can has it.
    let mut pins: Vec<&Pin> = saga.pinned.iter().map(|pin| &pin.value).collect();
    pins.sort();
    let mut waited = |name: &EventName| match pins.iter().position(|pin| pin.name == *name) {
        Some(index) => format!("{name}@{}", pins.remove(index).version),
        None => name.to_string(),
    };
    let mut map = Map::of("service", saga.service.as_str());
    map.maybe("description", saga.description.as_deref());
    map.put("starts", waited(&saga.starts));
    map.put("correlate", saga.correlate.as_str());
    map.list("steps", saga.steps.iter().map(|step| saga_step(step, waited(&step.on))).collect());
    map
}

fn saga_step(step: &SagaStep, on: String) -> Map {
    let names = |names: &[Placed<EventName>]| -> Vec<String> {
        names.iter().map(|name| name.value.to_string()).collect()
    };
    let mut map = Map::of("on", on);
    map.list("then", names(&step.then));
    map.maybe("within", step.within.map(duration));
    map.list("otherwise", names(&step.otherwise));
    map.list("compensate", names(&step.compensate));
    map
}

//! Reads `system.yaml`.

use std::collections::BTreeMap;

use factum_core::{EventName, OnDead};

use crate::finding::{Findings, Span};
use crate::node::{Content, Node};
use crate::system::{
    ConsumerSpec, DeadLetters, Defaults, Idempotency, Pin, ProjectionSpec, RetrySpec, SagaSpec, SagaStep,
    Service, System, Team, TopicSpec,
};
use crate::words::{Placed, Words};

use super::contract::allow;
use super::fields::{self, Fields, Noted, mismatch, named};

impl Words for OnDead {
    const WORDS: &'static [(&'static str, Self)] = &[("hold", Self::Hold), ("skip", Self::Skip)];
}

/// Reads the system around the contracts.
pub(super) fn system(node: &Node, findings: &mut Findings<'_>) -> Option<System> {
    let mut keys = Fields::open(node, "a system", findings)?;
    let name = keys.required("system").and_then(|node| fields::name(node, findings));
    let system = System {
        name: name.map_or_else(|| "system".parse().expect("is a word"), |name| name.value),
        description: keys.text("description", findings),
        defaults: defaults(keys.get("defaults"), findings),
        teams: table(keys.get("teams"), "teams", findings, |_, node, findings| team(node, findings)),
        services: table(keys.get("services"), "services", findings, |_, node, findings| {
            service(node, findings)
        }),
        topics: table(keys.get("topics"), "topics", findings, topic),
        consumers: table(keys.get("consumers"), "consumers", findings, consumer),
        sagas: table(keys.get("sagas"), "sagas", findings, |_, node, findings| saga(node, findings)),
        projections: table(keys.get("projections"), "projections", findings, projection),
        allow: allow(keys.get("allow"), findings),
    };
    keys.finish(findings);
    Some(system)
}

fn table<N: fields::Name + Ord, T>(
    node: Option<&Node>,
    what: &str,
    findings: &mut Findings<'_>,
    read: fn(Span, &Node, &mut Findings<'_>) -> Option<T>,
) -> BTreeMap<N, T> {
    let mut found = BTreeMap::new();
    for (name, node) in named::<N>(node, what, findings) {
        if let Some(value) = read(name.span, node, findings) {
            found.insert(name.value, value);
        }
    }
    found
}

fn defaults(node: Option<&Node>, findings: &mut Findings<'_>) -> Defaults {
    let plain = Defaults::default();
    let Some(mut keys) = node.and_then(|node| Fields::open(node, "defaults", findings)) else { return plain };
    let defaults = Defaults {
        compatibility: keys.word("compatibility", findings).unwrap_or(plain.compatibility),
        policy: keys.word("policy", findings).unwrap_or(plain.policy),
        retention: keys.duration("retention", findings),
    };
    keys.for_review(&[("envelope", Noted::Texts)], findings);
    keys.finish(findings);
    defaults
}

fn team(node: &Node, findings: &mut Findings<'_>) -> Option<Team> {
    if let Content::Null = node.content {
        return Some(Team::default());
    }
    let mut keys = Fields::open(node, "a team", findings)?;
    let team =
        Team { contact: keys.text("contact", findings), description: keys.text("description", findings) };
    keys.finish(findings);
    Some(team)
}

fn service(node: &Node, findings: &mut Findings<'_>) -> Option<Service> {
    if let Content::Null = node.content {
        return Some(Service { team: None, datastore: None, emits: Vec::new(), description: None });
    }
    let mut keys = Fields::open(node, "a service", findings)?;
    let service = Service {
        team: keys.name("team", findings),
        datastore: keys.text("datastore", findings),
        emits: keys.names("emits", findings),
        description: keys.text("description", findings),
    };
    let noted = [
        ("publishes", Noted::OneOf(&["outbox", "transaction", "cdc", "direct"])),
        ("ids", Noted::OneOf(&["stable", "per-attempt"])),
        ("waits_for", Noted::Texts),
        ("tables", Noted::Texts),
    ];
    keys.for_review(&noted, findings);
    keys.finish(findings);
    Some(service)
}

fn topic(span: Span, node: &Node, findings: &mut Findings<'_>) -> Option<TopicSpec> {
    let mut keys = Fields::open(node, "a topic", findings)?;
    let topic = TopicSpec {
        span,
        owner: keys.name("owner", findings),
        partitions: keys.count32("partitions", findings),
        retention: keys.duration("retention", findings),
        is_open: keys.boolean("open", findings).unwrap_or(false),
        description: keys.text("description", findings),
    };
    keys.for_review(&[("cleanup", Noted::OneOf(&["delete", "compact", "compact,delete"]))], findings);
    if topic.partitions == Some(0) {
        findings.error("bounds", keys.span, "a topic has 1 partition or more");
    }
    keys.finish(findings);
    Some(topic)
}

fn consumer(span: Span, node: &Node, findings: &mut Findings<'_>) -> Option<ConsumerSpec> {
    let mut keys = Fields::open(node, "a consumer", findings)?;
    let service = keys.required("service").and_then(|node| fields::name(node, findings));
    let (on, pinned) = taken(keys.required("on"), findings);
    let emits = keys.names("emits", findings);
    let calls = keys.get("calls").map(|node| fields::texts(node, findings)).unwrap_or_default();
    let idempotency = keys.get("idempotency").and_then(|node| idempotency(node, findings));
    let retry = keys.get("retry").map(|node| retry(node, findings)).unwrap_or_default();
    let dead_letters = keys.get("dead_letters").map(|node| dead_letters(node, findings)).unwrap_or_default();
    let replay = keys.word("replay", findings);
    let lanes = keys.count32("lanes", findings);
    if lanes == Some(0) {
        findings.error("bounds", keys.span, "a consumer has 1 lane or more");
    }
    let description = keys.text("description", findings);
    let noted = [
        ("delivery", Noted::OneOf(&["at-most-once", "at-least-once", "exactly-once"])),
        ("reads", Noted::Texts),
        ("waits_for", Noted::Texts),
        ("expects_order", Noted::Texts),
        ("ends", Noted::Text),
        ("rebuild", Noted::Duration),
    ];
    keys.for_review(&noted, findings);
    keys.finish(findings);
    Some(ConsumerSpec {
        span,
        service: service?,
        on,
        pinned,
        emits,
        calls: calls.into_iter().map(|call| call.value).collect(),
        idempotency,
        retry,
        dead_letters,
        replay,
        lanes,
        description,
    })
}

fn idempotency(node: &Node, findings: &mut Findings<'_>) -> Option<Idempotency> {
    let mut keys = Fields::open(node, "idempotency", findings)?;
    let by = keys.get("by").and_then(|node| {
        let value = fields::text(node, findings)?.to_owned();
        Some(Placed { value, span: node.span })
    });
    let window = keys.duration("window", findings);
    let natural = keys.text("natural", findings);
    let span = keys.span;
    keys.finish(findings);
    match (by, natural) {
        (Some(by), None) if by.value == "event-id" => Some(Idempotency::EventId { window }),
        (Some(by), None) => Some(Idempotency::Field { by, window }),
        (None, Some(why)) => Some(Idempotency::Natural { why }),
        _ => {
            let hint = "`by: event-id`, `by: <field>`, or `natural: <why twice is harmless>`";
            findings.error_with_hint("idempotency", span, "expected either `by` or `natural`", hint);
            None
        }
    }
}

fn retry(node: &Node, findings: &mut Findings<'_>) -> RetrySpec {
    let Some(mut keys) = Fields::open(node, "a retry policy", findings) else { return RetrySpec::default() };
    let never = keys.get("never").map(|node| fields::texts(node, findings)).unwrap_or_default();
    let retry = RetrySpec {
        immediate: keys.count32("immediate", findings),
        attempts: keys.count32("attempts", findings),
        first: keys.duration("first", findings),
        max: keys.duration("max", findings),
        multiplier: keys.number("multiplier", findings),
        jitter: keys.number("jitter", findings),
        timeout: keys.duration("timeout", findings),
        never: never.into_iter().map(|kind| kind.value).collect(),
    };
    keys.for_review(&[("topic", Noted::Text), ("on", Noted::Texts)], findings);
    let bounds = [
        (retry.attempts == Some(0), "`attempts` counts the first try: 1 or more"),
        (retry.multiplier.is_some_and(|m| m < 1.0), "`multiplier` is 1 or more"),
        (retry.jitter.is_some_and(|jitter| !(0.0..=1.0).contains(&jitter)), "`jitter` is between 0 and 1"),
        (retry.first.zip(retry.max).is_some_and(|(first, max)| first > max), "`first` is longer than `max`"),
    ];
    for (is_broken, message) in bounds {
        if is_broken {
            findings.error("bounds", keys.span, message);
        }
    }
    keys.finish(findings);
    retry
}

fn dead_letters(node: &Node, findings: &mut Findings<'_>) -> DeadLetters {
    let Some(mut keys) = Fields::open(node, "dead letters", findings) else { return DeadLetters::default() };
    let owner = keys.get("owner").and_then(|node| {
        let value = fields::text(node, findings)?.to_owned();
        Some(Placed { value, span: node.span })
    });
    let dead_letters = DeadLetters {
        owner,
        on_dead: keys.word("on_dead", findings),
        alert: keys.text("alert", findings),
        runbook: keys.text("runbook", findings),
    };
    keys.for_review(&[("topic", Noted::Text), ("headers", Noted::Texts)], findings);
    keys.finish(findings);
    dead_letters
}

fn saga(node: &Node, findings: &mut Findings<'_>) -> Option<SagaSpec> {
    let mut keys = Fields::open(node, "a saga", findings)?;
    let service = keys.required("service").and_then(|node| fields::name(node, findings));
    let mut pinned = Vec::new();
    let starts = keys.required("starts").and_then(|node| pinned_name(node, &mut pinned, findings));
    let correlate = keys.required("correlate").and_then(|node| {
        let value = fields::text(node, findings)?.to_owned();
        Some(Placed { value, span: node.span })
    });
    let steps = match keys.get("steps") {
        None => Vec::new(),
        Some(Node { content: Content::List(nodes), .. }) => {
            nodes.iter().filter_map(|node| saga_step(node, &mut pinned, findings)).collect()
        }
        Some(node) => mismatch(node, "a list of steps", findings).unwrap_or_default(),
    };
    let description = keys.text("description", findings);
    keys.finish(findings);
    Some(SagaSpec { service: service?, starts: starts?, pinned, correlate: correlate?, steps, description })
}

fn saga_step(node: &Node, pinned: &mut Vec<Placed<Pin>>, findings: &mut Findings<'_>) -> Option<SagaStep> {
    let mut keys = Fields::open(node, "a step of a saga", findings)?;
    let on = keys.required("on").and_then(|node| pinned_name(node, pinned, findings));
    let then = keys.names("then", findings);
    let within = keys.duration("within", findings);
    let otherwise = keys.names("otherwise", findings);
    let compensate = keys.names("compensate", findings);
    if within.is_some() == otherwise.is_empty() {
        findings.error("step", keys.span, "`within` and `otherwise` go together");
    }
    keys.finish(findings);
    Some(SagaStep { on: on?, then, within, otherwise, compensate })
}

fn projection(span: Span, node: &Node, findings: &mut Findings<'_>) -> Option<ProjectionSpec> {
    let mut keys = Fields::open(node, "a projection", findings)?;
    let service = keys.required("service").and_then(|node| fields::name(node, findings));
    let (on, pinned) = taken(keys.required("on"), findings);
    let description = keys.text("description", findings);
    keys.for_review(&[("rebuild", Noted::Duration)], findings);
    keys.finish(findings);
    Some(ProjectionSpec { span, service: service?, on, pinned, description })
}

/// What a reader takes: `order.placed`, or `order.placed@1` where it was written for that version.
fn taken(node: Option<&Node>, findings: &mut Findings<'_>) -> (Vec<Placed<EventName>>, Vec<Placed<Pin>>) {
    let (mut on, mut pinned) = (Vec::<Placed<EventName>>::new(), Vec::new());
    let nodes = match node {
        None => &[],
        Some(Node { content: Content::List(nodes), .. }) => nodes.as_slice(),
        Some(node @ Node { content: Content::Text(_), .. }) => std::slice::from_ref(node),
        Some(node) => mismatch(node, "a name or a list of names", findings).unwrap_or_default(),
    };
    for node in nodes {
        let Some(name) = pinned_name(node, &mut pinned, findings) else { continue };
        // Two versions of one contract are one thing that is handled.
        if !on.iter().any(|other| other.value == name.value) {
            on.push(name);
        }
    }
    (on, pinned)
}

/// A contract's name, perhaps with the version after an `@`.
fn pinned_name(
    node: &Node,
    pinned: &mut Vec<Placed<Pin>>,
    findings: &mut Findings<'_>,
) -> Option<Placed<EventName>> {
    let Some((name, version)) = node.as_text().and_then(|text| text.split_once('@')) else {
        return fields::name(node, findings);
    };
    let name = match name.parse::<EventName>() {
        Ok(name) => name,
        Err(error) => {
            findings.error("name", node.span, error.to_string());
            return None;
        }
    };
    match version.parse() {
        Ok(version) if version > 0 => {
            pinned.push(Placed { value: Pin { name: name.clone(), version }, span: node.span });
        }
        _ => {
            let message = format!("expected a version after `{name}@`, found {version:?}");
            findings.error_with_hint("name", node.span, message, format!("such as `{name}@1`"));
        }
    }
    Some(Placed { value: name, span: node.span })
}

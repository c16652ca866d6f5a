//! Reads one contract file.

use factum_core::{Category, EventName, Kind, Topic};

use crate::contract::{Allow, Audience, Contract, Lifecycle, Ordering, Purpose};
use crate::finding::{Findings, Span};
use crate::node::{Content, Node};
use crate::system::Defaults;
use crate::words::Placed;

use super::fields::{self, Fields, Noted, mismatch};
use super::{schema, upcast};

/// Reads a contract; `None` when something that everything else needs is missing.
pub(super) fn contract(node: &Node, defaults: &Defaults, findings: &mut Findings<'_>) -> Option<Contract> {
    let mut keys = Fields::open(node, "a contract", findings)?;
    let named = kind_and_name(&mut keys, node.span, findings);
    let version = keys.required("version");
    let version = version.and_then(|node| match fields::count(node, findings) {
        Some(0) => mismatch(node, "a version, counted from 1", findings),
        version => Some((u32::try_from(version?).ok()?, node.span)),
    });
    let purpose = keys.word("category", findings).unwrap_or(Purpose::Business);
    let summary = keys.text("summary", findings);
    let description = keys.text("description", findings);
    let owner = keys.required("owner").and_then(|node| fields::name(node, findings));
    let audience = keys.word("audience", findings).unwrap_or(Audience::Company);
    let topic = keys.name::<Topic>("topic", findings);
    let category = keys.name::<Category>("stream", findings);
    let key = keys.required("key").and_then(|node| {
        let text = fields::text(node, findings)?.to_owned();
        Some(Placed { value: text, span: node.span })
    });
    let ordering = keys.word("ordering", findings).unwrap_or(Ordering::PerKey);
    let compatibility = keys.word("compatibility", findings).unwrap_or(defaults.compatibility);
    let policy = keys.word("policy", findings).unwrap_or(defaults.policy);
    let payload = keys.required("payload").and_then(|node| schema::payload(node, findings));
    let reserved = keys.get("reserved").map(|node| fields::texts(node, findings)).unwrap_or_default();
    let examples = examples(keys.get("examples"), findings);
    let lifecycle = lifecycle(keys.get("lifecycle"), findings);
    let upcast = upcast::steps(keys.get("upcast"), findings);
    let allow = allow(keys.get("allow"), findings);
    let noted = [
        ("attributes", Noted::Texts),
        ("envelope", Noted::Texts),
        ("rate", Noted::Text),
        ("expires", Noted::Duration),
        ("sequence", Noted::Text),
    ];
    keys.for_review(&noted, findings);
    keys.finish(findings);

    let (kind, name) = named?;
    let topic = topic.or_else(|| {
        let value = name.as_str().parse().ok()?;
        Some(Placed { value, span: name.span })
    });
    let first = name.as_str().split('.').next().unwrap_or_default().replace('-', "_");
    let category = category.map(|category| category.value).or_else(|| first.parse().ok());
    let (version, _) = version?;
    Some(Contract {
        span: name.span,
        name: name.value,
        version,
        kind,
        purpose,
        summary,
        description,
        owner: owner?,
        audience,
        topic: topic?,
        category: category?,
        key: key?,
        ordering,
        compatibility,
        policy,
        payload: payload?,
        reserved,
        examples,
        lifecycle,
        upcast,
        allow,
        document: node.clone(),
    })
}

fn kind_and_name(
    keys: &mut Fields<'_>,
    span: Span,
    findings: &mut Findings<'_>,
) -> Option<(Kind, Placed<EventName>)> {
    let (event, command) = (keys.get("event"), keys.get("command"));
    match (event, command) {
        (Some(node), None) => Some((Kind::Event, fields::name(node, findings)?)),
        (None, Some(node)) => Some((Kind::Command, fields::name(node, findings)?)),
        (Some(_), Some(node)) => {
            findings.error("kind", node.span, "a contract is of an event or of a command, not of both");
            None
        }
        (None, None) => {
            let hint = "start with `event: order.placed` or `command: reserve.stock`";
            findings.error_with_hint("missing-key", span, "a contract has no `event` or `command`", hint);
            None
        }
    }
}

fn examples(node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<Node> {
    match node {
        None => Vec::new(),
        Some(Node { content: Content::List(nodes), .. }) => nodes.clone(),
        Some(node) => mismatch(node, "a list of payloads", findings).unwrap_or_default(),
    }
}

fn lifecycle(node: Option<&Node>, findings: &mut Findings<'_>) -> Lifecycle {
    let Some(mut keys) = node.and_then(|node| Fields::open(node, "a lifecycle", findings)) else {
        return Lifecycle::default();
    };
    let lifecycle = Lifecycle {
        since: keys.date("since", findings),
        deprecated: keys.date("deprecated", findings),
        sunset: keys.date("sunset", findings),
        replaced_by: keys.name("replacedBy", findings),
    };
    let span = keys.span;
    keys.finish(findings);
    let order = [lifecycle.since, lifecycle.deprecated, lifecycle.sunset];
    let given: Vec<_> = order.into_iter().flatten().collect();
    if !given.is_sorted() {
        findings.error("lifecycle", span, "expected since, deprecated and sunset in this order");
    }
    lifecycle
}

/// Reads accepted findings, of a contract or of the system.
pub(super) fn allow(node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<Allow> {
    let nodes = match node {
        None => return Vec::new(),
        Some(Node { content: Content::List(nodes), .. }) => nodes,
        Some(node) => return mismatch(node, "a list of accepted findings", findings).unwrap_or_default(),
    };
    let mut allowed = Vec::new();
    for node in nodes {
        let Some(mut keys) = Fields::open(node, "an accepted finding", findings) else { continue };
        let rule = keys.required("rule").and_then(|node| {
            let value = fields::text(node, findings)?.to_owned();
            Some(Placed { value, span: node.span })
        });
        let reason = keys.required("reason").and_then(|node| fields::text(node, findings));
        let reason = reason.map(str::to_owned);
        let until = keys.date("until", findings);
        keys.finish(findings);
        if let (Some(rule), Some(reason)) = (rule, reason) {
            allowed.push(Allow { rule, reason, until });
        }
    }
    allowed
}

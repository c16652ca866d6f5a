//! Contract versions, as AsyncAPI's messages.

use crate::canonical::said;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::generate::payload::{self, Words};
use crate::node::Node;
use crate::node::build::Map;

use super::bindings::{self, Protocols};
use super::{owner, reference, tags};

/// The name of the headers' schema among the components.
pub(super) const HEADERS: &str = "cloudEventsHeaders";

/// The name of the correlation id among the components.
pub(super) const CORRELATION: &str = "correlation";

pub(super) fn all(catalog: &Catalog, protocols: Protocols) -> Map {
    let mut map = Map::default();
    for contract in catalog.contracts() {
        map.put(&contract.label(), one(catalog, contract, protocols));
    }
    map
}

fn one(catalog: &Catalog, contract: &Contract, protocols: Protocols) -> Map {
    let mut map = Map::of("name", contract.name.as_str());
    map.put("title", format!("{} v{}", contract.name, contract.version));
    map.maybe("summary", contract.summary.as_deref());
    map.maybe("description", contract.description.as_deref());
    if contract.lifecycle.deprecated.is_some() {
        map.put("deprecated", true);
    }
    map.put("contentType", "application/json");
    map.put("headers", reference(&["components", "schemas", HEADERS]));
    map.put("correlationId", reference(&["components", "correlationIds", CORRELATION]));
    map.put("tags", tags(catalog, contract.owner.as_str()));
    map.map("bindings", bindings::event(contract, protocols));
    map.put("payload", payload::node(&contract.payload, Words::JsonSchema));
    let examples = contract.examples.iter().enumerate().map(|(index, example)| {
        let mut map = Map::of("name", format!("example{}", index + 1));
        map.put("payload", example.clone());
        map
    });
    map.list("examples", examples.collect());
    map.put("x-contact", owner(catalog, contract.owner.as_str()));
    for (key, value) in rules(contract) {
        map.put(key, value);
    }
    map
}

/// What the contract says and AsyncAPI has no word for.
fn rules(contract: &Contract) -> Vec<(&'static str, Node)> {
    let mut rules = vec![
        ("x-kind", Node::from(contract.kind.as_str())),
        ("x-version", contract.version.into()),
        ("x-category", contract.purpose.as_str().into()),
        ("x-audience", contract.audience.as_str().into()),
        ("x-stream", contract.category.as_str().into()),
        ("x-key", contract.key.as_str().into()),
        ("x-ordering", contract.ordering.as_str().into()),
        ("x-compatibility", contract.compatibility.as_str().into()),
        ("x-policy", contract.policy.as_str().into()),
    ];
    let lists = [
        ("x-reserved", "reserved"),
        ("x-lifecycle", "lifecycle"),
        ("x-upcast", "upcast"),
        ("x-allow", "allow"),
    ];
    rules.extend(lists.into_iter().filter_map(|(key, word)| Some((key, said(&contract.document, word)?))));
    rules
}

/// The attributes that travel beside every payload, as Kafka's headers name them.
pub(super) fn headers() -> Map {
    let mut map = Map::of("type", "object");
    map.put(
        "description",
        "The attributes of CloudEvents 1.0, named as in Kafka's binary mode. Where an event travels in structured \
         mode, as in NATS, the same attributes stand beside its data, without the prefix.",
    );
    map.put("required", vec!["ce_specversion", "ce_id", "ce_source", "ce_type"]);
    let attributes = [
        ("ce_specversion", "The version of CloudEvents: 1.0.", None),
        ("ce_id", "Identity of the event; the same when it is sent again.", Some("uuid")),
        ("ce_source", "Who sent it, a URI reference.", Some("uri-reference")),
        ("ce_type", "The contract's name.", None),
        ("ce_dataschema", "The contract's name and version: urn:factum:contract:NAME:VERSION.", Some("uri")),
        ("ce_subject", "The key that keeps related events in order.", None),
        ("ce_time", "When it happened.", Some("date-time")),
        ("ce_partitionkey", "The key that keeps related events in order.", None),
        ("ce_correlationid", "What the events of one business transaction have in common.", None),
        ("ce_causationid", "The event or command that caused it.", Some("uuid")),
        ("ce_actor", "Who caused it.", None),
        ("ce_traceparent", "W3C trace context.", None),
    ];
    let mut fields = Map::default();
    for (name, description, format) in attributes {
        let mut field = Map::of("type", "string");
        field.maybe("format", format);
        field.put("description", description);
        fields.put(name, field);
    }
    map.put("properties", fields);
    map
}

pub(super) fn correlation() -> Map {
    let mut map = Map::of("location", "$message.header#/ce_correlationid");
    map.put("description", "What the events of one business transaction have in common.");
    map
}

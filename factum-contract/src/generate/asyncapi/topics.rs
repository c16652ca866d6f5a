//! Topics, as AsyncAPI's channels.

use std::collections::BTreeMap;

use factum_core::Topic;

use crate::canonical;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::node::build::Map;

use super::bindings::{self, Protocols};
use super::{owner, reference, tags};

/// Every topic that a contract names, and every one that the system describes.
pub(super) fn all(catalog: &Catalog, protocols: Protocols) -> Map {
    let mut topics: BTreeMap<&Topic, Vec<&Contract>> = BTreeMap::new();
    for topic in catalog.system.topics.keys() {
        topics.entry(topic).or_default();
    }
    for contract in catalog.contracts() {
        topics.entry(&contract.topic.value).or_default().push(contract);
    }
    let mut map = Map::default();
    for (topic, contracts) in topics {
        map.put(topic.as_str(), one(catalog, topic, &contracts, protocols));
    }
    map
}

fn one(catalog: &Catalog, topic: &Topic, contracts: &[&Contract], protocols: Protocols) -> Map {
    let spec = catalog.system.topics.get(topic);
    let mut map = Map::of("address", topic.as_str());
    map.maybe("description", spec.and_then(|spec| spec.description.as_deref()));
    let mut events = Map::default();
    for contract in contracts {
        events.put(&contract.label(), reference(&["components", "messages", &contract.label()]));
    }
    map.put("messages", events);
    let service =
        spec.and_then(|spec| spec.owner.as_ref()).or_else(|| contracts.last().map(|last| &last.owner));
    if let Some(service) = service {
        map.put("tags", tags(catalog, service.as_str()));
    }
    map.map("bindings", bindings::topic(catalog, topic.as_str(), spec, protocols));
    if let Some(service) = service {
        map.put("x-contact", owner(catalog, service.as_str()));
    }
    map.maybe("x-topic", spec.map(canonical::topic));
    map
}

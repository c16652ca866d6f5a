//! The system around the contracts, as far as a document tells of it: one application, with what it sends and takes.

use crate::generate::asyncapi::ROOT_KEY;
use crate::generate::duration;
use crate::node::build::Map;

use super::document::{At, Document};
use super::events::{Model, Topic};
use super::{names, operations};

/// The system of a document that we wrote, as it was.
pub(super) fn ours(doc: &Document) -> Map {
    let own = doc.root().get(ROOT_KEY).and_then(|at| at.get("system"));
    let mut map = Map::default();
    for (key, at) in own.map(|at| at.entries()).unwrap_or_default() {
        map.put(key, at.node.clone());
    }
    map
}

/// The system of somebody else's document: one service, with what it sends and takes.
pub(super) fn foreign(
    doc: &Document,
    model: &Model<'_>,
    service: &str,
    names_of: &dyn Fn(&[usize]) -> Vec<String>,
) -> Map {
    let info = doc.root().get("info");
    let mut map = Map::of("system", service);
    map.maybe("description", info.as_ref().and_then(|info| info.text("description")));
    let contact = info.as_ref().and_then(|info| info.get("contact"));
    let mut of_service = Map::default();
    if let Some(contact) = contact {
        let team = names::part(contact.text("name").unwrap_or_default(), "owners");
        let reach = contact.text("email").or_else(|| contact.text("url"));
        let mut spec = Map::default();
        spec.maybe("contact", reach);
        map.put("teams", Map::of(&team, spec));
        of_service.put("team", team);
    }
    let sent: Vec<usize> =
        model.operations.iter().filter(|one| one.is_send).flat_map(|one| one.events.clone()).collect();
    of_service.list("emits", names_of(&sent));
    map.put("services", Map::of(service, of_service));
    map.map("topics", topics(model, service));
    let mut consumers = Map::default();
    for operation in model.operations.iter().filter(|one| !one.is_send) {
        let on = names_of(&operation.events);
        if on.is_empty() {
            continue;
        }
        let wanted = names::consumer(service, &operation.id);
        let mut name = wanted.clone();
        let mut count = 1;
        while consumers.has(&name) {
            count += 1;
            name = format!("{}-{count}", wanted.chars().take(90).collect::<String>());
        }
        let mut consumer = Map::of("service", service);
        let says = operation.at.text("description").or_else(|| operation.at.text("summary"));
        consumer.maybe("description", says);
        consumer.put("on", on);
        consumers.put(&name, consumer);
    }
    map.map("consumers", consumers);
    map
}

/// The name of a topic among the others of its document.
pub(super) fn topic_name(model: &Model<'_>, index: usize) -> String {
    let topic = &model.topics[index];
    let name = names::topic(&topic.address, &format!("topic-{}", index + 1));
    // Two addresses may become the same name; the later ones say which they are.
    let is_taken = model.topics[..index]
        .iter()
        .any(|other| other.address != topic.address && names::topic(&other.address, "") == name);
    if is_taken { format!("{}-{}", name.chars().take(90).collect::<String>(), index + 1) } else { name }
}

/// What is known of each topic beyond its name.
fn topics(model: &Model<'_>, service: &str) -> Map {
    let mut map = Map::default();
    for (index, topic) in model.topics.iter().enumerate() {
        let name = topic_name(model, index);
        let mut spec = Map::default();
        let kafka = topic.at.get("bindings").and_then(|at| at.get("kafka"));
        let whole = |at: Option<At<'_>>| at?.node.to_json().as_u64().filter(|count| *count > 0);
        let partitions = whole(kafka.as_ref().and_then(|at| at.get("partitions")));
        let kept = kafka.and_then(|at| at.get("topicConfiguration")).and_then(|at| at.get("retention.ms"));
        // A hundred years is the longest that a contract says.
        let kept = whole(kept).filter(|kept| *kept < 100 * 365 * 86_400_000);
        spec.maybe("partitions", partitions.and_then(|count| u32::try_from(count).ok()));
        spec.maybe("retention", kept.map(|kept| duration(std::time::Duration::from_millis(kept))));
        spec.maybe("description", described(topic));
        if !spec.is_empty() && !map.has(&name) {
            spec.put_first("owner", service);
            map.put(&name, spec);
        }
    }
    map
}

fn described(topic: &Topic<'_>) -> Option<String> {
    let said = topic.at.text("description").or_else(|| topic.at.text("summary"));
    said.or_else(|| topic.at.text("title")).map(str::to_owned)
}

/// Notes everything of a document that a catalog has no place for.
pub(super) fn note_rest(doc: &Document, model: &Model<'_>) {
    let root = doc.root();
    let info = root.get("info");
    let reasons = [
        ("version", "contracts have versions, each its own; a catalog has none"),
        ("license", "a catalog has no licence; pass --license where the document is generated"),
        ("termsOfService", "put the link into the description"),
        ("externalDocs", "put the link into the description"),
        ("tags", "a catalog has teams and services, not tags"),
    ];
    for (key, reason) in reasons {
        for at in info.iter().chain([&root]).filter_map(|at| at.get(key)) {
            doc.lost(&at, reason);
        }
    }
    for (_, at) in root.get("servers").map(|at| at.entries()).unwrap_or_default() {
        doc.lost(
            &at,
            "where brokers are is set where the system runs; pass --server where the document is generated",
        );
    }
    for (index, topic) in model.topics.iter().enumerate() {
        let name = topic_name(model, index);
        if name != topic.address {
            doc.changed(&topic.at, format!("the address {:?} became the topic {name}", topic.address));
        }
        operations::note_rest(doc, &topic.at);
    }
    for operation in &model.operations {
        operations::note_rest(doc, &operation.at);
    }
    if let Some(info) = info {
        operations::note_extensions(doc, &info);
    }
    operations::note_extensions(doc, &root);
    let components = root.get("components");
    for (_, at) in components
        .as_ref()
        .and_then(|at| at.get("securitySchemes"))
        .map(|at| at.entries())
        .unwrap_or_default()
    {
        doc.lost(&at, "who may connect is the broker's business");
    }
    for (_, at) in components.and_then(|at| at.get("messages")).map(|at| at.entries()).unwrap_or_default() {
        let target = doc.follow(&at);
        if target.is_ok_and(|target| !model.has(&target.path)) {
            doc.lost(&at, "no channel carries it");
        }
    }
}

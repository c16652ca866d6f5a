//! From the parts of a document to files that pass `check`.
//!
//! Contracts are written in the words of the language and read by its own reader; what that refuses is left out with
//! its reason, so that nothing which is written can be broken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::canonical;
use crate::check::{Report, check};
use crate::date::Date;
use crate::finding::{Severity, Source};
use crate::fixture::Fixtures;
use crate::generate::ident::words;
use crate::node::build::Map;
use crate::node::write::{Width, yaml};
use crate::node::{Content, Node};
use crate::promises::{self, OnUnknown, Options};
use crate::schema::{Schema, Shape};
use crate::validate::Validator;

use super::document::{At, Document};
use super::events::{Event, Model};
use super::payload::Reader;
use super::{key, names, operations, system};

/// Formats of schemas that are JSON Schema, by what their names hold.
const SCHEMA_FORMATS: [&str; 2] = ["vnd.aai.asyncapi", "schema+"];

/// One contract, before it is read.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    at: At<'d>,
    pub(super) name: String,
    version: u32,
    /// Keys before and after the payload, in the order of contracts.
    head: Map,
    body: Map,
    examples: Vec<Node>,
}

/// A catalog that is being put together.
pub(super) struct Assembly<'d> {
    doc: &'d Document,
    model: &'d Model<'d>,
    service: String,
    is_ours: bool,
    /// Each with the index of its event.
    drafts: Vec<(usize, Draft<'d>)>,
}

impl<'d> Assembly<'d> {
    pub(super) fn of(doc: &'d Document, model: &'d Model<'d>, service: &str, is_ours: bool) -> Self {
        let mut assembly = Self { doc, model, service: service.to_owned(), is_ours, drafts: Vec::new() };
        for (index, event) in model.events.iter().enumerate() {
            assembly.event(index, event);
        }
        assembly
    }

    /// The files, and the labels of the contracts; none when the system that the document describes is no good.
    pub(super) fn files(mut self) -> Option<(Vec<Source>, Vec<String>)> {
        self.add_examples();
        // Each round leaves out, or renames, what the last one found to be wrong.
        let rounds = 2 * self.drafts.len() + 2;
        for _ in 0..rounds {
            let report = self.judged();
            match report.catalog {
                Some(catalog) => {
                    if self.drafts.is_empty() && !self.is_ours {
                        self.doc
                            .lost(&self.doc.root(), "no message could be carried, so there is no contract");
                    }
                    if !self.is_ours {
                        system::note_rest(self.doc, self.model);
                    }
                    let labels = catalog.contracts().map(crate::Contract::label).collect();
                    return Some((canonical::files(&catalog), labels));
                }
                None => self.mend(&report)?,
            }
        }
        None
    }

    /// What `factum contract check` would say.
    fn judged(&self) -> Report {
        let sources = self.sources();
        // The day matters to findings that are accepted until one; nobody has accepted any here.
        let day = Date::new(2026, 1, 1).filter(|_| !self.is_ours);
        let options = day.map(|today| Options { is_frozen: false, unknown: OnUnknown::Fail, today });
        let judged = options.and_then(|options| promises::check(&sources, None, options).ok());
        judged.unwrap_or_else(|| check(&sources))
    }

    /// Leaves out the contracts that have errors.
    fn mend(&mut self, report: &Report) -> Option<()> {
        let mut broken: BTreeMap<usize, String> = BTreeMap::new();
        for finding in report.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            // Files of contracts are named by their index.
            let index = finding.file.strip_suffix(".json").and_then(|index| index.parse::<usize>().ok())?;
            broken.entry(index).or_insert_with(|| finding.message.clone());
        }
        if broken.is_empty() {
            return None;
        }
        let mut kept = Vec::new();
        for (index, (event, mut draft)) in std::mem::take(&mut self.drafts).into_iter().enumerate() {
            let Some(reason) = broken.remove(&index) else {
                kept.push((event, draft));
                continue;
            };
            if draft.version > 1 && !self.is_ours {
                // It may be good by itself, and no later version of another.
                let apart = format!("{}-v{}", draft.name, draft.version);
                self.doc.changed(&draft.at, format!("it is no next version ({reason}): it became {apart}"));
                (draft.name, draft.version) = (apart, 1);
                kept.push((event, draft));
            } else {
                self.doc.lost(&draft.at, format!("it makes no contract: {reason}"));
            }
        }
        self.drafts = kept;
        Some(())
    }

    fn sources(&self) -> Vec<Source> {
        let text = |map: Map| Node::from(map).to_json_text();
        let system = if self.is_ours {
            system::ours(self.doc)
        } else {
            let names = |events: &[usize]| self.names(events);
            system::foreign(self.doc, self.model, &self.service, &names)
        };
        let mut sources = vec![Source::new("system.json", text(system))];
        for (index, (_, draft)) in self.drafts.iter().enumerate() {
            sources.push(Source::new(format!("{index}.json"), text(draft.map())));
        }
        sources
    }

    /// Names of the contracts that events became, in order.
    fn names(&self, events: &[usize]) -> Vec<String> {
        let of_events = self.drafts.iter().filter(|(event, _)| events.contains(event));
        let names: BTreeSet<&str> = of_events.map(|(_, draft)| draft.name.as_str()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn event(&mut self, index: usize, event: &Event<'d>) {
        let Some(schema) = self.schema(&event.at) else { return };
        let cases = Reader::new(self.doc, self.is_ours).payload(&schema);
        let is_split = cases.len() > 1;
        for case in cases {
            let called = match case.name.as_deref().filter(|_| is_split) {
                Some(name) if words(name).len() > 1 => name.to_owned(),
                Some(name) => format!("{} {name}", event.called),
                None => event.called.clone(),
            };
            let draft = self.draft(event, &called, case.schema, &schema);
            if let Some(draft) = draft {
                self.drafts.push((index, draft));
            }
        }
    }

    /// The payload's schema, when it is one that can be read.
    fn schema(&self, at: &At<'d>) -> Option<At<'d>> {
        let content_type = at.text("contentType").or_else(|| self.doc.root().text("defaultContentType"));
        if let Some(kind) = content_type.filter(|kind| !is_json(kind)) {
            self.doc.lost(at, format!("payloads of {kind} are not carried: contracts are of JSON"));
            return None;
        }
        let Some(payload) = at.get("payload") else {
            self.doc.lost(at, "it has no payload, so there is nothing to agree on");
            return None;
        };
        let followed = self.doc.follow(&payload).unwrap_or_else(|_| payload.clone());
        let format = at.text("schemaFormat").or_else(|| followed.text("schemaFormat"));
        if let Some(format) = format
            && !SCHEMA_FORMATS.iter().any(|known| format.contains(known))
        {
            self.doc.lost(
                at,
                format!("schemas of the format {format:?} are not carried: contracts use JSON Schema"),
            );
            return None;
        }
        let inner = followed.get("schema").filter(|_| followed.text("schemaFormat").is_some());
        Some(inner.unwrap_or(payload))
    }

    fn draft(&self, event: &Event<'d>, called: &str, mut payload: Map, schema: &At<'d>) -> Option<Draft<'d>> {
        let at = &event.at;
        let text = |key: &str| at.text(key).or_else(|| self.of_traits(at, key)).map(str::to_owned);
        let (name, version) = if self.is_ours {
            let version = at.get("x-version").and_then(|at| u32::try_from(at.node.to_json().as_u64()?).ok());
            (called.to_owned(), version.unwrap_or(1))
        } else {
            names::event(called, &self.service)
        };
        let (name, version) = self.free(at, name, version);
        let mut head = Map::default();
        let mut body = Map::default();
        head.maybe("summary", text("summary").or_else(|| text("title").filter(|_| !self.is_ours)));
        head.maybe("description", text("description"));
        if self.is_ours {
            ours(at, &mut head, &mut body);
            head.put("topic", self.model.topics[*event.topics.first()?].address.as_str());
        } else {
            let key = key::choose(self.doc, at, &mut payload)?;
            head.put("owner", self.service.as_str());
            let topic = *event.topics.first()?;
            head.put("topic", system::topic_name(self.model, topic));
            for other in event.topics.iter().skip(1) {
                let reason = format!(
                    "{name} is on another topic already; a contract has one: relay it, or give it another name"
                );
                self.doc.lost(&self.model.topics[*other].at, reason);
            }
            head.put("key", key);
            head.put("ordering", "none");
            self.note_rest(at);
        }
        body.put("payload", payload);
        let examples = self.examples(at, schema);
        Some(Draft { at: at.clone(), name, version, head, body, examples })
    }

    /// A name that no other contract has.
    fn free(&self, at: &At<'d>, name: String, version: u32) -> (String, u32) {
        let is_taken =
            |name: &str| self.drafts.iter().any(|(_, draft)| draft.name == name && draft.version == version);
        if !is_taken(&name) {
            return (name, version);
        }
        let mut count = 2;
        while is_taken(&format!("{name}-{count}")) {
            count += 1;
        }
        let other = format!("{name}-{count}");
        self.doc.changed(at, format!("another message is {name} already: this one became {other}"));
        (other, version)
    }

    /// A text that one of a message's traits gives.
    fn of_traits(&self, at: &At<'d>, key: &str) -> Option<&'d str> {
        let traits = at.get("traits")?.items();
        traits.iter().rev().find_map(|one| self.doc.follow(one).ok()?.text(key))
    }

    /// Payloads that are given as examples, of the message or of its schema.
    fn examples(&self, at: &At<'d>, schema: &At<'d>) -> Vec<Node> {
        let of_message = at.get("examples").map(|list| list.items()).unwrap_or_default();
        let payloads = of_message.iter().filter_map(|one| one.get("payload")).map(|one| one.node.clone());
        let followed = self.doc.follow(schema).ok();
        let of_schema = followed.and_then(|schema| schema.get("examples")).map(|list| list.items());
        let of_schema = of_schema.unwrap_or_default().into_iter().map(|one| one.node.clone());
        payloads.chain(of_schema).filter(|node| matches!(node.content, Content::Map(_))).collect()
    }

    /// Gives every contract the examples that keep it, or one that is made up.
    fn add_examples(&mut self) {
        for (_, draft) in &mut self.drafts {
            let Some(contract) = draft.read() else { continue };
            let Ok(validator) = Validator::of(&contract) else { continue };
            let is_good = |example: &Node| validator.check(example.to_json_text().as_bytes()).is_ok();
            let (good, bad): (Vec<Node>, Vec<Node>) = draft.examples.drain(..).partition(is_good);
            if !bad.is_empty() {
                let reason = format!("{} of its examples break the contract, and are left out", bad.len());
                self.doc.lost(&draft.at, reason);
            }
            draft.examples = good;
            if !draft.examples.is_empty() || self.is_ours {
                continue;
            }
            // Plain values read best; where none keeps patterns and bounds, the fixture that has every field does.
            let fixture = || Fixtures::of(&contract).ok().and_then(|fixtures| fixtures.valid(1));
            let made = crate::generate::example::of(&contract)
                .or_else(|| Some(in_order(&contract.payload, &fixture()?)));
            if let Some(made) = made {
                self.doc.changed(&draft.at, "it gives no example that fits: one was made up");
                draft.examples.push(made);
            }
        }
    }

    /// Notes what stands at a message and has no place in a contract.
    fn note_rest(&self, at: &At<'d>) {
        let reasons = [
            ("headers", "headers are those of CloudEvents, the same for every event"),
            ("correlationId", "every event has a correlation id beside its payload"),
            ("tags", "fields have roles; events have no tags"),
            ("bindings", "what a broker needs is set where the system runs"),
            ("externalDocs", "put the link into the description"),
            ("deprecated", "a contract says from which day on: add `lifecycle: { deprecated: DATE }`"),
        ];
        for (key, reason) in reasons {
            if let Some(at) = at.get(key) {
                self.doc.lost(&at, reason);
            }
        }
        for one in at.get("traits").map(|list| list.items()).unwrap_or_default() {
            match self.doc.follow(&one) {
                Ok(one) => self.note_rest(&one),
                Err(astray) => self.doc.astray(&astray),
            }
        }
        operations::note_extensions(self.doc, at);
    }
}

impl Draft<'_> {
    fn map(&self) -> Map {
        let mut map = Map::default();
        if !self.head.has("event") && !self.head.has("command") {
            map.put("event", self.name.as_str());
        }
        map.extend(self.head.clone());
        for word in ["event", "command"] {
            if let Some(name) = map.value_mut(word) {
                *name = Node::from(self.name.as_str());
            }
        }
        map.put("version", self.version);
        map.extend(self.body.clone());
        map.list("examples", self.examples.clone());
        map
    }

    /// The contract by itself, when it can be read.
    fn read(&self) -> Option<crate::Contract> {
        let owner =
            Node::from(self.head.clone()).get("owner").and_then(|owner| owner.as_text().map(str::to_owned));
        let mut system = Map::of("system", "system");
        system.put("services", Map::of(&owner?, Map::default()));
        let mut map = self.map();
        // Only the payload counts here, and it counts without its examples.
        if let Some(examples) = map.value_mut("examples") {
            *examples = Node::from(Vec::<Node>::new());
        }
        let text = |map: Map| yaml(&Node::from(map), Width::DOCUMENT);
        let sources = [Source::new("system.yaml", text(system)), Source::new("contract.yaml", text(map))];
        check(&sources).catalog?.contracts().next().cloned()
    }
}

/// A payload with its fields in the order of the contract.
fn in_order(schema: &Schema, value: &Value) -> Node {
    match (&schema.shape, value) {
        (Shape::Object(object), Value::Object(fields)) => {
            let mut map = Map::default();
            for field in &object.fields {
                map.maybe(&field.name, fields.get(&field.name).map(|value| in_order(&field.schema, value)));
            }
            map.into()
        }
        (Shape::List(list), Value::Array(items)) => {
            Node::from(items.iter().map(|item| in_order(&list.items, item)).collect::<Vec<Node>>())
        }
        _ => Node::from(value),
    }
}

/// What we wrote beside a message, in the words of contracts.
fn ours(at: &At<'_>, head: &mut Map, body: &mut Map) {
    let kind = at.text("x-kind").unwrap_or("event");
    head.put(if kind == "command" { "command" } else { "event" }, "");
    let owner = at.get("x-contact");
    head.maybe("owner", owner.and_then(|owner| owner.text("service")));
    let words = ["category", "audience", "stream", "key", "ordering", "compatibility", "policy"];
    for word in words {
        head.maybe(word, at.get(&format!("x-{word}")).map(|at| at.node.clone()));
    }
    for word in ["reserved", "lifecycle", "upcast", "allow"] {
        body.maybe(word, at.get(&format!("x-{word}")).map(|at| at.node.clone()));
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "text/json" | "json")
        || essence.ends_with("+json")
        // Schemas of YAML documents describe the same values.
        || essence.ends_with("yaml")
}

//! A catalog as a reviewer reads it: whatever is there, with its place, and nothing demanded.
//!
//! The catalog that runs is stricter: it refuses what a rule here would explain. So rules read the documents themselves,
//! through one view that knows who sends and who takes what. Nothing here decides whether anything is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use factum_contract::node::{Content, Entry, Node};
use factum_contract::read::tree;
use factum_contract::{Date, Finding, Source, Span};

use super::payload::{self, FieldView};

/// A text with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'d> {
    /// The text.
    pub text: &'d str,
    /// Where it stands.
    pub span: Span,
}

/// Files of a catalog as trees, and those that are none.
#[derive(Debug)]
pub struct Documents {
    /// The files.
    pub sources: Vec<Source>,
    nodes: Vec<Node>,
    /// Files that are no YAML or JSON.
    pub broken: Vec<Finding>,
}

impl Documents {
    /// Reads files as trees.
    #[must_use]
    pub fn read(sources: Vec<Source>) -> Self {
        let (mut nodes, mut broken) = (Vec::new(), Vec::new());
        for index in 0..sources.len() {
            match tree(&sources, index) {
                Ok(node) => nodes.push(node),
                Err(finding) => broken.push(*finding),
            }
        }
        Self { sources, nodes, broken }
    }
}

/// A part of the system by its name: a service, topic, consumer, saga, projection or team.
#[derive(Debug, Clone, Copy)]
pub struct Part<'d> {
    /// Its name.
    pub name: Word<'d>,
    /// What is said of it.
    pub node: &'d Node,
}

impl<'d> Part<'d> {
    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Word<'d>> {
        text_of(self.node.get(key)?)
    }

    /// The texts of a key: of a list, or the only one.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<Word<'d>> {
        self.node.get(key).map(texts_of).unwrap_or_default()
    }

    /// Where a key stands; the part's name where it has none.
    #[must_use]
    pub fn place(&self, key: &str) -> Span {
        entry(self.node, key).map_or(self.name.span, |entry| entry.key_span)
    }
}

/// One version of an event or command.
#[derive(Debug, Clone)]
pub struct ContractView<'d> {
    /// Its name, without what comes after an `@`.
    pub name: Word<'d>,
    /// Its version.
    pub version: Option<u64>,
    /// Whether it is a command.
    pub is_command: bool,
    /// Its document.
    pub node: &'d Node,
    /// Fields of the payload at every depth.
    pub fields: Vec<FieldView<'d>>,
    /// The words of its name.
    pub words: Vec<String>,
}

impl<'d> ContractView<'d> {
    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Word<'d>> {
        text_of(self.node.get(key)?)
    }

    /// Where a key stands; the contract's name where it has none.
    #[must_use]
    pub fn place(&self, key: &str) -> Span {
        entry(self.node, key).map_or(self.name.span, |entry| entry.key_span)
    }

    /// `order.placed.v1`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.version {
            Some(version) => format!("{}.v{version}", self.name.text),
            None => self.name.text.to_owned(),
        }
    }

    /// "event" or "command".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_command { "command" } else { "event" }
    }

    /// Why it exists: `business` unless it says otherwise.
    #[must_use]
    pub fn category(&self) -> &'d str {
        self.text("category").map_or("business", |word| word.text)
    }

    /// Who may build on it: `company` unless it says otherwise.
    #[must_use]
    pub fn audience(&self) -> &'d str {
        self.text("audience").map_or("company", |word| word.text)
    }

    /// Where it is published: its name unless it says otherwise.
    #[must_use]
    pub fn topic(&self) -> &'d str {
        self.text("topic").map_or(self.name.text, |word| word.text)
    }

    /// Whether people outside of the company may read it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        matches!(self.audience(), "public" | "partner")
    }

    /// The payload's schema.
    #[must_use]
    pub fn payload(&self) -> Option<&'d Node> {
        self.node.get("payload")
    }

    /// The fields at the top of the payload.
    pub fn top(&self) -> impl Iterator<Item = &FieldView<'d>> {
        self.fields.iter().filter(|field| field.depth == 1)
    }

    /// A field at the top of the payload.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldView<'d>> {
        self.top().find(|field| field.name.text == name)
    }

    /// A day of its lifecycle.
    #[must_use]
    pub fn day(&self, key: &str) -> Option<Date> {
        self.node.get("lifecycle")?.get(key)?.as_text()?.parse().ok()
    }
}

/// Somebody who sends or takes an event.
#[derive(Debug, Clone, Copy)]
pub struct End<'d> {
    /// The service.
    pub service: &'d str,
    /// The consumer, saga or projection; none for the service by itself.
    pub part: Option<Part<'d>>,
    /// "service", "consumer", "saga" or "projection".
    pub kind: &'static str,
    /// Where it says so.
    pub span: Span,
}

/// A catalog as a reviewer reads it.
#[derive(Debug)]
pub struct View<'d> {
    /// The files.
    pub sources: &'d [Source],
    /// Contract versions, by name and then version.
    pub contracts: Vec<ContractView<'d>>,
    /// The system's file.
    pub system: Option<&'d Node>,
    /// Teams.
    pub teams: Vec<Part<'d>>,
    /// Services.
    pub services: Vec<Part<'d>>,
    /// Topics that say more than their name.
    pub topics: Vec<Part<'d>>,
    /// Consumers.
    pub consumers: Vec<Part<'d>>,
    /// Sagas.
    pub sagas: Vec<Part<'d>>,
    /// Projections.
    pub projections: Vec<Part<'d>>,
    /// Who sends an event or command.
    pub senders: BTreeMap<&'d str, Vec<End<'d>>>,
    /// Who takes it.
    pub takers: BTreeMap<&'d str, Vec<End<'d>>>,
    /// What may follow what.
    pub causes: Vec<Cause<'d>>,
}

/// An event that may follow another.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'d> {
    /// What is taken.
    pub from: &'d str,
    /// What is sent then.
    pub to: &'d str,
    /// The service between them.
    pub service: &'d str,
    /// Where it is said that it is sent.
    pub span: Span,
    /// Who is between them.
    pub by: By<'d>,
}

/// Who answers an event with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'d> {
    /// A consumer that takes one event, or sends one: what follows what is certain.
    Consumer,
    /// A consumer that takes several and sends several: the catalog does not say which follows which.
    BusyConsumer,
    /// An instance of a saga, which remembers what has happened; with the event that starts one.
    Saga(Option<&'d str>),
}

impl<'d> View<'d> {
    /// The view of a catalog's documents.
    #[must_use]
    pub fn of(documents: &'d Documents) -> Self {
        let is_system = |node: &Node| node.get("system").is_some();
        let system = documents.nodes.iter().find(|node| is_system(node));
        let table = |key: &str| system.and_then(|node| node.get(key)).map(parts).unwrap_or_default();
        let mut contracts: Vec<ContractView<'d>> = documents.nodes.iter().flat_map(contract).collect();
        contracts.sort_by(|a, b| (a.name.text, a.version).cmp(&(b.name.text, b.version)));
        let mut view = Self {
            sources: &documents.sources,
            contracts,
            system,
            teams: table("teams"),
            services: table("services"),
            topics: table("topics"),
            consumers: table("consumers"),
            sagas: table("sagas"),
            projections: table("projections"),
            senders: BTreeMap::new(),
            takers: BTreeMap::new(),
            causes: Vec::new(),
        };
        view.connect();
        view
    }

    fn connect(&mut self) {
        for service in self.services.clone() {
            for word in service.texts("emits") {
                self.send(word, service.name.text, None, "service");
            }
        }
        for (kind, all) in [("consumer", self.consumers.clone()), ("projection", self.projections.clone())] {
            for part in all {
                let service = part.text("service").map_or("", |word| word.text);
                let (taken, sent) = (part.texts("on"), part.texts("emits"));
                let by = if taken.len() > 1 && sent.len() > 1 { By::BusyConsumer } else { By::Consumer };
                for taken in taken {
                    self.take(taken, service, part, kind);
                    for sent in &sent {
                        let (from, to, span) = (unpinned(taken.text), sent.text, sent.span);
                        self.causes.push(Cause { from, to, service, span, by });
                    }
                }
                for sent in sent {
                    self.send(sent, service, Some(part), kind);
                }
            }
        }
        for saga in self.sagas.clone() {
            let service = saga.text("service").map_or("", |word| word.text);
            let starts = saga.text("starts");
            if let Some(starts) = starts {
                self.take(starts, service, saga, "saga");
            }
            for step in saga.node.get("steps").map(items).unwrap_or_default() {
                let on = step.get("on").and_then(text_of);
                if let Some(on) = on {
                    self.take(on, service, saga, "saga");
                }
                for key in ["then", "otherwise", "compensate"] {
                    for sent in step.get(key).map(texts_of).unwrap_or_default() {
                        self.send(sent, service, Some(saga), "saga");
                        // A wait that is over was begun by the start.
                        let from = if key == "otherwise" { starts } else { on };
                        if let Some(from) = from {
                            let by = By::Saga(starts.map(|starts| unpinned(starts.text)));
                            let (from, to, span) = (unpinned(from.text), sent.text, sent.span);
                            self.causes.push(Cause { from, to, service, span, by });
                        }
                    }
                }
            }
        }
    }

    fn send(&mut self, word: Word<'d>, service: &'d str, part: Option<Part<'d>>, kind: &'static str) {
        self.senders.entry(word.text).or_default().push(End { service, part, kind, span: word.span });
    }

    fn take(&mut self, word: Word<'d>, service: &'d str, part: Part<'d>, kind: &'static str) {
        let end = End { service, part: Some(part), kind, span: word.span };
        self.takers.entry(unpinned(word.text)).or_default().push(end);
    }

    /// The newest version of every event and command.
    pub fn latest(&self) -> impl Iterator<Item = &ContractView<'d>> {
        self.contracts.chunk_by(|a, b| a.name.text == b.name.text).filter_map(<[_]>::last)
    }

    /// The newest version of every event.
    pub fn events(&self) -> impl Iterator<Item = &ContractView<'d>> {
        self.latest().filter(|contract| !contract.is_command)
    }

    /// The names of all that read events: consumers, projections, sagas.
    #[must_use]
    pub fn readers(&self) -> BTreeSet<&'d str> {
        let all = self.consumers.iter().chain(&self.projections).chain(&self.sagas);
        all.map(|part| part.name.text).collect()
    }

    /// The newest version of one.
    #[must_use]
    pub fn contract(&self, name: &str) -> Option<&ContractView<'d>> {
        self.contracts.iter().rev().find(|contract| contract.name.text == name)
    }

    /// Services that send it.
    #[must_use]
    pub fn sending(&self, name: &str) -> BTreeSet<&'d str> {
        self.senders.get(name).into_iter().flatten().map(|end| end.service).collect()
    }

    /// Who takes it.
    #[must_use]
    pub fn taking(&self, name: &str) -> &[End<'d>] {
        self.takers.get(name).map_or(&[], Vec::as_slice)
    }

    /// A service of a name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Part<'d>> {
        self.services.iter().find(|service| service.name.text == name)
    }

    /// A topic of a name, when the system says anything of it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Part<'d>> {
        self.topics.iter().find(|topic| topic.name.text == name)
    }

    /// The team of a service.
    #[must_use]
    pub fn team(&self, service: &str) -> Option<&'d str> {
        self.service(service)?.text("team").map(|word| word.text)
    }

    /// A value of the system's `defaults`.
    #[must_use]
    pub fn default_of(&self, key: &str) -> Option<&'d Node> {
        self.system?.get("defaults")?.get(key)
    }

    /// How long a topic keeps events, when it is said.
    #[must_use]
    pub fn retention(&self, topic: &str) -> Option<Duration> {
        let own = self.topic(topic).and_then(|topic| topic.node.get("retention"));
        own.or_else(|| self.default_of("retention")).and_then(duration_of)
    }
}

/// A contract's name without the version after an `@`.
fn unpinned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// Contracts of a document: the one that it is, or those that it lists.
fn contract(node: &Node) -> Vec<ContractView<'_>> {
    let listed = [("events", false), ("commands", true)];
    let lists = listed.iter().flat_map(|&(key, is_command)| {
        let all = node.get(key).map(parts).unwrap_or_default();
        all.into_iter().map(move |part| view_of(part.name, is_command, part.node))
    });
    let own = [("event", false), ("command", true)].into_iter();
    let own = own.filter_map(|(key, is_command)| {
        let name = node.get(key).and_then(text_of)?;
        Some(view_of(name, is_command, node))
    });
    own.chain(lists).collect()
}

fn view_of<'d>(name: Word<'d>, is_command: bool, node: &'d Node) -> ContractView<'d> {
    let version = node.get("version").and_then(number_of);
    let fields = node.get("payload").map(payload::fields).unwrap_or_default();
    ContractView { name, version, is_command, node, fields, words: super::words::of_event(name.text) }
}

/// The entry of a key.
#[must_use]
pub fn entry<'d>(node: &'d Node, key: &str) -> Option<&'d Entry> {
    entries(node).iter().find(|entry| entry.key == key)
}

/// The entries of a map; none of anything else.
#[must_use]
pub fn entries(node: &Node) -> &[Entry] {
    match &node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

/// The items of a list; none of anything else.
#[must_use]
pub fn items(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(nodes) => nodes,
        _ => &[],
    }
}

/// The text of a node.
#[must_use]
pub fn text_of(node: &Node) -> Option<Word<'_>> {
    node.as_text().map(|text| Word { text, span: node.span })
}

/// The texts of a list, or of the only one.
#[must_use]
pub fn texts_of(node: &Node) -> Vec<Word<'_>> {
    match &node.content {
        Content::List(nodes) => nodes.iter().filter_map(text_of).collect(),
        _ => text_of(node).into_iter().collect(),
    }
}

/// A whole number that is not negative.
#[must_use]
pub fn number_of(node: &Node) -> Option<u64> {
    match &node.content {
        Content::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// True or false.
#[must_use]
pub fn truth_of(node: &Node) -> Option<bool> {
    match node.content {
        Content::Bool(value) => Some(value),
        _ => None,
    }
}

/// A duration such as `30s` or `400d`.
#[must_use]
pub fn duration_of(node: &Node) -> Option<Duration> {
    let text = node.as_text()?;
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(digits.parse().ok()?)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(digits.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// A duration as the catalog writes it.
#[must_use]
pub fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        s if s.is_multiple_of(86_400) => format!("{}d", s / 86_400),
        s if s.is_multiple_of(3600) => format!("{}h", s / 3600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

fn parts(node: &Node) -> Vec<Part<'_>> {
    let all = entries(node).iter();
    all.map(|one| Part { name: Word { text: &one.key, span: one.key_span }, node: &one.value }).collect()
}

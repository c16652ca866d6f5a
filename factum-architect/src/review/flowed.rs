//! What really flowed on a broker, beside what the catalog says of it.
//!
//! Told message by message, and remembers counts and one example of each kind of fault: a broker holds more than fits
//! anywhere. Where only some messages were looked at, it says so, and concludes nothing from what it has not seen.

use std::collections::{BTreeMap, BTreeSet};

use factum_contract::{Catalog, Contract, Contracts, Finding, Severity, Span};
use factum_core::cloudevents::{CloudEvent, Data};
use factum_core::envelope::EVENT_BYTES_MAX;
use serde::Serialize;

use super::view::{Documents, View};

/// Kinds of faults, and names, that are remembered: a broker that has more has other troubles.
const REMEMBERED_MAX: usize = 1_000;

/// Topics, or consumers, that are named one by one.
const NAMED_MAX: usize = 20;

/// Types that every system may send.
const OUR_OWN: [&str; 3] = ["subject.forgotten", "stream.closed", "stream.reopened"];

const UNDECLARED: &str = "code/undeclared-event";
const UNUSED: &str = "code/declared-unused";
const BROKEN: &str = "code/raw-publish";
const REUSED: &str = "compat/version-skipped-or-reused";
const KEYLESS: &str = "order/key-missing";
const UNTRACED: &str = "trace/no-correlation";
const TIMELESS: &str = "time/no-occurred-at";

/// How much was looked at; serialises as `live` of the review's `--json` output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Live {
    /// The broker, without credentials.
    pub source: String,
    /// Topics that hold messages.
    pub topics: usize,
    /// Messages that they hold.
    pub messages: u64,
    /// Messages that were looked at, the newest first.
    pub looked_at: u64,
}

/// What a broker says of itself.
#[derive(Debug, Clone, Default)]
pub struct Holds {
    /// Messages that each topic holds.
    pub topics: BTreeMap<String, u64>,
    /// Consumers with a place of their own, and the topics that they listen to.
    pub consumers: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    NoEvent { topic: String },
    Unknown { name: String, topic: String },
    Elsewhere { name: String, topic: String },
    Version { name: String, version: u32 },
    Payload { name: String, version: u32, path: String, rule: String },
    Key { name: String },
    NoKey { name: String },
    NoCorrelation { name: String },
    NoTime { name: String },
}

/// Compares a broker's messages with a catalog.
pub struct Flowed<'d> {
    documents: &'d Documents,
    view: View<'d>,
    /// `None` when the catalog cannot be read whole: other findings say why.
    contracts: Option<Contracts>,
    /// How many messages of each topic were looked at.
    looked_at: BTreeMap<String, u64>,
    /// How many events of each name were seen.
    events: BTreeMap<String, u64>,
    /// How often, and what was said the first time.
    faults: BTreeMap<Fault, (u64, String)>,
}

impl<'d> Flowed<'d> {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(documents: &'d Documents) -> Self {
        let contracts =
            Catalog::read(&documents.sources).ok().and_then(|catalog| Contracts::new(catalog).ok());
        Self {
            documents,
            view: View::of(documents),
            contracts,
            looked_at: BTreeMap::new(),
            events: BTreeMap::new(),
            faults: BTreeMap::new(),
        }
    }

    /// A message was seen on a topic: an event, or why it is none.
    pub fn saw(&mut self, topic: &str, event: Result<CloudEvent, String>) {
        add(&mut self.looked_at, topic, 1);
        let event = match event {
            Ok(event) => event,
            Err(why) => return self.fault(Fault::NoEvent { topic: topic.to_owned() }, why),
        };
        let name = event.event_type.clone();
        add(&mut self.events, &name, 1);
        if OUR_OWN.contains(&name.as_str()) {
            return;
        }
        let Some(known) = self.view.contract(&name) else {
            return self.fault(Fault::Unknown { name, topic: topic.to_owned() }, String::new());
        };
        let declared = known.topic();
        if declared != topic {
            let said = format!("its contract says `{declared}`");
            self.fault(Fault::Elsewhere { name: name.clone(), topic: topic.to_owned() }, said);
        }
        let text = |attribute: &str| event.extensions.get(attribute).map(ToString::to_string);
        let key = text("partitionkey").or_else(|| event.subject.clone());
        if key.is_none() {
            self.fault(Fault::NoKey { name: name.clone() }, String::new());
        }
        if text("correlationid").is_none() && text("traceparent").is_none() {
            self.fault(Fault::NoCorrelation { name: name.clone() }, String::new());
        }
        if event.time.is_none() {
            self.fault(Fault::NoTime { name: name.clone() }, String::new());
        }
        if let Some((fault, said)) =
            self.contracts.as_ref().and_then(|all| broken(all, &event, key.as_deref()))
        {
            self.fault(fault, said);
        }
    }

    fn fault(&mut self, fault: Fault, said: String) {
        if let Some((count, _)) = self.faults.get_mut(&fault) {
            *count += 1;
        } else if self.faults.len() < REMEMBERED_MAX {
            self.faults.insert(fault, (1, said));
        }
    }

    /// How much was looked at.
    #[must_use]
    pub fn live(&self, source: &str, holds: &Holds) -> Live {
        Live {
            source: source.to_owned(),
            topics: holds.topics.len(),
            messages: holds.topics.values().sum(),
            looked_at: self.looked_at.values().sum(),
        }
    }

    /// What the catalog says otherwise; `source` is the broker's address without credentials.
    #[must_use]
    pub fn findings(&self, source: &str, holds: &Holds) -> Vec<Finding> {
        let mut told = Told { documents: self.documents, source, all: Vec::new() };
        self.topics(holds, &mut told);
        self.faulty(&mut told);
        self.unused(holds, &mut told);
        self.consumers(holds, &mut told);
        told.all
    }

    /// Topics that nobody wrote down.
    fn topics(&self, holds: &Holds, told: &mut Told<'_>) {
        let unknown: Vec<_> = holds.topics.iter().filter(|(topic, _)| !self.has_topic(topic)).collect();
        for (topic, count) in unknown.iter().take(NAMED_MAX) {
            let message =
                format!("holds {} on topic `{topic}`, which the catalog does not have", messages(**count));
            told.add(
                None,
                UNDECLARED,
                Severity::Error,
                message,
                "declare what flows there: `factum contract new`",
            );
        }
        if let Some(more) = unknown.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            let message =
                format!("holds {} that the catalog does not have", counted(more as u64, "more topic"));
            told.add(None, UNDECLARED, Severity::Error, message, "is it a server that others use, too?");
        }
    }

    fn has_topic(&self, topic: &str) -> bool {
        self.view.topic(topic).is_some()
            || self.view.contracts.iter().any(|contract| contract.topic() == topic)
    }

    /// What was wrong with messages.
    fn faulty(&self, told: &mut Told<'_>) {
        for (fault, (count, said)) in &self.faults {
            let (count, many) = (*count, *count != 1);
            let (carry, travel, flow) =
                if many { ("carry", "travel", "flow") } else { ("carries", "travels", "flows") };
            match fault {
                // Said of the topic already.
                Fault::NoEvent { topic } | Fault::Unknown { topic, .. } if !self.has_topic(topic) => {}
                Fault::NoEvent { topic } => {
                    let what = if many { "are no events" } else { "is no event" };
                    let message = format!("holds {} on topic `{topic}` that {what}: {said}", messages(count));
                    let hint = "publish CloudEvents there, or elsewhere: every consumer refuses these";
                    told.add(None, BROKEN, Severity::Error, message, hint);
                }
                Fault::Unknown { name, topic } => {
                    let message = format!(
                        "holds {} `{}` on topic `{topic}`, which the catalog does not have",
                        events(count),
                        shown(name)
                    );
                    told.add(None, UNDECLARED, Severity::Error, message, "declare it: `factum contract new`");
                }
                Fault::Elsewhere { name, topic } => {
                    let message = format!("{} {name} {flow} on topic `{topic}`; {said}", events(count));
                    let hint =
                        "publish it on its topic, or correct its contract: readers listen where it says";
                    told.about(
                        self.view.contract(name).map(|known| known.place("topic")),
                        UNDECLARED,
                        message,
                        hint,
                    );
                }
                Fault::Version { name, version } => {
                    let message = format!(
                        "{} {name} {carry} version {version}; the catalog has {}",
                        events(count),
                        self.versions(name)
                    );
                    let hint = "bring the catalog up to date with who publishes it, or the other way round";
                    told.about(self.view.contract(name).map(|known| known.name.span), REUSED, message, hint);
                }
                Fault::Payload { name, version, path, .. } => {
                    let of = self.seen_of(name);
                    let at = if path.is_empty() { String::new() } else { format!(" at {path}") };
                    let breaks = if many { "break" } else { "breaks" };
                    let label = format!("{name}.v{version}");
                    let message = format!(
                        "{count} of {of} {name} {breaks} version {version} of the contract{at}: {said}"
                    );
                    let hint = "whoever publishes it goes past the contract: build it by its generated type";
                    let known = self.view.contracts.iter().find(|known| known.label() == label);
                    let known = known.or_else(|| self.view.contract(name));
                    told.about(known.map(|known| known.name.span), BROKEN, message, hint);
                }
                Fault::Key { name } => {
                    let message = format!(
                        "{} {name} {travel} under another key than its contract's: {said}",
                        events(count)
                    );
                    told.about(self.key_of(name), KEYLESS, message, "publish it under that field's value");
                }
                Fault::NoKey { name } => {
                    let message = format!("{} {name} {travel} without a key", events(count));
                    let hint =
                        "publish it with `partitionkey`, or `subject`: without, nothing keeps its order";
                    told.about(self.key_of(name), KEYLESS, message, hint);
                }
                Fault::NoCorrelation { name } => {
                    let message =
                        format!("{} {name} {travel} without a correlation id or a trace", events(count));
                    let span = self.view.contract(name).map(|known| known.name.span);
                    told.add(
                        span,
                        UNTRACED,
                        Severity::Warning,
                        message,
                        "publish it with `correlationid` or `traceparent`",
                    );
                }
                Fault::NoTime { name } => {
                    let message =
                        format!("{} {name} {travel} without the time when it happened", events(count));
                    let span = self.view.contract(name).map(|known| known.name.span);
                    told.add(span, TIMELESS, Severity::Warning, message, "publish it with `time`");
                }
            }
        }
    }

    fn key_of(&self, name: &str) -> Option<Span> {
        self.view.contract(name).map(|known| known.place("key"))
    }

    fn seen_of(&self, name: &str) -> u64 {
        self.events.get(name).copied().unwrap_or_default()
    }

    fn versions(&self, name: &str) -> String {
        let of_name = self.view.contracts.iter().filter(|known| known.name.text == name);
        of_name
            .filter_map(|known| known.version)
            .map(|version| version.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Events that nobody has seen; said with how far that can be known.
    fn unused(&self, holds: &Holds, told: &mut Told<'_>) {
        let silent = self.view.events().filter(|event| self.seen_of(event.name.text) == 0);
        for event in silent.filter(|event| event.day("deprecated").is_none()) {
            let (name, topic) = (event.name.text, event.topic());
            let held = holds.topics.get(topic).copied().unwrap_or_default();
            let looked_at = self.looked_at.get(topic).copied().unwrap_or_default();
            let message = if held == 0 {
                format!("holds no {name}: nothing was published on topic `{topic}`")
            } else if looked_at < held {
                format!(
                    "holds no {name} among the newest {looked_at} of {} on topic `{topic}`",
                    messages(held)
                )
            } else {
                format!("holds no {name} among {} on topic `{topic}`", messages(held))
            };
            let hint = "it never happened there: is it published elsewhere, or by nobody?";
            told.add(Some(event.name.span), UNUSED, Severity::Info, message, hint);
        }
    }

    fn consumers(&self, holds: &Holds, told: &mut Told<'_>) {
        let view = &self.view;
        let declared = view.readers();
        let unknown: Vec<_> =
            holds.consumers.iter().filter(|(name, _)| !declared.contains(name.as_str())).collect();
        for (name, topics) in unknown.iter().take(NAMED_MAX) {
            let topics: Vec<&str> =
                topics.iter().map(String::as_str).filter(|topic| !topic.is_empty()).collect();
            let of = if topics.is_empty() { String::new() } else { format!(" of {}", topics.join(", ")) };
            let message =
                format!("knows the consumer `{}`{of}, which the catalog does not have", shown(name));
            told.add(
                None,
                UNDECLARED,
                Severity::Error,
                message,
                "add it to `consumers` of system.yaml, or drop it",
            );
        }
        if let Some(more) = unknown.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            let message =
                format!("knows {} that the catalog does not have", counted(more as u64, "more consumer"));
            told.add(None, UNDECLARED, Severity::Error, message, "is it a server that others use, too?");
        }
        for part in view.consumers.iter().filter(|part| !holds.consumers.contains_key(part.name.text)) {
            let message = format!("has no place for `{}`", part.name.text);
            let hint = "it never listened there: does it read a store, or has nobody started it?";
            told.add(Some(part.name.span), UNUSED, Severity::Info, message, hint);
        }
    }
}

struct Told<'d> {
    documents: &'d Documents,
    source: &'d str,
    all: Vec<Finding>,
}

impl Told<'_> {
    fn add(
        &mut self,
        span: Option<Span>,
        rule: &'static str,
        severity: Severity,
        message: String,
        hint: &str,
    ) {
        // A count begins a sentence of its own; what the broker has or lacks is said of it.
        let message = match message.starts_with(|letter: char| letter.is_ascii_digit()) {
            true => format!("{message} ({})", self.source),
            false => format!("{} {message}", self.source),
        };
        // Subjects and names are others' text: nothing in them may move a cursor.
        let message = message.replace(char::is_control, "\u{fffd}");
        let sources = &self.documents.sources;
        self.all.push(Finding::at(sources, span, rule, severity, &message, Some(hint)));
    }

    fn about(&mut self, span: Option<Span>, rule: &'static str, message: String, hint: &str) {
        self.add(span, rule, Severity::Error, message, hint);
    }
}

/// How an event breaks its contract, if it does.
fn broken(contracts: &Contracts, event: &CloudEvent, key: Option<&str>) -> Option<(Fault, String)> {
    let name = event.event_type.clone();
    let versions: Vec<&Contract> = contracts.catalog().versions(&name).collect();
    let said = event.contract_version();
    let candidates: Vec<&Contract> = match said {
        None => versions.into_iter().rev().collect(),
        Some(version) => versions.into_iter().filter(|contract| contract.version == version).collect(),
    };
    if let (Some(version), true) = (said, candidates.is_empty()) {
        return Some((Fault::Version { name, version }, String::new()));
    }
    let payload = |version, path: &str, rule: &str, said: String| {
        let (path, rule) = (path.to_owned(), rule.to_owned());
        Some((Fault::Payload { name: name.clone(), version, path, rule }, said))
    };
    let newest = candidates.first()?.version;
    let data: &[u8] = match &event.data {
        Some(Data::Json(bytes)) if bytes.len() <= EVENT_BYTES_MAX => bytes,
        Some(Data::Json(bytes)) => {
            return payload(
                newest,
                "",
                "size",
                format!("it has {} bytes, over {EVENT_BYTES_MAX}", bytes.len()),
            );
        }
        None => b"",
        Some(Data::Text(_) | Data::Binary(_)) => {
            let found = event.data_content_type.as_deref().unwrap_or("something else");
            return payload(newest, "", "content-type", format!("expected application/json, found {found}"));
        }
    };
    // Without a version of its own an event may be of any; what the newest says of it is told.
    let mut first = None;
    for contract in candidates {
        match contracts.check(&contract.event_type(), data) {
            Ok(checked) if key.is_some_and(|key| key != checked.key) => {
                let field = &contract.key.value;
                return Some((Fault::Key { name }, format!("expected the value of `{field}`")));
            }
            Ok(_) => return None,
            Err(breach) => {
                first.get_or_insert((contract.version, breach));
            }
        }
    }
    let (version, breach) = first?;
    payload(version, &breach.path, &breach.rule, breach.message)
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    if let Some(known) = counts.get_mut(name) {
        *known += count;
    } else if counts.len() < REMEMBERED_MAX {
        counts.insert(name.to_owned(), count);
    }
}

fn messages(count: u64) -> String {
    counted(count, "message")
}

fn events(count: u64) -> String {
    counted(count, "event")
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A name that somebody else chose: no longer than names are.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

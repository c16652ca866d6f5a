//! What a storm text means: services, events with their keys, consumers, sagas and read models.
//!
//! Everything here is said by the text, follows from it (a key that is carried over from a cause), or is marked as a draft
//! that an open question asks about. Nothing else is made up.

use std::collections::{BTreeMap, BTreeSet};

use factum_contract::template::{FieldOutline, usual_key};
use factum_core::{EventName, Kind};

use super::storm::{Outcome, Rule, Storm, Trigger};

/// The service of whatever the text gives to nobody.
pub(crate) const UNASSIGNED: &str = "unassigned";

/// A system as a text describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) system: String,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) facts: BTreeMap<String, Fact>,
    pub(crate) consumers: BTreeMap<String, Reader>,
    pub(crate) sagas: BTreeMap<String, Workflow>,
    pub(crate) views: BTreeMap<String, (String, Vec<String>)>,
    /// What people ask for from outside, by line: service, command, what happens then.
    pub(crate) requests: Vec<Request>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Service {
    pub(crate) team: Option<String>,
    pub(crate) emits: BTreeSet<String>,
}

/// An event, or a command that a service sends.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) kind: Kind,
    pub(crate) owner: String,
    pub(crate) key: String,
    pub(crate) key_from: KeyFrom,
    pub(crate) fields: Vec<FieldOutline>,
    pub(crate) topic: Option<String>,
    /// All services that say it.
    pub(crate) said_by: BTreeSet<String>,
    /// What it follows from, in words.
    pub(crate) because: Option<String>,
    /// Lines that name it.
    pub(crate) lines: BTreeSet<usize>,
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyFrom {
    /// The text says it.
    Said,
    /// It is that of the event that this one follows from.
    Carried(String),
    /// Nobody said it.
    Draft,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    pub(crate) service: String,
    pub(crate) on: BTreeSet<String>,
    pub(crate) emits: BTreeSet<String>,
    pub(crate) calls: BTreeSet<String>,
    pub(crate) does: Vec<String>,
    pub(crate) attempts: Option<u32>,
    pub(crate) dead_owner: Option<String>,
    pub(crate) on_dead: Option<String>,
    pub(crate) idempotent_by: Option<String>,
    pub(crate) replay: Option<String>,
    pub(crate) lines: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) service: String,
    pub(crate) starts: String,
    pub(crate) correlate: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) lines: BTreeSet<usize>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) on: String,
    pub(crate) then: Vec<String>,
    pub(crate) within: Option<(String, Vec<String>)>,
    pub(crate) compensate: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: usize,
    pub(crate) service: String,
    pub(crate) said: String,
    pub(crate) outcomes: Vec<String>,
}

impl Model {
    /// Puts the lines of a text together; `usual` names the system when the text does not.
    pub(crate) fn of(storm: &Storm, usual: &str) -> Self {
        let mut model =
            Self { system: storm.system.clone().unwrap_or_else(|| usual.to_owned()), ..Self::default() };
        for service in storm.services() {
            model.services.entry(service).or_default();
        }
        for (team, services) in &storm.teams {
            for service in services {
                model.services.entry(service.clone()).or_default().team = Some(team.clone());
            }
        }
        let sent = sent_commands(storm);
        let causes = Causes::of(storm, &sent);
        for (line, outcome) in &storm.events {
            model.fact(outcome, None, None, *line);
        }
        let sagas = model.workflows(storm, &causes);
        for rule in &storm.rules {
            model.rule(rule, &sent, &sagas);
        }
        for view in &storm.views {
            let service = view.service.clone().unwrap_or_else(|| UNASSIGNED.to_owned());
            for name in &view.on {
                model.named(name, Kind::Event, view.line);
            }
            model.services.entry(service.clone()).or_default();
            model.views.insert(view.name.clone(), (service, view.on.clone()));
        }
        model.settle_owners();
        model.settle_keys(&causes);
        model.correlate();
        model
    }

    fn rule(&mut self, rule: &Rule, sent: &BTreeSet<String>, sagas: &BTreeSet<usize>) {
        let service = service_of(rule);
        self.services.entry(service.clone()).or_default();
        let because = because(&rule.trigger);
        let mut emits: Vec<String> = Vec::new();
        for outcome in &rule.outcomes {
            self.fact(outcome, Some(&service), Some(&because), rule.line);
            emits.push(outcome.name.clone());
        }
        for outcome in rule.wait.iter().flat_map(|wait| &wait.otherwise) {
            self.fact(outcome, Some(&service), Some("when a wait is over"), rule.line);
        }
        for undo in &rule.undoes {
            let outcome = Outcome {
                name: undo.with.clone(),
                is_command: true,
                key: None,
                fields: Vec::new(),
                topic: None,
            };
            self.fact(&outcome, Some(&service), Some(&because), rule.line);
        }
        let on: Vec<String> = match &rule.trigger {
            Trigger::Events { names, .. } => {
                names.iter().for_each(|name| self.named(name, Kind::Event, rule.line));
                names.clone()
            }
            Trigger::Command { name, .. } if sent.contains(name) => {
                self.named(name, Kind::Command, rule.line);
                vec![name.clone()]
            }
            Trigger::Command { said, .. } => {
                let request = Request {
                    line: rule.line,
                    service: service.clone(),
                    said: said.clone(),
                    outcomes: emits.clone(),
                };
                self.requests.push(request);
                Vec::new()
            }
            Trigger::Timer(_) => Vec::new(),
        };
        if on.is_empty() {
            self.services.entry(service).or_default().emits.extend(emits);
        } else if !sagas.contains(&rule.line) {
            self.reader(rule, service, on, emits);
        }
    }

    /// One consumer of a service for all events of one thing: so their order is kept.
    fn reader(&mut self, rule: &Rule, service: String, on: Vec<String>, emits: Vec<String>) {
        for event in on {
            let category = event.split('.').next().unwrap_or_default();
            let usual = format!("{service}.on-{category}");
            let name = rule.consumer.clone().unwrap_or(usual);
            let reader = self.consumers.entry(name).or_default();
            reader.service.clone_from(&service);
            reader.on.insert(event);
            reader.emits.extend(emits.iter().cloned());
            reader.calls.extend(rule.calls.iter().cloned());
            reader.does.extend(rule.action.iter().filter(|text| !text.is_empty()).cloned());
            let failure = &rule.failure;
            reader.attempts = failure.attempts.or(reader.attempts);
            let kept = |new: &Option<String>, old: Option<String>| new.clone().or(old);
            reader.dead_owner = kept(&failure.owner, reader.dead_owner.take());
            reader.on_dead = kept(&failure.on_dead, reader.on_dead.take());
            reader.idempotent_by = kept(&failure.idempotent_by, reader.idempotent_by.take());
            reader.replay = kept(&failure.replay, reader.replay.take());
            reader.lines.insert(rule.line);
        }
    }

    /// Workflows of services that undo, or wait: answers the lines that are their steps.
    fn workflows(&mut self, storm: &Storm, causes: &Causes) -> BTreeSet<usize> {
        let mut lines = BTreeSet::new();
        for rule in storm.rules.iter().filter(|rule| is_of_saga(rule)) {
            let Trigger::Events { names, .. } = &rule.trigger else { continue };
            let Some(first) = names.first() else { continue };
            let service = service_of(rule);
            let starts = causes.root(first);
            let after = causes.after(&starts);
            let mut saga = Workflow {
                service: service.clone(),
                correlate: String::new(),
                starts,
                steps: Vec::new(),
                lines: BTreeSet::new(),
            };
            for other in storm.rules.iter().filter(|other| service_of(other) == service) {
                let Trigger::Events { names, .. } = &other.trigger else { continue };
                if names.iter().any(|name| after.contains(name)) {
                    saga.steps.extend(steps(other));
                    saga.lines.insert(other.line);
                    lines.insert(other.line);
                }
            }
            let category = saga.starts.split('.').next().unwrap_or_default();
            let name = format!("{category}-process");
            match self.sagas.get(&name) {
                Some(known) if known.service == service => {}
                Some(_) => _ = self.sagas.insert(format!("{service}-{name}"), saga),
                None => _ = self.sagas.insert(name, saga),
            }
        }
        lines
    }

    /// Remembers an event with all that is said of it.
    fn fact(&mut self, outcome: &Outcome, service: Option<&str>, because: Option<&str>, line: usize) {
        let kind = if outcome.is_command { Kind::Command } else { Kind::Event };
        self.named(&outcome.name, kind, line);
        let Some(fact) = self.facts.get_mut(&outcome.name) else { return };
        if let Some(service) = service {
            if fact.owner == UNASSIGNED {
                service.clone_into(&mut fact.owner);
            }
            fact.said_by.insert(service.to_owned());
        }
        if fact.because.is_none() {
            fact.because = because.map(str::to_owned);
        }
        if let Some(key) = &outcome.key {
            fact.key.clone_from(key);
            fact.key_from = KeyFrom::Said;
        }
        for field in &outcome.fields {
            if fact.fields.iter().all(|known| known.name != field.name) {
                fact.fields.push(field.clone());
            }
        }
        fact.topic = outcome.topic.clone().or(fact.topic.take());
    }

    fn named(&mut self, name: &str, kind: Kind, line: usize) {
        let usual = name.parse::<EventName>().map_or_else(|_| "id".to_owned(), |name| usual_key(kind, &name));
        let fact = self.facts.entry(name.to_owned()).or_insert_with(|| Fact {
            kind,
            owner: UNASSIGNED.to_owned(),
            key: usual,
            key_from: KeyFrom::Draft,
            fields: Vec::new(),
            topic: None,
            said_by: BTreeSet::new(),
            because: None,
            lines: BTreeSet::new(),
        });
        fact.lines.insert(line);
    }

    /// A command belongs to whoever carries it out; what is left belongs to nobody, by name.
    fn settle_owners(&mut self) {
        let readers: Vec<(String, BTreeSet<String>)> =
            self.consumers.values().map(|reader| (reader.service.clone(), reader.on.clone())).collect();
        for (name, fact) in &mut self.facts {
            let handler = readers.iter().find(|(_, on)| on.contains(name)).map(|(service, _)| service);
            if let (Kind::Command, Some(handler)) = (fact.kind, handler) {
                fact.owner.clone_from(handler);
            }
            if fact.owner == UNASSIGNED {
                self.services.entry(UNASSIGNED.to_owned()).or_default();
            }
        }
    }

    /// What follows from an event is about the same thing, until somebody says otherwise.
    fn settle_keys(&mut self, causes: &Causes) {
        for _ in 0..self.facts.len() {
            let mut found = None;
            for (name, fact) in self.facts.iter().filter(|(_, fact)| fact.key_from == KeyFrom::Draft) {
                let from = causes.before(name).find_map(|cause| {
                    let known = self.facts.get(cause)?;
                    (known.key_from != KeyFrom::Draft).then(|| (cause.to_owned(), known.key.clone()))
                });
                if let Some((cause, key)) = from {
                    found = Some((name.clone(), cause, key, fact.kind));
                    break;
                }
            }
            let Some((name, cause, key, _)) = found else { return };
            if let Some(fact) = self.facts.get_mut(&name) {
                fact.key = key;
                fact.key_from = KeyFrom::Carried(cause);
            }
        }
    }

    /// A saga finds its instance by one field that all of its events carry.
    fn correlate(&mut self) {
        for saga in self.sagas.values_mut() {
            let Some(start) = self.facts.get(&saga.starts) else { continue };
            saga.correlate.clone_from(&start.key);
            let events = std::iter::once(&saga.starts).chain(saga.steps.iter().map(|step| &step.on));
            for event in events {
                let Some(fact) = self.facts.get_mut(event) else { continue };
                let is_there = fact.key == saga.correlate
                    || fact.fields.iter().any(|field| field.name == saga.correlate);
                if !is_there && let Ok(field) = format!("{}:text!:identifier", saga.correlate).parse() {
                    fact.fields.push(field);
                }
            }
        }
    }
}

/// What may follow what, over all rules of a text.
pub(crate) struct Causes {
    edges: Vec<(String, String)>,
}

impl Causes {
    pub(crate) fn of(storm: &Storm, sent: &BTreeSet<String>) -> Self {
        let mut edges = Vec::new();
        for rule in &storm.rules {
            let from: Vec<&String> = match &rule.trigger {
                Trigger::Events { names, .. } => names.iter().collect(),
                Trigger::Command { name, .. } if sent.contains(name) => vec![name],
                _ => Vec::new(),
            };
            let to = rule.outcomes.iter().map(|outcome| &outcome.name);
            let to = to.chain(rule.undoes.iter().map(|undo| &undo.with));
            let to = to
                .chain(rule.wait.iter().flat_map(|wait| wait.otherwise.iter().map(|outcome| &outcome.name)));
            for to in to {
                edges.extend(
                    from.iter().filter(|from| **from != to).map(|from| ((*from).clone(), to.clone())),
                );
            }
        }
        Self { edges }
    }

    fn before<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        self.edges.iter().filter(move |(_, to)| to == name).map(|(from, _)| from.as_str())
    }

    /// The event that everything before this one began with.
    fn root(&self, name: &str) -> String {
        let mut seen = BTreeSet::new();
        let mut at = name;
        while seen.insert(at) {
            match self.before(at).find(|before| !seen.contains(before)) {
                Some(before) => at = before,
                None => break,
            }
        }
        at.to_owned()
    }

    /// An event and all that may follow from it.
    fn after(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::from([name.to_owned()]);
        let mut open = vec![name.to_owned()];
        while let Some(at) = open.pop() {
            for (_, to) in self.edges.iter().filter(|(from, _)| *from == at) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    }
}

fn service_of(rule: &Rule) -> String {
    rule.service.clone().unwrap_or_else(|| UNASSIGNED.to_owned())
}

/// Commands that a rule sends: a rule of the same name carries them out.
fn sent_commands(storm: &Storm) -> BTreeSet<String> {
    let outcomes = storm
        .rules
        .iter()
        .flat_map(|rule| rule.outcomes.iter().chain(rule.wait.iter().flat_map(|wait| &wait.otherwise)));
    let sent = outcomes.filter(|outcome| outcome.is_command).map(|outcome| outcome.name.clone());
    sent.chain(storm.rules.iter().flat_map(|rule| rule.undoes.iter().map(|undo| undo.with.clone()))).collect()
}

fn is_of_saga(rule: &Rule) -> bool {
    let waits = rule.wait.as_ref().is_some_and(|wait| !wait.otherwise.is_empty());
    let joins = matches!(&rule.trigger, Trigger::Events { is_all: true, .. });
    !rule.undoes.is_empty() || waits || joins
}

fn steps(rule: &Rule) -> Vec<Step> {
    let Trigger::Events { names, is_all } = &rule.trigger else { return Vec::new() };
    let then: Vec<String> = rule.outcomes.iter().map(|outcome| outcome.name.clone()).collect();
    let compensate: Vec<String> = rule.undoes.iter().map(|undo| undo.with.clone()).collect();
    let within = rule.wait.as_ref().filter(|wait| !wait.otherwise.is_empty()).map(|wait| {
        (wait.within.clone(), wait.otherwise.iter().map(|outcome| outcome.name.clone()).collect::<Vec<_>>())
    });
    let last = names.len().saturating_sub(1);
    let step = |(index, name): (usize, &String)| {
        // Where all must have happened, the last one in the list is what lets it go on.
        let goes_on = !is_all || index == last;
        Step {
            on: name.clone(),
            then: if goes_on { then.clone() } else { Vec::new() },
            within: if goes_on { within.clone() } else { None },
            compensate: if goes_on { compensate.clone() } else { Vec::new() },
        }
    };
    names.iter().enumerate().map(step).collect()
}

fn because(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Command { said, .. } => {
            let mut chars = said.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
            format!("when asked to {first}{}", chars.as_str())
        }
        Trigger::Events { names, is_all } => {
            format!("on {}", names.join(if *is_all { " and " } else { " or " }))
        }
        Trigger::Timer(said) => said.clone(),
    }
}

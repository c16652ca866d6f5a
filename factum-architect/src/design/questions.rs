//! What a text leaves open, as numbered questions, each with the line to add.
//!
//! A design is never completed by guessing: what is not said stands here, and beside the thing that it is about.

use std::collections::BTreeMap;

use factum_contract::Catalog;
use factum_contract::flow::Flow;
use factum_contract::system::ConsumerSpec;
use factum_core::Kind;
use serde::Serialize;

use super::model::{KeyFrom, Model, UNASSIGNED};
use super::storm::{Rule, Storm, Trigger};

/// Something that the text does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Its number, from 1.
    pub number: usize,
    /// What is asked.
    pub text: String,
    /// The events, commands and consumers that it is about.
    pub about: Vec<String>,
    /// What to write into the text to answer it.
    pub answer: String,
}

#[derive(Default)]
struct Open {
    found: Vec<Question>,
}

impl Open {
    fn ask(&mut self, about: &[&str], text: impl Into<String>, answer: impl Into<String>) {
        let about = about.iter().map(|name| (*name).to_owned()).collect();
        self.found.push(Question {
            number: self.found.len() + 1,
            text: text.into(),
            about,
            answer: answer.into(),
        });
    }
}

/// All questions of a model, in the order of who says what, keys, consumers, failures, the rest.
pub(super) fn questions(storm: &Storm, model: &Model) -> Vec<Question> {
    let mut open = Open::default();
    producers(model, &mut open);
    keys(model, &mut open);
    consumers(model, &mut open);
    failures(model, &mut open);
    workflows(storm, &mut open);
    for said in &storm.questions {
        open.ask(
            &[],
            format!("{}? (line {})", said.text.trim_end_matches('?'), said.line),
            "take the line out when it is settled",
        );
    }
    open.found
}

fn producers(model: &Model, open: &mut Open) {
    for (name, fact) in &model.facts {
        let said_by: Vec<&str> =
            fact.said_by.iter().map(String::as_str).filter(|name| *name != UNASSIGNED).collect();
        match said_by.as_slice() {
            [] if fact.kind == Kind::Event => open.ask(
                &[name],
                format!("which service says {name}, and when?"),
                format!("`Service: what it was asked for -> {name}`"),
            ),
            [_, _, ..] if fact.kind == Kind::Event => open.ask(
                &[name],
                format!(
                    "{} say {name}: which of them answers for its meaning? {} does until it is said",
                    said_by.join(" and "),
                    fact.owner
                ),
                format!("the owner's line first: `{}: … -> {name}`", fact.owner),
            ),
            _ => {}
        }
    }
}

fn keys(model: &Model, open: &mut Open) {
    let mut carried: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, fact) in &model.facts {
        match &fact.key_from {
            KeyFrom::Said => {}
            KeyFrom::Carried(_) => carried.entry(fact.key.as_str()).or_default().push(name),
            KeyFrom::Draft => open.ask(
                &[name],
                format!("which field keeps related {name} in order? {} is a draft after its name", fact.key),
                format!("`… -> {name} [{}]`", fact.key),
            ),
        }
    }
    for (key, names) in carried {
        open.ask(
            &names,
            format!(
                "{} follow{} from what is kept in order by {key}: is {key} their key too?",
                names.join(", "),
                if names.len() == 1 { "s" } else { "" }
            ),
            format!("`[{key}]` behind each that is, another field behind each that is not"),
        );
    }
    let bare: Vec<&str> = model
        .facts
        .iter()
        .filter(|(_, fact)| fact.fields.iter().all(|field| field.name == fact.key))
        .map(|(name, _)| name.as_str())
        .collect();
    if !bare.is_empty() {
        open.ask(
            &bare,
            if bare.len() == 1 {
                format!("what does {} carry besides its key?", bare[0])
            } else {
                format!("what do {} carry besides their key?", bare.join(", "))
            },
            format!(
                "`{} [{}, total:decimal!, note:text]`, or edit the contract",
                bare[0],
                model.facts.get(bare[0]).map_or("id", |fact| &fact.key)
            ),
        );
    }
}

fn consumers(model: &Model, open: &mut Open) {
    for (name, fact) in &model.facts {
        let is_read = model.consumers.values().any(|reader| reader.on.contains(name))
            || model
                .sagas
                .values()
                .any(|saga| saga.starts == *name || saga.steps.iter().any(|step| step.on == *name))
            || model.views.values().any(|(_, on)| on.contains(name));
        if is_read {
            continue;
        }
        match fact.kind {
            Kind::Event => open.ask(
                &[name],
                format!("who reacts to {name}? Nobody does"),
                format!("`Service: on {name} -> …`, `view NAME (Service): on {name}`, or leave it out"),
            ),
            Kind::Command => {
                let words = name.replace('.', " ");
                open.ask(
                    &[name],
                    format!("which service carries out {name}, and what has happened then?"),
                    format!("`Service: {words} -> thing.happened`"),
                );
            }
        }
    }
}

fn failures(model: &Model, open: &mut Open) {
    for (name, reader) in model.consumers.iter().filter(|(_, reader)| !reader.calls.is_empty()) {
        if reader.idempotent_by.is_none() {
            let calls: Vec<&str> = reader.calls.iter().map(String::as_str).collect();
            open.ask(
                &[name],
                format!("{name} calls {}, once or more for each event: which value makes a second call harmless, and for how long?", calls.join(", ")),
                "`; idempotent by orderId` on its line",
            );
        }
    }
    let without: Vec<&str> = model
        .consumers
        .iter()
        .filter(|(_, reader)| reader.dead_owner.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !without.is_empty() {
        open.ask(
            &without,
            format!("who looks after dead letters of {}?", without.join(", ")),
            "`; dead letters to TEAM` on each line",
        );
    }
    let unused: Vec<&str> = model
        .consumers
        .iter()
        .filter(|(_, reader)| reader.attempts.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !unused.is_empty() {
        open.ask(
            &unused,
            format!(
                "after how many attempts is an event of {} given up? Until it is said, after the default 8",
                unused.join(", ")
            ),
            "`; retry 5 times` on each line",
        );
    }
}

fn workflows(storm: &Storm, open: &mut Open) {
    for rule in &storm.rules {
        if let Some(wait) = rule.wait.as_ref().filter(|wait| wait.otherwise.is_empty()) {
            open.ask(
                &[],
                format!("line {}: what happens when the {} are over?", rule.line, wait.within),
                format!("`within {} otherwise thing.happened`", wait.within),
            );
        }
        if rule.service.is_none() && !matches!(rule.trigger, Trigger::Timer(_)) {
            open.ask(
                &subjects(rule),
                format!("line {}: which service is this?", rule.line),
                "its name and a colon before it: `Orders: …`",
            );
        }
        let compensates = rule.undoes.iter().filter(|undo| undo.of.is_none());
        for undo in compensates {
            open.ask(
                &[&undo.with],
                format!("line {}: what does {} undo?", rule.line, undo.with),
                format!("`; compensates thing.happened with {}`", undo.with),
            );
        }
    }
}

fn subjects(rule: &Rule) -> Vec<&str> {
    rule.outcomes.iter().map(|outcome| outcome.name.as_str()).collect()
}

/// What a catalog from elsewhere leaves open.
pub(super) fn of_catalog(catalog: &Catalog) -> Vec<Question> {
    let flow = Flow::of(catalog);
    let mut open = Open::default();
    for contract in catalog.latest() {
        let name = contract.name.as_str();
        if flow.senders(&contract.name).next().is_none() {
            open.ask(
                &[name],
                format!("which service says {name}, and when?"),
                format!("`emits: [{name}]` at a service or consumer of system.yaml"),
            );
        }
        if flow.takers(&contract.name).next().is_none() {
            open.ask(
                &[name],
                format!("who reacts to {name}? Nobody does"),
                format!("a consumer with `on: [{name}]` in system.yaml"),
            );
        }
    }
    let consumers = &catalog.system.consumers;
    let names = |is_open: &dyn Fn(&ConsumerSpec) -> bool| -> Vec<&str> {
        consumers.iter().filter(|(_, spec)| is_open(spec)).map(|(name, _)| name.as_str()).collect()
    };
    let without = names(&|spec| spec.dead_letters.owner.is_none());
    if !without.is_empty() {
        open.ask(
            &without,
            format!("who looks after dead letters of {}?", without.join(", ")),
            "`dead_letters: { owner: TEAM }` at each in system.yaml",
        );
    }
    let without = names(&|spec| spec.idempotency.is_none());
    if !without.is_empty() {
        open.ask(
            &without,
            format!("what makes handling twice harmless in {}?", without.join(", ")),
            "`idempotency: { by: FIELD }` at each in system.yaml",
        );
    }
    open.found
}

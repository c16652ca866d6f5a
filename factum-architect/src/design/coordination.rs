//! Choreography, orchestration or saga: chosen by what the text says, with every criterion shown.

use std::collections::{BTreeMap, BTreeSet};

use factum_contract::Catalog;
use factum_contract::flow::Flow;
use serde::Serialize;

use super::storm::{Storm, Trigger};

/// Reactions in a row that nobody oversees, up to which each service may know its own step alone.
const CHAIN_MAX: usize = 5;
/// Events of others that one service answers with commands, from which on it directs.
const DIRECTS_FROM: usize = 3;

/// How services work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Nothing follows from anything.
    None,
    /// Each service knows its own step.
    Choreography,
    /// One service tells the others what to do.
    Orchestration,
    /// One service follows the whole, waits, and undoes.
    Saga,
}

impl Style {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Choreography => "choreography",
            Self::Orchestration => "orchestration",
            Self::Saga => "saga",
        }
    }
}

/// The choice, with its reasons.
#[derive(Debug, Clone, Serialize)]
pub struct Coordination {
    /// What was chosen.
    pub style: Style,
    /// Why, in a sentence.
    pub why: String,
    /// Every criterion, with what was found.
    pub criteria: Vec<Criterion>,
}

/// One criterion of the choice.
#[derive(Debug, Clone, Serialize)]
pub struct Criterion {
    /// What was looked for.
    pub asks: &'static str,
    /// What was found.
    pub found: String,
    /// What that speaks for.
    pub says: Style,
}

/// Chooses for a system.
pub(super) fn choose(storm: &Storm, catalog: &Catalog) -> Coordination {
    let flow = Flow::of(catalog);
    let sagas = &catalog.system.sagas;
    let undone: Vec<String> =
        storm.rules.iter().flat_map(|rule| rule.undoes.iter().map(|undo| undo.with.clone())).collect();
    let undone = if undone.is_empty() {
        sagas
            .values()
            .flat_map(|saga| {
                saga.steps.iter().flat_map(|step| step.compensate.iter().map(|name| name.value.to_string()))
            })
            .collect()
    } else {
        undone
    };
    let waits = storm
        .rules
        .iter()
        .filter(|rule| rule.wait.is_some())
        .count()
        .max(sagas.values().flat_map(|saga| &saga.steps).filter(|step| step.within.is_some()).count());
    let joins = storm
        .rules
        .iter()
        .filter(|rule| matches!(rule.trigger, Trigger::Events { is_all: true, .. }))
        .count();
    let director = director(&flow, catalog);
    let (longest, path) = longest(&flow);
    let when = |is: bool, then: Style| if is { then } else { Style::Choreography };
    let criteria = vec![
        Criterion {
            asks: "is something undone when a later step fails?",
            found: if undone.is_empty() { "no".to_owned() } else { format!("yes: {}", undone.join(", ")) },
            says: when(!undone.is_empty(), Style::Saga),
        },
        Criterion {
            asks: "does somebody wait, for a time or for several events?",
            found: if waits + joins == 0 {
                "no".to_owned()
            } else {
                format!("yes: {waits} for a time, {joins} for several events")
            },
            says: when(waits + joins > 0, Style::Saga),
        },
        Criterion {
            asks: "does one service answer three or more events of others with commands?",
            found: director
                .clone()
                .map_or_else(|| "no".to_owned(), |(service, count)| format!("yes: {service}, {count}")),
            says: when(director.is_some(), Style::Orchestration),
        },
        Criterion {
            asks: "how many reactions follow one another?",
            found: if longest == 0 { "none".to_owned() } else { format!("{longest}: {path}") },
            says: if longest == 0 { Style::None } else { when(longest > CHAIN_MAX, Style::Orchestration) },
        },
    ];
    let has = |style: Style| criteria.iter().any(|criterion| criterion.says == style);
    let (style, why) = if has(Style::Saga) {
        (Style::Saga, "somebody must remember how far the whole has got, to wait for the rest of it or to undo it; what is written down nowhere can do neither".to_owned())
    } else if has(Style::Orchestration) {
        (Style::Orchestration, "the order of the steps is a thing of its own here: it belongs into one service, where it can be read and changed".to_owned())
    } else if longest == 0 {
        (Style::None, "nothing reacts to anything, so there is nothing to coordinate".to_owned())
    } else {
        (
            Style::Choreography,
            format!(
                "nothing is undone and nobody waits; {longest} at most follow in a row, and each service knows its own step alone"
            ),
        )
    };
    Coordination { style, why, criteria }
}

/// The service that answers the most events of others with commands.
fn director(flow: &Flow<'_>, catalog: &Catalog) -> Option<(String, usize)> {
    let is_command = |name: &factum_core::EventName| {
        catalog
            .versions(name.as_str())
            .next_back()
            .is_some_and(|contract| contract.kind == factum_core::Kind::Command)
    };
    let mut answered: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for take in &flow.takes {
        let sends = flow
            .causes
            .iter()
            .any(|cause| cause.part == take.part && cause.from == take.event && is_command(cause.to));
        let is_foreign = flow.senders(take.event).any(|send| send.service != take.service);
        if sends && is_foreign {
            answered.entry(take.service.as_str()).or_default().insert(take.event.as_str());
        }
    }
    let most = answered.into_iter().max_by_key(|(_, events)| events.len())?;
    (most.1.len() >= DIRECTS_FROM).then(|| (most.0.to_owned(), most.1.len()))
}

/// The longest row of reactions, no event twice.
fn longest(flow: &Flow<'_>) -> (usize, String) {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for cause in &flow.causes {
        next.entry(cause.from.as_str()).or_default().insert(cause.to.as_str());
    }
    let mut best: Vec<&str> = Vec::new();
    for start in next.keys() {
        let mut path = vec![*start];
        follow(&next, &mut path, &mut best);
    }
    (best.len().saturating_sub(1), best.join(" → "))
}

/// Steps that are tried for one start: what is wider than this is no system that fits on a wall.
const PATH_MAX: usize = 12;

fn follow<'f>(next: &BTreeMap<&'f str, BTreeSet<&'f str>>, path: &mut Vec<&'f str>, best: &mut Vec<&'f str>) {
    if path.len() > best.len() {
        best.clone_from(path);
    }
    if path.len() >= PATH_MAX {
        return;
    }
    let Some(at) = path.last().copied() else { return };
    for to in next.get(at).into_iter().flatten() {
        if !path.contains(to) {
            path.push(to);
            follow(next, path, best);
            path.pop();
        }
    }
}

//! Which lines of a text each part of a design comes from, so that what is said of the part can point at the text.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Model, UNASSIGNED};
use super::storm::Storm;

/// Lines by name, those that say the thing itself before those that only mention it.
type Lines = BTreeMap<String, Vec<usize>>;

/// Where the parts of a catalog stand in the text that it was read from; lines from 1.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Events and commands.
    pub contracts: Lines,
    /// Services.
    pub services: Lines,
    /// Consumers, sagas and projections.
    pub readers: Lines,
}

impl Origins {
    pub(super) fn of(model: &Model, storm: &Storm) -> Self {
        let mut origins = Self::default();
        for (line, outcome) in &storm.events {
            add(&mut origins.contracts, &outcome.name, *line);
        }
        for rule in &storm.rules {
            let service = rule.service.as_deref().unwrap_or(UNASSIGNED);
            add(&mut origins.services, service, rule.line);
            let waited = rule.wait.iter().flat_map(|wait| &wait.otherwise);
            let said = rule.outcomes.iter().chain(waited).map(|outcome| &outcome.name);
            for name in said.chain(rule.undoes.iter().map(|undo| &undo.with)) {
                add(&mut origins.contracts, name, rule.line);
            }
        }
        for view in &storm.views {
            add(&mut origins.readers, &view.name, view.line);
            add(&mut origins.services, view.service.as_deref().unwrap_or(UNASSIGNED), view.line);
        }
        for (name, fact) in &model.facts {
            all(&mut origins.contracts, name, &fact.lines);
        }
        for (name, reader) in &model.consumers {
            all(&mut origins.readers, name, &reader.lines);
        }
        for (name, saga) in &model.sagas {
            all(&mut origins.readers, name, &saga.lines);
        }
        origins
    }
}

fn all(lines: &mut Lines, name: &str, numbers: &BTreeSet<usize>) {
    numbers.iter().for_each(|number| add(lines, name, *number));
}

fn add(lines: &mut Lines, name: &str, number: usize) {
    let known = lines.entry(name.to_owned()).or_default();
    if !known.contains(&number) {
        known.push(number);
    }
}

//! How a newer version's payload becomes an older one's, for readers that lag: the upcast steps between them, undone
//! from the last to the first.
//!
//! A reader needs no new code for that: the steps stand in the newer contract, which the store has recorded. What a step
//! forgot is not made up: where one cannot be undone, or an example of the newer contract does not become a payload of
//! the older one, nothing is cast down. Never used to write.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contract::Contract;
use crate::schema::Shape;
use crate::upcast::{FieldPath, Step, fill_defaults};
use crate::validate::Validator;

/// The steps from one version's payload to the one before; `None` where one of them cannot be undone.
fn undone(contract: &Contract) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for step in contract.upcast.iter().rev() {
        steps.extend(undo(&step.value)?);
    }
    Some(steps)
}

/// What undoes a step: nothing for what it removed, because a reader that can do without it need not be given it.
fn undo(step: &Step) -> Option<Option<Step>> {
    let undone = match step {
        Step::Rename(fields) => {
            let back = |(path, new): &(FieldPath, String)| (path.renamed(new), path.name().to_owned());
            Step::Rename(fields.iter().rev().map(back).collect())
        }
        Step::Move(fields) => {
            Step::Move(fields.iter().rev().map(|(from, to)| (to.clone(), from.clone())).collect())
        }
        Step::Drop(_) => return Some(None),
        Step::Split { field, by, into } => {
            Step::Join { fields: into.clone(), by: by.clone(), into: field.clone() }
        }
        Step::Map { field, values, otherwise: None } => {
            let mut back = BTreeMap::new();
            for (old, new) in values {
                let new = new.as_str()?;
                if back.insert(new.to_owned(), Value::String(old.clone())).is_some() {
                    // Two old values became one.
                    return None;
                }
            }
            Step::Map { field: field.clone(), values: back, otherwise: None }
        }
        // A field that was given a value may mean something where it has another; and where a joined text is to be cut
        // is not said by what stands between its parts: they may hold the same.
        Step::Set(_) | Step::Join { .. } | Step::Map { otherwise: Some(_), .. } | Step::Code(_) => {
            return None;
        }
    };
    Some(Some(undone))
}

/// Casts a payload down over versions, newest first, to the one before the last of them.
pub(crate) fn downcast(newer: &[&Contract], known: &Contract, payload: &mut Value) -> Result<(), String> {
    for contract in newer {
        let label = contract.label();
        let steps =
            undone(contract).ok_or_else(|| format!("the upcast steps of {label} cannot be undone"))?;
        let failed = |why: String| format!("undoing the upcast steps of {label}: {why}");
        for step in steps {
            if is_without_parts(&step, payload) {
                continue;
            }
            if let Some(value) = of_no_old_value(&step, payload) {
                return Err(failed(format!("{value} means another thing in the version before")));
            }
            step.apply(payload).map_err(|error| failed(error.to_string()))?;
        }
    }
    fill_defaults(&known.payload, payload);
    Ok(())
}

/// Whether there is nothing to join: an empty text would be made up.
fn is_without_parts(step: &Step, payload: &Value) -> bool {
    matches!(step, Step::Join { fields, .. } if fields.iter().all(|field| field.get(payload).is_none()))
}

/// A value that no old one became, and that was an old one: what undoing leaves as it is would be read as that.
fn of_no_old_value(step: &Step, payload: &mut Value) -> Option<String> {
    let Step::Map { field, values, .. } = step else { return None };
    let is_old = |text: &str| values.values().any(|old| old == text);
    let mut found = None;
    field.each(payload, &mut |value| {
        let text = value.as_str().filter(|text| !values.contains_key(*text) && is_old(text));
        found = found.take().or(text.map(str::to_owned));
    });
    found
}

/// Whether payloads of the newest version become payloads of the known one: every example of it does, and there is one.
pub(crate) fn is_downcast(newer: &[&Contract], known: &Contract, validator: &Validator) -> bool {
    let Some(newest) = newer.first() else { return false };
    // Key and stream decide where an event belongs, and are no part of a payload.
    let is_elsewhere = newer.iter().any(|contract| {
        contract.category != known.category || contract.kind != known.kind || contract.upcast.is_empty()
    });
    let becomes = |example: &crate::node::Node| {
        let mut payload = example.to_json();
        downcast(newer, known, &mut payload).is_ok()
            && validator.check(payload.to_string().as_bytes()).is_ok()
    };
    let mut older = newer.iter().skip(1).copied().chain([known]);
    let adds = newer.iter().any(|contract| older.next().is_none_or(|older| adds_fields(contract, older)));
    !is_elsewhere && !adds && !newest.examples.is_empty() && newest.examples.iter().all(becomes)
}

/// Whether a version has fields that neither the one before has nor a step makes: nobody said that they may be left out.
fn adds_fields(contract: &Contract, older: &Contract) -> bool {
    let fields = |contract: &Contract| match &contract.payload.shape {
        Shape::Object(object) => object.fields.iter().map(|field| field.name.clone()).collect(),
        _ => Vec::new(),
    };
    let before = fields(older);
    let made: Vec<&str> = contract.upcast.iter().flat_map(|step| made(&step.value)).collect();
    fields(contract).iter().any(|name| !before.contains(name) && !made.contains(&name.as_str()))
}

/// The fields of a payload that a step makes.
fn made(step: &Step) -> Vec<&str> {
    match step {
        Step::Rename(fields) => fields
            .iter()
            .map(|(path, new)| if path.root() == path.name() { new.as_str() } else { path.root() })
            .collect(),
        Step::Move(fields) => fields.iter().map(|(_, to)| to.root()).collect(),
        Step::Split { into, .. } => into.iter().map(FieldPath::root).collect(),
        Step::Join { into, .. } => vec![into.root()],
        Step::Set(_) | Step::Drop(_) | Step::Map { .. } | Step::Code(_) => Vec::new(),
    }
}

//! Whether upcast steps lead from every version to the newest one, tried on the examples.
//!
//! The same for `factum contract check`, where code cannot run, and for the start of an app, where it can.

use std::borrow::Cow;

use factum_core::personal::FORGOTTEN_JSON;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::finding::Span;
use crate::personal::{Finder, replaced};
use crate::upcast::{Step, fill_defaults};
use crate::validate::Validator;

/// A step from one version to the next that does not lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpcastFault {
    /// Where it stands, in the newer contract.
    pub span: Span,
    /// What goes wrong, with which example.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Calls the function behind `code: <name>`.
pub(crate) type Call<'c> = &'c dyn Fn(&str, &mut Value) -> Result<(), String>;

/// Follows every example of every version up to the newest; without `call`, up to a step in code.
pub(crate) fn faults(catalog: &Catalog, call: Option<Call<'_>>) -> Vec<UpcastFault> {
    let mut faults = Vec::new();
    for name in catalog.names() {
        let versions: Vec<&Contract> = catalog.versions(name.as_str()).collect();
        let mut values: Vec<(String, Value)> = Vec::new();
        for pair in versions.windows(2) {
            let [old, new] = pair else { continue };
            if new.version != old.version + 1 {
                // The gap has its finding where versions are compared.
                values.clear();
                continue;
            }
            let finder = Finder::of(&old.payload);
            for (index, example) in old.examples.iter().enumerate() {
                let which = format!("example {} of {}", index + 1, old.label());
                let gone = finder.as_ref().and_then(|finder| forgotten(finder, &example.to_json_text()));
                values.extend(gone.map(|gone| (format!("{which}, its personal data forgotten,"), gone)));
                values.push((which, example.to_json()));
            }
            let has_code = new.upcast.iter().any(|step| matches!(step.value, Step::Code(_)));
            if has_code && call.is_none() {
                values.clear();
                continue;
            }
            if let Some(fault) = step(old, new, &mut values, call) {
                faults.push(fault);
                // What follows would only say the same again.
                values.clear();
            }
        }
    }
    faults
}

/// Takes values from one version to the next; the first that does not get there.
fn step(
    old: &Contract,
    new: &Contract,
    values: &mut [(String, Value)],
    call: Option<Call<'_>>,
) -> Option<UpcastFault> {
    // A broken pattern has its finding where it was read.
    let validator = Validator::of(new).ok()?;
    for (which, value) in values {
        for step in &new.upcast {
            let done = match (&step.value, call) {
                (Step::Code(name), Some(call)) => {
                    call(name, value).map_err(|error| format!("upcaster `{name}`: {error}"))
                }
                (step, _) => step.apply(value).map_err(|error| error.to_string()),
            };
            if let Err(error) = done {
                return Some(UpcastFault {
                    span: step.span,
                    message: format!("{which}: {error}"),
                    hint: None,
                });
            }
        }
        fill_defaults(&new.payload, value);
        if let Err(flaw) = validator.check(value.to_string().as_bytes()) {
            let (label, place) = (new.label(), flaw.place());
            let message = format!("{which} does not become {label}: {place}: {}", flaw.message);
            let hint = "add a step under `upcast:` that gives the field a value, a name or a place";
            let span = new.upcast.first().map_or(new.span, |step| step.span);
            return Some(UpcastFault { span, message, hint: Some(hint.to_owned()) });
        }
    }
    gap(old, new)
}

/// An example as it is once its subjects are forgotten; `None` when it has no personal data.
fn forgotten(finder: &Finder, example: &str) -> Option<Value> {
    let found = finder.find(example).ok().filter(|found| !found.values.is_empty())?;
    let marker = || Cow::Borrowed(FORGOTTEN_JSON.as_bytes());
    let gone = replaced(example.as_bytes(), found.values.into_iter().map(|value| (value.range, marker())));
    serde_json::from_slice(&gone).ok()
}

/// A version that neither reads the one before as it is, nor says how to.
#[cfg(feature = "judge")]
fn gap(old: &Contract, new: &Contract) -> Option<UpcastFault> {
    use crate::contract::Compatibility;
    use crate::judge::compare::Outcome;
    // A promise to read what came before is judged where it is made.
    let is_promised = !matches!(
        new.compatibility,
        Compatibility::None | Compatibility::Forward | Compatibility::ForwardTransitive
    );
    let is_accepted = new.allow.iter().any(|allow| allow.rule.value == "upcast");
    if is_promised || is_accepted || !new.upcast.is_empty() {
        return None;
    }
    let Outcome::Breaking(harm) = crate::judge::compare(old, new).backward else { return None };
    harm.counterexample.as_ref()?;
    let message = format!("events of {} do not become {}: {}", old.label(), new.label(), harm.why);
    let hint = format!("say under `upcast:` how a payload of {} becomes one of {}", old.label(), new.label());
    Some(UpcastFault { span: new.span, message, hint: Some(hint) })
}

#[cfg(not(feature = "judge"))]
fn gap(_: &Contract, _: &Contract) -> Option<UpcastFault> {
    None
}

//! Examples are valid, and upcast steps turn the examples of one version into payloads of the next.

use std::borrow::Cow;

use factum_core::personal::FORGOTTEN_JSON;

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::finding::Findings;
use crate::node::Node;
use crate::personal::{Finder, replaced};
use crate::upcast::Step;
use crate::validate::{Flaw, Validator};

pub(crate) fn check(catalog: &Catalog, findings: &mut Findings<'_>) {
    for contract in catalog.contracts() {
        // A broken pattern has had its finding where it was read.
        let Ok(validator) = Validator::of(contract) else { continue };
        if contract.examples.is_empty() {
            let message = format!("{} has no example", contract.label());
            let hint = "add one under `examples:`; fixtures, documents and upcasters are checked with it";
            findings.warning("no-example", contract.span, message, hint);
        }
        for example in &contract.examples {
            if let Err(flaw) = validator.check(example.to_json_text().as_bytes()) {
                report(&flaw, example, findings);
            }
        }
        if contract.version > 1
            && let Some(old) = catalog.contract(contract.name.as_str(), contract.version - 1)
        {
            upcast(old, contract, &validator, findings);
        }
    }
}

fn report(flaw: &Flaw, example: &Node, findings: &mut Findings<'_>) {
    let span = example.nearest(&flaw.path).span;
    findings.error("example", span, format!("{}: {} ({})", flaw.place(), flaw.message, flaw.rule));
}

fn upcast(old: &Contract, new: &Contract, validator: &Validator, findings: &mut Findings<'_>) {
    let first = new.upcast.first().map_or(new.span, |step| step.span);
    if new.upcast.iter().any(|step| matches!(step.value, Step::Code(_))) {
        // Code is registered with the runtime and cannot run here.
        return;
    }
    let finder = Finder::of(&old.payload);
    let forgotten = |example: &Node| forgotten(finder.as_ref()?, &example.to_json_text());
    let examples = old.examples.iter().enumerate().flat_map(|(index, example)| {
        let which = format!("example {} of {}", index + 1, old.label());
        let gone = forgotten(example).map(|gone| (format!("{which}, its personal data forgotten,"), gone));
        std::iter::once((which, example.to_json())).chain(gone)
    });
    for (which, mut payload) in examples {
        for step in &new.upcast {
            if let Err(error) = step.apply(&mut payload) {
                findings.error("upcast", step.span, format!("{which}: {error}"));
                return;
            }
        }
        if let Err(flaw) = validator.check(payload.to_string().as_bytes()) {
            let message =
                format!("{which} does not become {}: {}: {}", new.label(), flaw.place(), flaw.message);
            let hint = "add a step under `upcast:` that gives the field a value, a name or a place";
            findings.error_with_hint("upcast", first, message, hint);
            return;
        }
    }
}

/// An example as it is once its subjects are forgotten; `None` when it has no personal data.
fn forgotten(finder: &Finder, example: &str) -> Option<serde_json::Value> {
    let found = finder.find(example).ok().filter(|found| !found.values.is_empty())?;
    let marker = || Cow::Borrowed(FORGOTTEN_JSON.as_bytes());
    let gone = replaced(example.as_bytes(), found.values.into_iter().map(|value| (value.range, marker())));
    serde_json::from_slice(&gone).ok()
}

//! Examples are valid, and upcast steps turn the examples of one version into payloads of the next.

use super::upcasts;
use crate::catalog::Catalog;
use crate::finding::Findings;
use crate::node::Node;
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
    }
    for fault in upcasts::faults(catalog, None) {
        match fault.hint {
            Some(hint) => findings.error_with_hint("upcast", fault.span, fault.message, hint),
            None => findings.error("upcast", fault.span, fault.message),
        }
    }
}

fn report(flaw: &Flaw, example: &Node, findings: &mut Findings<'_>) {
    let span = example.nearest(&flaw.path).span;
    findings.error("example", span, format!("{}: {} ({})", flaw.place(), flaw.message, flaw.rule));
}

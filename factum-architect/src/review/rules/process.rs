//! Sagas: every wait has an end, every step a way back.

use factum_contract::Severity::Warning;

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{View, items, text_of, texts_of};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "saga/no-compensation",
        severity: Warning,
        profile: Recommended,
        title: "A saga of several steps has no way back.",
        why: "When a later step fails, what the earlier ones did stays: paid, and never sent.",
        bad: "# system.yaml\nsystem: shop\nservices: { orders: {} }\nsagas:\n  fulfilment: { service: orders, starts: order.placed, correlate: orderId, steps: [{ on: order.placed, then: charge.customer }, { on: payment.approved, then: reserve.stock }] }",
        good: "# system.yaml\nsystem: shop\nservices: { orders: {} }\nsagas:\n  fulfilment: { service: orders, starts: order.placed, correlate: orderId, steps: [{ on: order.placed, then: charge.customer }, { on: payment.approved, then: reserve.stock, within: 1h, otherwise: order.cancelled }, { on: stock.rejected, compensate: refund.payment }] }",
        fix: "add a step for the failure: `{ on: stock.rejected, compensate: refund.payment }`",
        check: Check::Catalog(no_compensation),
    },
    Rule {
        id: "saga/no-timeout",
        severity: Warning,
        profile: Recommended,
        title: "A saga waits for an answer without a deadline.",
        why: "The answer that never comes leaves it open for ever, and nobody is told.",
        bad: "# system.yaml\nsystem: shop\nservices: { orders: {} }\nsagas:\n  fulfilment: { service: orders, starts: order.placed, correlate: orderId, steps: [{ on: order.placed, then: charge.customer }, { on: payment.approved, then: reserve.stock }] }",
        good: "# system.yaml\nsystem: shop\nservices: { orders: {} }\nsagas:\n  fulfilment: { service: orders, starts: order.placed, correlate: orderId, steps: [{ on: order.placed, then: charge.customer }, { on: payment.approved, then: reserve.stock, within: 1h, otherwise: order.cancelled }] }",
        fix: "add `within: 1h, otherwise: …` to the step that waits",
        check: Check::Catalog(no_timeout),
    },
];

fn no_compensation(view: &View<'_>, found: &mut Found) {
    for saga in &view.sagas {
        let steps = saga.node.get("steps").map(items).unwrap_or_default();
        let sends = steps
            .iter()
            .filter(|step| step.get("then").is_some_and(|then| !texts_of(then).is_empty()))
            .count();
        let has_way_back =
            steps.iter().any(|step| step.get("compensate").is_some() || step.get("otherwise").is_some());
        if sends >= 2 && !has_way_back {
            found.at(
                saga.name.span,
                format!("the saga `{}` sends in {sends} steps, and takes none back", saga.name.text),
            );
        }
    }
}

fn no_timeout(view: &View<'_>, found: &mut Found) {
    for saga in &view.sagas {
        let steps = saga.node.get("steps").map(items).unwrap_or_default();
        let starts = saga.text("starts").map(|word| word.text);
        let waits = |step: &&factum_contract::node::Node| {
            step.get("on").and_then(text_of).map(|word| word.text) != starts
        };
        let has_deadline = steps.iter().any(|step| step.get("within").is_some());
        if let Some(first) = steps.iter().find(waits).filter(|_| !has_deadline) {
            let on = first.get("on").and_then(text_of).map_or("an event", |word| word.text);
            found.at(
                saga.name.span,
                format!("the saga `{}` waits for `{on}` without a deadline", saga.name.text),
            );
        }
    }
}

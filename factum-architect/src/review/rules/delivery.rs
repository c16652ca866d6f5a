//! How events leave, and what is claimed about it.

use factum_contract::Severity::{Error, Info, Warning};

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::View;

use super::order::envelope;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "delivery/no-outbox",
        severity: Error,
        profile: Recommended,
        title: "A service changes its data and publishes beside it.",
        why: "Between the two commits a crash loses one of them: an order that nobody hears of, or news of an order that is not there.",
        bad: "# system.yaml\nsystem: shop\nservices:\n  orders: { datastore: orders-db, emits: [order.placed], publishes: direct }",
        good: "# system.yaml\nsystem: shop\nservices:\n  orders: { datastore: orders-db, emits: [order.placed], publishes: outbox }",
        fix: "commit the event with the state (outbox, the log of the store, or change data capture), and relay it",
        check: Check::Catalog(no_outbox),
    },
    Rule {
        id: "delivery/exactly-once-claimed",
        severity: Warning,
        profile: Recommended,
        title: "A consumer with effects outside of the store claims exactly once.",
        why: "Nobody can promise it across a broker and a foreign system; code that believes it does not guard itself.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], calls: [psp], delivery: exactly-once }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], calls: [psp], delivery: at-least-once, idempotency: { by: event-id } }",
        fix: "say `at-least-once`, and hand the idempotency key to what you call",
        check: Check::Catalog(exactly_once),
    },
    Rule {
        id: "trace/no-correlation",
        severity: Warning,
        profile: Recommended,
        title: "The envelope carries nothing that ties events of one story together.",
        why: "A failure five hops later cannot be led back to its cause.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [id, type, time]",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [id, type, time, correlation, causation]",
        fix: "carry a correlation id, the id of the cause, or `traceparent`",
        check: Check::Catalog(no_correlation),
    },
    Rule {
        id: "time/no-occurred-at",
        severity: Warning,
        profile: Recommended,
        title: "Neither envelope nor payload says when it happened.",
        why: "The time of publishing is not the time of the fact: after an outage all facts of an hour look simultaneous.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [id, type]\npayload: { type: object, properties: { orderId: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [id, type, time, correlation]\npayload: { type: object, properties: { orderId: { type: string } } }",
        fix: "carry `time` in the envelope, and a field such as `placedAt` where the business time differs",
        check: Check::Catalog(no_time),
    },
    Rule {
        id: "env/expired",
        severity: Info,
        profile: Recommended,
        title: "A notification does not say until when it matters.",
        why: "A reminder that is delivered after an outage reminds of a meeting that is over.",
        bad: "# a.v1.yaml\nevent: code.sent\nversion: 1\ncategory: notification\npayload: { type: object, properties: { userId: { type: string } } }",
        good: "# a.v1.yaml\nevent: code.sent\nversion: 1\ncategory: notification\nexpires: 10m\npayload: { type: object, properties: { userId: { type: string } } }",
        fix: "add `expires: 10m`, or a field `expiresAt`",
        check: Check::Catalog(expired),
    },
];

fn no_outbox(view: &View<'_>, found: &mut Found) {
    for service in view.services.iter().filter(|service| service.text("datastore").is_some()) {
        if let Some(how) =
            service.text("publishes").filter(|how| matches!(how.text, "direct" | "after-commit"))
        {
            found.at(
                how.span,
                format!(
                    "`{}` keeps data in `{}` and publishes beside it",
                    service.name.text,
                    service.text("datastore").map_or("", |store| store.text)
                ),
            );
        }
    }
}

fn exactly_once(view: &View<'_>, found: &mut Found) {
    for consumer in view.consumers.iter().filter(|consumer| !consumer.texts("calls").is_empty()) {
        if let Some(claim) = consumer.text("delivery").filter(|claim| claim.text == "exactly-once") {
            let called: Vec<&str> = consumer.texts("calls").iter().map(|word| word.text).collect();
            found.at(
                claim.span,
                format!("`{}` claims exactly once, and calls {}", consumer.name.text, called.join(", ")),
            );
        }
    }
}

fn no_correlation(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some((carried, span)) = envelope(view, contract) else { continue };
        let ties = ["correlation", "causation", "traceparent", "correlationid", "causationid", "trace"];
        if !carried.iter().any(|one| ties.contains(one)) {
            found.at(span, format!("the envelope of {} ties it to nothing", contract.label()));
        }
    }
}

fn no_time(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some((carried, span)) = envelope(view, contract) else { continue };
        if !carried.contains(&"time") && !contract.top().any(|field| field.is_named_time()) {
            found.at(span, format!("{} does not say when it happened", contract.label()));
        }
    }
}

fn expired(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| event.category() == "notification") {
        let has_end = event.top().any(|field| {
            let name = field.name.text.to_lowercase();
            name.contains("expir")
                || name.contains("validuntil")
                || name == "ttl"
                || name.contains("deadline")
        });
        if event.node.get("expires").is_none() && !has_end {
            found
                .at(event.place("category"), format!("{} does not say until when it matters", event.label()));
        }
    }
}

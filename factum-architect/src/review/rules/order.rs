//! Ids and order: each event once, and events of one thing one after the other.

use factum_contract::Severity::{Error, Warning};

use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{ContractView, View, text_of, texts_of};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "id/no-event-id",
        severity: Error,
        profile: Recommended,
        title: "The envelope has no unique id.",
        why: "Nobody can tell a repetition from a second event, so nobody can handle each once.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [type, time]",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nenvelope: [id, type, time, correlation]",
        fix: "carry an id that the producer makes once for each event",
        check: Check::Catalog(no_id),
    },
    Rule {
        id: "id/retry-new-id",
        severity: Error,
        profile: Recommended,
        title: "A producer gives an event a new id each time it tries to send it.",
        why: "Its repetitions then look like new events, and every dedupe lets them through.",
        bad: "# system.yaml\nsystem: shop\nservices:\n  orders: { emits: [order.placed], ids: per-attempt }",
        good: "# system.yaml\nsystem: shop\nservices:\n  orders: { emits: [order.placed], ids: stable }",
        fix: "make the id where the event is decided, and store it with the event",
        check: Check::Catalog(new_id),
    },
    Rule {
        id: "order/undeclared",
        severity: Warning,
        profile: Recommended,
        title: "An event says nothing about order, by `ordering` or by `key`.",
        why: "Consumers then guess, and the guess holds until the topic gets its second partition.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nkey: orderId\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "name the `key` whose events stay in order, or say `ordering: none`",
        check: Check::Catalog(undeclared),
    },
    Rule {
        id: "order/key-missing",
        severity: Error,
        profile: Recommended,
        title: "Order per key is promised without a key that every event has.",
        why: "Events without it are spread at random: the order is not real.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nordering: per-key\nkey: orderId\npayload: { type: object, properties: { orderId: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nordering: per-key\nkey: orderId\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "make the key a required field",
        check: Check::Catalog(key_missing),
    },
    Rule {
        id: "order/key-is-event-id",
        severity: Warning,
        profile: Recommended,
        title: "The partition key is the event's own id, or a time.",
        why: "Every event then has a key of its own: what belongs to one order lands on all partitions.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nkey: eventId\npayload: { type: object, required: [eventId], properties: { eventId: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nkey: orderId\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "use the id of the thing that the event is about",
        check: Check::Catalog(key_is_event),
    },
    Rule {
        id: "order/data-change-no-sequence",
        severity: Error,
        profile: Recommended,
        title: "A data-change event has no number that grows with each change.",
        why: "A replica that meets two changes in the wrong order keeps the older one for ever.",
        bad: "# a.v1.yaml\nevent: product.updated\nversion: 1\ncategory: data-change\nordering: none\npayload: { type: object, required: [productId], properties: { productId: { type: string } } }",
        good: "# a.v1.yaml\nevent: product.updated\nversion: 1\ncategory: data-change\nordering: none\npayload: { type: object, required: [productId, revision], properties: { productId: { type: string }, revision: { type: integer } } }",
        fix: "add `revision: { type: integer }` (or `sequence`, `version`), required",
        check: Check::Catalog(no_sequence),
    },
    Rule {
        id: "order/timestamp-as-order",
        severity: Warning,
        profile: Recommended,
        title: "A time is used as order.",
        why: "Clocks of two machines disagree, and two events may share a millisecond.",
        bad: "# a.v1.yaml\nevent: product.updated\nversion: 1\nsequence: updatedAt\npayload: { type: object, required: [updatedAt], properties: { updatedAt: { type: string, format: date-time } } }",
        good: "# a.v1.yaml\nevent: product.updated\nversion: 1\nsequence: revision\npayload: { type: object, required: [revision], properties: { revision: { type: integer } } }",
        fix: "use a number that the owner of the thing counts up",
        check: Check::Catalog(time_as_order),
    },
    Rule {
        id: "order/retry-topic-breaks",
        severity: Error,
        profile: Recommended,
        title: "A consumer needs order, and sets failed events aside while later ones of the key go on.",
        why: "After one failure `order.cancelled` is handled before `order.placed`: the promised order is lost when it matters.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nordering: per-key\nkey: orderId\n# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { topic: order.retry } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nordering: per-key\nkey: orderId\n# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { attempts: 8 }, dead_letters: { on_dead: hold } }",
        fix: "hold the key while its event waits (`on_dead: hold`, no retry topic), or say `ordering: none`",
        check: Check::Catalog(retry_breaks),
    },
    Rule {
        id: "order/cross-topic-assumption",
        severity: Warning,
        profile: Recommended,
        title: "A consumer expects an order of events that travel on different topics.",
        why: "No broker orders two topics: the second may be read an hour before the first.",
        bad: "# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed, order.paid], expects_order: [order.placed, order.paid] }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders\n# b.v1.yaml\nevent: order.paid\nversion: 1\ntopic: orders\n# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed, order.paid], expects_order: [order.placed, order.paid] }",
        fix: "put them on one topic with one key, or wait for both in a saga",
        check: Check::Catalog(cross_topic),
    },
    Rule {
        id: "order/total",
        severity: Warning,
        profile: Strict,
        title: "Total order is promised on a topic of several partitions.",
        why: "Total order means one partition and one consumer at a time; with more it is not kept.",
        bad: "# a.v1.yaml\nevent: invoice.issued\nversion: 1\nordering: total\ntopic: invoices\n# system.yaml\nsystem: shop\ntopics: { invoices: { partitions: 6 } }",
        good: "# a.v1.yaml\nevent: invoice.issued\nversion: 1\nordering: total\ntopic: invoices\n# system.yaml\nsystem: shop\ntopics: { invoices: { partitions: 1 } }",
        fix: "give the topic one partition, or promise order per key",
        check: Check::Catalog(total),
    },
];

/// What the envelope of a contract carries, where it says so.
pub(super) fn envelope<'d>(
    view: &View<'d>,
    contract: &ContractView<'d>,
) -> Option<(Vec<&'d str>, factum_contract::Span)> {
    let node = contract.node.get("envelope").or_else(|| view.default_of("envelope"))?;
    Some((texts_of(node).into_iter().map(|word| word.text).collect(), node.span))
}

fn no_id(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        if let Some((_, span)) = envelope(view, contract).filter(|(all, _)| !all.contains(&"id")) {
            found.at(span, format!("the envelope of {} has no id", contract.label()));
        }
    }
}

fn new_id(view: &View<'_>, found: &mut Found) {
    for service in &view.services {
        if let Some(ids) = service.text("ids").filter(|ids| ids.text == "per-attempt") {
            found.at(ids.span, format!("`{}` makes a new id for each attempt", service.name.text));
        }
    }
}

fn undeclared(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        if event.payload().is_some() && event.text("ordering").is_none() && event.text("key").is_none() {
            found.at(event.name.span, format!("{} says nothing about order", event.label()));
        }
    }
}

fn key_missing(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let is_keyed = contract.text("ordering").map_or("per-key", |word| word.text) == "per-key";
        if !is_keyed || contract.payload().is_none() {
            continue;
        }
        let Some(key) = contract.text("key") else {
            if let Some(ordering) = contract.text("ordering") {
                found.at(
                    ordering.span,
                    format!("{} promises order per key, and has no key", contract.label()),
                );
            }
            continue;
        };
        match contract.field(key.text.split('.').next().unwrap_or_default()) {
            Some(field) if field.is_required => {}
            Some(_) => {
                found.at(key.span, format!("the key `{}` of {} is not required", key.text, contract.label()))
            }
            None => found
                .at(key.span, format!("the key `{}` of {} is no field of it", key.text, contract.label())),
        }
    }
}

fn key_is_event(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(key) = contract.text("key") else { continue };
        let is_event = matches!(key.text, "eventId" | "event_id" | "messageId" | "message_id");
        let is_time = contract.field(key.text).is_some_and(|field| field.is_named_time());
        if is_event || is_time {
            let what = if is_time { "a time" } else { "the event itself" };
            found.at(key.span, format!("{} is keyed by {what}: `{}`", contract.label(), key.text));
        }
    }
}

fn no_sequence(view: &View<'_>, found: &mut Found) {
    const COUNTS: [&str; 8] =
        ["revision", "sequence", "version", "seq", "sequenceNumber", "lsn", "changeNumber", "generation"];
    for event in view.events().filter(|event| event.category() == "data-change" && event.payload().is_some())
    {
        let counts = event.top().any(|field| {
            COUNTS.contains(&field.name.text)
                || field.name.text.ends_with("Version")
                || field.name.text.ends_with("Sequence")
        });
        // With a key, the store numbers the events of a thing.
        let is_keyed =
            event.text("key").is_some() && event.text("ordering").is_none_or(|word| word.text == "per-key");
        if !counts && !is_keyed && event.text("sequence").is_none() {
            found.at(
                event.name.span,
                format!("{} reports a change without a number that grows", event.label()),
            );
        }
    }
}

fn time_as_order(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(sequence) = contract.text("sequence") else { continue };
        if contract
            .field(sequence.text)
            .is_some_and(|field| field.is_named_time() || field.text("format") == Some("date-time"))
        {
            found.at(
                sequence.span,
                format!("{} is ordered by the time `{}`", contract.label(), sequence.text),
            );
        }
    }
}

fn retry_breaks(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let strict = consumer.texts("on").into_iter().find(|taken| {
            let contract = view.contract(taken.text);
            contract.and_then(|contract| contract.text("ordering")).is_some_and(|word| word.text != "none")
        });
        let Some(strict) = strict else { continue };
        let topic = consumer.node.get("retry").and_then(|retry| retry.get("topic")).and_then(text_of);
        let skips =
            consumer.node.get("dead_letters").and_then(|letters| letters.get("on_dead")).and_then(text_of);
        if let Some(topic) = topic {
            found.at(
                topic.span,
                format!(
                    "`{}` needs the order of `{}`, and retries beside it on `{}`",
                    consumer.name.text, strict.text, topic.text
                ),
            );
        } else if let Some(skips) = skips.filter(|word| word.text == "skip") {
            found.at(
                skips.span,
                format!(
                    "`{}` needs the order of `{}`, and goes on past a dead letter",
                    consumer.name.text, strict.text
                ),
            );
        }
    }
}

fn cross_topic(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let expected = consumer.texts("expects_order");
        let topic = |name: &'_ str| {
            view.contract(name).map_or_else(|| name.to_owned(), |contract| contract.topic().to_owned())
        };
        if expected.windows(2).any(|pair| topic(pair[0].text) != topic(pair[1].text)) {
            let names: Vec<&str> = expected.iter().map(|word| word.text).collect();
            found.at(
                consumer.place("expects_order"),
                format!(
                    "`{}` expects {} in this order, on different topics",
                    consumer.name.text,
                    names.join(", ")
                ),
            );
        }
    }
}

fn total(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(ordering) = contract.text("ordering").filter(|word| word.text == "total") else { continue };
        let partitions = view
            .topic(contract.topic())
            .and_then(|topic| topic.node.get("partitions"))
            .and_then(crate::review::view::number_of);
        if partitions.is_some_and(|count| count > 1) {
            found.at(
                ordering.span,
                format!(
                    "{} promises total order on {} partitions",
                    contract.label(),
                    partitions.unwrap_or(0)
                ),
            );
        }
    }
}

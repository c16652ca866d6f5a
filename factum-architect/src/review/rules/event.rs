//! What an event is for: a fact with its key, that somebody waits for.

use std::collections::BTreeMap;

use factum_contract::Severity::{Error, Info, Warning};

use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{ContractView, End, View};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "event/clickbait",
        severity: Warning,
        profile: Recommended,
        title: "An event carries ids alone, and a consumer calls the producer to learn the rest.",
        why: "Every event becomes a request: the producer must be up, and answers with what is true now, not with what was true then.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed], calls: [orders-api] } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, required: [orderId], properties: { orderId: { type: string }, customerName: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed], calls: [smtp] } }",
        fix: "put into the event what its readers need to act",
        check: Check::Catalog(clickbait),
    },
    Rule {
        id: "event/callback-query",
        severity: Warning,
        profile: Recommended,
        title: "A consumer calls the producer of what it handles.",
        why: "The event only rings a bell: both must be up at once, and the load comes back as calls.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed], calls: [orders-api] } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed], calls: [smtp] } }",
        fix: "carry the facts in the event, or keep a projection of what the consumer needs",
        check: Check::Catalog(callback),
    },
    Rule {
        id: "event/mixed-roles",
        severity: Warning,
        profile: Recommended,
        title: "A payload holds what belongs to the envelope, or one field has two roles.",
        why: "Ids, types and traces of the envelope are repeated in the payload and drift apart from it; a field that identifies here and informs there cannot be joined.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string }, eventId: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string } } }",
        fix: "leave the envelope's fields to the envelope, or say `role: metadata`",
        check: Check::Catalog(roles),
    },
    Rule {
        id: "event/no-business-key",
        severity: Error,
        profile: Recommended,
        title: "An event names no thing that it is about.",
        why: "Without a key it cannot be routed in order, told from its repetition, or joined with anything.",
        bad: "# a.v1.yaml\nevent: price.raised\nversion: 1\npayload: { type: object, properties: { price: { type: string } } }",
        good: "# a.v1.yaml\nevent: price.raised\nversion: 1\nkey: productId\npayload: { type: object, required: [productId], properties: { productId: { type: string }, price: { type: string } } }",
        fix: "name the field of its thing: `key: productId`",
        check: Check::Catalog(no_key),
    },
    Rule {
        id: "event/view-model",
        severity: Info,
        profile: Recommended,
        title: "A payload is made for a screen or a report.",
        why: "Screens change weekly, contracts should not; and other readers cannot use labels and pages.",
        bad: "# a.v1.yaml\nevent: cart.priced\nversion: 1\npayload: { type: object, properties: { cartId: { type: string }, htmlBody: { type: string }, buttonLabel: { type: string } } }",
        good: "# a.v1.yaml\nevent: cart.priced\nversion: 1\npayload: { type: object, properties: { cartId: { type: string }, total: { type: string } } }",
        fix: "send the facts; let a projection shape them",
        check: Check::Catalog(view_model),
    },
    Rule {
        id: "event/chatty",
        severity: Warning,
        profile: Recommended,
        title: "One thing has an event for each of its fields, or a high rate for one reader.",
        why: "One decision becomes five events that readers must put together again, in an order that nobody promised.",
        bad: "# a.v1.yaml\nevent: customer.name.changed\nversion: 1\n# b.v1.yaml\nevent: customer.phone.changed\nversion: 1\n# c.v1.yaml\nevent: customer.street.changed\nversion: 1",
        good: "# a.v1.yaml\nevent: customer.moved\nversion: 1\n# b.v1.yaml\nevent: customer.renamed\nversion: 1",
        fix: "send one event for each decision (`customer.moved`), with all that it changed",
        check: Check::Both(chatty, crate::sources::rules::names::chatty),
    },
    Rule {
        id: "event/no-consumer",
        severity: Warning,
        profile: Recommended,
        title: "Nobody takes an event.",
        why: "It costs its producer a promise for ever, and helps nobody.",
        bad: "# a.v1.yaml\nevent: order.viewed\nversion: 1\n# b.v1.yaml\nevent: order.placed\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.viewed, order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        good: "# b.v1.yaml\nevent: order.placed\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        fix: "retire it with `lifecycle: { deprecated: … }`, or say who reads it: `audience: partner`, a projection, an `allow` for audits",
        check: Check::Catalog(no_consumer),
    },
    Rule {
        id: "event/no-producer",
        severity: Error,
        profile: Recommended,
        title: "An event is taken, and sent by nobody known.",
        why: "The consumer waits for ever; nothing fails, nothing happens.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: {}, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        fix: "add it to `emits` of the service or consumer that sends it",
        check: Check::Catalog(no_producer),
    },
    Rule {
        id: "event/single-consumer-command",
        severity: Info,
        profile: Recommended,
        title: "An event has one consumer, and its summary asks for an action.",
        why: "What is meant for one handler that must act is a command: it deserves a refusal and an owner of its failure.",
        bad: "# a.v1.yaml\nevent: order.readied\nversion: 1\nsummary: Tells the warehouse to ship the order.\nowner: orders\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.readied] }, warehouse: {} }\nconsumers: { warehouse.ship: { service: warehouse, on: [order.readied] } }",
        good: "# a.v1.yaml\nevent: order.readied\nversion: 1\nsummary: All items of an order are packed.\nowner: orders\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.readied] }, warehouse: {} }\nconsumers: { warehouse.ship: { service: warehouse, on: [order.readied] } }",
        fix: "say what happened instead of what to do, or make it a command",
        check: Check::Catalog(single),
    },
    Rule {
        id: "scope/audience-missing",
        severity: Info,
        profile: Strict,
        title: "A contract does not say who may build on it.",
        why: "The audience decides how bad a breaking change is, and how personal data is judged. It is `company` unless said.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\naudience: domain",
        fix: "add `audience: component | domain | company | partner | public`",
        check: Check::Catalog(audience),
    },
];

/// What a consumer calls that belongs to a service: `orders`, `orders-api`, `http://orders/…`.
pub(super) fn calls_of<'d>(end: &End<'d>, service: &str) -> Option<crate::review::view::Word<'d>> {
    let calls = end.part.map(|part| part.texts("calls")).unwrap_or_default();
    calls.into_iter().find(|call| {
        let rest = call.text.strip_prefix(service);
        rest.is_some_and(|rest| {
            rest.is_empty()
                || ["-api", "-http", "-rest", "-grpc", "-service", ".api", " api", "/", "-http-api"]
                    .iter()
                    .any(|end| rest.starts_with(end))
        })
    })
}

/// Consumers that call who sent them the event.
fn callers<'v, 'd>(
    view: &'v View<'d>,
    event: &'v ContractView<'d>,
) -> impl Iterator<Item = (&'v End<'d>, crate::review::view::Word<'d>)> {
    let senders = view.sending(event.name.text);
    view.taking(event.name.text).iter().filter_map(move |end| {
        let mut others = senders.iter().filter(|sender| **sender != end.service);
        others.find_map(|sender| calls_of(end, sender)).map(|call| (end, call))
    })
}

fn is_thin(event: &ContractView<'_>) -> bool {
    let mut facts = event
        .top()
        .filter(|field| !field.is_identifier() && !field.is_named_time() && field.role() != Some("metadata"));
    event.top().next().is_some() && facts.next().is_none()
}

fn clickbait(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| is_thin(event)) {
        if let Some((end, call)) = callers(view, event).next() {
            let who = end.part.map_or(end.service, |part| part.name.text);
            found.at(
                event.place("payload"),
                format!("{} carries ids alone, so `{who}` calls `{}`", event.label(), call.text),
            );
        }
    }
}

fn callback(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| !is_thin(event)) {
        for (end, call) in callers(view, event) {
            let who = end.part.map_or(end.service, |part| part.name.text);
            found.at(
                call.span,
                format!("`{who}` handles {} and calls its producer: `{}`", event.label(), call.text),
            );
        }
    }
}

fn roles(view: &View<'_>, found: &mut Found) {
    const OF_ENVELOPES: [&str; 11] = [
        "eventId",
        "event_id",
        "eventType",
        "event_type",
        "correlationId",
        "correlation_id",
        "causationId",
        "causation_id",
        "traceparent",
        "schemaVersion",
        "messageId",
    ];
    let mut roles: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    for contract in view.latest() {
        for field in contract.top() {
            if OF_ENVELOPES.contains(&field.name.text) && field.role() != Some("metadata") {
                found.at(
                    field.span(),
                    format!("`{}` of {} belongs to the envelope", field.name.text, contract.label()),
                );
            }
            let Some(role) = field.role().filter(|role| matches!(*role, "identifier" | "fact")) else {
                continue;
            };
            let (before, place) =
                roles.entry(field.name.text).or_insert_with(|| (role, contract.label())).clone();
            if before != role {
                found.at(
                    field.span(),
                    format!(
                        "`{}` is `{role}` in {}, and `{before}` in {place}",
                        field.name.text,
                        contract.label()
                    ),
                );
            }
        }
    }
}

fn no_key(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| event.payload().is_some() && event.text("key").is_none()) {
        let has_id = event.fields.iter().any(|field| field.is_identifier());
        if !has_id && event.top().next().is_some() {
            found.at(event.name.span, format!("{} has no key, and no id in its payload", event.label()));
        }
    }
}

fn view_model(view: &View<'_>, found: &mut Found) {
    const OF_SCREENS: [&str; 13] = [
        "html",
        "htmlBody",
        "css",
        "buttonLabel",
        "buttonText",
        "screen",
        "widget",
        "pageNumber",
        "pageSize",
        "sortOrder",
        "columnHeaders",
        "iconUrl",
        "cssClass",
    ];
    for event in view.events() {
        if let Some(field) = event.fields.iter().find(|field| OF_SCREENS.contains(&field.name.text)) {
            found.at(field.span(), format!("`{}` of {} is made for a screen", field.path, event.label()));
        }
    }
}

fn chatty(view: &View<'_>, found: &mut Found) {
    let mut groups: BTreeMap<String, Vec<&ContractView<'_>>> = BTreeMap::new();
    for event in view.events().filter(|event| event.category() != "data-change") {
        let is_change = event.words.last().is_some_and(|last| matches!(last.as_str(), "changed" | "updated"));
        if is_change && event.words.len() >= 3 {
            groups.entry(event.words[..event.words.len() - 2].join(".")).or_default().push(event);
        }
    }
    for (prefix, events) in groups.iter().filter(|(_, events)| events.len() >= 3) {
        let names: Vec<&str> = events.iter().map(|event| event.name.text).collect();
        found
            .at(events[0].name.span, format!("`{prefix}` has an event for each field: {}", names.join(", ")));
    }
    for event in view.events() {
        let Some(rate) = event.text("rate") else { continue };
        let per_second = rate.text.strip_suffix("/s").and_then(|count| count.parse::<u64>().ok());
        if per_second.is_some_and(|count| count >= 100) && view.taking(event.name.text).len() <= 1 {
            found.at(rate.span, format!("{} flows at {} for one reader at most", event.label(), rate.text));
        }
    }
}

fn no_consumer(view: &View<'_>, found: &mut Found) {
    // A catalog without any consumer is one of contracts alone: who reads is not its subject.
    if view.consumers.is_empty() && view.projections.is_empty() && view.sagas.is_empty() {
        return;
    }
    for event in view.events() {
        // Facts of one component alone may be what its own state is made of.
        let is_for_others =
            event.is_public() || event.category() == "integration" || event.audience() == "component";
        let is_leaving = event.day("deprecated").is_some();
        let is_sent = view.senders.contains_key(event.name.text);
        if is_sent && !is_for_others && !is_leaving && view.taking(event.name.text).is_empty() {
            found.at(event.name.span, format!("nobody takes {}", event.label()));
        }
    }
}

fn no_producer(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(taker) = view.taking(contract.name.text).first() else { continue };
        // What a partner or another system sends comes from outside of the catalog.
        let is_foreign = contract.category() == "integration";
        if !view.senders.contains_key(contract.name.text) && !is_foreign {
            let who = taker.part.map_or(taker.service, |part| part.name.text);
            found.at(
                taker.span,
                format!("`{who}` takes `{}`, which nobody is known to send", contract.name.text),
            );
        }
    }
    // A name without a contract is a slip of the pen, or an event that somebody hopes for.
    if view.contracts.is_empty() {
        return;
    }
    for (name, takers) in &view.takers {
        let is_of_the_runtime = ["subject.forgotten", "stream.closed", "stream.reopened"].contains(name)
            || name.starts_with("saga.");
        if view.contract(name).is_some() || view.senders.contains_key(name) || is_of_the_runtime {
            continue;
        }
        if let Some(taker) = takers.first() {
            let who = taker.part.map_or(taker.service, |part| part.name.text);
            found.at(
                taker.span,
                format!("`{who}` takes `{name}`, which has no contract, and nobody is known to send"),
            );
        }
    }
}

fn single(view: &View<'_>, found: &mut Found) {
    const ASKS: [&str; 9] = [
        "tells ",
        "asks ",
        "requests ",
        "instructs ",
        "triggers ",
        "orders ",
        "please ",
        "makes ",
        "causes ",
    ];
    for event in view.events() {
        let Some(summary) = event.text("summary") else { continue };
        let said = summary.text.to_lowercase();
        if ASKS.iter().any(|word| said.starts_with(word)) && view.taking(event.name.text).len() == 1 {
            found.at(
                summary.span,
                format!("{} has one consumer, and its summary asks for an action", event.label()),
            );
        }
    }
}

fn audience(view: &View<'_>, found: &mut Found) {
    for contract in view.latest().filter(|contract| contract.text("audience").is_none()) {
        found.at(contract.name.span, format!("{} does not say who may build on it", contract.label()));
    }
}

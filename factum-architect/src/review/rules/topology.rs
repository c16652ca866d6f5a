//! The shape of a system: who waits for whom, loops, hubs and hidden calls.

use std::collections::{BTreeMap, BTreeSet};

use factum_contract::Severity::{Error, Info, Warning};

use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{By, Cause, View, text_of};
use crate::review::words;

/// Longest chain of events that people can still explain without a saga.
const HOPS_MAX: usize = 4;
/// Fewest events of a system in which a hub means anything.
const HUB_EVENTS_MIN: usize = 10;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "topo/cycle",
        severity: Error,
        profile: Recommended,
        title: "Events of several services cause each other in a loop, and nothing says why it ends.",
        why: "One event then keeps the system busy for ever; a retry in the loop multiplies it.",
        bad: "# system.yaml\nsystem: shop\nservices: { a: {}, b: {} }\nconsumers:\n  a.price: { service: a, on: [cost.raised], emits: [price.raised] }\n  b.cost: { service: b, on: [price.raised], emits: [cost.raised] }",
        good: "# system.yaml\nsystem: shop\nservices: { a: {}, b: {} }\nconsumers:\n  a.price: { service: a, on: [cost.raised], emits: [price.raised] }\n  b.cost: { service: b, on: [price.raised], emits: [cost.raised], ends: Costs follow a price at most once a day. }",
        fix: "break the loop, let a saga lead it, or say on one of its consumers why it comes to an end: `ends: …`",
        check: Check::Catalog(cycle),
    },
    Rule {
        id: "topo/request-response",
        severity: Warning,
        profile: Recommended,
        title: "Two services ask and answer by a pair of events.",
        why: "It is a call with two topics: the asker waits, the answer times out, and neither event is a fact for anybody else.",
        bad: "# a.v1.yaml\nevent: price.requested\nversion: 1\n# b.v1.yaml\nevent: price.responded\nversion: 1\n# system.yaml\nsystem: shop\nservices: { cart: { emits: [price.requested] }, prices: {} }\nconsumers:\n  prices.answer: { service: prices, on: [price.requested], emits: [price.responded] }\n  cart.take: { service: cart, on: [price.responded] }",
        good: "# a.v1.yaml\nevent: price.raised\nversion: 1\n# system.yaml\nsystem: shop\nservices: { prices: { emits: [price.raised] }, cart: {} }\nprojections:\n  cart_prices: { service: cart, on: [price.raised] }",
        fix: "call it where an answer is needed now; or publish the facts, and let the asker keep a projection",
        check: Check::Catalog(request_response),
    },
    Rule {
        id: "topo/sync-wait",
        severity: Error,
        profile: Recommended,
        title: "A producer waits for the reaction to its event.",
        why: "Both must be up and quick at once: a call with the failures of a bus on top.",
        bad: "# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed], waits_for: [payment.approved] }, payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], emits: [payment.approved] }",
        good: "# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], emits: [payment.approved] }\n  orders.paid: { service: orders, on: [payment.approved] }",
        fix: "answer at once that it is under way, and react to the outcome in a consumer or a saga",
        check: Check::Catalog(sync_wait),
    },
    Rule {
        id: "topo/lockstep",
        severity: Warning,
        profile: Recommended,
        title: "A consumer acts only when events of several producers have come.",
        why: "Who remembers the first while the second is late? Without a saga, nobody, and nobody sees what is stuck.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: { emits: [order.paid] }, stock: { emits: [stock.reserved] }, shipping: {} }\nconsumers:\n  shipping.send: { service: shipping, on: [order.paid, stock.reserved], waits_for: [order.paid, stock.reserved] }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: { emits: [order.paid] }, stock: { emits: [stock.reserved] }, shipping: {} }\nsagas:\n  shipping: { service: shipping, starts: order.paid, correlate: orderId, steps: [{ on: stock.reserved, then: send.parcel, within: 2h, otherwise: cancel.order }] }",
        fix: "make it a saga: it remembers, and has a deadline",
        check: Check::Catalog(lockstep),
    },
    Rule {
        id: "topo/long-chain",
        severity: Warning,
        profile: Recommended,
        title: "A story goes over more than 4 events and services, and no saga tells it.",
        why: "Nobody can say where it stands, or who repairs it when it stops in the middle.",
        bad: "# system.yaml\nsystem: shop\nservices: { a: {}, b: {}, c: {}, d: {}, e: {}, f: {} }\nconsumers:\n  b.x: { service: b, on: [one.done], emits: [two.done] }\n  c.x: { service: c, on: [two.done], emits: [three.done] }\n  d.x: { service: d, on: [three.done], emits: [four.done] }\n  e.x: { service: e, on: [four.done], emits: [five.done] }\n  f.x: { service: f, on: [five.done], emits: [six.done] }",
        good: "# system.yaml\nsystem: shop\nservices: { a: {}, b: {}, c: {} }\nconsumers:\n  b.x: { service: b, on: [one.done], emits: [two.done] }\n  c.x: { service: c, on: [two.done], emits: [three.done] }",
        fix: "let a saga own the story, or merge steps that belong together",
        check: Check::Catalog(long_chain),
    },
    Rule {
        id: "topo/hub",
        severity: Warning,
        profile: Recommended,
        title: "One service sends or takes most events of the system.",
        why: "It knows everything, changes for every reason and fails for everybody.",
        bad: "# system.yaml\nsystem: shop\nservices: { god: { emits: [a.done, b.done, c.done, d.done, e.done, f.done, g.done, h.done] }, x: { emits: [i.done] }, y: { emits: [j.done] }, z: { emits: [k.done] } }",
        good: "# system.yaml\nsystem: shop\nservices: { w: { emits: [a.done, b.done, c.done] }, x: { emits: [d.done, e.done, i.done] }, y: { emits: [f.done, g.done, j.done] }, z: { emits: [h.done, k.done] } }",
        fix: "cut it by what changes together",
        check: Check::Catalog(hub),
    },
    Rule {
        id: "topo/private-topic",
        severity: Info,
        profile: Recommended,
        title: "An event for everybody is sent and taken within one service.",
        why: "A promise to the whole company that nobody needs still has to be kept.",
        bad: "# a.v1.yaml\nevent: cart.priced\nversion: 1\naudience: company\nowner: cart\n# system.yaml\nsystem: shop\nservices: { cart: { emits: [cart.priced] } }\nconsumers:\n  cart.show: { service: cart, on: [cart.priced] }",
        good: "# a.v1.yaml\nevent: cart.priced\nversion: 1\naudience: component\nowner: cart\n# system.yaml\nsystem: shop\nservices: { cart: { emits: [cart.priced] } }\nconsumers:\n  cart.show: { service: cart, on: [cart.priced] }",
        fix: "say `audience: component` until somebody else asks",
        check: Check::Catalog(private_topic),
    },
    Rule {
        id: "topo/shared-db",
        severity: Error,
        profile: Recommended,
        title: "Two services that exchange events share a datastore.",
        why: "The tables are the real contract, without owner and version; each can break the other silently.",
        bad: "# system.yaml\nsystem: shop\nservices:\n  orders: { datastore: main-db, emits: [order.placed] }\n  mail: { datastore: main-db }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed] }",
        good: "# system.yaml\nsystem: shop\nservices:\n  orders: { datastore: orders-db, emits: [order.placed] }\n  mail: { datastore: mail-db }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed] }",
        fix: "give each its own, and carry in the event what the other reads there",
        check: Check::Catalog(shared_db),
    },
    Rule {
        id: "topo/internal-event-public",
        severity: Error,
        profile: Recommended,
        title: "An event for one component is taken outside of it.",
        why: "Its owner may change it freely, since nobody outside reads it; somebody does.",
        bad: "# a.v1.yaml\nevent: cart.priced\nversion: 1\naudience: component\nowner: cart\n# system.yaml\nsystem: shop\nservices: { cart: { emits: [cart.priced] }, mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [cart.priced] }",
        good: "# a.v1.yaml\nevent: cart.priced\nversion: 1\naudience: company\nowner: cart\n# system.yaml\nsystem: shop\nservices: { cart: { emits: [cart.priced] }, mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [cart.priced] }",
        fix: "widen the audience and keep the promise, or publish a second event made for outside",
        check: Check::Catalog(internal_public),
    },
    Rule {
        id: "topo/consumer-names-producer",
        severity: Warning,
        profile: Recommended,
        title: "An event, or its topic, is addressed to its consumer.",
        why: "The producer knows who reads, so each new reader changes the producer.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\ntopic: orders-to-mail\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed] }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\ntopic: orders\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed] }",
        fix: "name the topic after what flows through it",
        check: Check::Catalog(names_consumer),
    },
    Rule {
        id: "topo/overkill",
        severity: Info,
        profile: Strict,
        title: "Events travel between parts of one service alone, each to one consumer.",
        why: "A function call would do: no broker, no contract, no retry to think about.",
        bad: "# system.yaml\nsystem: shop\nservices: { shop: { emits: [cart.filled, order.placed] } }\nconsumers:\n  shop.price: { service: shop, on: [cart.filled] }\n  shop.mail: { service: shop, on: [order.placed] }",
        good: "# system.yaml\nsystem: shop\nservices: { shop: { emits: [cart.filled, order.placed] }, mail: {} }\nconsumers:\n  mail.offers: { service: mail, on: [cart.filled] }\n  mail.letters: { service: mail, on: [order.placed] }",
        fix: "call it, unless history, retries or load are the reason: then accept this with that reason",
        check: Check::Catalog(overkill),
    },
];

/// A loop is one event after another until the first comes again, with nothing that remembers on the way.
///
/// A saga remembers: an instance that is told twice of one thing goes on from where it stands, so what it answers ends no
/// sooner or later than its steps do. Only when the event that *starts* one comes round does another begin.
fn cycle(view: &View<'_>, found: &mut Found) {
    let ended: BTreeSet<&str> = view
        .consumers
        .iter()
        .filter(|part| part.node.get("ends").is_some())
        .flat_map(|part| part.texts("emits"))
        .map(|word| word.text)
        .collect();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for is_certain in [true, false] {
        let follows = |cause: &&Cause<'_>, start: &str| match cause.by {
            _ if ended.contains(cause.to) => false,
            By::Consumer => true,
            By::BusyConsumer => !is_certain,
            By::Saga(starts) => starts == Some(start),
        };
        let starts: BTreeSet<&str> = view.causes.iter().map(|cause| cause.from).collect();
        for start in starts {
            if told.contains(start) {
                continue;
            }
            let mut next: BTreeMap<&str, BTreeMap<&str, &Cause<'_>>> = BTreeMap::new();
            for cause in view.causes.iter().filter(|cause| follows(cause, start)) {
                next.entry(cause.from).or_default().insert(cause.to, cause);
            }
            let Some(way) = way_back(start, &next) else { continue };
            let edges: Vec<&Cause<'_>> =
                way.windows(2).filter_map(|pair| next.get(pair[0])?.get(pair[1]).copied()).collect();
            let services: BTreeSet<&str> = edges.iter().map(|cause| cause.service).collect();
            told.extend(way.iter().copied());
            let Some(last) = edges.last().filter(|_| services.len() > 1) else { continue };
            let way = way.join(" -> ");
            match is_certain {
                true => found.at(last.span, format!("events cause each other in a loop: {way}")),
                false => found.as_bad_as(
                    Warning,
                    last.span,
                    format!("events may cause each other in a loop: {way}; a consumer on the way takes several and sends several, and does not say which follows which"),
                ),
            }
        }
    }
}

/// The shortest way from an event back to itself.
fn way_back<'d>(
    start: &'d str,
    next: &BTreeMap<&'d str, BTreeMap<&'d str, &Cause<'d>>>,
) -> Option<Vec<&'d str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = std::collections::VecDeque::from([start]);
    while let Some(at) = waiting.pop_front() {
        for &to in next.get(at).into_iter().flat_map(BTreeMap::keys) {
            if to == start {
                let mut way = vec![start, at];
                let mut at = at;
                while at != start {
                    at = before.get(at)?;
                    way.push(at);
                }
                way.reverse();
                way.dedup();
                if way.len() == 1 {
                    way.push(start);
                }
                return Some(way);
            }
            if !before.contains_key(to) {
                before.insert(to, at);
                waiting.push_back(to);
            }
        }
    }
    None
}

fn request_response(view: &View<'_>, found: &mut Found) {
    const ASKED: [&str; 4] = ["requested", "asked", "queried", "request"];
    const ANSWERED: [&str; 7] =
        ["responded", "response", "replied", "reply", "answered", "returned", "retrieved"];
    for ask in
        view.events().filter(|event| event.words.last().is_some_and(|last| ASKED.contains(&last.as_str())))
    {
        let noun = &ask.words[..ask.words.len() - 1];
        let [answerer] = view.taking(ask.name.text) else { continue };
        let answers = view.events().filter(|event| {
            event.words.last().is_some_and(|last| ANSWERED.contains(&last.as_str()))
                && event.words.starts_with(noun)
        });
        for answer in answers {
            let [asker] = view.taking(answer.name.text) else { continue };
            let is_back = view.sending(ask.name.text).contains(asker.service)
                && view.sending(answer.name.text).contains(answerer.service);
            if is_back && asker.service != answerer.service {
                found.at(
                    ask.name.span,
                    format!(
                        "`{}` asks and `{}` answers by `{}` and `{}`",
                        asker.service, answerer.service, ask.name.text, answer.name.text
                    ),
                );
            }
        }
    }
}

fn sync_wait(view: &View<'_>, found: &mut Found) {
    for service in &view.services {
        for word in service.texts("waits_for") {
            found.at(
                word.span,
                format!("`{}` waits for `{}` after it has sent", service.name.text, word.text),
            );
        }
    }
}

fn lockstep(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let awaited = consumer.texts("waits_for");
        let producers: BTreeSet<&str> = awaited.iter().flat_map(|word| view.sending(word.text)).collect();
        if awaited.len() >= 2 && producers.len() >= 2 {
            let names: Vec<&str> = awaited.iter().map(|word| word.text).collect();
            found.at(
                consumer.place("waits_for"),
                format!("`{}` acts only after {}", consumer.name.text, names.join(" and ")),
            );
        }
    }
}

fn long_chain(view: &View<'_>, found: &mut Found) {
    let told: BTreeSet<&str> = view
        .sagas
        .iter()
        .flat_map(|saga| {
            let steps = saga.node.get("steps").map(crate::review::view::items).unwrap_or_default();
            let on = steps.iter().filter_map(|step| step.get("on").and_then(text_of));
            on.chain(saga.text("starts")).map(|word| word.text).collect::<Vec<_>>()
        })
        .collect();
    let mut next: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for cause in view.causes.iter().filter(|cause| !told.contains(cause.from)) {
        next.entry(cause.from).or_default().push((cause.to, cause.service));
    }
    let caused: BTreeSet<&str> = view.causes.iter().map(|cause| cause.to).collect();
    for start in next.keys().filter(|start| !caused.contains(**start)) {
        let mut longest: Vec<&str> = Vec::new();
        let mut way = vec![*start];
        walk(&next, &mut way, "", &mut longest);
        if longest.len() > HOPS_MAX + 1 {
            let span = view.causes.iter().find(|cause| cause.from == *start).map(|cause| cause.span);
            let message =
                format!("a story of {} hops has no saga: {}", longest.len() - 1, longest.join(" -> "));
            if let Some(span) = span {
                found.at(span, message);
            }
        }
    }
}

/// The longest way that changes the service at every hop; ways are short, and each event is on it once.
fn walk<'d>(
    next: &BTreeMap<&'d str, Vec<(&'d str, &'d str)>>,
    way: &mut Vec<&'d str>,
    service: &str,
    longest: &mut Vec<&'d str>,
) {
    if way.len() > longest.len() {
        longest.clone_from(way);
    }
    if way.len() > HOPS_MAX + 4 {
        return;
    }
    let Some(at) = way.last().copied() else { return };
    for &(to, by) in next.get(at).into_iter().flatten() {
        if by != service && !way.contains(&to) {
            way.push(to);
            walk(next, way, by, longest);
            way.pop();
        }
    }
}

fn hub(view: &View<'_>, found: &mut Found) {
    let all: BTreeSet<&str> = view.senders.keys().chain(view.takers.keys()).copied().collect();
    if all.len() < HUB_EVENTS_MIN || view.services.len() < 4 {
        return;
    }
    for service in &view.services {
        let sent = view
            .senders
            .values()
            .filter(|ends| ends.iter().any(|end| end.service == service.name.text))
            .count();
        if sent * 2 > all.len() {
            found.at(
                service.name.span,
                format!("`{}` sends {sent} of {} events", service.name.text, all.len()),
            );
        }
    }
}

fn private_topic(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let Some(audience) =
            event.text("audience").filter(|word| matches!(word.text, "company" | "partner" | "public"))
        else {
            continue;
        };
        let senders = view.sending(event.name.text);
        let takers = view.taking(event.name.text);
        let is_inside = senders.len() == 1 && takers.len() == 1 && senders.contains(takers[0].service);
        if is_inside && audience.text == "company" {
            found.at(
                audience.span,
                format!("{} is for the company, and only `{}` uses it", event.label(), takers[0].service),
            );
        }
    }
}

fn shared_db(view: &View<'_>, found: &mut Found) {
    let store = |service: &str| view.service(service).and_then(|service| service.text("datastore"));
    let mut told = BTreeSet::new();
    for (event, takers) in &view.takers {
        for sender in view.sending(event) {
            for taker in takers.iter().filter(|taker| taker.service != sender) {
                let Some((theirs, own)) = store(sender).zip(store(taker.service)) else { continue };
                let pair = (sender.min(taker.service), sender.max(taker.service));
                if theirs.text == own.text && told.insert(pair) {
                    found.at(
                        own.span,
                        format!(
                            "`{}` and `{}` exchange `{event}` and share `{}`",
                            sender, taker.service, own.text
                        ),
                    );
                }
            }
        }
    }
    for consumer in &view.consumers {
        let service = consumer.text("service").map_or("", |word| word.text);
        for read in consumer.texts("reads") {
            let owner = view
                .services
                .iter()
                .find(|other| other.text("datastore").is_some_and(|own| own.text == read.text));
            if let Some(owner) = owner.filter(|owner| owner.name.text != service) {
                found.at(
                    read.span,
                    format!(
                        "`{}` reads `{}`, which belongs to `{}`",
                        consumer.name.text, read.text, owner.name.text
                    ),
                );
            }
        }
    }
}

fn internal_public(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let Some(owner) = event.text("owner") else { continue };
        // A catalog is one domain, as far as it can tell.
        let is_internal = event.audience() == "component";
        let outside =
            view.taking(event.name.text).iter().find(|end| is_internal && end.service != owner.text);
        if let Some(end) = outside {
            let who = end.part.map_or(end.service, |part| part.name.text);
            found.at(
                end.span,
                format!("`{who}` takes {}, which is for `{}` alone", event.label(), owner.text),
            );
        }
    }
}

fn names_consumer(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let senders = view.sending(event.name.text);
        for end in view.taking(event.name.text).iter().filter(|end| !senders.contains(end.service)) {
            let topic = words::split(event.topic());
            let service = words::split(end.service);
            let at = topic.windows(service.len().max(1)).position(|part| part == service.as_slice());
            let is_addressed = at.is_some_and(|at| at > 0 && matches!(topic[at - 1].as_str(), "to" | "for"))
                || topic.last().is_some_and(|last| last == "inbox") && at == Some(0);
            if is_addressed {
                found.at(
                    event.place("topic"),
                    format!(
                        "the topic `{}` of {} is addressed to `{}`",
                        event.topic(),
                        event.label(),
                        end.service
                    ),
                );
                break;
            }
        }
    }
}

fn overkill(view: &View<'_>, found: &mut Found) {
    let Some(first) = view.services.first() else { return };
    let has_takers = view.takers.values().flatten().next().is_some();
    let all_inside = view
        .takers
        .values()
        .flatten()
        .chain(view.senders.values().flatten())
        .all(|end| end.service == first.name.text);
    let all_single = view.takers.values().all(|ends| ends.len() == 1 && ends[0].kind == "consumer");
    if has_takers && all_inside && all_single && view.sagas.is_empty() {
        found.at(
            first.name.span,
            format!("all events stay within `{}`, with one consumer each", first.name.text),
        );
    }
}

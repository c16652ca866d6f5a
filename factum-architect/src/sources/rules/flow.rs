//! What flows, compared with the catalog, and in which order things are done.

use std::collections::{BTreeMap, BTreeSet};

use factum_contract::Severity::{Error, Info, Warning};

use super::effects;
use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::View;
use crate::review::words;
use crate::sources::Scan;
use crate::sources::traffic::{Direction, Traffic, Via};
use crate::sources::unit::{Arg, Call, Function, Unit};

/// The first half of the family's table.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "code/undeclared-event",
        severity: Error,
        profile: Recommended,
        title: "Code publishes or consumes something that the catalog does not have.",
        why: "What is not in the catalog has no owner, no schema and no promise; its readers are known to nobody.",
        bad: "# contracts/order.placed.v1.yaml\nevent: order.placed\nversion: 1\n# contracts/system.yaml\nsystem: shop\n# src/orders.ts\nimport { connect } from 'nats';\nexport async function place(nc, order) {\n  await nc.publish('order.plced', encode(order));\n}",
        good: "# contracts/order.placed.v1.yaml\nevent: order.placed\nversion: 1\n# contracts/system.yaml\nsystem: shop\n# src/orders.ts\nimport { connect } from 'nats';\nexport async function place(nc, order) {\n  await nc.publish('order.placed', encode(order));\n}",
        fix: "declare it (`factum contract new`), or correct the name",
        check: Check::Code(undeclared),
    },
    Rule {
        id: "code/declared-unused",
        severity: Info,
        profile: Strict,
        title: "The catalog has an event that no code names.",
        why: "Either the catalog promises what nobody keeps, or the code that keeps it is elsewhere.",
        bad: "# contracts/a.yaml\nevent: order.placed\nversion: 1\n# contracts/b.yaml\nevent: order.returned\nversion: 1\n# contracts/system.yaml\nsystem: shop\n# src/orders.ts\nimport { connect } from 'nats';\nexport const place = (nc, order) => nc.publish('order.placed', encode(order));",
        good: "# contracts/a.yaml\nevent: order.placed\nversion: 1\n# contracts/system.yaml\nsystem: shop\n# src/orders.ts\nimport { connect } from 'nats';\nexport const place = (nc, order) => nc.publish('order.placed', encode(order));",
        fix: "review the folder where that code is, or retire the contract",
        check: Check::Code(unused),
    },
    Rule {
        id: "code/raw-publish",
        severity: Warning,
        profile: Recommended,
        title: "An event is written in place where it is published.",
        why: "No contract checks it: a field that is forgotten or misspelt is found by a consumer, at night.",
        bad: "# src/orders.ts\nimport { connect } from 'nats';\nexport async function place(nc, order) {\n  await nc.publish('order.placed', JSON.stringify({ orderId: order.id, total: order.total }));\n}",
        good: "# src/orders.ts\nimport { connect } from 'nats';\nimport { createOrderPlaced } from './contracts';\nexport async function place(nc, order) {\n  await nc.publish('order.placed', JSON.stringify(createOrderPlaced(order)));\n}",
        fix: "generate its type (`factum generate`) and build it by that: `createOrderPlaced(…)`, `OrderPlaced::builder()`",
        check: Check::Code(raw),
    },
    Rule {
        id: "code/publish-outside-tx",
        severity: Warning,
        profile: Recommended,
        title: "An event is published beside the change that it reports.",
        why: "A crash between the two leaves a change that nobody hears of; the other way round, news of what never was.",
        bad: "# src/orders.ts\nimport { Kafka } from 'kafkajs';\nexport async function place(order: Order) {\n  await db.query('INSERT INTO orders VALUES ($1)', [order.id]);\n  await producer.send({ topic: 'order.placed', messages: [toMessage(order)] });\n}",
        good: "# src/orders.ts\nimport { Kafka } from 'kafkajs';\nexport async function place(order: Order) {\n  await db.transaction(async (tx) => {\n    await tx.query('INSERT INTO orders VALUES ($1)', [order.id]);\n    await outbox.add(tx, toMessage(order));\n  });\n}",
        fix: "write the event in the same transaction (an outbox, or the log of a store), and let a relay publish it",
        check: Check::Code(outside),
    },
    Rule {
        id: "code/ack-before-work",
        severity: Error,
        profile: Recommended,
        title: "An event is acknowledged before its work is done.",
        why: "A crash in between loses it for good: the broker believes it was handled.",
        bad: "# src/mail.ts\nimport amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  channel.ack(message);\n  await db.query('INSERT INTO letters VALUES ($1) ON CONFLICT DO NOTHING', [message.id]);\n});",
        good: "# src/mail.ts\nimport amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  await db.query('INSERT INTO letters VALUES ($1) ON CONFLICT DO NOTHING', [message.id]);\n  channel.ack(message);\n});",
        fix: "acknowledge after the work has been committed",
        check: Check::Code(early_ack),
    },
    Rule {
        id: "code/wait-for-event",
        severity: Error,
        profile: Recommended,
        title: "Code publishes an event and waits for the reply to it.",
        why: "A call with extra steps: both must be up, the wait holds resources, and a lost reply looks like a slow one.",
        bad: "# src/cart.ts\nimport { connect } from 'nats';\nexport async function price(nc, cart) {\n  await nc.publish('price.requested', encode(cart));\n  return await waitForReply('price.calculated', cart.correlationId);\n}",
        good: "# src/cart.ts\nimport { connect } from 'nats';\nexport async function fill(nc, cart) {\n  await nc.publish('cart.filled', encode(cart));\n  return { status: 'accepted' };\n}",
        fix: "call where an answer is needed at once; or answer at once, and react to the outcome in a handler",
        check: Check::Code(waiting),
    },
    Rule {
        id: "code/foreign-table",
        severity: Warning,
        profile: Recommended,
        title: "A service queries a table of another service.",
        why: "The table becomes a contract that its owner does not know of, and changes.",
        bad: "# contracts/system.yaml\nsystem: shop\nservices: { orders: { tables: [orders] }, mail: {} }\n# services/mail/letters.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event) => {\n  await db.query('SELECT email FROM orders WHERE id = $1', [event.orderId]);\n});",
        good: "# contracts/system.yaml\nsystem: shop\nservices: { orders: { tables: [orders] }, mail: {} }\n# services/mail/letters.ts\nimport { connect } from 'nats';\nnc.subscribe('order.placed', async (event) => {\n  await db.query('SELECT email FROM recipients WHERE order_id = $1', [event.orderId]);\n});",
        fix: "carry in the event what is needed, or keep a projection of it",
        check: Check::Code(foreign_table),
    },
    Rule {
        id: "code/direct-consumer-call",
        severity: Warning,
        profile: Recommended,
        title: "A producer calls a handler of its own event.",
        why: "It then knows its consumers, fails with them, and the handler runs twice: by call and by event.",
        bad: "# src/orders.ts\nimport { EventEmitter } from 'events';\nconst events = new EventEmitter();\nfunction sendConfirmation(order) { mailer.send(order); }\nevents.on('order.placed', sendConfirmation);\nexport function place(order) {\n  events.emit('order.placed', order);\n  sendConfirmation(order);\n}",
        good: "# src/orders.ts\nimport { EventEmitter } from 'events';\nconst events = new EventEmitter();\nfunction sendConfirmation(order) { mailer.send(order); }\nevents.on('order.placed', sendConfirmation);\nexport function place(order) {\n  events.emit('order.placed', order);\n}",
        fix: "take the call out: the event is enough",
        check: Check::Code(direct_call),
    },
    Rule {
        id: "code/direct-service-call",
        severity: Info,
        profile: Recommended,
        title: "Code calls a service over HTTP that the catalog reaches by events.",
        why: "A coupling in time that no diagram shows: when that service is down, so is this one.",
        bad: "# contracts/system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, payments: {} }\nconsumers: { payments.charge: { service: payments, on: [order.placed] } }\n# services/orders/place.ts\nimport { connect } from 'nats';\nexport async function place(order) {\n  await axios.post('http://payments/charges', order);\n}",
        good: "# contracts/system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, payments: {} }\nconsumers: { payments.charge: { service: payments, on: [order.placed] } }\n# services/orders/place.ts\nimport { connect } from 'nats';\nexport async function place(order) {\n  await outbox.add('order.placed', order);\n}",
        fix: "let it react to the event, or say in the catalog that it is called: `calls:`",
        check: Check::Code(service_call),
    },
];

fn known_names<'v>(view: &'v View<'_>) -> BTreeSet<&'v str> {
    let contracts = view.contracts.iter().flat_map(|contract| [contract.name.text, contract.topic()]);
    let dead = view
        .consumers
        .iter()
        .filter_map(|consumer| consumer.node.get("dead_letters")?.get("topic")?.as_text());
    let retried =
        view.consumers.iter().filter_map(|consumer| consumer.node.get("retry")?.get("topic")?.as_text());
    contracts.chain(view.topics.iter().map(|topic| topic.name.text)).chain(dead).chain(retried).collect()
}

/// Whether a name in code is one of the catalog, perhaps written in another style, or with wildcards.
fn is_known(name: &str, known: &BTreeSet<&str>) -> bool {
    let bare = |name: &str| words::split(name).join(".");
    let (head, has_wildcard) = match name.find(['*', '>', '#']) {
        Some(at) => (name[..at].trim_end_matches('.'), true),
        None => (name, false),
    };
    known.contains(name)
        || known.iter().any(|one| bare(one) == bare(name) || name.ends_with(&format!(".{one}")))
        || has_wildcard && (head.is_empty() || known.iter().any(|one| one.starts_with(head)))
}

fn undeclared(scan: &Scan<'_>, found: &mut Found) {
    let known = known_names(scan.view);
    if scan.view.contracts.is_empty() {
        return;
    }
    for one in &scan.traffic {
        let Some(name) = &one.name else { continue };
        // Names inside a process are its own affair until the catalog uses that style.
        let is_inside = matches!(one.via, Via::Emitter | Via::Bus | Via::Spring);
        let is_like_events = words::split(name).len() >= 2
            && words::verb(&words::split(name)).is_some_and(words::is_participle);
        let is_address = name.contains(['/', '{', '$', ' ', ':']) || name.is_empty();
        if is_address || is_known(name, &known) || (is_inside && !is_like_events) {
            continue;
        }
        let does = if one.direction == Direction::Publish { "publishes" } else { "consumes" };
        let near = factum_contract::nearest::suggest(name, known.iter().copied())
            .filter(|near| near.starts_with("did you"));
        let near = near.map(|near| format!(": {near}")).unwrap_or_default();
        found.at(
            one.span,
            format!("{} {does} `{name}`, which the catalog does not have{near}", one.via.as_str()),
        );
    }
}

fn unused(scan: &Scan<'_>, found: &mut Found) {
    if scan.traffic.is_empty() {
        return;
    }
    for contract in scan.view.latest().filter(|contract| contract.day("deprecated").is_none()) {
        let pascal: String = contract
            .words
            .iter()
            .map(|word| {
                let mut letters = word.chars();
                letters
                    .next()
                    .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
                    .unwrap_or_default()
            })
            .collect();
        let constant = contract.words.join("_");
        let is_named = |text: &str| {
            text.contains(contract.name.text)
                || text.contains(&pascal)
                || text.to_lowercase().contains(&constant)
        };
        if !scan.code.sources.iter().any(|source| is_named(&source.text)) {
            found.at(contract.name.span, format!("no code names {}", contract.label()));
        }
    }
}

/// Whether a payload is written in place.
fn is_inline(arg: &Arg) -> bool {
    match arg {
        Arg::Object(fields) => {
            // `{ value: encode(order) }` wraps; `json!` and maps are written in place.
            let go_type = fields.first().filter(|(key, _)| key.is_empty()).map(|(_, value)| value);
            match go_type {
                Some(Arg::Name(kind)) => kind.starts_with("map["),
                _ => {
                    fields.len() != 1
                        || !matches!(fields[0].0.as_str(), "value" | "payload" | "data" | "body")
                }
            }
        }
        Arg::Call(name, args) => {
            let encodes = matches!(
                name.as_str(),
                "stringify"
                    | "dumps"
                    | "encode"
                    | "from"
                    | "to_string"
                    | "to_vec"
                    | "into"
                    | "as_bytes"
                    | "Marshal"
                    | "json!"
                    | "json"
                    | "StringCodec"
                    | "unwrap"
            );
            (name == "of" && args.len() >= 2) || (encodes && args.iter().any(is_inline))
        }
        Arg::Named(_, value) => is_inline(value),
        _ => false,
    }
}

fn raw(scan: &Scan<'_>, found: &mut Found) {
    for one in scan.traffic.iter().filter(|one| one.direction == Direction::Publish) {
        let unit = &scan.units[one.unit];
        let Some(call) = one.call.and_then(|call| unit.functions[one.function].calls.get(call)) else {
            continue;
        };
        let is_typed_call = call.args.iter().any(|arg| matches!(arg, Arg::Call(name, _) if is_builder(name)));
        if one.payload.as_ref().is_some_and(is_inline) && !is_typed_call {
            let what = one.name.as_deref().map_or_else(|| "an event".to_owned(), |name| format!("`{name}`"));
            found.at(one.span, format!("{what} is published as an object written in place"));
        }
    }
}

fn is_builder(name: &str) -> bool {
    name.starts_with("create") || name.starts_with("build") || name.starts_with("new")
}

/// The function of a place, with the closures in it: what happens there, in the order of the text.
fn around(unit: &Unit, function: usize) -> (&Function, Vec<&Call>) {
    let outer = unit.outermost(function);
    let whole = &unit.functions[outer];
    let inside =
        |other: &Function| other.start >= whole.start && other.start < whole.start + whole.text.len();
    let mut calls: Vec<&Call> = match outer {
        0 => whole.calls.iter().collect(),
        _ => unit
            .functions
            .iter()
            .skip(1)
            .filter(|other| inside(other))
            .flat_map(|other| &other.calls)
            .collect(),
    };
    calls.sort_by_key(|call| call.at);
    (whole, calls)
}

fn outside(scan: &Scan<'_>, found: &mut Found) {
    for one in scan
        .traffic
        .iter()
        .filter(|one| one.direction == Direction::Publish && !matches!(one.via, Via::Emitter | Via::Spring))
    {
        let unit = &scan.units[one.unit];
        let Some(publish) = one.call.and_then(|call| unit.functions[one.function].calls.get(call)) else {
            continue;
        };
        if one.function == 0 || is_outbox(one, publish) {
            continue;
        }
        let (whole, calls) = around(unit, one.function);
        // A relay reads what was committed, and marks it sent: that is the cure.
        let text = whole.text.to_lowercase();
        if text.contains("outbox")
            || unit.path.to_lowercase().contains("outbox")
            || unit.path.to_lowercase().contains("relay")
        {
            continue;
        }
        let write = calls.iter().find(|call| call.at < publish.at && effects::is_table_write(unit, call));
        if let Some(write) = write {
            found.at(
                one.span,
                format!("it is published after `{}`, in no transaction with it", effects::shown(write)),
            );
        }
    }
}

fn is_outbox(one: &Traffic, call: &Call) -> bool {
    call.on.to_lowercase().contains("outbox")
        || one.name.as_deref().is_some_and(|name| name.contains("outbox"))
}

fn early_ack(scan: &Scan<'_>, found: &mut Found) {
    for &(index, number) in scan.handlers.iter().chain(&scan.loops) {
        let unit = &scan.units[index];
        let function = &unit.functions[number];
        let acks: Vec<&Call> =
            function.calls.iter().filter(|call| effects::is_ack(call) && !call.is_in_catch).collect();
        for ack in acks {
            // An early way out acknowledges what it leaves alone: the next line goes.
            let after = scan_text(unit, ack.at).lines().nth(1).unwrap_or_default().trim().to_owned();
            let leaves = ["return", "continue", "break", "}"].iter().any(|word| after.starts_with(word));
            let is_work = |call: &&Call| effects::is_work(unit, call);
            let work = function.calls.iter().find(|call| call.at > ack.at && is_work(call));
            let worked = function.calls.iter().any(|call| call.at < ack.at && is_work(&call));
            if let Some(work) = work.filter(|_| !leaves && !worked) {
                found.at(ack.span, format!("it is acknowledged before `{}`", effects::shown(work)));
                break;
            }
        }
    }
}

/// The text of a unit from a place on.
fn scan_text(unit: &Unit, at: usize) -> &str {
    unit.functions[0].text.get(at..).unwrap_or_default()
}

fn waiting(scan: &Scan<'_>, found: &mut Found) {
    const WAITS: [&str; 12] = [
        "waitFor",
        "waitForReply",
        "waitForEvent",
        "waitForResponse",
        "awaitReply",
        "awaitResponse",
        "wait_for_reply",
        "wait_for_event",
        "wait_for_response",
        "await_reply",
        "WaitForReply",
        "waitForMessage",
    ];
    for one in scan.traffic.iter().filter(|one| one.direction == Direction::Publish && one.function != 0) {
        let unit = &scan.units[one.unit];
        let (_, calls) = around(unit, one.function);
        let Some(publish) = one.call.and_then(|call| unit.functions[one.function].calls.get(call)) else {
            continue;
        };
        let text = unit.functions[unit.outermost(one.function)].text.to_lowercase();
        let is_correlated =
            text.contains("correlation") || text.contains("replyto") || text.contains("reply_to");
        let wait = calls.iter().find(|call| {
            let waits = WAITS.contains(&call.name.as_str());
            let once = call.name == "once" && call.is_awaited && is_correlated;
            // `new Promise((resolve) => bus.on('…', …))` beside a correlation id.
            let promise = matches!(call.name.as_str(), "on" | "once" | "subscribe")
                && is_correlated
                && text.contains("new promise")
                && unit.functions.len() > 1;
            call.at != publish.at && (waits || once || promise)
        });
        let wait = wait.copied().or_else(|| taken_after(unit, one, publish, &calls));
        if let Some(wait) = wait {
            found.at(
                wait.span,
                format!(
                    "it publishes{} and waits for the reply",
                    one.name.as_deref().map(|name| format!(" `{name}`")).unwrap_or_default()
                ),
            );
        }
    }
}

/// What a subscription made before the event was published is asked for after it, once: not in a loop.
fn taken_after<'u>(unit: &'u Unit, one: &Traffic, publish: &Call, calls: &[&'u Call]) -> Option<&'u Call> {
    const TAKES: [&str; 7] =
        ["next", "recv", "receive", "nextMsg", "NextMsg", "next_msg", "NextMsgWithContext"];
    const TAKES_UP: [&str; 5] = ["subscribe", "Subscribe", "SubscribeSync", "psubscribe", "basic_consume"];
    let function = &unit.functions[one.function];
    let subscribe =
        calls.iter().find(|call| TAKES_UP.contains(&call.name.as_str()) && call.at < publish.at)?;
    let text = &unit.functions[0].text;
    let line = text.get(..subscribe.at)?.rsplit('\n').next()?;
    let name = line.split([':', '=', ',']).next()?.trim().rsplit(' ').next()?;
    let is_name = !name.is_empty() && line.contains('=');
    let between = |call: &Call| text.get(publish.at..call.at).unwrap_or_default();
    let takes = |call: &&&Call| {
        call.at > publish.at
            && TAKES.contains(&call.name.as_str())
            && call.on == name
            && crate::sources::traffic::first_loop(between(call)).is_none()
    };
    let is_loop_around = crate::sources::traffic::first_loop(&function.text).is_some();
    calls.iter().find(takes).filter(|_| is_name && !is_loop_around).copied()
}

/// The service whose folder a file lies in.
fn service_of<'v>(view: &'v View<'_>, path: &str) -> Option<&'v str> {
    let mut services = view.services.iter().map(|service| service.name.text);
    services.find(|service| {
        path.split('/').any(|part| {
            part == *service
                || part == format!("{service}-service")
                || part.strip_suffix(".rs") == Some(service)
                || part.strip_suffix(".ts") == Some(service)
        })
    })
}

fn foreign_table(scan: &Scan<'_>, found: &mut Found) {
    let owned: Vec<(&str, &str)> = scan
        .view
        .services
        .iter()
        .flat_map(|service| service.texts("tables").into_iter().map(|table| (table.text, service.name.text)))
        .collect();
    for unit in scan.units {
        let Some(own) = service_of(scan.view, &unit.path) else { continue };
        for call in unit.functions.iter().flat_map(|function| &function.calls) {
            let Some(sql) = effects::sql(unit, call) else { continue };
            let words: Vec<&str> = sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
            let names = |table: &str| {
                words.windows(2).any(|pair| {
                    ["from", "join", "into", "update"].contains(&pair[0].to_lowercase().as_str())
                        && pair[1] == table
                })
            };
            if let Some((table, owner)) = owned.iter().find(|(table, owner)| *owner != own && names(table)) {
                found.at(call.span, format!("`{own}` queries the table `{table}` of `{owner}`"));
            }
        }
    }
}

fn direct_call(scan: &Scan<'_>, found: &mut Found) {
    let mut handlers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in scan.traffic.iter().filter(|one| one.direction == Direction::Consume) {
        let handler = one.handler.and_then(|handler| scan.units[one.unit].functions.get(handler));
        if let Some((name, handler)) = one.name.as_deref().zip(handler).filter(|(_, one)| one.name.len() > 3)
        {
            handlers.entry(name).or_default().push(&handler.name);
        }
    }
    for one in scan.traffic.iter().filter(|one| one.direction == Direction::Publish && one.function != 0) {
        let Some(name) = &one.name else { continue };
        let Some(handlers) = handlers.get(name.as_str()) else { continue };
        let unit = &scan.units[one.unit];
        let (_, calls) = around(unit, one.function);
        if let Some(call) = calls.iter().find(|call| handlers.contains(&call.name.as_str())) {
            found.at(call.span, format!("it publishes `{name}` and calls its handler `{}`", call.name));
        }
    }
}

fn service_call(scan: &Scan<'_>, found: &mut Found) {
    for unit in scan.units {
        let own = service_of(scan.view, &unit.path);
        for call in
            unit.functions.iter().flat_map(|function| &function.calls).filter(|call| effects::is_http(call))
        {
            let Some(url) = call.args.iter().find_map(|arg| match arg {
                Arg::Text(text) | Arg::Other(text) => Some(text.trim_matches(['`', '"', '\''])),
                _ => None,
            }) else {
                continue;
            };
            let Some(rest) = url.split_once("://").map(|(_, rest)| rest) else { continue };
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            let by_events =
                |service: &str| scan.view.takers.values().flatten().any(|end| end.service == service);
            let called = scan.view.services.iter().map(|service| service.name.text).find(|service| {
                host == *service
                    || host.strip_prefix(service).is_some_and(|rest| rest.starts_with(['.', '-']))
            });
            if let Some(called) = called.filter(|called| Some(*called) != own && by_events(called)) {
                found.at(
                    call.span,
                    format!("`{called}` is called over HTTP, and reached by events in the catalog"),
                );
            }
        }
    }
}

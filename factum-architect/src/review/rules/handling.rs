//! Consumers: harmless twice, tried again with an end, and a place for what cannot be handled.

use std::time::Duration;

use factum_contract::Severity::{Error, Warning};
use factum_contract::node::Node;

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Fix, Found, Rule};
use crate::review::view::{Part, View, duration_of, items, number_of, shown, text_of, texts_of};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "idem/undeclared",
        severity: Error,
        profile: Recommended,
        title: "A consumer does not say why handling twice is harmless.",
        why: "Delivery is at least once: a crash between effect and mark hands the event over again, and so does a replay.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed] }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], idempotency: { by: event-id } }",
        fix: "add `idempotency: { by: event-id }`, `{ by: <field> }`, or `{ natural: <why twice is harmless> }`",
        check: Check::Catalog(undeclared),
    },
    Rule {
        id: "idem/key-not-in-schema",
        severity: Error,
        profile: Recommended,
        title: "The field that makes handling twice harmless is not a required field of the event.",
        why: "Where it is absent all events look alike, or all look new: either work is dropped, or it is done twice.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], idempotency: { by: orderId } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], idempotency: { by: orderId } }",
        fix: "name a field that every event it takes requires, or use `by: event-id`",
        check: Check::Catalog(key_not_in_schema),
    },
    Rule {
        id: "idem/retention-shorter",
        severity: Warning,
        profile: Recommended,
        title: "A consumer forgets what it has handled before the last repetition may come.",
        why: "Retries end, and replays begin, after the window has closed: a late duplicate is taken for new.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge:\n    service: payments\n    on: [order.placed]\n    idempotency: { by: event-id, window: 5m }\n    retry: { attempts: 8, first: 1m, max: 1h, multiplier: 4 }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge:\n    service: payments\n    on: [order.placed]\n    idempotency: { by: event-id, window: 24h }\n    retry: { attempts: 8, first: 1m, max: 1h, multiplier: 4 }",
        fix: "make the window longer than all retries, and than what the topic keeps where `replay: safe`",
        check: Check::Catalog(retention),
    },
    Rule {
        id: "dlq/missing",
        severity: Error,
        profile: Recommended,
        title: "A consumer does not say what becomes of an event that cannot be handled.",
        why: "One bad event then blocks everything behind it, or is dropped without a trace.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed] }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, on_dead: hold, alert: pager } }",
        fix: "add `dead_letters: { owner: …, on_dead: hold | skip, alert: … }`",
        check: Check::Catalog(no_dead_letters),
    },
    Rule {
        id: "dlq/no-owner-or-runbook",
        severity: Warning,
        profile: Recommended,
        title: "Nobody looks after a consumer's dead letters.",
        why: "A backlog that wakes nobody grows until a customer calls.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { on_dead: hold } }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, on_dead: hold, alert: pager } }",
        fix: "name an `owner`, and an `alert` or a `runbook`",
        check: Check::Catalog(no_owner),
    },
    Rule {
        id: "dlq/self-loop",
        severity: Error,
        profile: Recommended,
        title: "Dead letters go back to the topic that they came from.",
        why: "What cannot be handled is then handled for ever: a loop that fills the disk.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, topic: order.placed } }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, topic: payments.dead } }",
        fix: "give dead letters a topic of their own, and requeue by hand",
        check: Check::Catalog(self_loop),
    },
    Rule {
        id: "dlq/no-schema-or-metadata",
        severity: Warning,
        profile: Recommended,
        title: "A topic of dead letters does not carry where they came from and why they died.",
        why: "Without topic, offset, error and attempts, finding the cause is archaeology, and requeueing is guessing.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, topic: payments.dead } }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], dead_letters: { owner: payments, topic: payments.dead, headers: [topic, offset, error, attempt] } }",
        fix: "add `headers: [topic, offset, error, attempt]`; dead letters that stay in the store have all of it",
        check: Check::Catalog(no_headers),
    },
    Rule {
        id: "retry/missing",
        severity: Warning,
        profile: Recommended,
        title: "A consumer does not say when it tries again.",
        why: "A restart of its database then turns every event of that minute into a dead letter.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge:\n    service: payments\n    on: [order.placed]",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge:\n    service: payments\n    on: [order.placed]\n    retry: { immediate: 2, attempts: 8, first: 1s, max: 10m, multiplier: 2, jitter: 0.2 }",
        fix: "add `retry: { immediate: 2, attempts: 8, first: 1s, max: 10m, multiplier: 2, jitter: 0.2 }`",
        check: Check::Catalog(no_retry),
    },
    Rule {
        id: "retry/unbounded",
        severity: Error,
        profile: Recommended,
        title: "A consumer tries again without an end, or at a pace that never slows and never spreads.",
        why: "All instances knock together at the service that is trying to come back, and hold it down; a poison event blocks its key for ever.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { attempts: 8, first: 1s, multiplier: 1, jitter: 0 } }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { attempts: 8, first: 1s, multiplier: 2, jitter: 0.2 } }",
        fix: "bound `attempts`, and let delays grow (`multiplier: 2`) and spread (`jitter: 0.2`)",
        check: Check::Catalog(unbounded),
    },
    Rule {
        id: "retry/on-validation-error",
        severity: Warning,
        profile: Recommended,
        title: "A consumer tries events again that break their contract.",
        why: "A malformed event does not mend: every try is wasted, and its key waits for all of them.",
        bad: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { attempts: 8, on: [validation, timeout] } }",
        good: "# system.yaml\nsystem: shop\nservices: { payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed], retry: { attempts: 8, never: [validation] } }",
        fix: "say `never: [validation]`",
        check: Check::Catalog(on_validation),
    },
    Rule {
        id: "replay/undefined",
        severity: Warning,
        profile: Recommended,
        title: "A consumer has effects outside of the store, and says nothing about replay.",
        why: "A replay that repairs a table sends all mails again.",
        bad: "# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers:\n  mail.letters:\n    service: mail\n    on: [order.placed]\n    calls: [smtp]",
        good: "# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers:\n  mail.letters:\n    service: mail\n    on: [order.placed]\n    calls: [smtp]\n    replay: effects-held",
        fix: "say `replay: effects-held`, `refuse`, or `safe` where twice is harmless for good",
        check: Check::Catalog(no_replay),
    },
];

fn undeclared(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let is_at_most_once = consumer.text("delivery").is_some_and(|word| word.text == "at-most-once");
        if consumer.node.get("idempotency").is_none() && !is_at_most_once {
            found.at(
                consumer.name.span,
                format!("`{}` does not say why handling twice is harmless", consumer.name.text),
            );
        }
    }
}

fn key_not_in_schema(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let by = consumer.node.get("idempotency").and_then(|node| node.get("by")).and_then(text_of);
        let Some(by) = by.filter(|by| by.text != "event-id") else { continue };
        for taken in consumer.texts("on") {
            let name = taken.text.split('@').next().unwrap_or_default();
            let Some(contract) = view.contract(name).filter(|contract| contract.payload().is_some()) else {
                continue;
            };
            let top = by.text.split('.').next().unwrap_or_default();
            let whole = contract.fields.iter().find(|field| field.path == by.text);
            let what = match (whole, contract.field(top)) {
                (None, _) => "does not have",
                (Some(field), Some(top)) if field.is_required && top.is_required => continue,
                _ => "does not require",
            };
            found.at(
                by.span,
                format!("`{}` goes by `{}`, which {} {what}", consumer.name.text, by.text, contract.label()),
            );
        }
    }
}

/// All delays of a policy, at their longest.
fn horizon(retry: &Node) -> Duration {
    let whole = |key: &str| retry.get(key).and_then(number_of);
    let real = |key: &str, default: f64| match retry.get(key).map(|node| &node.content) {
        Some(factum_contract::node::Content::Number(number)) => number.as_f64().unwrap_or(default),
        _ => default,
    };
    let time = |key: &str, default: u64| {
        retry.get(key).and_then(duration_of).unwrap_or(Duration::from_secs(default))
    };
    let attempts = whole("attempts").unwrap_or(8).clamp(1, 1_000);
    let (max, jitter) = (time("max", 600), 1.0 + real("jitter", 0.2).clamp(0.0, 1.0));
    let mut delay = time("first", 1);
    let mut all = Duration::ZERO;
    for _ in 1..attempts {
        all = all.saturating_add(delay.min(max).mul_f64(jitter));
        delay = delay.min(max).mul_f64(real("multiplier", 2.0).clamp(1.0, 1_000.0));
    }
    all
}

fn retention(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let Some(idempotency) = consumer.node.get("idempotency") else { continue };
        let Some(window) = idempotency.get("window").and_then(duration_of) else { continue };
        let retries = consumer.node.get("retry").map_or(Duration::ZERO, horizon);
        let replays = consumer.text("replay").is_some_and(|word| word.text == "safe");
        let taken = consumer.texts("on");
        let kept = taken.iter().filter_map(|taken| {
            view.retention(view.contract(taken.text).map_or(taken.text, |contract| contract.topic()))
        });
        let kept = kept.max().filter(|_| replays && !consumer.texts("calls").is_empty());
        let (needed, why) = match kept {
            Some(kept) => (retries.saturating_add(kept), "retries and a replay"),
            None => (retries, "its retries"),
        };
        if window < needed {
            let minutes = Duration::from_secs(needed.as_secs().div_ceil(60) * 60);
            let message = format!(
                "`{}` remembers for {}, and {why} last up to {}",
                consumer.name.text,
                shown(window),
                shown(minutes)
            );
            found.at(idempotency.span, message);
        }
    }
}

fn no_dead_letters(view: &View<'_>, found: &mut Found) {
    for consumer in view.consumers.iter().filter(|consumer| consumer.node.get("dead_letters").is_none()) {
        found.at(
            consumer.name.span,
            format!("`{}` does not say what becomes of what it cannot handle", consumer.name.text),
        );
    }
}

/// Dead letters of consumers.
fn dead_letters<'v, 'd>(view: &'v View<'d>) -> impl Iterator<Item = (&'v Part<'d>, &'d Node)> {
    view.consumers.iter().filter_map(|consumer| Some((consumer, consumer.node.get("dead_letters")?)))
}

fn no_owner(view: &View<'_>, found: &mut Found) {
    for (consumer, letters) in dead_letters(view) {
        let has = |key: &str| letters.get(key).is_some();
        let lacks = match (has("owner"), has("alert") || has("runbook")) {
            (true, true) => continue,
            (true, false) => "neither alert nor runbook",
            (false, true) => "no owner",
            (false, false) => "neither owner nor alert",
        };
        found.at(
            consumer.place("dead_letters"),
            format!("dead letters of `{}` have {lacks}", consumer.name.text),
        );
    }
}

fn self_loop(view: &View<'_>, found: &mut Found) {
    for (consumer, letters) in dead_letters(view) {
        let Some(topic) = letters.get("topic").and_then(text_of) else { continue };
        let is_source =
            |taken: &str| view.contract(taken).map_or(taken, |contract| contract.topic()) == topic.text;
        if consumer.texts("on").iter().any(|taken| is_source(taken.text)) {
            found.at(
                topic.span,
                format!("dead letters of `{}` go to `{}`, which it reads", consumer.name.text, topic.text),
            );
        }
    }
}

fn no_headers(view: &View<'_>, found: &mut Found) {
    for (consumer, letters) in dead_letters(view) {
        let Some(topic) = letters.get("topic").and_then(text_of) else { continue };
        let headers = letters.get("headers").map(texts_of).unwrap_or_default();
        let lacking: Vec<&str> = ["topic", "offset", "error", "attempt"]
            .into_iter()
            .filter(|wanted| !headers.iter().any(|header| header.text.to_lowercase().contains(wanted)))
            .collect();
        if !lacking.is_empty() {
            found.at(
                topic.span,
                format!("dead letters of `{}` lose their {}", consumer.name.text, lacking.join(", ")),
            );
        }
    }
}

fn no_retry(view: &View<'_>, found: &mut Found) {
    for consumer in view.consumers.iter().filter(|consumer| consumer.node.get("retry").is_none()) {
        let fix = "retry: { immediate: 2, attempts: 8, first: 1s, max: 10m, multiplier: 2, jitter: 0.2 }";
        let message = format!("`{}` does not say when it tries again", consumer.name.text);
        found.fixed_by(consumer.name.span, Fix::Keyword(fix.to_owned()), message);
    }
}

fn unbounded(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let Some(retry) = consumer.node.get("retry") else { continue };
        let attempts = retry.get("attempts");
        let is_endless = attempts
            .and_then(text_of)
            .is_some_and(|word| matches!(word.text, "unlimited" | "forever" | "infinite"))
            || attempts.and_then(number_of).is_some_and(|count| count == 0 || count > 100);
        let says = |key: &str, wanted: f64| match retry.get(key).map(|node| &node.content) {
            Some(factum_contract::node::Content::Number(number)) => number.as_f64() == Some(wanted),
            _ => false,
        };
        if is_endless {
            found.at(consumer.place("retry"), format!("`{}` tries again without an end", consumer.name.text));
        } else if says("multiplier", 1.0) && says("jitter", 0.0) {
            found.at(
                consumer.place("retry"),
                format!("`{}` tries again at one pace, without jitter", consumer.name.text),
            );
        }
    }
}

fn on_validation(view: &View<'_>, found: &mut Found) {
    for consumer in &view.consumers {
        let Some(on) = consumer.node.get("retry").and_then(|retry| retry.get("on")) else { continue };
        let bad = |word: &str| matches!(word, "validation" | "contract" | "malformed" | "schema" | "all");
        if let Some(word) = texts_of(on).into_iter().find(|word| bad(word.text)) {
            found.at(word.span, format!("`{}` tries again on `{}`", consumer.name.text, word.text));
        }
    }
}

fn no_replay(view: &View<'_>, found: &mut Found) {
    for consumer in view.consumers.iter().filter(|consumer| consumer.node.get("replay").is_none()) {
        let Some(calls) =
            consumer.node.get("calls").filter(|calls| calls.as_text().is_some() || !items(calls).is_empty())
        else {
            continue;
        };
        let called: Vec<&str> = texts_of(calls).iter().map(|word| word.text).collect();
        let message =
            format!("`{}` calls {}, and says nothing about replay", consumer.name.text, called.join(", "));
        found.at(consumer.place("calls"), message);
    }
}

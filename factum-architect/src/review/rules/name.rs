//! Names: facts in the past tense, of the business, each once.

use std::collections::BTreeMap;

use factum_contract::Severity::{Error, Info, Warning};

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{View, texts_of};
use crate::review::words::{self, Style};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "name/not-past-tense",
        severity: Warning,
        profile: Recommended,
        title: "An event's name does not end in something done.",
        why: "An event is a fact: it has happened, nobody can refuse it. A name such as `order.shipment` says neither whether it happened nor who decides.",
        bad: "# order.shipment.v1.yaml\nevent: order.shipment\nversion: 1",
        good: "# order.shipped.v1.yaml\nevent: order.shipped\nversion: 1",
        fix: "end the name in what happened: `order.shipped`, `invoice.paid`, `stay.checked-in`",
        check: Check::Catalog(not_past_tense),
    },
    Rule {
        id: "name/command",
        severity: Error,
        profile: Recommended,
        title: "An event's name orders somebody to do something.",
        why: "An order has one handler that may refuse; an event has any number that may not. Sent as an event, a command loses its answer and its failure path.",
        bad: "# email.send.v1.yaml\nevent: email.send\nversion: 1",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1",
        fix: "name the fact that makes it necessary (`order.placed`), or declare it as `command:`",
        check: Check::Catalog(command),
    },
    Rule {
        id: "name/passive-aggressive",
        severity: Warning,
        profile: Recommended,
        title: "An event asks for something (…requested, …required, …needed), and exactly one consumer must do it.",
        why: "It is a command that looks like a fact: the sender waits for an outcome that the name hides, and nobody owns its failure.",
        bad: "# stock.requested.v1.yaml\nevent: stock.requested\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [stock.requested] }, stock: {} }\nconsumers:\n  stock.reserve: { service: stock, on: [stock.requested], emits: [stock.reserved] }",
        good: "# reserve.stock.v1.yaml\ncommand: reserve.stock\nversion: 1\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [reserve.stock] }, stock: {} }\nconsumers:\n  stock.reserve: { service: stock, on: [reserve.stock], emits: [stock.reserved] }",
        fix: "declare it as `command:` with its refusal as an event, or name the fact behind it",
        check: Check::Catalog(passive_aggressive),
    },
    Rule {
        id: "name/generic",
        severity: Error,
        profile: Recommended,
        title: "A name says nothing of the business.",
        why: "Whoever takes `data.changed` must open every payload to learn whether it matters; no contract, no filter and no owner fits it.",
        bad: "# data.changed.v1.yaml\nevent: data.changed\nversion: 1",
        good: "# price.raised.v1.yaml\nevent: price.raised\nversion: 1",
        fix: "name the thing and what happened to it: one event for each fact",
        check: Check::Both(generic, crate::sources::rules::names::generic),
    },
    Rule {
        id: "name/crud",
        severity: Warning,
        profile: Recommended,
        title: "A business event is named after what was done to a row.",
        why: "`customer.updated` loses the reason: did she move, marry or correct a typing error? `created` passes where it is the first fact of its thing and says why, `updated` where it alone stands for many fields and says so; data-change events may be named so.",
        bad: "# customer.deleted.v1.yaml\nevent: customer.deleted\nversion: 1\nsummary: A customer record is gone.",
        good: "# account.closed.v1.yaml\nevent: account.closed\nversion: 1\nsummary: A customer closed the account.",
        fix: "name the reason (`customer.moved`), or say `category: data-change` where data is what it is about",
        check: Check::Catalog(crud),
    },
    Rule {
        id: "name/technical",
        severity: Warning,
        profile: Recommended,
        title: "A name tells of the machine room.",
        why: "Brokers, tables and caches change; the fact does not. A name that shows them ties every reader to them.",
        bad: "# order.row.inserted.v1.yaml\nevent: order.row.inserted\nversion: 1",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1",
        fix: "leave the word out",
        check: Check::Catalog(technical),
    },
    Rule {
        id: "name/convention-mixed",
        severity: Warning,
        profile: Recommended,
        title: "The catalog's names are written in more than one style.",
        why: "People guess names; with two styles they guess wrong half of the time, and filters by prefix miss what they should match.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\n# b.v1.yaml\nevent: order.paid\nversion: 1\n# c.v1.yaml\nevent: OrderShipped\nversion: 1",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\n# b.v1.yaml\nevent: order.paid\nversion: 1\n# c.v1.yaml\nevent: order.shipped\nversion: 1",
        fix: "choose one style, and bring the rest over with their next versions",
        check: Check::Catalog(convention_mixed),
    },
    Rule {
        id: "name/duplicate-or-near",
        severity: Warning,
        profile: Recommended,
        title: "Two contracts have the same name, or names that differ by spelling, number or a synonym.",
        why: "Producers pick one, consumers the other; half of the facts are missed and nobody sees an error.",
        bad: "# a.v1.yaml\nevent: order.cancelled\nversion: 1\n# b.v1.yaml\nevent: order.canceled\nversion: 1",
        good: "# a.v1.yaml\nevent: order.cancelled\nversion: 1\n# b.v1.yaml\nevent: order.returned\nversion: 1",
        fix: "keep one; deprecate the other with `lifecycle: { deprecated: …, replacedBy: … }`",
        check: Check::Catalog(near),
    },
    Rule {
        id: "name/version-in-name",
        severity: Warning,
        profile: Recommended,
        title: "A name carries a version beside the `version` key.",
        why: "Two sources of one truth will disagree, and consumers subscribe by name: every version becomes another event.",
        bad: "# order.placed.v2.yaml\nevent: order.placed.v2\nversion: 1",
        good: "# order.placed.v2.yaml\nevent: order.placed\nversion: 2",
        fix: "take the version out of the name; `version:` is its place",
        check: Check::Catalog(version_in_name),
    },
    Rule {
        id: "name/type-not-reverse-dns",
        severity: Info,
        profile: Recommended,
        title: "An event for other companies has a type without a reverse-DNS prefix.",
        why: "CloudEvents recommends `org.example.order.placed`: among companies, short types collide.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\naudience: partner",
        good: "# order.placed.v1.yaml\nevent: com.example.order.placed\nversion: 1\naudience: partner",
        fix: "put your domain before the name, backwards, where partners read it",
        check: Check::Catalog(reverse_dns),
    },
    Rule {
        id: "name/ext-attr-illegal",
        severity: Error,
        profile: Recommended,
        title: "An extension attribute has a name that CloudEvents does not allow.",
        why: "Attribute names are lower-case letters and digits, at most 20, and never `data`: anything else is refused or lost on the wire.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nattributes: [tenant_id]",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nattributes: [tenantid]",
        fix: "write it in lower-case letters and digits alone",
        check: Check::Catalog(attributes),
    },
];

fn not_past_tense(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let is_told_elsewhere = words::order(&event.words).is_some() || words::is_generic(&event.words);
        let is_past = words::verb(&event.words).is_some_and(words::is_participle)
            || event.words.last().is_some_and(|last| words::is_participle(last));
        if !is_past && !is_told_elsewhere {
            let last = event.words.last().map_or("", String::as_str);
            found.at(
                event.name.span,
                format!("`{}` ends in `{last}`, not in something done", event.name.text),
            );
        }
    }
}

fn command(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        if let Some(word) = words::order(&event.words) {
            found.at(
                event.name.span,
                format!("`{}` orders somebody to {word}: a command, not an event", event.name.text),
            );
        }
    }
}

fn passive_aggressive(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let asks =
            words::verb(&event.words).filter(|verb| matches!(*verb, "requested" | "required" | "needed"));
        let (Some(verb), [only]) = (asks, view.taking(event.name.text)) else { continue };
        let acts =
            only.part.is_some_and(|part| !part.texts("emits").is_empty() || !part.texts("calls").is_empty());
        let is_elsewhere = !view.sending(event.name.text).contains(only.service);
        if only.kind == "consumer" && acts && is_elsewhere {
            let who = only.part.map_or("", |part| part.name.text);
            found.at(
                event.name.span,
                format!("`{}` is {verb} of `{who}` alone, which must act on it: a command", event.name.text),
            );
        }
    }
}

fn generic(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| words::is_generic(&event.words)) {
        found.at(event.name.span, format!("`{}` names no thing of the business", event.name.text));
    }
}

fn crud(view: &View<'_>, found: &mut Found) {
    let business = view.events().filter(|event| event.category() == "business");
    for event in business {
        let Some(verb) = words::crud(&event.words).filter(|_| !words::is_generic(&event.words)) else {
            continue;
        };
        let nouns = &event.words[..event.words.len().saturating_sub(1)];
        let others = || {
            view.events().filter(|other| other.name.text != event.name.text && other.words.starts_with(nouns))
        };
        let has_reason = event.text("summary").or(event.text("description")).is_some();
        let is_meant = match verb {
            "created" => {
                has_reason
                    && !others().any(|other| words::verb(&other.words).is_some_and(words::is_beginning))
            }
            "updated" => {
                has_reason
                    && !others().any(|other| {
                        other.words.last().is_some_and(|last| last == "changed" || last == "updated")
                    })
            }
            _ => false,
        };
        if !is_meant {
            let why = if has_reason { "the reason is lost" } else { "no summary says why" };
            found.at(event.name.span, format!("`{}` says what was done to a row: {why}", event.name.text));
        }
    }
}

fn technical(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        if let Some(word) = words::technical(&event.words) {
            found.at(event.name.span, format!("`{word}` in `{}` is of the machine room", event.name.text));
        }
    }
}

fn convention_mixed(view: &View<'_>, found: &mut Found) {
    let mut styles: BTreeMap<Style, Vec<_>> = BTreeMap::new();
    for contract in view.latest() {
        styles.entry(Style::of(contract.name.text)).or_default().push(contract.name);
    }
    styles.remove(&Style::Plain);
    let Some((usual, count)) =
        styles.iter().map(|(style, all)| (*style, all.len())).max_by_key(|(_, count)| *count)
    else {
        return;
    };
    let total: usize = styles.values().map(Vec::len).sum();
    for (style, names) in styles.iter().filter(|(style, _)| **style != usual) {
        let first = names[0];
        found.at(
            first.span,
            format!(
                "`{}` is written like {}, as {} of {total}; {count} are written like {}",
                first.text,
                style.sample(),
                names.len(),
                usual.sample()
            ),
        );
    }
}

fn near(view: &View<'_>, found: &mut Found) {
    let same = view
        .contracts
        .windows(2)
        .filter(|pair| (pair[0].name.text, pair[0].version) == (pair[1].name.text, pair[1].version));
    for pair in same {
        found.at(pair[1].name.span, format!("{} is described twice", pair[1].label()));
    }
    let all: Vec<_> = view.latest().collect();
    for (index, one) in all.iter().enumerate() {
        let is_live = |day: Option<factum_contract::Date>| day.is_none();
        let others = all[..index]
            .iter()
            .filter(|other| is_live(other.day("deprecated")) && is_live(one.day("deprecated")));
        for other in others
            .filter(|other| other.is_command == one.is_command && words::is_near(&one.words, &other.words))
        {
            found
                .at(one.name.span, format!("`{}` is hard to tell from `{}`", one.name.text, other.name.text));
        }
    }
}

fn version_in_name(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(named) = words::version_in(contract.name.text) else { continue };
        let Some(version) = contract.version else { continue };
        let how = if named == version { "says the version twice" } else { "disagrees with its `version`" };
        found.at(
            contract.name.span,
            format!("`{}` {how}: {named} in the name, version {version}", contract.name.text),
        );
    }
}

fn reverse_dns(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| event.is_public()) {
        let first = event.name.text.split('.').next().unwrap_or_default();
        let is_domain =
            first.len() == 2 || ["com", "org", "net", "dev", "app", "gov", "edu", "info"].contains(&first);
        if !is_domain || event.name.text.split('.').count() < 3 {
            found.at(
                event.name.span,
                format!("`{}` is read outside of the company, and names no domain", event.name.text),
            );
        }
    }
}

fn attributes(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        for word in contract.node.get("attributes").map(texts_of).unwrap_or_default() {
            let is_legal = (1..=20).contains(&word.text.len())
                && word.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && word.text != "data";
            if !is_legal {
                found.at(word.span, format!("the attribute `{}` is illegal in CloudEvents", word.text));
            }
        }
    }
}

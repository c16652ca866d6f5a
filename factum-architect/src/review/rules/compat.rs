//! Versions: promised, kept, and left behind with a date.

use factum_contract::Severity::{Error, Warning};
use factum_contract::node::Node;
use factum_contract::{Source, check, meaning};

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Fix, Found, Rule};
use crate::review::view::{ContractView, View};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "compat/mode-missing",
        severity: Error,
        profile: Recommended,
        title: "Nothing says which versions of a contract can read which.",
        why: "Then every change is both allowed and forbidden, and consumers learn which on the day of the release.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\n# system.yaml\nsystem: shop",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\ncompatibility: backward\n# system.yaml\nsystem: shop",
        fix: "say `defaults: { compatibility: backward }` in system.yaml, or `compatibility:` in the contract",
        check: Check::Catalog(no_mode),
    },
    Rule {
        id: "compat/mode-none-public",
        severity: Warning,
        profile: Recommended,
        title: "An event that other teams read promises nothing about its next version.",
        why: "They cannot plan: every release of the producer may break them.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\ncompatibility: none\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\ncompatibility: backward\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        fix: "promise `backward` or more",
        check: Check::Catalog(none_public),
    },
    Rule {
        id: "compat/breaking-no-major",
        severity: Error,
        profile: Recommended,
        title: "A version breaks what it promises to the one before.",
        why: "Readers that trusted the promise stop, or misread, on the day it is published.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\nkey: orderId\npayload: { type: object, required: [orderId, total], properties: { orderId: { type: string }, total: { type: integer } } }\n# order.placed.v2.yaml\nevent: order.placed\nversion: 2\nowner: orders\nkey: orderId\npayload: { type: object, required: [orderId, total], properties: { orderId: { type: string }, total: { type: string } } }\n# system.yaml\nsystem: shop\ndefaults: { compatibility: backward }\nservices: { orders: {} }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\nkey: orderId\npayload: { type: object, required: [orderId, total], properties: { orderId: { type: string }, total: { type: integer } } }\n# order.placed.v2.yaml\nevent: order.placed\nversion: 2\nowner: orders\nkey: orderId\npayload: { type: object, required: [orderId, total], properties: { orderId: { type: string }, total: { type: integer }, note: { type: string } } }\n# system.yaml\nsystem: shop\ndefaults: { compatibility: backward }\nservices: { orders: {} }",
        fix: "take the change back, or say `compatibility: none` for this version and publish both for a while; `factum contract diff` shows a document that breaks",
        check: Check::Review,
    },
    Rule {
        id: "compat/version-skipped-or-reused",
        severity: Error,
        profile: Recommended,
        title: "A version means two things, or one between two others is missing.",
        why: "A version means one thing for ever; with a gap, or with two meanings, recorded events cannot be read.",
        bad: "# a.yaml\nevent: order.placed\nversion: 1\n# b.yaml\nevent: order.placed\nversion: 3",
        good: "# a.yaml\nevent: order.placed\nversion: 1\n# b.yaml\nevent: order.placed\nversion: 2",
        fix: "number versions 1, 2, 3 …, each in a file of its own, and keep those that were published",
        check: Check::Catalog(skipped),
    },
    Rule {
        id: "compat/no-dual-publish",
        severity: Warning,
        profile: Recommended,
        title: "A new version makes no promise, and the old one has no plan of its end.",
        why: "From one day to the next all readers of the old version are without events.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\ncompatibility: backward\n# a.v2.yaml\nevent: order.placed\nversion: 2\ncompatibility: none",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\ncompatibility: backward\nlifecycle: { deprecated: 2026-01-01, sunset: 2026-06-01 }\n# a.v2.yaml\nevent: order.placed\nversion: 2\ncompatibility: none",
        fix: "give the old version `lifecycle: { deprecated: …, sunset: … }` and publish both until then, or write `upcast` steps",
        check: Check::Catalog(no_dual),
    },
    Rule {
        id: "compat/consumer-pinned-old",
        severity: Warning,
        profile: Recommended,
        title: "A consumer was written for a version that is deprecated or gone.",
        why: "On the day of its sunset the consumer stops.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nlifecycle: { deprecated: 2026-01-01, sunset: 2026-06-01 }\n# a.v2.yaml\nevent: order.placed\nversion: 2\n# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed@1] } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nlifecycle: { deprecated: 2026-01-01, sunset: 2026-06-01 }\n# a.v2.yaml\nevent: order.placed\nversion: 2\n# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed@2] } }",
        fix: "move it to the version that replaces the old one",
        check: Check::Catalog(pinned),
    },
    Rule {
        id: "deprecation/no-date",
        severity: Warning,
        profile: Recommended,
        title: "Something is deprecated without an end, or without what replaces it.",
        why: "A deprecation without a date is never acted on.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nlifecycle: { deprecated: 2026-01-01 }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nlifecycle: { deprecated: 2026-01-01, sunset: 2026-06-01, replacedBy: order.accepted }",
        fix: "add `sunset`, and `replacedBy` where another event takes its place",
        check: Check::Catalog(no_date),
    },
];

fn mode<'d>(view: &View<'d>, contract: &ContractView<'d>) -> Option<&'d str> {
    let own = contract.text("compatibility").map(|word| word.text);
    own.or_else(|| view.default_of("compatibility").and_then(Node::as_text))
}

fn no_mode(view: &View<'_>, found: &mut Found) {
    for contract in view.latest().filter(|contract| mode(view, contract).is_none()) {
        let message = format!("{} does not say which versions can read which", contract.label());
        found.fixed_by(
            contract.place("version"),
            Fix::LineBelow("compatibility: backward".to_owned()),
            message,
        );
    }
}

fn none_public(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| mode(view, event) == Some("none")) {
        let owner = event.text("owner").map(|owner| owner.text);
        let outside = view.taking(event.name.text).iter().find(|end| Some(end.service) != owner);
        // A new version that makes no promise to the old one is another matter: see compat/no-dual-publish.
        let is_first = event.version.is_none_or(|version| version == 1);
        if is_first && (event.is_public() || outside.is_some()) {
            let who = outside.map_or("others", |end| end.service);
            found.at(
                event.place("compatibility"),
                format!("{} promises nothing, and {who} read it", event.label()),
            );
        }
    }
}

fn skipped(view: &View<'_>, found: &mut Found) {
    for pair in view.contracts.windows(2).filter(|pair| pair[0].name.text == pair[1].name.text) {
        let (Some(before), Some(after)) = (pair[0].version, pair[1].version) else { continue };
        if after == before {
            if let Some(message) = reused(view, &pair[0], &pair[1]) {
                found.at(pair[1].name.span, message);
            }
        } else if after > before + 1 {
            found.at(
                pair[1].place("version"),
                format!("{} follows version {before}: what lies between is missing", pair[1].label()),
            );
        }
    }
}

/// One version in two files that mean different things: contents are compared by their hash, in which descriptions,
/// examples and the order of keys do not count. Two files that mean the same are for `name/duplicate-or-near`.
fn reused(view: &View<'_>, one: &ContractView<'_>, other: &ContractView<'_>) -> Option<String> {
    let file = |contract: &ContractView<'_>| view.sources.get(contract.name.span.file as usize);
    let hash = |contract: &ContractView<'_>| {
        let owner = contract.text("owner")?.text;
        // Alone, in a system of its own: what else the catalog lacks says nothing of this content.
        let system = Source::new("system.yaml", format!("system: alone\nservices: {{ {owner}: {{}} }}\n"));
        let catalog = check(&[system, file(contract)?.clone()]).catalog?;
        catalog.contracts().next().map(meaning::hash)
    };
    let at = file(one).map_or("another file", |source| source.name.as_str());
    let label = other.label();
    match (hash(one), hash(other)) {
        (Some(there), Some(here)) if here == there => None,
        (Some(there), Some(here)) => Some(format!(
            "{label} means two things: its content has the hash {here} here, and {there} in {at}"
        )),
        // What is no whole contract has no hash; other findings say why.
        _ => Some(format!("{label} is described twice, also in {at}")),
    }
}

fn no_dual(view: &View<'_>, found: &mut Found) {
    for pair in view.contracts.windows(2).filter(|pair| pair[0].name.text == pair[1].name.text) {
        let (old, new) = (&pair[0], &pair[1]);
        let has_plan = old.day("sunset").is_some()
            || old.day("deprecated").is_some()
            || new.node.get("upcast").is_some();
        if mode(view, new) == Some("none") && !has_plan && old.version != new.version {
            found.at(
                new.place("compatibility"),
                format!("{} makes no promise to {}, which has no plan of its end", new.label(), old.label()),
            );
        }
    }
}

fn pinned(view: &View<'_>, found: &mut Found) {
    for reader in view.consumers.iter().chain(&view.projections) {
        for word in reader.texts("on") {
            let Some((name, version)) = word.text.split_once('@') else { continue };
            let version: Option<u64> = version.parse().ok();
            let contract = view
                .contracts
                .iter()
                .find(|contract| contract.name.text == name && contract.version == version);
            let how = match contract {
                None if view.contract(name).is_some() => "which the catalog does not have".to_owned(),
                // A reader that also names the newer version is on its way already.
                Some(old)
                    if !reader.texts("on").iter().any(|other| {
                        other.text.starts_with(&format!("{name}@")) && other.text != word.text
                    }) =>
                {
                    match (old.day("deprecated"), old.day("sunset")) {
                        (_, Some(day)) => format!("which ends on {day}"),
                        (Some(day), None) => format!("which is deprecated since {day}"),
                        (None, None) => continue,
                    }
                }
                _ => continue,
            };
            found.at(word.span, format!("`{}` was written for `{}`, {how}", reader.name.text, word.text));
        }
    }
}

fn no_date(view: &View<'_>, found: &mut Found) {
    for contract in view.contracts.iter().filter(|contract| contract.day("deprecated").is_some()) {
        let Some(lifecycle) = contract.node.get("lifecycle") else { continue };
        let is_last = view.contract(contract.name.text).is_some_and(|last| last.version == contract.version);
        let lacks =
            match (lifecycle.get("sunset").is_some(), lifecycle.get("replacedBy").is_some() || !is_last) {
                (true, _) => continue,
                (false, true) => "no date of its end",
                (false, false) => "neither an end nor a replacement",
            };
        found.at(contract.place("lifecycle"), format!("{} is deprecated, and has {lacks}", contract.label()));
    }
}

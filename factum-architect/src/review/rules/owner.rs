//! Owners and documentation: whom to ask, and what to read.

use factum_contract::Severity::{Error, Info, Warning};

use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{View, items};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "owner/missing",
        severity: Error,
        profile: Recommended,
        title: "A contract has no owner, or its owner no team.",
        why: "At night somebody must answer for it, and by day somebody must say yes to a change.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\n# system.yaml\nsystem: shop\nteams: { checkout: {} }\nservices: { orders: { team: checkout } }",
        fix: "`owner:` names the service that decides what it means; `team:` of that service names the people",
        check: Check::Catalog(missing),
    },
    Rule {
        id: "owner/unknown",
        severity: Error,
        profile: Recommended,
        title: "An owner is not in the catalog.",
        why: "A name that points nowhere is nobody.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: ordres\n# system.yaml\nsystem: shop\nservices: { orders: {} }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\n# system.yaml\nsystem: shop\nservices: { orders: {} }",
        fix: "name a service of system.yaml, or add it there",
        check: Check::Catalog(unknown),
    },
    Rule {
        id: "owner/multiple-producers",
        severity: Warning,
        profile: Recommended,
        title: "Several services send the same event, and none of them owns its contract.",
        why: "Each gives it its own meaning, and readers cannot tell which one they have.",
        bad: "# address.changed.v1.yaml\nevent: address.changed\nversion: 1\nowner: crm\n# system.yaml\nsystem: shop\nservices:\n  crm: {}\n  shop: { emits: [address.changed] }\n  phone: { emits: [address.changed] }",
        good: "# address.changed.v1.yaml\nevent: address.changed\nversion: 1\nowner: crm\n# system.yaml\nsystem: shop\nservices:\n  crm: { emits: [address.changed] }\n  shop: {}\n  phone: {}",
        fix: "let one service send it and the others ask that service, or give each its own event",
        check: Check::Catalog(multiple),
    },
    Rule {
        id: "owner/foreign-topic",
        severity: Warning,
        profile: Recommended,
        title: "A service publishes to a topic of another team.",
        why: "Who owns a topic decides its retention, partitions and schema; somebody else's events change under them.",
        bad: "# a.v1.yaml\nevent: parcel.sent\nversion: 1\nowner: shipping\ntopic: orders\n# system.yaml\nsystem: shop\nteams: { a: {}, b: {} }\nservices:\n  orders: { team: a }\n  shipping: { team: b, emits: [parcel.sent] }\ntopics: { orders: { owner: orders } }",
        good: "# a.v1.yaml\nevent: parcel.sent\nversion: 1\nowner: shipping\ntopic: parcels\n# system.yaml\nsystem: shop\nteams: { a: {}, b: {} }\nservices:\n  orders: { team: a }\n  shipping: { team: b, emits: [parcel.sent] }\ntopics: { parcels: { owner: shipping } }",
        fix: "publish to a topic of your own",
        check: Check::Catalog(foreign_topic),
    },
    Rule {
        id: "doc/missing",
        severity: Warning,
        profile: Recommended,
        title: "A contract says nothing to people.",
        why: "A name and a schema do not say when it is sent, once or often, and what it means to the business.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nsummary: Order placed",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nsummary: A customer completed checkout; nothing is charged yet.",
        fix: "write a `summary`: who did what, when it is sent, what has not happened yet",
        check: Check::Catalog(undocumented),
    },
    Rule {
        id: "doc/no-example",
        severity: Info,
        profile: Strict,
        title: "A contract has no example.",
        why: "People read the example first, tests and mocks are made of it, and generated documents are poorer without. Examples that break their schema are errors of `factum contract check`.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }\nexamples:\n  - { orderId: \"42\" }",
        fix: "add `examples:` with one payload as it is sent",
        check: Check::Catalog(no_example),
    },
];

fn missing(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        match contract.text("owner") {
            None => found.at(contract.name.span, format!("{} has no owner", contract.label())),
            Some(owner) => {
                let Some(service) = view.service(owner.text) else { continue };
                if service.text("team").is_none() && !view.teams.is_empty() {
                    found.at(
                        owner.span,
                        format!("the owner of {}, `{}`, has no team", contract.label(), owner.text),
                    );
                }
            }
        }
    }
}

fn unknown(view: &View<'_>, found: &mut Found) {
    if view.system.is_none() {
        return;
    }
    for contract in &view.contracts {
        if let Some(owner) = contract.text("owner").filter(|owner| view.service(owner.text).is_none()) {
            found.at(owner.span, format!("the owner `{}` is no service of the catalog", owner.text));
        }
    }
    for service in &view.services {
        let known = |team: &str| view.teams.iter().any(|one| one.name.text == team);
        if let Some(team) = service.text("team").filter(|team| !known(team.text)) {
            found.at(
                team.span,
                format!("the team `{}` of `{}` is not in `teams`", team.text, service.name.text),
            );
        }
    }
}

fn multiple(view: &View<'_>, found: &mut Found) {
    for event in view.events() {
        let senders = view.sending(event.name.text);
        let is_owned = event.text("owner").is_some_and(|owner| senders.contains(owner.text));
        if senders.len() >= 2 && !is_owned {
            let all: Vec<&str> = senders.into_iter().collect();
            found.at(
                event.place("owner"),
                format!("{} is sent by {}, and owned by none of them", event.label(), all.join(" and ")),
            );
        }
    }
}

fn foreign_topic(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(owner) = view.topic(contract.topic()).and_then(|topic| topic.text("owner")) else {
            continue;
        };
        for end in view.senders.get(contract.name.text).into_iter().flatten() {
            let teams = view.team(owner.text).zip(view.team(end.service));
            if teams.is_some_and(|(theirs, ours)| theirs != ours) {
                let message = format!(
                    "`{}` publishes to the topic `{}` of `{}`, another team's",
                    end.service,
                    contract.topic(),
                    owner.text
                );
                found.at(contract.place("topic"), message);
                break;
            }
        }
    }
}

fn undocumented(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(said) = contract.text("summary").or(contract.text("description")) else {
            found.at(contract.name.span, format!("{} has neither summary nor description", contract.label()));
            continue;
        };
        let plain =
            |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        if plain(said.text) == plain(contract.name.text) {
            found.at(said.span, format!("the summary of {} only repeats its name", contract.label()));
        }
    }
}

fn no_example(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let has_payload = contract.payload().is_some();
        let has_some = contract.node.get("examples").is_some_and(|node| !items(node).is_empty());
        if has_payload && !has_some {
            found.at(contract.place("payload"), format!("{} has no example", contract.label()));
        }
    }
}

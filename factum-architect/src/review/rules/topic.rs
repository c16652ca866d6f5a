//! Topics: named after what flows, kept for long enough, and cleaned up by a key.

use factum_contract::Severity::{Error, Warning};

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{View, duration_of, shown};
use crate::review::words;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "topic/mixed-types-no-discriminator",
        severity: Warning,
        profile: Recommended,
        title: "Several kinds of events share a topic, and the envelope does not tell them apart.",
        why: "Readers must look into every payload to find what is theirs.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders\nenvelope: [id, time, correlation]\n# b.v1.yaml\nevent: order.paid\nversion: 1\ntopic: orders\nenvelope: [id, time, correlation]",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders\n# b.v1.yaml\nevent: order.paid\nversion: 1\ntopic: orders",
        fix: "carry the event's type in the envelope, or give each its topic",
        check: Check::Catalog(mixed),
    },
    Rule {
        id: "topic/name-convention",
        severity: Warning,
        profile: Recommended,
        title: "A topic's name holds an environment, or signs that brokers read otherwise.",
        why: "`prod` in a name means that another environment has another contract; slashes, `?` and `#` are wildcards or ends elsewhere.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: prod.orders",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders",
        fix: "leave the environment to the connection, and use letters, digits, dots and hyphens",
        check: Check::Catalog(convention),
    },
    Rule {
        id: "topic/compacted-no-key",
        severity: Error,
        profile: Recommended,
        title: "A topic is compacted, and an event on it has no key.",
        why: "Compaction keeps the last event of each key: without one, nothing may go, or the broker refuses it.",
        bad: "# a.v1.yaml\nevent: price.raised\nversion: 1\ntopic: prices\n# system.yaml\nsystem: shop\ntopics: { prices: { cleanup: compact } }",
        good: "# a.v1.yaml\nevent: price.raised\nversion: 1\ntopic: prices\nkey: productId\n# system.yaml\nsystem: shop\ntopics: { prices: { cleanup: compact } }",
        fix: "name the `key` of what is kept, or say `cleanup: delete`",
        check: Check::Catalog(compacted),
    },
    Rule {
        id: "topic/retention-vs-replay",
        severity: Warning,
        profile: Recommended,
        title: "A consumer must be able to replay for longer than its topic keeps events.",
        why: "On the day of the rebuild its first half is gone.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders\n# system.yaml\nsystem: shop\nservices: { books: {} }\ntopics: { orders: { retention: 30d } }\nprojections:\n  books: { service: books, on: [order.placed], rebuild: 400d }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\ntopic: orders\n# system.yaml\nsystem: shop\nservices: { books: {} }\ntopics: { orders: { retention: 400d } }\nprojections:\n  books: { service: books, on: [order.placed], rebuild: 400d }",
        fix: "keep the topic longer, or rebuild from the producer's store",
        check: Check::Catalog(retention),
    },
];

fn mixed(view: &View<'_>, found: &mut Found) {
    for (index, event) in view.latest().enumerate() {
        let carries_type = super::order::envelope(view, event).is_none_or(|(all, _)| all.contains(&"type"));
        let earlier = view.latest().take(index).find(|other| other.topic() == event.topic());
        if let (false, Some(other)) = (carries_type, earlier) {
            found.at(
                event.place("topic"),
                format!(
                    "{} and {} share `{}`, and no type tells them apart",
                    other.label(),
                    event.label(),
                    event.topic()
                ),
            );
        }
    }
}

fn convention(view: &View<'_>, found: &mut Found) {
    const ENVIRONMENTS: [&str; 8] = ["prod", "production", "dev", "staging", "stage", "qa", "uat", "preprod"];
    let declared = view.topics.iter().map(|topic| topic.name);
    let used = view.latest().filter_map(|contract| contract.text("topic"));
    let mut told = std::collections::BTreeSet::new();
    for topic in declared.chain(used) {
        if !told.insert(topic.text) {
            continue;
        }
        let words = words::split(topic.text);
        let ends = words.first().into_iter().chain(words.last().filter(|_| words.len() > 1));
        let environment =
            ends.into_iter().find(|word| words.len() > 1 && ENVIRONMENTS.contains(&word.as_str()));
        let what = match environment {
            Some(environment) => format!("holds the environment `{environment}`"),
            None if topic.text.contains(['?', '#', '*', '>', ' ']) => {
                "holds a sign that brokers read otherwise".to_owned()
            }
            None if topic.text.ends_with(['/', '.']) => "ends in a separator".to_owned(),
            None => continue,
        };
        found.at(topic.span, format!("the topic `{}` {what}", topic.text));
    }
}

fn compacted(view: &View<'_>, found: &mut Found) {
    for topic in &view.topics {
        let Some(cleanup) = topic.text("cleanup").filter(|word| word.text.contains("compact")) else {
            continue;
        };
        let keyless = view
            .latest()
            .find(|contract| contract.topic() == topic.name.text && contract.text("key").is_none());
        if let Some(contract) = keyless {
            found.at(
                cleanup.span,
                format!("`{}` is compacted, and {} has no key", topic.name.text, contract.label()),
            );
        }
    }
}

fn retention(view: &View<'_>, found: &mut Found) {
    for reader in view.projections.iter().chain(&view.consumers) {
        let Some(node) = reader.node.get("rebuild") else { continue };
        let Some(needed) = duration_of(node) else { continue };
        for taken in reader.texts("on") {
            let topic = view.contract(taken.text).map_or(taken.text, |contract| contract.topic());
            if let Some(kept) = view.retention(topic).filter(|kept| *kept < needed) {
                found.at(
                    node.span,
                    format!(
                        "`{}` rebuilds over {}, and `{topic}` keeps {}",
                        reader.name.text,
                        shown(needed),
                        shown(kept)
                    ),
                );
            }
        }
    }
}

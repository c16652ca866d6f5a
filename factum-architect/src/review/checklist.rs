//! The questions of every review, each answered with its evidence: pass, fail, or unknown.
//!
//! Unknown is said where nothing was looked at, and never counted as well done.

use factum_contract::{Finding, Severity};
use serde::Serialize;

use super::view::View;
use crate::sources::Code;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nothing speaks against it, and something was looked at.
    Pass,
    /// Something speaks against it.
    Fail,
    /// Nothing was there to look at.
    Unknown,
}

/// Which rules were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of a profile.
    All,
    /// Some, by name.
    Some,
}

/// One question with its answer.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// What is asked.
    pub question: &'static str,
    /// The answer.
    pub answer: Answer,
    /// What it rests on.
    pub evidence: String,
}

/// Both lists of every review.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checklist {
    /// The ten review questions.
    pub review: Vec<Item>,
    /// The ten parts of a complete design.
    pub output: Vec<Item>,
}

/// A question, the rules that speak against it, and what must be there to answer it at all.
type Question = (&'static str, &'static [&'static str], Needs);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Events,
    Consumers,
    Services,
    Code,
}

const QUESTIONS: [Question; 10] = [
    ("Is the schema of every event clear?", &["schema/", "doc/"], Needs::Events),
    (
        "Are events immutable?",
        &["code/event-mutated", "compat/version-skipped-or-reused", "id/retry-new-id"],
        Needs::Code,
    ),
    (
        "Is every consumer idempotent?",
        &["idem/", "code/non-idempotent", "code/ack-before-work"],
        Needs::Consumers,
    ),
    (
        "Are errors handled, retried and set aside?",
        &["retry/", "dlq/", "code/swallowed-failure", "saga/"],
        Needs::Consumers,
    ),
    ("Can a story be followed across services?", &["trace/", "time/", "topo/long-chain"], Needs::Events),
    (
        "Is every contract versioned, and its promise kept?",
        &["compat/", "deprecation/", "name/version-in-name"],
        Needs::Events,
    ),
    (
        "Are services loosely coupled?",
        &[
            "topo/shared-db",
            "topo/hub",
            "topo/consumer-names-producer",
            "event/callback-query",
            "event/clickbait",
            "code/foreign-table",
            "code/direct-consumer-call",
            "owner/",
        ],
        Needs::Services,
    ),
    (
        "Is it asynchronous in fact?",
        &[
            "topo/sync-wait",
            "topo/request-response",
            "topo/lockstep",
            "code/wait-for-event",
            "code/direct-service-call",
        ],
        Needs::Services,
    ),
    ("Does every event mean something to the business?", &["name/", "event/"], Needs::Events),
    (
        "Is the code typed by its contracts?",
        &[
            "code/untyped",
            "code/raw-publish",
            "code/unvalidated-consume",
            "code/ts-not-strict",
            "code/undeclared-event",
        ],
        Needs::Code,
    ),
];

impl Checklist {
    /// The answers that findings give.
    #[must_use]
    pub fn of(findings: &[Finding], view: &View<'_>, code: &Code, asked: Asked) -> Self {
        let has = |needs: Needs| match needs {
            Needs::Events => view.events().next().is_some(),
            Needs::Consumers => !view.consumers.is_empty() || !view.sagas.is_empty(),
            Needs::Services => !view.services.is_empty(),
            Needs::Code => !code.units.is_empty(),
        };
        let review = QUESTIONS.iter().map(|&(question, rules, needs)| {
            let against: Vec<&Finding> = findings
                .iter()
                .filter(|finding| finding.severity != Severity::Info)
                .filter(|finding| rules.iter().any(|rule| finding.rule.starts_with(rule)))
                .collect();
            let (answer, evidence) = match against.first() {
                Some(first) if against.len() == 1 => (Answer::Fail, place(first)),
                Some(first) => (Answer::Fail, format!("{} findings, first {}", against.len(), place(first))),
                None if asked == Asked::Some => (Answer::Unknown, "not all rules were asked".to_owned()),
                None if has(needs) => (Answer::Pass, looked_at(needs, view, code)),
                None => (Answer::Unknown, missing(needs).to_owned()),
            };
            Item { question, answer, evidence }
        });
        Self { review: review.collect(), output: output(view, code) }
    }
}

fn place(finding: &Finding) -> String {
    match finding.line {
        0 => finding.rule.to_string(),
        line => format!("{} at {}:{line}", finding.rule, finding.file),
    }
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn looked_at(needs: Needs, view: &View<'_>, code: &Code) -> String {
    match needs {
        Needs::Events => format!("{}, nothing found", counted(view.events().count(), "event")),
        Needs::Consumers => {
            format!(
                "{} and {}, nothing found",
                counted(view.consumers.len(), "consumer"),
                counted(view.sagas.len(), "saga")
            )
        }
        Needs::Services => format!("{}, nothing found", counted(view.services.len(), "service")),
        Needs::Code => format!("{} with events, nothing found", counted(code.units.len(), "source file")),
    }
}

fn missing(needs: Needs) -> &'static str {
    match needs {
        Needs::Events => "the catalog has no events",
        Needs::Consumers => "the catalog has no consumers",
        Needs::Services => "the catalog has no services",
        Needs::Code => "no source code with events was looked at: name its folder",
    }
}

/// The parts of a complete design, and where they are.
fn output(view: &View<'_>, code: &Code) -> Vec<Item> {
    let item = |question, count: usize, what: &str, unknown: bool| {
        let answer = match count {
            0 if unknown => Answer::Unknown,
            0 => Answer::Fail,
            _ => Answer::Pass,
        };
        let evidence = if count == 0 { format!("no {what}") } else { format!("{what}: {count}") };
        Item { question, answer, evidence }
    };
    let has_code = !code.units.is_empty();
    let seen = |words: &[&str]| {
        code.sources.iter().filter(|source| words.iter().any(|word| source.text.contains(word))).count()
    };
    let handled = view.consumers.iter().filter(|consumer| consumer.node.get("retry").is_some()).count();
    let dead = view.consumers.iter().filter(|consumer| consumer.node.get("dead_letters").is_some()).count();
    let replayed = view.consumers.iter().filter(|consumer| consumer.node.get("replay").is_some()).count();
    let typed = view.events().filter(|event| event.payload().is_some()).count();
    let deciders = seen(&["Decider", "aggregate", "Aggregate", "evolve"]);
    let stores = seen(&[
        "factum::open",
        "EventStore",
        "eventStore",
        "event_store",
        "KurrentDB",
        "appendToStream",
        "Expected::",
    ]);
    let commands = view.latest().filter(|contract| contract.is_command).count();
    vec![
        item("domain events", view.events().count(), "events", false),
        item("typed payloads", typed, "events with a schema", false),
        item("bus", view.senders.len(), "events with a sender", false),
        item("handlers with error handling", handled, "consumers with a retry policy", false),
        item("event store", stores, "source files that use one", !has_code),
        item("aggregate", deciders, "source files with a decider", !has_code),
        item(
            "separation of commands and queries",
            commands.max(view.projections.len()),
            "commands or projections",
            false,
        ),
        item("projections", view.projections.len(), "projections", false),
        item("dead letters", dead, "consumers with dead letters", false),
        item("replay", replayed, "consumers that say what a replay may do", false),
    ]
}

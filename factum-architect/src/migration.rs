//! Plans the change from a call in the request, or from a legacy flow, to an event: with checkpoints, a way back from
//! each, and a criterion for being done.
//!
//! What the sources and the catalog tell is written down with its place; what nobody has said is a question in the
//! plan. The run-time half is `factum_runtime::Migration`, whose stages the checkpoints are.

use std::time::Duration;

use factum_contract::Catalog;
use factum_core::MigrationName;
use serde::Serialize;

use crate::reliability::{Report, length};

mod document;
pub mod scan;

pub use scan::{Hit, Scan, ScanError, scan};

/// What is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A side effect that the request waits for: a mail, a charge, a call.
    Call,
    /// Events of an older making: published by hand, without a contract.
    Flow,
}

/// What is known when a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The migration's name: of the plan, and of the switch.
    pub name: MigrationName,
    /// What is to be moved, in words.
    pub what: Option<String>,
    /// Call or flow.
    pub kind: Kind,
    /// The function, or the legacy topic, as the sources spell it.
    pub call: Option<String>,
    /// The event of the new path.
    pub event: Option<String>,
    /// The consumer of the new path.
    pub consumer: Option<String>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The migration's name.
    pub name: String,
    /// Call or flow.
    pub kind: Kind,
    /// Where the call stands today.
    pub hits: Vec<Hit>,
    /// The event of the new path.
    pub event: Option<String>,
    /// Whether the catalog has its contract.
    pub has_contract: bool,
    /// The consumer of the new path.
    pub consumer: String,
    /// The steps, in order.
    pub checkpoints: Vec<Checkpoint>,
    /// What nobody has said.
    pub questions: Vec<String>,
    /// The document.
    #[serde(skip)]
    pub document: String,
}

/// A step that can be looked at, gone on from, and gone back from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// What holds once it is reached.
    pub name: String,
    /// What to do.
    pub steps: Vec<String>,
    /// What must be seen before the next one.
    pub go_on_when: String,
    /// The way back.
    pub rollback: String,
}

/// How long nothing may go wrong before the old call is retired.
const STABLE: Duration = Duration::from_secs(14 * 86_400);

/// Plans a migration from what was asked, the catalog and the sources.
#[must_use]
pub fn plan(asked: &Asked, catalog: Option<&Catalog>, scanned: Option<&Scan>) -> Plan {
    let contract = asked.event.as_deref().and_then(|event| catalog?.versions(event).next_back());
    let consumer = asked.consumer.clone().unwrap_or_else(|| format!("{}.new", asked.name));
    let report = report(asked, catalog, &consumer);
    let mut plan = Plan {
        name: asked.name.to_string(),
        kind: asked.kind,
        hits: scanned.map(|scan| scan.hits.clone()).unwrap_or_default(),
        event: asked.event.clone(),
        has_contract: contract.is_some(),
        consumer,
        checkpoints: checkpoints(asked, contract.is_some()),
        questions: questions(asked, catalog, contract.is_some(), scanned, &report),
        document: String::new(),
    };
    plan.document = document::write(asked, &plan, scanned, contract, &report);
    plan
}

/// How the new path deals with failure: the catalog's word for its consumer, or a proposal from the words.
fn report(asked: &Asked, catalog: Option<&Catalog>, consumer: &str) -> Report {
    let declared = catalog.zip(consumer.parse().ok());
    let declared = declared.and_then(|(catalog, name)| Report::of_consumer(catalog, &name));
    declared.unwrap_or_else(|| {
        let words =
            [Some(asked.name.as_str()), asked.what.as_deref(), asked.call.as_deref(), asked.event.as_deref()];
        let words: Vec<String> =
            words.into_iter().flatten().map(|text| text.replace(['_', '-'], " ")).collect();
        Report::of_words(&words.join(" "))
    })
}

fn checkpoints(asked: &Asked, has_contract: bool) -> Vec<Checkpoint> {
    let name = &asked.name;
    let event = asked.event.as_deref().unwrap_or("EVENT");
    let old = match asked.kind {
        Kind::Call => "the call",
        Kind::Flow => "the legacy flow",
    };
    let checkpoint = |title: &str, steps: &[String], go_on_when: &str, rollback: &str| Checkpoint {
        name: title.to_owned(),
        steps: steps.to_vec(),
        go_on_when: go_on_when.to_owned(),
        rollback: rollback.to_owned(),
    };
    let advance = |more: &str| format!("`factum migration advance {name}{more} --why TEXT`");
    let status = format!("`factum migration status {name}`");
    let back = |to: &str| {
        format!(
            "`factum migration rollback {name} --to {to} --why TEXT`; what was decided for the event is still done by it"
        )
    };
    vec![
        checkpoint(
            "The contract stands",
            &[
                if has_contract {
                    format!("`factum contract show {event}`: read it with those who will consume it")
                } else {
                    format!(
                        "`factum contract new event {event} --owner SERVICE`, then fill in its payload and an example"
                    )
                },
                "declare the consumer with retry, dead letters, idempotency and replay in `system.yaml`"
                    .to_owned(),
                "`factum contract check` in the pipeline".to_owned(),
            ],
            "`factum contract check` and `factum review` are clean",
            "remove the contract: nobody uses it yet",
        ),
        checkpoint(
            "The switch is in, at off",
            &[
                format!(
                    "wrap {old} as an `OldCall`, and what replaces it as a `NewCall`; both answer with what they do, as data"
                ),
                format!(
                    "`Migration::new(\"{name}\", old_call, event)` in the place of {old}; `recover` at the start"
                ),
                "run its consumer beside the app's others, and deploy".to_owned(),
            ],
            &format!(
                "{status} shows stage off, and old calls that end; errors and response times are as before"
            ),
            "deploy the release before: at off nothing else has changed",
        ),
        checkpoint(
            "Shadow: both speak, one acts",
            &[
                advance(""),
                format!(
                    "`factum migration differences {name}` each day; mend the new path, never the comparison"
                ),
            ],
            &format!(
                "{status}: all kinds of requests compared, none differs, none waits; a full business cycle is covered"
            ),
            &format!(
                "`factum migration rollback {name} --why TEXT`: the new path falls silent; nothing it did was seen outside"
            ),
        ),
        checkpoint(
            "Canary: one key in ten",
            &[advance(" --canary 10"), "watch lag, dead letters and what customers report".to_owned()],
            "no dead letter; the new path's delay is within what was agreed; support has heard nothing",
            &back("shadow"),
        ),
        checkpoint(
            "Canary: half of the keys",
            &[
                advance(" --canary 50"),
                "`factum reliability CONSUMER --simulate outage=5m,rate=RATE/s` for the full load".to_owned(),
            ],
            "the same, at a peak hour",
            &back("canary"),
        ),
        checkpoint(
            "On: every key",
            &[advance(""), "keep the old call in the code: it is the way back".to_owned()],
            "the criterion for stable, below",
            &back("canary"),
        ),
        checkpoint(
            "Retired",
            &[advance(""), "then remove the old call, as below".to_owned()],
            "the old call is out of the code, and of the runbooks",
            "none: going back is a migration of its own. That is why the criterion comes first",
        ),
    ]
}

fn questions(
    asked: &Asked,
    catalog: Option<&Catalog>,
    has_contract: bool,
    scanned: Option<&Scan>,
    report: &Report,
) -> Vec<String> {
    let mut questions = Vec::new();
    let mut ask = |is: bool, question: String| {
        if is {
            questions.push(question);
        }
    };
    let call = asked.call.as_deref();
    ask(
        call.is_none(),
        "Which function makes the call today (`--call NAME`)? Without it the sources cannot be searched."
            .to_owned(),
    );
    if let (Some(call), Some(scan)) = (call, scanned) {
        ask(
            scan.hits.is_empty(),
            format!("`{call}` is in none of the {} files that were read: is it spelled so?", scan.files),
        );
        let unclear = scan.hits.iter().filter(|hit| hit.state_change.is_none()).count();
        ask(
            unclear > 0 && asked.kind == Kind::Call,
            format!(
                "For {unclear} of the places no change of state was seen nearby: which transaction does the call belong to?"
            ),
        );
    }
    ask(
        asked.event.is_none(),
        "Which event reports it (`--event NAME`), as a fact in the past tense?".to_owned(),
    );
    ask(
        asked.event.is_some() && !has_contract && catalog.is_some(),
        "Which service owns the meaning of the event?".to_owned(),
    );
    ask(true, "Who waits for the result today: does a caller show it, or act on it? What may be late, and by how much?".to_owned());
    match asked.kind {
        Kind::Call => ask(true, "Does the receiver take an idempotency key? Both ways send the same one; without it a crash can repeat the effect.".to_owned()),
        Kind::Flow => ask(true, "Who reads the legacy events today, by name, and when does each of them move?".to_owned()),
    }
    ask(true, "Who decides on each step, and who is woken when the new path has a dead letter?".to_owned());
    questions.extend(
        report
            .questions
            .iter()
            .filter(|question| question.contains("alert") || question.contains("runbook"))
            .cloned(),
    );
    questions
}

fn stable(report: &Report) -> Vec<String> {
    let retries = Duration::try_from_secs_f64(report.dead.latest_seconds).unwrap_or(Duration::MAX);
    vec![
        format!("{} at stage on, over at least one peak and one deployment", length::spoken(STABLE)),
        "no dead letter of the consumer that was not explained and handled".to_owned(),
        format!(
            "no event waited longer than {}, which is as long as its retries may take",
            length::spoken(retries)
        ),
        "one rehearsed outage of what it calls: paused, resumed, nothing lost".to_owned(),
        "old calls open: 0 in `factum migration status`".to_owned(),
    ]
}

//! The plan as a document: what is, what will be, and every step between, with its way back.

use std::fmt::Write as _;

use factum_contract::Contract;

use super::{Asked, Hit, Kind, Plan, Scan, stable};
use crate::reliability::Report;

pub(super) fn write(
    asked: &Asked,
    plan: &Plan,
    scanned: Option<&Scan>,
    contract: Option<&Contract>,
    report: &Report,
) -> String {
    let mut out = String::new();
    let name = &plan.name;
    let _ = writeln!(out, "# Migration: {name}\n");
    if let Some(what) = &asked.what {
        let _ = writeln!(out, "{what}\n");
    }
    let event = plan.event.as_deref().unwrap_or("*not said*");
    let kind = match plan.kind {
        Kind::Call => "a call that the request waits for",
        Kind::Flow => "a legacy flow of events",
    };
    let _ = writeln!(out, "| | |\n|---|---|\n| moves | {kind} |\n| switch | `{name}` |\n| event | {event} |");
    let _ = writeln!(out, "| consumer | {} |\n", plan.consumer);
    current(&mut out, asked, plan, scanned);
    new_path(&mut out, asked, plan, contract, report);
    checkpoints(&mut out, plan);
    let _ = writeln!(out, "## Criterion for stable\n\nAll of it, before the last step:\n");
    stable(report).iter().for_each(|line| _ = writeln!(out, "- [ ] {line}"));
    retirement(&mut out, asked, plan);
    let _ = writeln!(out, "\n## Open questions\n");
    for (index, question) in plan.questions.iter().enumerate() {
        let _ = writeln!(out, "{}. [ ] {question}", index + 1);
    }
    out
}

fn current(out: &mut String, asked: &Asked, plan: &Plan, scanned: Option<&Scan>) {
    let _ = writeln!(out, "## Current flow\n");
    let call = asked.call.as_deref().unwrap_or("the call");
    match asked.kind {
        Kind::Call => {
            let _ = writeln!(
                out,
                "The request does its work, makes the call `{call}`, and answers. The caller waits for both, and fails \
                 with both.\n"
            );
            let _ = writeln!(
                out,
                "```mermaid\nsequenceDiagram\n  participant C as caller\n  participant S as service\n  participant D as \
                 database\n  participant X as {call}\n  C->>S: request\n  S->>D: change, commit\n  S->>X: call, and wait\n  \
                 X-->>S: answer\n  S-->>C: answer\n```\n"
            );
            let _ = writeln!(
                out,
                "What can go wrong today: a crash between the commit and the call loses the effect; a slow receiver \
                 makes the request slow; a caller that asks again repeats the effect."
            );
        }
        Kind::Flow => {
            let _ = writeln!(
                out,
                "Events are published through `{call}`, beside the transaction that they report, and read without a \
                 contract.\n"
            );
            let _ = writeln!(
                out,
                "```mermaid\nsequenceDiagram\n  participant S as service\n  participant D as database\n  participant B as \
                 {call}\n  participant R as readers\n  S->>D: change, commit\n  S->>B: publish\n  B->>R: event, as it \
                 comes\n```\n"
            );
            let _ = writeln!(
                out,
                "What can go wrong today: a crash between commit and publish loses the event; nothing stops a payload \
                 that readers cannot read; a reader that fails has its own way of trying again, or none."
            );
        }
    }
    let Some(scan) = scanned else {
        let _ = writeln!(out, "\nThe sources were not searched.\n");
        return;
    };
    let _ =
        writeln!(out, "\n{} files were read; `{call}` stands in {} places:\n", scan.files, plan.hits.len());
    if !plan.hits.is_empty() {
        let _ = writeln!(out, "| place | in | nearest change of state |\n|---|---|---|");
    }
    plan.hits.iter().for_each(|hit| _ = writeln!(out, "{}", row(hit)));
    if scan.is_cut {
        let _ = writeln!(out, "\nThere are more; only the first are shown.");
    }
    out.push('\n');
}

fn row(hit: &Hit) -> String {
    let inside = hit.inside.as_deref().map_or("–".to_owned(), |name| format!("`{name}`"));
    let change = match &hit.state_change {
        Some(change) => {
            let side = if change.is_before { "before" } else { "after" };
            format!(
                "line {} ({side} the call): `{}`",
                change.line,
                change.text.replace('|', "\\|").replace('`', "'")
            )
        }
        None => "none seen".to_owned(),
    };
    format!("| `{}:{}` | {inside} | {change} |", hit.file, hit.line)
}

fn new_path(out: &mut String, asked: &Asked, plan: &Plan, contract: Option<&Contract>, report: &Report) {
    let event = plan.event.as_deref().unwrap_or("the event");
    let consumer = &plan.consumer;
    let _ = writeln!(out, "## New path\n");
    let _ = writeln!(
        out,
        "The request commits its change together with `{event}`, and answers. `{consumer}` takes the event and does the \
         rest, again and again until it succeeds.\n"
    );
    let _ = writeln!(
        out,
        "```mermaid\nsequenceDiagram\n  participant C as caller\n  participant S as service\n  participant L as log\n  \
         participant N as {consumer}\n  C->>S: request\n  S->>L: change and {event}, one commit\n  S-->>C: answer\n  \
         L->>N: {event}\n  N->>N: plan, perform (same idempotency key)\n  N->>L: done, one commit\n```\n"
    );
    match contract {
        Some(contract) => {
            let _ = writeln!(
                out,
                "- Contract: `{}`, owned by {}, key `{}`, topic `{}`.",
                contract.label(),
                contract.owner.value,
                contract.key.value,
                contract.topic.value
            );
        }
        None => _ = writeln!(out, "- Contract: to be written (first checkpoint)."),
    }
    for setting in &report.settings {
        let proposed = if setting.is_declared { "" } else { " (proposed)" };
        let _ = writeln!(out, "- {}{proposed}: `{}`: {}.", setting.name, setting.value, setting.reason);
    }
    let same = match asked.kind {
        Kind::Call => "the old call and the new path hand the same idempotency key to the receiver",
        Kind::Flow => {
            "readers of the legacy events and of the new ones are never the same reader at the same time"
        }
    };
    let _ =
        writeln!(out, "- Never twice: each thing is decided once, in the commit of the request; {same}.\n");
}

fn checkpoints(out: &mut String, plan: &Plan) {
    let _ = writeln!(out, "## Checkpoints\n");
    for (number, checkpoint) in (1..).zip(&plan.checkpoints) {
        let _ = writeln!(out, "### {number}. {}\n", checkpoint.name);
        checkpoint.steps.iter().for_each(|step| _ = writeln!(out, "- [ ] {step}"));
        let _ = writeln!(out, "- [ ] Go on when: {}.", checkpoint.go_on_when);
        let _ = writeln!(out, "\nRollback: {}.\n", checkpoint.rollback);
    }
}

fn retirement(out: &mut String, asked: &Asked, plan: &Plan) {
    let name = &plan.name;
    let call = asked.call.as_deref().unwrap_or("the old call");
    let _ = writeln!(out, "\n## Retirement\n");
    let _ =
        writeln!(out, "- [ ] `factum migration advance {name}` to retired; its history stays in the store.");
    let _ = writeln!(
        out,
        "- [ ] Put the event's append in the place of the switch, and the consumer's plain handler in the place of the `NewCall`."
    );
    match asked.kind {
        Kind::Call => {
            let _ = writeln!(
                out,
                "- [ ] Remove `{call}` from the request, with its client, its settings and its secrets."
            );
        }
        Kind::Flow => {
            let _ = writeln!(
                out,
                "- [ ] Stop publishing to `{call}`; keep it readable until its retention ends, then remove it."
            );
        }
    }
    let _ = writeln!(
        out,
        "- [ ] Remove what only the old way needed: alerts, timeouts of the request, runbooks."
    );
    let _ = writeln!(out, "- [ ] `factum review` is clean.");
}

//! `factum forget`: a data subject, for good. Says first what goes and what stays.

use factum_core::keys::SubjectState;
use factum_runtime::Admin;
use factum_runtime::admin::{ForgetPlan, Forgot};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Column, Style, Table, counted, grouped};
use crate::reveal::{self, KeysArgs};
use crate::shown::TypeJson;

/// Forget a data subject: destroy its key; without --yes only say what that means
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who, by the pseudonym that stands in the field marked `personal: self`
    subject: String,
    /// Do it; nothing brings the values back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

/// What forgetting never reaches.
const BEYOND: [&str; 4] = [
    "backups of the key file made before now: they hold the key; delete them, or rotate the master key and destroy the old one",
    "copies of the store made before now: their tables hold what these held; their sealed values read as forgotten",
    "topics that are open, and what other services and your handlers copied",
    "logs, error texts and files outside the store",
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    subject: &'a str,
    state: &'static str,
    is_done: bool,
    events: Vec<TypeJson<'a>>,
    values: u64,
    tables: Vec<TableJson<'a>>,
    snapshots: u64,
    stays: Vec<StaysJson<'a>>,
    beyond: [&'static str; 4],
    position: Option<u64>,
    behind: &'a [String],
}

#[derive(Debug, Serialize)]
struct TableJson<'a> {
    table: &'a str,
    rows: u64,
}

#[derive(Debug, Serialize)]
struct StaysJson<'a> {
    place: &'static str,
    what: &'a str,
    count: Option<u64>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let keys = args.keys.ring(&cx.settings)?;
    let opened = reveal::open(&cx.settings, keys).await?;
    let admin = Admin::new(opened.store.clone());
    let mut bar = cx.out.bar("reading the log");
    let mut progress =
        |done: factum_core::Position, of: factum_core::Position| bar.at(done.number(), of.number());
    if args.yes {
        let forgot = admin.forget(&args.subject, opened.maintenance.as_ref(), &mut progress).await?;
        drop(bar);
        return report(cx, &forgot.plan, Some(&forgot));
    }
    let plan = admin.plan_forget(&args.subject, &mut progress).await?;
    drop(bar);
    report(cx, &plan, None)
}

fn report(cx: &mut Cx<'_>, plan: &ForgetPlan, forgot: Option<&Forgot>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&json(plan, forgot))?;
        return Ok(Done::Clean);
    }
    let subject = &plan.subject;
    let values = counted(plan.values, "sealed value");
    match (plan.state, forgot) {
        (SubjectState::Forgotten { .. }, _) => {
            cx.out.line(format!("{subject} was forgotten before; {values}"))?
        }
        (SubjectState::Unknown, _) => {
            cx.out.line(format!("{subject} has no key: nothing of it is sealed here"))?
        }
        (SubjectState::Kept { .. }, None) => cx.out.line(format!("{subject} has a key, and {values}"))?,
        (SubjectState::Kept { .. }, Some(_)) => cx.out.line(format!("{subject} had a key, and {values}"))?,
    }
    let mut table = Table::new([Column::Left("what"), Column::Left("where"), Column::Right("count")]);
    for (name, events) in &plan.events {
        table.row(["reads as forgotten".into(), name.as_str().into(), grouped(*events).into()]);
    }
    for (name, rows) in &plan.tables {
        table.row(["emptied".into(), format!("table {name}").into(), grouped(*rows).into()]);
    }
    if plan.snapshots > 0 {
        table.row(["dropped".into(), "snapshots, of whomever".into(), grouped(plan.snapshots).into()]);
    }
    for stays in &plan.stays {
        let count = stays.count.map_or_else(|| "?".to_owned(), grouped);
        table.row(["stays".into(), format!("{} {}", stays.place, stays.what).into(), count.into()]);
    }
    let is_empty = plan.events.is_empty() && plan.tables.is_empty() && plan.stays.is_empty();
    if !is_empty || plan.snapshots > 0 {
        cx.out.table(&table)?;
    }
    cx.out.line("out of reach, and yours to see to:")?;
    for beyond in BEYOND {
        cx.out.line(format!("  {beyond}"))?;
    }
    let Some(forgot) = forgot else {
        return Ok(cx
            .out
            .line(format!("nothing is changed; `factum forget {subject} --yes` does it, for good"))?)
        .map(|()| Done::Clean);
    };
    let done = cx.out.paint().style(Style::Green, "forgotten");
    cx.out.line(format!("{done}: {subject}, told at position {}", forgot.position))?;
    if !forgot.behind.is_empty() {
        let behind = forgot.behind.join(", ");
        cx.out
            .line(format!("still to meet it: {behind}; they empty their tables again when their app runs"))?;
    }
    Ok(Done::Clean)
}

fn json<'a>(plan: &'a ForgetPlan, forgot: Option<&'a Forgot>) -> Json<'a> {
    let state = match plan.state {
        SubjectState::Unknown => "unknown",
        SubjectState::Kept { .. } => "kept",
        SubjectState::Forgotten { .. } => "forgotten",
    };
    Json {
        subject: &plan.subject,
        state,
        is_done: forgot.is_some(),
        events: plan.events.iter().map(TypeJson::of).collect(),
        values: plan.values,
        tables: plan.tables.iter().map(|(table, rows)| TableJson { table, rows: *rows }).collect(),
        snapshots: plan.snapshots,
        stays: plan
            .stays
            .iter()
            .map(|stays| StaysJson { place: stays.place, what: &stays.what, count: stays.count })
            .collect(),
        beyond: BEYOND,
        position: forgot.map(|forgot| forgot.position.number()),
        behind: forgot.map_or(&[], |forgot| forgot.behind.as_slice()),
    }
}

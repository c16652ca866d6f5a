//! `factum audit`: who changed what, when, why; newest last.

use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, day_time};
use crate::reach;

/// Show who changed what, when; newest last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this action: requeue, discard, replay, reset, pause, resume, rebuild, forget, reveal, rotate
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// Only what this person or service did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// At most so many, the newest of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
}

#[derive(Debug, Serialize)]
struct Json {
    entries: Vec<EntryJson>,
}

#[derive(Debug, Serialize)]
struct EntryJson {
    at: String,
    actor: String,
    action: String,
    target: String,
    detail: String,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    let mut entries = admin.audit().await?;
    entries.retain(|entry| {
        args.action.as_ref().is_none_or(|action| *action == entry.action)
            && args.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
    });
    let entries = entries.split_off(entries.len().saturating_sub(args.last as usize));
    if cx.out.is_json() {
        let entries = entries.into_iter().map(|entry| EntryJson {
            at: entry.at.to_string(),
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            detail: entry.detail,
        });
        cx.out.json(&Json { entries: entries.collect() })?;
        return Ok(Done::Clean);
    }
    if entries.is_empty() {
        cx.out.line("nobody has changed anything")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("time (UTC)"),
        Column::Left("who"),
        Column::Left("did"),
        Column::Cut("to"),
        Column::Cut("detail"),
    ]);
    for entry in &entries {
        table.row([
            Cell::styled(Style::Dim, day_time(entry.at)),
            (&entry.actor).into(),
            (&entry.action).into(),
            (&entry.target).into(),
            (&entry.detail).into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

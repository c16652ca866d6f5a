//! `factum archive`: moves the oldest part of the log into a file of its own, puts it back, lists what is out.

use std::sync::Arc;

use clap::Subcommand;
use factum_core::{OpenGate, Position};
use factum_runtime::Admin;
use factum_runtime::admin::{ArchivePlan, Unhandled};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, day_time, grouped};
use crate::reach;
use crate::select::Place;

/// Move the oldest part of the log into a file; without one, list what was moved
///
/// The file is a store: `factum log --store FILE` reads it, and several archives of one log may share it. Events are
/// copied and compared before the first leaves the log; stopped by whatever, the same command goes on. Streams keep
/// their versions, ids of what was moved may be appended again, and what waits for another attempt stays.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The file to move them into: made when it is not there, else one of earlier archives of this log
    #[arg(requires = "before")]
    file: Option<String>,
    /// What happened before this time, or stands before this position: 2026-01-05, 400d (ago), 1200
    #[arg(long, value_name = "TIME|POSITION", requires = "file")]
    before: Option<Place>,
    /// Move also what consumers have yet to handle; they will not
    #[arg(long, requires = "file")]
    past_consumers: bool,
    /// Only say what would be moved
    #[arg(long, requires = "file")]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put back what a file holds, newest first; the file stays as it is
    Restore {
        /// The file
        file: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MovedJson<'a> {
    file: &'a str,
    is_done: bool,
    after: u64,
    up_to: u64,
    events: u64,
    spared: u64,
    held_by: Vec<HolderJson<'a>>,
    projections: &'a [String],
}

#[derive(Debug, Serialize)]
struct HolderJson<'a> {
    consumer: &'a str,
    position: u64,
}

#[derive(Debug, Serialize)]
struct ListJson {
    archives: Vec<RangeJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RangeJson {
    file: String,
    after: u64,
    up_to: u64,
    events: u64,
    at: String,
    is_moving: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoredJson<'a> {
    file: &'a str,
    ranges: usize,
    events: u64,
    archived_to: u64,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match (args.action, args.file, args.before) {
        (Some(Action::Restore { file }), _, _) => restore(cx, &file).await,
        (None, Some(file), Some(before)) => {
            let unhandled = if args.past_consumers { Unhandled::LeaveOut } else { Unhandled::Refuse };
            move_out(cx, &file, before, unhandled, args.dry_run).await
        }
        (None, ..) => list(cx).await,
    }
}

async fn move_out(
    cx: &mut Cx<'_>,
    file: &str,
    before: Place,
    unhandled: Unhandled,
    dry_run: bool,
) -> Result<Done, CliError> {
    if reach::file_of(file).is_none() {
        return Err(CliError::usage(format!("{} is not a file", reach::redacted(file)))
            .hint("name a file: factum archive orders-2026.db --before 400d"));
    }
    let opened = reach::open(&cx.settings)?;
    let admin = Admin::new(opened.store.clone());
    let up_to = before.before(&admin).await?;
    let plan = admin.plan_archive(up_to).await?;
    if plan.events == 0 {
        return nothing(cx, file, &plan);
    }
    if dry_run {
        return report(cx, file, &plan, unhandled, false);
    }
    if !plan.held_by.is_empty() && unhandled == Unhandled::Refuse {
        let least = plan.held_by.iter().map(|(_, at)| *at).min().unwrap_or_default();
        let names: Vec<_> = plan.held_by.iter().map(|(name, at)| format!("{name} (at {at})")).collect();
        return Err(CliError::refused(format!(
            "not all has been handled up to position {}: {}",
            plan.up_to,
            names.join(", ")
        ))
        .hint(match least.number() + 1 {
            next if least > plan.after => {
                format!("--before {next} moves what has been; --past-consumers moves it all, and they will not handle it")
            }
            _ => "let them catch up; or --past-consumers, and they will not handle it".to_owned(),
        }));
    }
    let archive = reach::make(file, Arc::new(OpenGate))?;
    let mut bar = cx.out.bar("moving events out of the log");
    let mut told = |at: Position, of: Position| bar.at(at.number(), of.number());
    let to = (archive.store.as_ref(), archive.maintenance.as_ref(), file);
    admin.archive(&plan, unhandled, opened.maintenance.as_ref(), to, &mut told).await?;
    drop(bar);
    report(cx, file, &plan, unhandled, true)
}

/// There is nothing to move: no trouble for whoever asks every night.
fn nothing(cx: &mut Cx<'_>, file: &str, plan: &ArchivePlan) -> Result<Done, CliError> {
    if cx.out.is_json() {
        return report(cx, file, plan, Unhandled::Refuse, false);
    }
    let before = match plan.after.number() {
        0 => "nothing was archived before".to_owned(),
        last => format!("positions up to {last} were archived before"),
    };
    cx.out.line(format!("nothing to move to {file}: {before}, and no other event is old enough"))?;
    Ok(Done::Clean)
}

fn report(
    cx: &mut Cx<'_>,
    file: &str,
    plan: &ArchivePlan,
    unhandled: Unhandled,
    is_done: bool,
) -> Result<Done, CliError> {
    if cx.out.is_json() {
        let held_by = plan.held_by.iter();
        cx.out.json(&MovedJson {
            file,
            is_done,
            after: plan.after.number(),
            up_to: plan.up_to.number(),
            events: plan.events,
            spared: plan.spared,
            held_by: held_by.map(|(consumer, at)| HolderJson { consumer, position: at.number() }).collect(),
            projections: &plan.projections,
        })?;
        return Ok(Done::Clean);
    }
    let head = match (is_done, plan.is_begun) {
        (true, false) => cx.out.paint().style(Style::Green, "moved"),
        (true, true) => cx.out.paint().style(Style::Green, "finished moving"),
        (false, false) => "would move".to_owned(),
        (false, true) => "would finish moving".to_owned(),
    };
    let times = plan.times.map_or_else(String::new, |(first, last)| {
        format!(", from {} to {}", day_time(first), day_time(last))
    });
    cx.out.line(format!(
        "{head} to {file}: {}, positions {} to {}{times}",
        counted(plan.events, "event"),
        plan.after.number() + 1,
        plan.up_to
    ))?;
    if plan.spared > 0 {
        cx.out.line(format!(
            "of these, kept in the log too: {}, set aside by a consumer",
            counted(plan.spared, "event")
        ))?;
    }
    for (consumer, at) in &plan.held_by {
        let what = if unhandled == Unhandled::Refuse { "has yet to" } else { "will not" };
        cx.out.line(format!("consumer {consumer} {what} handle what comes after position {at}"))?;
    }
    if !plan.projections.is_empty() {
        cx.out.line(format!(
            "a rebuild of {} needs `factum archive restore {file}` first",
            plan.projections.join(", ")
        ))?;
    }
    Ok(Done::Clean)
}

async fn restore(cx: &mut Cx<'_>, file: &str) -> Result<Done, CliError> {
    let opened = reach::open(&cx.settings)?;
    let archive = reach::open_at(file, Arc::new(OpenGate))?;
    let admin = Admin::new(opened.store.clone());
    let mut bar = cx.out.bar("putting events back");
    let mut told = |at: Position, of: Position| bar.at(at.number(), of.number());
    let restored =
        admin.restore_archive(opened.maintenance.as_ref(), archive.store.as_ref(), &mut told).await?;
    drop(bar);
    let file = &reach::redacted(file);
    if cx.out.is_json() {
        let (ranges, events) = (restored.ranges, restored.events);
        cx.out.json(&RestoredJson { file, ranges, events, archived_to: restored.archived_to.number() })?;
        return Ok(Done::Clean);
    }
    let head = cx.out.paint().style(Style::Green, "put back");
    let rest = match restored.archived_to.number() {
        0 => "nothing of the log is archived now".to_owned(),
        last => format!("positions up to {last} are archived elsewhere"),
    };
    cx.out.line(format!("{head} from {file}: {}; {rest}", counted(restored.events, "event")))?;
    Ok(Done::Clean)
}

async fn list(cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let archives = reach::admin(&cx.settings)?.archives().await?;
    if cx.out.is_json() {
        let archives = archives.into_iter().map(|range| RangeJson {
            file: range.to,
            after: range.after.number(),
            up_to: range.up_to.number(),
            events: range.events,
            at: range.at.to_string(),
            is_moving: range.moving,
        });
        cx.out.json(&ListJson { archives: archives.collect() })?;
        return Ok(Done::Clean);
    }
    if archives.is_empty() {
        cx.out.line("the whole log is here: nothing was archived")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("positions"),
        Column::Right("events"),
        Column::Left("moved"),
        Column::Left("state"),
        Column::Cut("file"),
    ]);
    for range in &archives {
        let state = if range.moving { "not finished" } else { "archived" };
        table.row([
            format!("{} to {}", range.after.number() + 1, range.up_to).into(),
            grouped(range.events).into(),
            day_time(range.at).into(),
            Cell::styled(if range.moving { Style::Yellow } else { Style::Green }, state),
            range.to.as_str().into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

//! `factum migration`: plan the way from a call or a legacy flow to an event, and move the switch step by step.

use clap::Subcommand;
use factum_core::MigrationName;
use factum_runtime::admin::{Difference, MigrationInfo};
use factum_runtime::state::{Moved, Stage};
use serde::Serialize;
use serde_json::Value;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, day_time, grouped};
use crate::reach;

mod plan;

/// Plan the way from a call to an event; move its switch forward and back
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write docs/migrations/NAME.md: current flow, new path, checkpoints, the way back
    Plan(plan::Args),
    /// Show where migrations stand, and what speaks against the next stage
    Status {
        /// The migration; all of them without it
        name: Option<MigrationName>,
    },
    /// Show things that the two sides did differently in this shadow
    Differences {
        /// The migration
        name: MigrationName,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Move one stage forward: off, shadow, canary, on, retired
    Advance {
        /// The migration
        name: MigrationName,
        /// Percent of the keys: for a first canary (else 10), or for a larger one
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
        canary: Option<u8>,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Move back: to off, or to the stage named
    Rollback {
        /// The migration
        name: MigrationName,
        /// The stage: off, shadow or canary
        #[arg(long, value_name = "STAGE")]
        to: Option<Stage>,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
    },
}

#[derive(Debug, Serialize)]
struct StatusJson {
    migrations: Vec<MigrationJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MigrationJson {
    name: String,
    stage: String,
    event: String,
    consumer: Option<String>,
    old_open: u64,
    new_open: u64,
    waiting: u64,
    equal: u64,
    differing: u64,
    dead: u64,
    next: Option<String>,
    against: Vec<String>,
    history: Vec<MovedJson>,
}

#[derive(Debug, Serialize)]
struct MovedJson {
    at: String,
    by: String,
    from: String,
    to: String,
    why: String,
    equal: u64,
    differing: u64,
}

#[derive(Debug, Serialize)]
struct DifferencesJson {
    migration: String,
    differences: Vec<DifferenceJson>,
}

#[derive(Debug, Serialize)]
struct DifferenceJson {
    thing: String,
    key: String,
    at: String,
    old: Value,
    new: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdvanceJson {
    migration: String,
    dry_run: bool,
    from: String,
    to: String,
    against: Vec<String>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let action = match args.action {
        Action::Plan(args) => return plan::run(args, cx),
        action => action,
    };
    let admin = reach::admin(&cx.settings)?;
    match action {
        Action::Plan(args) => plan::run(args, cx),
        Action::Status { name: Some(name) } => {
            let info = admin.migration(&name).await?;
            if cx.out.is_json() {
                cx.out.json(&StatusJson { migrations: vec![json(info)] })?;
                return Ok(Done::Clean);
            }
            one(&info, cx)
        }
        Action::Status { name: None } => all(admin.migrations().await?, cx),
        Action::Differences { name, limit } => {
            let found = admin.differences(&name, limit as usize).await?;
            differences(&name, found, cx)
        }
        Action::Advance { name, canary, why, dry_run } => {
            if dry_run {
                return would_advance(&name, &admin.plan_advance(&name, canary).await?, cx);
            }
            let refused = |error: factum_runtime::admin::AdminError| {
                CliError::from(error)
                    .hint_if_none(format!("`factum migration status {name}` says how it stands"))
            };
            let moved = admin.advance_migration(&name, canary, &why).await.map_err(refused)?;
            report(&name, &moved, cx)
        }
        Action::Rollback { name, to, why } => {
            let moved = admin.rollback_migration(&name, to, &why).await?;
            report(&name, &moved, cx)
        }
    }
}

fn all(infos: Vec<MigrationInfo>, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&StatusJson { migrations: infos.into_iter().map(json).collect() })?;
        return Ok(Done::Clean);
    }
    if infos.is_empty() {
        cx.out.line("no app has made a migration known to this store")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("migration"),
        Column::Left("stage"),
        Column::Right("old open"),
        Column::Right("new open"),
        Column::Right("equal"),
        Column::Right("differ"),
        Column::Right("dead"),
        Column::Cut("against the next stage"),
    ]);
    for info in &infos {
        let trouble = |count: u64| match count {
            0 => Cell::styled(Style::Dim, "0"),
            count => Cell::styled(Style::Red, grouped(count)),
        };
        table.row([
            Cell::styled(Style::Bold, &info.name),
            info.state.stage.to_string().into(),
            grouped(info.old_open).into(),
            grouped(info.new_open).into(),
            grouped(info.equal).into(),
            trouble(info.differing),
            trouble(info.dead),
            info.against.join("; ").into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

fn one(info: &MigrationInfo, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let consumer = info.state.consumer.as_deref().unwrap_or("no consumer yet");
    cx.out.line(format!("{} is at {}: {} to {consumer}", info.name, info.state.stage, info.state.event))?;
    let mut table = Table::new([Column::Right(""), Column::Cut("")]).without_head();
    for (count, what) in [
        (info.old_open, "old calls under way or cut off"),
        (info.new_open, "events that wait for their handler"),
        (info.equal, "comparisons of this shadow that are equal"),
        (info.differing, "comparisons that differ"),
        (info.waiting, "things that the new path has not spoken about"),
        (info.dead, "dead letters of its consumer"),
    ] {
        table.row([grouped(count).into(), what.into()]);
    }
    cx.out.table(&table)?;
    match info.next {
        None => cx.out.line("it is done: there is no stage after this one")?,
        Some(next) if info.against.is_empty() => {
            cx.out
                .line(format!("nothing speaks against {next}: `factum migration advance {}`", info.name))?;
        }
        Some(next) => cx.out.line(format!("against {next}: {}", info.against.join("; ")))?,
    }
    if !info.state.history.is_empty() {
        cx.out.line("")?;
        let mut table = Table::new([
            Column::Left("time (UTC)"),
            Column::Left("who"),
            Column::Left("from"),
            Column::Left("to"),
            Column::Cut("why"),
        ]);
        for moved in &info.state.history {
            table.row([
                Cell::styled(Style::Dim, day_time(moved.at)),
                (&moved.by).into(),
                moved.from.to_string().into(),
                moved.to.to_string().into(),
                (&moved.why).into(),
            ]);
        }
        cx.out.table(&table)?;
    }
    Ok(Done::Clean)
}

fn differences(name: &MigrationName, found: Vec<Difference>, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let done = if found.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        let differences = found.into_iter().map(|difference| DifferenceJson {
            thing: difference.thing,
            key: difference.key,
            at: difference.at.to_string(),
            old: difference.old,
            new: difference.new,
        });
        cx.out.json(&DifferencesJson { migration: name.to_string(), differences: differences.collect() })?;
        return Ok(done);
    }
    if found.is_empty() {
        cx.out.line(format!("nothing of {name} came out differently in this shadow"))?;
    }
    for difference in &found {
        cx.out.line(format!("{} (key {})", difference.thing, difference.key))?;
        for (field, old, new) in fields(&difference.old, &difference.new) {
            let mark = if old == new { " " } else { "≠" };
            cx.out.line(format!("  {mark} {field}: {old}"))?;
            if old != new {
                cx.out.line(format!("    {:>width$}  {new}", "", width = field.len()))?;
            }
        }
    }
    Ok(done)
}

/// The fields of both sides, or the two as a whole when they are no objects.
fn fields(old: &Value, new: &Value) -> Vec<(String, String, String)> {
    let (Value::Object(was), Value::Object(is)) = (old, new) else {
        return vec![("all".to_owned(), old.to_string(), new.to_string())];
    };
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    names.into_iter().map(|name| (name.clone(), shown(was.get(name)), shown(is.get(name)))).collect()
}

fn would_advance(name: &MigrationName, info: &MigrationInfo, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let done = if info.against.is_empty() && info.next.is_some() { Done::Clean } else { Done::Findings };
    let to = info.next.map_or("nowhere".to_owned(), |next| next.to_string());
    if cx.out.is_json() {
        cx.out.json(&AdvanceJson {
            migration: name.to_string(),
            dry_run: true,
            from: info.state.stage.to_string(),
            to,
            against: info.against.clone(),
        })?;
        return Ok(done);
    }
    match info.against.as_slice() {
        [] => cx.out.line(format!("{name} would go from {} to {to}", info.state.stage))?,
        against => cx.out.line(format!(
            "{name} would not go from {} to {to}: {}",
            info.state.stage,
            against.join("; ")
        ))?,
    }
    Ok(done)
}

fn report(name: &MigrationName, moved: &Moved, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (from, to) = (moved.from.to_string(), moved.to.to_string());
    if cx.out.is_json() {
        let migration = name.to_string();
        cx.out.json(&AdvanceJson { migration, dry_run: false, from, to, against: Vec::new() })?;
    } else {
        cx.out.line(format!(
            "{name} goes from {from} to {to}; what is under way ends on the way decided for it"
        ))?;
    }
    Ok(Done::Clean)
}

fn json(info: MigrationInfo) -> MigrationJson {
    MigrationJson {
        name: info.name,
        stage: info.state.stage.to_string(),
        event: info.state.event,
        consumer: info.state.consumer,
        old_open: info.old_open,
        new_open: info.new_open,
        waiting: info.waiting,
        equal: info.equal,
        differing: info.differing,
        dead: info.dead,
        next: info.next.map(|next| next.to_string()),
        against: info.against,
        history: info
            .state
            .history
            .into_iter()
            .map(|moved| MovedJson {
                at: moved.at.to_string(),
                by: moved.by,
                from: moved.from.to_string(),
                to: moved.to.to_string(),
                why: moved.why,
                equal: moved.equal,
                differing: moved.differing,
            })
            .collect(),
    }
}

//! `factum projections`: how far every projection's tables are; fill new ones beside the live ones, look at what
//! differs, let them go live, drop what is no longer used.
//!
//! The running app does the work, because it has the code; what it is to do stands in the store.

use std::time::{Duration, Instant};

use clap::Subcommand;
use factum_core::{ConsumerName, Position};
use factum_runtime::Admin;
use factum_runtime::admin::{ProjectionInfo, Then};
use factum_runtime::state::ProjectionState;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, grouped, length};
use crate::{reach, suggest};

mod differ;

/// How often `--wait` looks how far the tables are.
const LOOK: Duration = Duration::from_millis(200);
/// How long `--wait` waits for tables that do not move on at all.
const STANDS_MAX: Duration = Duration::from_secs(30);
/// How long cancelled tables may take to be let go by their app.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// List projections; rebuild one, compare it with the log
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fill new tables beside the live ones; they go live when they have caught up
    Rebuild {
        /// The projection
        name: ConsumerName,
        /// Do not let them go live before `cut-over` says so: look at `diff` first
        #[arg(long)]
        hold: bool,
        /// Wait until they have caught up, and show how far they are
        #[arg(long)]
        wait: bool,
    },
    /// Recompute a projection in a copy, and say which rows of the live tables differ
    ///
    /// The running app fills the copy up to a position at which the live tables stood, and goes on meanwhile. The copy is
    /// dropped at the end, by the app when this command is killed. Exits 1 when rows differ.
    Verify(differ::Args),
    /// Say which rows of the tables being filled differ from the live ones; they are held from then on
    ///
    /// Both are compared at one position. Exits 1 when rows differ.
    Diff(differ::Args),
    /// Let tables that are held go live as soon as they have caught up
    CutOver {
        /// The projection
        name: ConsumerName,
        /// Wait until they are live
        #[arg(long)]
        wait: bool,
    },
    /// Give up the tables that are being filled; the live ones stay
    Cancel {
        /// The projection
        name: ConsumerName,
    },
    /// Drop the tables that are no longer live
    Drop {
        /// The projection
        name: ConsumerName,
        /// Only say which they are
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Serialize)]
struct ListJson {
    projections: Vec<ProjectionJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectionJson {
    name: String,
    version: u32,
    live: Option<String>,
    is_inline: bool,
    position: u64,
    lag: u64,
    building: Option<String>,
    building_position: Option<u64>,
    is_held: bool,
    seconds_left: Option<u64>,
    retired: Vec<String>,
    tables: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangedJson<'a> {
    projection: &'a str,
    live: Option<&'a str>,
    building: Option<&'a str>,
    is_held: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedJson<'a> {
    projection: &'a str,
    dry_run: bool,
    dropped: &'a [String],
    still_filled: &'a [String],
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        None => list(&admin, cx).await,
        Some(Action::Rebuild { name, hold, wait }) => {
            let then = if hold { Then::Hold } else { Then::CutOver };
            rebuild(&admin, cx, &name, then, wait).await
        }
        Some(Action::Verify(args)) => differ::verify(&admin, cx, args).await,
        Some(Action::Diff(args)) => differ::diff(&admin, cx, args).await,
        Some(Action::CutOver { name, wait }) => cut_over(&admin, cx, &name, wait).await,
        Some(Action::Cancel { name }) => cancel(&admin, cx, &name).await,
        Some(Action::Drop { name, dry_run }) => drop_retired(&admin, cx, &name, dry_run).await,
    }
}

/// One projection, or what is spelled like it.
async fn known(admin: &Admin, name: &ConsumerName) -> Result<ProjectionInfo, CliError> {
    let all = admin.projections().await?;
    let hint = suggest::nearest(name.as_str(), all.iter().map(|info| info.name.as_str()));
    all.into_iter().find(|info| info.name == name.as_str()).ok_or_else(|| {
        CliError::unknown(format!("projection {:?} is not known to this store", name.as_str()))
            .hint(hint.unwrap_or_else(|| "no projection has run on it yet".to_owned()))
    })
}

async fn rebuild(
    admin: &Admin,
    cx: &mut Cx<'_>,
    name: &ConsumerName,
    then: Then,
    wait: bool,
) -> Result<Done, CliError> {
    let was_building = known(admin, name).await?.state.building.is_some();
    let mut state = admin.rebuild(name, then).await?;
    if wait {
        state = caught_up(admin, cx, name, "filling").await?;
    }
    if cx.out.is_json() {
        return changed(cx, name, &state);
    }
    if wait && state.building.is_none() {
        cx.out.line(format!("{name}: tables {} are live", state.live.as_deref().unwrap_or_default()))?;
        return Ok(Done::Clean);
    }
    let tables = state.building.as_deref().unwrap_or("new ones");
    let what = match (wait, was_building) {
        (true, _) => "has caught up",
        (false, true) => "is being rebuilt already",
        (false, false) => "will be rebuilt",
    };
    let goes = match state.is_held {
        true => format!("tables {tables} wait for `factum projections cut-over {name}`"),
        false => format!("tables {tables} go live when they have caught up, while its app runs"),
    };
    cx.out.line(format!("{name} {what}: {goes}"))?;
    Ok(Done::Clean)
}

async fn cut_over(admin: &Admin, cx: &mut Cx<'_>, name: &ConsumerName, wait: bool) -> Result<Done, CliError> {
    known(admin, name).await?;
    let mut state = admin.cut_over(name).await?;
    if wait {
        state = caught_up(admin, cx, name, "cutting over").await?;
    }
    if cx.out.is_json() {
        return changed(cx, name, &state);
    }
    match &state.building {
        Some(building) => cx.out.line(format!(
            "{name}: tables {building} go live when they have caught up, while its app runs"
        ))?,
        None => cx.out.line(format!(
            "{name}: tables {} are live; `factum projections drop {name}` drops the old ones",
            state.live.as_deref().unwrap_or_default()
        ))?,
    }
    Ok(Done::Clean)
}

/// Waits until tables have caught up, and are live unless they are held.
async fn caught_up(
    admin: &Admin,
    cx: &mut Cx<'_>,
    name: &ConsumerName,
    what: &'static str,
) -> Result<ProjectionState, CliError> {
    let mut bar = cx.out.bar(what);
    let (mut moved, mut last) = (Instant::now(), Position::START);
    loop {
        let info = known(admin, name).await?;
        let at = info.building_position.unwrap_or(info.head);
        if info.state.building.is_none() || (info.state.is_held && at >= info.head) {
            return Ok(info.state);
        }
        if at > last {
            (moved, last) = (Instant::now(), at);
        }
        if moved.elapsed() > STANDS_MAX {
            return Err(CliError::refused(format!(
                "the tables of {name} stand at {at} of {}, and nobody fills them",
                info.head
            ))
            .hint("start the app that has the projection; what is filled is kept, and goes on"));
        }
        bar.at(at.number(), info.head.number());
        tokio::time::sleep(LOOK).await;
    }
}

async fn cancel(admin: &Admin, cx: &mut Cx<'_>, name: &ConsumerName) -> Result<Done, CliError> {
    known(admin, name).await?;
    let mut state = admin.cancel_rebuild(name).await?;
    let started = Instant::now();
    while !state.dropping.is_empty() && started.elapsed() < GONE_WITHIN {
        tokio::time::sleep(LOOK).await;
        admin.drop_cancelled(name).await?;
        state = known(admin, name).await?.state;
    }
    if cx.out.is_json() {
        return changed(cx, name, &state);
    }
    let live = state.live.as_deref().unwrap_or("none");
    let gone = match state.dropping.is_empty() {
        true => "the new ones are gone",
        false => "the new ones go as soon as their app lets go",
    };
    cx.out.line(format!("{name}: tables {live} stay live; {gone}"))?;
    Ok(Done::Clean)
}

fn changed(cx: &mut Cx<'_>, name: &ConsumerName, state: &ProjectionState) -> Result<Done, CliError> {
    cx.out.json(&ChangedJson {
        projection: name.as_str(),
        live: state.live.as_deref(),
        building: state.building.as_deref(),
        is_held: state.is_held,
    })?;
    Ok(Done::Clean)
}

async fn drop_retired(
    admin: &Admin,
    cx: &mut Cx<'_>,
    name: &ConsumerName,
    dry_run: bool,
) -> Result<Done, CliError> {
    let retired = known(admin, name).await?.state.retired;
    let (dropped, kept) = match dry_run {
        true => (retired, Vec::new()),
        false => admin.drop_retired(name).await?,
    };
    let done = if kept.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        let (dropped, still_filled) = (&dropped, &kept);
        cx.out.json(&DroppedJson { projection: name.as_str(), dry_run, dropped, still_filled })?;
        return Ok(done);
    }
    let word = if dry_run { "would be dropped" } else { "dropped" };
    match dropped.is_empty() {
        true if kept.is_empty() => cx.out.line(format!("{name} has no tables that are no longer live"))?,
        true => {}
        false => cx.out.line(format!("{word}: tables {} of {name}", dropped.join(", ")))?,
    }
    if !kept.is_empty() {
        let tables = kept.join(", ");
        cx.out.line(format!("kept: tables {tables}, which an app of an older version fills and reads"))?;
    }
    Ok(done)
}

async fn list(admin: &Admin, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let infos = admin.projections().await?;
    if cx.out.is_json() {
        cx.out.json(&ListJson { projections: infos.into_iter().map(json).collect() })?;
        return Ok(Done::Clean);
    }
    if infos.is_empty() {
        cx.out.line("no projection has run on this store yet")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("projection"),
        Column::Right("version"),
        Column::Left("live"),
        Column::Right("position"),
        Column::Right("lag"),
        Column::Left("building"),
        Column::Cut("tables"),
    ]);
    for info in &infos {
        table.row([
            Cell::styled(Style::Bold, &info.name),
            info.state.version.to_string().into(),
            info.state.live.as_deref().unwrap_or("none yet").into(),
            if info.is_inline { "inline".to_owned() } else { info.position.to_string() }.into(),
            grouped(lag(info)).into(),
            Cell::styled(Style::Yellow, building(info)),
            info.state.tables.join(", ").into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

/// What is being filled, or waits to be: `v2, 1200 of 5000, about 3 s left`.
fn building(info: &ProjectionInfo) -> String {
    let state = &info.state;
    let Some((tables, at)) = state.building.as_ref().zip(info.building_position) else {
        return match state.code > state.version {
            true => format!("v{} waits for `rebuild`", state.code),
            false => String::new(),
        };
    };
    let mut text = format!("{tables}, {at} of {}", info.head);
    match (state.is_held, info.left) {
        (true, _) if at >= info.head => text.push_str(", held"),
        (_, Some(left)) => text.push_str(&format!(", about {} left", length(left))),
        _ => {}
    }
    text
}

fn lag(info: &ProjectionInfo) -> u64 {
    info.head.number().saturating_sub(info.position.number())
}

fn json(info: ProjectionInfo) -> ProjectionJson {
    ProjectionJson {
        lag: lag(&info),
        name: info.name,
        version: info.state.version,
        live: info.state.live,
        is_inline: info.is_inline,
        position: info.position.number(),
        building: info.state.building,
        building_position: info.building_position.map(Position::number),
        is_held: info.state.is_held,
        seconds_left: info.left.map(|left| left.as_secs()),
        retired: info.state.retired,
        tables: info.state.tables,
    }
}

//! `factum projections`: how far every projection's tables are; rebuild one beside the live one.

use clap::Subcommand;
use factum_core::ConsumerName;
use factum_runtime::Admin;
use factum_runtime::admin::ProjectionInfo;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, grouped};
use crate::{reach, suggest};

/// List projections; rebuild one
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
    position: u64,
    lag: u64,
    building: Option<String>,
    building_position: Option<u64>,
    retired: Vec<String>,
    tables: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RebuildJson<'a> {
    projection: &'a str,
    building: Option<&'a str>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        None => list(&admin, cx).await,
        Some(Action::Rebuild { name }) => rebuild(&admin, cx, &name).await,
    }
}

async fn rebuild(admin: &Admin, cx: &mut Cx<'_>, name: &ConsumerName) -> Result<Done, CliError> {
    let all = admin.projections().await?;
    let Some(info) = all.iter().find(|info| info.name == name.as_str()) else {
        let hint = suggest::nearest(name.as_str(), all.iter().map(|info| info.name.as_str()));
        return Err(CliError::unknown(format!("projection {:?} is not known to this store", name.as_str()))
            .hint(hint.unwrap_or_else(|| "no projection has run on it yet".to_owned())));
    };
    let was_building = info.state.building.is_some();
    let state = admin.rebuild(name).await?;
    if cx.out.is_json() {
        cx.out.json(&RebuildJson { projection: name.as_str(), building: state.building.as_deref() })?;
        return Ok(Done::Clean);
    }
    let tables = state.building.as_deref().unwrap_or("new ones");
    let what = if was_building { "is being rebuilt already" } else { "will be rebuilt" };
    cx.out.line(format!(
        "{name} {what}: tables {tables} go live when they have caught up, while its app runs"
    ))?;
    Ok(Done::Clean)
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
        let building = match (&info.state.building, info.building_position) {
            (Some(tables), Some(at)) => format!("{tables}, {at} of {}", info.head),
            _ => String::new(),
        };
        table.row([
            Cell::styled(Style::Bold, &info.name),
            info.state.version.to_string().into(),
            info.state.live.as_deref().unwrap_or("none yet").into(),
            info.position.to_string().into(),
            grouped(lag(info)).into(),
            Cell::styled(Style::Yellow, building),
            info.state.tables.join(", ").into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
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
        position: info.position.number(),
        building: info.state.building,
        building_position: info.building_position.map(factum_core::Position::number),
        retired: info.state.retired,
        tables: info.state.tables,
    }
}

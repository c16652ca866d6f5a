//! `factum contract recorded`: the contract versions that a store has met, or one of them whole.

use factum_runtime::state::ContractState;
use serde::Serialize;
use serde_json::Value;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, day_time, printable};
use crate::{reach, suggest};

/// List the contract versions that a store has met, or show one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The contract to show: order.placed for its newest version, or order.placed.v1
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListJson<'a> {
    contracts: Vec<RowJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RowJson<'a> {
    name: &'a str,
    version: u32,
    kind: &'a str,
    meaning: &'a str,
    recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<Value>,
}

impl<'a> RowJson<'a> {
    fn of(state: &'a ContractState) -> Self {
        Self {
            name: &state.name,
            version: state.version,
            kind: &state.kind,
            meaning: &state.meaning,
            recorded_at: state.recorded_at.to_string(),
            contract: None,
        }
    }
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let recorded = reach::admin(&cx.settings)?.contracts().await?;
    match &args.name {
        None => list(&recorded, cx),
        Some(name) => show(find(name, &recorded)?, cx),
    }
}

fn list(recorded: &[ContractState], cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&ListJson { contracts: recorded.iter().map(RowJson::of).collect() })?;
        return Ok(Done::Clean);
    }
    if recorded.is_empty() {
        cx.out.line("no contracts: no app with a catalog has started on this store")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("contract"),
        Column::Right("version"),
        Column::Left("kind"),
        Column::Left("met first (UTC)"),
        Column::Left("meaning"),
    ]);
    for state in recorded {
        table.row([
            Cell::styled(Style::Cyan, &state.name),
            state.version.to_string().into(),
            (&state.kind).into(),
            Cell::styled(Style::Dim, day_time(state.recorded_at)),
            Cell::styled(Style::Dim, &state.meaning),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

fn find<'a>(name: &str, recorded: &'a [ContractState]) -> Result<&'a ContractState, CliError> {
    let label = |state: &ContractState| ContractState::id(&state.name, state.version);
    let newest = recorded.iter().rev().find(|state| state.name == name);
    newest.or_else(|| recorded.iter().find(|state| label(state) == name)).ok_or_else(|| {
        let labels: Vec<String> = recorded.iter().map(label).collect();
        let names = recorded.iter().map(|state| state.name.as_str());
        let near = suggest::nearest(name, names.chain(labels.iter().map(String::as_str)));
        CliError::unknown(format!("contract {name:?} is not recorded in this store"))
            .hint(near.unwrap_or_else(|| "`factum contract recorded` lists those that are".to_owned()))
    })
}

fn show(state: &ContractState, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        let contract = serde_json::from_str(&state.contract).ok();
        cx.out.json(&ListJson { contracts: vec![RowJson { contract, ..RowJson::of(state) }] })?;
        return Ok(Done::Clean);
    }
    let paint = cx.out.paint();
    let head = paint.style(Style::Bold, &ContractState::id(&state.name, state.version));
    let met = paint.style(Style::Dim, &format!("met first {}", state.recorded_at));
    cx.out.line(format!("{head} ({}), meaning {}, {met}\n", state.kind, state.meaning))?;
    cx.out.line(printable(&crate::shown::pretty(&state.contract)))?;
    Ok(Done::Clean)
}

//! `factum contract list`: the newest version of every contract.

use factum_contract::{Catalog, Contract};
use serde::Serialize;

use super::{Folder, catalog};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table};

/// List the newest version of every contract
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    system: &'a str,
    contracts: Vec<RowJson<'a>>,
}

/// A contract among others.
#[derive(Debug, Serialize)]
pub(super) struct RowJson<'a> {
    pub(super) name: &'a str,
    pub(super) version: u32,
    pub(super) versions: Vec<u32>,
    pub(super) kind: &'static str,
    pub(super) owner: &'a str,
    pub(super) topic: &'a str,
    pub(super) category: &'a str,
    pub(super) key: &'a str,
    pub(super) consumers: Vec<&'a str>,
}

impl<'a> RowJson<'a> {
    pub(super) fn of(contract: &'a Contract, catalog: &'a Catalog) -> Self {
        let handles = |on: &[factum_contract::words::Placed<factum_core::EventName>]| {
            on.iter().any(|name| name.value == contract.name)
        };
        let consumers = catalog.system.consumers.iter().filter(|(_, spec)| handles(&spec.on));
        Self {
            name: contract.name.as_str(),
            version: contract.version,
            versions: catalog.versions(contract.name.as_str()).map(|contract| contract.version).collect(),
            kind: contract.kind.as_str(),
            owner: contract.owner.as_str(),
            topic: contract.topic.as_str(),
            category: contract.category.as_str(),
            key: &contract.key,
            consumers: consumers.map(|(name, _)| name.as_str()).collect(),
        }
    }
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let catalog = catalog(&args.folder.find(cx))?;
    let rows: Vec<RowJson<'_>> = catalog.latest().map(|contract| RowJson::of(contract, &catalog)).collect();
    if cx.out.is_json() {
        cx.out.json(&Json { system: catalog.system.name.as_str(), contracts: rows })?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("contract"),
        Column::Right("version"),
        Column::Left("kind"),
        Column::Left("owner"),
        Column::Left("topic"),
        Column::Left("stream"),
        Column::Left("key"),
        Column::Cut("consumers"),
    ]);
    for row in rows {
        table.row([
            Cell::styled(Style::Cyan, row.name),
            row.version.to_string().into(),
            row.kind.into(),
            row.owner.into(),
            row.topic.into(),
            row.category.into(),
            row.key.into(),
            row.consumers.join(", ").into(),
        ]);
    }
    if table.is_empty() {
        cx.out.line("no contracts")?;
    } else {
        cx.out.table(&table)?;
    }
    Ok(Done::Clean)
}

//! `factum copy`: everything that a store remembers into another: from one machine to a server, and back.

use std::sync::Arc;

use factum_core::{OpenGate, Position, TableName};
use factum_runtime::admin::{self, Copied};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, grouped};
use crate::reach;

/// Copy a store into another: from one machine to a server, and back
///
/// Events keep their ids, versions and positions; checkpoints, dead letters and everything else beside the log come
/// along. Projections fill their tables anew. Run again, it goes on where it was stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store to copy
    from: String,
    /// The store to copy it into: made when it is not there, else what an earlier run has begun
    to: String,
    /// Tables of the application's own, to be copied too
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    tables: Vec<TableName>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    from: String,
    to: String,
    events: u64,
    events_new: u64,
    records: u64,
    projections: usize,
    head: u64,
    tables: Vec<TableJson>,
}

#[derive(Debug, Serialize)]
struct TableJson {
    name: String,
    rows: u64,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (from_shown, to_shown) = (reach::redacted(&args.from), reach::redacted(&args.to));
    if args.from == args.to {
        return Err(CliError::usage(format!("{from_shown} cannot be copied into itself"))
            .hint("name two stores: factum copy sqlite:orders.db postgres://host/database"));
    }
    let from = reach::open_at(&args.from, Arc::new(OpenGate))?;
    let to = reach::make(&args.to, Arc::new(OpenGate))?;
    let mut bar = cx.out.bar("copying the log");
    let mut told = |at: Position, head: Position| bar.at(at.number(), head.number());
    let (source, target) = (from.store.as_ref(), to.store.as_ref());
    let copied = admin::copy(source, target, to.maintenance.as_ref(), &mut told).await?;
    drop(bar);
    let mut tables = Vec::new();
    for table in &args.tables {
        let rows = admin::copy_table(source, target, table).await?;
        tables.push(TableJson { name: table.to_string(), rows });
    }
    let Copied { events, events_new, records, projections, head } = copied;
    if cx.out.is_json() {
        let (from, to, head) = (from_shown, to_shown, head.number());
        cx.out.json(&Json { from, to, events, events_new, records, projections, head, tables })?;
        return Ok(Done::Clean);
    }
    let done = cx.out.paint().style(Style::Green, "copied and compared");
    let already = match events - events_new {
        0 => String::new(),
        before => format!(" ({} were there already)", grouped(before)),
    };
    cx.out.line(format!(
        "{done}: {}{already}, {}, up to position {head}",
        counted(events, "event"),
        counted(records, "record")
    ))?;
    for table in &tables {
        cx.out.line(format!("table {}: {}", table.name, counted(table.rows, "row")))?;
    }
    if projections > 0 {
        let what = counted(projections as u64, "projection");
        cx.out.line(format!("{what} filled anew when the app starts on {to_shown}"))?;
    }
    Ok(Done::Clean)
}

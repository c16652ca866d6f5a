//! `factum migrate`: makes a store's tables, or brings them up to date; or prints what would.
//!
//! Programs do the same when they open a store. The command is for places where their roles may not.

use std::sync::Arc;

use factum_core::OpenGate;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::Style;
use crate::reach;

/// Make the store's tables, or bring them up to date
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the SQL, with what least-privileged roles need, and touch nothing
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Serialize)]
struct Json {
    store: String,
    revision: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
}

pub(crate) fn run(args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let url = cx.settings.store()?;
    let store = reach::redacted(url);
    let schema = reach::named(url, factum_store::schema(url))?;
    let revision = schema.revision;
    if args.print {
        if cx.out.is_json() {
            cx.out.json(&Json { store, revision, sql: Some(schema.sql) })?;
        } else {
            cx.out.line(schema.sql.trim_end())?;
        }
        return Ok(Done::Clean);
    }
    reach::make(url, Arc::new(OpenGate))?;
    if cx.out.is_json() {
        cx.out.json(&Json { store, revision, sql: None })?;
    } else {
        let ready = cx.out.paint().style(Style::Green, "ready");
        cx.out.line(format!("{ready}: {store}, tables of revision {revision}"))?;
    }
    Ok(Done::Clean)
}

//! `factum doctor`: what is wrong or unusual with the store, its consumers and its projections.

use factum_core::Finding;
use serde::Serialize;

use factum_runtime::Admin;

use super::check::{FindingJson, print};
use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted};
use crate::reach;

/// Say what is wrong or unusual
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Json<'a> {
    store: String,
    head: u64,
    findings: Vec<FindingJson<'a>>,
}

pub(crate) async fn run(_: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let opened = reach::open(&cx.settings)?;
    let admin = Admin::new(opened.store.clone());
    let mut findings: Vec<Finding> = opened.maintenance.doctor().await?;
    findings.extend(admin.health().await?);
    findings.sort_by_key(|finding| !finding.is_error);
    let head = opened.store.head().await?;
    let store = reach::redacted(cx.settings.store()?);
    let done = if findings.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        let findings = findings.iter().map(FindingJson::of).collect();
        cx.out.json(&Json { store, head: head.number(), findings })?;
        return Ok(done);
    }
    print(cx.out, &findings)?;
    let paint = cx.out.paint();
    let errors = findings.iter().filter(|finding| finding.is_error).count() as u64;
    let verdict = match done {
        Done::Clean => paint.style(Style::Green, "nothing unusual"),
        Done::Findings => {
            let style = if errors > 0 { Style::Red } else { Style::Yellow };
            let warnings = findings.len() as u64 - errors;
            paint.style(style, &format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")))
        }
    };
    cx.out.line(format!("{verdict}: {store}, head at position {head}"))?;
    Ok(done)
}

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

/// Contracts of the folder, when there is one that can be read, that the store would refuse.
async fn contracts_that_differ(admin: &Admin, cx: &Cx<'_>) -> Result<Vec<Finding>, CliError> {
    let folder = cx.settings.contracts(None).unwrap_or_else(|| "contracts".into());
    let Ok(catalog) = super::contract::catalog(&folder) else { return Ok(Vec::new()) };
    let refusals = factum_runtime::contracts::refusals(admin.store().as_ref(), &catalog).await?;
    let finding = |refusal: &factum_runtime::ContractRefusal| {
        let told = refusal.to_string();
        let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
        let what = format!("contracts in {}: {first}", folder.display());
        let hint = rest.rsplit_once("hint: ").map_or_else(String::new, |(_, hint)| hint.to_owned());
        Finding { is_error: true, what, hint }
    };
    Ok(refusals.iter().map(finding).collect())
}

pub(crate) async fn run(_: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let opened = reach::open(&cx.settings)?;
    let admin = Admin::new(opened.store.clone());
    let mut findings: Vec<Finding> = opened.maintenance.doctor().await?;
    findings.extend(admin.health().await?);
    findings.extend(contracts_that_differ(&admin, cx).await?);
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

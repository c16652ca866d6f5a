//! `factum reliability`: how a consumer deals with failure; explained, proposed, simulated, drawn.

use std::path::PathBuf;

use factum_architect::reliability::{self, Load, Report, Simulation, simulate, svg};
use factum_contract::Catalog;
use factum_core::ConsumerName;
use serde::Serialize;

use super::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::{Column, Table, grouped};
use crate::suggest;

/// Explain how a consumer deals with failure, propose what is missing, simulate an outage
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A consumer of the catalog, or what it does in plain words; without it, all consumers are listed
    #[arg(value_name = "CONSUMER|WORDS")]
    about: Vec<String>,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Play a load and an outage in virtual time: outage=5m,rate=200/s,consumers=4
    #[arg(long, value_name = "LOAD", num_args = 0..=1, default_missing_value = "")]
    simulate: Option<Load>,
    /// Write the drawing to a file: the attempts, or with --simulate the curve
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct ListJson {
    consumers: Vec<ListedJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedJson {
    consumer: String,
    attempts: u32,
    dead_after_seconds: f64,
    on_dead: &'static str,
    window: &'static str,
    proposed: Vec<&'static str>,
    findings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    report: &'a Report,
    simulation: Option<&'a Simulation>,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder = cx.settings.contracts(args.contracts.as_deref());
    let is_named = folder.is_some();
    let folder = folder.unwrap_or_else(|| PathBuf::from("contracts"));
    // Words need no catalog; a folder that somebody named must be one.
    let catalog = match contract::catalog(&folder) {
        Ok(catalog) => Some(catalog),
        Err(error) if is_named || folder.is_dir() || args.about.is_empty() => return Err(error),
        Err(_) => None,
    };
    let Some(report) = report(&args.about, catalog.as_ref())? else {
        return list(&catalog.ok_or_else(|| CliError::usage("no consumer is named"))?, cx);
    };
    let simulation = args.simulate.as_ref().map(|load| simulate(report.retry_policy(), load));
    if let Some(file) = &args.svg {
        let drawing = match &simulation {
            Some(simulation) => svg::curve(&report.about, simulation),
            None => svg::timeline(&report),
        };
        std::fs::write(file, drawing).map_err(|error| {
            CliError::unreachable(format!("{} cannot be written: {error}", file.display()))
        })?;
    }
    if cx.out.is_json() {
        cx.out.json(&Json { report: &report, simulation: simulation.as_ref() })?;
        return Ok(Done::Clean);
    }
    match &simulation {
        Some(simulation) => cx.out.raw(simulation.to_text(&report.about).as_bytes())?,
        None => cx.out.raw(report.to_text().as_bytes())?,
    }
    if let Some(file) = &args.svg {
        cx.out.line(format!("\ndrawn in {}", file.display()))?;
    }
    Ok(Done::Clean)
}

/// What is asked about; nothing when nothing is.
fn report(about: &[String], catalog: Option<&Catalog>) -> Result<Option<Report>, CliError> {
    let words = about.join(" ");
    if words.trim().is_empty() {
        return Ok(None);
    }
    let name = words.parse::<ConsumerName>().ok();
    if let (Some(name), Some(catalog)) = (&name, catalog)
        && let Some(report) = Report::of_consumer(catalog, name)
    {
        return Ok(Some(report));
    }
    // One word with a dot, or one that is nearly a name, was meant as a name.
    if let (Some(catalog), false) = (catalog, words.contains(' ')) {
        let known = reliability::consumers(catalog);
        let hint = suggest::nearest(&words, known.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "the catalog has no consumer".to_owned());
        if words.contains('.') || hint.starts_with("did you mean") {
            return Err(CliError::unknown(format!("consumer {words:?} is not in the catalog")).hint(hint));
        }
    }
    Ok(Some(Report::of_words(&words)))
}

fn list(catalog: &Catalog, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let names = catalog.system.consumers.keys();
    let reports: Vec<Report> = names.filter_map(|name| Report::of_consumer(catalog, name)).collect();
    let listed = |report: &Report| ListedJson {
        consumer: report.about.clone(),
        attempts: report.policy.attempts,
        dead_after_seconds: report.dead.latest_seconds,
        on_dead: report.policy.on_dead,
        window: report.window.verdict,
        proposed: report
            .settings
            .iter()
            .filter(|setting| !setting.is_declared)
            .map(|setting| setting.name)
            .collect(),
        findings: report.findings.clone(),
    };
    if cx.out.is_json() {
        cx.out.json(&ListJson { consumers: reports.iter().map(listed).collect() })?;
        return Ok(Done::Clean);
    }
    if reports.is_empty() {
        cx.out.line("the catalog has no consumer")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("consumer"),
        Column::Right("attempts"),
        Column::Right("dead after"),
        Column::Left("key then"),
        Column::Left("repeats"),
        Column::Cut("not settled, weak"),
    ]);
    for report in &reports {
        let listed = listed(report);
        let weak: Vec<&str> =
            listed.proposed.into_iter().chain(listed.findings.iter().map(String::as_str)).collect();
        let dead = std::time::Duration::from_secs_f64(listed.dead_after_seconds);
        table.row([
            listed.consumer.as_str().into(),
            grouped(u64::from(listed.attempts)).into(),
            reliability::length::spoken(dead).into(),
            listed.on_dead.into(),
            listed.window.into(),
            weak.join("; ").into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

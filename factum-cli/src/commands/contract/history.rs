//! `factum contract history`: the versions of one contract, and what changed from each to the next.

use std::path::PathBuf;

use factum_contract::Date;
use factum_contract::history::{Chapter, Stage, history};
use factum_contract::judge::Comparison;
use factum_contract::judge::compare::{Change, ChangeKind, Outcome};
use serde::Serialize;

use super::diff::ComparisonJson;
use super::{catalog, not_there, split, today};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Paint, Style, printable_line};

/// Show a contract's versions, and what changed between them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The contract: order.placed
    name: String,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    name: &'a str,
    versions: Vec<VersionJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionJson<'a> {
    version: u32,
    stage: Stage,
    since: Option<Date>,
    deprecated: Option<Date>,
    sunset: Option<Date>,
    replaced_by: Option<&'a str>,
    summary: Option<&'a str>,
    compatibility: &'static str,
    promise: Option<Outcome>,
    comparison: Option<ComparisonJson<'a>>,
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder =
        cx.settings.contracts(args.contracts.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"));
    let catalog = catalog(&folder)?;
    let mut name = args.name.as_str();
    let mut chapters = history(&catalog, name, today());
    if let Some((plain, _)) = split(name).filter(|_| chapters.is_empty()) {
        name = plain;
        chapters = history(&catalog, name, today());
    }
    if chapters.is_empty() {
        return Err(not_there(&args.name, &catalog));
    }
    if cx.out.is_json() {
        let versions = chapters.iter().map(version).collect();
        cx.out.json(&Json { name, versions })?;
        return Ok(Done::Clean);
    }
    let paint = cx.out.paint();
    for (index, chapter) in chapters.iter().enumerate() {
        if index > 0 {
            cx.out.line("")?;
        }
        print(chapter, paint, cx)?;
    }
    Ok(Done::Clean)
}

fn version<'a>(chapter: &'a Chapter<'_>) -> VersionJson<'a> {
    let contract = chapter.contract;
    let lifecycle = &contract.lifecycle;
    VersionJson {
        version: contract.version,
        stage: chapter.stage,
        since: lifecycle.since,
        deprecated: lifecycle.deprecated,
        sunset: lifecycle.sunset,
        replaced_by: lifecycle.replaced_by.as_ref().map(|name| name.value.as_str()),
        summary: contract.summary.as_deref(),
        compatibility: contract.compatibility.as_str(),
        promise: chapter.comparison.as_ref().map(|comparison| comparison.keeps(contract.compatibility)),
        comparison: chapter.comparison.as_ref().map(ComparisonJson::of),
    }
}

fn print(chapter: &Chapter<'_>, paint: Paint, cx: &mut Cx<'_>) -> Result<(), CliError> {
    let contract = chapter.contract;
    let stage = match chapter.stage {
        Stage::InUse => paint.style(Style::Green, chapter.stage.as_str()),
        Stage::Announced => paint.style(Style::Dim, chapter.stage.as_str()),
        Stage::Deprecated => paint.style(Style::Yellow, chapter.stage.as_str()),
        Stage::Gone => paint.style(Style::Red, chapter.stage.as_str()),
    };
    let mut dates = Vec::new();
    let lifecycle = &contract.lifecycle;
    for (word, date) in
        [("since", lifecycle.since), ("deprecated", lifecycle.deprecated), ("sunset", lifecycle.sunset)]
    {
        dates.extend(date.map(|date| format!("{word} {date}")));
    }
    dates.extend(lifecycle.replaced_by.as_ref().map(|name| format!("replaced by {}", name.value)));
    let dates = if dates.is_empty() { String::new() } else { format!(", {}", dates.join(", ")) };
    cx.out.line(format!("{} ({stage}{dates})", paint.style(Style::Bold, &contract.label())))?;
    if let Some(summary) = &contract.summary {
        cx.out.line(format!("  {}", printable_line(summary)))?;
    }
    let Some(comparison) = &chapter.comparison else { return Ok(()) };
    changes(comparison, cx)?;
    let (mode, promise) = (chapter.mode(), contract.compatibility);
    let kept = if chapter.promises() {
        match comparison.keeps(promise) {
            Outcome::Compatible => paint.style(Style::Green, "kept"),
            Outcome::Breaking(harm) => paint.style(Style::Red, &format!("broken, {}", harm.rule)),
            Outcome::Unknown { why } => {
                paint.style(Style::Yellow, &printable_line(&format!("unknown, {why}")))
            }
        }
    } else {
        format!("nothing promised; {mode} would be {}", comparison.outcome(mode).as_str())
    };
    let (backward, forward) = (comparison.backward.as_str(), comparison.forward.as_str());
    cx.out.line(format!("  backward {backward}, forward {forward}"))?;
    cx.out.line(format!("  promise `{promise}`: {kept}"))?;
    cx.out.line(format!("  advice: {}", comparison.advice))?;
    Ok(())
}

/// One line for each change: its place, how it was and is, and whom it breaks.
fn changes(comparison: &Comparison, cx: &mut Cx<'_>) -> Result<(), CliError> {
    // Each version has its own dates; that they differ is no change.
    for change in comparison.changes.iter().filter(|change| change.kind != ChangeKind::Lifecycle) {
        let sign = match (&change.before, &change.after) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        let place = match change.path.as_str() {
            "" => "payload".to_owned(),
            path if path == change.kind.as_str() => path.to_owned(),
            path => format!("{path} ({})", change.kind),
        };
        let what = [&change.before, &change.after].into_iter().flatten().map(|text| text.replace('\n', " "));
        let what = what.collect::<Vec<_>>().join(" -> ");
        let broken = broken(change);
        cx.out.line(printable_line(&format!("  {sign} {place}: {what}{broken}")))?;
    }
    Ok(())
}

fn broken(change: &Change) -> String {
    let ways: Vec<String> = [&change.backward, &change.forward]
        .into_iter()
        .filter_map(|outcome| match outcome {
            Outcome::Breaking(harm) => Some(format!("{}s break", harm.side)),
            Outcome::Unknown { .. } => Some("unknown".to_owned()),
            Outcome::Compatible => None,
        })
        .collect();
    if ways.is_empty() { String::new() } else { format!("  [{}]", ways.join(", ")) }
}

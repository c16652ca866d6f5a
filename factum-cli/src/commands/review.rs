//! `factum review`: what is wrong with a system of events, and what to do about it.
//!
//! A gate for CI like `contract check`: 0 without errors, 1 with errors, 2 when it could not do its work.

use std::path::{Path, PathBuf};

use factum_architect::review::baseline::Baseline;
use factum_architect::review::checklist::{Answer, Item};
use factum_architect::review::input::{self, Input, InputError};
use factum_architect::review::{self, Options, Profile, Report, Rule, fix, rule};
use factum_contract::finding::{github, sarif};
use factum_contract::{Severity, nearest};
use serde::Serialize;

use super::contract::check::{findings, folder_in_repository};
use super::contract::today;
use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, printable};

mod live;

/// Say what is wrong with a system of events: its catalog and its code
///
/// Takes a folder, a catalog, source code, an event-storming text, an AsyncAPI document, a Mermaid drawing, or words. Exits 0 without errors,
/// 1 with errors, 2 when it cannot run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to review: a folder, a file, or words; else the contracts of factum.toml, else this folder
    #[arg(value_name = "WHAT")]
    what: Vec<String>,
    /// The catalog's folder, where it lies elsewhere
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Which rules are asked: recommended, strict, all
    #[arg(long, value_name = "NAME", default_value = "recommended")]
    profile: Profiles,
    /// Only these rules or families: name, code/raw-publish
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out the findings of this file, and tell new ones alone
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings of today into a file for --baseline
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,
    /// Settle what needs no decision, in the files themselves
    #[arg(long)]
    fix: bool,
    /// With --fix: show which files would change, and change none
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Answer the ten questions of every review, and name the parts of a complete design
    #[arg(long)]
    checklist: bool,
    /// Print the page of a rule: what, why, a bad and a good example
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// List all rules
    #[arg(long)]
    list: bool,
    /// Compare the catalog with what has flowed in a store or a broker: its URL, such as nats://localhost:4222
    #[arg(long, value_name = "URL")]
    live: Option<String>,
    /// With --live and a broker: how many messages to look at, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, requires = "live")]
    live_messages: usize,
    /// How to print findings; --json is the same as json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Profiles {
    Recommended,
    Strict,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Github,
}

#[derive(Debug, Serialize)]
struct RuleJson {
    id: &'static str,
    severity: Severity,
    profile: &'static str,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    good: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct RulesJson {
    rules: Vec<RuleJson>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    run_inner(args, cx).await.map_err(CliError::cannot_run)
}

async fn run_inner(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if let Some(id) = &args.explain {
        return explain(id, cx);
    }
    if args.list {
        return list(&rule::all().collect::<Vec<_>>(), cx);
    }
    let format = match (args.format, cx.out.is_json()) {
        (Format::Text | Format::Json, true) => Format::Json,
        (_, true) => {
            return Err(CliError::usage("--json and --format ask for two forms").hint("pass one of them"));
        }
        (format, false) => format,
    };
    let mut options = options(&args)?;
    let Some(input) = find(&args, cx)? else { return words(&args.what.join(" "), cx) };
    if options.only.is_empty() {
        options.only = input.families.iter().map(|family| (*family).to_owned()).collect();
    }
    let mut report = input.review(&options);
    if let Some(url) = &args.live {
        live::add(url, &input, &mut report, &options, args.live_messages).await?;
    }
    if let Some(path) = &args.baseline {
        baseline(path)?.hide(&mut report);
    }
    if let Some(path) = &args.write_baseline {
        let text = Baseline::of(&report).to_text();
        std::fs::write(path, text).map_err(|error| {
            CliError::unreachable(format!("{} cannot be written: {error}", path.display()))
        })?;
        let count = counted(report.findings.len() as u64, "finding");
        cx.out.line(format!("{count} written to {}; `--baseline {0}` leaves them out", path.display()))?;
        return Ok(Done::Clean);
    }
    if args.fix {
        return mend(&input, &report, args.dry_run, cx);
    }
    let root = folder_in_repository(&input.root);
    match format {
        Format::Text if args.checklist => print_checklist(&report, cx)?,
        Format::Json if args.checklist => cx.out.json(&report.checklist)?,
        Format::Text => print(&report, &input, cx)?,
        Format::Json => cx.out.json(&report)?,
        Format::Sarif => cx.out.json(&sarif::log(&report.findings, &root, env!("CARGO_PKG_VERSION")))?,
        Format::Github => cx.out.raw(github::annotations(&report.findings, &root).as_bytes())?,
    }
    Ok(if report.count(Severity::Error) == 0 { Done::Clean } else { Done::Findings })
}

fn options(args: &Args) -> Result<Options, CliError> {
    let profile = match args.profile {
        Profiles::Recommended => Profile::Recommended,
        Profiles::Strict => Profile::Strict,
        Profiles::All => Profile::All,
    };
    for name in &args.only {
        let is_family = rule::all().any(|rule| rule.id.split('/').next() == Some(name.as_str()));
        if !is_family && rule::find(name).is_none() {
            return Err(unknown(name));
        }
    }
    Ok(Options { profile, only: args.only.clone(), today: today() })
}

fn unknown(name: &str) -> CliError {
    let near =
        nearest::suggest(name, rule::all().map(|rule| rule.id)).filter(|near| near.starts_with("did you"));
    let hint = near.unwrap_or_else(|| "`factum review --list` lists the rules".to_owned());
    CliError::unknown(format!("there is no rule {name:?}")).hint(hint)
}

/// What is to be reviewed; nothing when it is words.
fn find(args: &Args, cx: &Cx<'_>) -> Result<Option<Input>, CliError> {
    let contracts = args.contracts.clone();
    let told = |error: InputError| {
        let hint = error.hint();
        match &error {
            InputError::Missing { .. } | InputError::Io { .. } | InputError::Empty { .. } => {
                CliError::unreachable(error.to_string()).hint(hint)
            }
            _ => CliError::refused(error.to_string()).hint(hint),
        }
    };
    let [what] = args.what.as_slice() else {
        if !args.what.is_empty() {
            return Ok(None);
        }
        let contracts = cx.settings.contracts(contracts.as_deref());
        return input::read(Path::new("."), contracts.as_deref()).map(Some).map_err(told);
    };
    let path = Path::new(what);
    // A name with a separator or an ending was meant as a path, even when it is not there.
    let looks_like_path = what.contains(['/', '\\']) || path.extension().is_some() && !what.contains(' ');
    if path.exists() || looks_like_path {
        return input::read(path, contracts.as_deref()).map(Some).map_err(told);
    }
    Ok(None)
}

fn baseline(path: &Path) -> Result<Baseline, CliError> {
    let hint = format!("`factum review --write-baseline {}` writes it", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::unreachable(format!("{} cannot be read: {error}", path.display())).hint(hint.clone())
    })?;
    Baseline::read(&text)
        .map_err(|error| CliError::refused(format!("{}: {error}", path.display())).hint(hint))
}

fn explain(id: &str, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let rule = rule::find(id).ok_or_else(|| unknown(id))?;
    if cx.out.is_json() {
        let whole = RuleJson {
            why: Some(rule.why),
            bad: Some(rule.bad),
            good: Some(rule.good),
            fix: Some(rule.fix),
            ..short(rule)
        };
        cx.out.json(&whole)?;
    } else {
        cx.out.raw(rule.page().as_bytes())?;
    }
    Ok(Done::Clean)
}

fn short(rule: &'static Rule) -> RuleJson {
    let (id, severity, profile, title) = (rule.id, rule.severity, rule.profile.as_str(), rule.title);
    RuleJson { id, severity, profile, title, why: None, bad: None, good: None, fix: None }
}

fn list(rules: &[&'static Rule], cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&RulesJson { rules: rules.iter().map(|rule| short(rule)).collect() })?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("rule"),
        Column::Left("severity"),
        Column::Left("profile"),
        Column::Left("finds"),
    ]);
    for rule in rules {
        let style = style(rule.severity);
        table.row([
            Cell::styled(Style::Cyan, rule.id),
            Cell::styled(style, rule.severity.as_str()),
            rule.profile.as_str().into(),
            rule.title.into(),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

fn words(question: &str, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let rules = review::answering(question);
    if rules.is_empty() {
        return Err(CliError::unknown(format!(
            "{question:?} is no file or folder, and no rule speaks of it"
        ))
        .hint("`factum review DIR` reviews a folder, `factum review --list` lists the rules"));
    }
    if !cx.out.is_json() {
        cx.out.line(format!(
            "rules that speak of {:?}; `factum review --explain RULE` shows one:\n",
            printable(question)
        ))?;
    }
    list(&rules, cx)
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => Style::Red,
        Severity::Warning => Style::Yellow,
        Severity::Info => Style::Cyan,
    }
}

fn print(report: &Report, input: &Input, cx: &mut Cx<'_>) -> Result<(), CliError> {
    findings(&report.findings, cx)?;
    let paint = cx.out.paint();
    let count = |severity, word: &str| match report.count(severity) {
        0 => None,
        number => Some(counted(number as u64, word)),
    };
    let parts =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning"), count(Severity::Info, "note")];
    let verdict: Vec<String> = parts.into_iter().flatten().collect();
    let worst = report.findings.first().map_or(Style::Green, |finding| style(finding.severity));
    let verdict = if verdict.is_empty() { "no findings".to_owned() } else { verdict.join(", ") };
    let mut looked = vec![format!("{}: {}", input.kind, counted(report.contracts as u64, "contract"))];
    if report.sources > 0 {
        looked.push(format!(
            "{} with events of {} looked at",
            counted(input.code.units.len() as u64, "source file"),
            report.sources
        ));
    }
    if let Some(live) = &report.live {
        let (messages, topics) = (counted(live.messages, "message"), counted(live.topics as u64, "topic"));
        looked.push(format!("{} of {messages} in {topics} of {} looked at", live.looked_at, live.source));
    }
    if report.accepted > 0 {
        looked.push(format!("{} accepted", report.accepted));
    }
    if report.known > 0 {
        looked.push(format!("{} known", report.known));
    }
    cx.out.line(format!("{}: {}", paint.style(worst, &verdict), looked.join(", ")))?;
    if !report.findings.is_empty() {
        let fixable = if report.fixable > 0 && input.is_editable {
            format!("; --fix settles {}", report.fixable)
        } else {
            String::new()
        };
        let files = if input.kind == input::STORM {
            "; keys that it names are those of the catalog that `factum design` makes of the text"
        } else {
            ""
        };
        cx.out.line(
            paint.style(Style::Dim, &format!("`factum review --explain RULE` says why{fixable}{files}")),
        )?;
    }
    Ok(())
}

fn print_checklist(report: &Report, cx: &mut Cx<'_>) -> Result<(), CliError> {
    for (head, items) in [("The review", &report.checklist.review), ("The design", &report.checklist.output)]
    {
        let paint = cx.out.paint();
        cx.out.line(paint.style(Style::Bold, head))?;
        let mut table =
            Table::new([Column::Left("answer"), Column::Left("question"), Column::Left("evidence")]);
        for Item { question, answer, evidence } in items {
            let answer = match answer {
                Answer::Pass => Cell::styled(Style::Green, "pass"),
                Answer::Fail => Cell::styled(Style::Red, "fail"),
                Answer::Unknown => Cell::styled(Style::Yellow, "unknown"),
            };
            table.row([answer, (*question).into(), evidence.as_str().into()]);
        }
        cx.out.table(&table)?;
        cx.out.line("")?;
    }
    Ok(())
}

fn mend(input: &Input, report: &Report, dry_run: bool, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if !input.is_editable {
        return Err(CliError::refused(format!("{} cannot be mended in place", input.kind))
            .hint("name the folder of contracts"));
    }
    let changed = fix::apply(&input.documents.sources, &report.fixes);
    for source in &changed {
        let path = input.root.join(&source.name);
        if !dry_run {
            std::fs::write(&path, &source.text).map_err(|error| {
                CliError::unreachable(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        let word = if dry_run { "would mend" } else { "mended" };
        cx.out.line(format!("{word} {}", printable(&source.name)))?;
    }
    if changed.is_empty() {
        cx.out.line("nothing that can be settled without a decision")?;
    }
    Ok(Done::Clean)
}

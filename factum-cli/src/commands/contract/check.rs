//! `factum contract check`: everything that is wrong with a catalog, by itself, with its history and a reference.
//!
//! A gate for CI: 0 without errors, 1 with errors, 2 when it could not do its work.

use std::path::Path;

use factum_contract::finding::{github, sarif};
use factum_contract::promises::{self, OnUnknown, Options};
use factum_contract::{Finding, Report, Severity};

use super::{Folder, reference, sources, today};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, printable};

/// Say what is wrong with a catalog, and which versions break a promise
///
/// Reads every file, validates examples, and compares each version with the earlier ones to which it promises
/// something. With --against, what was published before must still be there, and newer versions keep their promises
/// to it. Exits 0 without errors, 1 with errors, 2 when it cannot run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// What was published: a git revision (main, REV:DIR), a folder, a file or a store
    #[arg(long, value_name = "WHAT")]
    against: Option<String>,
    /// A published version may change its wording only
    #[arg(long, requires = "against")]
    frozen: bool,
    /// What becomes of a comparison that cannot be decided
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    unknown: Unknown,
    /// How to print findings; --json is the same as json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Unknown {
    Fail,
    Warn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
    Github,
}

pub(super) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let format = match (args.format, cx.out.is_json()) {
        (Format::Text | Format::Json, true) => Format::Json,
        (_, true) => {
            return Err(CliError::usage("--json and --format ask for two forms").hint("pass one of them"));
        }
        (format, false) => format,
    };
    let folder = args.folder.find(cx);
    let sources = sources(&folder)?;
    let reference = match &args.against {
        Some(what) => Some(reference::read(what, &folder).await?),
        None => None,
    };
    let unknown = match args.unknown {
        Unknown::Fail => OnUnknown::Fail,
        Unknown::Warn => OnUnknown::Warn,
    };
    let options = Options { is_frozen: args.frozen, unknown, today: today() };
    let report = promises::check(&sources, reference.as_ref(), options).map_err(|error| {
        let label = reference.as_ref().map_or("", |reference| reference.label.as_str());
        let count = counted(error.findings.len() as u64, "error");
        let shown: Vec<String> = error.findings.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
        CliError::refused(format!(
            "the reference {label} cannot be read, {count} in it:\n{}",
            shown.join("").trim_end()
        ))
        .hint("compare with a revision that can be read, such as an earlier one; or repair it there first")
    })?;
    let root = folder_in_repository(&folder);
    match format {
        Format::Text => print(&report, cx)?,
        Format::Json => cx.out.json(&report)?,
        Format::Sarif => cx.out.json(&sarif::log(&report.findings, &root, env!("CARGO_PKG_VERSION")))?,
        Format::Github => cx.out.raw(github::annotations(&report.findings, &root).as_bytes())?,
    }
    Ok(if report.errors() == 0 { Done::Clean } else { Done::Findings })
}

/// Most findings of a broken reference that are shown.
const SHOWN_MAX: usize = 3;

/// The folder as code hosts name it: from the root of the repository when it has one, with `/`.
pub(crate) fn folder_in_repository(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let root = whole.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    let root = root.or_else(|| std::env::current_dir().ok()?.canonicalize().ok());
    let inside = root.and_then(|root| whole.strip_prefix(root).ok().map(Path::to_owned));
    let shown = inside.unwrap_or_else(|| folder.to_owned());
    let parts = shown.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.collect::<Vec<_>>().join("/")
}

fn print(report: &Report, cx: &mut Cx<'_>) -> Result<(), CliError> {
    let paint = cx.out.paint();
    findings(&report.findings, cx)?;
    let verdict = match (report.errors(), report.warnings()) {
        (0, 0) => paint.style(Style::Green, "no findings"),
        (0, warnings) => paint.style(Style::Yellow, &counted(warnings as u64, "warning")),
        (errors, warnings) => {
            let warnings = counted(warnings as u64, "warning");
            paint.style(Style::Red, &format!("{}, {warnings}", counted(errors as u64, "error")))
        }
    };
    cx.out.line(format!("{verdict}: {}", counts(report)))?;
    Ok(())
}

/// Every finding with its line, in the colour of its severity.
pub(crate) fn findings(all: &[Finding], cx: &mut Cx<'_>) -> Result<(), CliError> {
    let paint = cx.out.paint();
    for finding in all {
        let text = printable(&finding.to_string());
        let (head, rest) = text.split_once(':').unwrap_or((&text, ""));
        let style = match finding.severity {
            Severity::Error => Style::Red,
            Severity::Warning => Style::Yellow,
            Severity::Info => Style::Cyan,
        };
        cx.out.line(format!("{}:{rest}", paint.style(style, head)))?;
    }
    Ok(())
}

/// What was looked at, so that a gate that looked at nothing is seen.
fn counts(report: &Report) -> String {
    let mut parts = vec![format!(
        "{} in {}",
        counted(report.contracts as u64, "contract"),
        counted(report.files as u64, "file")
    )];
    if report.compared > 0 || report.against.is_some() {
        parts.push(format!("{} of versions", counted(report.compared as u64, "comparison")));
    }
    if let Some(against) = &report.against {
        parts.push(format!("against {}", printable(against)));
    }
    if report.accepted > 0 {
        parts.push(format!("{} accepted", report.accepted));
    }
    parts.join(", ")
}

//! `factum generate`: code and pages from contracts, written or compared.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use factum_contract::Catalog;
use factum_contract::generate::rust::Options;
use factum_contract::generate::{Generated, Stale, StaleKind, WriteError, docs, rust};
use serde::Serialize;

use super::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::{Style, counted};

/// Generate code and pages from contracts
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    language: Language,
}

#[derive(Debug, Subcommand)]
enum Language {
    /// Rust: a module per category, meant to be committed
    Rust {
        /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
        #[arg(long, value_name = "DIR")]
        contracts: Option<PathBuf>,
        /// Where to, such as src
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Name of the root module
        #[arg(long, value_name = "NAME", default_value_t = Options::default().module)]
        module: String,
        /// Path of what generated code stands on
        #[arg(long, value_name = "PATH", default_value_t = Options::default().root)]
        root: String,
        /// Only compare; exit 1 when something is not as generated
        #[arg(long)]
        check: bool,
    },
    /// Pages for people: a static HTML catalog with search, diagrams and differences of versions
    Docs {
        /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
        #[arg(long, value_name = "DIR")]
        contracts: Option<PathBuf>,
        /// Where to: a folder of its own, made when it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only compare; exit 1 when something is not as generated
        #[arg(long)]
        check: bool,
    },
}

/// Most files that are named one by one; `--json` names all.
const NAMED_MAX: usize = 10;

#[derive(Debug, Serialize)]
struct Json {
    out: String,
    checked: bool,
    files: Vec<String>,
    changed: Vec<String>,
    stale: Vec<Stale>,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match args.language {
        Language::Rust { contracts, out, module, root, check } => {
            let generated = rust::generate(&catalog(contracts.as_deref(), cx)?, &Options { module, root });
            let generated = generated.map_err(|error| {
                CliError::refused(error.to_string())
                    .hint("rename the contract, or choose another --module or --root")
            })?;
            if !check && !out.is_dir() {
                return Err(CliError::unreachable(format!("{} is not a folder", out.display()))
                    .hint("create it, or pass another --out"));
            }
            finish(&generated, &out, check, "move the file away, or choose another --out or --module", cx)
        }
        Language::Docs { contracts, out, check } => {
            let generated = docs::generate(&catalog(contracts.as_deref(), cx)?);
            let hint = "choose another --out, a folder of its own";
            docs::claim(&out).map_err(|error| not_written(&error, hint))?;
            finish(&generated, &out, check, hint, cx)
        }
    }
}

fn catalog(contracts: Option<&Path>, cx: &Cx<'_>) -> Result<Catalog, CliError> {
    contract::catalog(&cx.settings.contracts(contracts).unwrap_or_else(|| PathBuf::from("contracts")))
}

/// Compares or writes, and says what it found or did.
fn finish(
    generated: &Generated,
    out: &Path,
    check: bool,
    hint: &str,
    cx: &mut Cx<'_>,
) -> Result<Done, CliError> {
    let shown = out.display().to_string();
    let files = generated.files.iter().map(|file| file.path.clone()).collect();
    if check {
        let stale = generated
            .stale(out)
            .map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
        return report(cx, Json { out: shown, checked: true, files, changed: Vec::new(), stale });
    }
    let changed = generated.write(out).map_err(|error| not_written(&error, hint))?;
    report(cx, Json { out: shown, checked: false, files, changed, stale: Vec::new() })
}

fn not_written(error: &WriteError, hint: &str) -> CliError {
    match error {
        WriteError::Io { source, .. } => CliError::unreachable(format!("{error}: {source}")),
        WriteError::NotOurs { .. } | WriteError::Outside { .. } | WriteError::Taken { .. } => {
            CliError::refused(error.to_string()).hint(hint)
        }
    }
}

fn report(cx: &mut Cx<'_>, json: Json) -> Result<Done, CliError> {
    let done = if json.stale.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&json)?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    let all = counted(json.files.len() as u64, "file");
    for stale in json.stale.iter().take(NAMED_MAX) {
        let why = match stale.why {
            StaleKind::Missing => "is missing",
            StaleKind::Different => "is not as generated",
            StaleKind::Leftover => "is generated no more",
        };
        cx.out.line(format!("{}: {}/{} {why}", paint.style(Style::Red, "stale"), json.out, stale.path))?;
    }
    for path in json.changed.iter().take(NAMED_MAX) {
        cx.out.line(format!("wrote {}/{path}", json.out))?;
    }
    let unnamed = (json.stale.len() + json.changed.len()).saturating_sub(NAMED_MAX);
    if unnamed > 0 {
        cx.out.line(paint.style(Style::Dim, &format!("… and {unnamed} more")))?;
    }
    match (json.checked, json.stale.len(), json.changed.len()) {
        (true, 0, _) => cx.out.line(format!("{}: {all}", paint.style(Style::Green, "fresh")))?,
        (true, stale, _) => {
            cx.out.line(format!("{stale} of {all} not fresh; run the same without --check"))?
        }
        (false, _, 0) => cx.out.line(format!("{all}, all as they were"))?,
        (false, _, changed) => cx.out.line(format!("{all}, {changed} changed"))?,
    }
    Ok(done)
}

//! `factum generate`: code from contracts, written or compared.

use std::path::PathBuf;

use clap::Subcommand;
use factum_contract::generate::rust::{Options, generate};
use factum_contract::generate::{Stale, StaleKind, WriteError};
use serde::Serialize;

use super::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::{Style, counted};

/// Generate code from contracts
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
}

#[derive(Debug, Serialize)]
struct Json {
    out: String,
    checked: bool,
    files: Vec<String>,
    changed: Vec<String>,
    stale: Vec<Stale>,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let Language::Rust { contracts, out, module, root, check } = args.language;
    let folder = cx.settings.contracts(contracts.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"));
    let catalog = contract::catalog(&folder)?;
    let generated = generate(&catalog, &Options { module, root }).map_err(|error| {
        CliError::refused(error.to_string()).hint("rename the contract, or choose another --module or --root")
    })?;
    let shown = out.display().to_string();
    let files = generated.files.iter().map(|file| file.path.clone()).collect();
    if check {
        let stale = generated
            .stale(&out)
            .map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
        return report(cx, Json { out: shown, checked: true, files, changed: Vec::new(), stale });
    }
    if !out.is_dir() {
        return Err(CliError::unreachable(format!("{shown} is not a folder"))
            .hint("create it, or pass another --out"));
    }
    let changed = generated.write(&out).map_err(|error| match error {
        WriteError::Io { ref source, .. } => CliError::unreachable(format!("{error}: {source}")),
        WriteError::NotOurs { .. } | WriteError::Outside { .. } => CliError::refused(error.to_string())
            .hint("move the file away, or choose another --out or --module"),
    })?;
    report(cx, Json { out: shown, checked: false, files, changed, stale: Vec::new() })
}

fn report(cx: &mut Cx<'_>, json: Json) -> Result<Done, CliError> {
    let done = if json.stale.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&json)?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    let all = counted(json.files.len() as u64, "file");
    for stale in &json.stale {
        let why = match stale.why {
            StaleKind::Missing => "is missing",
            StaleKind::Different => "is not as generated",
            StaleKind::Leftover => "is generated no more",
        };
        cx.out.line(format!("{}: {}/{} {why}", paint.style(Style::Red, "stale"), json.out, stale.path))?;
    }
    for path in &json.changed {
        cx.out.line(format!("wrote {}/{path}", json.out))?;
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

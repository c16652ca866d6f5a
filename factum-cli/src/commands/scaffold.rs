//! `factum scaffold`: a consumer, producer, projection, saga, decider, service or contract to begin with.
//!
//! Nothing is overwritten: what is there belongs to people.

use std::path::PathBuf;

use clap::ValueEnum;
use factum_architect::codebase;
use factum_architect::scaffold::{self, Kind, Lang, Request};
use factum_contract::folder;
use factum_contract::{Catalog, Source};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::printable;

/// Code to begin with, whose tests fail until its decisions are taken
///
/// Made from the contracts: listener, idempotency and error handling are there, and what only you can decide is marked
/// DECIDE.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What: consumer, producer, projection, saga, decider, service or contract
    #[arg(value_name = "KIND", hide_possible_values = true)]
    kind: KindArg,
    /// Its name, such as payments.charge
    name: String,
    /// The event that it is about, such as order.placed
    event: Option<String>,
    /// In which language: rust, ts or python; else that of the code base
    #[arg(long, value_name = "LANG", hide_possible_values = true)]
    lang: Option<LangArg>,
    /// The service that it belongs to; else what its name begins with, else the event's owner
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Where sources go; else src
    #[arg(long, value_name = "DIR", default_value = "src")]
    out: PathBuf,
    /// Print the files instead of writing them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Consumer,
    Producer,
    Projection,
    Saga,
    Decider,
    Service,
    Contract,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LangArg {
    Rust,
    #[value(alias = "typescript")]
    Ts,
    #[value(alias = "py")]
    Python,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Json {
    pub(super) dry_run: bool,
    pub(super) files: Vec<FileJson>,
    pub(super) next: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct FileJson {
    pub(super) path: String,
    pub(super) text: String,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder =
        cx.settings.contracts(args.contracts.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"));
    let sources = folder::read(&folder).map_err(|error| {
        CliError::unreachable(error.to_string())
            .hint("pass --contracts DIR, or begin with `factum design` or `factum contract new`")
    })?;
    let catalog = Catalog::read(&sources).map_err(|error| {
        CliError::refused(error.to_string().trim_end().to_owned())
            .hint(format!("`factum contract check {}` says all of it", folder.display()))
    })?;
    let kind = Kind::ALL.into_iter().find(|kind| {
        kind.as_str()
            == args.kind.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    });
    let Some(kind) = kind else { return Err(CliError::usage("there is no such kind")) };
    let lang = match args.lang {
        Some(LangArg::Rust) => Lang::Rust,
        Some(LangArg::Ts) => Lang::TypeScript,
        Some(LangArg::Python) => Lang::Python,
        None => usual(kind),
    };
    let request = Request {
        kind,
        name: &args.name,
        event: args.event.as_deref(),
        service: args.service.as_deref(),
        lang,
        catalog: &catalog,
        folder: &args.out.display().to_string(),
        contracts: &folder.display().to_string(),
    };
    let made = scaffold::scaffold(&request).map_err(|error| match error {
        scaffold::ScaffoldError::UnknownEvent { .. } | scaffold::ScaffoldError::UnknownService { .. } => {
            CliError::unknown(error.to_string()).hint(error.hint())
        }
        error => CliError::usage(error.to_string()).hint(error.hint()),
    })?;
    if !args.dry_run {
        write(&made.files)?;
    }
    report(made.files, made.next, args.dry_run, cx)
}

/// The language of the code base here, where a scaffold has it.
fn usual(kind: Kind) -> Lang {
    let code = codebase::scan(std::path::Path::new("."));
    match code.ok().and_then(|code| code.language()) {
        Some(codebase::Language::TypeScript | codebase::Language::JavaScript) if kind == Kind::Consumer => {
            Lang::TypeScript
        }
        Some(codebase::Language::Python) if kind == Kind::Consumer => Lang::Python,
        _ => Lang::Rust,
    }
}

/// Writes every file, or none.
pub(super) fn write(files: &[Source]) -> Result<(), CliError> {
    for file in files {
        if std::path::Path::new(&file.name).exists() {
            return Err(CliError::refused(format!("{} is there already", file.name))
                .hint("nothing is overwritten: move it away, choose another name, or look with --dry-run"));
        }
    }
    for file in files {
        let path = std::path::Path::new(&file.name);
        let cannot = |error| CliError::unreachable(format!("{} cannot be written: {error}", file.name));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        std::fs::write(path, &file.text).map_err(cannot)?;
    }
    Ok(())
}

pub(super) fn report(
    files: Vec<Source>,
    next: Vec<String>,
    is_dry: bool,
    cx: &mut Cx<'_>,
) -> Result<Done, CliError> {
    if cx.out.is_json() {
        let files = files.into_iter().map(|file| FileJson { path: file.name, text: file.text }).collect();
        cx.out.json(&Json { dry_run: is_dry, files, next })?;
        return Ok(Done::Clean);
    }
    for file in &files {
        if is_dry {
            cx.out.line(format!("--- {}\n{}", file.name, printable(&file.text)))?;
        } else {
            cx.out.line(format!("wrote {}", file.name))?;
        }
    }
    if !is_dry {
        cx.out.line("next:")?;
        for step in &next {
            cx.out.line(format!("  {step}"))?;
        }
    }
    Ok(Done::Clean)
}

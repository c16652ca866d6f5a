//! `factum contract new`: the first version of a contract, from flags, or from answers at a terminal.
//!
//! What is written passes `check` at once: it is checked in memory before anything is written, and nothing is ever
//! overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use factum_contract::contract::{Compatibility, Ordering};
use factum_contract::folder::{self, FolderError};
use factum_contract::template::{self, Draft, FieldOutline, Outline};
use factum_contract::words::{ServiceName, SystemName};
use factum_contract::{Catalog, Severity, Source};
use factum_core::{Category, EventName, Kind, Topic};
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::printable;
use crate::suggest;

mod questions;

use questions::Questions;

/// Write the first version of a contract; asks at a terminal
///
/// At a terminal it asks for what no flag says; elsewhere --owner is needed and the rest gets its usual value. A folder
/// without system.yaml gets one. Nothing is overwritten.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Something that happened, or something that is to be done
    kind: KindArg,
    /// Its name: order.placed, reserve.stock
    name: EventName,
    /// The service that answers for its meaning
    #[arg(long, value_name = "SERVICE")]
    owner: Option<ServiceName>,
    /// One sentence for people
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// A field as NAME:TYPE, with [] for a list, ! when required, then perhaps :identifier or :metadata
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<FieldOutline>,
    /// The field that keeps related events in order
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// Where it is published; else its name
    #[arg(long, value_name = "TOPIC")]
    topic: Option<Topic>,
    /// Category of the streams that hold it; else the first word of its name
    #[arg(long, value_name = "CATEGORY")]
    stream: Option<Category>,
    /// How far order is promised: none, per-key or total
    #[arg(long, value_name = "WORD", value_parser = ordering)]
    ordering: Option<Ordering>,
    /// Which versions read which: none, backward, forward, full, or the last three with -transitive
    #[arg(long, value_name = "WORD", value_parser = compatibility)]
    compatibility: Option<Compatibility>,
    /// Name of the system, for a folder without system.yaml
    #[arg(long, value_name = "NAME")]
    system: Option<SystemName>,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Ask also where standard input is no terminal
    #[arg(long)]
    ask: bool,
    /// Print the files instead of writing them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Event,
    Command,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Event => Self::Event,
            KindArg::Command => Self::Command,
        }
    }
}

fn ordering(text: &str) -> Result<Ordering, String> {
    one_of(Ordering::ALL, Ordering::as_str, text)
}

fn compatibility(text: &str) -> Result<Compatibility, String> {
    one_of(Compatibility::ALL, Compatibility::as_str, text)
}

fn one_of<W: Copy>(all: &[W], word: fn(W) -> &'static str, text: &str) -> Result<W, String> {
    let found = all.iter().find(|known| word(**known) == text);
    found.copied().ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|known| word(*known)).collect();
        format!("expected one of {}", words.join(" | "))
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    contract: String,
    dry_run: bool,
    files: Vec<FileJson>,
}

#[derive(Debug, Serialize)]
struct FileJson {
    path: String,
    text: String,
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder =
        cx.settings.contracts(args.contracts.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"));
    let existing = existing(&folder)?;
    let catalog = catalog(&folder, &existing)?;
    if let Some(known) = catalog.as_ref().and_then(|catalog| catalog.versions(args.name.as_str()).next_back())
    {
        let next = known.version + 1;
        return Err(CliError::refused(format!("{} is there already", known.label())).hint(format!(
            "its next version is a copy: {0}.v{next}.yaml with `version: {next}`",
            args.name
        )));
    }
    let kind = Kind::from(args.kind);
    let (owner, outline) = outlined(&args, kind, catalog.as_ref())?;
    if let Some(catalog) = &catalog {
        known_service(&owner, catalog)?;
    }
    let mut drafts = Vec::new();
    if catalog.is_none() {
        let system = args.system.clone().unwrap_or_else(|| system_name(&folder));
        drafts.push(template::system(&system, &owner));
    }
    drafts.push(template::contract(kind, &args.name, &owner, &outline));
    verify(&existing, &drafts)?;
    if !args.dry_run {
        write(&folder, &drafts)?;
    }
    report(&folder, drafts, &args, cx)
}

fn existing(folder: &Path) -> Result<Vec<Source>, CliError> {
    match folder::read(folder) {
        Ok(sources) => Ok(sources),
        Err(FolderError::Empty { .. }) => Ok(Vec::new()),
        Err(FolderError::Missing { .. }) if !folder.exists() => Ok(Vec::new()),
        Err(FolderError::Io { path, source }) => {
            Err(CliError::unreachable(format!("{} cannot be read: {source}", path.display())))
        }
        Err(error) => Err(CliError::unreachable(error.to_string())),
    }
}

fn catalog(folder: &Path, existing: &[Source]) -> Result<Option<Catalog>, CliError> {
    if existing.is_empty() {
        return Ok(None);
    }
    let shown = folder.display();
    Catalog::read(existing).map(Some).map_err(|error| {
        let first = error.findings.iter().find(|finding| finding.severity == Severity::Error);
        let first = first.map(ToString::to_string).unwrap_or_default();
        CliError::refused(format!("{shown} has errors, so nothing can be added:\n{}", first.trim_end()))
            .hint(format!("`factum contract check {shown}` says all of it"))
    })
}

fn known_service(owner: &ServiceName, catalog: &Catalog) -> Result<(), CliError> {
    let services = &catalog.system.services;
    if services.contains_key(owner) {
        return Ok(());
    }
    let near = suggest::nearest(owner.as_str(), services.keys().map(ServiceName::as_str));
    let near = near.map(|near| format!("{near} ")).unwrap_or_default();
    Err(CliError::unknown(format!("there is no service {:?} in the system file", owner.as_str()))
        .hint(format!("{near}or add it under `services:`")))
}

/// What flags say, and what a person answers where they may be asked.
fn outlined(args: &Args, kind: Kind, catalog: Option<&Catalog>) -> Result<(ServiceName, Outline), CliError> {
    let outline = Outline {
        summary: args.summary.clone(),
        topic: args.topic.clone(),
        stream: args.stream.clone(),
        key: args.key.clone(),
        ordering: args.ordering,
        compatibility: args.compatibility,
        fields: args.fields.clone(),
    };
    if args.ask || (args.owner.is_none() && std::io::stdin().is_terminal()) {
        let services =
            catalog.map(|catalog| catalog.system.services.keys().cloned().collect()).unwrap_or_default();
        return Questions::new(std::io::stdin().lock()).ask(
            kind,
            &args.name,
            args.owner.clone(),
            services,
            outline,
        );
    }
    let owner = args.owner.clone().ok_or_else(|| {
        let known = catalog
            .map(|catalog| catalog.system.services.keys().map(ServiceName::as_str).collect::<Vec<_>>());
        let known =
            known.filter(|known| !known.is_empty()).map(|known| format!("; known: {}", known.join(", ")));
        CliError::usage("which service answers for it is not said")
            .hint(format!("pass --owner SERVICE{}", known.unwrap_or_default()))
    })?;
    Ok((owner, outline))
}

/// The drafts pass `check` beside what is there.
fn verify(existing: &[Source], drafts: &[Draft]) -> Result<(), CliError> {
    let new = drafts.iter().map(|draft| Source::new(draft.name.as_str(), draft.text.as_str()));
    let sources: Vec<Source> = existing.iter().cloned().chain(new).collect();
    let report = factum_contract::check(&sources);
    let errors: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(CliError::refused(format!("such a contract would not pass:\n{}", errors.join("\n").trim_end()))
        .hint("say it differently; --dry-run prints the file"))
}

fn write(folder: &Path, drafts: &[Draft]) -> Result<(), CliError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| CliError::unreachable(format!("{} cannot be made: {error}", folder.display())))?;
    for draft in drafts {
        let path = folder.join(&draft.name);
        let written = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(draft.text.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CliError::refused(format!("{} is there already", path.display()))
                .hint("nothing is overwritten: move it away, or choose another name"),
            _ => CliError::unreachable(format!("{} cannot be written: {error}", path.display())),
        })?;
    }
    Ok(())
}

fn report(folder: &Path, drafts: Vec<Draft>, args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let files: Vec<FileJson> = drafts
        .into_iter()
        .map(|draft| FileJson { path: folder.join(draft.name).display().to_string(), text: draft.text })
        .collect();
    if cx.out.is_json() {
        cx.out.json(&Json { contract: format!("{}.v1", args.name), dry_run: args.dry_run, files })?;
        return Ok(Done::Clean);
    }
    for file in &files {
        if args.dry_run {
            cx.out.line(format!("--- {}\n{}", file.path, printable(&file.text)))?;
        } else {
            cx.out.line(format!("wrote {}", file.path))?;
        }
    }
    if !args.dry_run {
        cx.out.line(format!("next: edit it, then `factum contract check {}`", folder.display()))?;
    }
    Ok(Done::Clean)
}

/// A system is named after the folder around its contracts, until somebody names it.
fn system_name(folder: &Path) -> SystemName {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let around = whole.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let around = around.and_then(|name| name.parse().ok());
    around.unwrap_or_else(|| "system".parse().expect("is a name"))
}

//! `factum contract`: define, check, list, show and compare contracts, and the way from a folder to a catalog.
//!
//! Made for gates: whatever keeps a command from doing its work exits 2, so that 1 always means a finding.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use factum_contract::folder::{self, FolderError};
use factum_contract::{Catalog, Contract, Contracts, Date, Source};
use factum_core::{EventName, Timestamp};

use super::{Cx, Done};
use crate::error::CliError;
use crate::suggest;

pub(crate) mod check;
mod diff;
mod git;
mod history;
mod import;
mod list;
mod new;
mod recorded;
mod reference;
mod show;

/// Define, check, list, show and compare contracts
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the first version of a contract; asks at a terminal
    New(new::Args),
    /// Say what is wrong with a catalog, and which versions break a promise
    Check(check::Args),
    /// Compare two contracts or JSON Schemas, change by change
    Diff(diff::Args),
    /// Show a contract's versions, and what changed between them
    History(history::Args),
    /// List the newest version of every contract
    List(list::Args),
    /// List the contract versions that a store has met, or show one
    Recorded(recorded::Args),
    /// Show one contract: its rules, its fields, who reads which version
    Show(show::Args),
    /// Read contracts from a document of another tool
    Import(import::Args),
}

/// Where the contracts are.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long = "contracts", value_name = "DIR")]
    flag: Option<PathBuf>,
    /// The same, without the flag
    #[arg(value_name = "DIR", conflicts_with = "flag")]
    dir: Option<PathBuf>,
}

impl Folder {
    fn find(&self, cx: &Cx<'_>) -> PathBuf {
        let flag = self.flag.as_deref().or(self.dir.as_deref());
        cx.settings.contracts(flag).unwrap_or_else(|| PathBuf::from("contracts"))
    }
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let done = match args.action {
        Action::New(args) => new::run(args, cx),
        Action::Check(args) => check::run(args, cx).await,
        Action::Diff(args) => diff::run(args, cx),
        Action::History(args) => history::run(args, cx),
        Action::List(args) => list::run(args, cx),
        Action::Recorded(args) => return recorded::run(args, cx).await,
        Action::Show(args) => show::run(args, cx),
        Action::Import(args) => import::run(args, cx),
    };
    done.map_err(CliError::cannot_run)
}

/// A catalog's files.
pub(crate) fn sources(folder: &Path) -> Result<Vec<Source>, CliError> {
    folder::read(folder).map_err(|error| {
        let hint = "pass the folder that holds system.yaml: --contracts DIR";
        match &error {
            FolderError::Io { source, .. } => CliError::unreachable(format!("{error}: {source}")),
            FolderError::Missing { .. } | FolderError::Empty { .. } => {
                CliError::unreachable(error.to_string()).hint(hint)
            }
            FolderError::TooMany { .. } => CliError::refused(error.to_string()).hint(hint),
        }
    })
}

/// A catalog that can be used, or the first thing that is wrong with it.
pub(crate) fn catalog(folder: &Path) -> Result<Catalog, CliError> {
    Catalog::read(&sources(folder)?).map_err(|error| {
        CliError::refused(error.to_string().trim_end().to_owned())
            .hint(format!("`factum contract check {}` says all of it", folder.display()))
    })
}

/// A checked file's catalog; all that is wrong with it else.
pub(crate) fn usable(report: factum_contract::Report) -> Result<Catalog, CliError> {
    let said: String = report
        .findings
        .iter()
        .filter(|one| one.severity == factum_contract::Severity::Error)
        .map(ToString::to_string)
        .collect();
    report
        .catalog
        .ok_or_else(|| CliError::refused(format!("the contracts cannot be used:\n{}", said.trim_end())))
}

/// A catalog at work.
pub(crate) fn compiled(folder: &Path) -> Result<Contracts, CliError> {
    Contracts::new(catalog(folder)?).map_err(|error| CliError::refused(error.to_string()))
}

/// The name and version of `order.placed.v1` or `order.placed@1`.
fn split(label: &str) -> Option<(&str, u32)> {
    let (name, version) = label.rsplit_once('@').or_else(|| label.rsplit_once(".v"))?;
    Some((name, version.parse().ok()?))
}

/// A contract by its name, in its newest version, or by its name and version.
fn find<'a>(label: &str, catalog: &'a Catalog) -> Result<&'a Contract, CliError> {
    let newest = catalog.versions(label).next_back();
    let versioned = || {
        let (name, version) = split(label)?;
        catalog.contract(name, version)
    };
    newest.or_else(versioned).ok_or_else(|| not_there(label, catalog))
}

fn not_there(label: &str, catalog: &Catalog) -> CliError {
    let plain = split(label).map_or(label, |(plain, _)| plain);
    let versions: Vec<String> = catalog.versions(plain).map(Contract::label).collect();
    let hint = match versions.as_slice() {
        [] => suggest::nearest(plain, catalog.names().map(EventName::as_str)),
        versions => Some(format!("known: {}", versions.join(", "))),
    };
    let hint = hint.unwrap_or_else(|| "the catalog has no contracts".to_owned());
    CliError::unknown(format!("contract {label:?} is not in the catalog")).hint(hint)
}

/// The day it is, in UTC.
pub(crate) fn today() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::EPOCH.plus(since).to_string();
    let day = now.split('T').next().and_then(|day| day.parse().ok());
    day.or_else(|| Date::new(1970, 1, 1)).expect("the first of January is a day")
}

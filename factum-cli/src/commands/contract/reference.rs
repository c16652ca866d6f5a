//! What `--against` names: contracts of another time or place, from wherever they are kept.
//!
//! A store's URL, then what exists as a folder or file, then a git revision; `git:` before it, or `./`, decides.

use std::path::Path;
use std::sync::Arc;

use factum_contract::Source;
use factum_contract::promises::Reference;
use factum_core::OpenGate;
use factum_runtime::Admin;

use super::git::{Found, Repository};
use super::sources;
use crate::error::CliError;
use crate::reach;

/// Reads the reference; `folder` is the catalog that is compared with it.
pub(super) async fn read(what: &str, folder: &Path) -> Result<Reference, CliError> {
    if reach::is_store(what) {
        return of_store(what).await;
    }
    if let Some(revision) = what.strip_prefix("git:") {
        return of_git(revision, folder);
    }
    let path = Path::new(what);
    if path.is_dir() {
        return Ok(Reference { label: what.to_owned(), sources: sources(path)? });
    }
    if path.is_file() {
        return Ok(Reference { label: what.to_owned(), sources: vec![file(path)?] });
    }
    of_git(what, folder)
}

/// What a running system has recorded: every contract version that its store has met.
async fn of_store(url: &str) -> Result<Reference, CliError> {
    let opened = reach::open_at(url, Arc::new(OpenGate))?;
    let recorded = Admin::new(opened.store).contracts().await?;
    let sources = recorded.into_iter().map(|state| {
        let name = format!("{}.v{}.json", state.name, state.version);
        Source::new(name, state.contract)
    });
    Ok(Reference { label: reach::redacted(url), sources: sources.collect() })
}

/// One file as a source.
pub(super) fn file(path: &Path) -> Result<Source, CliError> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Source::new(name, String::from_utf8_lossy(&bytes)))
}

/// A revision, or `REVISION:PATH` with the path from the repository's root.
fn of_git(what: &str, folder: &Path) -> Result<Reference, CliError> {
    let (revision, path) = match what.split_once(':') {
        Some((revision, path)) => (revision, Some(path)),
        None => (what, None),
    };
    if revision.is_empty() || revision.starts_with('-') {
        return Err(CliError::usage(format!("{what:?} is no git revision")).hint("such as --against main"));
    }
    let repository = Repository::around(folder)?;
    repository.verify(revision)?;
    match (repository.read(revision, path)?, path) {
        (Found::Files(sources), _) if !sources.is_empty() => {
            Ok(Reference { label: what.to_owned(), sources })
        }
        (_, Some(path)) => Err(CliError::unreachable(format!("{revision} has no contracts in {path}"))
            .hint("the path counts from the repository's root")),
        // The first contracts of a repository have nothing to be compared with; the check says so.
        (_, None) => Ok(Reference { label: what.to_owned(), sources: Vec::new() }),
    }
}

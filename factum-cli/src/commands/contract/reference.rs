//! What `--against` names: contracts of another time or place, from wherever they are kept.
//!
//! What exists as a folder or file is taken first, then a git revision; `git:` before it, or `./`, decides.

use std::path::Path;

use factum_contract::Source;
use factum_contract::promises::Reference;

use super::git::{Found, Repository};
use super::sources;
use crate::error::CliError;

/// Reads the reference; `folder` is the catalog that is compared with it.
pub(super) fn read(what: &str, folder: &Path) -> Result<Reference, CliError> {
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

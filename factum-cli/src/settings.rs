//! Where the store and the contracts are: flag, then environment, then `factum.toml`.
//!
//! `factum.toml` is looked for here and in the folders above; paths in it are relative to its folder.

use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The file's name.
const FILE: &str = "factum.toml";
/// Larger than this it is something else.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What `factum.toml` says to the command line; other keys belong to others.
#[derive(Debug, Default, serde::Deserialize)]
struct File {
    store: Option<String>,
    contracts: Option<PathBuf>,
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Settings {
    store: Option<String>,
    contracts: Option<PathBuf>,
}

impl Settings {
    /// Takes the flag (which the environment may have set) before the file.
    pub(crate) fn find(store: Option<String>) -> Result<Self, CliError> {
        let here = std::env::current_dir()
            .map_err(|error| CliError::unreachable(format!("the current folder cannot be used: {error}")))?;
        let Some(path) = here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()) else {
            return Ok(Self { store, contracts: None });
        };
        let folder = path.parent().unwrap_or(&here);
        let file = read(&path)?;
        Ok(Self {
            store: store.or_else(|| file.store.map(|url| beside(folder, &here, &url))),
            contracts: file.contracts.map(|contracts| folder.join(contracts)),
        })
    }

    /// The store's URL.
    pub(crate) fn store(&self) -> Result<&str, CliError> {
        self.store.as_deref().filter(|url| !url.is_empty()).ok_or_else(|| {
            CliError::usage("which store is not said")
                .hint("pass --store URL (such as sqlite:data/orders.db), set FACTUM_STORE, or write `store = \"…\"` in factum.toml")
        })
    }

    /// The store's URL, when there is one.
    pub(crate) fn store_if_any(&self) -> Option<&str> {
        self.store.as_deref().filter(|url| !url.is_empty())
    }

    /// The folder of contracts, by flag or file.
    pub(crate) fn contracts(&self, flag: Option<&Path>) -> Option<PathBuf> {
        flag.map(Path::to_owned).or_else(|| self.contracts.clone())
    }
}

fn read(path: &Path) -> Result<File, CliError> {
    let shown = path.display();
    let cannot = |error: std::io::Error| CliError::unreachable(format!("{shown} cannot be read: {error}"));
    if std::fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(CliError::usage(format!("{shown} is over 1 MiB, which no settings are")));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        CliError::usage(format!("{shown} line {line}: {}", error.message()))
    })
}

/// A relative path in the file means: relative to the file.
fn beside(folder: &Path, here: &Path, url: &str) -> String {
    if folder == here {
        return url.to_owned();
    }
    let (scheme, path) = match url.strip_prefix("sqlite:") {
        Some(path) => ("sqlite:", path.strip_prefix("//").unwrap_or(path)),
        None if url.contains(':') => return url.to_owned(),
        None => ("", url),
    };
    format!("{scheme}{}", folder.join(path).display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_store_is_relative_to_its_file() {
        let (folder, here) = (Path::new("/a"), Path::new("/a/b"));
        assert_eq!(beside(folder, here, "sqlite:data/o.db"), "sqlite:/a/data/o.db");
        assert_eq!(beside(folder, here, "o.db"), "/a/o.db");
        assert_eq!(beside(folder, here, "/x/o.db"), "/x/o.db");
        assert_eq!(beside(folder, here, "postgres://h/d"), "postgres://h/d");
        assert_eq!(beside(here, here, "o.db"), "o.db");
    }
}

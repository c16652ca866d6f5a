//! Reads the files of a catalog's folder; the only part of this crate that touches the file system, with `generate`.

use std::io;
use std::path::{Path, PathBuf};

use crate::finding::Source;
use crate::read::FILE_BYTES_MAX;

/// Most files of one catalog.
pub const FILES_MAX: usize = 10_000;

/// Deepest folder that is looked into.
const FOLDERS_DEEP_MAX: usize = 8;

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such folder.
    #[error("{path} is not a folder")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is nothing in it that is a catalog's.
    #[error("{path} holds no .yaml, .yml or .json files")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// There are more files than a catalog has.
    #[error("{path} holds more than {FILES_MAX} files")]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// All YAML and JSON files of a folder and the folders in it, by name; hidden ones and links are left out.
///
/// # Errors
/// When the folder or a file cannot be read, or there is nothing to read.
pub fn read(folder: &Path) -> Result<Vec<Source>, FolderError> {
    if !folder.is_dir() {
        return Err(FolderError::Missing { path: folder.to_owned() });
    }
    let mut sources = Vec::new();
    collect(folder, "", 0, &mut sources)?;
    if sources.is_empty() {
        return Err(FolderError::Empty { path: folder.to_owned() });
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}

/// Whether a path below a catalog's folder is one of its files, by its name alone.
#[must_use]
pub fn is_catalog_file(path: &str) -> bool {
    let is_ours = [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending));
    let is_hidden = path.split('/').any(|part| part.starts_with('.'));
    is_ours && !is_hidden && path.matches('/').count() <= FOLDERS_DEEP_MAX
}

fn collect(folder: &Path, prefix: &str, depth: usize, sources: &mut Vec<Source>) -> Result<(), FolderError> {
    let io_error = |path: &Path, source| FolderError::Io { path: path.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(|error| io_error(folder, error))? {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(|error| io_error(&path, error))?;
        if name.starts_with('.') || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() && depth < FOLDERS_DEEP_MAX {
            collect(&path, &format!("{prefix}{name}/"), depth + 1, sources)?;
        }
        if !kind.is_file() || !is_catalog_file(&name) {
            continue;
        }
        if sources.len() >= FILES_MAX {
            return Err(FolderError::TooMany { path: folder.to_owned() });
        }
        sources.push(Source { name: format!("{prefix}{name}"), text: text(&path)? });
    }
    Ok(())
}

/// A file's text; bytes that are no UTF-8 become a visible sign, which no contract accepts as a name.
fn text(path: &Path) -> Result<String, FolderError> {
    use std::io::Read as _;
    let io_error = |source| FolderError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    // One byte over the limit is enough to see that it is passed.
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(io_error)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_are_read_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for (name, text) in [("z.yaml", "z"), ("b/a.json", "a"), (".hidden.yaml", "h"), ("notes.md", "n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let sources = read(folder.path()).unwrap();
        assert_eq!(sources, [Source::new("b/a.json", "a"), Source::new("z.yaml", "z")]);
    }

    #[test]
    fn a_path_alone_says_whether_it_is_a_catalogs() {
        let deep = |levels: usize| format!("{}a.yaml", "b/".repeat(levels));
        for path in ["a.yaml", "b/a.json", "a.yml", &deep(FOLDERS_DEEP_MAX)] {
            assert!(is_catalog_file(path), "{path}");
        }
        for path in ["a.md", ".a.yaml", ".b/a.yaml", "b/.c/a.yaml", &deep(FOLDERS_DEEP_MAX + 1)] {
            assert!(!is_catalog_file(path), "{path}");
        }
    }

    #[test]
    fn a_folder_without_files_is_said_to_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(FolderError::Empty { .. })));
        assert!(matches!(read(&folder.path().join("none")), Err(FolderError::Missing { .. })));
    }
}

//! The text files of a folder, within limits.
//!
//! Leaves out what people did not write: dependencies, builds, hidden folders. Follows no link.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Most files that are read.
pub const FILES_MAX: usize = 20_000;
/// Largest file that is read; a longer one was made by a program.
pub const FILE_BYTES_MAX: u64 = 512 * 1024;
/// Deepest folder that is looked into.
const FOLDERS_DEEP_MAX: usize = 24;

/// Folders that hold what nobody wrote by hand.
const NOT_WRITTEN: [&str; 16] = [
    "node_modules",
    "target",
    "dist",
    "build",
    "out",
    "vendor",
    "venv",
    "env",
    "__pycache__",
    "coverage",
    "bin",
    "obj",
    "site-packages",
    "snapshots",
    "generated",
    "fixtures",
];

/// Endings of files that say something about a code base.
const ENDINGS: [&str; 24] = [
    "rs", "ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "py", "java", "kt", "go", "json", "toml",
    "yaml", "yml", "md", "mod", "xml", "gradle", "kts", "cfg", "txt",
];

/// A file's path and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Why a folder was not read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There is no such folder.
    #[error("{path} is not a folder")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{path} cannot be read")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

pub(super) struct Walked {
    pub(super) files: Vec<SourceFile>,
    pub(super) is_cut: bool,
}

pub(super) fn read(folder: &Path) -> Result<Walked, ScanError> {
    if !folder.is_dir() {
        return Err(ScanError::Missing { path: folder.to_owned() });
    }
    let mut walked = Walked { files: Vec::new(), is_cut: false };
    collect(folder, "", 0, &mut walked)?;
    // The one hidden file that speaks of the code.
    let boundaries = folder.join(".claude/BOUNDARIES.md");
    if boundaries.is_file()
        && let Some(text) = text(&boundaries)?
    {
        walked.files.push(SourceFile { path: ".claude/BOUNDARIES.md".to_owned(), text });
    }
    walked.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walked)
}

fn collect(folder: &Path, prefix: &str, depth: usize, walked: &mut Walked) -> Result<(), ScanError> {
    let io = |path: &Path, source| ScanError::Io { path: path.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(|error| io(folder, error))?;
    let mut entries: Vec<_> =
        entries.collect::<Result<_, _>>().map_err(|error: std::io::Error| io(folder, error))?;
    // Where there are too many, the same ones are read each time.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(|error| io(&path, error))?;
        if name.starts_with('.') || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            if depth < FOLDERS_DEEP_MAX && !NOT_WRITTEN.contains(&name.as_str()) {
                collect(&path, &format!("{prefix}{name}/"), depth + 1, walked)?;
            }
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let is_lock = name.contains("lock") && matches!(ending, "json" | "yaml");
        if !kind.is_file() || !ENDINGS.contains(&ending) || is_lock {
            continue;
        }
        if walked.files.len() >= FILES_MAX {
            walked.is_cut = true;
            return Ok(());
        }
        if let Some(text) = text(&path)? {
            walked.files.push(SourceFile { path: format!("{prefix}{name}"), text });
        }
    }
    Ok(())
}

/// A file's text; none where it is no text, or too long to be written by hand.
fn text(path: &Path) -> Result<Option<String>, ScanError> {
    let io = |source| ScanError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

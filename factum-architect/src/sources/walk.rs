//! Finds source files, and reads those that speak of events.
//!
//! Most files of a code base have nothing to do with events: they are told by their words, without a parser.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use factum_contract::Source;

use super::language::Language;

/// Most source files of one review.
pub(super) const FILES_MAX: usize = 50_000;
/// Larger than this a file was generated, or is no source.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Folders that tools fill.
const FOLDERS: [&str; 9] =
    ["target", "node_modules", "dist", "build", "vendor", "__pycache__", "venv", "coverage", "out"];

/// Code that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There are more than anybody means.
    #[error("{path} holds more than {FILES_MAX} source files")]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// All source files below a folder, by name, without tests.
pub(super) fn files(root: &Path) -> Result<Vec<(PathBuf, String)>, ScanError> {
    if root.is_file() {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(vec![(root.to_owned(), name)]);
    }
    let mut found = Vec::new();
    let walk = ignore::WalkBuilder::new(root)
        .follow_links(false)
        .require_git(false)
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            !(is_folder && entry.depth() > 0 && FOLDERS.contains(&name.as_ref()))
        })
        .build();
    for entry in walk.filter_map(Result::ok) {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        let inside = path.strip_prefix(root).unwrap_or(path);
        let parts: Vec<String> =
            inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        let name = parts.join("/");
        let is_settings = parts.last().is_some_and(|last| last == "tsconfig.json");
        let is_source = Language::of(&name).is_some() && !Language::is_test(&name);
        if is_source || is_settings {
            if found.len() >= FILES_MAX {
                return Err(ScanError::TooMany { path: root.to_owned() });
            }
            found.push((path.to_owned(), name));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// The texts of files that speak of events, in their order; read by as many threads as there are processors.
pub(super) fn load(found: &[(PathBuf, String)], prefix: &str) -> Result<Vec<Source>, ScanError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut texts: Vec<(usize, Source)> = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((path, name)) = found.get(index) else { return Ok(texts) };
            if let Some(text) = text(path)? {
                texts.push((index, Source::new(format!("{prefix}{name}"), text)));
            }
        }
    };
    let mut all = Vec::new();
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok(Vec::new()))).collect::<Vec<_>>()
    });
    for part in parts {
        all.extend(part?);
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, source)| source).collect())
}

/// As many threads as there are processors, and no more than help.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(16)
}

/// A file's text when it speaks of events; nothing of one that is too large or no text.
fn text(path: &Path) -> Result<Option<String>, ScanError> {
    let error = |source| ScanError::Io { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(error)?.len();
    if size > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(error)?;
    let is_settings = path.extension().is_some_and(|ending| ending == "json");
    Ok(String::from_utf8(bytes).ok().filter(|text| is_settings || speaks_of_events(text)))
}

/// Whether a text holds a word that only code with events has.
///
/// One pass over the bytes, by the letter that each word begins with.
fn speaks_of_events(text: &str) -> bool {
    const WORDS: [&str; 29] = [
        "afka",
        "mqp",
        "ublish",
        "ubscribe",
        "mitter",
        ".emit(",
        "basic_",
        "sqs",
        "SQS",
        "sns",
        "SNS",
        "nats",
        "jetstream",
        "xadd",
        "XAdd",
        "xAdd",
        "upabase",
        "EventPattern",
        "MessagePattern",
        "OnEvent",
        "EventListener",
        "Listener(",
        "rabbit",
        "Rabbit",
        "ProducerRecord",
        "factum",
        "Handler<",
        "ventBus",
        "event_bus",
    ];
    WORDS.iter().any(|word| text.contains(word))
}

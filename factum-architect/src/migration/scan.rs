//! Finds a call in sources of many languages, by its name: where it stands, in which function, and what that function
//! does around it.
//!
//! Reads text, builds nothing, and follows no links. It says what it saw; whether that is all is for people to judge.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Endings of files that are read.
const ENDINGS: [&str; 14] =
    ["rs", "ts", "tsx", "js", "jsx", "mjs", "py", "go", "java", "kt", "rb", "cs", "php", "scala"];
/// Folders that hold others' code, or what was built.
const SKIPPED: [&str; 8] =
    ["target", "node_modules", "dist", "build", "vendor", "venv", "__pycache__", "out"];
/// Most files that are read.
const FILES_MAX: usize = 20_000;
/// Larger files are not written by hand.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Places that are told.
const HITS_MAX: usize = 200;
/// Lines around a call that may belong to it.
const NEAR: usize = 40;
/// How sources change state.
const CHANGES: [&str; 10] = [
    "commit",
    "transaction",
    "insert into",
    "update ",
    ".save(",
    ".create(",
    "execute(",
    ".append(",
    ".persist(",
    ".insert(",
];

/// A place where the call stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// The file, from the folder that was searched.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// The function around it.
    pub inside: Option<String>,
    /// The nearest change of state in the same function: its line, and whether it comes before the call.
    pub state_change: Option<StateChange>,
}

/// A line that changes state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateChange {
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// Whether it comes before the call.
    pub is_before: bool,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scan {
    /// Files that were read.
    pub files: usize,
    /// Places, by file and line.
    pub hits: Vec<Hit>,
    /// Whether there was more than is told.
    pub is_cut: bool,
}

/// Sources that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read", path.display())]
pub struct ScanError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Searches a folder for calls of a name.
///
/// # Errors
/// When the folder itself cannot be read; files that cannot be are passed over.
pub fn scan(root: &Path, call: &str) -> Result<Scan, ScanError> {
    let mut scan = Scan::default();
    let mut folders = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(source) if folder == root => return Err(ScanError { path: folder, source }),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_skipped = name.starts_with('.') || SKIPPED.contains(&name.as_str());
            if kind.is_dir() && !is_skipped {
                folders.push(entry.path());
            } else if kind.is_file() && is_source(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    scan.is_cut = files.len() > FILES_MAX;
    for file in files.into_iter().take(FILES_MAX) {
        let is_small = std::fs::metadata(&file).is_ok_and(|data| data.len() <= FILE_BYTES_MAX);
        let Some(text) = std::fs::read_to_string(&file).ok().filter(|_| is_small) else { continue };
        scan.files += 1;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        hits(&shown, &text, call, &mut scan);
    }
    Ok(scan)
}

fn is_source(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

fn hits(file: &str, text: &str, call: &str, scan: &mut Scan) {
    if !text.contains(call) {
        return;
    }
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let is_definition = function_of(line).is_some_and(|name| name == call);
        if !has_word(line, call) || is_definition || is_comment(line) || is_import(line) {
            continue;
        }
        if scan.hits.len() == HITS_MAX {
            scan.is_cut = true;
            return;
        }
        let begin = (0..index).rev().find(|above| function_of(lines[*above]).is_some());
        scan.hits.push(Hit {
            file: file.to_owned(),
            line: index + 1,
            text: line.trim().to_owned(),
            inside: begin.and_then(|begin| function_of(lines[begin])).map(str::to_owned),
            state_change: state_change(&lines, begin.unwrap_or(0), index),
        });
    }
}

/// The nearest line of the same function that changes state.
fn state_change(lines: &[&str], begin: usize, call: usize) -> Option<StateChange> {
    let end =
        (call + 1..lines.len()).find(|below| function_of(lines[*below]).is_some()).unwrap_or(lines.len());
    let near = begin.max(call.saturating_sub(NEAR))..end.min(call + NEAR);
    let changes = near.filter(|at| *at != call).filter(|at| {
        let line = lines[*at].to_lowercase();
        !is_comment(lines[*at]) && CHANGES.iter().any(|word| line.contains(word))
    });
    let at = changes.min_by_key(|at| at.abs_diff(call))?;
    Some(StateChange { line: at + 1, text: lines[at].trim().to_owned(), is_before: at < call })
}

/// The name of the function that a line begins.
fn function_of(line: &str) -> Option<&str> {
    let words = ["fn ", "function ", "def ", "func ", "fun "];
    let after = words.iter().find_map(|word| {
        let at = line.find(word)?;
        let is_word = at == 0 || !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        is_word.then(|| &line[at + word.len()..])
    });
    let after = match after {
        // A method's receiver in Go: `func (s *Shop) Place(`.
        Some(after) if after.starts_with('(') => after.split_once(')')?.1.trim_start(),
        Some(after) => after.trim_start(),
        None => return method_of(line),
    };
    let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))?;
    (end > 0).then(|| &after[..end])
}

/// `async placeOrder(order) {`, `public void placeOrder(Order order) {`.
fn method_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let head = line.strip_suffix('{')?.trim_end();
    let (before, _) = head.split_once('(')?;
    let name = before.rsplit([' ', '\t']).next()?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
    let no_method = ["if", "for", "while", "switch", "match", "catch", "return", "else"];
    (is_name && !before.contains(['.', '=']) && !no_method.contains(&name)).then_some(name)
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

fn is_comment(line: &str) -> bool {
    ["//", "#", "*", "/*", "--"].iter().any(|mark| line.trim_start().starts_with(mark))
}

fn is_import(line: &str) -> bool {
    ["use ", "import ", "from ", "require(", "pub use "]
        .iter()
        .any(|word| line.trim_start().starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Vec<Hit> {
        let mut scan = Scan::default();
        hits(name, text, "send_email", &mut scan);
        scan.hits
    }

    #[test]
    fn a_call_is_found_with_its_function_and_the_change_before_it() {
        let text = "use mail::send_email;\n\nasync fn place(order: Order) {\n    let tx = db.begin();\n    \
                    tx.commit().await;\n    // send_email is slow\n    send_email(&order.to).await;\n}\n";
        let found = of("a.rs", text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].inside.as_deref()), (7, Some("place")));
        let change = found[0].state_change.clone().unwrap();
        assert_eq!((change.line, change.is_before), (5, true));
    }

    #[test]
    fn functions_of_many_languages_are_known() {
        for (line, name) in [
            ("def place_order(self, order):", Some("place_order")),
            ("export async function placeOrder(order: Order) {", Some("placeOrder")),
            ("func (s *Shop) Place(order Order) error {", Some("Place")),
            ("  public void placeOrder(Order order) {", Some("placeOrder")),
            ("  async placeOrder(order) {", Some("placeOrder")),
            ("  if (ready) {", None),
            ("  send_email(order);", None),
            ("let defined = 3;", None),
        ] {
            assert_eq!(function_of(line), name, "{line}");
        }
    }

    #[test]
    fn neither_its_definition_nor_a_longer_name_is_a_call() {
        assert_eq!(of("a.py", "def send_email(to):\n    pass\n\nresend_email(x)\n").len(), 0);
    }
}

//! Where code says and takes events: lines with a name of an event beside a verb of publishing or consuming.
//!
//! A line is evidence, not proof: what comes out is shown with its place, and a person decides.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::{Language, SourceFile};
use crate::design::{pattern, phrase};

/// Most uses that are kept.
const USES_MAX: usize = 2_000;

/// Whether an event is said or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It is emitted or published.
    Says,
    /// It is consumed or handled.
    Takes,
}

/// One use of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventUse {
    /// The event's name, as contracts write it.
    pub event: String,
    /// As the code writes it.
    pub written: String,
    /// Whether it is said or taken.
    pub role: Role,
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The part of the system that the file belongs to, by its folder.
    pub service: Option<String>,
    /// Whether it is a test.
    pub is_test: bool,
}

static SAYS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:publish|emit|produce|dispatch|raise|append)(?:s|ed|_event|event|async|message|all)?\b|\bsend(?:_?event|_?message)\b|\bkafkatemplate\.send|\bproducer\.send|\bnew_?event\b",
    )
});
static TAKES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:subscribe|consume|consumer|listener|kafkalistener|rabbitlistener|eventpattern|eventhandler|onevent|handles?)\w*\b|\.on(?:\(|::<)|\bon_event\b|impl\s+handler<|@on\b",
    )
});
static MADE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b[A-Z]\w+::(?:new|builder|create)\(|\bcreate[A-Z]\w+\(|\bnew [A-Z]\w+\("));
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"["'`]([A-Za-z][A-Za-z0-9_-]*(?:[.:/][A-Za-z0-9_-]+){1,5})["'`]"#));
static PASCAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+){1,5})\b"));
static SCREAMING: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+){1,5})\b"));

/// All uses in source files.
pub(super) fn find(files: &[SourceFile]) -> Vec<EventUse> {
    let mut uses: Vec<EventUse> = Vec::new();
    for file in files.iter().filter(|file| Language::of_path(&file.path).is_some()) {
        let is_generated = file.text.lines().take(3).any(|line| line.to_lowercase().contains("generated"));
        if is_generated {
            continue;
        }
        // What is made in a file that publishes is what it publishes.
        let publishes = file.text.lines().any(|line| SAYS.is_match(line));
        for (index, line) in file.text.lines().enumerate() {
            let trimmed = line.trim_start();
            let is_comment = ["//", "#", "*", "/*", "use ", "import ", "from "]
                .iter()
                .any(|mark| trimmed.starts_with(mark))
                && !trimmed.starts_with("#[");
            if is_comment || line.len() > 2_000 {
                continue;
            }
            let role = match (SAYS.is_match(line), TAKES.is_match(line)) {
                (_, true) => Role::Takes,
                (true, false) => Role::Says,
                (false, false) if publishes && MADE.is_match(line) => Role::Says,
                (false, false) => continue,
            };
            for (event, written) in names(line) {
                if uses.len() >= USES_MAX {
                    return uses;
                }
                uses.push(EventUse {
                    event,
                    written,
                    role,
                    path: file.path.clone(),
                    line: index + 1,
                    service: service(&file.path),
                    is_test: is_test(&file.path),
                });
            }
        }
    }
    let mut known: std::collections::BTreeSet<(String, Role, String)> = std::collections::BTreeSet::new();
    uses.retain(|found| known.insert((found.event.clone(), found.role, found.path.clone())));
    uses
}

/// Names of events on a line: with dots in quotes, or as types whose last word is a participle.
fn names(line: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let quoted = QUOTED.captures_iter(line).map(|found| found[1].to_owned());
    let typed = PASCAL.captures_iter(line).map(|found| found[1].to_owned());
    let screaming = SCREAMING.captures_iter(line).map(|found| found[1].to_lowercase());
    for written in quoted.chain(typed).chain(screaming) {
        let plain = written.replace([':', '/'], ".");
        let plain = plain.strip_suffix("Event").unwrap_or(&plain);
        let ends = phrase::words(plain).last().is_some_and(|last| phrase::is_participle(last));
        let Some(event) = phrase::event_name(plain).filter(|_| ends) else { continue };
        if found.iter().all(|(known, _)| *known != event) {
            found.push((event, written));
        }
    }
    found
}

/// The part of a system that a path belongs to: the folder behind `services`, `apps`, `packages`, `src` …
pub(super) fn service(path: &str) -> Option<String> {
    const HOMES: [&str; 11] = [
        "services", "apps", "packages", "modules", "contexts", "domains", "crates", "cmd", "internal", "src",
        "app",
    ];
    let parts: Vec<&str> = path.split('/').collect();
    let folders = parts.get(..parts.len().saturating_sub(1)).unwrap_or_default();
    let at = folders.iter().position(|part| HOMES.contains(part))?;
    let next = folders[at + 1..]
        .iter()
        .find(|part| !HOMES.contains(part) && !matches!(**part, "main" | "java" | "com" | "org" | "lib"));
    next.and_then(|name| phrase::service_name(name))
}

/// Whether a path is that of a test.
pub(super) fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let in_folder =
        path.split('/').any(|part| matches!(part, "test" | "tests" | "__tests__" | "spec" | "specs" | "e2e"));
    in_folder
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.starts_with("test_")
        || name.contains("_test.")
        || name.ends_with("Test.java")
}

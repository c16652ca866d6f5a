//! Rules about who may import whom, where a code base has written them down.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::SourceFile;
use crate::design::pattern;

/// A page of boundaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Boundaries {
    /// The file.
    pub path: String,
    /// Folders that it names, each with its line.
    pub modules: Vec<(String, usize)>,
}

static FOLDER: LazyLock<Regex> = LazyLock::new(|| pattern(r"`([A-Za-z0-9_.@-]+(?:/[A-Za-z0-9_.*@-]+)*/?)`"));

/// The page, when there is one.
pub(super) fn find(files: &[SourceFile]) -> Option<Boundaries> {
    let is_page = |path: &str| {
        path.eq_ignore_ascii_case(".claude/BOUNDARIES.md") || path.to_uppercase().ends_with("BOUNDARIES.MD")
    };
    let file = files.iter().find(|file| is_page(&file.path))?;
    let mut modules: Vec<(String, usize)> = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for found in FOLDER.captures_iter(line) {
            let name = found[1].trim_end_matches(['/', '*']).trim_end_matches('/').to_owned();
            if !name.is_empty() && name.contains('/') && modules.iter().all(|(known, _)| *known != name) {
                modules.push((name, index + 1));
            }
        }
    }
    Some(Boundaries { path: file.path.clone(), modules })
}

//! Findings about a text on the wall: they point at the line that somebody wrote, not at the catalog that it would become.
//!
//! A finding names a line of a contract, or of the system's file. Which event, service or consumer that line is about is
//! looked up, then the words that say so are looked for in the text. What cannot be found in a line is the whole line;
//! what is about the whole text names no line.

use factum_contract::{Finding, Source, Span};
use regex::Regex;

use super::words;
use crate::design::{Design, Origins};

/// Fewest letters of a word that is worth looking for: a shorter one stands anywhere.
const WORD_CHARS_MIN: usize = 3;

/// A text, and where the parts of its catalog stand in it.
#[derive(Debug)]
pub(super) struct Wall {
    text: Source,
    files: Vec<Source>,
    origins: Origins,
}

impl Wall {
    pub(super) fn of(name: &str, text: &str, design: &Design) -> Self {
        Self { text: Source::new(name, text), files: design.files.clone(), origins: design.origins.clone() }
    }

    /// The same finding, where the text says what it is about.
    pub(super) fn point(&self, finding: &Finding) -> Finding {
        let (name, lines) = self.about(finding);
        let marked: String =
            finding.excerpt.chars().skip(finding.caret as usize).take(finding.length as usize).collect();
        let service = name.as_deref().and_then(|name| name.split('.').next());
        let sought = [Some(marked.as_str()), name.as_deref(), service];
        let hit = sought.into_iter().flatten().find_map(|words| {
            lines.iter().find_map(|number| Some((*number, place(self.line(*number)?, words)?)))
        });
        let hit = hit.or_else(|| {
            let number = *lines.first()?;
            Some((number, whole(self.line(number)?)))
        });
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let span = hit.map(|(line, (column, length))| Span {
            file: 0,
            line: number(line),
            column: number(column),
            length: number(length),
        });
        let sources = std::slice::from_ref(&self.text);
        let (rule, hint) = (finding.rule.clone(), finding.hint.as_deref());
        let mut told = Finding::at(sources, span, rule, finding.severity, &finding.message, hint);
        told.file.clone_from(&self.text.name);
        told.proof.clone_from(&finding.proof);
        told
    }

    fn line(&self, number: usize) -> Option<&str> {
        self.text.text.lines().nth(number.checked_sub(1)?)
    }

    /// What a finding is about, and the lines of the text that say it.
    fn about(&self, finding: &Finding) -> (Option<String>, Vec<usize>) {
        let nothing = (None, Vec::new());
        let Some(file) = self.files.iter().find(|file| file.name == finding.file) else { return nothing };
        let before: Vec<&str> = file.text.lines().take(finding.line as usize).collect();
        let of = |name: &str, all: &std::collections::BTreeMap<String, Vec<usize>>| {
            all.get(name).map(|lines| (Some(name.to_owned()), lines.clone()))
        };
        let contract = file.text.lines().find_map(|line| {
            line.strip_prefix("event: ").or_else(|| line.strip_prefix("command: ")).map(str::trim)
        });
        if let Some(name) = contract {
            return of(name, &self.origins.contracts).unwrap_or(nothing);
        }
        // In the system's file a part is a key two spaces in, below the key of its table.
        let part = before.iter().rev().find_map(|line| {
            let key = line.strip_prefix("  ").filter(|key| !key.starts_with([' ', '-']))?;
            Some(key.split(':').next().unwrap_or(key).trim())
        });
        let is_table = |line: &&&str| !line.starts_with([' ', '#']) && line.trim_end().ends_with(':');
        let table = before.iter().rev().find(is_table).map(|line| line.trim_end().trim_end_matches(':'));
        match (table, part) {
            (Some("services"), Some(name)) => of(name, &self.origins.services).unwrap_or(nothing),
            (Some("consumers" | "sagas" | "projections"), Some(name)) => {
                of(name, &self.origins.readers).unwrap_or(nothing)
            }
            (Some(_), Some(name)) => {
                let says = |(index, line): (usize, &str)| place(line, name).map(|_| index + 1);
                (Some(name.to_owned()), self.text.text.lines().enumerate().filter_map(says).collect())
            }
            _ => nothing,
        }
    }
}

/// Where a name stands in a line, however people write it: column and length in characters.
fn place(line: &str, name: &str) -> Option<(usize, usize)> {
    let parts: Vec<String> = words::split(name).iter().map(|word| regex::escape(word)).collect();
    if parts.is_empty() || name.chars().count() < WORD_CHARS_MIN {
        return None;
    }
    let pattern = Regex::new(&format!(r"(?i)\b{}\b", parts.join(r"[\s._:/`*-]*"))).ok()?;
    let found = pattern.find(line)?;
    Some((line[..found.start()].chars().count() + 1, found.as_str().chars().count()))
}

fn whole(line: &str) -> (usize, usize) {
    let inset = line.chars().take_while(|letter| letter.is_whitespace()).count();
    (inset + 1, line.trim().chars().count().max(1))
}

//! What is wrong with a catalog, where, and what to write instead.
//!
//! A finding carries the line it points at, so that it can be printed or sent without its file.
//! Reading never stops at the first one: all findings of all files come out of one run.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "tooling")]
pub mod github;
#[cfg(feature = "tooling")]
pub mod sarif;

/// A place in a file: line and column from 1, length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the file among the sources that were read together.
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters, at least 1.
    pub length: u32,
}

/// One file of a catalog, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name as findings print it: relative to the catalog's folder.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file's name and content.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The catalog cannot be used.
    Error,
    /// The catalog can be used; somebody will regret it.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// "error", "warning" or "info".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One thing that is wrong: rule, place, the line itself, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the rule, such as `unknown-key`.
    pub rule: Cow<'static, str>,
    /// Error, warning or info.
    pub severity: Severity,
    /// The file, relative to the catalog's folder; empty when the finding is about the whole catalog.
    pub file: String,
    /// Line, from 1; 0 when the finding is about the whole file or catalog.
    pub line: u32,
    /// Column in characters, from 1; 0 when there is no line.
    pub column: u32,
    /// How many characters are meant.
    pub length: u32,
    /// What is wrong: what was expected, what was found.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line that is meant, without control characters; a long one is cut around the place.
    pub excerpt: String,
    /// Where in the excerpt the place is: how many characters come before it.
    pub caret: u32,
    /// What a comparison with another version has shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Finding {
    /// A finding at a place of one of the sources, with its line; about all of them where there is no place.
    #[must_use]
    pub fn at(
        sources: &[Source],
        span: Option<Span>,
        rule: impl Into<Cow<'static, str>>,
        severity: Severity,
        message: &str,
        hint: Option<&str>,
    ) -> Self {
        let source = span.and_then(|span| sources.get(span.file as usize));
        let span = span.unwrap_or_default();
        let text = source.map(|source| source.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&source.text));
        let line = text.and_then(|text| text.lines().nth((span.line.max(1) - 1) as usize));
        let (excerpt, caret) = line.map(|line| excerpt(line, span.column, span.length)).unwrap_or_default();
        Self {
            rule: rule.into(),
            severity,
            file: source.map(|source| printable(&source.name)).unwrap_or_default(),
            line: span.line,
            column: span.column,
            length: span.length,
            message: printable(message),
            hint: hint.map(printable),
            excerpt,
            caret,
            proof: None,
        }
    }
}

/// What shows that one version does not keep its promise to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The earlier version: `order.placed.v1`.
    pub old: String,
    /// The later version.
    pub new: String,
    /// Which way events travel that are not understood.
    pub mode: &'static str,
    /// `breaking` or `unknown`.
    pub verdict: &'static str,
    /// Who breaks; absent when that is unknown.
    pub side: Option<&'static str>,
    /// JSON pointer into the counterexample.
    pub path: Option<String>,
    /// A payload that one side writes and the other refuses.
    pub counterexample: Option<Value>,
}

/// Characters of a line that are shown; longer lines are cut around the place that is meant.
const EXCERPT_CHARS_MAX: usize = 120;

impl fmt::Display for Finding {
    /// Prints the finding with its line and a caret, as a terminal shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}[{}]: {}", self.severity.as_str(), self.rule, self.message)?;
        if self.line > 0 {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        }
        if self.line > 0 && !self.excerpt.is_empty() {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let (line, start) = (&self.excerpt, self.caret as usize);
            let shown = line.chars().count().saturating_sub(start).max(1);
            let carets = "^".repeat((self.length.max(1) as usize).min(shown));
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {line}")?;
            writeln!(f, "{margin} | {}{carets}", " ".repeat(start))?;
        }
        if self.line == 0 && !self.file.is_empty() {
            writeln!(f, " --> {}", self.file)?;
        }
        if let Some(shown) = self.proof.as_ref().and_then(|proof| proof.in_words()) {
            writeln!(f, "  {}", printable(&shown))?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Proof {
    /// The counterexample with who writes it and who refuses it, when there is one.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let document = self.counterexample.as_ref()?;
        let (writer, reader) = match self.side {
            Some("producer") => (&self.new, &self.old),
            _ => (&self.old, &self.new),
        };
        Some(format!("counterexample, written by {writer} and refused by {reader}: {document}"))
    }
}

/// The part of a line around a column, and how many characters of it come before the column.
fn excerpt(line: &str, column: u32, length: u32) -> (String, u32) {
    let start = (column.max(1) - 1) as usize;
    let is_short = line.chars().nth(EXCERPT_CHARS_MAX).is_none();
    if is_short {
        return (printable(line), column.max(1) - 1);
    }
    let wanted_end = start + (length as usize).min(EXCERPT_CHARS_MAX / 2);
    let first = wanted_end.saturating_sub(EXCERPT_CHARS_MAX - 20).min(start);
    let mut rest = line.chars().skip(first);
    let cut: String = rest.by_ref().take(EXCERPT_CHARS_MAX).collect();
    let lead = if first > 0 { "…" } else { "" };
    let tail = if rest.next().is_some() { "…" } else { "" };
    let caret = start - first + usize::from(first > 0);
    (format!("{lead}{}{tail}", printable(&cut)), u32::try_from(caret).unwrap_or(0))
}

/// What some editors put before the first line.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Collects findings while sources are read.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    sources: &'a [Source],
    found: Vec<Finding>,
    dropped: usize,
}

/// Most findings of one run: past this, nobody reads on, and a hostile file must not fill the memory.
pub const FINDINGS_MAX: usize = 1000;

impl<'a> Findings<'a> {
    pub(crate) fn new(sources: &'a [Source]) -> Self {
        Self { sources, found: Vec::new(), dropped: 0 }
    }

    pub(crate) fn error(&mut self, rule: &'static str, span: Span, message: impl Into<String>) {
        self.add(rule, Severity::Error, Some(span), message.into(), None);
    }

    pub(crate) fn error_with_hint(
        &mut self,
        rule: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(rule, Severity::Error, Some(span), message.into(), Some(hint.into()));
    }

    /// An error that quotes `found` and suggests the nearest of `known`.
    pub(crate) fn unknown<'w>(
        &mut self,
        rule: &'static str,
        span: Span,
        message: impl Into<String>,
        found: &str,
        known: impl IntoIterator<Item = &'w str>,
    ) {
        let is_shown = self.found.len() < FINDINGS_MAX;
        let hint = is_shown.then(|| crate::nearest::suggest(found, known)).flatten();
        self.add(rule, Severity::Error, Some(span), message.into(), hint);
    }

    pub(crate) fn warning(
        &mut self,
        rule: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(rule, Severity::Warning, Some(span), message.into(), Some(hint.into()));
    }

    /// An error about the catalog as a whole.
    pub(crate) fn of_catalog(
        &mut self,
        rule: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(rule, Severity::Error, None, message.into(), Some(hint.into()));
    }

    /// A warning about the catalog as a whole.
    #[cfg(feature = "tooling")]
    pub(crate) fn warning_of_catalog(
        &mut self,
        rule: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(rule, Severity::Warning, None, message.into(), Some(hint.into()));
    }

    fn add(
        &mut self,
        rule: &'static str,
        severity: Severity,
        span: Option<Span>,
        message: String,
        hint: Option<String>,
    ) {
        if self.found.len() >= FINDINGS_MAX {
            self.dropped += 1;
            return;
        }
        self.found.push(Finding::at(self.sources, span, rule, severity, &message, hint.as_deref()));
    }

    /// What a comparison has shown, at its place in the later version.
    #[cfg(feature = "tooling")]
    pub(crate) fn compared(
        &mut self,
        rule: &str,
        severity: Severity,
        span: Span,
        message: String,
        hint: String,
        proof: Option<Proof>,
    ) {
        let before = self.found.len();
        self.add("", severity, Some(span), message, Some(hint));
        if let Some(finding) = self.found.get_mut(before) {
            finding.rule = Cow::Owned(rule.to_owned());
            finding.proof = proof.map(Box::new);
        }
    }

    /// An error about a file that is not there.
    #[cfg(feature = "tooling")]
    pub(crate) fn of_file(&mut self, rule: &'static str, file: &str, message: String, hint: String) {
        let before = self.found.len();
        self.add(rule, Severity::Error, None, message, Some(hint));
        if let Some(finding) = self.found.get_mut(before) {
            finding.file = printable(file);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All findings, in the order of files and lines.
    pub(crate) fn into_vec(mut self) -> Vec<Finding> {
        if self.dropped > 0 {
            let message = format!("{} more findings are not shown", self.dropped);
            self.found.truncate(FINDINGS_MAX - 1);
            let first = self.found.first().cloned();
            let file = first.map(|first| first.file).unwrap_or_default();
            self.found.push(Finding {
                rule: Cow::Borrowed("too-many-findings"),
                severity: Severity::Error,
                file,
                line: 0,
                column: 0,
                length: 0,
                message,
                hint: Some("settle those above first".into()),
                excerpt: String::new(),
                caret: 0,
                proof: None,
            });
        }
        self.found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        self.found
    }
}

/// Text that a terminal can be given: control characters become visible ones.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(excerpt: &str, column: u32, length: u32) -> Finding {
        let sources = [Source::new("a.yaml", excerpt)];
        let mut findings = Findings::new(&sources);
        findings.error("rule", Span { file: 0, line: 1, column, length }, "wrong");
        findings.into_vec().remove(0)
    }

    #[test]
    fn a_finding_shows_its_line_with_a_caret() {
        insta::assert_snapshot!(finding("ownr: orders", 1, 4), @r"
        error[rule]: wrong
         --> a.yaml:1:1
          |
        1 | ownr: orders
          | ^^^^
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_its_caret() {
        let line = format!("{}here{}", "x".repeat(500), "y".repeat(500));
        let shown = finding(&line, 501, 4).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        let under: String = lines[3].chars().skip(caret).take(4).collect();
        assert_eq!(under, "here");
        assert!(lines.iter().all(|line| line.chars().count() < 140));
    }

    #[test]
    fn a_terminal_is_never_sent_control_characters() {
        let shown = finding("a\u{1b}[31m\u{202e}b", 1, 1).to_string();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    }
}

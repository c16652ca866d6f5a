//! Findings as annotations of GitHub Actions: one line each, shown at its line of the change.

use std::fmt::Write as _;

use super::{Finding, Severity};

/// Findings as workflow commands; `root` is the folder of their files, as seen from the root of the repository.
#[must_use]
pub fn annotations(findings: &[Finding], root: &str) -> String {
    let mut out = String::new();
    for finding in findings {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut place = format!("file={}", property(&path_of(finding, root)));
        if finding.line > 0 {
            let end = finding.column + finding.length.max(1);
            // Writing to a string cannot fail.
            let _ = write!(place, ",line={},col={},endColumn={end}", finding.line, finding.column);
        }
        let mut text = finding.message.clone();
        if let Some(shown) = finding.proof.as_ref().and_then(|proof| proof.in_words()) {
            let _ = write!(text, "\n{shown}");
        }
        if let Some(hint) = &finding.hint {
            let _ = write!(text, "\nhint: {hint}");
        }
        let _ = writeln!(out, "::{word} {place},title={}::{}", property(&finding.rule), data(&text));
    }
    out
}

/// A finding's file from the root of the repository; the folder itself when it is about all of it.
pub(super) fn path_of(finding: &Finding, root: &str) -> String {
    let root = root.trim_start_matches("./").trim_end_matches('/');
    match (root, finding.file.as_str()) {
        ("" | ".", file) => file.to_owned(),
        (root, "") => root.to_owned(),
        (root, file) => format!("{root}/{file}"),
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check};

    #[test]
    fn a_finding_is_one_line_however_it_reads() {
        let sources = [
            Source::new("system.yaml", "system: shop\nsrvices: {}\n"),
            Source::new("a,b:1.yaml", "event: a.b\n"),
        ];
        insta::assert_snapshot!(annotations(&check(&sources).findings, "./contracts/"));
    }

    #[test]
    fn what_has_a_meaning_in_a_line_is_escaped() {
        assert_eq!(data("50%\r\nof"), "50%25%0D%0Aof");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}

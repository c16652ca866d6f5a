//! The tests that were skipped: said aloud by each test, and compared with the list that is committed.
//!
//! A test that cannot run prints `skipped: NAME: reason`. The list in `xtask/skips.txt` is what the team has agreed
//! to; anything else, more or less, fails the run. So no test is lost by a server that is quietly missing.

use std::collections::BTreeSet;

use anyhow::Context as _;

use crate::workspace::Workspace;

const MARK: &str = "skipped: ";
const LIST: &str = "xtask/skips.txt";

/// How much of the tests was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// All stages in their usual form: the list must be met exactly.
    Whole,
    /// Some stages, or the long forms: only what is new counts.
    Part,
}

/// What a line of output says was skipped, as `NAME: reason`.
#[must_use]
pub fn in_line(line: &str) -> Option<String> {
    let line = line.trim();
    // The test runner's own "test NAME ... " may stand before what the test prints.
    let said = line.strip_prefix(MARK).or_else(|| line.split_once(" ... ")?.1.strip_prefix(MARK))?;
    said.contains(": ").then(|| said.to_owned())
}

/// The same of a line of nextest's report, which is XML.
#[must_use]
pub fn in_report_line(line: &str) -> Option<String> {
    let said = line.split(['<', '>']).find_map(in_line)?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(said, |text, (from, to)| text.replace(from, to)))
}

/// Compares what was skipped with the committed list; one line for each difference.
///
/// # Errors
/// When the list cannot be read.
pub fn compare(workspace: &Workspace, skipped: &[String], breadth: Breadth) -> anyhow::Result<Vec<String>> {
    let path = workspace.root.join(LIST);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(differences(&text, skipped, breadth))
}

fn differences(list: &str, skipped: &[String], breadth: Breadth) -> Vec<String> {
    let agreed = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let agreed: BTreeSet<&str> = agreed.collect();
    let found: BTreeSet<&str> = skipped.iter().map(String::as_str).collect();
    let more = found.difference(&agreed).map(|line| format!("skipped, but not listed in {LIST}: {line}"));
    let fewer = agreed.difference(&found).map(|line| format!("listed in {LIST}, but not skipped: {line}"));
    match breadth {
        Breadth::Whole => more.chain(fewer).collect(),
        Breadth::Part => more.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_heard_whatever_stands_around_it() {
        let said = Some("broker::replays: the broker keeps nothing".to_owned());
        assert_eq!(in_line("  skipped: broker::replays: the broker keeps nothing"), said);
        assert_eq!(in_line("test a::b ... skipped: broker::replays: the broker keeps nothing"), said);
        let report = "<system-out>skipped: broker::replays: the broker keeps nothing</system-out>";
        assert_eq!(in_report_line(report), said);
        assert_eq!(in_report_line("skipped: a: 1 &lt; 2 &amp;&amp; b"), Some("a: 1 < 2 && b".to_owned()));
    }

    #[test]
    fn other_lines_are_no_skips() {
        for line in ["3 skipped", "skipped: without a reason", "it skipped: a: b"] {
            assert_eq!(in_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_whole_run_must_meet_the_list_exactly() {
        let list = "# agreed\na: one\n\nb: two\n";
        let skipped = ["b: two".to_owned(), "c: three".to_owned()];
        assert_eq!(differences(list, &skipped, Breadth::Whole).len(), 2);
        assert_eq!(
            differences(list, &skipped, Breadth::Part),
            ["skipped, but not listed in xtask/skips.txt: c: three"]
        );
    }
}

//! How far plans have got: boxes counted, and ticked boxes held against the tests that they name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::design::merge::{self, Merged};
use crate::design::pattern;

/// Boxes of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Progress {
    /// The plan's title.
    pub title: String,
    /// Boxes that are not ticked.
    pub open: usize,
    /// Boxes that are.
    pub done: usize,
    /// Boxes with ⚠️, whether ticked or not.
    pub stuck: usize,
    /// The first box that is neither ticked nor stuck: its line and text.
    pub next: Option<(usize, String)>,
}

/// A test that a plan names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestStep {
    /// The line of the step that says that it passes.
    pub line: usize,
    /// What it shows.
    pub says: String,
    /// The command that runs it.
    pub command: String,
    /// Whether the plan says that it passes.
    pub is_ticked: bool,
}

/// What running a test said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It ran, and passed.
    Passed,
    /// It ran, and failed, or could not be built.
    Failed,
    /// No test of this name ran.
    Missing,
}

static TICK: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:[-*+]|\d+[.)])\s+\[([ xX])\]\s*(.*)$"));
static BOX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^- \[([ xX])\]\s+(⚠\x{FE0F}?\s*)?\*\*([A-Z]+)\*\*(.*)$"));
static RUN: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*\*(RUN|OUTER)\*\*\s*(?:`([^`]+)`)?"));
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(\d+) (?:tests? )?pass(?:ed|ing)\b|^ok\s+\S+\s+[\d.]+s|Tests run: (\d+)")
});

/// Counts the boxes of a plan.
#[must_use]
pub fn progress(text: &str) -> Progress {
    let mut found = Progress::default();
    for (index, line) in outside_fences(text) {
        if found.title.is_empty()
            && let Some(title) = line.strip_prefix("# ")
        {
            title.trim().clone_into(&mut found.title);
        }
        let Some(tick) = TICK.captures(line) else { continue };
        let is_stuck = line.contains('⚠');
        let is_done = &tick[1] != " ";
        found.stuck += usize::from(is_stuck);
        found.done += usize::from(is_done);
        found.open += usize::from(!is_done);
        if !is_done && !is_stuck && found.next.is_none() {
            found.next = Some((index + 1, tick[2].trim().to_owned()));
        }
    }
    found
}

/// All tests that a plan names: those whose step says that they pass.
#[must_use]
pub fn tests(text: &str) -> Vec<TestStep> {
    let mut found: Vec<TestStep> = Vec::new();
    let mut heading = String::new();
    let mut outer: Option<String> = None;
    for (index, line) in outside_fences(text) {
        if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            title.trim().clone_into(&mut heading);
        }
        let Some(tick) = TICK.captures(line) else { continue };
        let Some(run) = RUN.captures(&tick[2]) else { continue };
        let command = run.get(2).map(|command| command.as_str().to_owned());
        if heading == "Outer test" {
            outer = command.clone().or(outer);
        }
        let is_outer = &run[1] == "OUTER";
        let passes = line.contains("it passes");
        let Some(command) = (if is_outer { outer.clone() } else { command }) else { continue };
        if passes {
            let says = if is_outer { "outer test".to_owned() } else { heading.clone() };
            found.push(TestStep { line: index + 1, says, command, is_ticked: &tick[1] != " " });
        }
    }
    found
}

/// What the exit and the words of a test's command mean; a run that found no test is none that passed.
#[must_use]
pub fn judge(command: &str, is_success: bool, output: &str) -> Outcome {
    let counts = output.lines().filter_map(|line| COUNT.captures(line));
    let ran = counts
        .filter_map(|found| {
            found.get(1).or(found.get(2)).map_or(Some(1), |count| count.as_str().parse::<u64>().ok())
        })
        .sum::<u64>();
    let none = [
        "no tests to run",
        "No test files found",
        "no tests found",
        "collected 0 items",
        "No tests were executed",
        "not found:",
    ]
    .iter()
    .any(|word| output.contains(word));
    let is_cargo = command.starts_with("cargo ");
    match (is_success, ran > 0 && !none) {
        (true, true) => Outcome::Passed,
        (true, false) => Outcome::Missing,
        (false, _) if none || (is_cargo && output.contains("no test target named")) => Outcome::Missing,
        (false, _) => Outcome::Failed,
    }
}

/// Merges a plan with what people made of it: ticks and ⚠️ stay with their boxes, whatever else has changed around them.
#[must_use]
pub fn merge(base: &str, yours: &str, planned: &str) -> Merged {
    let marks = marks(yours);
    let mut merged = merge::merge(base, &marked(yours, &BTreeMap::new()), planned);
    merged.text = marked(&merged.text, &marks);
    merged
}

/// A box, known by the heading above it, its word (RED, RUN …) and its place among those.
type BoxKey = (String, String, usize);

/// What people made of boxes: whether they are ticked, and what stands before their text.
fn marks(text: &str) -> BTreeMap<BoxKey, (bool, bool)> {
    let mut found = BTreeMap::new();
    each_box(text, |key, is_done, is_stuck, _| {
        found.insert(key, (is_done, is_stuck));
        None
    });
    found.retain(|_, marks| *marks != (false, false));
    found
}

/// The text with exactly these marks.
fn marked(text: &str, marks: &BTreeMap<BoxKey, (bool, bool)>) -> String {
    each_box(text, |key, _, _, rest| {
        let (is_done, is_stuck) = marks.get(&key).copied().unwrap_or_default();
        let (tick, stuck) = (if is_done { "x" } else { " " }, if is_stuck { "⚠️ " } else { "" });
        Some(format!("- [{tick}] {stuck}{rest}"))
    })
}

/// Visits every box that begins with a word in bold; answers the text with the lines that were given for them.
fn each_box(text: &str, mut visit: impl FnMut(BoxKey, bool, bool, &str) -> Option<String>) -> String {
    let mut heading = String::new();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            title.trim().clone_into(&mut heading);
        }
        let new = BOX.captures(line).and_then(|found| {
            let word = found[3].to_owned();
            let count = counts.entry((heading.clone(), word.clone())).or_default();
            let key = (heading.clone(), word, *count);
            *count += 1;
            let rest = format!("**{}**{}", &found[3], &found[4]);
            visit(key, &found[1] != " ", found.get(2).is_some(), &rest)
        });
        out.push_str(new.as_deref().unwrap_or(line));
        out.push('\n');
    }
    if !text.ends_with('\n') {
        out.pop();
    }
    out
}

/// Lines that are no code, with their index.
fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_fence = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_mark = line.trim_start().starts_with("```");
        in_fence ^= is_mark;
        !in_fence && !is_mark
    })
}

#[cfg(test)]
mod tests_of_progress {
    use super::*;

    const PLAN: &str = "# Orders, slice 2\n\n## Outer test\n\n- [ ] **RED** write it\n- [ ] **RUN** `cargo test --test s outer::x -- --exact`: it fails, no\n\n\
        ## Producer: a.b by c\n\n```rust\n- [ ] not a box\n```\n\n### c says a.b\n\n- [x] **RED** t\n- [x] **RUN** `cargo test y`: it fails, z\n- [x] **RUN** `cargo test y`: it passes\n- [ ] ⚠️ **REFACTOR** w\n\
        - [ ] **OUTER** run the outer test again: it passes\n";

    #[test]
    fn boxes_are_counted_and_the_next_one_is_named() {
        let found = progress(PLAN);
        assert_eq!((found.open, found.done, found.stuck), (4, 3, 1));
        assert_eq!(found.next.unwrap().0, 5);
    }

    #[test]
    fn marks_stay_with_their_boxes_whatever_changes_around_them() {
        let base = "### a\n- [ ] **RED** one\n- [ ] **RUN** two\n- [ ] **RUN** three\n";
        let yours = "### a\n- [x] **RED** one\n- [ ] **RUN** two\n- [ ] ⚠️ **RUN** three\n  tried it twice\n";
        let planned =
            "### a\n- [ ] **RED** uno\n- [ ] **RUN** two\n- [ ] **RUN** three\n### b\n- [ ] **RED** more\n";
        let merged = merge(base, yours, planned);
        assert_eq!(merged.conflicts.len(), 1, "both added lines at the end: {merged:?}");
        let planned =
            "### 0\n- [ ] **RED** more\n\n### a\n- [ ] **RED** uno\n- [ ] **RUN** two\n- [ ] **RUN** three\n";
        let merged = merge(base, yours, planned);
        assert_eq!(merged.conflicts, []);
        let expected = "### 0\n- [ ] **RED** more\n\n### a\n- [x] **RED** uno\n- [ ] **RUN** two\n- [ ] ⚠️ **RUN** three\n  tried it twice\n";
        assert_eq!(merged.text, expected);
    }

    #[test]
    fn only_steps_that_say_that_they_pass_are_tests() {
        let found = tests(PLAN);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].command.as_str(), found[0].is_ticked), ("cargo test y", true));
        assert_eq!(
            (found[1].command.as_str(), found[1].is_ticked),
            ("cargo test --test s outer::x -- --exact", false)
        );
    }

    #[test]
    fn a_run_without_a_test_is_no_pass() {
        assert_eq!(judge("cargo test", true, "test result: ok. 1 passed; 0 failed"), Outcome::Passed);
        assert_eq!(
            judge("cargo test", true, "test result: ok. 0 passed; 0 failed; 3 filtered out"),
            Outcome::Missing
        );
        assert_eq!(judge("cargo test", false, "test result: FAILED. 0 passed; 1 failed"), Outcome::Failed);
        assert_eq!(judge("cargo test", false, "error: no test target named `s`"), Outcome::Missing);
        assert_eq!(judge("npx vitest run", true, " Tests  1 passed | 3 skipped (4)"), Outcome::Passed);
        assert_eq!(judge("go test", true, "ok  \tshop/x\t0.2s [no tests to run]"), Outcome::Missing);
        assert_eq!(judge("python -m pytest", true, "=== 1 passed in 0.01s ==="), Outcome::Passed);
        assert_eq!(judge("mvn test", true, "Tests run: 1, Failures: 0"), Outcome::Passed);
    }
}

//! A comparison as text for a terminal.

use std::fmt::Write as _;

use super::{Change, Comparison, Outcome};
use crate::judge::Mode;

/// Longest value that is shown whole.
const SHOWN_MAX: usize = 120;

impl Comparison {
    /// The comparison for people: the verdicts, the advice, then every change.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} -> {} ({})", self.old, self.new, self.policy)?;
        for mode in [Mode::Backward, Mode::Forward, Mode::Full] {
            writeln!(out, "  {:<10}{}", mode.as_str(), verdict(&self.outcome(mode)))?;
        }
        writeln!(out, "  {:<10}{}", "advice", self.advice)?;
        for (mode, outcome) in [(Mode::Backward, &self.backward), (Mode::Forward, &self.forward)] {
            if self.changes.is_empty() {
                write_reason(out, mode, outcome)?;
            }
        }
        self.changes.iter().try_for_each(|change| write_change(out, change))
    }
}

fn write_change(out: &mut String, change: &Change) -> std::fmt::Result {
    writeln!(out)?;
    match change.path.as_str() {
        "" => writeln!(out, "payload: {}", change.kind)?,
        path if path == change.kind.as_str() => writeln!(out, "{path}")?,
        path => writeln!(out, "{path}: {}", change.kind)?,
    }
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => writeln!(out, "    {} -> {}", short(before), short(after))?,
        (Some(before), None) => writeln!(out, "    - {}", short(before))?,
        (None, Some(after)) => writeln!(out, "    + {}", short(after))?,
        (None, None) => {}
    }
    write_reason(out, Mode::Backward, &change.backward)?;
    write_reason(out, Mode::Forward, &change.forward)?;
    match &change.note {
        Some(note) => writeln!(out, "    note: {note}"),
        None => Ok(()),
    }
}

fn write_reason(out: &mut String, mode: Mode, outcome: &Outcome) -> std::fmt::Result {
    match outcome {
        Outcome::Compatible => Ok(()),
        Outcome::Unknown { why } => writeln!(out, "    {mode}: unknown: {why}"),
        Outcome::Breaking(harm) => {
            writeln!(out, "    {mode}: the {} breaks: {} [{}]", harm.side, short(&harm.why), harm.rule)?;
            match &harm.counterexample {
                Some(document) => writeln!(out, "        {}", short(&document.to_string())),
                None => Ok(()),
            }
        }
    }
}

fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Breaking(harm) => format!("breaking, {}", harm.rule),
        other => other.as_str().to_owned(),
    }
}

fn short(text: &str) -> String {
    let line = text.replace('\n', " ");
    if line.chars().count() <= SHOWN_MAX {
        return line;
    }
    let start: String = line.chars().take(SHOWN_MAX).collect();
    format!("{start}…")
}

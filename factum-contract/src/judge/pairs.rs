//! Many comparisons at once: JSON lines in, JSON lines out.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Mode, Options, Verdict, judge};

/// One line of the answer.
#[derive(Debug, Clone, Serialize)]
pub struct PairVerdict {
    /// The id of the pair, as it was given.
    pub id: Value,
    /// `compatible`, `breaking` or `unknown`.
    pub verdict: &'static str,
    /// Why it breaks.
    pub rule: Option<super::BreakRule>,
    /// JSON pointer to the refused value of the counterexample.
    pub path: Option<String>,
    /// A document that shows the break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Value>,
    /// Why the verdict is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A line that is not a pair of schemas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PairsError {
    /// The line, from 1.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for PairsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Judges every line `{id, old, new}`, in order; empty lines are passed over.
///
/// # Errors
/// The first line that is not a pair; nothing after it is judged.
pub fn judge_pairs(lines: &str, mode: Mode, options: Options) -> Result<Vec<PairVerdict>, PairsError> {
    let numbered = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(index, line)| judge_line(index + 1, line, mode, options)).collect()
}

fn judge_line(line: usize, text: &str, mode: Mode, options: Options) -> Result<PairVerdict, PairsError> {
    let error = |message: String| PairsError { line, message };
    let pair: Value =
        serde_json::from_str(text).map_err(|found| error(format!("expected JSON, found {found}")))?;
    let part = |name: &str| pair.get(name).ok_or_else(|| error(format!("expected an object with `{name}`")));
    let (id, old, new) = (part("id")?, part("old")?, part("new")?);
    let verdict = judge(old, new, mode, options);
    let found = verdict.as_break();
    Ok(PairVerdict {
        id: id.clone(),
        verdict: verdict.as_str(),
        rule: found.map(|found| found.rule),
        path: found.map(|found| found.path.clone()),
        counterexample: found.map(|found| found.counterexample.clone()),
        why: match &verdict {
            Verdict::Unknown { why } => Some(why.clone()),
            _ => None,
        },
    })
}

//! Findings that a legacy catalog begins with: known, counted, not told again.
//!
//! Kept by rule, file and words, never by line, so that moving a line brings nothing back.

use std::collections::BTreeMap;

use factum_contract::Finding;
use serde::{Deserialize, Serialize};

use super::Report;

/// The findings of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The form of this file.
    pub revision: u32,
    /// What is known.
    pub findings: Vec<Known>,
}

/// One finding without its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    /// The rule.
    pub rule: String,
    /// The file.
    pub file: String,
    /// What was found.
    pub message: String,
}

impl Known {
    fn of(finding: &Finding) -> Self {
        Self { rule: finding.rule.to_string(), file: finding.file.clone(), message: finding.message.clone() }
    }
}

/// A baseline that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is none.
    #[error("expected a baseline as `factum review --write-baseline` writes it, found: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of a later release.
    #[error("the baseline has revision {found}, and this release reads revision {REVISION}")]
    Revision {
        /// What it says.
        found: u32,
    },
}

const REVISION: u32 = 1;

impl Baseline {
    /// The findings of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut findings: Vec<Known> = report.findings.iter().map(Known::of).collect();
        findings.sort();
        Self { revision: REVISION, findings }
    }

    /// Reads what [`Baseline::to_text`] wrote.
    ///
    /// # Errors
    /// When it is none, or of a later release.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text)?;
        match baseline.revision {
            REVISION => Ok(baseline),
            found => Err(BaselineError::Revision { found }),
        }
    }

    /// The file's text: one finding a line, so that changes of it can be read.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: Vec<String> = self
            .findings
            .iter()
            .map(|known| {
                format!(
                    "  {}",
                    serde_json::json!({ "rule": known.rule, "file": known.file, "message": known.message })
                )
            })
            .collect();
        format!("{{\"revision\":{},\"findings\":[\n{}\n]}}\n", self.revision, lines.join(",\n"))
    }

    /// Takes known findings out of a report, each as often as it is known, and counts them.
    pub fn hide(&self, report: &mut Report) {
        let mut known: BTreeMap<&Known, usize> = BTreeMap::new();
        for one in &self.findings {
            *known.entry(one).or_insert(0) += 1;
        }
        let before = report.findings.len();
        report.findings.retain(|finding| match known.get_mut(&Known::of(finding)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        report.known += before - report.findings.len();
    }
}

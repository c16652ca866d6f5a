//! How much can go wrong, as a specification says it.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::design::pattern;

/// How much can go wrong; decides which edge cases a plan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little: missing and unknown fields.
    Low,
    /// Some: also retries, atomic emits, handling twice at once.
    Moderate,
    /// Much: also poison, order, versions side by side, back-pressure.
    High,
}

impl Risk {
    /// All of them, from little to much.
    pub const ALL: [Self; 3] = [Self::Low, Self::Moderate, Self::High];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::High => "high",
        }
    }
}

static RISK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\brisk(?:\s+(?:level|class|tier|rating|triage))?\W{1,8}(?:is\s+)?(low|moderate|medium|high|critical)\b|\b(low|moderate|medium|high|critical)[ -]risk\b",
    )
});

/// The risk that a line says.
pub(super) fn of_line(text: &str) -> Option<Risk> {
    let found = RISK.captures(text)?;
    let word = found.get(1).or(found.get(2))?.as_str().to_lowercase();
    Some(match word.as_str() {
        "low" => Risk::Low,
        "high" | "critical" => Risk::High,
        _ => Risk::Moderate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_risk_is_read_from_a_sentence_a_table_and_a_head() {
        for (text, expected) in [
            ("**Risk**: high", Some(Risk::High)),
            ("risk: moderate", Some(Risk::Moderate)),
            ("| Risk | Low |", Some(Risk::Low)),
            ("Risk level — medium", Some(Risk::Moderate)),
            ("This is a high-risk change.", Some(Risk::High)),
            ("We risk a lot here", None),
        ] {
            assert_eq!(of_line(text), expected, "{text}");
        }
    }
}

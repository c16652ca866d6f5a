//! Headings that begin a slice, in the words of every form.

use std::sync::LazyLock;

use regex::Regex;

use super::spec::Form;
use crate::design::pattern;

/// The beginning of a slice.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) form: Form,
    /// What stands before the number in its id: `US`.
    pub(super) prefix: &'static str,
    pub(super) ordinal: Option<String>,
    pub(super) name: String,
}

static SLICE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\d+(?:\.\d+)*[.)]?\s+)?(?:vertical\s+|feature\s+|thin\s+)?(?:slice|capability|increment)\s*(?:#|no\.?\s*|nr\.?\s*)?\s*(\d+(?:\.\d+)?[a-z]?|[ivx]+|one|two|three|four|five|six|seven|eight|nine|ten)\b\s*(?:[:.)–—|-]+\s*|\s+)?(.*)$",
    )
});
static SLICE_BARE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:vertical\s+|feature\s+)?(?:slice|capability|increment)\s*[:–—-]\s*(.+)$")
});
static STORY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\d+(?:\.\d+)*[.)]?\s+)?(?:user\s+)?(?:story|us)\s*[-#]?\s*(\d+)\b\s*(?:[:.)–—-]+\s*|\s+)?(.*)$",
    )
});
static REQUIREMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:requirement|req)\s*[-#]?\s*(\d+(?:\.\d+)?)\b\s*(?:[:.)–—-]+\s*|\s+)?(.*)$")
});
static REQUIREMENT_BARE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^requirement\s*:\s*(.+)$"));
static SCENARIO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^scenario(?:\s+outline)?(?:\s+\d+)?\s*[:–—-]\s*(.*)$"));
static PRIORITY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\s*\((?:priority\s*:?\s*)?p?\d[^)]*\)\s*|\s*🎯.*$|\s*\[[^\]]*\]\s*$"));
static BOLD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\*\*|__)(.+?)(?:\*\*|__)\s*:?\s*$"));

/// A heading's words without marks.
pub(super) fn plain(text: &str) -> String {
    let text = text.replace(['`', '*', '_'], "");
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(');
    text.trim().trim_end_matches('#').trim().to_owned()
}

/// The text of a line that is bold from end to end.
pub(super) fn bold(text: &str) -> Option<String> {
    BOLD.captures(text.trim()).map(|found| plain(&found[1]))
}

/// The slice that a heading begins.
pub(super) fn start(text: &str) -> Option<Start> {
    let name = |text: &str| {
        let text = PRIORITY.replace_all(text, " ");
        text.trim().trim_matches(['-', '–', '—', ':', ' ']).to_owned()
    };
    let make = |form, prefix, ordinal: Option<&str>, text: &str| {
        Some(Start { form, prefix, ordinal: ordinal.map(number), name: name(text) })
    };
    if let Some(found) = SLICE.captures(text) {
        return make(Form::Slices, "", Some(&found[1]), &found[2]);
    }
    if let Some(found) = SLICE_BARE.captures(text) {
        return make(Form::Slices, "", None, &found[1]);
    }
    if let Some(found) = STORY.captures(text) {
        return make(Form::SpecKit, "US", Some(&found[1]), &found[2]);
    }
    if let Some(found) = REQUIREMENT_BARE.captures(text) {
        return make(Form::OpenSpec, "", None, &found[1]);
    }
    let found = REQUIREMENT.captures(text)?;
    make(Form::Kiro, "", Some(&found[1]), &found[2])
}

/// `two` and `II` are 2.
fn number(text: &str) -> String {
    const WORDS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    const ROMAN: [&str; 10] = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"];
    let folded = text.to_lowercase();
    let at = WORDS
        .iter()
        .position(|word| *word == folded)
        .or_else(|| ROMAN.iter().position(|word| *word == folded));
    match (at, folded.trim_start_matches('0')) {
        (Some(at), _) => (at + 1).to_string(),
        // `Slice 0` keeps its number.
        (None, "") => "0".to_owned(),
        (None, number) => number.replace('.', "-"),
    }
}

/// The name of a scenario that a heading begins.
pub(super) fn scenario(text: &str) -> Option<String> {
    SCENARIO.captures(text).map(|found| found[1].trim().to_owned())
}

/// Whether a heading or a label says that criteria follow.
pub(super) fn is_criteria(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "acceptance",
        "criteria",
        "scenarios",
        "done when",
        "definition of done",
        "must be true",
        "success measures",
        "edge cases",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// `**Acceptance Scenarios**:`, `Acceptance criteria:` on a line of their own.
pub(super) fn is_label(text: &str) -> bool {
    let text = text.trim();
    let is_bold = BOLD.is_match(text);
    let is_short =
        text.ends_with(':') && text.split_whitespace().count() <= 4 && !text.starts_with(['-', '|']);
    is_bold || is_short
}

/// A title without the words that every title of its form has.
pub(super) fn title(text: &str) -> String {
    let plain = text.trim();
    let lower = plain.to_lowercase();
    for prefix in [
        "feature specification",
        "feature spec",
        "specification",
        "spec",
        "feature",
        "prd",
        "requirements document",
    ] {
        if let Some(rest) = lower.strip_prefix(prefix)
            && rest.trim_start().starts_with([':', '-', '–', '—'])
        {
            return plain[prefix.len()..].trim_matches([':', '-', '–', '—', ' ']).to_owned();
        }
    }
    plain.to_owned()
}

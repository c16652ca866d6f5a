//! One thing that must be true, however it is written: a box, a scenario, a sentence with SHALL, a row of a table.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::design::pattern;

/// Something that must be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Criterion {
    /// Its own name: `FR-001`, `AC2`.
    pub id: Option<String>,
    /// What must be true.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
    /// Whether its box is ticked.
    pub is_done: bool,
    /// The heading inside the slice that it stands under.
    pub group: Option<String>,
    /// Given, when and then, each with its continuations.
    pub given: Vec<String>,
    /// What happens.
    pub when: Vec<String>,
    /// What is true then.
    pub then: Vec<String>,
    /// Words that say nothing a test could check.
    pub vague: Vec<&'static str>,
}

/// An item of a list.
#[derive(Debug)]
pub(super) struct Item<'t> {
    /// Whether it has a box, and whether that is ticked.
    pub(super) tick: Option<bool>,
    pub(super) text: &'t str,
}

/// Part of a scenario: one step, or all three on one line.
#[derive(Debug)]
pub(super) struct Step<'t> {
    parts: Vec<(Word, &'t str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Given,
    When,
    Then,
    And,
}

static ITEM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:[-*+•]\s*|\d{1,3}[.)]\s*|[a-z][.)]\s+)(?:\[([ xX✓✔-]?)\]\s*)?(.*)$"));
static BOX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:[-*+•]\s*|\d{1,3}[.)]\s*)?\[([ xX✓✔]?)\]\s*(.*)$"));
static ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\W*((?:FR|NFR|SC|AC|REQ|BR)[-_ ]?\d{1,4}(?:\.\d+)?)\W*[:.)–—-]?\W*?\s*(\S.*)$")
});
static EARS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:the\s+)?(?:system|service|application|app|api|[a-z]+ service)\s+(?:shall|must)\b|^(?:when|while|if|where)\b.+\b(?:then\s+)?.*\bshall\b",
    )
});
static STEP: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^[*_\s]*(given|when|then|and|but)\b[*_:,\s]*"));
static INSIDE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|[,;.]\s*|\*\*|\s)(?:\*\*|__)?(given|when|then)(?:\*\*|__)?\s"));
static KEYWORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(feature|rule|background|scenario outline|scenario template|scenario|example)\s*:\s*(.*)$")
});

/// Words that a test cannot check, each with the reason.
const VAGUE: [&str; 14] = [
    "correctly",
    "properly",
    "appropriately",
    "appropriate",
    "etc",
    "as expected",
    "as needed",
    "user-friendly",
    "seamlessly",
    "robust",
    "quickly",
    "fast",
    "should work",
    "gracefully",
];

impl Criterion {
    /// A sentence.
    pub(super) fn of(line: usize, text: &str) -> Self {
        let mut criterion = Self::scenario(line, unmarked(text));
        if let Some(step) = step(text).filter(Step::is_whole) {
            step.parts.iter().for_each(|(word, text)| criterion.push(*word, text));
        }
        criterion.judge();
        criterion
    }

    /// A scenario that is not known yet.
    pub(super) fn scenario(line: usize, name: String) -> Self {
        Self {
            id: None,
            text: name,
            line,
            is_done: false,
            group: None,
            given: Vec::new(),
            when: Vec::new(),
            then: Vec::new(),
            vague: Vec::new(),
        }
    }

    /// Given, when, then on one line.
    pub(super) fn of_steps(line: usize, step: &Step<'_>) -> Self {
        let mut criterion = Self::scenario(line, String::new());
        criterion.add(step);
        criterion
    }

    pub(super) fn add(&mut self, step: &Step<'_>) {
        step.parts.iter().for_each(|(word, text)| self.push(*word, text));
        self.judge();
    }

    fn push(&mut self, word: Word, text: &str) {
        let text = unmarked(text);
        let list = match word {
            Word::Given => &mut self.given,
            Word::When => &mut self.when,
            Word::Then => &mut self.then,
            Word::And if !self.then.is_empty() => &mut self.then,
            Word::And if !self.when.is_empty() => &mut self.when,
            Word::And => &mut self.given,
        };
        list.push(text);
    }

    /// More of the same sentence, from the next line.
    pub(super) fn append(&mut self, text: &str) {
        let text = unmarked(text);
        let last = self.then.last_mut().or(self.when.last_mut()).or(self.given.last_mut());
        match last {
            Some(last) => *last = format!("{last} {text}"),
            None => self.text = format!("{} {text}", self.text),
        }
        self.judge();
    }

    pub(super) fn has_steps(&self) -> bool {
        !(self.given.is_empty() && self.when.is_empty() && self.then.is_empty())
    }

    /// What people call it: its sentence, or its steps.
    #[must_use]
    pub fn name(&self) -> String {
        let part = |word: &str, texts: &[String]| {
            (!texts.is_empty()).then(|| format!("{word} {}", texts.join(", and ")))
        };
        let parts = [part("given", &self.given), part("when", &self.when), part("then", &self.then)];
        let steps = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        match (self.text.is_empty(), steps.is_empty()) {
            (true, _) => steps,
            (false, true) => self.text.clone(),
            (false, false) if step(&self.text).is_some_and(|step| step.is_whole()) => steps,
            (false, false) => format!("{}: {steps}", self.text),
        }
    }

    /// All of its words, for finding names in.
    pub(crate) fn all_text(&self) -> String {
        let steps = self.given.iter().chain(&self.when).chain(&self.then);
        std::iter::once(&self.text).chain(steps).cloned().collect::<Vec<_>>().join("\n")
    }

    fn judge(&mut self) {
        let text = self.all_text().to_lowercase();
        self.vague = VAGUE.iter().filter(|word| contains_word(&text, word)).copied().collect();
        // "and" in what must be true is two criteria in one coat.
        let outcome = if self.then.is_empty() { self.text.to_lowercase() } else { String::new() };
        // Names in back quotes that are listed are one thing.
        if contains_word(&outcome.replace("` and `", ""), "and") {
            self.vague.push("and");
        }
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let after = text[at + word.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric());
        before && after
    })
}

/// Text without the marks of emphasis.
fn unmarked(text: &str) -> String {
    text.replace("**", "").replace("__", "").trim().trim_end_matches([',', ';']).trim().to_owned()
}

/// An item of a list, with or without a box.
pub(super) fn item(text: &str) -> Option<Item<'_>> {
    let trimmed = text.trim();
    // `**bold**` begins like an item, and is none.
    if trimmed.starts_with("**") || trimmed.starts_with("--") {
        return None;
    }
    let found = ITEM.captures(trimmed)?;
    let tick = found.get(1).map(|mark| matches!(mark.as_str(), "x" | "X" | "✓" | "✔"));
    let has_space = trimmed.chars().nth(1).is_some_and(char::is_whitespace)
        || tick.is_some()
        || trimmed.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_lowercase());
    let rest = found.get(2)?.as_str().trim();
    // `[name](address)` behind a bullet is a link, not a box.
    let is_link = tick.is_some() && rest.starts_with('(');
    // A number alone, such as `3.5 seconds`, begins no list.
    let is_number = trimmed.starts_with(|c: char| c.is_ascii_digit())
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && tick.is_none();
    (has_space && !is_link && !is_number).then_some(Item { tick, text: rest })
}

/// Whether a line that is only shown looks like a criterion.
pub(super) fn looks_like_one(text: &str) -> bool {
    BOX.captures(text.trim()).is_some_and(|found| !found[2].starts_with('('))
}

/// `FR-001: …`, `**AC2** …`.
pub(super) fn numbered(line: usize, text: &str) -> Option<Criterion> {
    let found = ID.captures(text.trim())?;
    let mut criterion = Criterion::of(line, found[2].trim_start_matches(['*', ':', '-', '–', '—', ' ']));
    criterion.id = Some(found[1].replace(' ', "-"));
    Some(criterion)
}

/// A sentence of the kind "WHEN … THE SYSTEM SHALL …".
pub(super) fn is_ears(text: &str) -> bool {
    EARS.is_match(&text.replace("**", ""))
}

/// A step, or all steps on one line.
pub(super) fn step(text: &str) -> Option<Step<'_>> {
    let first = STEP.captures(text)?;
    let word = |text: &str| match text.to_lowercase().as_str() {
        "given" => Word::Given,
        "when" => Word::When,
        "then" => Word::Then,
        _ => Word::And,
    };
    let begins = first.get(0)?.end();
    let mut at = vec![(word(&first[1]), 0, begins)];
    let is_before = |found: &regex::Captures<'_>| found.get(1).is_some_and(|inner| inner.start() < begins);
    for found in INSIDE.captures_iter(text).skip_while(is_before) {
        let (whole, inner) = (found.get(0)?, found.get(1)?);
        let next = word(inner.as_str());
        // "when" inside a Then is a word like any other.
        let goes_on = matches!(
            (at.last().map(|last| last.0), next),
            (Some(Word::Given), Word::When | Word::Then) | (Some(Word::When | Word::And), Word::Then)
        );
        if goes_on {
            at.push((next, whole.start(), inner.end()));
        }
    }
    let mut parts = Vec::new();
    for (index, (word, _, from)) in at.iter().enumerate() {
        let to = at.get(index + 1).map_or(text.len(), |(_, start, _)| *start);
        parts.push((*word, text.get(*from..to)?.trim_matches(['*', '_', ',', ' ', ':'])));
    }
    (!parts.iter().all(|(_, text)| text.is_empty())).then_some(Step { parts })
}

impl Step<'_> {
    /// Whether it says when, and what is true then.
    pub(super) fn is_whole(&self) -> bool {
        let has = |wanted| self.parts.iter().any(|(word, _)| *word == wanted);
        has(Word::When) && has(Word::Then)
    }

    /// Whether a scenario may begin with it.
    pub(super) fn is_first(&self) -> bool {
        self.parts.first().is_some_and(|(word, _)| matches!(word, Word::Given | Word::When))
    }
}

/// `Scenario: name` of a feature file, with the word in small letters.
pub(super) fn keyword(text: &str) -> Option<(&'static str, &str)> {
    let found = KEYWORD.captures(text)?;
    let word = match found[1].to_lowercase().as_str() {
        "feature" => "feature",
        "rule" => "rule",
        "background" => "background",
        _ => "scenario",
    };
    Some((word, found.get(2)?.as_str().trim()))
}

/// A row of a table.
pub(super) fn is_row(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('|') && text.ends_with('|') && text.len() > 2
}

/// The criterion of a row: its longest cell, under the id of its first.
pub(super) fn of_row(line: usize, text: &str) -> Option<Criterion> {
    let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
    let is_rule = cells.iter().all(|cell| cell.bytes().all(|byte| matches!(byte, b'-' | b':')));
    let longest = cells.iter().max_by_key(|cell| cell.len())?;
    let is_head = longest.split_whitespace().count() < 3;
    if is_rule || is_head {
        return None;
    }
    let mut found = Criterion::of(line, longest);
    let first = cells.first().filter(|cell| cell != &longest && cell.len() <= 10 && !cell.is_empty());
    found.id = first.map(|cell| (*cell).to_owned());
    found.is_done = cells.iter().any(|cell| matches!(*cell, "✅" | "✓" | "[x]" | "done" | "yes"));
    Some(found)
}

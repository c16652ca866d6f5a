//! Reads the keys of a map: each asked for by name, all others refused.

use std::str::FromStr;
use std::time::Duration;

use factum_core::NameError;

use crate::date::Date;
use crate::finding::{Findings, Span};
use crate::nearest;
use crate::node::{Content, Entry, Node};
use crate::words::{Placed, Words};

/// What a key that is kept for reviews may say.
pub(crate) enum Noted {
    /// A text.
    Text,
    /// A text or a list of texts.
    Texts,
    /// A duration.
    Duration,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The keys of one map while it is read.
pub(crate) struct Fields<'n> {
    /// Where the map stands.
    pub(crate) span: Span,
    what: &'static str,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a map; anything else is an error.
    pub(crate) fn open(node: &'n Node, what: &'static str, findings: &mut Findings<'_>) -> Option<Self> {
        match &node.content {
            Content::Map(entries) => {
                Some(Self { span: node.span, what, entries, known: Vec::new(), missing: Vec::new() })
            }
            _ => mismatch(node, &format!("{what} (a map of keys)"), findings),
        }
    }

    /// The entry of a key, which is known from now on.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, which is known from now on.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Keys that the catalog keeps for `factum review`, which reads them from the document; nothing at run time does.
    pub(crate) fn for_review(&mut self, keys: &[(&'static str, Noted)], findings: &mut Findings<'_>) {
        for (key, noted) in keys {
            let Some(node) = self.get(key) else { continue };
            match noted {
                Noted::Text => drop(text(node, findings)),
                Noted::Texts => drop(texts(node, findings)),
                Noted::Duration => drop(duration(node, findings)),
                Noted::OneOf(words) => one_of(node, words, findings),
            }
        }
    }

    /// The value of a key that must be there; `finish` says so when it is not.
    pub(crate) fn required(&mut self, key: &'static str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            self.missing.push(key);
        }
        found
    }

    /// Refuses every key that nobody asked for, and misses those that were needed.
    pub(crate) fn finish(mut self, findings: &mut Findings<'_>) {
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            // A misspelt key is one mistake, not two.
            self.missing.retain(|missing| !nearest::is_near(&entry.key, missing));
            let message = format!("{} has no key `{}`", self.what, entry.key);
            findings.unknown("unknown-key", entry.key_span, message, &entry.key, self.known.iter().copied());
        }
        for key in self.missing {
            let message = format!("{} has no `{key}`", self.what);
            findings.error_with_hint("missing-key", self.span, message, format!("add `{key}:`"));
        }
    }

    pub(crate) fn text(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<String> {
        text(self.get(key)?, findings).map(str::to_owned)
    }

    pub(crate) fn boolean(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<bool> {
        let node = self.get(key)?;
        match node.content {
            Content::Bool(value) => Some(value),
            _ => mismatch(node, "true or false", findings),
        }
    }

    pub(crate) fn count(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<u64> {
        count(self.get(key)?, findings)
    }

    pub(crate) fn count32(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<u32> {
        let node = self.get(key)?;
        match u32::try_from(count(node, findings)?) {
            Ok(value) => Some(value),
            Err(_) => mismatch(node, "a number below 4294967296", findings),
        }
    }

    pub(crate) fn number(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<f64> {
        number(self.get(key)?, findings)
    }

    pub(crate) fn word<W: Words>(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<W> {
        word(self.get(key)?, findings)
    }

    pub(crate) fn name<N: Name>(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<Placed<N>> {
        name(self.get(key)?, findings)
    }

    pub(crate) fn names<N: Name>(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Vec<Placed<N>> {
        self.get(key).map(|node| names(node, findings)).unwrap_or_default()
    }

    pub(crate) fn duration(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<Duration> {
        duration(self.get(key)?, findings)
    }

    pub(crate) fn date(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<Date> {
        let node = self.get(key)?;
        match text(node, findings)?.parse() {
            Ok(date) => Some(date),
            Err(_) => mismatch(node, "a date such as 2026-01-05", findings),
        }
    }
}

/// What is read by `FromStr` with a name error.
pub(crate) trait Name: FromStr<Err = NameError> {}
impl<T: FromStr<Err = NameError>> Name for T {}

/// Reports that something else was expected.
pub(crate) fn mismatch<T>(node: &Node, expected: &str, findings: &mut Findings<'_>) -> Option<T> {
    findings.error("type", node.span, format!("expected {expected}, found {}", node.found()));
    None
}

pub(crate) fn text<'n>(node: &'n Node, findings: &mut Findings<'_>) -> Option<&'n str> {
    match &node.content {
        Content::Text(text) => Some(text),
        Content::Number(_) | Content::Bool(_) => {
            let message = format!("expected text, found {}", node.found());
            findings.error_with_hint("type", node.span, message, "put it in quotes if text is meant");
            None
        }
        _ => mismatch(node, "text", findings),
    }
}

pub(crate) fn count(node: &Node, findings: &mut Findings<'_>) -> Option<u64> {
    match &node.content {
        Content::Number(number) if number.is_u64() => number.as_u64(),
        _ => mismatch(node, "a whole number, 0 or more", findings),
    }
}

pub(crate) fn integer(node: &Node, findings: &mut Findings<'_>) -> Option<i64> {
    match &node.content {
        Content::Number(number) if number.is_i64() => number.as_i64(),
        _ => mismatch(node, "a whole number of 64 bits", findings),
    }
}

pub(crate) fn number(node: &Node, findings: &mut Findings<'_>) -> Option<f64> {
    match &node.content {
        Content::Number(number) => number.as_f64(),
        _ => mismatch(node, "a number", findings),
    }
}

fn one_of(node: &Node, words: &'static [&'static str], findings: &mut Findings<'_>) {
    let Some(found) = text(node, findings) else { return };
    if !words.contains(&found) {
        let message = format!("expected one of {}, found {found:?}", words.join(" | "));
        findings.unknown("unknown-word", node.span, message, found, words.iter().copied());
    }
}

pub(crate) fn word<W: Words>(node: &Node, findings: &mut Findings<'_>) -> Option<W> {
    let found = text(node, findings)?;
    let meaning = W::of_word(found);
    if meaning.is_none() {
        let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
        let message = format!("expected one of {}, found {found:?}", words.join(" | "));
        findings.unknown("unknown-word", node.span, message, found, words);
    }
    meaning
}

pub(crate) fn name<N: Name>(node: &Node, findings: &mut Findings<'_>) -> Option<Placed<N>> {
    match text(node, findings)?.parse() {
        Ok(value) => Some(Placed { value, span: node.span }),
        Err(error) => {
            findings.error("name", node.span, error.to_string());
            None
        }
    }
}

/// A list of names, or a single one.
pub(crate) fn names<N: Name>(node: &Node, findings: &mut Findings<'_>) -> Vec<Placed<N>> {
    match &node.content {
        Content::List(nodes) => nodes.iter().filter_map(|node| name(node, findings)).collect(),
        Content::Text(_) => name(node, findings).into_iter().collect(),
        _ => {
            mismatch::<()>(node, "a name or a list of names", findings).map_or_else(Vec::new, |()| Vec::new())
        }
    }
}

/// A list of texts, or a single one.
pub(crate) fn texts(node: &Node, findings: &mut Findings<'_>) -> Vec<Placed<String>> {
    let one = |node: &Node, findings: &mut Findings<'_>| {
        text(node, findings).map(|text| Placed { value: text.to_owned(), span: node.span })
    };
    match &node.content {
        Content::List(nodes) => nodes.iter().filter_map(|node| one(node, findings)).collect(),
        _ => one(node, findings).into_iter().collect(),
    }
}

/// A duration such as `500ms`, `30s`, `10m`, `24h`, `400d`.
pub(crate) fn duration(node: &Node, findings: &mut Findings<'_>) -> Option<Duration> {
    let parsed = node.as_text().and_then(parse_duration);
    if parsed.is_none() {
        let expected = "a duration: a whole number and a unit, such as 500ms, 30s, 10m, 24h or 400d";
        return mismatch(node, expected, findings);
    }
    parsed
}

/// Longest duration that means anything here: a hundred years.
const DURATION_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(unit_at);
    let count: u64 = digits.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let duration = Duration::from_millis(count.checked_mul(milliseconds)?);
    (duration <= DURATION_MAX).then_some(duration)
}

/// The entries of a map whose keys are names; empty when it is none.
pub(crate) fn named<'n, N: Name>(
    node: Option<&'n Node>,
    what: &str,
    findings: &mut Findings<'_>,
) -> Vec<(Placed<N>, &'n Node)> {
    let Some(node) = node else { return Vec::new() };
    let Content::Map(entries) = &node.content else {
        mismatch::<()>(node, &format!("a map of {what}"), findings);
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry.key.parse::<N>() {
            Ok(value) => found.push((Placed { value, span: entry.key_span }, &entry.value)),
            Err(error) => findings.error("name", entry.key_span, error.to_string()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("400d"), Some(Duration::from_secs(400 * 86_400)));
        for bad in ["", "s", "10", "1.5s", "10 s", "-1s", "1y", "99999999999999999999d", "99999999999d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}

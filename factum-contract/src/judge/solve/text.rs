//! Finds a text of a length, with patterns, formats and exceptions.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::super::format;
use super::super::graph::Rule;
use super::super::pattern::{self, Wanted};
use super::super::search::Search;
use super::{Literal, Solver};

/// Longest text that is built.
const LENGTH_MAX: u64 = 100_000;

/// Longest text that is looked for with patterns.
const LENGTH_WITH_PATTERNS_MAX: u64 = 2_000;

/// Most exceptions that are stepped around; fewer than there are characters in one run of Unicode.
const EXCEPTIONS_MAX: usize = 50_000;

impl Solver<'_> {
    pub(super) fn text(&mut self, atoms: &[Literal]) -> Search<Value> {
        let mut wanted = Wanted::default();
        let (mut min, mut max) = (0_u64, u64::MAX);
        let mut formats = Vec::new();
        let mut patterns = Vec::new();
        for atom in atoms {
            match (self.graph.get(atom.rule), atom.is_met) {
                (Rule::LengthMin(length), true) => min = min.max(*length),
                (Rule::LengthMin(length), false) => max = max.min(length.saturating_sub(1)),
                (Rule::LengthMax(length), true) => max = max.min(*length),
                (Rule::LengthMax(length), false) => min = min.max(length.saturating_add(1)),
                (Rule::Pattern(pattern), is_met) => patterns.push((pattern.clone(), is_met)),
                (Rule::Format(format), _) => formats.push(format.clone()),
                (Rule::Values(values), false) => {
                    wanted
                        .except
                        .extend(values.iter().filter_map(|value| value.value.as_str()).map(str::to_owned));
                }
                _ => {}
            }
        }
        if min > max {
            return Search::Empty;
        }
        if !formats.is_empty() {
            return self.text_of_format(atoms, &formats);
        }
        if patterns.is_empty() {
            return plain(min, max, &wanted.except);
        }
        if min > LENGTH_WITH_PATTERNS_MAX {
            return Search::unknown("texts with patterns would have to be very long");
        }
        wanted.patterns = patterns.iter().map(|(text, is_met)| (self.pattern(text), *is_met)).collect();
        wanted.length_min = min as usize;
        wanted.length_max = (max <= LENGTH_WITH_PATTERNS_MAX).then_some(max as usize);
        match pattern::find(&wanted) {
            Search::Found(text) if text.chars().count() as u64 <= max => Search::Found(Value::String(text)),
            Search::Found(_) => Search::unknown("texts with patterns would have to be very long"),
            Search::Empty => Search::Empty,
            Search::Unknown(why) => self.sample(atoms).map_or(Search::Unknown(why), Search::Found),
        }
    }

    /// With formats only well-known texts are tried: that none of them fits proves nothing.
    fn text_of_format(&mut self, atoms: &[Literal], formats: &[String]) -> Search<Value> {
        if let Some(found) = self.sample(atoms) {
            return Search::Found(found);
        }
        // Without what the formats say there may be nothing left anyhow.
        let is_format = |atom: &&Literal| matches!(self.graph.get(atom.rule), Rule::Format(_));
        let others: Vec<Literal> = atoms.iter().filter(|atom| !is_format(atom)).copied().collect();
        if self.text(&others) == Search::Empty {
            return Search::Empty;
        }
        let why = format!("no text is known that settles the format {}", formats.join(" and "));
        Search::Unknown(Cow::Owned(why))
    }

    fn sample(&mut self, atoms: &[Literal]) -> Option<Value> {
        let mut samples: Vec<String> = format::SAMPLES.iter().map(|text| (*text).to_owned()).collect();
        samples.extend((0..=64).map(|length| "a".repeat(length)));
        let mut values = samples.into_iter().map(Value::String);
        values.find(|value| self.fits(value, atoms) == Some(true))
    }
}

/// A text of letters that is none of the exceptions.
fn plain(min: u64, max: u64, except: &HashSet<String>) -> Search<Value> {
    if min > LENGTH_MAX || except.len() > EXCEPTIONS_MAX {
        return Search::unknown("texts would have to be very long");
    }
    for length in [min, max.min(min + 1)] {
        // There are more texts of a length than exceptions, unless the length is zero.
        for number in 0..=except.len() {
            let text = letters(number, length);
            if !except.contains(&text) {
                return Search::Found(Value::String(text));
            }
        }
    }
    Search::Empty
}

/// A text of a length that is different for every number, as far as there are lengths.
fn letters(number: usize, length: u64) -> String {
    let mut text = String::new();
    for _ in 1..length {
        text.push('a');
    }
    if length > 0 {
        text.push(u32::try_from(number).ok().and_then(|n| char::from_u32(u32::from('a') + n)).unwrap_or('a'));
    }
    text
}

//! The events that a slice speaks of: in back quotes, with dots, as types, or in the words of the catalog.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use factum_contract::Catalog;
use factum_contract::nearest;
use factum_core::{EventName, Kind};
use regex::Regex;
use serde::Serialize;

use super::spec::Slice;
use crate::design::{pattern, phrase};

/// An event that a slice names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Its name, as contracts write it.
    pub name: String,
    /// Where it is named first.
    pub line: usize,
    /// Whether the slice has it happen.
    pub is_said: bool,
    /// Whether the slice reacts to it.
    pub is_taken: bool,
    /// Whether the catalog has it.
    pub is_known: bool,
    /// The known event that may be meant.
    pub near: Option<String>,
    /// Fields that are named with it.
    pub fields: Vec<String>,
    /// The event that it follows from, where the slice says so.
    pub cause: Option<String>,
}

static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"`([^`\n]{1,120})`"));
static DOTTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b([a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*){1,4})\b"));
static PASCAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+){1,4})\b"));
static SAYS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(publish|emit|produce|raise|announce|record|append|fire|says?)(s|es|d|ed)?\b")
});
static TAKES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(consum|handl|receiv|react|subscrib|listen|process|upon|on)(e|es|s|ed|ing)?\b|\bwhen\b")
});
static FIELD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z][A-Za-z0-9_]{1,40}$"));

/// All events of a slice, in the order in which it names them.
pub(super) fn find(slice: &Slice, catalog: Option<&Catalog>) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let known = Known::of(catalog);
    let mut note = |names: &[String], line: usize, says: bool, takes: bool, cause: Option<&String>| {
        for name in names {
            let at = match found.iter().position(|known| known.name == *name) {
                Some(at) => at,
                None => {
                    found.push(known.named(name, line));
                    found.len() - 1
                }
            };
            found[at].is_said |= says;
            found[at].is_taken |= takes;
            if found[at].cause.is_none() {
                found[at].cause = cause.filter(|cause| *cause != name).cloned();
            }
        }
    };
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for criterion in &slice.criteria {
        let before: Vec<String> =
            criterion.given.iter().chain(&criterion.when).flat_map(|text| known.events(text)).collect();
        let after: Vec<String> = criterion.then.iter().flat_map(|text| known.events(text)).collect();
        note(&before, criterion.line, false, true, None);
        note(&after, criterion.line, true, false, before.last());
        if !criterion.text.is_empty() {
            sentence(&criterion.text, criterion.line, &known, &mut note);
        }
        collect_fields(&criterion.all_text(), &known, &mut fields);
    }
    for (line, text) in &slice.text {
        sentence(text, *line, &known, &mut note);
        collect_fields(text, &known, &mut fields);
    }
    note(&known.events(&slice.name), slice.line, false, false, None);
    for named in &mut found {
        named.fields = fields.remove(&named.name).unwrap_or_default();
    }
    // A criterion that only names it says that it happens.
    for named in found.iter_mut().filter(|named| !named.is_said && !named.is_taken) {
        named.is_said = true;
    }
    found
}

/// One sentence: what stands behind a verb of saying is said, what stands behind "when" is taken.
fn sentence(
    text: &str,
    line: usize,
    known: &Known<'_>,
    note: &mut impl FnMut(&[String], usize, bool, bool, Option<&String>),
) {
    // "when order.paid is received, publishes loyalty.earned": two halves.
    let (first, second) = match text.split_once([',', ';']) {
        Some((first, second)) if TAKES.is_match(first) && SAYS.is_match(second) => (first, second),
        _ => match SAYS.find(text) {
            Some(verb) if TAKES.is_match(&text[..verb.start()]) => text.split_at(verb.start()),
            _ => ("", text),
        },
    };
    let taken = known.events(first);
    note(&taken, line, false, true, None);
    let says = SAYS.is_match(second);
    let takes = !says && TAKES.is_match(second);
    // "publishes order.cancelled when payment.declined arrives": what comes after "when" is the cause.
    if says
        && let Some((said, because)) =
            ["when ", "once ", "after ", "upon ", " on "].iter().find_map(|word| second.split_once(word))
    {
        let causes = known.events(because);
        note(&causes, line, false, true, None);
        note(&known.events(said), line, true, false, causes.first().or(taken.last()));
        return;
    }
    note(&known.events(second), line, says, takes, taken.last());
}

/// A field belongs to the last event that is named before it.
fn collect_fields(text: &str, known: &Known<'_>, fields: &mut BTreeMap<String, Vec<String>>) {
    let events = known.events_at(text);
    for found in QUOTED.captures_iter(text) {
        let at = found.get(0).map_or(0, |whole| whole.start());
        let is_field = FIELD.is_match(&found[1]) && phrase::event_name(&found[1]).is_none();
        let Some((_, event)) = events.iter().rev().find(|(place, _)| *place < at).filter(|_| is_field) else {
            continue;
        };
        let list = fields.entry(event.clone()).or_default();
        if !list.contains(&found[1].to_owned()) {
            list.push(found[1].to_owned());
        }
    }
}

/// The names that a catalog has, in its words and in people's.
struct Known<'c> {
    names: Vec<(&'c EventName, Regex)>,
}

impl<'c> Known<'c> {
    fn of(catalog: Option<&'c Catalog>) -> Self {
        let contracts =
            catalog.into_iter().flat_map(Catalog::latest).filter(|contract| contract.kind == Kind::Event);
        let names = contracts.filter_map(|contract| {
            let words = phrase::words(contract.name.as_str());
            let words: Vec<String> = words.iter().map(|word| regex::escape(word)).collect();
            // "the order has been placed" is order.placed.
            let between = r"(?:\W+(?:is|was|has|been|gets|are|were|have|being))*\W+";
            let words = Regex::new(&format!(r"(?i)\b{}\b", words.join(between))).ok()?;
            Some((&contract.name, words))
        });
        Self { names: names.collect() }
    }

    fn is_known(&self, name: &str) -> bool {
        self.names.iter().any(|(known, _)| known.as_str() == name)
    }

    fn named(&self, name: &str, line: usize) -> Named {
        let is_known = self.is_known(name);
        let all = self.names.iter().map(|(known, _)| known.as_str());
        let near = if is_known {
            None
        } else {
            nearest::suggest(name, all).filter(|text| text.starts_with("did you"))
        };
        Named {
            name: name.to_owned(),
            line,
            is_said: false,
            is_taken: false,
            is_known,
            near,
            fields: Vec::new(),
            cause: None,
        }
    }

    /// Events in a text, in its order.
    fn events(&self, text: &str) -> Vec<String> {
        self.events_at(text).into_iter().map(|(_, name)| name).collect()
    }

    /// The same with their places.
    fn events_at(&self, text: &str) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut add = |at: usize, name: String| {
            if found.iter().all(|(_, known)| *known != name) {
                found.push((at, name));
            }
        };
        for hit in DOTTED.find_iter(text).chain(PASCAL.find_iter(text)) {
            let written = hit.as_str();
            let written = written.strip_suffix("Event").unwrap_or(written);
            let Some(name) = phrase::event_name(written) else { continue };
            let ends = phrase::words(&name).last().is_some_and(|last| phrase::is_participle(last));
            if self.is_known(&name) || (ends && !is_file(&name)) {
                add(hit.start(), name);
            }
        }
        for (name, words) in &self.names {
            if let Some(hit) = words.find(text) {
                add(hit.start(), name.as_str().to_owned());
            }
        }
        found.sort();
        found
    }
}

fn is_file(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    matches!(
        ending,
        "md" | "rs" | "ts" | "js" | "py" | "json" | "yaml" | "yml" | "toml" | "sql" | "com" | "org"
    )
}

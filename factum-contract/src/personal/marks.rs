//! What contracts mark as personal, to hide it where it stands in plain text.
//!
//! Not everything personal is sealed: an event may be older than the mark of its field, or have come over an open topic. So
//! a value counts as personal when any version of its contract says so, also under the name and the place that upcast
//! steps take it from. Says nothing of sealed values, which are known by their form.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Finder;
use crate::contract::Contract;
use crate::schema::{Personal, Schema, Shape};
use crate::upcast::{FieldPath, Step};

/// The personal fields of contracts, by name, in all their versions.
#[derive(Debug, Clone, Default)]
pub struct Marks(BTreeMap<String, Vec<Finder>>);

impl Marks {
    /// What these contract versions mark; the versions of a contract may come in any order.
    #[must_use]
    pub fn of<'c>(contracts: impl IntoIterator<Item = &'c Contract>) -> Self {
        let mut by_name: BTreeMap<String, BTreeMap<u32, &Contract>> = BTreeMap::new();
        for contract in contracts {
            by_name.entry(contract.name.to_string()).or_default().insert(contract.version, contract);
        }
        let finders = by_name.into_iter().filter_map(|(name, versions)| {
            let finders = finders(versions.into_values().rev());
            (!finders.is_empty()).then_some((name, finders))
        });
        Self(finders.collect())
    }

    /// Whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The personal values of an event's payload that stand there in plain text, in order; all of it when it is no
    /// JSON. What is sealed or forgotten is not among them.
    #[must_use]
    pub fn plain(&self, event: &str, payload: &[u8]) -> Vec<Range<usize>> {
        let Some(finders) = self.0.get(event) else { return Vec::new() };
        let whole = || std::iter::once(0..payload.len()).collect::<Vec<_>>();
        let Ok(text) = std::str::from_utf8(payload) else { return whole() };
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for finder in finders {
            let Ok(found) = finder.find(text) else { return whole() };
            let is_plain = |range: &Range<usize>| !super::is_stand_in(&text[range.clone()]);
            ranges.extend(found.values.into_iter().map(|value| value.range).filter(is_plain));
        }
        ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        // One version may mark a field, and another the object that holds it.
        ranges.dedup_by(|next, before| next.start < before.end);
        ranges
    }
}

/// From the newest version to the oldest: its own marks, and those that its fields will bear later.
fn finders<'c>(versions: impl Iterator<Item = &'c Contract>) -> Vec<Finder> {
    let mut finders = Vec::new();
    let mut later: BTreeSet<FieldPath> = BTreeSet::new();
    for contract in versions {
        let mut payload = contract.payload.clone();
        for path in &later {
            if let Some(schema) = path.schema_in(&mut payload)
                && schema.personal.is_none()
            {
                // Whose it is does not matter to hide it.
                schema.personal = Some(Personal::Of(String::new()));
            }
        }
        personal_paths(&payload, "", &mut later);
        finders.extend(Finder::of(&payload));
        for step in contract.upcast.iter().rev() {
            before(&step.value, &mut later);
        }
    }
    finders
}

/// Adds where a version's personal values stood before a step.
fn before(step: &Step, personal: &mut BTreeSet<FieldPath>) {
    match step {
        Step::Rename(fields) => {
            for (path, name) in fields {
                if personal.contains(&path.renamed(name)) {
                    personal.insert(path.clone());
                }
            }
        }
        Step::Move(fields) => {
            for (from, to) in fields {
                // What is taken into a personal object becomes a part of it.
                if personal.iter().any(|path| to.is_within(path)) {
                    personal.insert(from.clone());
                }
            }
        }
        Step::Split { field, into, .. } => {
            if into.iter().any(|path| personal.contains(path)) {
                personal.insert(field.clone());
            }
        }
        Step::Join { fields, into, .. } => {
            if personal.contains(into) {
                personal.extend(fields.iter().cloned());
            }
        }
        Step::Set(_) | Step::Drop(_) | Step::Map { .. } | Step::Code(_) => {}
    }
}

fn personal_paths(schema: &Schema, at: &str, found: &mut BTreeSet<FieldPath>) {
    if matches!(schema.personal, Some(Personal::Of(_))) {
        found.extend(at.parse::<FieldPath>().ok());
        return;
    }
    match &schema.shape {
        Shape::Object(object) => {
            for field in &object.fields {
                let dot = if at.is_empty() { "" } else { "." };
                personal_paths(&field.schema, &format!("{at}{dot}{}", field.name), found);
            }
        }
        Shape::List(list) => personal_paths(&list.items, &format!("{at}[]"), found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(version: u32, properties: &str, upcast: &str) -> Contract {
        let text = format!(
            r#"{{"event":"a.b","version":{version},"owner":"o","key":"id","topic":"a.b","stream":"a","ordering":"per-key",
            "compatibility":"none","policy":"lenient","payload":{{"type":"object","required":["id"],"properties":{{
            "id":{{"type":"string","personal":"self"}},{properties}}}}},"upcast":[{upcast}]}}"#
        );
        Contract::of_json_text(&text).unwrap()
    }

    fn hidden(marks: &Marks, payload: &str) -> Vec<String> {
        let ranges = marks.plain("a.b", payload.as_bytes());
        ranges.into_iter().map(|range| payload[range].to_owned()).collect()
    }

    #[test]
    fn a_value_is_personal_when_any_version_says_so() {
        let text = r#"{"type":"string"}"#;
        let personal = r#"{"type":"string","personal":"id"}"#;
        let one = contract(1, &format!(r#""name":{text},"plan":{text}"#), "");
        let two = contract(2, &format!(r#""name":{personal},"plan":{text}"#), "");
        assert!(Marks::of([&one]).is_empty());
        let marks = Marks::of([&two, &one]);
        assert_eq!(hidden(&marks, r#"{"id":"1","name":"Ada","plan":"gold"}"#), ["\"Ada\""]);
        assert_eq!(hidden(&marks, r#"{"id":"1","name":{"$sealed":"1.r.1.x"}}"#), [""; 0]);
        assert_eq!(hidden(&marks, r#"{"id":"1","name":{"$forgotten":true}}"#), [""; 0]);
        assert_eq!(hidden(&marks, r#"{"id":"1","name":null}"#), [""; 0]);
        assert_eq!(hidden(&marks, "Ada"), ["Ada"], "what is no JSON is hidden whole");
        assert!(marks.plain("a.c", b"Ada").is_empty());
    }

    #[test]
    fn a_value_is_personal_under_the_names_it_had_before() {
        let text = r#"{"type":"string"}"#;
        let personal = r#"{"type":"string","personal":"id"}"#;
        let one =
            contract(1, &format!(r#""name":{text},"mail":{text},"a":{text},"b":{text},"plan":{text}"#), "");
        let two = contract(
            2,
            &format!(
                r#""full":{text},"home":{{"type":"object","properties":{{"mail":{text}}}}},"ab":{text},"plan":{text}"#
            ),
            r#"{"rename":{"name":"full"}},{"move":{"mail":"home.mail"}},{"join":{"fields":["a","b"],"by":"-","into":"ab"}}"#,
        );
        let three = contract(
            3,
            &format!(
                r#""first":{personal},"last":{personal},"home":{{"type":"object","personal":"id","properties":{{"mail":{text}}}}},
                "ab":{personal},"plan":{text}"#
            ),
            r#"{"split":{"field":"full","by":" ","into":["first","last"]}}"#,
        );
        let marks = Marks::of([&one, &two, &three]);
        let old = r#"{"id":"1","name":"Ada B","mail":"a@b.c","a":"x","b":"y","plan":"gold"}"#;
        // The mail was taken into an object that is personal as a whole.
        assert_eq!(hidden(&marks, old), ["\"Ada B\"", "\"a@b.c\"", "\"x\"", "\"y\""]);
        let middle = r#"{"id":"1","full":"Ada B","home":{"mail":"a@b.c"},"ab":"x-y","plan":"gold"}"#;
        assert_eq!(hidden(&marks, middle), ["\"Ada B\"", r#"{"mail":"a@b.c"}"#, "\"x-y\""]);
    }
}

//! What generated code stands on: it names nothing outside this module, so that an application depends on one crate.
//!
//! The types here cannot be built invalid; what they accept is exactly what the validator accepts.

use std::fmt;

pub use std::collections::BTreeMap;

pub use factum_core::{Event, EventType, PartitionKey, Personal, Tags, Timestamp};
pub use rust_decimal::Decimal;
pub use uuid::Uuid;
pub use {serde, serde_json};

pub use crate::catalog::CatalogSource;
pub use crate::contracts::Contracts;
pub use crate::date::Date;
pub use crate::fixture::Broken;
pub use crate::schema::Format;

mod compiled;
mod exact;
mod list;
mod object;
mod rules;
mod text;

pub use crate::__object as object;
pub use compiled::{Compiled, default_of, upcast};
pub use exact::{Exact, Exactly, exact, nullable, parsed, present, present_exact};
pub use list::List;
pub use object::Object;
pub use rules::{IntegerRule, NumberRule, TextRule};
pub use text::{Email, Uri};

/// A value that breaks its contract: where, what was expected, what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is not valid: expected {expected}, found {found}")]
pub struct Invalid {
    /// The field, as a JSON pointer where it is known: `/items/0/quantity`; else its name.
    pub path: String,
    /// What the contract says.
    pub expected: String,
    /// What was given.
    pub found: String,
}

impl Invalid {
    pub(crate) fn new(path: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: path.to_owned(), expected: expected.into(), found: found.into() }
    }

    /// A word that an enum does not have.
    #[must_use]
    pub fn unknown_word(expected: &str, found: &str) -> Self {
        Self::new("word", format!("one of {expected}"), quoted(found))
    }

    /// A required field that was not given.
    #[must_use]
    pub fn missing(path: &str) -> Self {
        Self::new(path, "a value", "none")
    }
}

impl From<std::convert::Infallible> for Invalid {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Converts what a builder was given; remembers the first value that does not fit.
pub fn convert<T, V>(path: &str, value: V, invalid: &mut Option<Invalid>) -> Option<T>
where
    V: TryInto<T>,
    Invalid: From<V::Error>,
{
    match value.try_into() {
        Ok(value) => Some(value),
        Err(error) => {
            let error = Invalid { path: path.to_owned(), ..error.into() };
            invalid.get_or_insert(error);
            None
        }
    }
}

/// The partition key of a field whose type keeps the grammar of keys.
///
/// # Panics
/// When the value is empty, over 250 bytes or holds control characters: generated types exclude that.
#[must_use]
pub fn key(value: &impl fmt::Display) -> PartitionKey {
    value.to_string().try_into().expect("the type of a key field keeps the grammar of keys")
}

/// Collects the tags of an event.
#[derive(Debug, Default)]
pub struct TagList(Vec<factum_core::Tag>);

impl TagList {
    /// No tags yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field's value; one that no tag can hold is left out, and refused by the gate.
    pub fn add(&mut self, field: &str, value: &impl fmt::Display) {
        self.0.extend(factum_core::Tag::new(field, &value.to_string()));
    }

    /// The tags, each once; the gate refuses events that have more than there is room for.
    #[must_use]
    pub fn finish(mut self) -> Tags {
        self.0.sort();
        self.0.dedup();
        self.0.truncate(Tags::COUNT_MAX);
        Tags::new(self.0).unwrap_or_default()
    }
}

/// Text as errors quote it.
fn quoted(text: &str) -> String {
    let dots = if text.chars().nth(40).is_some() { "…" } else { "" };
    format!("{:?}{dots}", text.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_tags_than_there_is_room_for_do_not_panic() {
        let mut tags = TagList::new();
        for n in 0..200 {
            tags.add("id", &n);
        }
        tags.add("id", &"");
        assert_eq!(tags.finish().iter().count(), Tags::COUNT_MAX);
    }
}

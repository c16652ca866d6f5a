//! Checks payloads against their contract, in one pass over the bytes.
//!
//! A validator is compiled once and then allocates nothing for a valid payload: no tree is built, names are compared
//! where they stand. It says of the first flaw where it is, which rule it breaks, what was expected and found.
//! Values of fields marked `personal` are never quoted.

use std::borrow::Cow;
use std::fmt;

use factum_core::{Breach, EventType, Tag, Tags};

use crate::contract::Contract;
use crate::json::Cursor;
use crate::schema::{Role, Schema};

mod compile;
pub(crate) mod format;
mod leaf;
pub(crate) mod pattern;
mod stand_in;
mod tree;
mod walk;

pub(crate) use compile::{FIELDS_MAX, is_uuid, tag_bytes_max};
pub use pattern::PatternError;
pub(crate) use stand_in::step_over as is_stand_in;

use compile::Check;
use walk::Walk;

/// Longest partition key, as its type has it.
pub(crate) const KEY_BYTES_MAX: usize = 250;

/// A contract's schema, compiled.
#[derive(Debug, Clone)]
pub struct Validator {
    root: Check,
    identifiers: Vec<IdentifierPath>,
    key_is_uuid: bool,
}

/// The way to a field that becomes a tag.
#[derive(Debug, Clone)]
struct IdentifierPath {
    steps: Vec<String>,
    is_uuid: bool,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// JSON pointer to the value; empty for the whole payload.
    pub path: String,
    /// The rule that is broken, by its JSON Schema keyword where there is one.
    pub rule: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

impl Flaw {
    fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: String::new(), rule, message: message.into() }
    }

    /// Where it is, in words.
    #[must_use]
    pub fn place(&self) -> &str {
        if self.path.is_empty() { "the payload" } else { &self.path }
    }

    /// The same as the gate reports it.
    #[must_use]
    pub fn into_breach(self, event: &EventType) -> Breach {
        Breach {
            event: event.name.to_string(),
            version: event.version,
            path: self.path,
            rule: self.rule.to_owned(),
            message: self.message,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.message)
    }
}

/// What was learnt of a valid payload on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<'p> {
    /// The value of the contract's key field, as partition keys write it.
    pub key: Cow<'p, str>,
}

impl Validator {
    /// Compiles a contract's schema.
    ///
    /// # Errors
    /// When a pattern cannot be matched in linear time.
    pub fn of(contract: &Contract) -> Result<Self, PatternError> {
        let key = contract.payload.field(&contract.key);
        Ok(Self {
            root: compile::payload(&contract.payload, &contract.key)?,
            identifiers: identifiers(&contract.payload),
            key_is_uuid: key.is_some_and(|field| compile::is_uuid(&field.schema)),
        })
    }

    /// Checks a payload.
    ///
    /// # Errors
    /// The first flaw.
    pub fn check<'p>(&self, payload: &'p [u8]) -> Result<Checked<'p>, Flaw> {
        let text = match std::str::from_utf8(payload) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("expected UTF-8, found other bytes at {}", error.valid_up_to());
                return Err(Flaw::new("json", message));
            }
        };
        let mut walk = Walk { cursor: Cursor::new(text), key: None, identifiers: 0 };
        walk.value(&self.root, 0).and_then(|()| walk.end()).map_err(|flaw| *flaw)?;
        if walk.identifiers > Tags::COUNT_MAX {
            self.count_tags(&serde_json::from_str(text).unwrap_or_default())?;
        }
        let key = walk.key.unwrap_or_default();
        Ok(Checked { key: if self.key_is_uuid { lower(key) } else { key } })
    }

    /// Checks a payload that was parsed for another reason; [`Self::check`] on bytes parses and checks in less time.
    ///
    /// What a tree does not show any more, such as a field that was given twice, is not found.
    ///
    /// # Errors
    /// The first flaw, in the order of the contract.
    pub fn check_value(&self, payload: &serde_json::Value) -> Result<(), Flaw> {
        let identifiers = tree::check(&self.root, payload).map_err(|flaw| *flaw)?;
        if identifiers > Tags::COUNT_MAX { self.count_tags(payload) } else { Ok(()) }
    }

    /// The tags of a valid payload: every field that the contract marks `identifier`.
    #[must_use]
    pub fn tags(&self, payload: &[u8]) -> Tags {
        let found = serde_json::from_slice(payload).map(|value| self.tag_list(&value)).unwrap_or_default();
        Tags::new(found.into_iter().take(Tags::COUNT_MAX)).unwrap_or_default()
    }

    fn count_tags(&self, payload: &serde_json::Value) -> Result<(), Flaw> {
        let count = self.tag_list(payload).len();
        if count <= Tags::COUNT_MAX {
            return Ok(());
        }
        let message = format!("expected at most {} different identifiers, found {count}", Tags::COUNT_MAX);
        Err(Flaw::new("identifiers", message))
    }

    fn tag_list(&self, payload: &serde_json::Value) -> Vec<Tag> {
        let mut tags = Vec::new();
        for path in &self.identifiers {
            let name = path.steps.last().map_or("", String::as_str);
            visit(&path.steps, payload, &mut |value| {
                let text = match value {
                    serde_json::Value::String(text) if path.is_uuid => text.to_ascii_lowercase(),
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Number(number) => number.to_string(),
                    _ => return,
                };
                tags.extend(Tag::new(name, &text));
            });
        }
        tags.sort();
        tags.dedup();
        tags
    }
}

/// Checks one value of a payload by itself; a pattern that cannot be used lets everything through.
pub(crate) fn check_value(schema: &Schema, json: &str) -> Result<(), Flaw> {
    let Ok(check) = compile::value(schema) else { return Ok(()) };
    let mut walk = Walk { cursor: Cursor::new(json), key: None, identifiers: 0 };
    walk.value(&check, 0).and_then(|()| walk.end()).map_err(|flaw| *flaw)
}

/// Follows a path through objects, and through every item of lists.
fn visit(steps: &[String], value: &serde_json::Value, found: &mut impl FnMut(&serde_json::Value)) {
    if let serde_json::Value::Array(items) = value {
        items.iter().for_each(|item| visit(steps, item, found));
        return;
    }
    match steps.split_first() {
        None => found(value),
        Some((step, rest)) => {
            if let Some(value) = value.get(step) {
                visit(rest, value, found);
            }
        }
    }
}

fn identifiers(payload: &Schema) -> Vec<IdentifierPath> {
    let mut found = Vec::new();
    payload.walk(&mut |path, schema| {
        if schema.role == Role::Identifier {
            let steps = path.replace("[]", "").split('.').map(str::to_owned).collect();
            found.push(IdentifierPath { steps, is_uuid: compile::is_uuid(schema) });
        }
    });
    found
}

pub(crate) fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        text
    }
}

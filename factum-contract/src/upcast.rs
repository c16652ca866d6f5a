//! How an older version's payload becomes the next one's: small steps that say what they do.
//!
//! Steps are data, so that they can be checked against examples, printed and generated for other languages.
//! A step never guesses: what it cannot do is an error with the field's name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use factum_core::NameError;
use factum_core::personal::{FORGOTTEN_FIELD, SEALED_FIELD};
use serde_json::{Map, Value};

use crate::schema::{Schema, Shape};

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    /// Gives fields a value, whatever they held.
    Set(Vec<(FieldPath, Value)>),
    /// Gives fields another name where they are.
    Rename(Vec<(FieldPath, String)>),
    /// Takes fields to another place.
    Move(Vec<(FieldPath, FieldPath)>),
    /// Removes fields.
    Drop(Vec<FieldPath>),
    /// Cuts a text into several fields; the last takes what is left.
    Split {
        /// The text.
        field: FieldPath,
        /// What stands between the parts.
        by: String,
        /// Where the parts go.
        into: Vec<FieldPath>,
    },
    /// Joins several fields into one text.
    Join {
        /// The parts.
        fields: Vec<FieldPath>,
        /// What stands between them.
        by: String,
        /// Where the text goes.
        into: FieldPath,
    },
    /// Replaces values by others.
    Map {
        /// The field.
        field: FieldPath,
        /// Old value, printed, to new value.
        values: BTreeMap<String, Value>,
        /// What any other value becomes; it stays when absent.
        otherwise: Option<Value>,
    },
    /// Calls a function that is registered under this name.
    Code(String),
}

/// A step that cannot be done on a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step} {field}: {message}")]
pub struct StepError {
    /// The step's word.
    pub step: &'static str,
    /// The field it is about.
    pub field: String,
    /// What was expected and found.
    pub message: String,
}

/// Place of a field in a payload: `customer.name`, or `items[].price` for that field of each item.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath {
    parents: Vec<Hop>,
    name: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Hop {
    name: String,
    is_each: bool,
}

/// Most hops of a path: contracts nest less.
const HOPS_MAX: usize = 32;

impl FieldPath {
    /// The field's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field of the payload that holds it, or is it.
    pub(crate) fn root(&self) -> &str {
        self.parents.first().map_or(&self.name, |hop| &hop.name)
    }

    /// Whether it stands for one field of each item of a list.
    #[must_use]
    pub fn is_each(&self) -> bool {
        self.parents.iter().any(|hop| hop.is_each)
    }

    /// The same place under another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        Self { parents: self.parents.clone(), name: name.to_owned() }
    }

    /// Whether it is this place, or inside it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let depth = other.parents.len();
        self == other
            || self.parents.len() > depth
                && self.parents[..depth] == other.parents
                && self.parents[depth].name == other.name
    }

    /// The schema of the field, where a payload has it.
    pub(crate) fn schema_in<'s>(&self, payload: &'s mut Schema) -> Option<&'s mut Schema> {
        let mut at = payload;
        for hop in &self.parents {
            let field = field_of(at, &hop.name)?;
            at = if hop.is_each {
                let Shape::List(list) = &mut field.shape else { return None };
                &mut list.items
            } else {
                field
            };
        }
        field_of(at, &self.name)
    }

    /// Calls `visit` with each object that holds, or could hold, the field.
    fn each_parent(
        &self,
        payload: &mut Value,
        visit: &mut impl FnMut(&mut Map<String, Value>) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        fn go(
            hops: &[Hop],
            value: &mut Value,
            visit: &mut impl FnMut(&mut Map<String, Value>) -> Result<(), StepError>,
        ) -> Result<(), StepError> {
            let Value::Object(object) = value else { return Ok(()) };
            let Some((hop, rest)) = hops.split_first() else { return visit(object) };
            match (object.get_mut(&hop.name), hop.is_each) {
                (Some(Value::Array(items)), true) => {
                    items.iter_mut().try_for_each(|item| go(rest, item, visit))
                }
                (Some(child), false) => go(rest, child, visit),
                _ => Ok(()),
            }
        }
        go(&self.parents, payload, visit)
    }

    /// Calls `look` with each value of the field.
    pub(crate) fn each(&self, payload: &mut Value, look: &mut impl FnMut(&Value)) {
        let seen = self.each_parent(payload, &mut |object| {
            object.get(&self.name).into_iter().for_each(&mut *look);
            Ok(())
        });
        seen.unwrap_or_default();
    }

    fn take(&self, payload: &mut Value) -> Option<Value> {
        let mut taken = None;
        let done = self.each_parent(payload, &mut |object| {
            taken = object.remove(&self.name);
            Ok(())
        });
        done.ok().and(taken)
    }

    pub(crate) fn get(&self, payload: &Value) -> Option<Value> {
        let mut value = payload;
        for hop in &self.parents {
            value = value.get(&hop.name)?;
        }
        value.get(&self.name).cloned()
    }

    /// Writes the field, making the objects on the way to it.
    fn put(&self, payload: &mut Value, new: Value) -> Result<(), StepError> {
        let mut value = payload;
        for hop in &self.parents {
            let Value::Object(object) = value else {
                return Err(self.error("put", "its parent is no object"));
            };
            value = object.entry(hop.name.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
        let Value::Object(object) = value else { return Err(self.error("put", "its parent is no object")) };
        object.insert(self.name.clone(), new);
        Ok(())
    }

    fn error(&self, step: &'static str, message: impl Into<String>) -> StepError {
        StepError { step, field: self.to_string(), message: message.into() }
    }
}

impl FromStr for FieldPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError {
            what: "field",
            found: text.chars().take(80).collect(),
            expected: "a field's name, or a path such as customer.name or items[].price",
        };
        let mut hops: Vec<Hop> = Vec::new();
        for part in text.split('.') {
            let (name, is_each) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            if name.is_empty() || name.contains(['[', ']']) || hops.len() >= HOPS_MAX {
                return Err(error());
            }
            hops.push(Hop { name: name.to_owned(), is_each });
        }
        match hops.pop() {
            Some(Hop { name, is_each: false }) => Ok(Self { parents: hops, name }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for hop in &self.parents {
            write!(f, "{}{}.", hop.name, if hop.is_each { "[]" } else { "" })?;
        }
        f.write_str(&self.name)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Step {
    /// The step's word in the language.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Rename(_) => "rename",
            Self::Move(_) => "move",
            Self::Drop(_) => "drop",
            Self::Split { .. } => "split",
            Self::Join { .. } => "join",
            Self::Map { .. } => "map",
            Self::Code(_) => "code",
        }
    }

    /// Does the step on a payload; fields that are absent are left alone. `Code` is the caller's to call.
    ///
    /// # Errors
    /// When a field is not of the kind that the step is for.
    pub fn apply(&self, payload: &mut Value) -> Result<(), StepError> {
        match self {
            Self::Set(fields) => fields.iter().try_for_each(|(path, value)| {
                if path.is_each() {
                    return path.each_parent(payload, &mut |object| {
                        object.insert(path.name.clone(), value.clone());
                        Ok(())
                    });
                }
                path.put(payload, value.clone())
            }),
            Self::Rename(fields) => fields.iter().try_for_each(|(path, new)| rename(payload, path, new)),
            Self::Move(fields) => fields.iter().try_for_each(|(from, to)| match from.take(payload) {
                Some(value) => to.put(payload, value),
                None => Ok(()),
            }),
            Self::Drop(fields) => fields.iter().try_for_each(|path| {
                path.each_parent(payload, &mut |object| {
                    object.remove(&path.name);
                    Ok(())
                })
            }),
            Self::Split { field, by, into } => split(payload, field, by, into),
            Self::Join { fields, by, into } => join(payload, fields, by, into),
            Self::Map { field, values, otherwise } => field.each_parent(payload, &mut |object| {
                let Some(value) = object.get_mut(&field.name).filter(|value| !stands_in(value)) else {
                    return Ok(());
                };
                let old = plain_text(value).ok_or_else(|| field.error("map", expected_scalar(value)))?;
                if let Some(new) = values.get(&old).or(otherwise.as_ref()) {
                    *value = new.clone();
                }
                Ok(())
            }),
            Self::Code(_) => Ok(()),
        }
    }
}

/// Gives required fields that are absent their default, where they have one.
///
/// Done after the steps of a version, so that a new required field with a default needs no step. What may be absent is
/// left absent: its default is applied where it is read.
pub(crate) fn fill_defaults(schema: &Schema, payload: &mut Value) {
    match (&schema.shape, payload) {
        (Shape::Object(object), Value::Object(payload)) => {
            for field in &object.fields {
                match (payload.get_mut(&field.name), &field.schema.default) {
                    (Some(value), _) => fill_defaults(&field.schema, value),
                    (None, Some(default)) if field.is_required => {
                        payload.insert(field.name.clone(), default.clone());
                    }
                    (None, _) => {}
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fill_defaults(&list.items, item));
        }
        (Shape::Map(values), Value::Object(payload)) => {
            payload.values_mut().for_each(|value| fill_defaults(values, value));
        }
        _ => {}
    }
}

fn field_of<'s>(schema: &'s mut Schema, name: &str) -> Option<&'s mut Schema> {
    let Shape::Object(object) = &mut schema.shape else { return None };
    object.fields.iter_mut().find(|field| field.name == name).map(|field| &mut field.schema)
}

fn rename(payload: &mut Value, path: &FieldPath, new: &str) -> Result<(), StepError> {
    path.each_parent(payload, &mut |object| {
        let Some(value) = object.remove(&path.name) else { return Ok(()) };
        if object.contains_key(new) {
            return Err(path.error("rename", format!("{new} is there already")));
        }
        object.insert(new.to_owned(), value);
        Ok(())
    })
}

fn split(payload: &mut Value, field: &FieldPath, by: &str, into: &[FieldPath]) -> Result<(), StepError> {
    let text = match field.take(payload) {
        None => return Ok(()),
        Some(Value::String(text)) => text,
        // The parts of what is forgotten are forgotten; a sealed part would open nowhere.
        Some(other) if stands_in(&other) => {
            return into.iter().try_for_each(|path| path.put(payload, forgotten()));
        }
        Some(other) => return Err(field.error("split", format!("expected text, found {other}"))),
    };
    let parts = text.splitn(into.len().max(1), by);
    into.iter().zip(parts).try_for_each(|(path, part)| path.put(payload, Value::String(part.to_owned())))
}

fn join(payload: &mut Value, fields: &[FieldPath], by: &str, into: &FieldPath) -> Result<(), StepError> {
    let (mut parts, mut is_forgotten) = (Vec::new(), false);
    for field in fields {
        let Some(value) = field.get(payload) else { continue };
        if stands_in(&value) {
            is_forgotten = true;
            continue;
        }
        parts.push(plain_text(&value).ok_or_else(|| field.error("join", expected_scalar(&value)))?);
    }
    for field in fields {
        field.take(payload);
    }
    into.put(payload, if is_forgotten { forgotten() } else { Value::String(parts.join(by)) })
}

/// Whether a value stands for a personal one that is forgotten, or sealed.
fn stands_in(value: &Value) -> bool {
    let Value::Object(object) = value else { return false };
    let is_sealed = object.get(SEALED_FIELD).is_some_and(Value::is_string);
    object.len() == 1 && (is_sealed || object.get(FORGOTTEN_FIELD) == Some(&Value::Bool(true)))
}

/// The marker of a personal value that was forgotten.
fn forgotten() -> Value {
    Value::Object([(FORGOTTEN_FIELD.to_owned(), Value::Bool(true))].into_iter().collect())
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn expected_scalar(value: &Value) -> String {
    let found = match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "null",
    };
    format!("expected text, a number, true or false, found {found}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> FieldPath {
        text.parse().unwrap()
    }

    fn after(step: &Step, mut payload: Value) -> Value {
        step.apply(&mut payload).unwrap();
        payload
    }

    #[test]
    fn each_step_does_what_it_says() {
        let cases = [
            (
                Step::Set(vec![(path("channel"), json!("web"))]),
                json!({"a": 1}),
                json!({"a": 1, "channel": "web"}),
            ),
            (
                Step::Set(vec![(path("items[].n"), json!(1))]),
                json!({"items": [{}, {"n": 2}]}),
                json!({"items": [{"n": 1}, {"n": 1}]}),
            ),
            (
                Step::Rename(vec![(path("items[].sku"), "productId".into())]),
                json!({"items": [{"sku": "a"}, {}]}),
                json!({"items": [{"productId": "a"}, {}]}),
            ),
            (
                Step::Move(vec![(path("city"), path("address.city"))]),
                json!({"city": "Bonn"}),
                json!({"address": {"city": "Bonn"}}),
            ),
            (
                Step::Drop(vec![path("a.b"), path("c")]),
                json!({"a": {"b": 1, "d": 2}, "c": 3}),
                json!({"a": {"d": 2}}),
            ),
            (
                Step::Split { field: path("name"), by: " ".into(), into: vec![path("first"), path("last")] },
                json!({"name": "Ada M Byron"}),
                json!({"first": "Ada", "last": "M Byron"}),
            ),
            (
                Step::Join { fields: vec![path("a"), path("b")], by: "-".into(), into: path("c") },
                json!({"a": 1, "b": "x"}),
                json!({"c": "1-x"}),
            ),
            (
                Step::Map {
                    field: path("s"),
                    values: [("old".into(), json!("new"))].into(),
                    otherwise: None,
                },
                json!({"s": "old"}),
                json!({"s": "new"}),
            ),
            (
                Step::Map { field: path("s"), values: BTreeMap::new(), otherwise: Some(json!(0)) },
                json!({"s": true}),
                json!({"s": 0}),
            ),
        ];
        for (step, before, expected) in cases {
            assert_eq!(after(&step, before), expected, "{step:?}");
        }
    }

    #[test]
    fn absent_fields_are_left_alone() {
        let steps = [
            Step::Rename(vec![(path("x"), "y".into())]),
            Step::Move(vec![(path("x"), path("y"))]),
            Step::Split { field: path("x"), by: " ".into(), into: vec![path("y")] },
            Step::Map { field: path("x"), values: BTreeMap::new(), otherwise: Some(json!(1)) },
        ];
        for step in steps {
            assert_eq!(after(&step, json!({"a": 1})), json!({"a": 1}), "{step:?}");
        }
    }

    #[test]
    fn what_stands_for_a_personal_value_is_never_taken_for_one() {
        let gone = json!({"$forgotten": true});
        for value in [gone.clone(), json!({"$sealed": "1.r.1.x"})] {
            let split = Step::Split {
                field: path("name"),
                by: " ".into(),
                into: vec![path("first"), path("home.last")],
            };
            let parts = json!({"first": gone, "home": {"last": gone}});
            assert_eq!(after(&split, json!({"name": value})), parts);
            let join = Step::Join { fields: vec![path("a"), path("b")], by: "-".into(), into: path("c") };
            assert_eq!(after(&join, json!({"a": "x", "b": value})), json!({"c": gone}));
            let map = Step::Map { field: path("s"), values: BTreeMap::new(), otherwise: Some(json!(0)) };
            assert_eq!(after(&map, json!({"s": value})), json!({"s": value}));
        }
        // An object that only looks like one is a mistake, as any other object is.
        let split = Step::Split { field: path("name"), by: " ".into(), into: vec![path("first")] };
        assert!(split.apply(&mut json!({"name": {"$forgotten": false}})).is_err());
    }

    #[test]
    fn what_cannot_be_done_names_the_field() {
        let step = Step::Split { field: path("x.y"), by: " ".into(), into: vec![path("z")] };
        let error = step.apply(&mut json!({"x": {"y": 7}})).unwrap_err();
        assert_eq!(error.to_string(), "split x.y: expected text, found 7");
        let step = Step::Rename(vec![(path("a"), "b".into())]);
        assert_eq!(
            step.apply(&mut json!({"a": 1, "b": 2})).unwrap_err().to_string(),
            "rename a: b is there already"
        );
    }

    #[test]
    fn paths_have_a_grammar() {
        assert_eq!(path("items[].price").to_string(), "items[].price");
        for bad in ["", ".", "a..b", "a[]", "a[0].b", "[].a"] {
            assert!(bad.parse::<FieldPath>().is_err(), "{bad}");
        }
    }
}

//! The same checks on a payload that has been parsed already.

use factum_core::personal::{FORGOTTEN_FIELD, SEALED_FIELD};
use serde_json::{Map, Value};

use super::compile::{Check, ListCheck, ObjectCheck, Rule};
use super::leaf::{self, Checked, flaw};
use crate::json::DEPTH_MAX;

/// Checks a value; answers how many identifiers it holds.
pub(super) fn check(check: &Check, value: &Value) -> Checked<usize> {
    let mut walk = Walk { identifiers: 0 };
    walk.value(check, value, 0)?;
    Ok(walk.identifiers)
}

struct Walk {
    identifiers: usize,
}

impl Walk {
    fn value(&mut self, check: &Check, value: &Value, depth: usize) -> Checked {
        if check.is_sealable && stands_in(value) {
            return Ok(());
        }
        match (&check.rule, value) {
            (Rule::Text(text), Value::String(value)) => {
                leaf::text(text, value, check)?;
                self.identifier(check, value)
            }
            (Rule::Object(object), Value::Object(fields)) => self.object(object, check, fields, depth),
            (Rule::List(list), Value::Array(items)) => self.list(list, items, depth),
            (Rule::Integer(bounds), Value::Number(number)) => {
                self.identifiers += usize::from(check.tag_bytes_max.is_some());
                leaf::integer(bounds, number.as_i64(), number, check)
            }
            (Rule::Number(bounds), Value::Number(number)) => {
                leaf::number(bounds, number.as_f64().unwrap_or(f64::INFINITY), number, check)
            }
            (Rule::Choice(choice), Value::String(value)) => {
                leaf::choice(choice, value, check)?;
                self.identifier(check, value)
            }
            (Rule::Boolean, Value::Bool(_)) => Ok(()),
            (Rule::Map(values), Value::Object(fields)) => self.map(values, fields, depth),
            (_, Value::Null) if check.is_nullable => Ok(()),
            (rule, value) => Err(leaf::mismatch(rule, kind(value))),
        }
    }

    fn object(
        &mut self,
        object: &ObjectCheck,
        check: &Check,
        fields: &Map<String, Value>,
        depth: usize,
    ) -> Checked {
        descend(depth)?;
        let mut known = 0;
        for (index, field) in object.fields.iter().enumerate() {
            let Some(value) = fields.get(&*field.name) else {
                if object.required.has(index) {
                    return Err(leaf::missing(object, index));
                }
                continue;
            };
            known += 1;
            self.value(&field.check, value, depth + 1).map_err(|flaw| leaf::within(&field.name, flaw))?;
            if field.is_key {
                key(value).map_err(|flaw| leaf::within(&field.name, flaw))?;
            }
        }
        if object.is_closed && known < fields.len() {
            let is_known = |name: &str| object.fields.iter().any(|field| *field.name == *name);
            let other = fields.keys().find(|name| !is_known(name)).map_or("", String::as_str);
            return Err(leaf::unknown(other, check));
        }
        Ok(())
    }

    fn list(&mut self, list: &ListCheck, items: &[Value], depth: usize) -> Checked {
        descend(depth)?;
        for (index, item) in items.iter().enumerate() {
            self.value(&list.items, item, depth + 1)
                .map_err(|flaw| leaf::within(&index.to_string(), flaw))?;
        }
        leaf::items(list.min, list.max, items.len() as u64)
    }

    fn map(&mut self, values: &Check, fields: &Map<String, Value>, depth: usize) -> Checked {
        descend(depth)?;
        for (name, value) in fields {
            self.value(values, value, depth + 1)
                .map_err(|flaw| leaf::within(leaf::shown_name(name, values), flaw))?;
        }
        Ok(())
    }

    #[inline]
    fn identifier(&mut self, check: &Check, value: &str) -> Checked {
        let Some(bytes_max) = check.tag_bytes_max else { return Ok(()) };
        self.identifiers += 1;
        leaf::identifier(bytes_max, value)
    }
}

fn key(value: &Value) -> Checked {
    match value {
        Value::String(text) => leaf::key(text),
        other => leaf::key(&other.to_string()),
    }
}

/// Whether a value stands for a personal one: forgotten, or sealed.
fn stands_in(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    let is_forgotten = fields.get(FORGOTTEN_FIELD) == Some(&Value::Bool(true));
    let is_sealed = fields.get(SEALED_FIELD).is_some_and(Value::is_string);
    fields.len() == 1 && (is_forgotten || is_sealed)
}

fn descend(depth: usize) -> Checked {
    if depth < DEPTH_MAX {
        return Ok(());
    }
    Err(flaw("depth", format!("expected at most {DEPTH_MAX} levels of nesting")))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

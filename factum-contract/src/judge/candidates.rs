//! Documents made of the words of two schemas, for when the search gives up.
//!
//! They prove nothing by themselves: each is checked by the validators of both sides.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value, json};

/// Most documents that are tried.
const CANDIDATES_MAX: usize = 400;

/// Most values that are put into fields and items.
const VALUES_MAX: usize = 40;

/// Documents to try, simple ones first.
pub(super) fn of(writer: &Value, reader: &Value) -> Vec<Value> {
    let mut words = Words::default();
    words.collect(writer);
    words.collect(reader);
    let mut values =
        vec![json!(null), json!(true), json!(0), json!(1), json!(1.5), json!(-1), json!(""), json!("a")];
    values.extend([json!([]), json!({})]);
    values.append(&mut words.values);
    values.truncate(VALUES_MAX);
    let mut documents = values.clone();
    for value in &values {
        documents.extend([1, 2, 3].map(|count| Value::Array(vec![value.clone(); count])));
        for name in &words.names {
            documents.push(object([(name, value)]));
        }
    }
    for value in &values {
        documents.push(object(words.names.iter().map(|name| (name, value))));
    }
    documents.truncate(CANDIDATES_MAX);
    documents
}

fn object<'v>(fields: impl IntoIterator<Item = (&'v String, &'v Value)>) -> Value {
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Value::Object(fields)
}

/// Values and names that occur in schemas.
#[derive(Debug, Default)]
struct Words {
    values: Vec<Value>,
    names: BTreeSet<String>,
}

impl Words {
    fn collect(&mut self, schema: &Value) {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    self.keyword(keyword, value);
                    self.collect(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value) {
        match (keyword, value) {
            ("enum" | "examples", Value::Array(values)) => self.values.extend(values.iter().cloned()),
            ("const" | "default", value) => self.values.push(value.clone()),
            ("required", Value::Array(names)) => {
                self.names.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            (
                "properties" | "dependentRequired" | "dependentSchemas" | "dependencies",
                Value::Object(fields),
            ) => {
                self.names.extend(fields.keys().cloned());
            }
            (
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf",
                Value::Number(bound),
            ) => {
                let near = [-1.0, -0.5, 0.0, 0.5, 1.0].into_iter();
                let near = near.filter_map(|step| Number::from_f64(bound.as_f64()? + step));
                self.values.extend(near.map(Value::Number));
                self.values.push(value.clone());
            }
            ("minLength" | "maxLength", Value::Number(length)) => {
                let length = length.as_u64().unwrap_or(0).min(1_000) as usize;
                self.values
                    .extend([length.saturating_sub(1), length, length + 1].map(|n| json!("a".repeat(n))));
            }
            _ => {}
        }
    }
}

//! A contract's payload as a JSON Schema, as its writer keeps it and as its reader takes it.
//!
//! The two differ in one place: a reader of an extensible enum takes any word, a lenient writer sends the declared ones.

use serde_json::{Map, Value, json};

use crate::contract::Policy;
use crate::schema::{ChoiceShape, ObjectShape, Schema, Shape};

/// Which words of an extensible enum are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Declared,
    Any,
}

/// What is sent.
pub(super) fn of_writer(schema: &Schema, policy: Policy) -> Value {
    match policy {
        Policy::Lenient => value(schema, Words::Declared),
        Policy::Strict => value(schema, Words::Any),
    }
}

/// What is taken.
pub(super) fn of_reader(schema: &Schema) -> Value {
    value(schema, Words::Any)
}

fn value(schema: &Schema, expected: Words) -> Value {
    let mut keywords = Map::new();
    let mut put = |keyword: &str, value: Option<Value>| {
        if let Some(value) = value {
            keywords.insert(keyword.to_owned(), value);
        }
    };
    let kind = match &schema.shape {
        Shape::Object(object) => {
            put("properties", Some(fields(object, expected)));
            let required =
                object.fields.iter().filter(|field| field.is_required).map(|field| field.name.as_str());
            put("required", Some(required.collect()));
            put("additionalProperties", object.is_closed.then_some(Value::Bool(false)));
            "object"
        }
        Shape::Map(values) => {
            put("additionalProperties", Some(value(values, expected)));
            "object"
        }
        Shape::List(list) => {
            put("items", Some(value(&list.items, expected)));
            put("minItems", Some(json!(list.items_min)));
            put("maxItems", list.items_max.map(|max| json!(max)));
            "array"
        }
        Shape::Text(text) => {
            put("format", text.format.map(|format| json!(format.as_str())));
            put("pattern", text.pattern.as_ref().map(|pattern| json!(pattern)));
            put("minLength", text.length_min.map(|min| json!(min)));
            put("maxLength", text.length_max.map(|max| json!(max)));
            "string"
        }
        Shape::Integer(integer) => {
            put("minimum", integer.min.map(|min| json!(min)));
            put("maximum", integer.max.map(|max| json!(max)));
            put("multipleOf", integer.multiple_of.map(|step| json!(step)));
            "integer"
        }
        Shape::Number(number) => {
            put("minimum", number.min.map(|min| json!(min)));
            put("maximum", number.max.map(|max| json!(max)));
            put("exclusiveMinimum", number.above.map(|above| json!(above)));
            put("exclusiveMaximum", number.below.map(|below| json!(below)));
            "number"
        }
        Shape::Boolean => "boolean",
        Shape::Choice(choice) => {
            put("enum", words(choice, schema, expected));
            "string"
        }
    };
    let kind = if schema.is_nullable { json!([kind, "null"]) } else { json!(kind) };
    keywords.insert("type".to_owned(), kind);
    Value::Object(keywords)
}

fn fields(object: &ObjectShape, expected: Words) -> Value {
    let fields = object.fields.iter().map(|field| (field.name.clone(), value(&field.schema, expected)));
    Value::Object(fields.collect())
}

fn words(choice: &ChoiceShape, schema: &Schema, expected: Words) -> Option<Value> {
    if choice.is_extensible && expected == Words::Any {
        return None;
    }
    let words = choice.words.iter().map(|word| json!(word));
    Some(words.chain(schema.is_nullable.then_some(Value::Null)).collect())
}

//! What a contract means, without how it is described: the part that may not change under a published version.
//!
//! Descriptions, titles, defaults and examples are left out; shapes, bounds, roles, units and personal marks stay.
//! The form is canonical: equal meanings are equal text.

use factum_core::hash64;
use serde_json::{Value, json};

use crate::contract::Contract;
use crate::schema::{Personal, Schema, Shape};

/// The meaning of a contract version: payload, key, stream, topic, ordering and reserved names.
#[must_use]
pub fn of_contract(contract: &Contract) -> Value {
    let mut reserved: Vec<&str> = contract.reserved.iter().map(|name| name.value.as_str()).collect();
    reserved.sort_unstable();
    json!({
        "name": contract.name.as_str(),
        "version": contract.version,
        "kind": contract.kind.as_str(),
        "topic": contract.topic.as_str(),
        "stream": contract.category.as_str(),
        "key": contract.key.value,
        "ordering": contract.ordering.as_str(),
        "reserved": reserved,
        "payload": of_schema(&contract.payload),
    })
}

/// A hash of a contract version's meaning, as 16 hexadecimal digits. Different hashes may still mean the same when
/// different releases of Factum wrote them: then the meanings themselves decide.
#[must_use]
pub fn hash(contract: &Contract) -> String {
    let mut text = String::new();
    write_sorted(&of_contract(contract), &mut text);
    format!("{:016x}", hash64(text.as_bytes()))
}

/// Writes JSON with its keys in order, whatever order a build keeps them in.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_sorted(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// The meaning of a schema as canonical JSON.
#[must_use]
pub fn of_schema(schema: &Schema) -> Value {
    let mut meaning = of_shape(&schema.shape);
    let marks = [
        ("nullable", schema.is_nullable.then_some(json!(true))),
        ("role", (schema.role != crate::schema::Role::Fact).then(|| json!(schema.role.as_str()))),
        ("unit", schema.unit.as_ref().map(|unit| json!(unit))),
        (
            "personal",
            schema.personal.as_ref().map(|personal| match personal {
                Personal::Subject => json!("self"),
                Personal::Of(subject) => json!(subject),
            }),
        ),
    ];
    for (key, value) in marks {
        if let Some(value) = value {
            meaning[key] = value;
        }
    }
    meaning
}

/// The meaning of a shape alone: what values it lets through.
#[must_use]
pub fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Object(object) => {
            let fields = object.fields.iter().map(|field| {
                let meaning = json!({ "required": field.is_required, "value": of_schema(&field.schema) });
                (field.name.clone(), meaning)
            });
            json!({ "object": fields.collect::<serde_json::Map<_, _>>(), "closed": object.is_closed })
        }
        Shape::Map(values) => json!({ "map": of_schema(values) }),
        Shape::List(list) => {
            json!({ "list": of_schema(&list.items), "min": list.items_min, "max": list.items_max })
        }
        Shape::Text(text) => json!({
            "text": text.format.map(crate::schema::Format::as_str),
            "pattern": text.pattern,
            "min": text.length_min,
            "max": text.length_max,
        }),
        Shape::Integer(integer) => {
            json!({ "integer": [integer.min, integer.max], "multipleOf": integer.multiple_of })
        }
        Shape::Number(number) => {
            json!({ "number": [number.min, number.max], "exclusive": [number.above, number.below] })
        }
        Shape::Boolean => json!({ "boolean": true }),
        Shape::Choice(choice) => {
            let mut words = choice.words.clone();
            words.sort();
            json!({ "words": words, "extensible": choice.is_extensible })
        }
    }
}

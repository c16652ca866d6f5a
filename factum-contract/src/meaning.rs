//! What a payload means, without how it is described: the part that may not change under a published version.
//!
//! Descriptions, titles, defaults and examples are left out; shapes, bounds, roles, units and personal marks stay.
//! The form is canonical: equal meanings are equal text.

use serde_json::{Value, json};

use crate::schema::{Personal, Schema, Shape};

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

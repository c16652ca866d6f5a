//! A payload's schema as a document: in the words of contracts, or as JSON Schema that other tools read.
//!
//! Contracts hold only what every reader can carry, so nothing is lost on the way: the keywords used mean the same in
//! JSON Schema 2020-12 and in draft 7, which AsyncAPI builds on. What contracts say beyond JSON Schema stands under
//! keys that begin with `x-`.

use crate::node::Node;
use crate::node::build::Map;
use crate::schema::{ChoiceShape, ObjectShape, Personal, Role, Schema, Shape, TextShape};

/// Whose words are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// Those of contracts.
    Contract,
    /// Those of JSON Schema, in the part that draft 7 and 2020-12 share.
    JsonSchema,
}

/// A schema as a document.
pub(crate) fn node(schema: &Schema, words: Words) -> Map {
    let mut map = Map::default();
    map.maybe("title", schema.title.as_deref());
    match &schema.shape {
        Shape::Choice(choice) => words_of(choice, schema.is_nullable, words, &mut map),
        shape => {
            put_type(type_word(shape), schema.is_nullable, &mut map);
            put_shape(shape, words, &mut map);
        }
    }
    let own =
        |name: &'static str, foreign: &'static str| if words == Words::Contract { name } else { foreign };
    let role = (schema.role != Role::Fact).then_some(schema.role.as_str());
    map.maybe(own("role", "x-role"), role);
    map.maybe(own("unit", "x-unit"), schema.unit.as_deref());
    map.maybe(own("personal", "x-personal"), schema.personal.as_ref().map(personal));
    if schema.is_deprecated {
        map.put("deprecated", true);
    }
    map.maybe("default", schema.default.as_ref());
    map.maybe("description", schema.description.as_deref());
    map
}

fn personal(personal: &Personal) -> &str {
    match personal {
        Personal::Subject => "self",
        Personal::Of(subject) => subject,
    }
}

fn type_word(shape: &Shape) -> &'static str {
    match shape {
        Shape::Object(_) | Shape::Map(_) => "object",
        Shape::List(_) => "array",
        Shape::Text(_) | Shape::Choice(_) => "string",
        Shape::Integer(_) => "integer",
        Shape::Number(_) => "number",
        Shape::Boolean => "boolean",
    }
}

fn put_type(word: &str, is_nullable: bool, map: &mut Map) {
    if is_nullable {
        map.put("type", vec![word, "null"]);
    } else {
        map.put("type", word);
    }
}

fn put_shape(shape: &Shape, words: Words, map: &mut Map) {
    match shape {
        Shape::Object(object) => put_object(object, words, map),
        Shape::Map(values) => map.put("additionalProperties", node(values, words)),
        Shape::List(list) => {
            map.maybe("minItems", (list.items_min > 0).then_some(list.items_min));
            map.maybe("maxItems", list.items_max);
            map.put("items", node(&list.items, words));
        }
        Shape::Text(text) => put_text(text, map),
        Shape::Integer(integer) => {
            map.maybe("minimum", integer.min);
            map.maybe("maximum", integer.max);
            map.maybe("multipleOf", integer.multiple_of);
        }
        Shape::Number(number) => {
            map.maybe("minimum", number.min);
            map.maybe("maximum", number.max);
            map.maybe("exclusiveMinimum", number.above);
            map.maybe("exclusiveMaximum", number.below);
        }
        Shape::Boolean | Shape::Choice(_) => {}
    }
}

fn put_object(object: &ObjectShape, words: Words, map: &mut Map) {
    let required = object.fields.iter().filter(|field| field.is_required);
    map.list("required", required.map(|field| field.name.as_str()).collect());
    let mut fields = Map::default();
    for field in &object.fields {
        fields.put(&field.name, node(&field.schema, words));
    }
    map.put("properties", fields);
    if object.is_closed {
        map.put("additionalProperties", false);
    }
}

fn put_text(text: &TextShape, map: &mut Map) {
    map.maybe("format", text.format.map(crate::schema::Format::as_str));
    map.maybe("pattern", text.pattern.as_deref());
    map.maybe("minLength", text.length_min);
    map.maybe("maxLength", text.length_max);
}

/// Words of a choice; readers of an open one take any word, so only contracts call it an enum.
fn words_of(choice: &ChoiceShape, is_nullable: bool, words: Words, map: &mut Map) {
    let listed: Vec<Node> = choice.words.iter().map(|word| Node::from(word.as_str())).collect();
    if choice.is_extensible && words == Words::JsonSchema {
        put_type("string", is_nullable, map);
        map.put("x-extensible-enum", listed);
        return;
    }
    put_type("string", is_nullable, map);
    let null = is_nullable.then(|| Node::from(&serde_json::Value::Null));
    map.put("enum", listed.into_iter().chain(null).collect::<Vec<Node>>());
    if choice.is_extensible {
        map.put("extensible", true);
    }
}

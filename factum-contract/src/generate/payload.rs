//! A payload's schema as a document: in the words of contracts, or as JSON Schema that other tools read.
//!
//! Contracts hold only what every reader can carry, so nothing is lost on the way: the keywords used mean the same in
//! JSON Schema 2020-12 and in draft 7, which AsyncAPI builds on. What contracts say beyond JSON Schema stands under
//! keys that begin with `x-`. A personal value is what its contract says, or what stands for it: who reads a topic or the
//! log meets sealed values, and forgotten ones for ever.

use factum_core::personal::{FORGOTTEN_FIELD as FORGOTTEN, SEALED_FIELD as SEALED};

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
    match &schema.personal {
        Some(Personal::Of(_)) if words == Words::JsonSchema => {
            map.put("anyOf", vec![Node::from(value(schema, words)), stand_in().into()]);
        }
        _ => map.extend(value(schema, words)),
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

/// What the value itself is.
fn value(schema: &Schema, words: Words) -> Map {
    let mut map = Map::default();
    match &schema.shape {
        Shape::Choice(choice) => words_of(choice, schema.is_nullable, words, &mut map),
        shape => {
            put_type(type_word(shape), schema.is_nullable, &mut map);
            put_shape(shape, words, &mut map);
        }
    }
    map
}

/// What stands for a personal value that is forgotten, or sealed with a key that is not within reach: an object of one
/// of two fields.
fn stand_in() -> Map {
    let mut map = Map::of("title", "Forgotten");
    map.put("type", "object");
    map.put("minProperties", 1_u64);
    map.put("maxProperties", 1_u64);
    let mut fields = Map::default();
    fields.put(FORGOTTEN, Map::of("const", true));
    fields.put(SEALED, Map::of("type", "string"));
    map.put("properties", fields);
    map.put("additionalProperties", false);
    map
}

/// Whether a schema is what we write for values that stand for personal ones.
pub(crate) fn is_stand_in(schema: &Node) -> bool {
    let fields = schema.get("properties");
    fields.is_some_and(|fields| fields.get(FORGOTTEN).is_some() && fields.get(SEALED).is_some())
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

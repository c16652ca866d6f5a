//! What a writer sends who sends only what it declares.
//!
//! Under the lenient policy a document counts only when every field of every object is declared by one of the schemas
//! at its place. That condition is itself a schema, the guard, made here from the writer's: it only adds up names, so
//! negations and exclusive branches of the writer's schema keep their meaning. Where the writer declares no fields at
//! all, or what it declares cannot be followed, anything may be sent.

use std::collections::{BTreeMap, BTreeSet};

use factum_core::pointer;
use serde_json::{Map, Value, json};

use super::dialect::Dialect;

/// Most places that are told apart; beyond it places are left open.
const PLACES_MAX: usize = 1_000;

/// JSON pointers to all schemas that apply at one place of a document.
type Pointers = BTreeSet<String>;

/// The schema of documents with only declared fields.
pub(super) fn guard(writer: &Value) -> Value {
    let mut guard =
        Guard { writer, dialect: Dialect::of(writer), places: BTreeMap::new(), queue: Vec::new() };
    let root = guard.place(Pointers::from([String::new()]));
    let mut definitions = Map::new();
    while let Some((name, pointers)) = guard.queue.pop() {
        let schema = guard.schema(&pointers);
        definitions.insert(name, schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [root],
        "$defs": definitions,
    })
}

struct Guard<'w> {
    writer: &'w Value,
    dialect: Dialect,
    places: BTreeMap<Pointers, String>,
    queue: Vec<(String, Pointers)>,
}

/// What the schemas at one place declare.
#[derive(Debug, Default)]
struct Declared {
    named: BTreeMap<String, Pointers>,
    patterns: BTreeMap<String, Pointers>,
    rest: Pointers,
    items: Pointers,
    /// Names that must be sent, so they are, whether or not anything else is said of them.
    required: BTreeSet<String>,
    is_open: bool,
}

impl Guard<'_> {
    fn place(&mut self, pointers: Pointers) -> Value {
        let pointers = self.declaring(&pointers);
        if pointers.is_empty() {
            return json!(true);
        }
        if let Some(name) = self.places.get(&pointers) {
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        if self.places.len() >= PLACES_MAX {
            return json!(true);
        }
        let name = format!("p{}", self.places.len());
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        self.queue.push((name.clone(), pointers.clone()));
        self.places.insert(pointers, name);
        reference
    }

    /// The schemas among these, and those that apply with them, that declare anything: the rest would only multiply
    /// places that are the same.
    fn declaring(&self, pointers: &Pointers) -> Pointers {
        let mut seen = Pointers::new();
        for pointer in pointers {
            self.declare(pointer, &mut seen, &mut Declared::default());
        }
        seen.retain(|pointer| {
            let Some(Value::Object(keywords)) = self.writer.pointer(pointer) else { return false };
            keywords.iter().any(|(keyword, value)| is_declaring(keyword, value))
        });
        seen
    }

    fn schema(&mut self, pointers: &Pointers) -> Value {
        let mut declared = Declared::default();
        let mut seen = Pointers::new();
        for pointer in pointers {
            self.declare(pointer, &mut seen, &mut declared);
        }
        if declared.is_open {
            return json!(true);
        }
        let mut schema = Map::new();
        if !declared.items.is_empty() {
            schema.insert("items".into(), self.place(declared.items));
        }
        let shared: Pointers = declared.patterns.values().flatten().chain(&declared.rest).cloned().collect();
        if !declared.named.is_empty() || !declared.patterns.is_empty() {
            for name in declared.required {
                declared.named.entry(name).or_default();
            }
            let mut named = Map::new();
            for (name, pointers) in declared.named {
                // A name may be matched by patterns as well: too much is declared here rather than too little.
                let place = self.place(pointers.union(&shared).cloned().collect());
                named.insert(name, place);
            }
            let mut patterns = Map::new();
            for (pattern, _) in declared.patterns {
                let place = self.place(shared.clone());
                patterns.insert(pattern, place);
            }
            schema.insert("properties".into(), Value::Object(named));
            schema.insert("patternProperties".into(), Value::Object(patterns));
            schema.insert("additionalProperties".into(), json!(false));
        }
        if !declared.rest.is_empty() {
            schema.insert("additionalProperties".into(), self.place(shared));
        }
        Value::Object(schema)
    }

    /// Adds what a schema declares, with the schemas that apply at the same place.
    fn declare(&self, pointer: &str, seen: &mut Pointers, declared: &mut Declared) {
        if !seen.insert(pointer.to_owned()) {
            return;
        }
        let Some(Value::Object(keywords)) = self.writer.pointer(pointer) else { return };
        if let Some(reference) = keywords.get("$ref") {
            match reference.as_str().and_then(|text| text.strip_prefix('#')) {
                Some(target) if target.is_empty() || target.starts_with('/') => {
                    self.declare(target, seen, declared)
                }
                _ => declared.is_open = true,
            }
            if self.dialect.is_old() {
                return;
            }
        }
        declared.is_open |= keywords.contains_key("$dynamicRef") || keywords.contains_key("$recursiveRef");
        for (keyword, value) in keywords {
            self.declare_keyword(&below(pointer, keyword), keyword, value, seen, declared);
        }
    }

    fn declare_keyword(
        &self,
        at: &str,
        keyword: &str,
        value: &Value,
        seen: &mut Pointers,
        declared: &mut Declared,
    ) {
        match keyword {
            "allOf" | "anyOf" | "oneOf" => {
                children(at, value).iter().for_each(|(_, pointer)| self.declare(pointer, seen, declared));
            }
            "if" | "then" | "else" => self.declare(at, seen, declared),
            "dependentSchemas" | "dependentRequired" | "dependencies" => {
                declared
                    .required
                    .extend(value.as_object().into_iter().flatten().flat_map(|(_, names)| texts(names)));
                children(at, value).iter().for_each(|(_, pointer)| self.declare(pointer, seen, declared));
            }
            "required" => declared.required.extend(texts(value)),
            "properties" => {
                for (name, pointer) in children(at, value) {
                    declared.named.entry(name).or_default().insert(pointer);
                }
            }
            "patternProperties" => {
                for (pattern, pointer) in children(at, value) {
                    declared.patterns.entry(pattern).or_default().insert(pointer);
                }
            }
            "additionalProperties" | "unevaluatedProperties" if value.is_object() => {
                declared.rest.insert(at.to_owned());
            }
            "items" | "prefixItems" if value.is_array() => {
                declared.items.extend(children(at, value).into_iter().map(|(_, pointer)| pointer));
            }
            "items" | "additionalItems" | "contains" | "unevaluatedItems" => {
                declared.items.insert(at.to_owned());
            }
            _ => {}
        }
    }
}

/// Whether a keyword says something of fields or items, or may lead to one that does.
fn is_declaring(keyword: &str, value: &Value) -> bool {
    match keyword {
        "$ref" => !value.as_str().is_some_and(|text| text == "#" || text.starts_with("#/")),
        "$dynamicRef" | "$recursiveRef" => true,
        "properties" | "patternProperties" | "additionalProperties" | "unevaluatedProperties" => true,
        "items" | "prefixItems" | "additionalItems" | "contains" | "unevaluatedItems" => true,
        "required" | "dependentRequired" | "dependencies" => true,
        _ => false,
    }
}

fn texts(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

fn children(at: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Array(items) => (0..items.len()).map(|n| (n.to_string(), format!("{at}/{n}"))).collect(),
        Value::Object(fields) => fields.keys().map(|name| (name.clone(), below(at, name))).collect(),
        _ => Vec::new(),
    }
}

fn below(at: &str, step: &str) -> String {
    format!("{at}/{}", pointer::escaped(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sent(writer: &Value, document: &Value) -> bool {
        jsonschema::is_valid(&guard(writer), document)
    }

    #[test]
    fn judge_takes_only_declared_fields_for_sent() {
        let writer =
            json!({ "properties": { "a": { "properties": { "b": true } }, "free": { "type": "object" } } });
        assert!(is_sent(&writer, &json!({ "a": { "b": 1 }, "free": { "any": 1 } })));
        assert!(!is_sent(&writer, &json!({ "other": 1 })));
        assert!(!is_sent(&writer, &json!({ "a": { "c": 1 } })));
    }

    #[test]
    fn judge_adds_up_what_all_branches_declare() {
        let writer = json!({
            "allOf": [{ "properties": { "a": true } }, { "$ref": "#/$defs/more" }],
            "oneOf": [{ "properties": { "c": { "const": 1 } } }, { "required": ["d"] }],
            "$defs": { "more": { "properties": { "b": { "items": { "$ref": "#" } } } } },
        });
        assert!(is_sent(&writer, &json!({ "a": 1, "b": [{ "a": 1 }], "c": 2 })));
        assert!(is_sent(&writer, &json!({ "d": 1 })));
        assert!(!is_sent(&writer, &json!({ "e": 1 })));
        assert!(!is_sent(&writer, &json!({ "b": [{ "b": [{ "e": 1 }] }] })));
    }

    #[test]
    fn judge_takes_required_fields_for_declared() {
        let writer =
            json!({ "properties": { "a": true }, "required": ["id"], "dependentRequired": { "a": ["b"] } });
        assert!(is_sent(&writer, &json!({ "a": 1, "id": 1, "b": 1 })));
        assert!(!is_sent(&writer, &json!({ "c": 1 })));
        assert!(is_sent(&json!({ "required": ["id"] }), &json!({ "c": 1 })));
    }

    #[test]
    fn judge_leaves_open_what_cannot_be_followed() {
        let writer = json!({ "properties": { "a": { "$ref": "other.json" } } });
        assert!(is_sent(&writer, &json!({ "a": { "x": 1 } })));
        let map =
            json!({ "properties": { "a": true }, "additionalProperties": { "properties": { "b": true } } });
        assert!(is_sent(&map, &json!({ "x": { "b": 1 } })));
        assert!(!is_sent(&map, &json!({ "x": { "c": 1 } })));
    }
}

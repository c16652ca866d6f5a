//! An independent validator of JSON Schema, told what our language means beyond it.

use factum_contract::Contract;
use serde_json::{Value, json};

/// Rules of ours that JSON Schema does not have.
pub(crate) const OURS: [&str; 4] = ["key", "identifier", "identifiers", "duplicate-field"];

/// The contract's schema for the independent validator.
pub(crate) fn theirs(contract: &Contract) -> jsonschema::Validator {
    let mut schema = contract.document.get("payload").unwrap().to_json();
    as_meant(&mut schema);
    built(&schema)
}

/// A schema for the independent validator, formats and patterns included.
pub(crate) fn built(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .with_format("decimal", |text: &str| {
            let plain = text.strip_prefix('-').unwrap_or(text);
            let has_form = plain.split('.').count() <= 2
                && plain
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
            has_form
                && (!plain.starts_with('0') || plain.starts_with("0.") || plain == "0")
                && plain.len() <= 29
        })
        .build(schema)
        .unwrap()
}

/// Says in JSON Schema what our language means: an extensible enum accepts any text, and what has `properties` or
/// `items` is an object or a list.
fn as_meant(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if object.get("extensible") == Some(&json!(true)) {
        let is_nullable = object["enum"].as_array().unwrap().contains(&Value::Null);
        object.remove("enum");
        object.insert("type".into(), if is_nullable { json!(["string", "null"]) } else { json!("string") });
    }
    for (key, kind) in [("properties", "object"), ("items", "array")] {
        if object.contains_key(key) && !object.contains_key("type") {
            object.insert("type".into(), json!(kind));
        }
    }
    for key in ["properties", "$defs"] {
        let named = object.get_mut(key).and_then(Value::as_object_mut);
        named.into_iter().flat_map(|named| named.values_mut()).for_each(as_meant);
    }
    for key in ["items", "additionalProperties"] {
        object.get_mut(key).into_iter().for_each(as_meant);
    }
}

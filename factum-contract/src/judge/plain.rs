//! A validator of the JSON Schema that contracts are turned into, in its dialect of 2020-12 and in few words.
//!
//! It spares programs a whole validator that they would ask for nothing more. A schema with any other word is not
//! compiled, so that nothing is confirmed that was not understood. Its messages are those of the whole validator.

use std::cmp::Ordering;

use factum_core::pointer;
use serde_json::{Map, Value};

use super::dialect::Formats;
use super::exact::Exact;
use super::pattern::Pattern;
use super::witness::Refusal;
use super::{BreakRule, format};

/// Most schemas on the way to a value; more are a circle.
const DEPTH_MAX: usize = 512;

/// Words from an enumeration that a message names when there are many.
const WORDS_NAMED: usize = 2;

pub(super) struct Validator {
    root: Value,
    formats: Formats,
}

/// Why a value is not known to be valid: refused, or beyond what is understood.
type Checked = Result<(), Option<Box<Refusal>>>;

/// Where a check stands, in the document and in the schema.
#[derive(Debug, Clone, Default)]
struct Place {
    path: String,
    schema_path: String,
    depth: usize,
}

impl Validator {
    pub(super) fn new(schema: &Value, formats: Formats) -> Result<Self, String> {
        understand(schema, schema)?;
        Ok(Self { root: schema.clone(), formats })
    }

    pub(super) fn is_valid(&self, document: &Value) -> bool {
        self.check(&self.root, document, &Place::default()).is_ok()
    }

    pub(super) fn refusal(&self, document: &Value) -> Option<Refusal> {
        let refused = self.check(&self.root, document, &Place::default()).err()?;
        refused.map(|refusal| *refusal)
    }

    fn check(&self, schema: &Value, value: &Value, at: &Place) -> Checked {
        match schema {
            Value::Object(keywords) => keywords
                .iter()
                .try_for_each(|(keyword, said)| self.keyword(keyword, said, keywords, value, at)),
            Value::Bool(true) => Ok(()),
            _ => refuse(at, "", BreakRule::Never, format!("False schema does not allow {value}")),
        }
    }

    fn keyword(
        &self,
        keyword: &str,
        said: &Value,
        beside: &Map<String, Value>,
        value: &Value,
        at: &Place,
    ) -> Checked {
        let refused = |rule, message| refuse(at, keyword, rule, message);
        match (keyword, value) {
            ("type", value) if !is_of(said, value) => {
                refused(BreakRule::Type, format!("{value} is not of {}", types(said)))
            }
            ("enum", value) if !said.as_array().is_some_and(|words| words.contains(value)) => {
                refused(BreakRule::Values, format!("{value} is not one of {}", listed(said)))
            }
            ("allOf", value) => items(said).enumerate().try_for_each(|(index, part)| {
                self.check(part, value, &at.deeper(&format!("/allOf/{index}"), None)?)
            }),
            ("$ref", value) => {
                let pointer = said.as_str().and_then(|text| text.strip_prefix('#')).ok_or(None)?;
                let mut at = at.deeper("", None)?;
                pointer.clone_into(&mut at.schema_path);
                self.check(self.root.pointer(pointer).ok_or(None)?, value, &at)
            }
            (_, Value::Object(fields)) => self.object(keyword, said, beside, fields, at),
            (_, Value::Array(list)) => self.list(keyword, said, list, value, at),
            (_, Value::String(text)) => self.text(keyword, said, text, at),
            (_, Value::Number(number)) => {
                let (Some(number), Some(bound)) = (Exact::of(number), said.as_number().and_then(Exact::of))
                else {
                    return if is_of_numbers(keyword) { Err(None) } else { Ok(()) };
                };
                let order = number.compare(bound);
                let (is_kept, rule, words) = match keyword {
                    "minimum" => (order != Ordering::Less, BreakRule::Bounds, "less than the minimum of"),
                    "maximum" => {
                        (order != Ordering::Greater, BreakRule::Bounds, "greater than the maximum of")
                    }
                    "exclusiveMinimum" => (
                        order == Ordering::Greater,
                        BreakRule::Bounds,
                        "less than or equal to the minimum of",
                    ),
                    "exclusiveMaximum" => (
                        order == Ordering::Less,
                        BreakRule::Bounds,
                        "greater than or equal to the maximum of",
                    ),
                    "multipleOf" => {
                        (number.over(bound).ok_or(None)?.1, BreakRule::Multiple, "not a multiple of")
                    }
                    _ => return Ok(()),
                };
                if is_kept { Ok(()) } else { refused(rule, format!("{value} is {words} {said}")) }
            }
            _ => Ok(()),
        }
    }

    fn object(
        &self,
        keyword: &str,
        said: &Value,
        beside: &Map<String, Value>,
        fields: &Map<String, Value>,
        at: &Place,
    ) -> Checked {
        let declared = |name: &str| beside.get("properties").and_then(|properties| properties.get(name));
        match keyword {
            "properties" => fields.iter().try_for_each(|(name, value)| {
                let Some(schema) = said.get(name) else { return Ok(()) };
                self.check(
                    schema,
                    value,
                    &at.deeper(&format!("/properties/{}", pointer::escaped(name)), Some(name))?,
                )
            }),
            "additionalProperties" if said == &Value::Bool(false) => {
                let unexpected: Vec<String> = fields
                    .keys()
                    .filter(|name| declared(name).is_none())
                    .map(|name| format!("'{name}'"))
                    .collect();
                let were = if unexpected.len() == 1 { "was" } else { "were" };
                if unexpected.is_empty() {
                    return Ok(());
                }
                let unexpected = unexpected.join(", ");
                let message =
                    format!("Additional properties are not allowed ({unexpected} {were} unexpected)");
                refuse(at, keyword, BreakRule::FieldRefused, message)
            }
            "additionalProperties" => fields.iter().try_for_each(|(name, value)| match declared(name) {
                Some(_) => Ok(()),
                None => self.check(said, value, &at.deeper("/additionalProperties", Some(name))?),
            }),
            "required" => {
                match items(said).find(|name| !name.as_str().is_some_and(|name| fields.contains_key(name))) {
                    None => Ok(()),
                    Some(name) => {
                        refuse(at, keyword, BreakRule::FieldMissing, format!("{name} is a required property"))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn list(&self, keyword: &str, said: &Value, list: &[Value], value: &Value, at: &Place) -> Checked {
        if keyword == "items" {
            return list.iter().enumerate().try_for_each(|(index, item)| {
                self.check(said, item, &at.deeper("/items", Some(&index.to_string()))?)
            });
        }
        let words = match (keyword, said.as_u64()) {
            ("minItems", Some(min)) if (list.len() as u64) < min => "less",
            ("maxItems", Some(max)) if list.len() as u64 > max => "more",
            _ => return Ok(()),
        };
        let message = format!("{value} has {words} than {}", count(said, "item"));
        refuse(at, keyword, BreakRule::ItemCount, message)
    }

    fn text(&self, keyword: &str, said: &Value, text: &str, at: &Place) -> Checked {
        let value = Value::from(text);
        let length = || text.chars().count() as u64;
        let (rule, message) = match (keyword, said.as_u64(), said.as_str()) {
            ("minLength", Some(min), _) if length() < min => {
                (BreakRule::Length, format!("{value} is shorter than {}", count(said, "character")))
            }
            ("maxLength", Some(max), _) if length() > max => {
                (BreakRule::Length, format!("{value} is longer than {}", count(said, "character")))
            }
            ("pattern", _, Some(pattern)) if !Pattern::new(pattern).is_match(text).ok_or(None)? => {
                (BreakRule::Pattern, format!("{value} does not match {said}"))
            }
            ("format", _, Some(name))
                if self.formats == Formats::Asserted && format::is(name, text) == Some(false) =>
            {
                (BreakRule::Format, format!("{value} is not a {said}"))
            }
            _ => return Ok(()),
        };
        refuse(at, keyword, rule, message)
    }
}

impl Place {
    /// A part of the schema for a part of the document, or for the same value.
    fn deeper(&self, schema_path: &str, name: Option<&str>) -> Result<Self, Option<Box<Refusal>>> {
        if self.depth >= DEPTH_MAX {
            return Err(None);
        }
        let mut at = Self { depth: self.depth + 1, ..self.clone() };
        at.schema_path.push_str(schema_path);
        if let Some(name) = name {
            at.path.push('/');
            at.path.push_str(&pointer::escaped(name));
        }
        Ok(at)
    }
}

/// Whether every word of a schema is one of those that are checked.
fn understand(schema: &Value, root: &Value) -> Result<(), String> {
    let Value::Object(keywords) = schema else {
        return if schema.is_boolean() {
            Ok(())
        } else {
            Err("a schema is neither an object nor a truth".into())
        };
    };
    keywords.iter().try_for_each(|(keyword, said)| {
        let is_simple = match keyword.as_str() {
            "properties" | "$defs" => {
                return said
                    .as_object()
                    .into_iter()
                    .flat_map(Map::values)
                    .try_for_each(|part| understand(part, root));
            }
            "allOf" => return items(said).try_for_each(|part| understand(part, root)),
            "additionalProperties" | "items" => return understand(said, root),
            "patternProperties" => said.as_object().is_some_and(Map::is_empty),
            "$ref" => {
                let target =
                    said.as_str().and_then(|text| text.strip_prefix('#')).and_then(|at| root.pointer(at));
                target.is_some()
            }
            "$schema" => said == "https://json-schema.org/draft/2020-12/schema",
            "type" => items(said).chain(said.is_string().then_some(said)).all(Value::is_string),
            "enum" => items(said).all(|word| word.is_string() || word.is_null()),
            "required" => items(said).all(Value::is_string),
            "pattern" | "format" => said.is_string(),
            "minItems" | "maxItems" | "minLength" | "maxLength" => said.is_u64(),
            keyword => is_of_numbers(keyword) && said.is_number(),
        };
        if is_simple {
            Ok(())
        } else {
            Err(format!("a schema says `{keyword}: {said}`, which no contract does"))
        }
    })
}

fn is_of_numbers(keyword: &str) -> bool {
    matches!(keyword, "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf")
}

fn is_of(types: &Value, value: &Value) -> bool {
    let is_one = |name: &Value| match (name.as_str().unwrap_or_default(), value) {
        ("integer", Value::Number(number)) => {
            Exact::of(number).and_then(|number| number.over(Exact::ONE)).is_some_and(|(_, is_whole)| is_whole)
        }
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        _ => false,
    };
    types.as_array().map_or_else(|| is_one(types), |types| types.iter().any(is_one))
}

fn types(said: &Value) -> String {
    let Value::Array(types) = said else { return format!("type {said}") };
    let mut types: Vec<String> = types.iter().map(Value::to_string).collect();
    types.sort_by_key(|name| (name != "\"null\"", name.clone()));
    format!("types {}", types.join(", "))
}

fn listed(words: &Value) -> String {
    let words: Vec<String> = items(words).map(Value::to_string).collect();
    match words.as_slice() {
        [words @ .., last] if (1..=WORDS_NAMED).contains(&words.len()) => {
            format!("{} or {last}", words.join(", "))
        }
        [named @ .., _] if !named.is_empty() => {
            format!("{} or {} other candidates", words[..WORDS_NAMED].join(", "), words.len() - WORDS_NAMED)
        }
        words => words.join(", "),
    }
}

fn count(number: &Value, of: &str) -> String {
    format!("{number} {of}{}", if number.as_u64() == Some(1) { "" } else { "s" })
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn refuse(at: &Place, keyword: &str, rule: BreakRule, message: String) -> Checked {
    let mut schema_path = at.schema_path.clone();
    if !keyword.is_empty() {
        schema_path.push('/');
        schema_path.push_str(keyword);
    }
    Err(Some(Box::new(Refusal { rule, path: at.path.clone(), schema_path, message })))
}

#[cfg(all(test, feature = "tooling"))]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{lenient, whole};
    use super::*;

    fn one_of(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
        prop::sample::select(values.to_vec())
    }

    fn leaf() -> impl Strategy<Value = Value> {
        one_of(&[
            json!({ "type": "string" }),
            json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 2 }),
            json!({ "type": "string", "pattern": "^a" }),
            json!({ "type": "string", "format": "uuid" }),
            json!({ "type": "string", "format": "unheard-of" }),
            json!({ "type": "string", "enum": ["a"] }),
            json!({ "type": ["string", "null"], "enum": ["a", "b", null] }),
            json!({ "type": "string", "enum": ["a", "b", "c", "d"] }),
            json!({ "type": "integer", "minimum": 1, "maximum": 2 }),
            json!({ "type": ["integer", "null"], "multipleOf": 2 }),
            json!({ "type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 2 }),
            json!({ "type": "boolean" }),
        ])
    }

    fn schema() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(3, 16, 3, |inner| {
            let fields = prop::collection::btree_map(name(), inner.clone(), 0..4);
            let required = prop::sample::subsequence(vec!["a", "a/b", "c"], 0..3);
            prop_oneof![
                (fields, required, any::<bool>()).prop_map(|(fields, required, is_closed)| {
                    let mut object = json!({ "type": "object", "properties": fields, "required": required });
                    if is_closed {
                        object["additionalProperties"] = json!(false);
                    }
                    object
                }),
                inner.clone().prop_map(|values| json!({ "type": "object", "additionalProperties": values })),
                (inner, 0..3_u8).prop_map(|(items, min)| {
                    json!({ "type": ["array", "null"], "items": items, "minItems": min, "maxItems": 2 })
                }),
            ]
        })
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "a/b", "c", ""]).prop_map(str::to_owned)
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = one_of(&[
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(2.0),
            json!(3),
            json!(0.5),
            json!("a"),
            json!("b"),
            json!("e"),
            json!(""),
            json!("äöü"),
            json!("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"),
        ]);
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(name(), inner, 0..4).prop_map(|fields| json!(fields)),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn judge_confirms_at_run_time_what_the_tools_confirm(schema in schema(), documents in prop::collection::vec(document(), 8)) {
            let formats = Formats::Asserted;
            for schema in [lenient::guard(&schema), schema] {
                let plain = Validator::new(&schema, formats).expect("its words are those of contracts");
                let whole = whole::Validator::new(&schema, formats).expect("it is a schema");
                for document in &documents {
                    prop_assert_eq!(plain.is_valid(document), whole.is_valid(document), "{} {}", schema, document);
                    if let Some(refusal) = plain.refusal(document) {
                        let all = whole.refusals(document);
                        prop_assert!(all.contains(&refusal), "{:?} is none of {:?}", refusal, all);
                    }
                }
            }
        }
    }

    #[test]
    fn judge_confirms_nothing_at_run_time_that_it_does_not_understand() {
        for schema in [
            json!({ "contains": true }),
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "string" }),
            json!({ "properties": { "a": { "not": true } } }),
            json!({ "enum": [1] }),
            json!({ "$ref": "https://example.org/other" }),
        ] {
            assert!(Validator::new(&schema, Formats::Told).is_err(), "{schema}");
        }
        let circle = Validator::new(&json!({ "$ref": "#" }), Formats::Told).expect("its words are known");
        assert!(!circle.is_valid(&json!(1)));
        assert_eq!(circle.refusal(&json!(1)), None);
    }
}

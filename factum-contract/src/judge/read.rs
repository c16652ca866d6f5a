//! Reads a JSON Schema document into the graph.
//!
//! What is not understood exactly becomes an opaque rule with its reason: a comparison may still succeed around it,
//! and says "unknown" where it matters. Never follows a reference out of the document.

use std::collections::{BTreeMap, HashMap};

use factum_core::pointer;
use serde_json::{Map, Value};

use super::dialect::{Dialect, Formats};
use super::exact::Exact;
use super::graph::{Constant, Contains, FieldRules, Graph, Identity, ItemRules, Kind, Kinds, Rule, RuleId};

mod unevaluated;

/// How deep schemas may be nested; deeper ones are opaque.
const DEPTH_MAX: usize = 200;

/// Reads one document.
pub(super) fn read(graph: &mut Graph, document: &Value, formats: Formats) -> RuleId {
    let dialect = Dialect::of(document);
    let id_key = if dialect == Dialect::Draft4 { "id" } else { "$id" };
    let has_islands = children(document).any(|child| has_id_inside(child, id_key));
    let mut reader =
        Reader { graph, document, dialect, formats, has_islands, known: HashMap::new(), depth: 0 };
    reader.schema(document, "")
}

/// A place of the document that was read, or is being read.
enum Place {
    Open { link: Option<usize> },
    Done(RuleId),
}

struct Reader<'d> {
    graph: &'d mut Graph,
    document: &'d Value,
    dialect: Dialect,
    formats: Formats,
    has_islands: bool,
    known: HashMap<String, Place>,
    depth: usize,
}

type Keywords = Map<String, Value>;

impl<'d> Reader<'d> {
    fn schema(&mut self, schema: &'d Value, at: &str) -> RuleId {
        match self.known.get_mut(at) {
            Some(Place::Done(id)) => return *id,
            Some(Place::Open { link }) => {
                let slot = *link.get_or_insert_with(|| self.graph.link());
                return self.graph.add(Rule::Link(slot));
            }
            None => {}
        }
        if self.depth >= DEPTH_MAX {
            return self.opaque("schemas are nested too deeply");
        }
        self.known.insert(at.to_owned(), Place::Open { link: None });
        self.depth += 1;
        let id = match schema {
            Value::Bool(true) => self.graph.anything(),
            Value::Bool(false) => self.graph.nothing(),
            Value::Object(keywords) => self.keywords(keywords, at),
            _ => self.opaque("a schema is neither an object nor true or false"),
        };
        self.depth -= 1;
        if let Some(Place::Open { link: Some(link) }) = self.known.insert(at.to_owned(), Place::Done(id)) {
            self.graph.tie(link, id);
        }
        id
    }

    fn keywords(&mut self, keywords: &'d Keywords, at: &str) -> RuleId {
        if self.dialect.is_foreign() {
            return self.opaque("the schema is written in a dialect that is not known");
        }
        if self.dialect.is_old()
            && let Some(reference) = keywords.get("$ref")
        {
            return self.reference(reference);
        }
        let mut parts = Vec::new();
        for (keyword, value) in keywords {
            let part = self.keyword(keywords, keyword, value, at);
            parts.extend(part);
        }
        let whole = self.graph.add(Rule::All(parts));
        if self.dialect.is_old() { whole } else { self.unevaluated(keywords, at, whole) }
    }

    fn keyword(&mut self, all: &'d Keywords, keyword: &str, value: &'d Value, at: &str) -> Option<RuleId> {
        if !self.dialect.has_word(keyword) {
            return None;
        }
        let is_new = !self.dialect.is_old();
        let rule = match keyword {
            "type" => return Some(self.kinds(value)),
            "enum" => match value.as_array() {
                Some(values) => Rule::Values(constants(values)),
                None => return Some(self.malformed(keyword)),
            },
            "const" => Rule::Values(constants(std::slice::from_ref(value))),
            "allOf" => Rule::All(self.list(value, at, keyword)?),
            "anyOf" => Rule::Any(self.list(value, at, keyword)?),
            "oneOf" => Rule::One(self.list(value, at, keyword)?),
            "not" => Rule::Not(self.child(value, at, &[keyword])),
            "if" => return self.condition(all, value, at),
            "exclusiveMinimum" | "exclusiveMaximum" if self.dialect == Dialect::Draft4 => return None,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => match exact(value) {
                Some(at) => self.bound(all, keyword, at),
                None => return Some(self.malformed(keyword)),
            },
            "multipleOf" => match exact(value).filter(|step| step.is_positive()) {
                Some(step) => Rule::Multiple(step),
                None => return Some(self.malformed(keyword)),
            },
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                match count(value) {
                    Some(count) => counted(keyword, count),
                    None => return Some(self.malformed(keyword)),
                }
            }
            "pattern" => match value.as_str() {
                Some(pattern) => Rule::Pattern(pattern.to_owned()),
                None => return Some(self.malformed(keyword)),
            },
            "format" if self.formats == Formats::Asserted => Rule::Format(value.as_str()?.to_owned()),
            "items" | "prefixItems" => return self.items(all, keyword, at),
            "contains" => self.contains(all, value, at),
            "uniqueItems" if value == &Value::Bool(true) => Rule::Distinct,
            "properties" | "patternProperties" | "additionalProperties" => {
                return self.fields(all, keyword, at);
            }
            "required" => match names(value) {
                Some(names) => return Some(self.required(names)),
                None => return Some(self.malformed(keyword)),
            },
            "propertyNames" => Rule::Names(self.child(value, at, &[keyword])),
            "dependencies" | "dependentRequired" | "dependentSchemas" => {
                return self.dependencies(keyword, value, at);
            }
            "$ref" => return Some(self.reference(value)),
            // Newer dialects only tell what a text holds; in this one validators may check it.
            "contentEncoding" | "contentMediaType" if !is_new => {
                return Some(self.opaque("what a text holds is not looked into"));
            }
            "$dynamicRef" | "$recursiveRef" if is_new => {
                return Some(self.opaque("references that depend on where they are used are not followed"));
            }
            _ => return None,
        };
        Some(self.graph.add(rule))
    }

    fn child(&mut self, schema: &'d Value, at: &str, steps: &[&str]) -> RuleId {
        self.schema(schema, &below(at, steps))
    }

    fn list(&mut self, value: &'d Value, at: &str, keyword: &str) -> Option<Vec<RuleId>> {
        let schemas = value.as_array()?;
        Some(
            (0..)
                .zip(schemas)
                .map(|(n, one): (usize, _)| self.child(one, at, &[keyword, &n.to_string()]))
                .collect(),
        )
    }

    fn kinds(&mut self, value: &Value) -> RuleId {
        let words: Vec<&str> = match value {
            Value::String(word) => vec![word],
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut kinds = Kinds::default();
        for word in &words {
            let kind = match *word {
                "null" => Kind::Null,
                "boolean" => Kind::Bool,
                "number" | "integer" => Kind::Number,
                "string" => Kind::Text,
                "array" => Kind::List,
                "object" => Kind::Object,
                _ => return self.graph.opaque(format!("`{word}` is not a type")),
            };
            kinds = kinds.and(kind);
        }
        if words.is_empty() {
            return self.malformed("type");
        }
        let kinds = self.graph.add(Rule::Kinds(kinds));
        if !words.contains(&"integer") || words.contains(&"number") {
            return kinds;
        }
        let whole = self.graph.add(Rule::Multiple(Exact::ONE));
        self.graph.add(Rule::All(vec![kinds, whole]))
    }

    fn bound(&self, all: &Keywords, keyword: &str, at: Exact) -> Rule {
        let (beside, is_low) = match keyword {
            "minimum" | "exclusiveMinimum" => ("exclusiveMinimum", true),
            _ => ("exclusiveMaximum", false),
        };
        let is_open = match self.dialect {
            Dialect::Draft4 => all.get(beside) == Some(&Value::Bool(true)),
            _ => keyword == beside,
        };
        if is_low { Rule::NumberMin { at, is_open } } else { Rule::NumberMax { at, is_open } }
    }

    fn condition(&mut self, all: &'d Keywords, value: &'d Value, at: &str) -> Option<RuleId> {
        if !all.contains_key("then") && !all.contains_key("else") {
            return None;
        }
        let holds = self.child(value, at, &["if"]);
        let fails = self.graph.add(Rule::Not(holds));
        let mut parts = Vec::new();
        for (keyword, guard) in [("then", fails), ("else", holds)] {
            if let Some(schema) = all.get(keyword) {
                let then = self.child(schema, at, &[keyword]);
                parts.push(self.graph.add(Rule::Any(vec![guard, then])));
            }
        }
        Some(self.graph.add(Rule::All(parts)))
    }

    /// `items`, `prefixItems` and `additionalItems` are one rule; it is made at the first of them.
    fn items(&mut self, all: &'d Keywords, keyword: &str, at: &str) -> Option<RuleId> {
        if keyword == "items" && all.contains_key("prefixItems") && self.dialect.has_prefix_items() {
            return None;
        }
        let (tuple, rest) = match all.get("items") {
            Some(Value::Array(_)) => ("items", "additionalItems"),
            _ => ("prefixItems", "items"),
        };
        if keyword == "prefixItems" && !self.dialect.has_prefix_items() {
            return None;
        }
        if tuple == "items" && self.dialect.has_prefix_items() {
            return Some(self.malformed("items"));
        }
        let first = match all.get(tuple) {
            Some(schemas) if tuple == "items" || self.dialect.has_prefix_items() => {
                self.list(schemas, at, tuple)?
            }
            _ => Vec::new(),
        };
        let rest = match all.get(rest) {
            Some(schema) => self.child(schema, at, &[rest]),
            None => self.graph.anything(),
        };
        Some(self.graph.add(Rule::Items(ItemRules { first, rest })))
    }

    fn contains(&mut self, all: &'d Keywords, value: &'d Value, at: &str) -> Rule {
        let item = self.child(value, at, &["contains"]);
        let bound = |keyword: &str| match self.dialect {
            Dialect::Draft4 | Dialect::Draft7 => None,
            _ => all.get(keyword).and_then(count),
        };
        Rule::Contains(Contains { item, min: bound("minContains").unwrap_or(1), max: bound("maxContains") })
    }

    /// `properties`, `patternProperties` and `additionalProperties` are one rule; it is made at the first of them.
    fn fields(&mut self, all: &'d Keywords, keyword: &str, at: &str) -> Option<RuleId> {
        let order = ["properties", "patternProperties", "additionalProperties"];
        if order.into_iter().find(|name| all.contains_key(*name)) != Some(keyword) {
            return None;
        }
        let rules = self.field_rules(all, at, None)?;
        Some(self.graph.add(Rule::Fields(rules)))
    }

    fn field_rules(&mut self, all: &'d Keywords, at: &str, rest: Option<RuleId>) -> Option<FieldRules> {
        let mut named = BTreeMap::new();
        if let Some(properties) = all.get("properties") {
            for (name, schema) in properties.as_object()? {
                named.insert(name.clone(), self.child(schema, at, &["properties", name]));
            }
        }
        let mut patterns = Vec::new();
        if let Some(properties) = all.get("patternProperties") {
            for (pattern, schema) in properties.as_object()? {
                patterns.push((pattern.clone(), self.child(schema, at, &["patternProperties", pattern])));
            }
        }
        let rest = match (rest, all.get("additionalProperties")) {
            (Some(rest), _) => rest,
            (None, Some(schema)) => self.child(schema, at, &["additionalProperties"]),
            (None, None) => self.graph.anything(),
        };
        Some(FieldRules { named, patterns, rest })
    }

    fn required(&mut self, names: Vec<&str>) -> RuleId {
        let parts = names.into_iter().map(|name| self.graph.add(Rule::Required(name.to_owned()))).collect();
        self.graph.add(Rule::All(parts))
    }

    fn dependencies(&mut self, keyword: &str, value: &'d Value, at: &str) -> Option<RuleId> {
        if (keyword == "dependencies") != self.dialect.is_old() && keyword != "dependencies" {
            return None;
        }
        let mut parts = Vec::new();
        for (name, needs) in value.as_object()? {
            let then = match names(needs) {
                Some(names) if keyword != "dependentSchemas" => self.required(names),
                _ => self.child(needs, at, &[keyword, name]),
            };
            parts.push(self.whenever(name, then));
        }
        Some(self.graph.add(Rule::All(parts)))
    }

    /// The rule holds wherever the field is present.
    fn whenever(&mut self, name: &str, then: RuleId) -> RuleId {
        let present = self.present(name);
        let absent = self.graph.add(Rule::Not(present));
        self.graph.add(Rule::Any(vec![absent, then]))
    }

    /// The value is an object that has the field.
    fn present(&mut self, name: &str) -> RuleId {
        let object = self.graph.add(Rule::Kinds(Kinds::default().and(Kind::Object)));
        let required = self.graph.add(Rule::Required(name.to_owned()));
        self.graph.add(Rule::All(vec![object, required]))
    }

    fn reference(&mut self, reference: &'d Value) -> RuleId {
        let Some(pointer) = self.pointer(reference) else {
            return self.foreign(reference);
        };
        let Some(target) = self.document.pointer(&pointer) else {
            return self.opaque("a reference leads nowhere");
        };
        self.schema(target, &pointer)
    }

    fn own_id(&self) -> &'d str {
        let key = if self.dialect == Dialect::Draft4 { "id" } else { "$id" };
        self.document.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn pointer(&self, reference: &Value) -> Option<String> {
        let text = reference.as_str()?;
        let id = self.own_id();
        let fragment = text.strip_prefix(id).unwrap_or(text).strip_prefix('#')?;
        if self.has_islands {
            return None;
        }
        if fragment.is_empty() || fragment.starts_with('/') {
            return Some(percent_decoded(fragment));
        }
        let mut found = None;
        find_anchor(self.document, fragment, "", &mut found);
        found
    }

    /// What another document says: not known, but the same wherever the same address is written.
    fn foreign(&mut self, reference: &Value) -> RuleId {
        let why = "a reference leads out of the document".to_owned();
        let id = self.own_id();
        let text = reference.as_str().unwrap_or_default();
        let is_own = text.is_empty() || text.starts_with('#') || (!id.is_empty() && text.starts_with(id));
        if is_own || self.has_islands {
            return self.graph.opaque(why);
        }
        let address = if text.contains("://") { text.to_owned() } else { format!("{id} {text}") };
        self.graph.add(Rule::Opaque { why, identity: Identity::Address(address) })
    }

    fn opaque(&mut self, why: &str) -> RuleId {
        self.graph.opaque(why.to_owned())
    }

    fn malformed(&mut self, keyword: &str) -> RuleId {
        self.graph.opaque(format!("`{keyword}` does not hold what it should"))
    }
}

fn counted(keyword: &str, count: u64) -> Rule {
    match keyword {
        "minLength" => Rule::LengthMin(count),
        "maxLength" => Rule::LengthMax(count),
        "minItems" => Rule::ItemsMin(count),
        "maxItems" => Rule::ItemsMax(count),
        "minProperties" => Rule::FieldsMin(count),
        _ => Rule::FieldsMax(count),
    }
}

fn constants(values: &[Value]) -> Vec<Constant> {
    let mut constants: Vec<Constant> = values.iter().map(Constant::new).collect();
    let mut seen = std::collections::HashSet::new();
    constants.retain(|constant| seen.insert(constant.clone()));
    constants
}

fn exact(value: &Value) -> Option<Exact> {
    Exact::of(value.as_number()?)
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| exact(value)?.to_string().parse().ok())
}

fn names(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn below(at: &str, steps: &[&str]) -> String {
    let mut path = at.to_owned();
    for step in steps {
        path.push('/');
        path.push_str(&pointer::escaped(step));
    }
    path
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a schema has an id, here or below, which would change what references mean.
fn has_id_inside(value: &Value, key: &str) -> bool {
    let is_id = |id: &Value| id.as_str().is_some_and(|id| !id.starts_with('#'));
    value.get(key).is_some_and(is_id) || children(value).any(|child| has_id_inside(child, key))
}

/// What may be schemas below; listed values are not.
fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(fields) => {
            Box::new(fields.iter().filter(|(key, _)| !is_plain(key)).map(|(_, value)| value))
        }
        Value::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn is_plain(keyword: &str) -> bool {
    matches!(keyword, "enum" | "const" | "default" | "examples")
}

fn find_anchor(value: &Value, name: &str, at: &str, found: &mut Option<String>) {
    match value {
        Value::Object(fields) => {
            let has = |keyword: &str, text: &str| fields.get(keyword).and_then(Value::as_str) == Some(text);
            if has("$anchor", name) || has("$id", &format!("#{name}")) {
                found.get_or_insert_with(|| at.to_owned());
            }
            for (key, value) in fields.iter().filter(|(key, _)| !is_plain(key)) {
                find_anchor(value, name, &below(at, &[key]), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_anchor(item, name, &below(at, &[&index.to_string()]), found);
            }
        }
        _ => {}
    }
}

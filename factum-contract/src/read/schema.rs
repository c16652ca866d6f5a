//! Reads a payload's schema: the part of JSON Schema 2020-12 that every generator carries.

use std::collections::HashSet;

use factum_core::pointer;

use crate::finding::{Findings, Span};
use crate::node::{Content, Entry, Node};
use crate::schema::{
    ChoiceShape, Field, Format, IntegerShape, ListShape, NumberShape, ObjectShape, Personal, Role, Schema,
    Shape, TextShape,
};
use crate::validate::{FIELDS_MAX, pattern};

use super::fields::{self, Fields, mismatch};

/// Most schemas in one payload, references counted as often as they are used.
const SCHEMAS_MAX: usize = 5_000;

/// Most words of one enum.
const WORDS_MAX: usize = 1_000;

/// Keywords of JSON Schema that are not carried, with what to write instead.
const REFUSED: &[(&str, &str)] = &[
    ("oneOf", "write a contract per case, or optional fields beside an enum that says which"),
    ("anyOf", "write a contract per case, or optional fields beside an enum that says which"),
    ("allOf", "write the fields out, or share them by `$ref: \"#/$defs/…\"`"),
    ("not", "say what is allowed instead"),
    ("if", "write a contract per case"),
    ("then", "write a contract per case"),
    ("else", "write a contract per case"),
    ("patternProperties", "use `additionalProperties` with one schema for a map"),
    ("propertyNames", "use `additionalProperties` with one schema for a map"),
    ("minProperties", "use a list where the number of entries matters"),
    ("maxProperties", "use a list where the number of entries matters"),
    ("dependentRequired", "nest the fields that go together in an optional object"),
    ("dependentSchemas", "nest the fields that go together in an optional object"),
    ("unevaluatedProperties", "use `additionalProperties`"),
    ("unevaluatedItems", "use `items`"),
    ("prefixItems", "use an object with named fields"),
    ("contains", "check it where the event is decided"),
    ("uniqueItems", "use a map, or check it where the event is decided"),
    ("contentEncoding", "use plain text and say what it holds in the description"),
    ("contentMediaType", "use plain text and say what it holds in the description"),
    ("$id", "references stay inside one payload: `$defs` and `$ref`"),
    ("$anchor", "references stay inside one payload: `$defs` and `$ref`"),
    ("$dynamicRef", "references stay inside one payload: `$defs` and `$ref`"),
    ("definitions", "call it `$defs`"),
    ("nullable", "write `type: [string, \"null\"]`"),
];

/// Reads the schema of a whole payload.
pub(super) fn payload(node: &Node, findings: &mut Findings<'_>) -> Option<Schema> {
    let mut reader =
        Reader { defs: node.get("$defs"), inside: Vec::new(), used: HashSet::new(), count: 0, findings };
    let schema = reader.schema(node, true)?;
    reader.read_unused_defs();
    if !matches!(schema.shape, Shape::Object(_)) || schema.is_nullable {
        findings.error(
            "payload",
            node.span,
            format!("a payload is an object, not {}", schema.shape.as_str()),
        );
        return None;
    }
    Some(schema)
}

/// Reads a schema that stands by itself, without definitions.
#[cfg(feature = "tooling")]
pub(super) fn alone(node: &Node, findings: &mut Findings<'_>) -> Option<Schema> {
    let mut reader = Reader { defs: None, inside: Vec::new(), used: HashSet::new(), count: 0, findings };
    reader.schema(node, true)
}

/// Whether a field can have the name.
pub(super) fn is_field_name(name: &str) -> bool {
    let is_plain = !name.is_empty() && name.len() <= 100 && !name.chars().any(char::is_control);
    is_plain && !name.contains(['.', '[', ']', '{', '}', ':', '/', '~', '"', '\\'])
}

struct Reader<'n, 'f, 'a> {
    defs: Option<&'n Node>,
    inside: Vec<&'n str>,
    used: HashSet<&'n str>,
    count: usize,
    findings: &'f mut Findings<'a>,
}

impl<'n> Reader<'n, '_, '_> {
    fn schema(&mut self, node: &'n Node, is_root: bool) -> Option<Schema> {
        self.begin(node)?;
        let mut keys = Fields::open(node, "a schema", self.findings)?;
        if let Some(target) = keys.get("$ref") {
            return self.reference(target, keys);
        }
        let is_refused = self.refuse_keywords(node);
        let (kind, mut is_nullable) = self.kind(node, &mut keys, is_refused)?;
        let shape = match kind {
            Kind::Object => self.object(&mut keys),
            Kind::Array => self.list(node, &mut keys),
            Kind::String => self.text(&mut keys),
            Kind::Integer => self.integer(&mut keys),
            Kind::Number => self.number(&mut keys),
            Kind::Boolean => Some(Shape::Boolean),
            Kind::Choice => self.choice(&mut keys, &mut is_nullable),
        };
        let title = keys.text("title", self.findings);
        let schema = Schema {
            span: node.span,
            shape: Shape::Boolean,
            is_nullable,
            title,
            description: keys.text("description", self.findings),
            role: keys.word("role", self.findings).unwrap_or(Role::Fact),
            unit: keys.text("unit", self.findings),
            personal: keys.text("personal", self.findings).map(|who| match who.as_str() {
                "self" => Personal::Subject,
                _ => Personal::Of(who),
            }),
            default: keys.get("default").map(Node::to_json),
            is_deprecated: keys.boolean("deprecated", self.findings).unwrap_or(false),
        };
        let refused = REFUSED.iter().map(|(word, _)| *word).filter(|_| is_refused);
        let root = ["$defs", "$schema"].into_iter().filter(|_| is_root);
        // Read elsewhere, refused already, or for people alone.
        for key in ["$comment", "examples", "example"].into_iter().chain(root).chain(refused) {
            keys.get(key);
        }
        keys.finish(self.findings);
        Some(Schema { shape: shape?, ..schema })
    }

    /// Counts a schema; refuses one too many, and one that is no map.
    fn begin(&mut self, node: &Node) -> Option<()> {
        self.count += 1;
        if let Content::Bool(_) = node.content {
            let message = "a schema of true or false is not carried";
            let hint = "say what the value is: `type: string`, `type: object` …";
            self.findings.error_with_hint("schema", node.span, message, hint);
            return None;
        }
        if self.count == SCHEMAS_MAX + 1 {
            let message = format!("the payload has more than {SCHEMAS_MAX} schemas, references counted");
            self.findings.error("size", node.span, message);
        }
        (self.count <= SCHEMAS_MAX).then_some(())
    }

    /// `$ref: "#/$defs/Money"`: the definition, in place.
    fn reference(&mut self, target: &'n Node, mut keys: Fields<'n>) -> Option<Schema> {
        let text = fields::text(target, self.findings)?;
        let description = keys.text("description", self.findings);
        let role = keys.word::<Role>("role", self.findings);
        let unit = keys.text("unit", self.findings);
        keys.finish(self.findings);
        let name = text.strip_prefix("#/$defs/").map(pointer::unescaped);
        let Some(name) = name else {
            let message = format!("expected a reference of the form #/$defs/Name, found {text:?}");
            let hint = "references stay inside one payload; nothing is fetched from elsewhere";
            self.findings.error_with_hint("reference", target.span, message, hint);
            return None;
        };
        let entries: &'n [Entry] = match self.defs.map(|defs| &defs.content) {
            Some(Content::Map(entries)) => entries,
            _ => &[],
        };
        let Some(entry) = entries.iter().find(|entry| entry.key == name) else {
            let known = entries.iter().map(|entry| entry.key.as_str());
            self.findings.unknown(
                "reference",
                target.span,
                format!("there is no $defs/{name}"),
                &name,
                known,
            );
            return None;
        };
        if self.inside.contains(&entry.key.as_str()) {
            let message = format!("$defs/{name} contains itself");
            let hint = "payloads are finite; carry a list of parts with an id of their parent instead";
            self.findings.error_with_hint("reference", target.span, message, hint);
            return None;
        }
        self.used.insert(&entry.key);
        self.inside.push(&entry.key);
        let schema = self.schema(&entry.value, false);
        self.inside.pop();
        let mut schema = schema?;
        schema.title.get_or_insert(name.into_owned());
        schema.description = description.or(schema.description);
        schema.role = role.unwrap_or(schema.role);
        schema.unit = unit.or(schema.unit);
        Some(schema)
    }

    /// Definitions that nobody refers to are read too, so that their mistakes are found.
    fn read_unused_defs(&mut self) {
        let Some(Content::Map(entries)) = self.defs.map(|defs| &defs.content) else { return };
        for entry in entries {
            if !self.used.contains(entry.key.as_str()) {
                let message = format!("nothing refers to $defs/{}", entry.key);
                self.findings.warning("unused-definition", entry.key_span, message, "remove it");
                self.schema(&entry.value, false);
            }
        }
    }

    fn refuse_keywords(&mut self, node: &Node) -> bool {
        let Content::Map(entries) = &node.content else { return false };
        let mut is_refused = false;
        for entry in entries {
            if let Some((word, instead)) = REFUSED.iter().find(|(word, _)| *word == entry.key) {
                let message = format!("`{word}` is not carried: not every generated language can say it");
                self.findings.error_with_hint("not-carried", entry.key_span, message, *instead);
                is_refused = true;
            }
        }
        is_refused
    }

    fn kind(&mut self, node: &'n Node, keys: &mut Fields<'n>, is_refused: bool) -> Option<(Kind, bool)> {
        let mut is_nullable = false;
        let mut named: Option<(&str, &Node)> = None;
        if let Some(types) = keys.get("type") {
            let list = match &types.content {
                Content::List(nodes) => nodes.iter().collect(),
                _ => vec![types],
            };
            for one in list {
                let word = match one.content {
                    Content::Null => "null",
                    _ => fields::text(one, self.findings)?,
                };
                match (word, named) {
                    ("null", _) => is_nullable = true,
                    (_, None) => named = Some((word, one)),
                    (_, Some((first, _))) => {
                        let message = format!("a value is of one `type`, not {first} and {word}");
                        let hint = "give each its own optional field, or its own contract";
                        self.findings.error_with_hint("not-carried", one.span, message, hint);
                        return None;
                    }
                }
            }
        }
        let is_choice = node.get("enum").is_some() || node.get("const").is_some();
        let kind = match named {
            Some(("string", _)) | None if is_choice => Kind::Choice,
            Some((word, one)) => {
                let Some(kind) = Kind::of(word) else {
                    let known = ["string", "integer", "number", "boolean", "object", "array", "null"];
                    let message = format!("expected one of {}, found {word:?}", known.join(" | "));
                    self.findings.unknown("unknown-word", one.span, message, word, known);
                    return None;
                };
                if is_choice {
                    let message = format!("an `enum` or `const` of {word} is not carried");
                    self.findings.error_with_hint("not-carried", one.span, message, "use words: strings");
                    return None;
                }
                kind
            }
            None if node.get("properties").is_some() => Kind::Object,
            None if node.get("items").is_some() => Kind::Array,
            None if is_refused => return None,
            None => {
                let hint = "add `type: string`, `integer`, `number`, `boolean`, `object` or `array`";
                self.findings.error_with_hint("missing-key", node.span, "a schema has no `type`", hint);
                return None;
            }
        };
        Some((kind, is_nullable))
    }

    fn object(&mut self, keys: &mut Fields<'n>) -> Option<Shape> {
        let properties = keys.get("properties");
        let required =
            keys.get("required").map(|node| fields::texts(node, self.findings)).unwrap_or_default();
        let additional = keys.entry("additionalProperties");
        let is_map = additional.is_some_and(|entry| matches!(entry.value.content, Content::Map(_)));
        if let (Some(additional), true) = (additional, is_map) {
            if properties.is_some() {
                let message = "an object has either `properties` or a schema for `additionalProperties`";
                let hint = "put the map into a field of its own";
                self.findings.error_with_hint("not-carried", additional.key_span, message, hint);
                return None;
            }
            return Some(Shape::Map(Box::new(self.schema(&additional.value, false)?)));
        }
        let is_closed = match additional.map(|entry| &entry.value) {
            None | Some(Node { content: Content::Bool(true), .. }) => false,
            Some(Node { content: Content::Bool(false), .. }) => true,
            Some(node) => return mismatch(node, "true, false or a schema", self.findings),
        };
        let entries: &'n [Entry] = match properties.map(|node| &node.content) {
            None => &[],
            Some(Content::Map(entries)) => entries,
            Some(_) => return mismatch(properties?, "a map of fields", self.findings),
        };
        if entries.is_empty() {
            let message = "an object has no `properties`";
            let hint =
                "list its fields, or say what all its values are by `additionalProperties: { type: … }`";
            self.findings.error_with_hint("not-carried", keys.span, message, hint);
        }
        if entries.len() > FIELDS_MAX {
            let message = format!("an object has at most {FIELDS_MAX} fields, found {}", entries.len());
            self.findings.error("bounds", keys.span, message);
            return None;
        }
        for name in &required {
            if !entries.iter().any(|entry| entry.key == name.value) {
                let known = entries.iter().map(|entry| entry.key.as_str());
                let message = format!("`{}` is required but not among the properties", name.value);
                self.findings.unknown("required", name.span, message, &name.value, known);
            }
        }
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            self.check_field_name(&entry.key, entry.key_span);
            let is_required = required.iter().any(|name| name.value == entry.key);
            let Some(schema) = self.schema(&entry.value, false) else { continue };
            let name = entry.key.clone();
            fields.push(Field { name, name_span: entry.key_span, is_required, schema });
        }
        Some(Shape::Object(ObjectShape { fields, is_closed }))
    }

    fn check_field_name(&mut self, name: &str, span: Span) {
        if !is_field_name(name) {
            let message = format!("field name {name:?} is not carried");
            let hint = "use letters, digits, '_' or '-', at most 100 bytes";
            self.findings.error_with_hint("name", span, message, hint);
        }
    }

    fn list(&mut self, node: &'n Node, keys: &mut Fields<'n>) -> Option<Shape> {
        let items_min = keys.count("minItems", self.findings).unwrap_or(0);
        let items_max = keys.count("maxItems", self.findings);
        if items_max.is_some_and(|max| max < items_min) {
            self.findings.error("bounds", node.span, "`maxItems` is below `minItems`");
        }
        let items = keys.required("items")?;
        let items = Box::new(self.schema(items, false)?);
        Some(Shape::List(ListShape { items, items_min, items_max }))
    }

    fn text(&mut self, keys: &mut Fields<'n>) -> Option<Shape> {
        let format = keys.word::<Format>("format", self.findings);
        let length_min = keys.count("minLength", self.findings);
        let length_max = keys.count("maxLength", self.findings);
        if let (Some(min), Some(max)) = (length_min, length_max)
            && max < min
        {
            self.findings.error("bounds", keys.span, "`maxLength` is below `minLength`");
        }
        let mut text = TextShape { format, pattern: None, length_min, length_max };
        if let Some(node) = keys.get("pattern") {
            let source = fields::text(node, self.findings)?;
            if let Err(error) = pattern::compile(source) {
                let hint = "patterns are matched in linear time: no look-around, no back-references";
                self.findings.error_with_hint("pattern", node.span, error.to_string(), hint);
            }
            text.pattern = Some(source.to_owned());
        }
        if let (Some(Format::Uuid | Format::DateTime | Format::Date), true) = (format, text.has_bounds()) {
            let message = "this format has no pattern or length beside it";
            self.findings.error_with_hint("not-carried", keys.span, message, "remove pattern and lengths");
        }
        Some(Shape::Text(text))
    }

    fn integer(&mut self, keys: &mut Fields<'n>) -> Option<Shape> {
        let mut bound = |key| keys.get(key).and_then(|node| fields::integer(node, self.findings));
        let (min, max) = (bound("minimum"), bound("maximum"));
        let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        let multiple_of = bound("multipleOf");
        let min = min.max(above.map(|above| above.saturating_add(1)));
        let below = below.map(|below| below.saturating_sub(1));
        let max = match (max, below) {
            (Some(max), Some(below)) => Some(max.min(below)),
            (max, below) => max.or(below),
        };
        if min.is_some_and(|min| max.is_some_and(|max| max < min)) {
            self.findings.error("bounds", keys.span, "no whole number lies between these bounds");
        }
        if multiple_of.is_some_and(|multiple| multiple < 1) {
            self.findings.error("bounds", keys.span, "`multipleOf` must be 1 or more");
        }
        Some(Shape::Integer(IntegerShape {
            min,
            max,
            multiple_of: multiple_of.filter(|multiple| *multiple > 0),
        }))
    }

    fn number(&mut self, keys: &mut Fields<'n>) -> Option<Shape> {
        let mut bound = |key| keys.number(key, self.findings);
        let number = NumberShape {
            min: bound("minimum"),
            max: bound("maximum"),
            above: bound("exclusiveMinimum"),
            below: bound("exclusiveMaximum"),
        };
        if number.min.is_some_and(|min| number.max.is_some_and(|max| max < min)) {
            self.findings.error("bounds", keys.span, "`maximum` is below `minimum`");
        }
        Some(Shape::Number(number))
    }

    fn choice(&mut self, keys: &mut Fields<'n>, is_nullable: &mut bool) -> Option<Shape> {
        let constant = keys.get("const");
        let list = keys.get("enum");
        let is_extensible = keys.boolean("extensible", self.findings).unwrap_or(false);
        let nodes: Vec<&Node> = match (list, constant) {
            (Some(Node { content: Content::List(nodes), .. }), None) => nodes.iter().collect(),
            (None, Some(constant)) => vec![constant],
            (Some(node), None) => return mismatch(node, "a list of words", self.findings),
            _ => {
                self.findings.error("schema", keys.span, "a value has either `enum` or `const`");
                return None;
            }
        };
        if nodes.len() > WORDS_MAX {
            self.findings.error("bounds", keys.span, format!("an enum has at most {WORDS_MAX} words"));
            return None;
        }
        let mut words: Vec<String> = Vec::new();
        for node in nodes {
            if let (Content::Null, Some(_)) = (&node.content, list) {
                *is_nullable = true;
                continue;
            }
            let word = fields::text(node, self.findings)?;
            if words.iter().any(|known| known == word) {
                self.findings.error("duplicate-word", node.span, format!("{word:?} is given twice"));
            } else {
                words.push(word.to_owned());
            }
        }
        if words.is_empty() {
            self.findings.error("bounds", keys.span, "an enum has a word or more");
            return None;
        }
        Some(Shape::Choice(ChoiceShape { words, is_extensible }))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Choice,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }
}

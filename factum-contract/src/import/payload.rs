//! Schemas of others in the words of contracts.
//!
//! Contracts hold what every generated language can say. A keyword that goes beyond it is left out with a note where
//! the rest still means something; where nothing is left, the field is left out, and where no field is left, the
//! payload. What is carried never refuses an event that the document allows, unless a note says so.

use std::collections::BTreeSet;

use factum_core::pointer;

use crate::generate::payload::is_stand_in;
use crate::node::build::Map;
use crate::node::{Content, Node};

use super::document::{At, Document};

mod object;
mod scalar;

/// Most schemas of one payload, references counted as often as they are used; the same as for contracts.
const SCHEMAS_MAX: usize = 4_000;

/// Deepest nesting of a payload.
const DEPTH_MAX: usize = 40;

/// Keywords that say something and are not carried, with what to do about it.
const NOT_CARRIED: &[(&str, &str)] = &[
    ("not", "say what is allowed instead"),
    ("if", "write a contract per case"),
    ("then", "write a contract per case"),
    ("else", "write a contract per case"),
    ("patternProperties", "a map has values of one kind, under any names"),
    ("propertyNames", "a map has any names"),
    ("minProperties", "check it where the event is decided"),
    ("maxProperties", "check it where the event is decided"),
    ("dependencies", "nest the fields that go together in an optional object"),
    ("dependentRequired", "nest the fields that go together in an optional object"),
    ("dependentSchemas", "nest the fields that go together in an optional object"),
    ("unevaluatedProperties", "use `additionalProperties`"),
    ("unevaluatedItems", "use `items`"),
    ("additionalItems", "use one schema for all items"),
    ("contains", "check it where the event is decided"),
    ("uniqueItems", "check it where the event is decided"),
    ("contentEncoding", "say what the text holds in its description"),
    ("contentMediaType", "say what the text holds in its description"),
    ("nullable", "write `type: [string, \"null\"]`"),
    ("discriminator", "write a contract per case"),
    ("readOnly", "an event is never written back"),
    ("writeOnly", "an event is never written back"),
    ("externalDocs", "put the link into the description"),
];

/// Keywords that are carried, or that say nothing about values.
const KNOWN: &[&str] = &[
    "$ref",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "format",
    "default",
    "deprecated",
    "examples",
    "example",
    "allOf",
    "anyOf",
    "oneOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "x-extensible-enum",
];

/// Keys of our own that say what JSON Schema cannot.
const OURS: &[(&str, &str)] = &[("x-role", "role"), ("x-unit", "unit"), ("x-personal", "personal")];

/// Reads one payload.
pub(super) struct Reader<'d> {
    doc: &'d Document,
    /// Whether `x-` keys are those that we write.
    is_ours: bool,
    /// Places of what is being read, from the outside in.
    inside: Vec<String>,
    count: usize,
}

/// One kind of a payload, under the name that tells it from the others.
pub(super) struct Case {
    pub(super) name: Option<String>,
    pub(super) schema: Map,
}

impl<'d> Reader<'d> {
    pub(super) fn new(doc: &'d Document, is_ours: bool) -> Self {
        Self { doc, is_ours, inside: Vec::new(), count: 0 }
    }

    /// A whole payload: one case, or several where it is one of several objects.
    pub(super) fn payload(&mut self, at: &At<'d>) -> Vec<Case> {
        let branches = self.branches(at);
        if branches.len() < 2 {
            return self.object_at(at).map(|schema| Case { name: None, schema }).into_iter().collect();
        }
        self.doc
            .changed(at, format!("one of {} payloads: each became a contract of its own", branches.len()));
        let mut cases: Vec<Case> = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let target = self.doc.follow(branch).ok();
            let title = target.as_ref().and_then(|target| target.text("title")).map(str::to_owned);
            let name = target.filter(|target| target.path != branch.path).map(|target| target.name());
            let mut name = name.or(title).unwrap_or_else(|| format!("case {}", index + 1));
            if cases.iter().any(|case| case.name.as_deref() == Some(name.as_str())) {
                name = format!("{name} {}", index + 1);
            }
            let schema = self.object_at(branch);
            cases.extend(schema.map(|schema| Case { name: Some(name), schema }));
        }
        cases
    }

    /// What a payload may be one of, when that is all it says.
    fn branches(&mut self, at: &At<'d>) -> Vec<At<'d>> {
        let Ok(at) = self.doc.follow(at) else { return Vec::new() };
        let says_more =
            ["properties", "items", "enum", "const", "allOf"].iter().any(|key| at.get(key).is_some());
        let union = at.get("oneOf").or_else(|| at.get("anyOf")).filter(|_| !says_more);
        let items = union.map(|union| union.items()).unwrap_or_default();
        items.into_iter().filter(|item| !is_null(item)).collect()
    }

    fn object_at(&mut self, at: &At<'d>) -> Option<Map> {
        self.count = 0;
        let value = self.value(at)?;
        if value.has("properties") && !value.is_nullable() {
            return Some(value);
        }
        self.doc.lost(at, "a payload is an object with fields; this is none");
        None
    }

    /// One value; none when nothing of it can be carried, which is noted.
    fn value(&mut self, at: &At<'d>) -> Option<Map> {
        let target = self.enter(at)?;
        let name = (target.path != at.path).then(|| shared_name(&target.path)).flatten();
        let value = self.entered(&target);
        self.inside.pop();
        let mut value = value?;
        if let Some(name) = name.filter(|_| !value.has("title")) {
            value.put_first("title", name);
        }
        Some(value)
    }

    /// Follows references, and remembers where it is; `inside` has grown by one when there is something.
    fn enter(&mut self, at: &At<'d>) -> Option<At<'d>> {
        self.count += 1;
        let target = match self.doc.follow(at) {
            Ok(target) => target,
            Err(astray) => {
                self.doc.astray(&astray);
                return None;
            }
        };
        if !self.doc.count_schema() {
            self.doc.lost(at, "the payloads of the document have too many schemas, references counted");
            return None;
        }
        if self.inside.contains(&target.path) {
            self.doc
                .lost(at, "it contains itself; events are finite: carry parts with an id of their parent");
            return None;
        }
        if self.count > SCHEMAS_MAX || self.inside.len() >= DEPTH_MAX {
            let reason =
                format!("the payload has over {SCHEMAS_MAX} schemas, or nests deeper than {DEPTH_MAX}");
            self.doc.lost(at, reason);
            return None;
        }
        self.inside.push(target.path.clone());
        Some(target)
    }

    fn entered(&mut self, at: &At<'d>) -> Option<Map> {
        if !matches!(at.node.content, Content::Map(_)) {
            self.doc.lost(at, format!("{} says nothing of the value", at.node.found()));
            return None;
        }
        let depth = self.inside.len();
        let parts = self.parts(at);
        let value = match parts {
            Some(parts) => self.whole(&parts),
            None => None,
        };
        self.inside.truncate(depth);
        value
    }

    /// A schema and all that `allOf` adds to it.
    fn parts(&mut self, at: &At<'d>) -> Option<Parts<'d>> {
        let mut parts = Parts { list: vec![at.clone()], is_nullable: false };
        let mut next = 0;
        while next < parts.list.len() {
            let part = parts.list[next].clone();
            next += 1;
            let all = part.get("allOf").map(|all| all.items()).unwrap_or_default();
            for branch in all {
                parts.list.push(self.enter(&branch)?);
            }
            for key in ["oneOf", "anyOf"] {
                let Some(union) = part.get(key) else { continue };
                let (nulls, others): (Vec<At<'d>>, Vec<At<'d>>) =
                    self.meant(&union).into_iter().partition(is_null);
                if let [only] = others.as_slice() {
                    parts.is_nullable |= !nulls.is_empty();
                    parts.list.push(self.enter(only)?);
                }
            }
        }
        Some(parts)
    }

    /// The branches of a union, but for what we write to stand for a personal value.
    fn meant(&self, union: &At<'d>) -> Vec<At<'d>> {
        let stands_in = |at: &At<'_>| self.is_ours && is_stand_in(at.node);
        union.items().into_iter().filter(|at| !stands_in(at)).collect()
    }

    fn whole(&mut self, parts: &Parts<'d>) -> Option<Map> {
        let (kind, is_nullable) = self.kind(parts)?;
        let is_nullable = is_nullable || parts.is_nullable;
        let mut map = Map::default();
        map.maybe("title", parts.text("title"));
        let typed = |map: &mut Map, word: &str| {
            if is_nullable { map.put("type", vec![word, "null"]) } else { map.put("type", word) }
        };
        match kind {
            Kind::Object => {
                typed(&mut map, "object");
                self.object(parts, &mut map)?;
            }
            Kind::Array => {
                typed(&mut map, "array");
                self.list(parts, &mut map)?;
            }
            Kind::Text => {
                typed(&mut map, "string");
                self.text(parts, &mut map);
            }
            Kind::Integer => {
                typed(&mut map, "integer");
                self.integer(parts, &mut map);
            }
            Kind::Number => {
                typed(&mut map, "number");
                self.number(parts, &mut map);
            }
            Kind::Boolean => typed(&mut map, "boolean"),
            Kind::Choice { words, is_open } => {
                typed(&mut map, "string");
                let null = is_nullable.then(|| Node::from(&serde_json::Value::Null));
                let words = words.into_iter().map(Node::from).chain(null);
                map.put("enum", words.collect::<Vec<Node>>());
                if is_open {
                    map.put("extensible", true);
                }
            }
        }
        self.marks(parts, &mut map);
        self.not_carried(parts);
        Some(map)
    }

    /// What is said beside the shape.
    fn marks(&mut self, parts: &Parts<'d>, map: &mut Map) {
        for (ours, word) in OURS.iter().filter(|_| self.is_ours) {
            map.maybe(word, parts.text(ours));
        }
        if parts.get("deprecated").is_some_and(|at| matches!(at.node.content, Content::Bool(true))) {
            map.put("deprecated", true);
        }
        map.maybe("description", parts.text("description"));
        let Some(default) = parts.get("default") else { return };
        if crate::read::fits(&Node::from(map.clone()), &default.node.to_json()) {
            map.put("default", default.node.clone());
        } else {
            self.doc.lost(&default, "the default is no value that fits");
        }
    }

    /// Notes every keyword that says something which is not carried.
    fn not_carried(&self, parts: &Parts<'d>) {
        for (key, at) in parts.list.iter().flat_map(At::entries) {
            let is_mark = self.is_ours && OURS.iter().any(|(ours, _)| *ours == key);
            if KNOWN.contains(&key) || is_mark || key.starts_with("x-parser-") {
                continue;
            }
            match NOT_CARRIED.iter().find(|(word, _)| *word == key) {
                Some((word, instead)) => self.doc.lost(&at, format!("`{word}` is not carried: {instead}")),
                None if key.starts_with("x-") => {
                    self.doc.lost(&at, format!("`{key}` is an extension, which contracts do not carry"));
                }
                None => self.doc.lost(&at, format!("`{key}` is no keyword that contracts carry")),
            }
        }
    }

    /// Of what kind the value is, and whether it may be null.
    fn kind(&mut self, parts: &Parts<'d>) -> Option<(Kind, bool)> {
        let mut named: BTreeSet<&str> = BTreeSet::new();
        let mut is_nullable = false;
        let types = parts.list.iter().find_map(|part| part.get("type"));
        if let Some(types) = &types {
            let items = types.items();
            let words = items.iter().chain(items.is_empty().then_some(types));
            for word in words.filter_map(|at| at.node.as_text()) {
                if word == "null" {
                    is_nullable = true;
                } else {
                    named.insert(word);
                }
            }
        }
        // Every whole number is a number.
        if named.contains("integer") && named.contains("number") {
            named.remove("integer");
        }
        if named.len() > 1 {
            let words: Vec<&str> = named.into_iter().collect();
            self.doc.lost(parts.first(), format!("a value is of one type, not of {}", words.join(" and ")));
            return None;
        }
        let named = named.into_iter().next();
        if let Some(found) = self.words(parts, named) {
            return found.map(|(kind, null)| (kind, is_nullable || null));
        }
        let has = |keys: &[&str]| keys.iter().any(|key| parts.get(key).is_some());
        let kind = match named {
            Some("object") => Kind::Object,
            Some("array") => Kind::Array,
            Some("string") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some(other) => {
                self.doc.lost(parts.first(), format!("there is no type {other:?}"));
                return None;
            }
            None if has(&["properties"]) => Kind::Object,
            None if has(&["items"]) => Kind::Array,
            None if has(&["oneOf", "anyOf"]) => {
                self.doc.lost(
                    parts.first(),
                    "a value is of one kind: write optional fields, or a contract per kind",
                );
                return None;
            }
            None if has(&["pattern", "minLength", "maxLength", "format"]) => {
                self.doc.changed(parts.first(), "it has no type, and is taken for text");
                Kind::Text
            }
            None => {
                self.doc.lost(parts.first(), "it has no type, so nothing is known of the value");
                return None;
            }
        };
        for key in ["oneOf", "anyOf"] {
            let unions = parts.list.iter().filter_map(|part| part.get(key));
            for union in
                unions.filter(|union| self.meant(union).iter().filter(|item| !is_null(item)).count() > 1)
            {
                self.doc.lost(&union, format!("`{key}` is not carried: what stands beside it is"));
            }
        }
        Some((kind, is_nullable))
    }
}

/// A schema as one: what stands first counts.
struct Parts<'d> {
    list: Vec<At<'d>>,
    is_nullable: bool,
}

impl<'d> Parts<'d> {
    fn first(&self) -> &At<'d> {
        &self.list[0]
    }

    fn get(&self, key: &str) -> Option<At<'d>> {
        self.list.iter().find_map(|part| part.get(key))
    }

    fn text(&self, key: &str) -> Option<&'d str> {
        self.list.iter().find_map(|part| part.text(key))
    }
}

enum Kind {
    Object,
    Array,
    Text,
    Integer,
    Number,
    Boolean,
    Choice { words: Vec<String>, is_open: bool },
}

fn is_null(at: &At<'_>) -> bool {
    at.text("type") == Some("null")
        || at.get("const").is_some_and(|at| matches!(at.node.content, Content::Null))
}

/// The name of a shared schema, by its place: `#/components/schemas/Money` is `Money`.
fn shared_name(path: &str) -> Option<String> {
    let mut steps = path.rsplit('/');
    let name = pointer::unescaped(steps.next()?).into_owned();
    matches!(steps.next(), Some("schemas" | "definitions" | "$defs")).then_some(name)
}

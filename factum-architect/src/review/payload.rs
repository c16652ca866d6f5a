//! The fields of a payload at every depth, read from its schema as it stands.
//!
//! References inside the payload are followed, each once on a way down: a schema that contains itself ends there.

use factum_contract::Span;
use factum_contract::node::Node;

use super::view::{Word, entries, entry, items, text_of, texts_of};

/// Deepest field that is looked at.
const DEPTH_MAX: usize = 24;
/// Most fields of one payload that are looked at.
const FIELDS_MAX: usize = 2_000;

/// One field.
#[derive(Debug, Clone)]
pub struct FieldView<'d> {
    /// Its path: `items[].price`.
    pub path: String,
    /// Its name.
    pub name: Word<'d>,
    /// Its schema, after references.
    pub schema: &'d Node,
    /// Whether it must be there.
    pub is_required: bool,
    /// 1 for the fields of the payload itself.
    pub depth: usize,
}

impl<'d> FieldView<'d> {
    /// The text of a keyword.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'d str> {
        self.schema.get(key).and_then(text_of).map(|word| word.text)
    }

    /// Its JSON type, the first that is not `null`.
    #[must_use]
    pub fn kind(&self) -> Option<&'d str> {
        self.schema
            .get("type")
            .map(texts_of)
            .unwrap_or_default()
            .into_iter()
            .map(|word| word.text)
            .find(|kind| *kind != "null")
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.name.span
    }

    /// What it is to its event, when the contract says so.
    #[must_use]
    pub fn role(&self) -> Option<&'d str> {
        self.text("role")
    }

    /// Whether it is said to identify something, or named so.
    #[must_use]
    pub fn is_identifier(&self) -> bool {
        self.role() == Some("identifier") || self.is_named_id()
    }

    /// Whether its name ends in `Id`, `_id` or is `id`.
    #[must_use]
    pub fn is_named_id(&self) -> bool {
        let name = self.name.text;
        name == "id"
            || name.ends_with("Id")
            || name.ends_with("_id")
            || name.ends_with("ID")
            || name.ends_with("Uuid")
    }

    /// Whether it is a point in time by its name.
    #[must_use]
    pub fn is_named_time(&self) -> bool {
        let name = self.name.text;
        let ends = ["At", "Time", "Date", "_at", "_time", "_date", "Timestamp"];
        ends.iter().any(|end| name.ends_with(end) && name.len() > end.len())
            || matches!(name, "timestamp" | "time" | "date")
    }

    /// The words of its name, in lower case.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        super::words::split(self.name.text)
    }
}

/// All fields of a payload, in its order.
#[must_use]
pub fn fields(payload: &Node) -> Vec<FieldView<'_>> {
    let mut found = Vec::new();
    let mut way = Vec::new();
    let mut reader = Reader { root: payload, found: &mut found };
    reader.object(payload, "", 1, &mut way);
    found
}

struct Reader<'d, 'f> {
    root: &'d Node,
    found: &'f mut Vec<FieldView<'d>>,
}

impl<'d> Reader<'d, '_> {
    /// The schema itself, or the one that it refers to; none where it contains itself.
    fn resolved(&self, node: &'d Node, way: &mut Vec<&'d str>) -> Option<&'d Node> {
        let Some(target) = node.get("$ref").and_then(text_of) else { return Some(node) };
        if way.contains(&target.text) || way.len() > DEPTH_MAX {
            return None;
        }
        way.push(target.text);
        let mut at = self.root;
        for step in target.text.strip_prefix("#/")?.split('/') {
            at = at.get(step)?;
        }
        self.resolved(at, way)
    }

    fn object(&mut self, node: &'d Node, path: &str, depth: usize, way: &mut Vec<&'d str>) {
        if depth > DEPTH_MAX {
            return;
        }
        let length = way.len();
        if let Some(node) = self.resolved(node, way) {
            let required: Vec<&str> =
                node.get("required").map(texts_of).unwrap_or_default().iter().map(|word| word.text).collect();
            for one in entry(node, "properties").map_or(&[][..], |one| entries(&one.value)) {
                if self.found.len() >= FIELDS_MAX {
                    return;
                }
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", one.key);
                let inner = way.len();
                let schema = self.resolved(&one.value, way).unwrap_or(&one.value);
                let name = Word { text: &one.key, span: one.key_span };
                let is_required = required.contains(&one.key.as_str());
                self.found.push(FieldView { path: path.clone(), name, schema, is_required, depth });
                self.below(schema, &path, depth, way);
                way.truncate(inner);
            }
            for case in ["allOf", "oneOf", "anyOf"] {
                for node in node.get(case).map(items).unwrap_or_default() {
                    self.object(node, path, depth, way);
                }
            }
        }
        way.truncate(length);
    }

    fn below(&mut self, schema: &'d Node, path: &str, depth: usize, way: &mut Vec<&'d str>) {
        if schema.get("properties").is_some() {
            self.object(schema, path, depth + 1, way);
        }
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(inner) = schema.get(key) {
                self.object(inner, &format!("{path}{mark}"), depth + 1, way);
            }
        }
    }
}

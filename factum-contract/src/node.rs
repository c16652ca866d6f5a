//! A document as a tree with spans: what YAML and JSON have in common, and what contracts are read from.
//!
//! Keys keep their order and their place. Aliases, tags and anchors never get this far.

use factum_core::pointer;
use serde_json::Value;

use crate::finding::Span;

#[cfg(feature = "tooling")]
pub(crate) mod build;
pub(crate) mod json;
#[cfg(feature = "tooling")]
pub(crate) mod write;
#[cfg(feature = "tooling")]
pub(crate) mod yaml;

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What it is, in a reader's words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "true or false",
            Content::Number(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// What was found, as errors quote it: short values are shown, others named.
    pub(crate) fn found(&self) -> String {
        match &self.content {
            Content::Bool(value) => value.to_string(),
            Content::Number(value) => format!("the number {value}"),
            Content::Text(text) if text.chars().count() <= 40 => format!("{text:?}"),
            Content::Text(text) => format!("{:?}…", text.chars().take(40).collect::<String>()),
            Content::Null | Content::List(_) | Content::Map(_) => self.kind().to_owned(),
        }
    }

    /// The text, when it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, when it is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The node at a JSON pointer, or the last one on the way to it.
    #[must_use]
    pub fn nearest(&self, pointer: &str) -> &Node {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = pointer::unescaped(step);
            let next = match &node.content {
                Content::Map(_) => node.get(&step),
                Content::List(nodes) => step.parse::<usize>().ok().and_then(|index| nodes.get(index)),
                _ => None,
            };
            let Some(next) = next else { return node };
            node = next;
        }
        node
    }

    /// The same as a plain JSON value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(nodes) => Value::Array(nodes.iter().map(Self::to_json).collect()),
            Content::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect())
            }
        }
    }

    /// The same as JSON text, keys in the order of the file.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Line and column of every key and value, in the order of the document: what [`Node::put_places`] takes.
    pub(crate) fn places(&self, out: &mut Vec<u32>) {
        out.extend([self.span.line, self.span.column]);
        match &self.content {
            Content::List(nodes) => nodes.iter().for_each(|node| node.places(out)),
            Content::Map(entries) => {
                for entry in entries {
                    out.extend([entry.key_span.line, entry.key_span.column]);
                    entry.value.places(out);
                }
            }
            _ => {}
        }
    }

    /// Gives every key and value its place in the file that the document was first read from.
    pub(crate) fn put_places(&mut self, file: u32, places: &mut impl Iterator<Item = u32>) {
        put_place(&mut self.span, file, places);
        match &mut self.content {
            Content::List(nodes) => nodes.iter_mut().for_each(|node| node.put_places(file, places)),
            Content::Map(entries) => {
                for entry in entries {
                    put_place(&mut entry.key_span, file, places);
                    entry.value.put_places(file, places);
                }
            }
            _ => {}
        }
    }

    fn write_json(&self, out: &mut String) {
        match &self.content {
            Content::Null => out.push_str("null"),
            Content::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Content::Number(number) => out.push_str(&number.to_string()),
            Content::Text(text) => push_quoted(text, out),
            Content::List(nodes) => {
                out.push('[');
                for (index, node) in nodes.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    node.write_json(out);
                }
                out.push(']');
            }
            Content::Map(entries) => {
                out.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    push_quoted(&entry.key, out);
                    out.push(':');
                    entry.value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn put_place(span: &mut Span, file: u32, places: &mut impl Iterator<Item = u32>) {
    if let (Some(line), Some(column)) = (places.next(), places.next()) {
        *span = Span { file, line, column, length: 1 };
    }
}

fn push_quoted(text: &str, out: &mut String) {
    out.push_str(&Value::String(text.to_owned()).to_string());
}

/// A number as JSON writes it: whole ones of 64 bits exactly, others as doubles; `None` past both.
///
/// Goes by text, because what `serde_json` keeps of a number depends on features that other crates switch on.
fn number(text: &str) -> Option<serde_json::Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64)
}

/// Line and column of a place in a text, counted forward from the last place asked for.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    text: &'a str,
    file: u32,
    at: usize,
    line: u32,
    column: u32,
}

impl<'a> Places<'a> {
    pub(crate) fn new(text: &'a str, file: u32) -> Self {
        Self { text, file, at: 0, line: 1, column: 1 }
    }

    /// The span of the bytes from `start` to `end`; asked for in the order of the text.
    pub(crate) fn span(&mut self, start: usize, end: usize) -> Span {
        let passed = self.text.get(self.at..start).unwrap_or_default();
        for c in passed.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at = self.at.max(start);
        let meant = self.text.get(start..end).unwrap_or_default();
        let length = meant.chars().take_while(|c| *c != '\n').count().max(1);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Span { file: self.file, line: self.line, column: self.column, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_the_nearest_node() {
        let text = r#"{"items":[{"a/b":7}]}"#;
        let node = json::parse(text, 0).unwrap();
        assert_eq!(node.nearest("/items/0/a~1b").found(), "the number 7");
        assert_eq!(node.nearest("/items/0/quantity").kind(), "a map");
        assert_eq!(node.to_json_text(), text);
    }
}

//! Builds documents in the order in which they are to be read.
//!
//! What is built has no place in a file: spans are empty.

use serde_json::Value;

use super::{Content, Entry, Node};
use crate::finding::Span;

fn bare(content: Content) -> Node {
    Node { span: Span::default(), content }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        bare(Content::Text(text.to_owned()))
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        bare(Content::Text(text))
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        bare(Content::Bool(value))
    }
}

impl From<u64> for Node {
    fn from(value: u64) -> Self {
        bare(Content::Number(value.into()))
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        bare(Content::Number(value.into()))
    }
}

impl From<u32> for Node {
    fn from(value: u32) -> Self {
        bare(Content::Number(value.into()))
    }
}

impl From<f64> for Node {
    fn from(value: f64) -> Self {
        bare(serde_json::Number::from_f64(value).map_or(Content::Null, Content::Number))
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        bare(Content::List(items.into_iter().map(Into::into).collect()))
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        bare(match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Into::into).collect()),
            Value::Object(object) => {
                let mut map = Map::default();
                for (key, value) in object {
                    map.put(key, Node::from(value));
                }
                Node::from(map).content
            }
        })
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        bare(Content::Map(map.entries))
    }
}

/// Keys with values, put in one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    entries: Vec<Entry>,
}

impl Map {
    /// A map with one key.
    pub(crate) fn of(key: &str, value: impl Into<Node>) -> Self {
        let mut map = Self::default();
        map.put(key, value);
        map
    }

    /// Adds a key; each is added once.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Node>) {
        self.entries.push(Entry { key: key.to_owned(), key_span: Span::default(), value: value.into() });
    }

    /// Adds a key when there is a value for it.
    pub(crate) fn maybe<T: Into<Node>>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a key when its list is not empty.
    pub(crate) fn list<T: Into<Node>>(&mut self, key: &str, items: Vec<T>) {
        if !items.is_empty() {
            self.put(key, items);
        }
    }

    /// Adds a key when its map is not empty.
    pub(crate) fn map(&mut self, key: &str, map: Self) {
        if !map.is_empty() {
            self.put(key, map);
        }
    }

    /// Adds the keys of another map that are not there yet.
    pub(crate) fn extend(&mut self, other: Self) {
        let new =
            other.entries.into_iter().filter(|entry| !self.entries.iter().any(|own| own.key == entry.key));
        let new: Vec<Entry> = new.collect();
        self.entries.extend(new);
    }

    /// Puts a key before all others.
    pub(crate) fn put_first(&mut self, key: &str, value: impl Into<Node>) {
        let entry = Entry { key: key.to_owned(), key_span: Span::default(), value: value.into() };
        self.entries.insert(0, entry);
    }

    /// The value of a key, to be changed.
    pub(crate) fn value_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// Whether it is a schema that lets null through.
    pub(crate) fn is_nullable(&self) -> bool {
        let kind = self.entries.iter().find(|entry| entry.key == "type");
        kind.is_some_and(|entry| matches!(entry.value.content, Content::List(_)))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

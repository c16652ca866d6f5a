//! Finds personal values in payloads and puts others in their place; every other byte stays as it was written.
//!
//! Values to be sealed are found by their contract, sealed ones by their form: what a later release sealed opens too.
//! Knows no keys and no cipher.

use std::borrow::Cow;
use std::ops::Range;

use factum_core::personal::SEALED_FIELD;
use factum_core::pointer;

use crate::json::{Cursor, Fault};
use crate::schema::{Personal, Schema, Shape};
use crate::validate::lower;

mod marks;

pub use marks::Marks;

/// Where a contract has personal data.
#[derive(Debug, Clone)]
pub(crate) struct Finder {
    root: Node,
    /// Fields of the payload that name subjects, and whether they are UUIDs, which have one meaning in two cases.
    subjects: Vec<(Box<str>, bool)>,
}

#[derive(Debug, Clone)]
enum Node {
    /// Personal data of a subject, by index.
    Value(usize),
    Object(Vec<(Box<str>, Node)>),
    List(Box<Node>),
    Map(Box<Node>),
}

/// A personal value of a payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// JSON pointer.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// Whose it is, as an index into the subjects.
    pub(crate) subject: usize,
}

/// The personal values of one payload.
#[derive(Debug, Default)]
pub(crate) struct FoundAll<'p> {
    pub(crate) values: Vec<Found>,
    /// What names each subject; `None` when the field is absent.
    pub(crate) subjects: Vec<Option<Cow<'p, str>>>,
}

impl Finder {
    /// Where a payload has personal data; `None` when it has none.
    pub(crate) fn of(payload: &Schema) -> Option<Self> {
        let mut subjects: Vec<(Box<str>, bool)> = Vec::new();
        let root = node(payload, payload, &mut subjects)?;
        Some(Self { root, subjects })
    }

    /// The field that names a subject.
    pub(crate) fn subject_field(&self, subject: usize) -> &str {
        self.subjects.get(subject).map_or("", |(name, _)| name)
    }

    /// The personal values of a payload; `null` is none.
    pub(crate) fn find<'p>(&self, text: &'p str) -> Result<FoundAll<'p>, Fault> {
        let mut walk = Walk { cursor: Cursor::new(text), path: String::new(), found: Vec::new() };
        let mut subjects = vec![None; self.subjects.len()];
        let Node::Object(fields) = &self.root else { return Ok(FoundAll::default()) };
        walk.fields(&mut |walk, name| {
            walk.cursor.peek();
            let start = walk.cursor.at;
            match fields.iter().find(|(known, _)| **known == *name) {
                Some((_, node)) => walk.value(node)?,
                None => walk.cursor.skip(0)?,
            }
            if let Some(index) = self.subjects.iter().position(|(known, _)| **known == *name) {
                let value = plain_text(text, start, walk.cursor.at);
                subjects[index] = Some(if self.subjects[index].1 { lower(value) } else { value });
            }
            Ok(())
        })?;
        Ok(FoundAll { values: walk.found, subjects })
    }
}

fn node(schema: &Schema, payload: &Schema, subjects: &mut Vec<(Box<str>, bool)>) -> Option<Node> {
    if let Some(Personal::Of(subject)) = &schema.personal {
        let known = subjects.iter().position(|(name, _)| **name == **subject);
        return Some(Node::Value(known.unwrap_or_else(|| {
            let field = payload.field(subject);
            let is_uuid = field.is_some_and(|field| crate::validate::is_uuid(&field.schema));
            subjects.push((subject.as_str().into(), is_uuid));
            subjects.len() - 1
        })));
    }
    match &schema.shape {
        Shape::Object(object) => {
            let inner = |field: &crate::schema::Field| {
                Some((field.name.as_str().into(), node(&field.schema, payload, subjects)?))
            };
            let fields: Vec<(Box<str>, Node)> = object.fields.iter().filter_map(inner).collect();
            (!fields.is_empty()).then_some(Node::Object(fields))
        }
        Shape::List(list) => Some(Node::List(Box::new(node(&list.items, payload, subjects)?))),
        Shape::Map(values) => Some(Node::Map(Box::new(node(values, payload, subjects)?))),
        _ => None,
    }
}

struct Walk<'p> {
    cursor: Cursor<'p>,
    path: String,
    found: Vec<Found>,
}

impl<'p> Walk<'p> {
    fn value(&mut self, node: &Node) -> Result<(), Fault> {
        let next = self.cursor.peek();
        match (node, next) {
            (Node::Value(subject), _) => {
                let start = self.cursor.at;
                self.cursor.skip(0)?;
                if next != b'n' {
                    let range = start..self.cursor.at;
                    self.found.push(Found { path: self.path.clone(), range, subject: *subject });
                }
                Ok(())
            }
            (Node::Object(fields), b'{') => {
                self.fields(&mut |walk, name| match fields.iter().find(|(known, _)| **known == *name) {
                    Some((_, node)) => walk.value(node),
                    None => walk.cursor.skip(0),
                })
            }
            (Node::Map(values), b'{') => self.fields(&mut |walk, _| walk.value(values)),
            (Node::List(items), b'[') => self.items(&mut |walk| walk.value(items)),
            _ => self.cursor.skip(0),
        }
    }

    /// Steps through an object; `each` steps over the value of a name.
    fn fields(&mut self, each: &mut dyn FnMut(&mut Self, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        if !self.cursor.take(b'{') {
            return self.cursor.skip(0);
        }
        if self.cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.cursor.string()?.value();
            self.cursor.colon()?;
            let length = self.path.len();
            self.path.push('/');
            self.path.push_str(&pointer::escaped(&name));
            each(self, &name)?;
            self.path.truncate(length);
            if !self.cursor.comma_or(b'}')? {
                return Ok(());
            }
        }
    }

    fn items(&mut self, each: &mut dyn FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if !self.cursor.take(b'[') {
            return self.cursor.skip(0);
        }
        if self.cursor.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            let length = self.path.len();
            self.path.push_str(&format!("/{index}"));
            each(self)?;
            self.path.truncate(length);
            if !self.cursor.comma_or(b']')? {
                break;
            }
        }
        Ok(())
    }

    /// Looks for sealed values, wherever they are.
    fn any(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > crate::json::DEPTH_MAX {
            return self.cursor.fault("at most 64 levels of nesting");
        }
        match self.cursor.peek() {
            b'{' => {
                let start = self.cursor.at;
                if sealed_at(self.cursor.text, start).is_some() {
                    self.cursor.skip(0)?;
                    let range = start..self.cursor.at;
                    self.found.push(Found { path: self.path.clone(), range, subject: 0 });
                    return Ok(());
                }
                self.fields(&mut |walk, _| walk.any(depth + 1))
            }
            b'[' => self.items(&mut |walk| walk.any(depth + 1)),
            _ => self.cursor.skip(0),
        }
    }
}

/// Whether a value's text is the marker of a forgotten value, or a sealed one.
fn is_stand_in(text: &str) -> bool {
    crate::validate::is_stand_in(&mut Cursor::new(text))
}

/// The text of a sealed value that begins here.
fn sealed_at(text: &str, start: usize) -> Option<Cow<'_, str>> {
    let mut cursor = Cursor { text, at: start };
    if !cursor.take(b'{') || cursor.string().ok()?.raw != SEALED_FIELD {
        return None;
    }
    cursor.colon().ok()?;
    let sealed = cursor.string().ok()?.value();
    cursor.take(b'}').then_some(sealed)
}

/// A sealed value of a payload.
#[derive(Debug, PartialEq, Eq)]
pub struct Sealed<'p> {
    /// JSON pointer.
    pub path: String,
    /// The bytes of the object that holds it.
    pub range: Range<usize>,
    /// Its text.
    pub text: Cow<'p, str>,
}

/// The sealed values of a JSON payload, in order; none when it is no JSON.
#[must_use]
pub fn sealed(payload: &[u8]) -> Vec<Sealed<'_>> {
    let Ok(text) = std::str::from_utf8(payload) else { return Vec::new() };
    if !text.contains(SEALED_FIELD) {
        return Vec::new();
    }
    let mut walk = Walk { cursor: Cursor::new(text), path: String::new(), found: Vec::new() };
    if walk.any(0).is_err() {
        return Vec::new();
    }
    let sealed =
        |Found { path, range, .. }: Found| Some(Sealed { path, text: sealed_at(text, range.start)?, range });
    walk.found.into_iter().filter_map(sealed).collect()
}

/// The payload with other JSON in the place of some of its values, which come in order.
#[must_use]
pub fn replaced<'r>(
    payload: &[u8],
    values: impl IntoIterator<Item = (Range<usize>, Cow<'r, [u8]>)>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 128);
    let mut at = 0;
    for (range, value) in values {
        out.extend_from_slice(&payload[at..range.start]);
        out.extend_from_slice(&value);
        at = range.end;
    }
    out.extend_from_slice(&payload[at..]);
    out
}

/// Of a string what is meant, of a number what is written.
fn plain_text(text: &str, start: usize, end: usize) -> Cow<'_, str> {
    match (Cursor { text, at: start }).string() {
        Ok(raw) => raw.value(),
        Err(_) => Cow::Borrowed(&text[start..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_are_found_wherever_they_are() {
        let payload =
            br#"{"a":1,"b":{"$sealed":"1.r.1.x"},"c":[{"d/e":{"$sealed":"1.r.2.y"}},{"$sealed":3}]}"#;
        let found = sealed(payload);
        let found: Vec<(&str, &str)> =
            found.iter().map(|one| (one.path.as_str(), one.text.as_ref())).collect();
        assert_eq!(found, [("/b", "1.r.1.x"), ("/c/0/d~1e", "1.r.2.y")]);
        assert_eq!(sealed(br#"{"a":"$sealed"}"#), []);
        assert_eq!(sealed(b"{\"a\":{\"$sealed\":\"x\"}"), []);
    }

    #[test]
    fn every_other_byte_stays() {
        let payload = b"{ \"a\" : 1.50 ,\n \"b\":{\"$sealed\":\"x\"} , \"c\":\"\\u00e9\" }";
        let found = sealed(payload);
        let opened =
            replaced(payload, found.into_iter().map(|one| (one.range, Cow::Borrowed(&b"\"y\""[..]))));
        assert_eq!(opened, b"{ \"a\" : 1.50 ,\n \"b\":\"y\" , \"c\":\"\\u00e9\" }");
    }
}

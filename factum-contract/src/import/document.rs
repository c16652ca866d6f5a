//! A document of others: read within limits, asked by JSON pointers, its references followed inside it alone.

use std::cell::{Cell, RefCell};

use factum_core::pointer;

use crate::finding::{Findings, Source, Span};
use crate::node::yaml::Aliases;
use crate::node::{Content, Entry, Node, json, yaml};

use super::{DOCUMENT_BYTES_MAX, ImportError, NOTES_MAX, Note, NoteKind};

/// Most references that are followed one after the other.
const HOPS_MAX: usize = 32;

/// Most schemas of all payloads together, references counted as often as they are used: a small document may refer to
/// a large schema from every message.
const SCHEMAS_MAX: usize = 100_000;

/// A document with the notes that reading it gives.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Node,
    notes: RefCell<Vec<Note>>,
    schemas: Cell<usize>,
}

/// A node with its place.
#[derive(Debug, Clone)]
pub(super) struct At<'d> {
    pub(super) node: &'d Node,
    /// JSON pointer from the root.
    pub(super) path: String,
}

/// A reference that leads nowhere.
#[derive(Debug, Clone)]
pub(super) struct Astray {
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) reason: String,
}

impl Document {
    /// Reads bytes as JSON or YAML.
    pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(ImportError::TooLarge { file: file.to_owned(), bytes: bytes.len() });
        }
        let binary = |found: String| ImportError::Binary { file: file.to_owned(), found };
        let text = std::str::from_utf8(bytes)
            .map_err(|error| binary(format!("bytes that are no UTF-8 at {}", error.valid_up_to())))?;
        if let Some(at) = text.find('\0') {
            return Err(binary(format!("a zero byte at {at}")));
        }
        let is_json = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
        let read = if is_json {
            // What begins like JSON may still be YAML in its flow form.
            json::parse(text.trim_start_matches('\u{feff}'), 0)
                .or_else(|error| yaml::parse_with(text, 0, Aliases::Expanded).map_err(|_| error))
        } else {
            yaml::parse_with(text, 0, Aliases::Expanded)
        };
        let root = read.map_err(|error| {
            let sources = [Source::new(file, text)];
            let mut findings = Findings::new(&sources);
            let hint = error.hint.unwrap_or_else(|| "expected YAML 1.2 or JSON".to_owned());
            findings.error_with_hint(error.rule, error.span, error.message, hint);
            ImportError::Syntax(Box::new(findings.into_vec().remove(0)))
        })?;
        Ok(Self { root, notes: RefCell::default(), schemas: Cell::new(0) })
    }

    pub(super) fn root(&self) -> At<'_> {
        At { node: &self.root, path: String::new() }
    }

    /// Something is gone.
    pub(super) fn lost(&self, at: &At<'_>, reason: impl Into<String>) {
        self.note(NoteKind::Lost, &at.path, at.node.span, reason.into());
    }

    /// Something was carried as something near.
    pub(super) fn changed(&self, at: &At<'_>, reason: impl Into<String>) {
        self.note(NoteKind::Changed, &at.path, at.node.span, reason.into());
    }

    pub(super) fn astray(&self, astray: &Astray) {
        self.note(NoteKind::Lost, &astray.path, astray.span, astray.reason.clone());
    }

    fn note(&self, kind: NoteKind, path: &str, span: Span, reason: String) {
        let mut notes = self.notes.borrow_mut();
        if notes.len() > NOTES_MAX {
            return;
        }
        let reason = if notes.len() == NOTES_MAX { "more is not listed".to_owned() } else { reason };
        let note = Note {
            kind,
            path: crate::finding::printable(path),
            line: span.line,
            column: span.column,
            reason: crate::finding::printable(&reason),
        };
        // A part that is referred to twice is read twice; what is said of it is said once.
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Counts a schema that is read; false when the document has had its share.
    pub(super) fn count_schema(&self) -> bool {
        self.schemas.set(self.schemas.get() + 1);
        self.schemas.get() <= SCHEMAS_MAX
    }

    /// Takes back what was noted so far: the document is read in another way.
    pub(super) fn forget_notes(&self) {
        self.notes.borrow_mut().clear();
        self.schemas.set(0);
    }

    pub(super) fn into_notes(self) -> Vec<Note> {
        let mut notes = self.notes.into_inner();
        notes.sort_by(|a, b| (a.line, a.column, &a.path, a.kind).cmp(&(b.line, b.column, &b.path, b.kind)));
        notes
    }

    /// The node itself, or what it refers to, however far away in this document.
    pub(super) fn follow<'d>(&'d self, at: &At<'d>) -> Result<At<'d>, Astray> {
        let mut at = at.clone();
        for _ in 0..HOPS_MAX {
            let Some(target) = at.node.get("$ref") else { return Ok(at) };
            let astray = |reason: String| Astray { span: at.node.span, path: at.path.clone(), reason };
            let Some(text) = target.as_text() else {
                return Err(astray(format!("expected a reference as text, found {}", target.found())));
            };
            let Some(pointer) = text.strip_prefix('#') else {
                return Err(astray(format!(
                    "the reference {text:?} leads out of this document, and nothing is fetched: bundle the \
                     document into one file first"
                )));
            };
            let pointer = percent_decoded(pointer);
            match self.at(&pointer) {
                Some(found) => at = found,
                None => return Err(astray(format!("the reference {text:?} leads to nothing"))),
            }
        }
        let reason = format!("the reference leads in a circle, or over more than {HOPS_MAX} others");
        Err(Astray { span: at.node.span, path: at.path, reason })
    }

    /// The node at a JSON pointer, references on the way followed.
    fn at(&self, pointer: &str) -> Option<At<'_>> {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return None;
        }
        let mut node = &self.root;
        for step in pointer.split('/').skip(1) {
            let name = pointer::unescaped(step);
            node = match &node.content {
                Content::Map(_) => node.get(&name)?,
                Content::List(nodes) => nodes.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(At { node, path: pointer.to_owned() })
    }
}

impl<'d> At<'d> {
    /// The value of a key, with its place.
    pub(super) fn get(&self, key: &str) -> Option<At<'d>> {
        let Content::Map(entries) = &self.node.content else { return None };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        Some(self.child(entry))
    }

    fn child(&self, entry: &'d Entry) -> At<'d> {
        let step = pointer::escaped(&entry.key);
        At { node: &entry.value, path: format!("{}/{step}", self.path) }
    }

    /// The text of a key, when it is text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        let Content::Map(entries) = &self.node.content else { return None };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        entry.value.as_text().filter(|text| !text.trim().is_empty())
    }

    /// The keys of a map with their values; none for anything else.
    pub(super) fn entries(&self) -> Vec<(&'d str, At<'d>)> {
        match &self.node.content {
            Content::Map(entries) => {
                entries.iter().map(|entry| (entry.key.as_str(), self.child(entry))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The items of a list; none for anything else.
    pub(super) fn items(&self) -> Vec<At<'d>> {
        match &self.node.content {
            Content::List(nodes) => {
                let at = |(index, node)| At { node, path: format!("{}/{index}", self.path) };
                nodes.iter().enumerate().map(at).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The last step of the path, as it is written in the document.
    pub(super) fn name(&self) -> String {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        pointer::unescaped(last).into_owned()
    }
}

/// A URI fragment as plain text; what is no escape stays.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = bytes.get(index + 1..index + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[index], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                index += 3;
            }
            (byte, _) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

//! Reads JSON text into nodes: how a catalog is read at run time, and `.json` files at any time.
//!
//! Duplicate keys are an error here, where the language says so; payloads have their own reader.

use super::{Content, Entry, Node, Places, number};
use crate::finding::{BYTE_ORDER_MARK, Span};
use crate::json::{Cursor, DEPTH_MAX, Fault};

/// Why a document cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotRead {
    pub(crate) rule: &'static str,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Reads one JSON document.
pub(crate) fn parse(text: &str, file: u32) -> Result<Node, NotRead> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut reader = Reader { cursor: Cursor::new(text), places: Places::new(text, file) };
    let node = reader.node(0)?;
    match reader.cursor.end() {
        Ok(()) => Ok(node),
        Err(fault) => Err(reader.not_json(fault)),
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    places: Places<'a>,
}

impl Reader<'_> {
    fn not_json(&mut self, fault: Fault) -> NotRead {
        let found = self.cursor.text.get(fault.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        NotRead {
            rule: "syntax",
            span: self.places.span(fault.at, fault.at + 1),
            message: format!("expected {}, found {found}", fault.expected),
            hint: None,
        }
    }

    fn checked<T>(&mut self, result: Result<T, Fault>) -> Result<T, NotRead> {
        result.map_err(|fault| self.not_json(fault))
    }

    fn node(&mut self, depth: usize) -> Result<Node, NotRead> {
        let next = self.cursor.peek();
        let start = self.cursor.at;
        if depth > DEPTH_MAX {
            let span = self.places.span(start, start + 1);
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(NotRead { rule: "depth", span, message, hint: None });
        }
        if let b'{' | b'[' = next {
            let span = self.places.span(start, start + 1);
            let content = if next == b'{' { self.map(depth)? } else { self.list(depth)? };
            return Ok(Node { span, content });
        }
        let content = self.scalar(next)?;
        Ok(Node { span: self.places.span(start, self.cursor.at), content })
    }

    fn scalar(&mut self, next: u8) -> Result<Content, NotRead> {
        let word = match next {
            b'"' => {
                let text = self.cursor.string();
                return Ok(Content::Text(self.checked(text)?.value().into_owned()));
            }
            b't' => self.cursor.word("true").map(|()| Content::Bool(true)),
            b'f' => self.cursor.word("false").map(|()| Content::Bool(false)),
            b'n' => self.cursor.word("null").map(|()| Content::Null),
            _ => {
                let start = self.cursor.at;
                let number = self.cursor.number().map(number);
                match self.checked(number)? {
                    Some(number) => Ok(Content::Number(number)),
                    None => Err(Fault { at: start, expected: "a number that fits 64 bits" }),
                }
            }
        };
        self.checked(word)
    }

    fn list(&mut self, depth: usize) -> Result<Content, NotRead> {
        self.cursor.at += 1;
        let mut nodes = Vec::new();
        if self.cursor.take(b']') {
            return Ok(Content::List(nodes));
        }
        loop {
            nodes.push(self.node(depth + 1)?);
            let more = self.cursor.comma_or(b']');
            if !self.checked(more)? {
                return Ok(Content::List(nodes));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, NotRead> {
        self.cursor.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        if self.cursor.take(b'}') {
            return Ok(Content::Map(entries));
        }
        loop {
            self.cursor.peek();
            let start = self.cursor.at;
            let key = self.cursor.string();
            let key = self.checked(key)?.value().into_owned();
            let key_span = self.places.span(start, self.cursor.at);
            if !seen.insert(key.clone()) {
                let message = format!("key `{key}` is given twice");
                return Err(NotRead { rule: "duplicate-key", span: key_span, message, hint: None });
            }
            let colon = self.cursor.colon();
            self.checked(colon)?;
            let value = self.node(depth + 1)?;
            entries.push(Entry { key, key_span, value });
            let more = self.cursor.comma_or(b'}');
            if !self.checked(more)? {
                return Ok(Content::Map(entries));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_place() {
        let node = parse("{\n  \"a\": [1, \"é\", true]\n}", 3).unwrap();
        let list = node.get("a").unwrap();
        assert_eq!(list.span, Span { file: 3, line: 2, column: 8, length: 1 });
        let Content::List(items) = &list.content else { panic!("a list") };
        assert_eq!(items[2].span, Span { file: 3, line: 2, column: 17, length: 4 });
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let cases = [
            ("{\"a\":1,\"a\":2}", "duplicate-key", 8),
            ("[1,]", "syntax", 4),
            ("", "syntax", 1),
            ("[1e999]", "syntax", 2),
        ];
        for (text, rule, column) in cases {
            let error = parse(text, 0).unwrap_err();
            assert_eq!((error.rule, error.span.column), (rule, column), "{text}");
        }
        assert_eq!(parse(&"[".repeat(5000), 0).unwrap_err().rule, "depth");
    }
}

//! Reads YAML 1.2 into nodes.
//!
//! Plain scalars follow the core schema, with one exception on the safe side: a number with leading zeros (`012`) stays
//! text, as does everything that only YAML 1.1 takes for something else (`no`, `on`, times).
//! In contracts, aliases, anchors, tags and merge keys are refused: a contract says what it means where it means it, and
//! a small file can then never become a large one. Documents of others may repeat parts by alias, within a limit.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};

use super::json::NotRead;
use super::{Content, Entry, Node, number};
use crate::finding::{BYTE_ORDER_MARK, Span};
use crate::json::DEPTH_MAX;

/// Most nodes that aliases of one document may add.
pub(crate) const ALIASED_NODES_MAX: usize = 50_000;

/// Whether a part of a document may be repeated by naming it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aliases {
    /// Not at all.
    Refused,
    /// Yes, until the document has grown by [`ALIASED_NODES_MAX`] nodes.
    Expanded,
}

/// Reads one YAML document of a catalog; an empty file is nothing.
pub(crate) fn parse(text: &str, file: u32) -> Result<Node, NotRead> {
    parse_with(text, file, Aliases::Refused)
}

/// Reads one YAML document.
pub(crate) fn parse_with(text: &str, file: u32, aliases: Aliases) -> Result<Node, NotRead> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (named, aliased) = (HashMap::new(), 0);
    let mut builder = Builder { file, open: Vec::new(), root: None, documents: 0, aliases, named, aliased };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let mark = *error.marker();
                let span = builder.span(YamlSpan::new(mark, mark));
                return Err(NotRead { rule: "syntax", span, message: error.info().to_owned(), hint: None });
            }
        }
    }
    let empty = Span { file, line: 1, column: 1, length: 1 };
    Ok(builder.root.unwrap_or(Node { span: empty, content: Content::Null }))
}

struct Builder {
    file: u32,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    aliases: Aliases,
    /// Parts that have a name, by its number.
    named: HashMap<usize, Node>,
    aliased: usize,
}

/// A list or map that is not closed yet.
enum Open {
    List { span: Span, nodes: Vec<Node>, name: usize },
    Map { span: Span, entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Span)>, name: usize },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: YamlSpan) -> Result<(), NotRead> {
        let span = self.span(at);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse("syntax", span, "a second document", "write one contract per file");
                }
                Ok(())
            }
            Event::Alias(name) => self.alias(name, span),
            Event::Scalar(text, style, name, tag) => {
                self.plain_only(name, tag.is_some(), span)?;
                self.scalar(text, style, name, span)
            }
            Event::SequenceStart(name, tag) => {
                self.plain_only(name, tag.is_some(), span)?;
                let span = Span { length: 1, ..span };
                self.push(Open::List { span, nodes: Vec::new(), name })
            }
            Event::MappingStart(name, tag) => {
                self.plain_only(name, tag.is_some(), span)?;
                let span = Span { length: 1, ..span };
                self.push(Open::Map { span, entries: Vec::new(), seen: HashSet::new(), key: None, name })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { span, nodes, name }) => {
                    self.add_named(Node { span, content: Content::List(nodes) }, name)
                }
                Some(Open::Map { span, entries, name, .. }) => {
                    self.add_named(Node { span, content: Content::Map(entries) }, name)
                }
                None => Ok(()),
            },
        }
    }

    fn push(&mut self, open: Open) -> Result<(), NotRead> {
        let (Open::List { span, .. } | Open::Map { span, .. }) = &open;
        let span = *span;
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(NotRead { rule: "depth", span, message, hint: None });
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return refuse(
                "syntax",
                span,
                "a key that is not text",
                "give the key a name; quote it if it is one",
            );
        }
        self.open.push(open);
        Ok(())
    }

    /// Repeats a part of the document that has a name.
    fn alias(&mut self, name: usize, span: Span) -> Result<(), NotRead> {
        if self.aliases == Aliases::Refused {
            return refuse("alias", span, "an alias", "write the value out; aliases are not read");
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return refuse("alias", span, "an alias for a key", "write the key out");
        }
        let Some(node) = self.named.get(&name) else {
            return refuse("alias", span, "an alias inside what it names", "write the value out");
        };
        let (count, depth) = size(node);
        self.aliased += count;
        if self.aliased > ALIASED_NODES_MAX || self.open.len() + depth > DEPTH_MAX {
            let message = format!("aliases add more than {ALIASED_NODES_MAX} values or {DEPTH_MAX} levels");
            return Err(NotRead { rule: "alias", span, message, hint: None });
        }
        let node = node.clone();
        self.add(node)
    }

    fn plain_only(&self, name: usize, is_tagged: bool, span: Span) -> Result<(), NotRead> {
        if name > 0 && self.aliases == Aliases::Refused {
            return refuse("alias", span, "an anchor", "remove it; aliases are not read");
        }
        if is_tagged {
            return refuse("tag", span, "a tag", "remove it; quote the value if text is meant");
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        name: usize,
        span: Span,
    ) -> Result<(), NotRead> {
        if let Some(Open::Map { key: key @ None, seen, .. }) = self.open.last_mut() {
            if style == ScalarStyle::Plain && text == "<<" {
                return refuse("alias", span, "a merge key", "write the keys out; merge keys are not read");
            }
            if !seen.insert(text.to_string()) {
                let message = format!("key `{text}` is given twice");
                return Err(NotRead { rule: "duplicate-key", span, message, hint: None });
            }
            *key = Some((text.into_owned(), span));
            return Ok(());
        }
        let content = match style {
            ScalarStyle::Plain => resolve(&text),
            _ => Some(Content::Text(text.into_owned())),
        };
        match content {
            Some(content) => self.add_named(Node { span, content }, name),
            None => {
                refuse("syntax", span, "a number that JSON cannot carry", "put it in quotes if text is meant")
            }
        }
    }

    fn add_named(&mut self, node: Node, name: usize) -> Result<(), NotRead> {
        if name > 0 {
            // Names are no cheaper than aliases: each keeps a copy.
            self.aliased += size(&node).0;
            if self.aliased > ALIASED_NODES_MAX {
                let message = format!("anchors hold more than {ALIASED_NODES_MAX} values");
                return Err(NotRead { rule: "alias", span: node.span, message, hint: None });
            }
            self.named.insert(name, node.clone());
        }
        self.add(node)
    }

    fn add(&mut self, node: Node) -> Result<(), NotRead> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { nodes, .. }) => nodes.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some((key, key_span)) = key.take() {
                    entries.push(Entry { key, key_span, value: node });
                }
            }
        }
        Ok(())
    }

    fn span(&self, span: YamlSpan) -> Span {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let is_one_line = span.start.line() == span.end.line();
        let length = if is_one_line { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 };
        Span {
            file: self.file,
            line: count(span.start.line().max(1)),
            column: count(span.start.col() + 1),
            length: count(length),
        }
    }
}

fn refuse<T>(rule: &'static str, span: Span, found: &str, hint: &str) -> Result<T, NotRead> {
    Err(NotRead { rule, span, message: format!("found {found}"), hint: Some(hint.to_owned()) })
}

/// How many nodes there are, and how deep they are nested.
fn size(node: &Node) -> (usize, usize) {
    let fold = |(count, depth): (usize, usize), child: &Node| {
        let (more, below) = size(child);
        (count + more, depth.max(below))
    };
    let (count, depth) = match &node.content {
        Content::List(nodes) => nodes.iter().fold((0, 0), fold),
        Content::Map(entries) => entries.iter().map(|entry| &entry.value).fold((0, 0), fold),
        _ => return (1, 0),
    };
    (count + 1, depth + 1)
}

/// What a plain scalar means; `None` for numbers that JSON cannot carry.
fn resolve(text: &str) -> Option<Content> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Content::Null),
        "true" | "True" | "TRUE" => return Some(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Content::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let digits = text.strip_prefix(prefix);
        if let Some(digits) =
            digits.filter(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)))
        {
            return u64::from_str_radix(digits, radix).ok().map(|number| Content::Number(number.into()));
        }
    }
    if !is_number(unsigned) {
        return Some(Content::Text(text.to_owned()));
    }
    // JSON wants digits on both sides of the point, and no plus sign.
    let (mantissa, exponent) = unsigned.find(['e', 'E']).map_or((unsigned, ""), |at| unsigned.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let sign = if text.starts_with('-') { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    number(&format!("{sign}{whole}{point}{exponent}")).map(Content::Number)
}

/// Digits, optionally with a fraction and an exponent, without leading zeros.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(a, b)| (a, Some(b)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
    let is_empty = whole.is_empty() && fraction.is_none_or(str::is_empty);
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    digits(whole) && fraction.is_none_or(digits) && !has_leading_zero && !is_empty && exponent_is_good
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> String {
        parse(text, 0).unwrap().to_json_text()
    }

    #[test]
    fn plain_scalars_follow_yaml_1_2() {
        let text = "[no, on, yes, 012, 12, -0.5, .5, 1e3, 0x1F, 0o17, true, ~, '1', 2026-01-05T10:00:00Z, 1_000, 1:30]";
        assert_eq!(
            json(text),
            r#"["no","on","yes","012",12,-0.5,0.5,1000.0,31,15,true,null,"1","2026-01-05T10:00:00Z","1_000","1:30"]"#
        );
    }

    #[test]
    fn every_node_knows_its_place() {
        let node = parse("a: 1\nbé:\n  - cc\n  - dd\n", 2).unwrap();
        let list = node.get("bé").unwrap();
        let Content::List(items) = &list.content else { panic!("a list") };
        assert_eq!(items[1].span, Span { file: 2, line: 4, column: 5, length: 2 });
    }

    #[test]
    fn what_could_grow_or_hide_is_refused() {
        let cases = [
            ("a: &x 1\nb: *x", "alias"),
            ("a: {<<: b}", "alias"),
            ("a: !!str 1", "tag"),
            ("a: 1\nb: 2\na: 3", "duplicate-key"),
            ("a: 1\n---\nb: 2", "syntax"),
            ("? [a]\n: b", "syntax"),
            ("a: .nan", "syntax"),
            ("a: [", "syntax"),
        ];
        for (text, rule) in cases {
            assert_eq!(parse(text, 0).unwrap_err().rule, rule, "{text}");
        }
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(parse(&deep(DEPTH_MAX + 1), 0).unwrap_err().rule, "depth");
        assert!(parse(&deep(DEPTH_MAX), 0).is_ok() && parse(&deep(100_000), 0).is_err());
        assert_eq!(json(""), "null");
    }

    #[test]
    fn documents_of_others_repeat_parts_within_a_limit() {
        let read = |text: &str| parse_with(text, 0, Aliases::Expanded);
        let node = read("a: &x { b: [1, 2] }\nc: *x\nd: &y text\ne: [*y]").unwrap();
        assert_eq!(node.to_json_text(), r#"{"a":{"b":[1,2]},"c":{"b":[1,2]},"d":"text","e":["text"]}"#);
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..12 {
            let before = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert_eq!(read(&bomb).unwrap_err().rule, "alias");
        for bad in ["a: &x [*x]", "*x : 1", "a: &x k\n*x : 1", "a: {<<: b}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[-\\[\\]{}:,&*!|>'\"%@`# \\n\\ta1?.~]{0,60}") {
            let _ = parse(&text, 0);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&String::from_utf8_lossy(&bytes), 0);
        }
    }
}

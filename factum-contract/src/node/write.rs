//! Writes nodes as YAML or JSON for people.
//!
//! The YAML means the same to readers of YAML 1.1 and 1.2: whatever either could take for something else is quoted.
//! Contracts alone, which are YAML 1.2 by definition, have keys such as `on` without quotes.
//! Reading what was written gives the same nodes.

use std::fmt::Write as _;

use super::{Content, Entry, Node};

/// How wide a list or map may be that is written in one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Lists of plain values.
    pub(crate) lists: usize,
    /// Maps of plain values and such lists; 0 gives every key its line.
    pub(crate) maps: usize,
    /// Whether keys such as `on` are quoted, for readers of YAML 1.1.
    pub(crate) quotes_keys: bool,
}

impl Width {
    /// Documents that other tools read: lists in a line, keys below each other.
    pub(crate) const DOCUMENT: Self = Self { lists: 100, maps: 0, quotes_keys: true };

    /// Contracts, as people write them.
    pub(crate) const CONTRACT: Self = Self { lists: 100, maps: 100, quotes_keys: false };
}

/// A map as a YAML file, without a header.
pub(crate) fn yaml(node: &Node, width: Width) -> String {
    let mut writer = Writer { out: String::new(), width };
    writer.block(node, 0);
    writer.out
}

/// A node as indented JSON; `first` are keys that stand on the first line, before its own.
pub(crate) fn json(node: &Node, first: Option<(&str, &str)>) -> String {
    let mut out = String::new();
    json_value(node, 0, first, &mut out);
    out.push('\n');
    out
}

struct Writer {
    out: String,
    width: Width,
}

impl Writer {
    /// Writes a value that begins at the start of a line.
    fn block(&mut self, node: &Node, indent: usize) {
        match &node.content {
            Content::Map(entries) if !entries.is_empty() => self.map(entries, indent, true),
            Content::List(nodes) if !nodes.is_empty() => {
                for node in nodes {
                    self.pad(indent);
                    self.out.push('-');
                    self.item(node, indent);
                }
            }
            _ => {
                let text = flow(node, self.width);
                self.pad(indent);
                self.out.push_str(&text);
                self.out.push('\n');
            }
        }
    }

    fn map(&mut self, entries: &[Entry], indent: usize, mut is_padded: bool) {
        for entry in entries {
            if is_padded {
                self.pad(indent);
            }
            is_padded = true;
            self.out.push_str(&key(&entry.key, self.width));
            self.out.push(':');
            self.value(&entry.value, indent + 2);
        }
    }

    fn item(&mut self, node: &Node, indent: usize) {
        match &node.content {
            Content::Map(entries) if !entries.is_empty() && !self.fits(node, indent) => {
                self.out.push(' ');
                self.map(entries, indent + 2, false);
            }
            _ => self.value(node, indent + 2),
        }
    }

    /// Writes a value behind its key or dash.
    fn value(&mut self, node: &Node, indent: usize) {
        let is_block = match &node.content {
            Content::Map(entries) => !entries.is_empty() && !self.fits(node, indent),
            Content::List(nodes) => !nodes.is_empty() && !self.fits(node, indent),
            Content::Text(text) if is_literal(text) => {
                self.literal(text, indent);
                return;
            }
            _ => false,
        };
        if is_block {
            self.out.push('\n');
            self.block(node, indent);
        } else {
            let _ = writeln!(self.out, " {}", flow(node, self.width));
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
        for line in text.lines() {
            if !line.is_empty() {
                self.pad(indent);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
    }

    /// Whether a list or map goes into one line.
    fn fits(&self, node: &Node, indent: usize) -> bool {
        let is_plain = |node: &Node| !matches!(node.content, Content::List(_) | Content::Map(_));
        let room = match &node.content {
            Content::List(nodes) if nodes.iter().all(is_plain) => self.width.lists,
            Content::Map(entries) => {
                let is_flat = |node: &Node| match &node.content {
                    Content::List(nodes) => nodes.iter().all(is_plain),
                    Content::Map(_) => false,
                    _ => true,
                };
                if entries.iter().all(|entry| is_flat(&entry.value)) { self.width.maps } else { 0 }
            }
            _ => 0,
        };
        room > 0 && indent + flow(node, self.width).chars().count() <= room
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// A value in one line.
fn flow(node: &Node, width: Width) -> String {
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Bool(value) => value.to_string(),
        Content::Number(number) => number.to_string(),
        Content::Text(text) => scalar(text),
        Content::List(nodes) => {
            let items: Vec<String> = nodes.iter().map(|node| flow(node, width)).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Content::Map(entries) => {
            let pairs: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}: {}", key(&entry.key, width), flow(&entry.value, width)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn key(text: &str, width: Width) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
    let is_word = matches!(text, "on" | "off" | "yes" | "no" | "y" | "n") && !width.quotes_keys;
    if is_plain && (is_word || !means_something(text)) { text.to_owned() } else { quoted(text) }
}

fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_alphabetic())
        && text.chars().all(|c| {
            c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '\'' | '(' | ')' | ';' | '=')
        })
        && !text.ends_with(' ')
        && !text.contains("  ");
    if is_plain && !means_something(text) { text.to_owned() } else { quoted(text) }
}

/// Words that YAML 1.1 or 1.2 takes for something else than text.
fn means_something(text: &str) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A double-quoted text: JSON's escapes, and those that YAML wants besides.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Whether YAML may hold the character as it is, and people can see it.
fn is_printable(c: char) -> bool {
    let is_odd = c.is_control()
        || matches!(u32::from(c), 0x00ad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xffff | 0xe0000..);
    !is_odd
}

/// Whether a text can stand as lines below its key and come back the same.
fn is_literal(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let is_good = |line: &&str| !line.ends_with([' ', '\t']) && line.chars().all(is_printable);
    lines.len() > 1
        && lines.first().is_some_and(|first| !first.is_empty() && !first.starts_with(' '))
        && lines.last().is_some_and(|last| !last.is_empty())
        && lines.iter().all(is_good)
        && !text.contains('\r')
}

fn json_value(node: &Node, indent: usize, first: Option<(&str, &str)>, out: &mut String) {
    let pad = |out: &mut String, indent: usize| out.extend(std::iter::repeat_n(' ', indent));
    match &node.content {
        Content::Map(entries) if !entries.is_empty() || first.is_some() => {
            out.push('{');
            if let Some((key, value)) = first {
                let pair = format!("{}:{}", serde_json::Value::from(key), serde_json::Value::from(value));
                out.push_str(&pair);
                out.push_str(if entries.is_empty() { "" } else { "," });
            }
            for (index, entry) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                pad(out, indent + 2);
                let _ = write!(out, "{}: ", serde_json::Value::from(entry.key.as_str()));
                json_value(&entry.value, indent + 2, None, out);
            }
            out.push('\n');
            pad(out, indent);
            out.push('}');
        }
        Content::List(nodes) if !nodes.is_empty() => {
            out.push('[');
            for (index, node) in nodes.iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                pad(out, indent + 2);
                json_value(node, indent + 2, None, out);
            }
            out.push('\n');
            pad(out, indent);
            out.push(']');
        }
        _ => out.push_str(&node.to_json_text()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::{json as read_json, yaml as read_yaml};
    use super::*;

    fn tree() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,20}",
            "[a-z ]{0,12}",
            "[ -~\n\t]{0,40}",
            "[a-c\n ]{0,12}",
            Just("yes".to_owned()),
            Just("2026-01-05".to_owned()),
            Just("0x1F".to_owned()),
            Just("~".to_owned()),
            Just("\u{feff}\u{2028}\u{85}\u{0}\u{1f303}".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("is finite", |n| n.is_finite()).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{0,10}|[a-z$]{1,6}|[ -~]{0,6}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in tree()) {
            let node = Node::from(&value);
            for width in [Width::DOCUMENT, Width::CONTRACT] {
                let text = yaml(&node, width);
                let read = read_yaml::parse(&text, 0);
                prop_assert!(read.is_ok(), "{:?}\n{text}", read.err());
                prop_assert_eq!(read.unwrap().to_json_text(), node.to_json_text(), "{}", text);
            }
            let text = json(&node, None);
            prop_assert_eq!(read_json::parse(&text, 0).unwrap().to_json_text(), node.to_json_text());
        }
    }

    #[test]
    fn documents_look_like_those_of_people() {
        let value = serde_json::json!({
            "$ref": "#/a/b",
            "list": [{"a": 1, "b": ["x", "y"]}, "no", []],
            "text": "One.\n\n  Two.\n",
            "when": "2026-01-05T10:00:00Z",
        });
        insta::assert_snapshot!(yaml(&Node::from(&value), Width::DOCUMENT), @r##"
        $ref: "#/a/b"
        list:
          - a: 1
            b: [x, "y"]
          - "no"
          - []
        text: |
          One.

            Two.
        when: "2026-01-05T10:00:00Z"
        "##);
        let contract = yaml(&Node::from(&value), Width::CONTRACT);
        assert!(contract.contains("  - { a: 1, b: [x, \"y\"] }\n"), "{contract}");
        let value = serde_json::json!({ "a": [1], "b": {} });
        insta::assert_snapshot!(json(&Node::from(&value), Some(("x-note", "hi"))), @r#"
        {"x-note":"hi",
          "a": [
            1
          ],
          "b": {}
        }
        "#);
    }
}

//! Names, text, comments and example values as TypeScript writes them: nothing in a contract ends a string or comment.

use std::fmt::Write as _;

use super::key;
use crate::contract::Contract;
use crate::node::{Content, Node};
use crate::schema::{Schema, Shape};

/// The largest whole number that a JavaScript number holds exactly, with all below it.
pub(super) const SAFE_MAX: i64 = (1 << 53) - 1;

/// Text in double quotes; line ends of every kind are escaped.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{7f}', "\\u007f")
}

/// A field's name as an interface has it.
pub(super) fn property(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let is_name =
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_plain);
    if is_name { name.to_owned() } else { quoted(name) }
}

/// A type's name as a constant has it.
pub(super) fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_lowercase(), chars.as_str()))
}

/// A documentation comment; several lines get their own.
pub(super) fn doc(text: &str, indent: &str) -> String {
    let text = text.trim().replace("*/", "*\\/");
    let lines: Vec<&str> = text.lines().collect();
    if let [line] = lines.as_slice() {
        return format!("{indent}/** {line} */");
    }
    let mut out = format!("{indent}/**\n");
    for line in lines {
        let _ = writeln!(out, "{}", format!("{indent} * {line}").trim_end());
    }
    out + indent + " */"
}

/// The first example whose numbers JavaScript can hold, as a literal of the contract's data type.
pub(super) fn example(contract: &Contract) -> Option<String> {
    contract.examples.iter().find_map(|example| value(example, &contract.payload, "  "))
}

/// A value as a literal; fields that the contract does not declare are left out, as the type has none for them.
fn value(node: &Node, schema: &Schema, indent: &str) -> Option<String> {
    let inner = format!("{indent}  ");
    Some(match (&node.content, &schema.shape) {
        (Content::Number(number), Shape::Integer(integer)) => {
            let whole = number.as_i64()?;
            let is_safe = (-SAFE_MAX..=SAFE_MAX).contains(&whole);
            match is_safe {
                true => whole.to_string(),
                false if super::schema::is_big(integer) => format!("{whole}n"),
                false => return None,
            }
        }
        (Content::Number(number), _) => number.to_string(),
        (Content::Null, _) => "null".to_owned(),
        (Content::Bool(value), _) => value.to_string(),
        (Content::Text(text), _) => quoted(text),
        (Content::List(nodes), Shape::List(list)) => {
            let items: Option<Vec<String>> =
                nodes.iter().map(|node| value(node, &list.items, &inner)).collect();
            block("[", &items?, "]", indent)
        }
        (Content::Map(entries), Shape::Object(object)) => {
            let mut fields = Vec::new();
            for entry in entries {
                if let Some(field) = object.field(&entry.key) {
                    fields.push(format!(
                        "{}: {}",
                        key(&entry.key),
                        value(&entry.value, &field.schema, &inner)?
                    ));
                }
            }
            block("{", &fields, "}", indent)
        }
        (Content::Map(entries), Shape::Map(values)) => {
            let mut fields = Vec::new();
            for entry in entries {
                fields.push(format!("{}: {}", key(&entry.key), value(&entry.value, values, &inner)?));
            }
            block("{", &fields, "}", indent)
        }
        (Content::Map(_), _) => "{ $forgotten: true }".to_owned(),
        (Content::List(_), _) => return None,
    })
}

/// Parts on one line where they fit, else each on its own.
pub(super) fn block(open: &str, parts: &[String], close: &str, indent: &str) -> String {
    if parts.is_empty() {
        return format!("{open}{close}");
    }
    let space = if open == "[" { "" } else { " " };
    let line = format!("{open}{space}{}{space}{close}", parts.join(", "));
    if line.chars().count() + indent.len() <= 80 && !line.contains('\n') {
        return line;
    }
    let mut out = format!("{open}\n");
    for part in parts {
        let _ = writeln!(out, "{indent}  {part},");
    }
    out + indent + close
}

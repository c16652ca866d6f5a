//! Text and docstrings as Python writes them: nothing in a contract ends a string or docstring.

/// Text in double quotes. What JSON escapes Python reads alike.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Text in the quotes that need no escapes, where there are such.
pub(super) fn text(text: &str) -> String {
    let is_plain = !text.contains(['\'', '\\']) && !text.chars().any(char::is_control);
    if is_plain { format!("'{text}'") } else { quoted(text) }
}

/// A docstring; several lines get their own.
pub(super) fn doc(text: &str, indent: &str) -> String {
    let text = text.trim().replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"").replace('\0', "");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut out = format!("{indent}\"\"\"{first}");
    let mut has_more = false;
    for line in lines {
        has_more = true;
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
            out.push_str(line);
        }
    }
    if has_more {
        out.push('\n');
        out.push_str(indent);
    } else if first.ends_with('"') {
        out.push(' ');
    }
    out + "\"\"\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_contract_ends_a_docstring_or_a_text() {
        assert_eq!(doc("Ends? \"\"\" \\", ""), "\"\"\"Ends? \\\"\\\"\\\" \\\\\"\"\"");
        assert_eq!(doc("a \"quote\"", ""), "\"\"\"a \"quote\" \"\"\"");
        assert_eq!(doc("a\n\nb", "  "), "  \"\"\"a\n\n  b\n  \"\"\"");
        assert_eq!(text(r#"{"a":1}"#), r#"'{"a":1}'"#);
        assert_eq!(text("it's"), "\"it's\"");
    }
}

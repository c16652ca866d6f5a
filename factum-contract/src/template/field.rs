//! One field of a draft, as people type it: `total:decimal!`.

use std::str::FromStr;

use crate::schema::{Format, Role};
use crate::words::Words as _;

/// One field of a draft: `NAME:TYPE`, `[]` after the type for a list, `!` when it is required, then perhaps `:ROLE`.
///
/// ```
/// use factum_contract::template::FieldOutline;
/// let field: FieldOutline = "total:decimal!".parse()?;
/// assert!(field.is_required);
/// # Ok::<(), factum_contract::template::FieldOutlineError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOutline {
    /// Its name on the wire.
    pub name: String,
    /// Whether it must be there.
    pub is_required: bool,
    kind: Kind,
    is_list: bool,
    role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Formatted(Format),
    Integer,
    Number,
    Boolean,
    Words(Vec<String>),
}

/// Text that does not say what a field is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no field: expected {expected}")]
pub struct FieldOutlineError {
    found: String,
    expected: &'static str,
}

const FORM: &str = "NAME:TYPE, with [] for a list, ! when required, then perhaps :identifier or :metadata";
const TYPES: &str =
    "a type of text, uuid, date-time, date, email, uri, decimal, integer, number, boolean, or words as a|b|c";

impl FromStr for FieldOutline {
    type Err = FieldOutlineError;

    fn from_str(text: &str) -> Result<Self, FieldOutlineError> {
        let error = |expected| FieldOutlineError { found: text.chars().take(80).collect(), expected };
        let mut parts = text.trim().split(':');
        let (Some(name), Some(typed), role, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error(FORM));
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= 60
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(error("a name of letters, digits and '_', starting with a letter"));
        }
        let role = match role {
            None => Role::Fact,
            Some(word) => {
                Role::of_word(word).ok_or_else(|| error("the role identifier, fact or metadata"))?
            }
        };
        let (typed, is_required) = match typed.strip_suffix('!') {
            Some(typed) => (typed, true),
            None => (typed, false),
        };
        let (typed, is_list) = match typed.strip_suffix("[]") {
            Some(typed) => (typed, true),
            None => (typed, false),
        };
        let kind = Kind::read(typed).ok_or_else(|| error(TYPES))?;
        Ok(Self { name: name.to_owned(), is_required, kind, is_list, role })
    }
}

impl FieldOutline {
    /// The key that a contract has when nobody said otherwise.
    pub(super) fn usual_key(name: &str) -> Self {
        let kind = Kind::Formatted(Format::Uuid);
        Self { name: name.to_owned(), is_required: true, kind, is_list: false, role: Role::Identifier }
    }

    /// When it happened.
    pub(super) fn timestamp() -> Self {
        let kind = Kind::Formatted(Format::DateTime);
        Self { name: "timestamp".to_owned(), is_required: true, kind, is_list: false, role: Role::Metadata }
    }

    /// A key is always there, and identifies.
    pub(super) fn become_key(&mut self) {
        self.is_required = true;
        if self.role == Role::Fact {
            self.role = Role::Identifier;
        }
    }

    /// Its schema, on one line.
    pub(super) fn schema(&self) -> String {
        let mut keywords = match &self.kind {
            Kind::Text => "type: string".to_owned(),
            Kind::Formatted(format) => format!("type: string, format: {format}"),
            Kind::Integer => "type: integer".to_owned(),
            Kind::Number => "type: number".to_owned(),
            Kind::Boolean => "type: boolean".to_owned(),
            Kind::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
                format!("enum: [{}]", words.join(", "))
            }
        };
        if self.is_list {
            keywords = format!("type: array, items: {{ {keywords} }}");
        }
        match self.role {
            Role::Fact => format!("{{ {keywords} }}"),
            role => format!("{{ {keywords}, role: {role} }}"),
        }
    }

    /// A value that it may have.
    pub(super) fn example(&self) -> String {
        let value = match &self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Formatted(Format::Uuid) => "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c".to_owned(),
            Kind::Formatted(Format::DateTime) => "2026-01-05T10:00:00Z".to_owned(),
            Kind::Formatted(Format::Date) => "2026-01-05".to_owned(),
            Kind::Formatted(Format::Email) => "ann@example.com".to_owned(),
            Kind::Formatted(Format::Uri) => "\"https://example.com/1\"".to_owned(),
            Kind::Formatted(Format::Decimal) => "\"21.00\"".to_owned(),
            Kind::Integer => "42".to_owned(),
            Kind::Number => "1.5".to_owned(),
            Kind::Boolean => "true".to_owned(),
            Kind::Words(words) => words.first().map(|word| scalar(word)).unwrap_or_default(),
        };
        if self.is_list { format!("[{value}]") } else { value }
    }
}

impl Kind {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "text" | "string" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            words if words.contains('|') => {
                let words: Vec<String> = words.split('|').map(|word| word.trim().to_owned()).collect();
                if words.iter().any(String::is_empty) {
                    return None;
                }
                Self::Words(words)
            }
            format => Self::Formatted(Format::of_word(format)?),
        })
    }
}

/// A word as YAML takes it for text: plain where that is safe, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    quoted_unless(text, |c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-'))
}

/// The same for a sentence on a line of its own, where commas do not count.
pub(super) fn sentence(text: &str) -> String {
    quoted_unless(text, |c| c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '_' | '-' | '\''))
}

fn quoted_unless(text: &str, is_safe: fn(char) -> bool) -> String {
    let is_word = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null");
    let is_plain = !is_word
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.chars().all(is_safe);
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_field_is_refused_with_what_was_expected() {
        let said: Vec<String> =
            ["total", "total:money", "1st:text", "a:text:owner", "a:text!:fact:x", "a:x||y", ""]
                .map(|text| text.parse::<FieldOutline>().unwrap_err().to_string())
                .into();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn text_that_yaml_would_take_for_something_else_is_quoted() {
        for (text, written) in [
            ("web", "web"),
            ("true", "\"true\""),
            ("12", "\"12\""),
            ("a: b", "\"a: b\""),
            ("x # y", "\"x # y\""),
        ] {
            assert_eq!(scalar(text), written);
        }
        assert_eq!(sentence("Paid, and sent."), "Paid, and sent.");
    }
}

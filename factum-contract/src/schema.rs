//! The payload of a contract: JSON Schema 2020-12, limited to what every generator can carry.
//!
//! A schema that is read is complete: references are resolved, formats known, bounds sensible. What cannot be carried
//! (`oneOf`, `patternProperties` …) is refused where it is read, with the reason, never dropped.

use serde_json::Value;

use crate::finding::Span;
use crate::words::words;

/// One value of a payload: what it may be, and what the contract says of it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Where it stands.
    pub span: Span,
    /// What the value may be.
    pub shape: Shape,
    /// Whether it may be `null`.
    pub is_nullable: bool,
    /// Name of its type in generated code.
    pub title: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// What it is to its event.
    pub role: Role,
    /// Unit of measure, or the field that holds it.
    pub unit: Option<String>,
    /// Whose personal data it is.
    pub personal: Option<Personal>,
    /// The value that readers assume when it is absent.
    pub default: Option<Value>,
    /// Whether its use is discouraged.
    pub is_deprecated: bool,
}

/// What a value may be.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Named fields.
    Object(ObjectShape),
    /// Any names with values of one kind.
    Map(Box<Schema>),
    /// A list of one kind.
    List(ListShape),
    /// Text.
    Text(TextShape),
    /// A whole number.
    Integer(IntegerShape),
    /// A number.
    Number(NumberShape),
    /// True or false.
    Boolean,
    /// One of some words.
    Choice(ChoiceShape),
}

impl Shape {
    /// What it is, in a reader's words.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Object(_) => "object",
            Self::Map(_) => "map",
            Self::List(_) => "list",
            Self::Text(_) => "text",
            Self::Integer(_) => "whole number",
            Self::Number(_) => "number",
            Self::Boolean => "true or false",
            Self::Choice(_) => "word",
        }
    }
}

/// Named fields, in the order of the contract.
#[derive(Debug, Clone, Default)]
pub struct ObjectShape {
    /// The fields.
    pub fields: Vec<Field>,
    /// Whether fields that are not declared are refused.
    pub is_closed: bool,
}

impl ObjectShape {
    /// The field of a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// One named field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name on the wire.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it may be.
    pub schema: Schema,
}

/// A list of one kind.
#[derive(Debug, Clone)]
pub struct ListShape {
    /// What each item may be.
    pub items: Box<Schema>,
    /// Fewest items.
    pub items_min: u64,
    /// Most items.
    pub items_max: Option<u64>,
}

/// Text, with its format and bounds; lengths count characters.
#[derive(Debug, Clone, Default)]
pub struct TextShape {
    /// Format.
    pub format: Option<Format>,
    /// Regular expression that must match somewhere in the text.
    pub pattern: Option<String>,
    /// Fewest characters.
    pub length_min: Option<u64>,
    /// Most characters.
    pub length_max: Option<u64>,
}

impl TextShape {
    /// Whether any text will do.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.format.is_none() && !self.has_bounds()
    }

    /// Whether there is more to it than its format.
    #[must_use]
    pub fn has_bounds(&self) -> bool {
        self.pattern.is_some() || self.length_min.is_some() || self.length_max.is_some()
    }
}

/// A whole number of 64 bits, bounds inclusive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntegerShape {
    /// Smallest value.
    pub min: Option<i64>,
    /// Largest value.
    pub max: Option<i64>,
    /// What it must be a multiple of.
    pub multiple_of: Option<i64>,
}

/// A number, as a double.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberShape {
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// What it must be greater than.
    pub above: Option<f64>,
    /// What it must be less than.
    pub below: Option<f64>,
}

/// One of some words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceShape {
    /// The words.
    pub words: Vec<String>,
    /// Whether readers must expect other words.
    pub is_extensible: bool,
}

words! {
    /// What a field is to its event.
    Role {
        /// Identifies a thing: becomes a tag, searchable and usable in consistency boundaries.
        Identifier = "identifier",
        /// Says what happened.
        Fact = "fact",
        /// Says something about the event itself.
        Metadata = "metadata",
    }
}

words! {
    /// Format of a text.
    Format {
        /// A UUID with hyphens.
        Uuid = "uuid",
        /// A point in time, RFC 3339.
        DateTime = "date-time",
        /// A calendar date, `2026-01-05`.
        Date = "date",
        /// An e-mail address.
        Email = "email",
        /// An absolute URI.
        Uri = "uri",
        /// A decimal number of at most 28 digits, exact: `"21.00"`.
        Decimal = "decimal",
    }
}

/// Whose personal data a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Personal {
    /// The field names the data subject, by pseudonym; it stays readable.
    Subject,
    /// The field is encrypted with the key of the subject that this field names.
    Of(String),
}

impl Schema {
    /// The object's fields; none for other shapes.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match &self.shape {
            Shape::Object(object) => &object.fields,
            _ => &[],
        }
    }

    /// The field of a name, when this is an object that has it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Calls `visit` for every schema below and with itself, with its path: `items[].price`.
    pub fn walk<'s>(&'s self, visit: &mut impl FnMut(&str, &'s Schema)) {
        self.walk_from("", visit);
    }

    fn walk_from<'s>(&'s self, path: &str, visit: &mut impl FnMut(&str, &'s Schema)) {
        visit(path, self);
        match &self.shape {
            Shape::Object(object) => {
                for field in &object.fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    field.schema.walk_from(&format!("{path}{dot}{}", field.name), visit);
                }
            }
            Shape::Map(values) => values.walk_from(&format!("{path}{{}}"), visit),
            Shape::List(list) => list.items.walk_from(&format!("{path}[]"), visit),
            _ => {}
        }
    }

    /// One line that says what the value may be: `text (uuid)`, `whole number, at least 1`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let characters = |n: u64| format!("{n} character{}", if n == 1 { "" } else { "s" });
        let bound = |parts: &mut Vec<String>, word: &str, value: Option<String>| {
            parts.extend(value.map(|value| format!("{word} {value}")));
        };
        let base = match &self.shape {
            Shape::Text(text) => {
                bound(&mut parts, "matching", text.pattern.clone());
                bound(&mut parts, "at least", text.length_min.map(characters));
                bound(&mut parts, "at most", text.length_max.map(characters));
                text.format.map_or_else(|| "text".to_owned(), |format| format!("text ({format})"))
            }
            Shape::Integer(integer) => {
                bound(&mut parts, "at least", integer.min.map(|n| n.to_string()));
                bound(&mut parts, "at most", integer.max.map(|n| n.to_string()));
                bound(&mut parts, "a multiple of", integer.multiple_of.map(|n| n.to_string()));
                "whole number".to_owned()
            }
            Shape::Number(number) => {
                bound(&mut parts, "at least", number.min.map(|n| n.to_string()));
                bound(&mut parts, "at most", number.max.map(|n| n.to_string()));
                bound(&mut parts, "above", number.above.map(|n| n.to_string()));
                bound(&mut parts, "below", number.below.map(|n| n.to_string()));
                "number".to_owned()
            }
            Shape::Choice(choice) => {
                let open = if choice.is_extensible { " | …" } else { "" };
                format!("{}{open}", choice.words.join(" | "))
            }
            Shape::List(list) => {
                bound(&mut parts, "at least", (list.items_min > 0).then(|| list.items_min.to_string()));
                bound(&mut parts, "at most", list.items_max.map(|n| n.to_string()));
                format!("list of {}", list.items.title.as_deref().unwrap_or(list.items.shape.as_str()))
            }
            Shape::Map(values) => {
                format!("map of {}", values.title.as_deref().unwrap_or(values.shape.as_str()))
            }
            Shape::Object(_) | Shape::Boolean => self.shape.as_str().to_owned(),
        };
        parts.insert(0, base);
        if self.is_nullable {
            parts.push("or null".to_owned());
        }
        parts.join(", ")
    }
}

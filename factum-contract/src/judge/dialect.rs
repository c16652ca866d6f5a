//! Which JSON Schema a document is written in.
//!
//! Many documents do not say; then the words they use decide, and the newest dialect where they leave it open.

use serde_json::Value;

/// A dialect of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Draft 4: as draft 7 with fewer words; whether a bound is open is said beside it.
    Draft4,
    /// Draft 6 and 7: `definitions`, tuples by a list in `items`, nothing counts beside `$ref`.
    Draft7,
    /// 2019-09: as 2020-12, with tuples as in draft 7.
    Draft2019,
    /// 2020-12.
    Draft2020,
    /// Anything else.
    Foreign,
}

/// Whether `format` is checked or only tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Formats {
    /// Formats tell people what to expect; every text is valid. The default of JSON Schema.
    #[default]
    Told,
    /// Formats are checked, the way contracts check them.
    Asserted,
}

const OLD_WORDS: [&str; 2] = ["additionalItems", "dependencies"];
const NEW_WORDS: [&str; 8] = [
    "prefixItems",
    "dependentRequired",
    "dependentSchemas",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
];

impl Dialect {
    pub(super) fn of(document: &Value) -> Self {
        if let Some(name) = document.get("$schema").and_then(Value::as_str) {
            return match name.trim_end_matches('#') {
                "http://json-schema.org/draft-04/schema" => Self::Draft4,
                "http://json-schema.org/draft-06/schema" | "http://json-schema.org/draft-07/schema" => {
                    Self::Draft7
                }
                "https://json-schema.org/draft/2019-09/schema" => Self::Draft2019,
                "https://json-schema.org/draft/2020-12/schema" => Self::Draft2020,
                _ => Self::Foreign,
            };
        }
        let mut words = Words::default();
        words.collect(document);
        if words.is_old && !words.is_new { Self::Draft7 } else { Self::Draft2020 }
    }

    pub(super) fn is_foreign(self) -> bool {
        self == Self::Foreign
    }

    /// Whether nothing counts beside `$ref`, and none of the words of 2019 and later do.
    pub(super) fn is_old(self) -> bool {
        matches!(self, Self::Draft4 | Self::Draft7)
    }

    /// Whether a keyword is a word of the dialect, among those that draft 6 and 7 brought.
    pub(super) fn has_word(self, keyword: &str) -> bool {
        let is_younger = matches!(keyword, "const" | "contains" | "propertyNames" | "if" | "then" | "else");
        self != Self::Draft4 || !is_younger
    }

    pub(super) fn has_prefix_items(self) -> bool {
        self == Self::Draft2020
    }
}

#[derive(Default)]
struct Words {
    is_old: bool,
    is_new: bool,
}

impl Words {
    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.is_old |= OLD_WORDS.contains(&key.as_str()) || (key == "items" && value.is_array());
                    self.is_new |= NEW_WORDS.contains(&key.as_str());
                    if !matches!(key.as_str(), "enum" | "const" | "default" | "examples") {
                        self.collect(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }
}

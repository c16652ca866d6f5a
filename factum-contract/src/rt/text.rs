//! Texts with a format that needs no bounds beside it.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, quoted};
use crate::schema::Format;
use crate::validate::format;

macro_rules! format_type {
    ($(#[$meta:meta])* $name:ident, $format:expr, $what:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                if format::is($format, &text) {
                    return Ok(Self(text));
                }
                Err(Invalid::new($what, format::expected($format), quoted(&text)))
            }
        }
        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                text.to_owned().try_into()
            }
        }
        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.to_owned().try_into()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

format_type!(
    /// An e-mail address.
    Email,
    Format::Email,
    "e-mail address"
);
format_type!(
    /// An absolute URI.
    Uri,
    Format::Uri,
    "URI"
);

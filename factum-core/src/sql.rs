//! SQL as handlers write it: one dialect of placeholders, values that every store can bind.
//!
//! Text from outside only ever travels as a bound [`Value`].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::name::Text;
use crate::time::Timestamp;

/// One statement; placeholders are `$1`, `$2` … on every store.
#[derive(Clone)]
pub struct Sql(Text);

impl Sql {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Sql {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Sql {}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self(Text::Static(text))
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self(Text::Shared(text.into()))
    }
}

/// A value that any store can bind and return.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null.
    Null,
    /// True or false (SQLite: 1 or 0).
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number; never money.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// A point in time (SQLite: microseconds since 1970).
    Instant(Timestamp),
}

macro_rules! value_from {
    ($($type:ty => |$value:ident| $made:expr),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self { $made }
        })+
    };
}

value_from! {
    bool => |value| Self::Bool(value),
    i64 => |value| Self::Int(value),
    i32 => |value| Self::Int(value.into()),
    u32 => |value| Self::Int(value.into()),
    f64 => |value| Self::Float(value),
    &str => |value| Self::Text(value.to_owned()),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    Bytes => |value| Self::Bytes(value),
    Vec<u8> => |value| Self::Bytes(value.into()),
    Timestamp => |value| Self::Instant(value),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Writes a list of values: `values![order.id(), 3, None::<&str>]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { ::std::vec::Vec::from([$($crate::Value::from($value)),*]) };
}

/// Whether the rows that a query reads are kept from others until the unit of work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lock {
    /// Reads what is committed; holds nothing.
    #[default]
    None,
    /// Makes the unit interactive: it holds the writer (SQLite) or its connection (PostgreSQL) until it ends.
    ForUpdate,
}

/// What a query answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    columns: Arc<[String]>,
    rows: Vec<Vec<Value>>,
}

/// A column that is missing, or holds another type than asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} is {found}, expected {expected}")]
pub struct ColumnError {
    column: String,
    found: String,
    expected: &'static str,
}

impl Rows {
    /// Rows under their columns' names.
    #[must_use]
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        Self { columns: columns.into(), rows }
    }

    /// The columns' names.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each row in turn.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// The first row, when there is one.
    #[must_use]
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

/// One row of an answer.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl<'a> Row<'a> {
    /// The values in the columns' order.
    #[must_use]
    pub fn values(&self) -> &'a [Value] {
        self.values
    }

    /// A column's value as the type asked for; `Option<T>` where it may be null.
    ///
    /// # Errors
    /// When there is no such column, or it holds another type.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, ColumnError> {
        let error = |found: String| ColumnError { column: column.to_owned(), found, expected: T::EXPECTED };
        let index = self.columns.iter().position(|name| name == column);
        let value = &self.values[index.ok_or_else(|| error("missing".to_owned()))?];
        T::from_value(value).ok_or_else(|| error(format!("{value:?}")))
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.columns.iter().zip(self.values)).finish()
    }
}

/// A Rust type that a column can be read as.
pub trait FromValue: Sized {
    /// What errors say was expected.
    const EXPECTED: &'static str;

    /// The value, when it is of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty, $expected:literal, $pattern:pat => $made:expr);+ $(;)?) => {
        $(impl FromValue for $type {
            const EXPECTED: &'static str = $expected;
            fn from_value(value: &Value) -> Option<Self> {
                match value { $pattern => $made, _ => None }
            }
        })+
    };
}

from_value! {
    i64, "a whole number", Value::Int(number) => Some(*number);
    u32, "a whole number from 0 to 4294967295", Value::Int(number) => u32::try_from(*number).ok();
    u64, "a whole number from 0", Value::Int(number) => u64::try_from(*number).ok();
    String, "text", Value::Text(text) => Some(text.clone());
    Bytes, "bytes", Value::Bytes(bytes) => Some(bytes.clone());
}

impl FromValue for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(is) => Some(*is),
            Value::Int(number @ (0 | 1)) => Some(*number == 1),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    const EXPECTED: &'static str = "a number";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        }
    }
}

impl FromValue for Timestamp {
    const EXPECTED: &'static str = "a time";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Instant(time) => Some(*time),
            Value::Int(micros) => Some(Self::from_micros(*micros)),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

//! A projection's tables: which are live, which are being filled, which are compared, which are to go.

use std::collections::BTreeMap;

use factum_core::{Position, RecordKind, Table, Timestamp};
use serde::{Deserialize, Serialize};

use super::State;

/// A projection's tables: which are live, which are being filled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProjectionState {
    /// Version in the code that filled the live tables.
    pub version: u32,
    /// Suffix of the live tables, and of the name of the consumer that fills them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Suffix of the tables being filled beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// Suffixes of tables that are no longer used and not yet dropped.
    #[serde(default)]
    pub retired: Vec<String>,
    /// Logical table names.
    pub tables: Vec<String>,
    /// Tables were begun when events up to here had been moved out of the log, and lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Position>,
    /// Tables with personal data, whatever their suffix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<PersonalTable>,
    /// Version of the newest code that has run; 0 where an earlier release wrote this.
    #[serde(default)]
    pub code: u32,
    /// Whether the tables being filled wait for an operator's word before they go live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_held: bool,
    /// When the filling began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The version of the code whose rebuild was cancelled: it does not begin again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<u32>,
    /// The copy that the live tables are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checking: Option<CheckingState>,
    /// How many copies there have been: each has a name of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub checks: u32,
    /// Suffixes of tables that go as soon as nobody fills them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropping: Vec<String>,
    /// What each suffix's tables are made of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made: BTreeMap<String, Vec<TableShape>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl State for ProjectionState {
    const KIND: RecordKind = RecordKind::PROJECTION;
}

impl ProjectionState {
    /// A suffix for new tables of a version, which no tables have or had.
    #[must_use]
    pub fn next_suffix(&self, version: u32) -> String {
        let is_used = |suffix: &String| {
            [&self.live, &self.building].into_iter().flatten().any(|known| known == suffix)
                || self.retired.contains(suffix)
                || self.dropping.contains(suffix)
                || self.made.contains_key(suffix)
        };
        let first = format!("v{version}");
        let mut suffixes = std::iter::once(first).chain((1..).map(|number| format!("v{version}r{number}")));
        suffixes.find(|suffix| !is_used(suffix)).expect("the numbers of suffixes do not end")
    }
}

/// The version of the code that fills the tables of a suffix.
pub(crate) fn version_of(suffix: &str) -> u32 {
    let digits = suffix.trim_start_matches('v');
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_default()
}

/// A copy of a projection's tables, filled to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckingState {
    /// Suffix of its tables.
    pub suffix: String,
    /// The instance that compares: when it is gone, the copy is dropped.
    pub by: String,
}

/// What a table is made of, as its projection declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its logical name.
    pub table: String,
    /// Its columns, without those that the database numbers by itself.
    pub columns: Vec<ColumnShape>,
    /// The columns of its primary key; none where rows are told apart by nothing, or by a number of the database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// Whether it is of a type that is compared as text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_text: bool,
}

impl TableShape {
    /// What a declared table is made of.
    pub(crate) fn of(table: &Table) -> Self {
        let all = table.column_list();
        let columns = all.iter().filter(|column| !column.is_numbered());
        let columns = columns
            .map(|column| ColumnShape { name: column.name.to_owned(), as_text: !column.is_plain() })
            .collect();
        let key = table.primary_key();
        let is_numbered = |name: &&str| all.iter().any(|column| column.name == *name && column.is_numbered());
        let key = if key.iter().any(is_numbered) { Vec::new() } else { key };
        Self { table: table.name.to_string(), columns, key: key.into_iter().map(str::to_owned).collect() }
    }
}

/// A table with personal data, as its projection declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalTable {
    /// Physical name.
    pub table: String,
    /// The column that holds the subject's pseudonym.
    pub subject: String,
    /// The columns to empty; when there are none, rows are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tables_have_a_suffix_that_none_have_had() {
        let mut state = ProjectionState::default();
        assert_eq!(state.next_suffix(1), "v1");
        state.live = Some("v1".into());
        assert_eq!(state.next_suffix(1), "v1r1");
        state.retired.push("v1r1".into());
        state.dropping.push("v1r2".into());
        assert_eq!((state.next_suffix(1), state.next_suffix(2)), ("v1r3".into(), "v2".into()));
        assert_eq!((version_of("v12r3"), version_of("v2"), version_of("x")), (12, 2, 0));
    }

    #[test]
    fn a_shape_knows_the_key_and_what_is_compared_as_text() {
        let table = Table::new(
            "line",
            "n bigint generated always as identity, order_id text, price numeric(10, 2) not null default (1, 2), \
             at date, primary key (order_id, price), check (price > 0)",
        );
        let shape = TableShape::of(&table);
        let columns: Vec<(&str, bool)> =
            shape.columns.iter().map(|column| (column.name.as_str(), column.as_text)).collect();
        assert_eq!(columns, [("order_id", false), ("price", true), ("at", true)]);
        assert_eq!(shape.key, ["order_id", "price"]);
        let numbered =
            TableShape::of(&Table::new("line", "n integer primary key autoincrement, step integer"));
        assert_eq!((numbered.key.len(), numbered.columns.len()), (0, 1));
    }
}

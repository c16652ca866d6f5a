//! Compares the tables of two suffixes of a projection, row by row, a page at a time.
//!
//! The live tables are read as they stood at one moment; the others stand still meanwhile. Rows meet by the primary
//! key; where there is none, equal rows are counted. Keeps a page of each side, and as many differences as were
//! asked for.

use std::collections::HashMap;

use factum_core::{Moment, Position, Row, Rows, Store, Value};

use super::AdminError;
use super::projections::physical;
use crate::state::{ColumnShape, TableShape};

/// Rows of a page.
const PAGE: usize = 1000;

/// Most rows of a table without a primary key: they are compared whole.
const KEYLESS_MAX: usize = 50_000;

/// How the tables of a projection differ from what they should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The position that both sides stand at.
    pub position: Position,
    /// Suffix of the live tables.
    pub live: String,
    /// Suffix of what they were compared with.
    pub with: String,
    /// Each table.
    pub tables: Vec<TableCompared>,
    /// Events that the live tables' consumer has set aside (parked, dead or refused): what they would write is in
    /// neither side.
    pub aside: u64,
}

impl Compared {
    /// How many rows differ.
    #[must_use]
    pub fn differ(&self) -> u64 {
        self.tables.iter().map(|table| table.differ).sum()
    }

    /// Whether there is nothing that differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.tables.iter().all(|table| table.differ == 0 && table.only.is_none())
    }
}

/// How one table differs.
#[derive(Debug, Clone, PartialEq)]
pub struct TableCompared {
    /// Its logical name.
    pub table: String,
    /// Rows of the live table.
    pub rows: u64,
    /// Rows that there should be.
    pub expected: u64,
    /// Rows that differ, are missing, or are too many.
    pub differ: u64,
    /// The first of them.
    pub first: Vec<RowDiffers>,
    /// Where only one side has the table: the suffix of that side.
    pub only: Option<String>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct RowDiffers {
    /// Its key, or the whole row where there is none: columns and values.
    pub key: Vec<(String, Value)>,
    /// What is live: all columns; `None` when the row is missing.
    pub live: Option<Vec<(String, Value)>>,
    /// What it should be; `None` when there should be no such row.
    pub expected: Option<Vec<(String, Value)>>,
}

/// The two sides of a table.
pub(super) struct Sides<'a> {
    pub(super) moment: &'a dyn Moment,
    pub(super) store: &'a dyn Store,
    pub(super) live: &'a str,
    pub(super) with: &'a str,
}

/// A list of columns, as it is selected.
struct Columns {
    names: Vec<String>,
    select: String,
    /// The key's columns as they are ordered by, and where they stand in the list.
    key: Vec<(String, usize)>,
}

impl Columns {
    /// The columns that both shapes have; the key where both have the same.
    fn common(live: &TableShape, with: &TableShape) -> Self {
        let is_common = |column: &&ColumnShape| with.columns.iter().any(|other| other.name == column.name);
        let columns: Vec<&ColumnShape> = live.columns.iter().filter(is_common).collect();
        let expression = |column: &ColumnShape| match column.as_text {
            true => format!("cast({} as text)", column.name),
            false => column.name.clone(),
        };
        let select: Vec<String> =
            columns.iter().map(|column| format!("{} as {}", expression(column), column.name)).collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let key: Option<Vec<(String, usize)>> = live
            .key
            .iter()
            .map(|name| place(name).map(|at| (expression(columns[at]), at)))
            .collect::<Option<Vec<_>>>()
            .filter(|_| live.key == with.key);
        let names = columns.iter().map(|column| column.name.clone()).collect();
        Self { names, select: select.join(", "), key: key.unwrap_or_default() }
    }

    fn named(&self, row: &[Value]) -> Vec<(String, Value)> {
        self.names.iter().cloned().zip(row.iter().cloned()).collect()
    }

    fn key_of(&self, row: &[Value]) -> Vec<(String, Value)> {
        match self.key.is_empty() {
            true => self.named(row),
            false => self.key.iter().map(|(_, at)| (self.names[*at].clone(), row[*at].clone())).collect(),
        }
    }

    /// One page of a table, after one key and up to another.
    fn page(&self, table: &str, after: &[Value], up_to: &[Value]) -> (String, Vec<Value>) {
        let list = self.key.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
        let mut params = Vec::new();
        let mut bounds = Vec::new();
        for (word, bound) in [(">", after), ("<=", up_to)] {
            if bound.is_empty() {
                continue;
            }
            let numbers = bound.iter().map(|value| {
                params.push(value.clone());
                format!("${}", params.len())
            });
            bounds.push(format!("({list}) {word} ({})", numbers.collect::<Vec<_>>().join(", ")));
        }
        let filter =
            if bounds.is_empty() { String::new() } else { format!(" where {}", bounds.join(" and ")) };
        (format!("select {} from {table}{filter} order by {list} limit {PAGE}", self.select), params)
    }

    /// The key of a page's last row, from which the next goes on.
    fn last(&self, rows: &Rows, table: &str) -> Result<Vec<Value>, AdminError> {
        let Some(last) = rows.iter().last() else { return Ok(Vec::new()) };
        let key: Vec<Value> = self.key.iter().map(|(_, at)| last.values()[*at].clone()).collect();
        match key.contains(&Value::Null) {
            true => Err(AdminError::Refused(format!(
                "table {table} has a row whose key is null, so that its rows cannot be told apart; declare it `not null`"
            ))),
            false => Ok(key),
        }
    }
}

/// Compares one table; `touch` is called between pages.
pub(super) async fn compare(
    sides: &Sides<'_>,
    live: &TableShape,
    with: &TableShape,
    most: usize,
    touch: &mut (dyn AsyncTouch + '_),
) -> Result<TableCompared, AdminError> {
    let columns = Columns::common(live, with);
    let tables = (physical(&live.table, sides.live)?, physical(&with.table, sides.with)?);
    let mut found = Found { most, columns: &columns, compared: empty(&live.table) };
    if columns.key.is_empty() {
        keyless(sides, &tables, &mut found).await?;
        return Ok(found.compared);
    }
    let mut after = Vec::new();
    loop {
        let (sql, params) = columns.page(&tables.0, &after, &[]);
        let rows = sides.moment.query(&sql, &params).await?;
        let is_last = rows.len() < PAGE;
        let up_to = if is_last { Vec::new() } else { columns.last(&rows, &live.table)? };
        found.compared.rows += rows.len() as u64;
        let mut open: HashMap<String, Vec<Value>> =
            rows.iter().map(|row| (text(&columns.key_of(row.values())), row.values().to_vec())).collect();
        let mut other_after = after;
        loop {
            let (sql, params) = columns.page(&tables.1, &other_after, &up_to);
            let others = sides.store.query(&sql, &params).await?;
            found.compared.expected += others.len() as u64;
            for other in others.iter() {
                let own = open.remove(&text(&columns.key_of(other.values())));
                if own.as_ref().is_none_or(|own| !same(own, other.values())) {
                    found.note(own.as_deref(), Some(other.values()));
                }
            }
            touch.touch().await?;
            if others.len() < PAGE {
                break;
            }
            other_after = columns.last(&others, &with.table)?;
        }
        let mut surplus: Vec<(String, Vec<Value>)> = open.into_iter().collect();
        surplus.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, own) in surplus {
            found.note(Some(&own), None);
        }
        if is_last {
            return Ok(found.compared);
        }
        after = up_to;
    }
}

/// What is done between pages, so that whoever watches knows that the comparison lives.
#[async_trait::async_trait]
pub(super) trait AsyncTouch: Send {
    async fn touch(&mut self) -> Result<(), AdminError>;
}

/// A table that only one side has.
pub(super) fn only(table: &str, suffix: &str) -> TableCompared {
    TableCompared { only: Some(suffix.to_owned()), ..empty(table) }
}

fn empty(table: &str) -> TableCompared {
    TableCompared { table: table.to_owned(), rows: 0, expected: 0, differ: 0, first: Vec::new(), only: None }
}

/// Counts equal rows on each side.
async fn keyless(
    sides: &Sides<'_>,
    tables: &(String, String),
    found: &mut Found<'_>,
) -> Result<(), AdminError> {
    let (select, most) = (&found.columns.select, KEYLESS_MAX + 1);
    let (live, with) = (&tables.0, &tables.1);
    let live = sides.moment.query(&format!("select {select} from {live} limit {most}"), &[]).await?;
    let with = sides.store.query(&format!("select {select} from {with} limit {most}"), &[]).await?;
    if live.len() > KEYLESS_MAX || with.len() > KEYLESS_MAX {
        let table = &found.compared.table;
        return Err(AdminError::Refused(format!(
            "table {table} has no primary key and more than {KEYLESS_MAX} rows, which are compared whole; give it a primary key"
        )));
    }
    (found.compared.rows, found.compared.expected) = (live.len() as u64, with.len() as u64);
    let mut counts: HashMap<String, (i64, Vec<Value>)> = HashMap::new();
    let mut count = |row: Row<'_>, by: i64| {
        let values = row.values().to_vec();
        counts.entry(text(&found.columns.named(&values))).or_insert((0, values)).0 += by;
    };
    live.iter().for_each(|row| count(row, 1));
    with.iter().for_each(|row| count(row, -1));
    let mut uneven: Vec<_> = counts.into_iter().filter(|(_, (count, _))| *count != 0).collect();
    uneven.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, (count, row)) in uneven {
        for _ in 0..count.unsigned_abs() {
            match count > 0 {
                true => found.note(Some(&row), None),
                false => found.note(None, Some(&row)),
            }
        }
    }
    Ok(())
}

struct Found<'a> {
    most: usize,
    columns: &'a Columns,
    compared: TableCompared,
}

impl Found<'_> {
    fn note(&mut self, live: Option<&[Value]>, expected: Option<&[Value]>) {
        self.compared.differ += 1;
        if self.compared.first.len() < self.most
            && let Some(row) = live.or(expected)
        {
            self.compared.first.push(RowDiffers {
                key: self.columns.key_of(row),
                live: live.map(|row| self.columns.named(row)),
                expected: expected.map(|row| self.columns.named(row)),
            });
        }
    }
}

fn same(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|pair| match pair {
            // What is no number equals itself here.
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || a == b,
            (a, b) => a == b,
        })
}

/// What tells keys and rows apart.
fn text(values: &[(String, Value)]) -> String {
    values.iter().map(|(_, value)| format!("{value:?}\u{1f}")).collect()
}

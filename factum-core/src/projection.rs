//! Projections: consumers whose effects are all tables in the store, so that they can be rebuilt.
//!
//! SQL names a table as `{order_summary}`; the name is resolved to the physical table of this projection's version,
//! so that a rebuild fills new tables beside the live ones.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{PoisonError, RwLock};

use crate::context::Context;
use crate::event::EventSet;
use crate::failure::Failure;
use crate::name::{ConsumerName, TableName, valid_table};
use crate::sql::{Lock, Rows, Sql, Value};
use crate::store::StoreError;

/// One table of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its logical name.
    pub name: TableName,
    /// The columns, as they stand between the parentheses of `create table`.
    pub columns: &'static str,
    /// Columns lists to index, such as `customer_id, placed_at`.
    pub indexes: &'static [&'static str],
    /// What of it is personal data, and whose.
    pub personal: Option<PersonalColumns>,
}

/// What of a table is personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonalColumns {
    /// The column that holds the subject's pseudonym.
    pub subject: &'static str,
    /// The columns to empty when the subject is forgotten; when there are none, its rows are removed.
    pub columns: &'static [&'static str],
}

impl Table {
    /// A table without extra indexes.
    #[must_use]
    pub const fn new(name: &'static str, columns: &'static str) -> Self {
        Self { name: TableName::constant(name), columns, indexes: &[], personal: None }
    }

    /// The same, where some columns hold personal data of the subject whose pseudonym stands in `subject`: they become
    /// null when the subject is forgotten, so they must not be `not null`.
    ///
    /// # Panics
    /// When a name is no column's, or there is none: in a constant, it does not compile then.
    #[must_use]
    pub const fn personal(mut self, subject: &'static str, columns: &'static [&'static str]) -> Self {
        assert!(!columns.is_empty(), "name the personal columns, or use `personal_rows`");
        self.personal = Some(PersonalColumns { subject, columns });
        self.check_columns();
        self
    }

    /// The same, where whole rows are personal: those of a subject are removed when it is forgotten.
    ///
    /// # Panics
    /// When the name is no column's.
    #[must_use]
    pub const fn personal_rows(mut self, subject: &'static str) -> Self {
        self.personal = Some(PersonalColumns { subject, columns: &[] });
        self.check_columns();
        self
    }

    const fn check_columns(&self) {
        let Some(personal) = self.personal else { return };
        assert!(valid_table(personal.subject.as_bytes()), "the subject's column is not a column's name");
        let mut index = 0;
        while index < personal.columns.len() {
            assert!(
                valid_table(personal.columns[index].as_bytes()),
                "a personal column is not a column's name"
            );
            index += 1;
        }
    }

    /// What is wrong with its personal columns, as far as their definitions show.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        let PersonalColumns { subject, columns } = self.personal?;
        let table = &self.name;
        for column in std::iter::once(&subject).chain(columns) {
            let Some(definition) = self.definition(column) else {
                return Some(format!(
                    "table {table} has no column {column}, which is declared with personal data"
                ));
            };
            if *column != subject && definition.to_lowercase().contains("not null") {
                return Some(format!(
                    "column {column} of table {table} is personal and `not null`, so it cannot be emptied; drop `not null`, or declare `personal_rows`"
                ));
            }
        }
        None
    }

    /// The definition of a column: what stands between the commas around it.
    fn definition(&self, column: &str) -> Option<&'static str> {
        let mut parts = self.parts().into_iter();
        parts
            .find(|part| part.split_whitespace().next().is_some_and(|name| name.eq_ignore_ascii_case(column)))
    }

    /// What stands between the commas of its definition, brackets and texts left whole.
    fn parts(&self) -> Vec<&'static str> {
        let (mut depth, mut is_text) = (0, false);
        let parts = self.columns.split(|c| {
            is_text ^= c == '\'';
            if !is_text {
                depth += i32::from(c == '(') - i32::from(c == ')');
            }
            c == ',' && depth == 0 && !is_text
        });
        parts.map(str::trim).collect()
    }

    /// For runtimes: its columns, constraints left out.
    #[must_use]
    pub fn column_list(&self) -> Vec<Column> {
        let columns = self.parts().into_iter().filter(|part| !is_constraint(part));
        columns
            .filter_map(|definition| Some(Column { name: definition.split_whitespace().next()?, definition }))
            .collect()
    }

    /// For runtimes: the columns of its primary key; none when it has none.
    #[must_use]
    pub fn primary_key(&self) -> Vec<&'static str> {
        for part in self.parts() {
            let small = part.to_ascii_lowercase();
            let Some(at) = small.find("primary key") else { continue };
            if !is_constraint(part) {
                return part.split_whitespace().next().into_iter().collect();
            }
            let listed = part[at..].split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            return listed.map_or_else(Vec::new, |(list, _)| list.split(',').map(str::trim).collect());
        }
        Vec::new()
    }

    /// The same with indexes.
    #[must_use]
    pub const fn indexes(mut self, indexes: &'static [&'static str]) -> Self {
        self.indexes = indexes;
        self
    }
}

/// A column of a table, as it is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    definition: &'static str,
}

impl Column {
    /// Types that are the same number, text or time wherever they are read.
    const PLAIN: [&'static str; 20] = [
        "text",
        "varchar",
        "char",
        "character",
        "integer",
        "int",
        "int2",
        "int4",
        "int8",
        "bigint",
        "smallint",
        "boolean",
        "bool",
        "bytea",
        "blob",
        "real",
        "double",
        "float",
        "timestamptz",
        "timestamp",
    ];

    /// Whether the database numbers it by itself, so that filling its table anew gives other numbers.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        let small = self.definition.to_ascii_lowercase();
        (small.contains("generated") && small.contains("identity"))
            || small.contains("autoincrement")
            || self.type_word().ends_with("serial")
    }

    /// Whether its values are read, bound and compared as they are; others are as text.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        Self::PLAIN.contains(&self.type_word().as_str())
    }

    fn type_word(&self) -> String {
        let word = self.definition.split_whitespace().nth(1).unwrap_or_default();
        word.split('(').next().unwrap_or_default().to_ascii_lowercase()
    }
}

/// Whether a part of a definition is no column.
fn is_constraint(part: &str) -> bool {
    let first = part.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let known = ["primary", "unique", "check", "foreign", "constraint", "exclude"];
    known.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// When the tables of a projection are filled anew because its version was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rebuild {
    /// As soon as code of the new version runs; the old tables answer until the new ones have caught up.
    #[default]
    Auto,
    /// When an operator asks: `factum projections rebuild NAME`. Until then code of the new version writes nothing.
    Asked,
}

/// A consumer whose effects are all in its own tables.
pub trait Projection: Send + Sync + 'static {
    /// Its name; checkpoints and tables are kept under it.
    const NAME: ConsumerName;
    /// Raised when `tables` or `apply` change meaning: the tables are then filled anew.
    const VERSION: u32;
    /// When the tables of a raised version are filled.
    const REBUILD: Rebuild = Rebuild::Auto;
    /// The events that it follows.
    type Input: EventSet + Sync;

    /// The tables that it fills.
    fn tables() -> Vec<Table>;

    /// Writes what an event changes. Only SQL on its own tables: no clock, no calls, so that a rebuild gives the same.
    fn apply(
        &self,
        event: Self::Input,
        tables: &mut Tables<'_, '_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Writes to a projection's tables.
pub struct Tables<'c, 'w> {
    cx: &'c mut Context<'w>,
    names: &'c PhysicalNames,
    fault: Option<TableError>,
}

/// SQL that names a table which is not the projection's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{{table}}} is not a table of projection {projection}; it has: {known}")]
pub struct TableError {
    /// What the SQL named.
    pub table: String,
    /// The projection.
    pub projection: String,
    /// The tables that it has.
    pub known: String,
}

/// Logical to physical table names of one version of a projection.
#[derive(Debug)]
pub struct PhysicalNames {
    projection: String,
    names: Vec<(TableName, String)>,
    /// Statements of the projection's code, by where their text stands in the program: resolved once.
    resolved: RwLock<HashMap<(usize, usize), Sql>>,
}

impl PhysicalNames {
    /// The names of a projection's tables under a suffix such as `v1`, or `v1_r2` of its second rebuild.
    #[must_use]
    pub fn new(projection: &ConsumerName, tables: &[Table], suffix: &str) -> Self {
        let names = tables.iter().map(|table| (table.name.clone(), format!("{}__{suffix}", table.name)));
        Self { projection: projection.to_string(), names: names.collect(), resolved: RwLock::default() }
    }

    /// The physical name of a table.
    #[must_use]
    pub fn physical(&self, table: &str) -> Option<&str> {
        self.names.iter().find(|(name, _)| name == table).map(|(_, physical)| physical.as_str())
    }

    /// The same for a statement that stands in the program: resolved the first time, shared after that.
    fn resolve_once(&self, sql: &'static str) -> Result<Sql, TableError> {
        let place = (sql.as_ptr() as usize, sql.len());
        if let Some(known) = self.resolved.read().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(known.clone());
        }
        let resolved = Sql::from(self.resolve(sql)?);
        self.resolved.write().unwrap_or_else(PoisonError::into_inner).insert(place, resolved.clone());
        Ok(resolved)
    }

    /// Replaces `{table}` by its physical name throughout a statement.
    ///
    /// # Errors
    /// When a name in braces is not one of the projection's tables.
    pub fn resolve(&self, sql: &str) -> Result<String, TableError> {
        let mut out = String::with_capacity(sql.len() + 16);
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((table, behind)) = after.split_once('}') else { break };
            let physical = self.physical(table).ok_or_else(|| TableError {
                table: table.chars().take(80).collect(),
                projection: self.projection.clone(),
                known: self.names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            out.push_str(before);
            out.push_str(physical);
            rest = behind;
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl<'c, 'w> Tables<'c, 'w> {
    /// For runtimes: tables of one attempt.
    pub fn new(cx: &'c mut Context<'w>, names: &'c PhysicalNames) -> Self {
        Self { cx, names, fault: None }
    }

    /// The event's metadata.
    #[must_use]
    pub fn cx(&self) -> &Context<'w> {
        self.cx
    }

    /// Collects a statement on the projection's tables, named in braces.
    pub fn execute(&mut self, sql: &'static str, params: Vec<Value>) {
        match self.names.resolve_once(sql) {
            Ok(sql) => self.cx.execute(sql, params),
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
    }

    /// Reads the projection's tables, named in braces.
    ///
    /// # Errors
    /// When the statement is wrong or the store fails.
    pub async fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Rows, Failure> {
        let sql = self.names.resolve(sql)?;
        let rows: Result<Rows, StoreError> = self.cx.work().query(&sql, params, Lock::None).await;
        Ok(rows?)
    }

    /// For runtimes: the first statement that named a foreign table.
    pub fn take_fault(&mut self) -> Option<TableError> {
        self.fault.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_column_can_be_emptied() {
        let table = |columns| Table::new("customers", columns).personal("customer_id", &["email"]);
        assert_eq!(
            table("customer_id text primary key, price numeric(10, 2) not null, email text").flaw(),
            None
        );
        let flaw = table("customer_id text primary key, email text NOT NULL").flaw().unwrap();
        assert!(flaw.contains("column email of table customers") && flaw.contains("personal_rows"), "{flaw}");
        assert!(table("customer_id text primary key").flaw().unwrap().contains("no column email"));
        let rows = Table::new("customers", "id text").personal_rows("customer_id");
        assert!(rows.flaw().unwrap().contains("no column customer_id"));
    }

    #[test]
    fn only_own_tables_are_named() {
        const NAME: ConsumerName = ConsumerName::constant("order_summary");
        let names = PhysicalNames::new(&NAME, &[Table::new("order_summary", "id text primary key")], "v1");
        let sql = names.resolve("select * from {order_summary} o join {order_summary} p").unwrap();
        assert_eq!(sql, "select * from order_summary__v1 o join order_summary__v1 p");
        let error = names.resolve("delete from {customers}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "{customers} is not a table of projection order_summary; it has: order_summary"
        );
    }
}

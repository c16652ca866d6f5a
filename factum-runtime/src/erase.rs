//! Personal data in projections' tables: what is emptied when a subject is forgotten, and by which SQL.
//!
//! A projection is purged where it stands in the log: its consumer meets `subject.forgotten` after every event that
//! was opened before. Whoever forgets purges at once as well, for projections that do not run and tables that are
//! no longer filled. Names come from declarations whose grammar was checked; what a record says of them is checked
//! again before it becomes SQL.

use factum_core::{
    Context, Event, EventType, Failure, Handler, Rows, StoreError, StoreErrorKind, SubjectForgotten, Table,
    TableName, Work, values,
};

use crate::state::PersonalTable;

pub(crate) mod tombstone;

/// The declared tables of a projection with personal data, under a suffix.
pub(crate) fn personal_tables(tables: &[Table], suffix: &str) -> Vec<PersonalTable> {
    let declared = tables.iter().filter_map(|table| {
        let personal = table.personal?;
        Some(PersonalTable {
            table: format!("{}__{suffix}", table.name),
            subject: personal.subject.to_owned(),
            columns: personal.columns.iter().map(|column| (*column).to_owned()).collect(),
        })
    });
    declared.collect()
}

/// Refuses tables whose personal columns could not be emptied.
pub(crate) fn check(tables: &[Table]) -> Result<(), StoreError> {
    match tables.iter().find_map(Table::flaw) {
        Some(flaw) => Err(StoreError::new(StoreErrorKind::Invalid, flaw)),
        None => Ok(()),
    }
}

/// Collects what empties a table of a subject's personal data.
pub(crate) fn purge(table: &PersonalTable, subject: &str, work: &mut dyn Work) -> Result<(), StoreError> {
    let PersonalTable { table, subject: by, columns } = checked(table)?;
    let sql = if columns.is_empty() {
        format!("delete from {table} where {by} = $1")
    } else {
        let emptied: Vec<String> = columns.iter().map(|column| format!("{column} = null")).collect();
        format!("update {table} set {} where {by} = $1", emptied.join(", "))
    };
    work.execute(sql.into(), values![subject]);
    Ok(())
}

/// What counts a subject's rows in a table.
pub(crate) fn count_sql(table: &PersonalTable) -> Result<String, StoreError> {
    let PersonalTable { table, subject, .. } = checked(table)?;
    Ok(format!("select count(*) as n from {table} where {subject} = $1"))
}

/// The number that such a statement answers.
pub(crate) fn counted(rows: &Rows) -> u64 {
    let count = rows.first().and_then(|row| row.get::<i64>("n").ok()).unwrap_or_default();
    u64::try_from(count).unwrap_or_default()
}

fn checked(table: &PersonalTable) -> Result<&PersonalTable, StoreError> {
    let is_name = |name: &str| name.parse::<TableName>().is_ok();
    let logical = table.table.split_once("__").map_or("", |(logical, _)| logical);
    let suffix = table.table.get(logical.len()..).unwrap_or_default();
    let is_suffix = suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name(logical)
        && is_suffix
        && is_name(&table.subject)
        && table.columns.iter().all(|name| is_name(name))
    {
        return Ok(table);
    }
    let message = format!("the record of table {:?} names what is no table or column", table.table);
    Err(StoreError::new(StoreErrorKind::Corrupt, message))
}

/// Empties a projection's tables when their subjects are forgotten.
pub(crate) struct Purges {
    tables: Vec<PersonalTable>,
}

impl Purges {
    pub(crate) fn of(tables: &[Table], suffix: &str) -> Self {
        Self { tables: personal_tables(tables, suffix) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(crate) fn apply(&self, event: &SubjectForgotten, cx: &mut Context<'_>) -> Result<(), Failure> {
        // Asked so that the ring lets go of a key that another process destroyed: later events open without it.
        if let Some(keys) = cx.gate().keys() {
            keys.subject(event.subject())?;
        }
        for table in &self.tables {
            purge(table, event.subject(), cx.work())?;
        }
        Ok(())
    }
}

impl Handler<SubjectForgotten> for Purges {
    async fn handle(&self, event: SubjectForgotten, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.apply(&event, cx)
    }
}

/// Whether a type is that of `subject.forgotten`.
pub(crate) fn is_forgotten(event: &EventType) -> bool {
    event.name == SubjectForgotten::TYPE.name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_names_no_table_becomes_no_sql() {
        let table = |table: &str, subject: &str, column: &str| PersonalTable {
            table: table.to_owned(),
            subject: subject.to_owned(),
            columns: vec![column.to_owned()],
        };
        assert!(checked(&table("customers__v1r2", "customer_id", "email")).is_ok());
        for bad in [
            table("customers; drop table x", "customer_id", "email"),
            table("customers__v1; --", "customer_id", "email"),
            table("customers__v1", "1 = 1 or id", "email"),
            table("customers__v1", "customer_id", "email = ''"),
            table("factum_event", "customer_id", "email"),
        ] {
            assert!(checked(&bad).is_err(), "{bad:?}");
        }
    }
}

//! Runs an application's SQL: `$1`, `$2` bound by name, with the application's rights, within a time budget.
//!
//! The same statement text is compiled once per connection. Values only ever travel as bound parameters.
//! Never answers more rows than a limit: what needs more should page.

use std::time::Duration;

use bytes::Bytes;
use factum_core::{Rows, StoreError, StoreErrorKind, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use super::door::{Door, OWN};
use super::error::store_error;

/// Most rows that one query answers.
const ROWS_MAX: usize = 100_000;

/// Most bytes of text and blobs that one query answers.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a statement of the application's did not run.
pub(super) enum Fault {
    /// The statement is wrong, or not allowed.
    Refused(StoreError),
    /// The driver failed; what it means for the transaction is for the caller to see.
    Driver(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

impl Fault {
    /// The store's error, with the door's refusal in place of "not authorized".
    pub(super) fn into_store_error(self, door: &Door) -> StoreError {
        match (self, door.take_refusal()) {
            (Self::Refused(error), _) => error,
            (Self::Driver(error), Some(refusal)) => {
                let message = format!("the statement is not allowed: {refusal}");
                StoreError::new(StoreErrorKind::Invalid, message).because(error)
            }
            (Self::Driver(error), None) => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::Unknown | rusqlite::ErrorCode::ConstraintViolation) | None => {
                    StoreError::new(StoreErrorKind::Invalid, "the statement failed").because(error)
                }
                Some(rusqlite::ErrorCode::ReadOnly) => {
                    let message = "a query cannot write; use execute";
                    StoreError::new(StoreErrorKind::Invalid, message).because(error)
                }
                Some(_) => store_error("the statement failed", error),
            },
        }
    }
}

/// Runs a statement once for each list of values, for its effect.
///
/// Compiled and looked at once: projections collect the same statement hundreds of times.
pub(super) fn execute<'p>(
    connection: &Connection,
    door: &Door,
    sql: &str,
    all_params: impl Iterator<Item = &'p [Value]>,
    budget: Duration,
) -> Result<(), Fault> {
    refuse_own(sql)?;
    door.as_user(budget, || {
        let mut statement = connection.prepare_cached(sql)?;
        let numbers = placeholders(&statement)?;
        for (run, params) in all_params.enumerate() {
            if run > 0 {
                door.renew(budget);
            }
            bind(&mut statement, &numbers, params)?;
            // A statement that answers rows, such as `insert … returning`, is stepped to its end.
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
        }
        Ok(())
    })
}

/// Runs a statement that answers rows.
pub(super) fn query(
    connection: &Connection,
    door: &Door,
    sql: &str,
    params: &[Value],
    budget: Duration,
) -> Result<Rows, Fault> {
    refuse_own(sql)?;
    door.as_user(budget, || {
        let mut statement = connection.prepare_cached(sql)?;
        let numbers = placeholders(&statement)?;
        bind(&mut statement, &numbers, params)?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns.len());
            for index in 0..columns.len() {
                let value = value(row.get_ref(index)?);
                bytes += match &value {
                    Value::Text(text) => text.len(),
                    Value::Bytes(blob) => blob.len(),
                    _ => 0,
                };
                values.push(value);
            }
            if found.len() == ROWS_MAX || bytes > ROW_BYTES_MAX {
                let message =
                    format!("the query answers over {ROWS_MAX} rows or {ROW_BYTES_MAX} bytes; page it");
                return Err(Fault::Refused(StoreError::new(StoreErrorKind::Invalid, message)));
            }
            found.push(values);
        }
        Ok(Rows::new(columns, found))
    })
}

/// Compiled statements are kept by their text, so that a user's must not be the text of one of Factum's own.
fn refuse_own(sql: &str) -> Result<(), Fault> {
    if !sql.trim_start().starts_with(OWN) {
        return Ok(());
    }
    let message = format!("the statement is not allowed: it starts with {OWN:?}, the mark of Factum's own");
    Err(Fault::Refused(StoreError::new(StoreErrorKind::Invalid, message)))
}

/// Which of the values each placeholder stands for, from 0.
fn placeholders(statement: &Statement<'_>) -> Result<Vec<usize>, Fault> {
    let number = |index: usize| {
        let name = statement.parameter_name(index).unwrap_or("?");
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        number
            .and_then(|number| number.checked_sub(1))
            .ok_or_else(|| wrong(format!("placeholder {name} is not one of $1, $2, …")))
    };
    (1..=statement.parameter_count()).map(number).collect()
}

fn bind(statement: &mut Statement<'_>, numbers: &[usize], params: &[Value]) -> Result<(), Fault> {
    statement.clear_bindings();
    for (index, number) in numbers.iter().enumerate() {
        let Some(param) = params.get(*number) else {
            let given = params.len();
            return Err(wrong(format!("placeholder ${} has no value; {given} were given", number + 1)));
        };
        statement.raw_bind_parameter(index + 1, bound(param))?;
    }
    Ok(())
}

fn wrong(message: String) -> Fault {
    Fault::Refused(StoreError::new(StoreErrorKind::Invalid, message))
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Bool(is) => ValueRef::Integer(i64::from(*is)),
        Value::Int(number) => ValueRef::Integer(*number),
        Value::Float(number) => ValueRef::Real(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
        Value::Instant(time) => ValueRef::Integer(time.as_micros()),
    })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Float(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Bytes(Bytes::copy_from_slice(blob)),
    }
}

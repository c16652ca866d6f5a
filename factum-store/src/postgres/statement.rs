//! Runs an application's SQL: `$1`, `$2` bound by name, values that mean the same as on every store.
//!
//! A value says its type, so that `$2 - $1` can be compiled; only null leaves it to the server. A driver keeps compiled
//! statements by their text alone, so the types are made part of the text.
//! Never answers more rows than a limit: what needs more should page.

use bytes::Bytes;
use factum_core::{Lock, Rows, StoreError, StoreErrorKind, Timestamp, Value};
use futures_util::TryStreamExt as _;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{
    AssertSqlSafe, Column as _, Decode, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
};

use super::door;
use super::error::user_error;

/// Most rows that one query answers.
const ROWS_MAX: usize = 100_000;

/// Most bytes of text and blobs that one query answers.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// Runs a statement for its effect.
pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: &str,
    params: &[Value],
) -> Result<(), sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(typed(sql, params)));
    for param in params {
        query = query.bind(Bound(param));
    }
    query.execute(connection).await.map(|_| ())
}

/// Runs a statement that answers rows.
pub(super) async fn query(
    connection: &mut PgConnection,
    sql: &str,
    params: &[Value],
    lock: Lock,
) -> Result<Rows, Fault> {
    let sql = match lock {
        Lock::ForUpdate if door::is_select(sql) => {
            format!("{}\nfor update", sql.trim_end().trim_end_matches(';'))
        }
        _ => sql.to_owned(),
    };
    let mut query = sqlx::query(AssertSqlSafe(typed(&sql, params)));
    for param in params {
        query = query.bind(Bound(param));
    }
    let (mut columns, mut found, mut bytes) = (None, Vec::new(), 0);
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if columns.is_none() {
            columns = Some(row.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>());
        }
        let values = values(&row)?;
        bytes += values.iter().map(value_bytes).sum::<usize>();
        if found.len() == ROWS_MAX || bytes > ROW_BYTES_MAX {
            let message = format!("the query answers over {ROWS_MAX} rows or {ROW_BYTES_MAX} bytes; page it");
            return Err(Fault::Refused(StoreError::new(StoreErrorKind::Invalid, message)));
        }
        found.push(values);
    }
    Ok(Rows::new(columns.unwrap_or_default(), found))
}

/// Why a statement of the application's did not run.
pub(super) enum Fault {
    /// The statement, or its answer, is not allowed.
    Refused(StoreError),
    /// The driver failed.
    Driver(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl Fault {
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Driver(error) => user_error(error),
        }
    }
}

/// The text with the types of its values behind it: another type is another compiled statement.
fn typed(sql: &str, params: &[Value]) -> String {
    if params.is_empty() {
        return sql.to_owned();
    }
    let types: String = params
        .iter()
        .map(|param| match param {
            Value::Null => '0',
            Value::Bool(_) => 'b',
            Value::Int(_) => 'i',
            Value::Float(_) => 'f',
            Value::Text(_) => 't',
            Value::Bytes(_) => 'y',
            Value::Instant(_) => 'z',
        })
        .collect();
    format!("{}\n-- {types}", sql.trim_end().trim_end_matches(';'))
}

/// A value as the driver binds it.
struct Bound<'a>(&'a Value);

impl Type<Postgres> for Bound<'_> {
    fn type_info() -> PgTypeInfo {
        // Left to the server.
        PgTypeInfo::with_oid(Oid(0))
    }

    fn compatible(_: &PgTypeInfo) -> bool {
        true
    }
}

impl Encode<'_, Postgres> for Bound<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(match self.0 {
            Value::Null => return None,
            Value::Bool(_) => <bool as Type<Postgres>>::type_info(),
            Value::Int(_) => <i64 as Type<Postgres>>::type_info(),
            Value::Float(_) => <f64 as Type<Postgres>>::type_info(),
            Value::Text(_) => <String as Type<Postgres>>::type_info(),
            Value::Bytes(_) => <Vec<u8> as Type<Postgres>>::type_info(),
            Value::Instant(_) => PgTypeInfo::with_oid(Oid(1184)),
        })
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Bool(is) => buffer.push(u8::from(*is)),
            Value::Int(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Float(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Text(text) => buffer.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => buffer.extend_from_slice(bytes),
            Value::Instant(time) => {
                let since_2000 =
                    time.as_micros().checked_sub(EPOCH_2000_US).ok_or("the time is out of range")?;
                buffer.extend_from_slice(&since_2000.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

fn values(row: &PgRow) -> Result<Vec<Value>, Fault> {
    let value = |index| {
        let raw = row.try_get_raw(index)?;
        let name = row.column(index).name();
        value(raw).map_err(|what| {
            let message = format!("column {name:?} {what}");
            Fault::Refused(StoreError::new(StoreErrorKind::Invalid, message))
        })
    };
    (0..row.len()).map(value).collect()
}

/// A column's value; what has no counterpart has to be cast by the statement.
fn value(raw: PgValueRef<'_>) -> Result<Value, String> {
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let failed = |error: BoxDynError| format!("cannot be read: {error}");
    let bytes = raw.as_bytes().map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match &*kind {
        "BOOL" => Value::Bool(bool::decode(raw).map_err(failed)?),
        "INT2" => Value::Int(i16::decode(raw).map_err(failed)?.into()),
        "INT4" => Value::Int(i32::decode(raw).map_err(failed)?.into()),
        "INT8" => Value::Int(i64::decode(raw).map_err(failed)?),
        "FLOAT4" => Value::Float(f32::decode(raw).map_err(failed)?.into()),
        "FLOAT8" => Value::Float(f64::decode(raw).map_err(failed)?),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "JSON" => Value::Text(text(bytes)),
        // One byte of version stands before the text.
        "JSONB" => Value::Text(text(bytes.get(1..).unwrap_or_default())),
        "BYTEA" => Value::Bytes(Bytes::copy_from_slice(bytes)),
        "UUID" => Value::Text(sqlx::types::Uuid::decode(raw).map_err(failed)?.to_string()),
        "TIMESTAMPTZ" | "TIMESTAMP" => {
            let since_2000 = i64::from_be_bytes(bytes.try_into().map_err(|_| "is no time".to_owned())?);
            Value::Instant(Timestamp::from_micros(since_2000.saturating_add(EPOCH_2000_US)))
        }
        "NUMERIC" => numeric(bytes).ok_or_else(|| "is a number that cannot be read".to_owned())?,
        other => return Err(format!("is of type {other}; cast it, as in ::text")),
    })
}

/// A decimal number: whole ones as numbers, others as text, because a float would lose digits.
fn numeric(bytes: &[u8]) -> Option<Value> {
    let word =
        |index: usize| bytes.get(index * 2..index * 2 + 2).map(|two| i16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?.cast_unsigned(), word(3)?);
    let digits: Option<Vec<i16>> = (0..count).map(|index| word(4 + usize::try_from(index).ok()?)).collect();
    let digits = digits?;
    let digit =
        |power: i16| usize::try_from(weight - power).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Some(Value::Text("NaN".to_owned())),
        0xD000 => return Some(Value::Text("Infinity".to_owned())),
        _ => return Some(Value::Text("-Infinity".to_owned())),
    };
    let mut whole: String = (0..=weight.max(0)).rev().map(|power| format!("{:04}", digit(power))).collect();
    whole = whole.trim_start_matches('0').to_owned();
    text.push_str(if whole.is_empty() { "0" } else { &whole });
    if scale <= 0 {
        return Some(text.parse().map_or(Value::Text(text), Value::Int));
    }
    let scale = usize::try_from(scale).ok()?;
    let mut fraction: String =
        (1..=i16::try_from(scale.div_ceil(4)).ok()?).map(|place| format!("{:04}", digit(-place))).collect();
    fraction.truncate(scale);
    Some(Value::Text(format!("{text}.{fraction}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[i16]) -> Option<Value> {
        numeric(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn decimal_numbers_keep_their_digits() {
        assert_eq!(of(&[1, 0, 0, 0, 42]), Some(Value::Int(42)));
        assert_eq!(of(&[2, 1, 0x4000, 0, 12, 34]), Some(Value::Int(-120_034)));
        assert_eq!(of(&[1, 1, 0, 0, 3]), Some(Value::Int(30_000)));
        assert_eq!(of(&[2, 0, 0, 2, 19, 9900]), Some(Value::Text("19.99".to_owned())));
        assert_eq!(of(&[1, -1, 0, 4, 5]), Some(Value::Text("0.0005".to_owned())));
        assert_eq!(of(&[0, 0, 0, 2]), Some(Value::Text("0.00".to_owned())));
    }
}

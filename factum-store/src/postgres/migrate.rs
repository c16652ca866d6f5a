//! Makes the tables, and brings those of earlier releases up to date, in place.
//!
//! Each revision is a list of statements that only ever grows at its end. All that is missing is applied in one
//! transaction under a lock, so that of many processes that start at once one does it and the others find it done; a
//! process that dies in the middle leaves no trace.
//! Never touches a schema of a later release.

use factum_core::{StoreError, StoreErrorKind, hash64};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use super::error::{Doing as _, code};
use super::place::Schema;

/// The lock's first number, so that it meets no other of Factum's.
const LOCK_CLASS: i32 = 0x_fac7;

macro_rules! revision {
    ($($name:literal),+ $(,)?) => { &[$(include_str!(concat!("sql/schema/", $name, ".sql"))),+] };
}

/// What each revision adds to the one before it.
const REVISIONS: &[&[&str]] = &[revision![
    "stream",
    "type",
    "position",
    "event",
    "event_stream",
    "event_id",
    "tag",
    "record",
    "record_group",
    "record_due",
    "cluster",
    "as_json",
    "event_json",
    "bounds",
    "holders",
    "lock_buckets",
    "version_before",
    "write",
    "append",
]];

/// Applies what is missing.
pub(super) async fn migrate(connection: &mut PgConnection, schema: &Schema) -> Result<(), StoreError> {
    // The usual case costs one look, and takes no lock.
    if applied(connection, schema).await? == REVISIONS.len() {
        return Ok(());
    }
    let mut tx = connection.begin().await.doing("cannot make the tables")?;
    let key = hash64(schema.as_str().as_bytes()) as i32;
    let lock = sqlx::query("select pg_advisory_xact_lock($1, $2)").bind(LOCK_CLASS).bind(key);
    lock.execute(&mut *tx).await.doing("cannot make the tables")?;
    let applied = applied(&mut tx, schema).await?;
    if applied == 0 {
        run(&mut tx, schema, include_str!("sql/schema/schema.sql")).await?;
        run(&mut tx, schema, include_str!("sql/schema/revision.sql")).await?;
    }
    for (number, statements) in REVISIONS.iter().enumerate().skip(applied) {
        for sql in *statements {
            run(&mut tx, schema, sql).await?;
        }
        let mark = schema.render("insert into factum.revision (number) values ($1)");
        let mark = sqlx::query(AssertSqlSafe(mark)).bind(number as i32 + 1);
        mark.execute(&mut *tx).await.doing("cannot make the tables")?;
    }
    tx.commit().await.doing("cannot make the tables")
}

async fn run(connection: &mut PgConnection, schema: &Schema, sql: &str) -> Result<(), StoreError> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(schema.render(sql)))).await;
    done.map(|_| ()).map_err(|error| {
        let message = format!("cannot make the tables in schema {}", schema.as_str());
        super::error::store_error(&message, error)
    })
}

/// How many revisions have been applied.
async fn applied(connection: &mut PgConnection, schema: &Schema) -> Result<usize, StoreError> {
    // Asked of the catalog's rows: names that the server looks up for itself may be remembered from before the lock.
    let exists = sqlx::query(include_str!("sql/is_there.sql"))
        .bind(schema.as_str())
        .fetch_one(&mut *connection)
        .await
        .doing("cannot look at the store")?;
    if !exists.try_get::<bool, _>("is_there").doing("cannot look at the store")? {
        return Ok(0);
    }
    let sql = schema.render("select coalesce(max(number), 0) as number from factum.revision");
    let found = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await;
    let found = found.map_err(|error| {
        let kind = match code(&error) {
            Some("42703" | "42P01") => StoreErrorKind::NotAStore,
            _ => return super::error::store_error("cannot look at the store", error),
        };
        let message = format!(
            "schema {} is not a store of Factum's; name another, as in ?schema=factum",
            schema.as_str()
        );
        StoreError::new(kind, message).because(error)
    })?;
    let number: i32 = found.try_get("number").doing("cannot look at the store")?;
    let applied = usize::try_from(number).unwrap_or(0);
    if applied > REVISIONS.len() {
        let message = format!(
            "the store is of revision {applied}; this release knows revisions up to {}; use a later release",
            REVISIONS.len()
        );
        return Err(StoreError::new(StoreErrorKind::NotAStore, message));
    }
    Ok(applied)
}

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
const REVISIONS: &[&[&str]] = &[
    revision![
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
    ],
    // A function stands in the newest revision that changed it.
    revision!["stream_closed", "version_before", "write", "append"],
];

/// The revision that this release makes.
pub(super) const REVISION: usize = REVISIONS.len();

/// Everything as one script, for whoever makes the tables by hand; what roles need stands at its end.
pub(super) fn script(schema: &Schema) -> String {
    let mut script = String::from("begin;\n\n");
    let start = [include_str!("sql/schema/schema.sql"), include_str!("sql/schema/revision.sql")];
    for (number, statements) in REVISIONS.iter().enumerate() {
        let first = if number == 0 { &start[..] } else { &[] };
        for sql in first.iter().chain(statements.iter()) {
            script.push_str(schema.render(sql).trim_end());
            script.push_str(";\n\n");
        }
        let mark = format!("insert into factum.revision (number) values ({});\n\n", number + 1);
        script.push_str(&schema.render(&mark));
    }
    script.push_str("commit;\n\n");
    script.push_str(&grants(schema));
    script
}

/// What roles need, to be run with their names.
fn grants(schema: &Schema) -> String {
    let name = schema.quoted();
    format!(
        "-- What the roles of programs and operators need, and no more. Make the roles, put their names in place of\n\
         -- factum_app and factum_operator, and run these lines as the owner of the tables. With them the owner's role\n\
         -- is needed for `factum migrate` alone; tables of projections are made where the program's role may create.\n\
         -- grant usage on schema {name} to factum_app, factum_operator;\n\
         -- grant select, insert, update, delete on all tables in schema {name} to factum_app, factum_operator;\n\
         -- grant usage, select, update on sequence {name}.position to factum_app, factum_operator;\n\
         -- grant pg_read_all_stats to factum_operator;\n"
    )
}

/// Applies what is missing; where there is no store at all, makes one only when that is wanted.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    schema: &Schema,
    makes: bool,
) -> Result<(), StoreError> {
    // The usual case costs one look, and takes no lock.
    match applied(connection, schema).await? {
        REVISION => return Ok(()),
        0 if !makes => {
            let message = format!(
                "there is no store in schema {}; start the app, which makes it, run `factum migrate`, or name another \
                 schema, as in ?schema=factum",
                schema.as_str()
            );
            return Err(StoreError::new(StoreErrorKind::NotAStore, message));
        }
        _ => {}
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

//! Copies an application's own table from one store's database to another's: what handlers wrote and no log holds.
//!
//! Made in the target where it is missing, from what the source says of it, and filled anew each time, so that asking
//! again after a crash is safe. Compared at the end. Knows tables of plain columns; what a database has beyond them
//! (foreign keys, checks, other indexes) is the application's to make.

use factum_core::{Commit, Lock, Store, StoreError, TableName, Value, Work, hash64, values};

use super::AdminError;
use crate::instance::as_store_error;

/// Rows that are read, and written, at a time.
const ROWS: usize = 500;

/// Copies a table; answers how many rows it has.
///
/// # Errors
/// When the source has no such table, the target's is another, or they differ at the end.
pub async fn copy_table(from: &dyn Store, to: &dyn Store, table: &TableName) -> Result<u64, AdminError> {
    let name = table.as_str();
    if !has(from, name).await? {
        return Err(AdminError::Unknown {
            what: "table",
            name: name.to_owned(),
            hint: "--tables names tables of the application, in the store to copy".to_owned(),
        });
    }
    if !has(to, name).await? {
        let definition = definition(from, name).await?;
        let mut work = to.begin().await?;
        work.execute(definition.into(), vec![]);
        committed(work).await?;
    }
    let mut work = to.begin().await?;
    work.execute(format!("delete from {name}").into(), vec![]);
    committed(work).await?;
    let source = fill(from, to, name).await?;
    let target = weigh(to, name).await?;
    if source != target {
        return Err(AdminError::Refused(format!(
            "table {name} differs after the copy: {} rows here, {} there; somebody else writes to one of the stores",
            source.rows, target.rows
        )));
    }
    Ok(source.rows)
}

async fn has(store: &dyn Store, name: &str) -> Result<bool, StoreError> {
    match store.query(&format!("select 1 as one from {name} limit 1"), &[]).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(false),
    }
}

/// How a table is made, as its own database says.
async fn definition(store: &dyn Store, name: &str) -> Result<String, StoreError> {
    let sqlite = "select sql from sqlite_master where type = 'table' and name = $1";
    if let Ok(rows) = store.query(sqlite, &values![name]).await
        && let Some(sql) = rows.first().and_then(|row| row.get::<String>("sql").ok())
    {
        return Ok(sql);
    }
    let columns = store.query(include_str!("sql/columns.sql"), &values![name]).await?;
    let mut parts = Vec::new();
    let mut key = Vec::new();
    for row in columns.iter() {
        let text = |column: &str| row.get::<String>(column).unwrap_or_default();
        let null = if text("nullable") == "NO" { " not null" } else { "" };
        parts.push(format!("{} {}{null}", text("name"), text("type")));
        if row.get::<bool>("is_key").unwrap_or_default() {
            key.push(text("name"));
        }
    }
    if !key.is_empty() {
        parts.push(format!("primary key ({})", key.join(", ")));
    }
    Ok(format!("create table {name} ({})", parts.join(", ")))
}

/// How many rows there are, and what they hold, in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Weight {
    rows: u64,
    sum: u64,
}

impl Weight {
    fn add(&mut self, values: &[Value]) {
        // A database without truth values keeps numbers.
        let plain = values.iter().map(|value| match value {
            Value::Bool(is) => Value::Int(i64::from(*is)),
            other => other.clone(),
        });
        let text = format!("{:?}", plain.collect::<Vec<_>>());
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hash64(text.as_bytes()));
    }
}

async fn fill(from: &dyn Store, to: &dyn Store, name: &str) -> Result<Weight, AdminError> {
    let mut weight = Weight::default();
    loop {
        let rows = page(from, name, weight.rows).await?;
        if rows.is_empty() {
            return Ok(weight);
        }
        let columns = rows.columns().join(", ");
        let places: Vec<String> = (1..=rows.columns().len()).map(|number| format!("${number}")).collect();
        let sql = format!("insert into {name} ({columns}) values ({})", places.join(", "));
        let mut work = to.begin().await?;
        for row in rows.iter() {
            work.execute(sql.clone().into(), row.values().to_vec());
            weight.add(row.values());
        }
        committed(work).await?;
    }
}

async fn weigh(store: &dyn Store, name: &str) -> Result<Weight, AdminError> {
    let mut weight = Weight::default();
    loop {
        let rows = page(store, name, weight.rows).await?;
        if rows.is_empty() {
            return Ok(weight);
        }
        rows.iter().for_each(|row| weight.add(row.values()));
    }
}

/// Rows in the order of the first column, which is the key's in most tables.
async fn page(store: &dyn Store, name: &str, after: u64) -> Result<factum_core::Rows, StoreError> {
    let sql = format!("select * from {name} order by 1 limit {ROWS} offset {after}");
    let mut work = store.begin().await?;
    work.query(&sql, &[], Lock::None).await
}

async fn committed(work: Box<dyn Work>) -> Result<(), StoreError> {
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

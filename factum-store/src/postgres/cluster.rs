//! Notices that the store lives elsewhere than when it was last written to: a restore, a copy, a failover.
//!
//! A server that took over, or a backup that was restored, may lack the last events, and consumers may have seen
//! them. Positions must not be given a second time, so that the sequence skips a gap that is wider than what can
//! have been lost. What stands beyond the log after that is found and named by its consumer.

use factum_core::StoreError;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::connect::Backend;
use super::error::Doing as _;
use super::names::Names;
use super::shared::Shared;
use super::statements::Statements;

/// How far positions are moved on: more than any server appends between two syncs to its replica.
const GAP: i64 = 1_000_000;

const DOING: &str = "cannot look at the server's identity";

/// Before anything is written over a new connection: the server behind the name may be another than before. Names behind
/// numbers that only the old one had may mean something else on this one.
pub(super) async fn arrive(
    connection: &mut PgConnection,
    backend: &Backend,
    statements: &Statements,
    shared: &Shared,
    names: &Names,
) -> Result<(), StoreError> {
    if shared.is_at(&backend.identity) {
        return Ok(());
    }
    settle(connection, statements).await?;
    names.forget();
    shared.is_now_at(&backend.identity);
    Ok(())
}

/// Compares where the store is with where it was, and leaves the gap when they differ; of many that come at the same
/// time one does it.
pub(super) async fn settle(connection: &mut PgConnection, statements: &Statements) -> Result<(), StoreError> {
    let (was, now) = look(connection, statements).await?;
    if was.as_ref() == Some(&now) {
        return Ok(());
    }
    let mut tx = connection.begin().await.doing(DOING)?;
    sqlx::query(statements.cluster_lock.sql()).execute(&mut *tx).await.doing(DOING)?;
    let (was, now) = look(&mut tx, statements).await?;
    if was.as_ref() == Some(&now) {
        return Ok(());
    }
    if let Some(was) = &was {
        let advance = sqlx::query(statements.advance.sql()).bind(GAP);
        advance.execute(&mut *tx).await.doing(DOING)?;
        tracing::warn!(
            %was, %now, gap = GAP,
            "the store was restored, copied or failed over: positions skip a gap; what consumers saw may be missing"
        );
    }
    let write = sqlx::query(statements.cluster_write.sql()).bind(now).bind(was);
    write.execute(&mut *tx).await.doing(DOING)?;
    tx.commit().await.doing(DOING)
}

/// Where the store was last written to, and where it is.
async fn look(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<(Option<String>, String), StoreError> {
    let row = sqlx::query(statements.cluster_read.sql()).fetch_one(connection).await.doing(DOING)?;
    Ok((row.try_get("was").doing(DOING)?, row.try_get("now").doing(DOING)?))
}

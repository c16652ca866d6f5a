//! Notices that the store lives elsewhere than when it was last written to: a restore, a copy, a failover.
//!
//! A server that took over, or a backup that was restored, may lack the last events, and consumers may have seen
//! them. Positions must not be given a second time, so that the sequence skips a gap that is wider than what can
//! have been lost. What stands beyond the log after that is found and named by its consumer.

use factum_core::StoreError;
use sqlx::{PgConnection, Row as _};

use super::error::Doing as _;
use super::statements::Statements;

/// How far positions are moved on: more than any server appends between two syncs to its replica.
const GAP: i64 = 1_000_000;

/// Compares where the store is with where it was, and leaves the gap when they differ; true when they did.
pub(super) async fn settle(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<bool, StoreError> {
    let doing = "cannot look at the server's identity";
    let row = sqlx::query(statements.cluster_read.sql()).fetch_one(&mut *connection).await.doing(doing)?;
    let was: Option<String> = row.try_get("was").doing(doing)?;
    let now: String = row.try_get("now").doing(doing)?;
    if was.as_ref() == Some(&now) {
        return Ok(false);
    }
    if let Some(was) = &was {
        let advance = sqlx::query(statements.advance.sql()).bind(GAP);
        advance.execute(&mut *connection).await.doing(doing)?;
        tracing::warn!(
            %was, %now, gap = GAP,
            "the store was restored, copied or failed over: positions skip a gap; what consumers saw may be missing"
        );
    }
    let write = sqlx::query(statements.cluster_write.sql()).bind(now).bind(was);
    write.execute(&mut *connection).await.doing(doing)?;
    Ok(true)
}

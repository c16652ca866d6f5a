//! How far readers may read: the fence that keeps positions final.
//!
//! A sequence hands positions out before their transactions commit, and transactions commit in any order. A reader
//! that remembers only "the last position I saw" would pass by an event that commits later with a lower position.
//!
//! **A writer** (`sql/schema/write.sql`, `sql/schema/append.sql`, `sql/append_one.sql`, `sql/append_new.sql`), after it has locked all that it
//! locks, reads the sequence's last value `L`, takes a shared lock that names `L` and ends with its transaction, and
//! only then draws positions. All of them are
//! above `L`, because the sequence has no cache. Nobody ever takes the lock exclusively, so that nobody waits for it.
//! `L` is read with `pg_sequence_last_value`, which locks the sequence's page. `select last_value` does not: while
//! another transaction logs a draw the page says up to 32 more than was drawn, and once in a million reads, more often
//! on a busy machine, a plain select meets that moment. An `L` that is too high holds nothing back, and loses events.
//!
//! **A reader** takes three steps, in this order:
//!
//! 1. *bound*: the greatest position that is visible;
//! 2. *pending*: the lowest `L` among the locks that are held;
//! 3. *scan*: in a new statement, what lies up to the lower of the two.
//!
//! Steps 1 and 2 are `sql/schema/bounds.sql`; step 3 is any statement that begins after it has answered.
//!
//! **Why nothing is lost.** Let `W` be the lower of bound and pending, and suppose that a transaction `T` draws a
//! position `p ≤ W` and is not visible to the scan.
//!
//! - `T` took its lock before step 2. If it still held it at step 2, its `L` was among those looked at, so that
//!   `pending ≤ L < p`, against `p ≤ W ≤ pending`. If it no longer held it, `T` had ended; a transaction gives its locks
//!   back after it has become visible to new snapshots, and the scan's snapshot is taken after step 2, so that the scan
//!   sees it.
//! - `T` took its lock after step 2. Then it drew `p` after step 2, and `p` is above everything drawn before, and so
//!   above what was visible at step 1: `p > bound ≥ W`.
//!
//! **Why in no other order.** Locks before the bound: two writers that take their locks after the reader has looked at
//! the locks, of which the higher one commits before the reader looks for the bound, raise the bound above the lower
//! one, which nothing holds back. Everything in one statement: the scan's snapshot is older than the look at the locks,
//! so that a transaction that ends in between is in neither. `tests/postgres/fence.rs` loses events both ways.
//!
//! What follows from this: a savepoint that is rolled back gives its lock back and takes its positions with it; a
//! server process that dies does both at once; a prepared transaction keeps its lock. A server's crash ends all of
//! them, and the sequence only ever moves on. Events of one stream commit in the order of their positions, because its
//! row is locked before they are drawn: a read of one stream needs no fence.
//! Never on a replica: locks are not replicated.

use factum_core::Position;
use sqlx::{PgConnection, Row as _};

use super::statements::Statements;

/// What the first two steps found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The greatest visible position.
    pub(super) bound: i64,
    /// The lowest position named by a lock.
    pub(super) pending: Option<i64>,
    /// The server's time, in microseconds since 1970.
    pub(super) clock: i64,
}

impl Bounds {
    /// Up to where a statement that begins now may read.
    pub(super) fn visible(&self) -> Position {
        let visible = self.pending.map_or(self.bound, |pending| self.bound.min(pending));
        Position::at(u64::try_from(visible).unwrap_or(0))
    }
}

/// The first two steps.
pub(super) async fn look(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<Bounds, sqlx::Error> {
    let row = sqlx::query(statements.bounds.sql()).fetch_one(connection).await?;
    Ok(Bounds { bound: row.try_get(0)?, pending: row.try_get(1)?, clock: row.try_get(2)? })
}

//! The raw twin: what a careful programmer would write by hand on the same schema, with the same durability.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::scene;

/// A store's file, opened with bare rusqlite and the store's settings.
pub(crate) struct Twin {
    connection: Connection,
}

const UPSERT: &str = "insert into total (thing, steps, last) values (?1, 1, ?2)
    on conflict (thing) do update set steps = steps + 1, last = excluded.last";

/// The same statement as the toolkit's handlers write it.
pub(crate) const UPSERT_NAMED: &str = "insert into total (thing, steps, last) values ($1, 1, $2)
    on conflict (thing) do update set steps = steps + 1, last = excluded.last";

/// The table that all effects go to.
pub(crate) const TABLE: &str = "create table if not exists total (thing text primary key, steps integer not null, last integer not null)";

impl Twin {
    pub(crate) fn open(place: &Path) -> Self {
        drop(scene::open(place));
        let connection = Connection::open(place).expect("the file opens");
        connection
            .execute_batch("pragma synchronous = full; pragma wal_autocheckpoint = 4000")
            .expect("the store's settings");
        connection.execute_batch(TABLE).expect("the table of effects");
        connection
            .execute_batch(
                "create table if not exists checkpoint (slot integer primary key, position integer not null)",
            )
            .expect("the table of checkpoints");
        Self { connection }
    }

    /// One upsert for each step and one checkpoint, in one commit.
    pub(crate) fn commit<'k>(&mut self, slot: usize, steps: impl Iterator<Item = (&'k str, i64)>) {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        {
            let mut upsert = tx.prepare_cached(UPSERT).expect("the upsert");
            let mut last = 0;
            for (thing, step) in steps {
                upsert.execute((thing, step)).expect("the upsert runs");
                last = step;
            }
            let mut checkpoint = tx
                .prepare_cached("insert or replace into checkpoint (slot, position) values (?1, ?2)")
                .expect("the checkpoint");
            checkpoint.execute((slot as i64, last)).expect("the checkpoint moves");
        }
        tx.commit().expect("commits");
    }
}

//! The shop: plain tables, its own connection, its own transactions. It knows no stream, no decider, no broker.

use std::path::Path;
use std::sync::Arc;

use factum::contract::Contracts;
use factum::store::sqlite::{Options, SqliteStore};
use factum::{Envelope, Expected};
use rusqlite::{Connection, TransactionBehavior};

use crate::contracts::{CATALOG, OrderPlaced};

/// The shop's database; its events lie in the same file.
pub struct Shop {
    connection: Connection,
    /// Where its events lie.
    pub store: Arc<SqliteStore>,
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It counts.
    Commit,
    /// It never was.
    Rollback,
}

impl Shop {
    /// Opens the file, and makes the table where there is none.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let contracts = Arc::new(Contracts::try_from(CATALOG)?);
        let store = Arc::new(SqliteStore::open(&path.display().to_string(), Options::new(contracts))?);
        let connection = Connection::open(path)?;
        connection.execute_batch("create table if not exists orders (id text primary key, item text)")?;
        Ok(Self { connection, store })
    }

    /// Takes an order: the row and the event, in one transaction.
    ///
    /// # Errors
    /// When the database fails, or the event breaks its contract.
    pub fn place(&mut self, order: &str, item: &str, end: End) -> anyhow::Result<()> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let mut tx = tx?;
        tx.execute("insert into orders values (?1, ?2)", [order, item])?;
        let placed = OrderPlaced::new(order.to_owned().try_into()?, item.to_owned().try_into()?);
        let event = Envelope::of(&placed)?;
        self.store.append_with(&mut tx, &event.stream()?, Expected::Any, &[event])?;
        match end {
            End::Commit => tx.commit()?,
            End::Rollback => tx.rollback()?,
        }
        Ok(())
    }
}

//! Proves the store whole, and looks at what is unusual about its server.
//!
//! Never repairs: what is damaged is named, and a backup restored.

use std::path::Path;

use async_trait::async_trait;
use factum_core::{CheckReport, Finding, Maintenance, Recorded, StoreError, StoreErrorKind};
use sqlx::{Executor as _, Row as _};

use super::PostgresStore;
use super::connect::{self, Purpose};
use super::error::Doing as _;
use super::{import, watcher};

mod check;

/// Share of the server's connections in use at which it is reported, in percent.
const CONNECTIONS_USUAL: i32 = 80;

const DOING: &str = "cannot look at the store";

#[async_trait]
impl Maintenance for PostgresStore {
    async fn check(&self) -> Result<CheckReport, StoreError> {
        let core = std::sync::Arc::clone(&self.handle.core);
        self.handle.run(async move { check::run(&core).await }).await
    }

    async fn backup(&self, _: &Path) -> Result<(), StoreError> {
        let place = &self.handle.core.place;
        let message = format!(
            "PostgreSQL copies its databases itself: pg_dump --format=custom --schema={} --file=FILE, or pg_basebackup \
             for the whole server; this store is {place}",
            place.schema.as_str()
        );
        Err(StoreError::new(StoreErrorKind::Invalid, message))
    }

    async fn import(&self, events: &[Recorded]) -> Result<(), StoreError> {
        let (core, events) = (std::sync::Arc::clone(&self.handle.core), events.to_vec());
        self.handle.run(async move { import::run(&core, &events).await }).await
    }

    async fn take_out(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        let (core, events) = (std::sync::Arc::clone(&self.handle.core), events.to_vec());
        self.handle.run(async move { import::take_out(&core, &events).await }).await
    }

    async fn put_back(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        let (core, events) = (std::sync::Arc::clone(&self.handle.core), events.to_vec());
        self.handle.run(async move { import::put_back(&core, &events).await }).await
    }

    /// Takes deleted rows out of all tables of the database. The server's write-ahead log, its archive and its replicas
    /// keep what they have until they recycle it: that is the server's to set up.
    async fn scrub(&self) -> Result<(), StoreError> {
        let core = std::sync::Arc::clone(&self.handle.core);
        self.handle
            .run(async move {
                let connected = connect::connect(&core.place, &core.statements, Purpose::Migrate).await;
                let vacuum = sqlx::raw_sql(include_str!("sql/vacuum.sql"));
                connected?.0.execute(vacuum).await.map(|_| ()).doing("cannot take out what was deleted")
            })
            .await
    }

    async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        let core = std::sync::Arc::clone(&self.handle.core);
        let (row, holders) = self
            .handle
            .run(async move {
                let row = core.ask(&core.statements.doctor).await?;
                let mut lease = core.readers.lease().await?;
                let holders = watcher::holders(&mut lease.connection, &core.statements).await.doing(DOING)?;
                core.readers.give_back(lease);
                Ok((row, holders))
            })
            .await?;
        let mut findings = Vec::new();
        let mut note = |is_error, what: String, hint: &str| {
            findings.push(Finding { is_error, what, hint: hint.to_owned() });
        };
        for holder in holders.iter().filter(|holder| holder.seconds > 1.0) {
            note(
                true,
                format!("readers are held up: {holder}"),
                "end that transaction: select pg_terminate_backend(PID), or rollback prepared 'NAME'",
            );
        }
        let number = |name| row.try_get::<i32, _>(name).doing(DOING);
        let (most, used) = (number("connections_max")?, number("connections")?);
        if used * 100 > most * CONNECTIONS_USUAL {
            note(
                false,
                format!("{used} of the server's {most} connections are in use"),
                "raise max_connections, or give each store fewer",
            );
        }
        let text = |name| row.try_get::<Option<String>, _>(name).doing(DOING);
        if text("full_page_writes")?.as_deref() == Some("off") {
            note(
                false,
                "full_page_writes is off".to_owned(),
                "a page that is torn by a power loss cannot be mended; turn it on",
            );
        }
        if let Some(moved_at) = text("moved_at")? {
            let from = text("moved_from")?.unwrap_or_default();
            note(
                false,
                format!("the store was restored, copied or failed over at {moved_at} (before: {from})"),
                "positions skip 1,000,000; events that only the old server had are gone; look at consumers ahead of the log",
            );
        }
        Ok(findings)
    }
}

//! What an operator does to a store: prove it whole, copy it, look at its health.

use std::path::Path;

use async_trait::async_trait;

use crate::envelope::Recorded;
use crate::store::{Position, StoreError};

/// Operating a store; apart from `Store`, so that handlers never see it.
#[async_trait]
pub trait Maintenance: Send + Sync + 'static {
    /// Proves the whole log: dense positions and versions, checksums, checkpoints within the log.
    async fn check(&self) -> Result<CheckReport, StoreError>;

    /// Copies the store, while it is in use, to a file that must not exist.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    /// Takes over events of another store as they were recorded: ids, streams, versions and positions stay, and no
    /// contract is asked. All of them or none; behind everything that is there, in the order of their positions.
    /// Nobody else may append meanwhile.
    ///
    /// # Errors
    /// `Invalid` when a position is not beyond the last one.
    async fn import(&self, events: &[Recorded]) -> Result<(), StoreError>;

    /// Takes events out of the log that are kept elsewhere, all or none; answers how many were there. Streams keep their
    /// versions, and positions are never given again. What else the store remembers of them stays.
    async fn take_out(&self, events: &[Recorded]) -> Result<u64, StoreError>;

    /// Puts events back that were taken out, in their places, all or none; answers how many were not there.
    ///
    /// # Errors
    /// `Invalid` when something else is in the place of one, or it is beyond the log's end.
    async fn put_back(&self, events: &[Recorded]) -> Result<u64, StoreError>;

    /// Leaves nothing in the store's files of what was deleted: old pages of journals are cut off. Only what was
    /// deleted while the store was open behind a gate with keys was overwritten where it stood.
    ///
    /// # Errors
    /// `Unavailable` when readers kept it from being done; ask again.
    async fn scrub(&self) -> Result<(), StoreError>;

    /// What is unusual about the store's set-up.
    async fn doctor(&self) -> Result<Vec<Finding>, StoreError>;
}

/// What `check` looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Events read and verified.
    pub events: u64,
    /// Streams whose versions were proven dense.
    pub streams: u64,
    /// Records looked at.
    pub records: u64,
    /// The last position.
    pub head: Position,
    /// What is wrong; empty means the log is whole.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, or unusual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether data is damaged or lost, as against merely unusual.
    pub is_error: bool,
    /// What, where.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

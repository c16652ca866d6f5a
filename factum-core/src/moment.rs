//! A store as it stood at one moment: several reads that agree with each other, while others go on writing.
//!
//! What a handler's unit commits together (rows and checkpoint) is seen together here or not at all. Meant for
//! comparisons, which are short: an open moment keeps a store from tidying up behind it.

use async_trait::async_trait;

use crate::record::{Record, RecordKind, RecordQuery};
use crate::sql::{Rows, Value};
use crate::store::{Page, Query, StoreError};

/// Reads a store as it stood when this was opened; dropped, it lets go.
#[async_trait]
pub trait Moment: Send + Sync {
    /// Reads tables with SQL, as they stood.
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError>;

    /// Finds records of a kind, as they stood.
    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError>;

    /// Reads one page of the log, as it stood: of all that was committed, also where something before it was not yet. So a
    /// page shows what tables were made of, and is not final.
    async fn read(&self, query: &Query) -> Result<Page, StoreError>;
}

//! Factum's stores: adapters that remember the log, and records beside it.
//!
//! Each adapter is one feature and one module, and keeps the promises written on [`factum_core::Store`]; [`open`]
//! chooses by URL, so that programs name a store in their configuration and nowhere else.
//! Never imports a contract, a runtime or another adapter.

use std::fmt;
use std::sync::Arc;

use factum_core::{Gate, Maintenance, Store, StoreError, StoreErrorKind};

#[cfg(feature = "sqlite")]
pub mod keys;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod batch;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod cache;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod collected;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod counters;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod names;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod record;

#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// An open store: what programs use, and what operators do to it.
#[derive(Clone)]
pub struct Opened {
    /// The log, and records beside it.
    pub store: Arc<dyn Store>,
    /// Checking, copying, looking after.
    pub maintenance: Arc<dyn Maintenance>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

/// The tables of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// How often it has changed since the first release.
    pub revision: usize,
    /// What makes it.
    pub sql: String,
}

/// What makes the tables of the store that a URL names. Opening the store does the same.
///
/// # Errors
/// When no adapter knows the URL.
pub fn schema(url: &str) -> Result<Schema, StoreError> {
    #[cfg(feature = "postgres")]
    if is_postgres(url) {
        return PostgresStore::schema(url);
    }
    if let Some(scheme) = unknown_scheme(url) {
        return Err(unknown(scheme));
    }
    #[cfg(feature = "sqlite")]
    return Ok(SqliteStore::schema());
    #[cfg(not(feature = "sqlite"))]
    Err(StoreError::new(StoreErrorKind::Invalid, "SQLite is not built into this program"))
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

fn unknown(scheme: &str) -> StoreError {
    // Only the scheme is named: the rest may hold a password.
    let message = format!("no store is called {scheme}:; use sqlite:<path>, memory:, or the path of a file");
    StoreError::new(StoreErrorKind::Invalid, message)
}

/// Opens the store that a URL names: `memory:`, `sqlite:orders.db`, the path of a file, or `postgres://host/database`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// let opened = factum_store::open("memory:", Arc::new(factum_core::OpenGate))?;
/// assert!(opened.store.guarantees().sql);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When no adapter knows the URL, or what it names is not a store or cannot be opened.
pub fn open(url: &str, gate: Arc<dyn Gate>) -> Result<Opened, StoreError> {
    if is_postgres(url) {
        return open_postgres(url, gate);
    }
    if let Some(scheme) = unknown_scheme(url) {
        return Err(unknown(scheme));
    }
    #[cfg(feature = "sqlite")]
    {
        let store = SqliteStore::open(url, sqlite::Options::new(gate))?;
        Ok(Opened { store: Arc::new(store.clone()), maintenance: Arc::new(store) })
    }
    #[cfg(not(feature = "sqlite"))]
    {
        let _ = gate;
        let message = "no store is built into this program; enable the feature `sqlite` of factum-store";
        Err(StoreError::new(StoreErrorKind::Invalid, message))
    }
}

#[cfg(feature = "postgres")]
fn open_postgres(url: &str, gate: Arc<dyn Gate>) -> Result<Opened, StoreError> {
    let store = PostgresStore::open(url, postgres::Options::new(gate))?;
    Ok(Opened { store: Arc::new(store.clone()), maintenance: Arc::new(store) })
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &str, _: Arc<dyn Gate>) -> Result<Opened, StoreError> {
    let message =
        "PostgreSQL is not built into this program; enable the feature `postgres`, or use sqlite:<path>";
    Err(StoreError::new(StoreErrorKind::Invalid, message))
}

/// The scheme of a URL that no adapter knows. One letter is a drive, and what stands behind a slash is a path.
fn unknown_scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let is_scheme =
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    (is_scheme && !["sqlite", "memory", "file"].contains(&scheme)).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_refused_without_its_secrets() {
        let error =
            open("mysql://ann:secret@db/shop", Arc::new(factum_core::OpenGate)).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no store is called mysql:; use sqlite:<path>, memory:, or the path of a file"
        );
        assert_eq!(unknown_scheme("c:orders.db"), None, "one letter is a drive");
        assert_eq!(unknown_scheme("./a:b/orders.db"), None);
        assert_eq!(unknown_scheme("sqlite:orders.db"), None);
    }
}

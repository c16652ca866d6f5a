//! SQLite keeps every promise of a store, in a file and in memory.

use std::sync::Arc;

use factum_conformance::{StoreHarness, async_trait};
use factum_core::{Gate, Store};
use factum_store::sqlite::{Options, SqliteStore};

fn open(url: &str, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(url, Options::new(gate)).expect("the store opens"))
}

mod file {
    use super::*;

    struct File {
        folder: tempfile::TempDir,
    }

    impl File {
        fn url(&self) -> String {
            format!("sqlite:{}", self.folder.path().join("store.db").display())
        }
    }

    #[async_trait]
    impl StoreHarness for File {
        async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
            open(&self.url(), gate)
        }

        async fn reopen(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
            open(&self.url(), gate)
        }
    }

    factum_conformance::store_suite!(
        File { folder: tempfile::tempdir().expect("a temporary folder") },
        skips: include_str!("file.skips")
    );
}

mod memory {
    use super::*;

    struct Memory;

    #[async_trait]
    impl StoreHarness for Memory {
        async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
            open("memory:", gate)
        }
    }

    factum_conformance::store_suite!(Memory, skips: include_str!("memory.skips"));
}

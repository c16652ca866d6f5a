//! Where stores with personal data are here: in files, their keys beside them.

use std::path::{Path, PathBuf};

use factum::keys::{KeyOptions, MasterKey};
use factum::store::Opened;

/// Where keys are found.
pub(crate) const KEYS: &str = "shop.keys.db";

/// A folder with a store, its key file and its master key.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) master: MasterKey,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), master: MasterKey::random().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path("shop.db").display())
    }

    pub(crate) async fn open(&self) -> Opened {
        crate::kit::open(&self.url(), KeyOptions::default().master(self.master.clone())).await
    }

    /// Names of the store's files that hold these bytes.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<String> {
        holding(self.folder.path(), bytes)
    }

    /// The wrapped key of a subject, as it is kept.
    pub(crate) fn wrapped(&self, subject: &str) -> Option<Vec<u8>> {
        let keys = rusqlite::Connection::open(self.path(KEYS)).unwrap();
        let sql = "select k.wrapped from key k join subject s on s.number = k.number where s.subject = ?1";
        keys.query_row(sql, [subject], |row| row.get(0)).ok()
    }

    /// All that is kept of keys.
    pub(crate) fn keys(&self) -> Vec<u8> {
        std::fs::read(self.path(KEYS)).unwrap()
    }
}

/// A store that nobody else opens.
pub(crate) async fn memory() -> Opened {
    crate::kit::open("memory:", KeyOptions::default()).await
}

fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

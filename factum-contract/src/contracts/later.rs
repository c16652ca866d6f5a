//! Contract versions of later releases, as a store has recorded them: who may read what they write.
//!
//! A promise to readers of older versions is taken as given, because it was proven before the version was recorded.
//! Never used to write: what this release appends, it has in its own catalog.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use factum_core::ContractVersion;

use crate::contract::Contract;

/// What was learned; shared by all clones of a catalog at work.
#[derive(Debug, Default)]
pub(super) struct Later {
    versions: RwLock<HashMap<(String, ContractVersion), Arc<Contract>>>,
    /// By name, version written and version known: whether its payloads can be cast down.
    cast_down: RwLock<HashMap<(String, ContractVersion, ContractVersion), bool>>,
    /// By name, version written and version known: whether the judge proved that it can be read.
    #[cfg(feature = "judge")]
    proven: RwLock<HashMap<(String, ContractVersion, ContractVersion), bool>>,
}

impl Later {
    pub(super) fn learn(&self, contract: Contract) {
        let key = (contract.name.to_string(), contract.version);
        // What could not be shown before may be shown now.
        self.cast_down.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.versions.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(contract));
    }

    pub(super) fn get(&self, name: &str, version: ContractVersion) -> Option<Arc<Contract>> {
        let key = (name.to_owned(), version);
        self.versions.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Whether payloads can be cast down from one version to another; shown once.
    pub(super) fn is_cast_down(
        &self,
        name: &str,
        written: ContractVersion,
        known: ContractVersion,
        show: impl FnOnce() -> bool,
    ) -> bool {
        let key = (name.to_owned(), written, known);
        if let Some(is) = self.cast_down.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *is;
        }
        let is = show();
        self.cast_down.write().unwrap_or_else(PoisonError::into_inner).insert(key, is);
        is
    }

    /// Whether readers of one version can read another, as far as that can be proven; proven once.
    #[cfg(feature = "judge")]
    pub(super) fn is_proven(&self, known: &Contract, written: &Contract) -> bool {
        let key = (known.name.to_string(), written.version, known.version);
        if let Some(is_proven) = self.proven.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *is_proven;
        }
        let forward = crate::judge::compare(known, written).forward;
        let is_proven = forward == crate::judge::compare::Outcome::Compatible;
        self.proven.write().unwrap_or_else(PoisonError::into_inner).insert(key, is_proven);
        is_proven
    }

    /// Without the judge nothing is proven.
    #[cfg(not(feature = "judge"))]
    pub(super) fn is_proven(&self, _: &Contract, _: &Contract) -> bool {
        false
    }
}

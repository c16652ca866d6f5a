//! Where the keys of personal data are, and what wraps them.
//!
//! Unless told otherwise: the file `orders.keys.db` beside the store `orders.db`, or on a server the schema `factum_keys`
//! beside the schema `factum`; and the master key of the
//! environment, `FACTUM_MASTER_KEY` (64 hex digits) or the file that `FACTUM_MASTER_KEY_FILE` names. A store in memory
//! has its keys in memory, under a master key of its own. Never part of a store's backup: a copy of both opens all.

use std::sync::Arc;

pub use factum_core::keys::*;
#[cfg(feature = "sqlite")]
pub use factum_store::keys::{
    HELD_COUNT_MAX, HELD_MAX, KeyRing, KeysAt, MasterKey, MasterKeyError, OpenRingError, RingCounts,
    STALE_MAX,
};

/// Keys from elsewhere than the usual place.
#[cfg(feature = "sqlite")]
#[derive(Debug, Clone, Default)]
pub struct KeyOptions {
    /// Where the keys are; `None` is beside the store.
    pub at: Option<KeysAt>,
    /// The master key; `None` is the environment's.
    pub master: Option<MasterKey>,
}

/// There is no place for keys without a store.
#[cfg(not(feature = "sqlite"))]
#[derive(Debug, Clone, Default)]
pub struct KeyOptions {}

#[cfg(feature = "sqlite")]
impl KeyOptions {
    /// The same under this master key.
    #[must_use]
    pub fn master(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    pub(crate) fn open(self, url: &str) -> Result<Arc<dyn Keys>, Box<dyn std::error::Error + Send + Sync>> {
        let at = self.at.or_else(|| KeysAt::beside(url));
        let at = at.ok_or("there is no place for keys beside this store: set `at` of `KeyOptions`")?;
        let master = match self.master {
            Some(master) => master,
            None if at == KeysAt::Memory => MasterKey::random()?,
            None => MasterKey::from_env()?,
        };
        Ok(Arc::new(KeyRing::open(&at, master)?))
    }
}

#[cfg(not(feature = "sqlite"))]
impl KeyOptions {
    pub(crate) fn open(self, _: &str) -> Result<Arc<dyn Keys>, Box<dyn std::error::Error + Send + Sync>> {
        Err("no keys are built into this program; enable the feature `sqlite` of factum".into())
    }
}

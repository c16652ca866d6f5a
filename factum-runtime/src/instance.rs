//! One running instance: who holds slots, and whether it still lives.
//!
//! An instance renews a lease. One that died on this machine is told at once by its process number and start time,
//! so that a restart after a crash waits for nothing; one elsewhere is given until its lease ends. Being wrong here
//! costs time, never correctness: every commit of a slot names the slot's revision, and taking a slot moves it.
//! What an instance runs stands in its record, so that instances can share a consumer's slots without speaking to each
//! other.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use factum_core::{
    Commit, ConsumerName, EventId, Guard, Record, RecordKind, RecordQuery, Store, StoreError, Timestamp,
};

use crate::admin::all_of;
use crate::state::{InstanceState, read, to_bytes};

/// How long an instance may be silent before its slots are taken over.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often it renews: three chances before the lease ends.
pub(crate) const RENEW: Duration = Duration::from_secs(5);

/// Instances of this very process: one that was dropped without a clean stop is dead, though its process lives.
static LIVING: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// This instance.
pub(crate) struct Instance {
    pub(crate) id: String,
    state: InstanceState,
}

impl Instance {
    /// An instance that runs these consumers.
    pub(crate) fn new(consumers: Vec<String>) -> Arc<Self> {
        let id = EventId::new().to_string();
        LIVING.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        let pid = std::process::id();
        let started = process_start(pid).unwrap_or(0);
        let state = InstanceState { host: host(), pid, started, consumers };
        Arc::new(Self { id, state })
    }

    fn record(&self, now: Timestamp) -> Record {
        Record::new(RecordKind::INSTANCE, "", self.id.clone(), to_bytes(&self.state)).due(now.plus(LEASE))
    }

    /// Starts or renews the lease.
    pub(crate) async fn renew(&self, store: &dyn Store) -> Result<(), StoreError> {
        let now = store.now().await?;
        let mut work = store.begin().await?;
        work.put(self.record(now), Guard::Any);
        match work.commit().await {
            Commit::Committed(_) => Ok(()),
            other => Err(as_store_error(other)),
        }
    }

    /// Ends the lease: others may take what is left.
    pub(crate) async fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut work = store.begin().await?;
        work.remove(RecordKind::INSTANCE, self.id.clone(), Guard::Any);
        match work.commit().await {
            Commit::Committed(_) => Ok(()),
            other => Err(as_store_error(other)),
        }
    }

    /// Nothing of it runs any more, though it is still held: what it had may be taken at once, as after a crash.
    pub(crate) fn dies(&self) {
        LIVING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }

    /// Whether another instance still lives, as far as can be told.
    pub(crate) async fn lives(&self, id: &str, store: &dyn Store) -> Result<bool, StoreError> {
        if id == self.id {
            return Ok(true);
        }
        let Some(record) = store.find_one(RecordKind::INSTANCE, id).await? else { return Ok(false) };
        Ok(self.is_alive(&record, store.now().await?))
    }

    fn is_alive(&self, record: &Record, now: Timestamp) -> bool {
        if record.due.is_none_or(|due| due <= now) {
            return false;
        }
        let Ok(state) = read::<InstanceState>(record) else { return true };
        if state.host.is_empty() || state.host != self.state.host {
            return true;
        }
        if state.pid == self.state.pid && state.started == self.state.started {
            return LIVING.lock().unwrap_or_else(PoisonError::into_inner).contains(&record.id);
        }
        process_start(state.pid).is_some_and(|started| started == state.started)
    }

    /// How many of a consumer's slots are this instance's share: as many as any other's, give or take one.
    pub(crate) async fn share(
        &self,
        consumer: &ConsumerName,
        slots: usize,
        store: &dyn Store,
    ) -> Result<usize, StoreError> {
        let records = all_of(store, RecordKind::INSTANCE, RecordQuery::default()).await?;
        let now = store.now().await?;
        let runs = |record: &&Record| {
            let state = read::<InstanceState>(record);
            state.is_ok_and(|state| state.consumers.iter().any(|name| name == consumer.as_str()))
        };
        let others = records.iter().filter(runs).filter(|record| record.id != self.id);
        let mut members: Vec<&str> =
            others.filter(|record| self.is_alive(record, now)).map(|record| record.id.as_str()).collect();
        members.push(&self.id);
        members.sort_unstable();
        let place = members.iter().position(|id| *id == self.id).unwrap_or_default();
        Ok(slots / members.len() + usize::from(place < slots % members.len()))
    }
}

impl Instance {
    /// Whether another instance that lives runs a consumer.
    pub(crate) async fn others_run(&self, consumer: &str, store: &dyn Store) -> Result<bool, StoreError> {
        let records = all_of(store, RecordKind::INSTANCE, RecordQuery::default()).await?;
        let now = store.now().await?;
        let runs = |record: &&Record| {
            let state = read::<InstanceState>(record);
            state.is_ok_and(|state| state.consumers.iter().any(|name| name == consumer))
        };
        let mut others = records.iter().filter(runs).filter(|record| record.id != self.id);
        Ok(others.any(|record| self.is_alive(record, now)))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.dies();
    }
}

/// A commit that was not one, as the store's error.
pub(crate) fn as_store_error(commit: Commit) -> StoreError {
    use factum_core::{AppendError, StoreErrorKind};
    match commit.into_result() {
        Ok(_) => StoreError::new(StoreErrorKind::Other, "the commit succeeded"),
        Err(AppendError::Store(error) | AppendError::Unknown(error)) => error,
        Err(other) => StoreError::new(StoreErrorKind::Other, other.to_string()),
    }
}

/// What makes a process number unique: the boot, and the namespace it counts in. Empty where the system tells
/// neither: then only leases count.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string());
    match space {
        Ok(space) if !boot.is_empty() => format!("{} {space}", boot.trim()),
        _ => String::new(),
    }
}

/// When a process started, in the system's clock ticks; `None` when there is no such process, or it is a zombie.
fn process_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; fields are counted from behind it (proc_pid_stat(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_start_and_a_made_up_one_has_none() {
        if cfg!(target_os = "linux") {
            assert!(process_start(std::process::id()).is_some());
            assert!(!host().is_empty());
        }
        assert_eq!(process_start(u32::MAX), None);
    }
}

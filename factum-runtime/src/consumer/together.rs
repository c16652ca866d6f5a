//! The unit of work of several events of sagas that share a commit: each instance is read as the events before left it.
//!
//! What a unit has collected is not found in it again, so instances are kept aside here, and written once, when the unit
//! commits. The others are read as they are committed, and each is written only from the revision that was read: a unit
//! that read what somebody else then changed is undone, and its events run one by one.

use std::collections::BTreeMap;

use factum_core::{Around, Commit, Guard, Record, RecordKind, RecordQuery, StoreError, Work};

#[derive(Default)]
pub(super) struct Together {
    /// Instances that have heard something, by id, each with the guard of its first write.
    instances: BTreeMap<String, (Record, Guard)>,
}

impl Around for Together {
    fn put(&mut self, inner: &mut dyn Work, record: Record, guard: Guard) {
        if record.kind != RecordKind::SAGA {
            return inner.put(record, guard);
        }
        match self.instances.get_mut(&record.id) {
            Some((kept, _)) => *kept = record,
            None => _ = self.instances.insert(record.id.clone(), (record, guard)),
        }
    }

    async fn find(
        &mut self,
        inner: &mut dyn Work,
        kind: RecordKind,
        query: &RecordQuery,
    ) -> Result<Vec<Record>, StoreError> {
        let id = query.id.as_ref().filter(|_| kind == RecordKind::SAGA);
        match id.and_then(|id| self.instances.get(id)) {
            Some((kept, _)) => Ok(vec![kept.clone()]),
            None => inner.find(kind, query).await,
        }
    }

    fn is_empty(&self, inner: &dyn Work) -> bool {
        self.instances.is_empty() && inner.is_empty()
    }

    async fn commit(self, mut inner: Box<dyn Work>) -> Commit {
        for (record, guard) in self.instances.into_values() {
            inner.put(record, guard);
        }
        inner.commit().await
    }
}

//! Lies about units of work and records: halves, leaks, guards, searches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use factum_conformance::{ModelStore, async_trait};
use factum_core::*;

use super::spoiled::{Lie, Write, commit};

/// Commits what was dropped.
#[derive(Clone)]
pub(crate) struct LeaksDropped;
impl Lie for LeaksDropped {
    fn undoes(&self) -> bool {
        false
    }
}

/// Keeps what came before the write that failed.
#[derive(Clone)]
pub(crate) struct DoesHalf;
#[async_trait]
impl Lie for DoesHalf {
    async fn commit(&self, store: &ModelStore, writes: Vec<Write>) -> Commit {
        let outcome = commit(store, writes.clone()).await;
        if !matches!(outcome, Commit::Committed(_)) {
            for write in writes {
                if !matches!(commit(store, vec![write]).await, Commit::Committed(_)) {
                    break;
                }
            }
        }
        outcome
    }
}

/// Says that it committed, and did not.
#[derive(Clone)]
pub(crate) struct DoesNothing;
#[async_trait]
impl Lie for DoesNothing {
    async fn commit(&self, _: &ModelStore, _: Vec<Write>) -> Commit {
        Commit::Committed(Committed::default())
    }
}

/// Commits each write by itself.
#[derive(Clone)]
pub(crate) struct CommitsInParts;
#[async_trait]
impl Lie for CommitsInParts {
    async fn commit(&self, store: &ModelStore, writes: Vec<Write>) -> Commit {
        let mut all = Committed::default();
        for write in writes {
            match commit(store, vec![write]).await {
                Commit::Committed(one) => {
                    all.appended.extend(one.appended);
                    all.position = one.position.or(all.position);
                }
                other => return other,
            }
            tokio::task::yield_now().await;
        }
        Commit::Committed(all)
    }
}

/// Writes in another order than was collected.
#[derive(Clone)]
pub(crate) struct WritesBackwards;
#[async_trait]
impl Lie for WritesBackwards {
    async fn commit(&self, store: &ModelStore, mut writes: Vec<Write>) -> Commit {
        writes.reverse();
        commit(store, writes).await
    }
}

/// Writes records whatever their guards say.
#[derive(Clone)]
pub(crate) struct IgnoresGuards;
impl Lie for IgnoresGuards {
    fn write(&self, write: Write) -> Write {
        match write {
            Write::Put(record, _) => Write::Put(record, Guard::Any),
            other => other,
        }
    }
}

/// Removes records whatever their guards say.
#[derive(Clone)]
pub(crate) struct IgnoresRemovalGuards;
impl Lie for IgnoresRemovalGuards {
    fn write(&self, write: Write) -> Write {
        match write {
            Write::Remove(kind, id, _) => Write::Remove(kind, id, Guard::Any),
            other => other,
        }
    }
}

/// Keeps a record's first due time, as an upsert does that forgets a column.
#[derive(Clone, Default)]
pub(crate) struct KeepsDue(Arc<Mutex<HashMap<String, Timestamp>>>);
impl Lie for KeepsDue {
    fn write(&self, write: Write) -> Write {
        let Write::Put(mut record, guard) = write else { return write };
        let mut first = self.0.lock().expect("no test panics with the lock");
        match (record.due, first.get(&record.id)) {
            (_, Some(first)) => record.due = Some(*first),
            (Some(due), None) => _ = first.insert(record.id.clone(), due),
            (None, None) => {}
        }
        Write::Put(record, guard)
    }
}

/// Finds groups as SQL's `like` does: blind to case, with `%` and `_` for anything.
#[derive(Clone)]
pub(crate) struct FindsByPattern;
impl Lie for FindsByPattern {
    fn search(&self, query: &RecordQuery) -> RecordQuery {
        RecordQuery { group_prefix: None, ..query.clone() }
    }
    fn found(&self, query: &RecordQuery, mut found: Vec<Record>) -> Vec<Record> {
        if let Some(prefix) = &query.group_prefix {
            let prefix = prefix.to_lowercase();
            found.retain(|record| record.group.to_lowercase().starts_with(&prefix));
        }
        found
    }
}

/// Lists what is due by id.
#[derive(Clone)]
pub(crate) struct FindsDueById;
impl Lie for FindsDueById {
    fn found(&self, _: &RecordQuery, mut found: Vec<Record>) -> Vec<Record> {
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

/// Begins each page with the last of the one before.
#[derive(Clone)]
pub(crate) struct PagesInclusively;
impl Lie for PagesInclusively {
    fn search(&self, query: &RecordQuery) -> RecordQuery {
        let before = |id: &String| {
            let mut id = id.clone();
            id.pop();
            id
        };
        RecordQuery { after_id: query.after_id.as_ref().map(before), ..query.clone() }
    }
}

/// Lets every other unit wait a little before it is committed.
#[derive(Clone, Default)]
pub(crate) struct LetsOvertake(Arc<Mutex<usize>>);
#[async_trait]
impl Lie for LetsOvertake {
    async fn commit(&self, store: &ModelStore, writes: Vec<Write>) -> Commit {
        let is_held_up = {
            let mut seen = self.0.lock().expect("no holder panics");
            *seen += 1;
            *seen % 2 == 1
        };
        if is_held_up {
            tokio::task::yield_now().await;
        }
        commit(store, writes).await
    }
}

//! The model's records: one sorted map.
//!
//! Sorted by kind and id, byte by byte, which is the order that `find` promises.
//! Never looks into a record's content.

use std::collections::BTreeMap;

use factum_core::{Conflict, Guard, Record, RecordKind, RecordQuery, Revision};

#[derive(Clone, Default)]
pub(super) struct Records {
    all: BTreeMap<(RecordKind, String), Record>,
}

impl Records {
    pub(super) fn put(&mut self, mut record: Record, guard: Guard) -> Result<(), Conflict> {
        let actual = self.judge(record.kind, &record.id, guard)?;
        record.revision = actual + 1;
        self.all.insert((record.kind, record.id.clone()), record);
        Ok(())
    }

    pub(super) fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) -> Result<(), Conflict> {
        self.judge(kind, &id, guard)?;
        self.all.remove(&(kind, id));
        Ok(())
    }

    /// The record's revision, 0 when it does not exist; a conflict when the guard does not hold.
    fn judge(&self, kind: RecordKind, id: &str, guard: Guard) -> Result<Revision, Conflict> {
        let actual = self.all.get(&(kind, id.to_owned())).map_or(0, |record| record.revision);
        let holds = match guard {
            Guard::Any => true,
            Guard::Absent => actual == 0,
            Guard::At(revision) => actual != 0 && actual == revision,
        };
        if holds {
            return Ok(actual);
        }
        Err(Conflict::Record { kind, id: id.to_owned(), expected: guard, actual })
    }

    pub(super) fn find(&self, kind: RecordKind, query: &RecordQuery) -> Vec<Record> {
        let is_due = |record: &Record, until| {
            record.due.is_some_and(|due| due <= until && query.due_from.is_none_or(|from| due >= from))
        };
        let mut found: Vec<Record> = self
            .all
            .values()
            .filter(|record| record.kind == kind)
            .filter(|record| query.id.as_ref().is_none_or(|id| *id == record.id))
            .filter(|record| query.group.as_ref().is_none_or(|group| *group == record.group))
            .filter(|record| {
                query.group_prefix.as_ref().is_none_or(|prefix| record.group.starts_with(prefix.as_str()))
            })
            .filter(|record| query.due_until.is_none_or(|until| is_due(record, until)))
            .filter(|record| query.after_id.as_ref().is_none_or(|after| record.id > *after))
            .cloned()
            .collect();
        if query.due_until.is_some() {
            // Stable: records due at the same time stay in the order of their ids.
            found.sort_by_key(|record| record.due);
        }
        found.truncate(query.limit.min(RecordQuery::LIMIT_MAX));
        found
    }
}

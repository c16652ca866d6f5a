//! The model's unit of work: a list of writes, tried when it commits.
//!
//! Dropping it drops the list, which is all there is to undo.
//! Never touches the store before `commit`.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use factum_core::closing::Turn;
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    Appended, Commit, Envelope, Expected, Gate, Guard, Lock, Page, Query, Record, RecordKind, RecordQuery,
    Rows, Sql, Store, StoreError, StoreErrorKind, StreamId, Value, Work, WriteError,
};

use super::log::AppendRefusal;
use super::{ModelStore, State};

pub(super) struct ModelWork {
    store: ModelStore,
    writes: Vec<Write>,
}

/// One collected write.
pub(super) enum Write {
    Append {
        to: StreamId,
        expected: Expected,
        events: Vec<Envelope>,
    },
    Put {
        record: Record,
        guard: Guard,
    },
    Remove {
        kind: RecordKind,
        id: String,
        guard: Guard,
    },
    /// Found wrong when it was collected.
    Wrong(WriteError),
}

impl ModelWork {
    pub(super) fn new(store: ModelStore) -> Self {
        Self { store, writes: Vec::new() }
    }

    /// Admits and seals events; answers them as they are to be stored.
    fn ready(&self, mut events: Vec<Envelope>) -> Result<Vec<Envelope>, WriteError> {
        self.check(&events)?;
        let sealed = self.store.gate().seal(&events)?;
        for (event, data) in events.iter_mut().zip(sealed.into_iter().flatten()) {
            event.data = data;
        }
        Ok(events)
    }

    fn check(&self, events: &[Envelope]) -> Result<(), WriteError> {
        if events.is_empty() {
            return Err(WriteError::Invalid("an append needs at least one event".to_owned()));
        }
        Turn::of(events).map_err(WriteError::Invalid)?;
        let mut ids = HashSet::new();
        for event in events {
            if event.data.len() > EVENT_BYTES_MAX {
                let found = event.data.len();
                let message = format!("event {} has {found} bytes, over {EVENT_BYTES_MAX}", event.id);
                return Err(WriteError::Invalid(message));
            }
            if !ids.insert(event.id) {
                return Err(WriteError::Invalid(format!("event {} is in the batch twice", event.id)));
            }
            self.store.gate().admit(event)?;
        }
        Ok(())
    }
}

impl Write {
    /// Does the write to the state, or says what the unit's commit answers instead.
    pub(super) fn apply(self, state: &mut State, appended: &mut Vec<Appended>) -> Result<(), Commit> {
        match self {
            Self::Append { to, expected, events } => match state.log.append(&to, expected, events) {
                Ok(answer) => {
                    appended.push(answer);
                    Ok(())
                }
                Err(AppendRefusal::Conflict(conflict)) => Err(Commit::Conflict(conflict)),
                Err(AppendRefusal::PartlyKnown(known)) => {
                    Err(Commit::Failed(WriteError::PartlyKnown { known }))
                }
                Err(AppendRefusal::Closed { stream, version }) => {
                    Err(Commit::Failed(WriteError::Closed { stream, version }))
                }
                Err(AppendRefusal::Invalid(message)) => Err(Commit::Failed(WriteError::Invalid(message))),
            },
            Self::Put { record, guard } => state.records.put(record, guard).map_err(Commit::Conflict),
            Self::Remove { kind, id, guard } => {
                state.records.remove(kind, id, guard).map_err(Commit::Conflict)
            }
            Self::Wrong(error) => Err(Commit::Failed(error)),
        }
    }
}

fn no_sql() -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, "the model store has no SQL; use memory: for that")
}

#[async_trait]
impl Work for ModelWork {
    fn execute(&mut self, sql: Sql, _: Vec<Value>) {
        let sql = sql.as_str().to_owned();
        self.writes.push(Write::Wrong(WriteError::Sql { sql, source: no_sql() }));
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.writes.push(match self.ready(events) {
            Ok(events) => Write::Append { to, expected, events },
            Err(error) => Write::Wrong(error),
        });
    }

    fn put(&mut self, record: Record, guard: Guard) {
        let longest = record.id.len().max(record.group.len());
        self.writes.push(if longest <= Record::NAME_BYTES_MAX {
            Write::Put { record, guard }
        } else {
            let message = format!("a record's id and group have at most {} bytes", Record::NAME_BYTES_MAX);
            Write::Wrong(WriteError::Invalid(message))
        });
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.writes.push(Write::Remove { kind, id, guard });
    }

    async fn query(&mut self, _: &str, _: &[Value], _: Lock) -> Result<Rows, StoreError> {
        Err(no_sql())
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.store.read_now(query))
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        Ok(self.store.find_now(kind, query))
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.store.gate()
    }

    fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    async fn commit(self: Box<Self>) -> Commit {
        let Self { store, writes } = *self;
        store.commit_now(writes)
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

//! The model test: random operations done to an adapter and to the model store, every answer compared.
//!
//! The suite tries what somebody thought of; this tries what nobody did. The same seed gives the same operations.
//! Positions are compared by rank, because only their order means something; where several writes of one unit are
//! wrong, an adapter may name any of them. Never asks for what the traits leave open.

use factum_core::{
    AppendError, Appended, Commit, Committed, Conflict, Direction, Expected, Position, Query, Record,
    RecordKind, RecordQuery, Recorded, Store, Work,
};

use crate::model::ModelStore;

mod operations;
mod random;

use operations::{Generator, Operation, Write};

/// Does `operations` random things to an empty store and to a model store, and compares every answer.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// let store = factum_conformance::ModelStore::default();
/// factum_conformance::compare_with_model(&store, 42, 200).await;
/// # });
/// ```
///
/// # Panics
/// When an answer differs from the model's: says the seed, the operation and both answers.
pub async fn compare_with_model(store: &dyn Store, seed: u64, operations: usize) {
    let model = ModelStore::new(store.gate().clone());
    let mut pair = Pair { adapter: Side::new(store), model: Side::new(&model) };
    let mut generator = Generator::new(seed);
    for number in 0..operations {
        let operation = generator.next(&pair.model.log);
        let answers = (pair.adapter.perform(&operation).await, pair.model.perform(&operation).await);
        assert!(
            answers.0 == answers.1,
            "seed {seed}, operation {number}: {operation:#?}\nanswered: {}\nthe model: {}",
            answers.0,
            answers.1
        );
        pair.catch_up(&format!("seed {seed}, after operation {number}: {operation:#?}")).await;
    }
    for kind in operations::KINDS {
        let all = Operation::Find(kind, RecordQuery::default());
        let answers = (pair.adapter.perform(&all).await, pair.model.perform(&all).await);
        assert!(answers.0 == answers.1, "seed {seed}, at the end: {}\nthe model: {}", answers.0, answers.1);
    }
}

struct Pair<'a> {
    adapter: Side<'a>,
    model: Side<'a>,
}

impl Pair<'_> {
    /// Reads what is new on both sides, and compares it.
    async fn catch_up(&mut self, when: &str) {
        let (from, to) = (self.adapter.catch_up().await, self.model.catch_up().await);
        assert_eq!(
            self.adapter.log.len(),
            self.model.log.len(),
            "{when}: one log is longer (right: the model)"
        );
        for rank in from.min(to)..self.model.log.len() {
            let (found, wanted) = (&self.adapter.log[rank], &self.model.log[rank]);
            let is_same = found.envelope == wanted.envelope
                && found.stream == wanted.stream
                && found.version == wanted.version;
            assert!(is_same, "{when}: event {} is {found:#?}\nthe model: {wanted:#?}", rank + 1);
        }
    }
}

/// A store, and its log as far as it was read.
struct Side<'a> {
    store: &'a dyn Store,
    log: Vec<Recorded>,
}

impl<'a> Side<'a> {
    fn new(store: &'a dyn Store) -> Self {
        Self { store, log: Vec::new() }
    }

    /// Reads on to the end; how long the log was before.
    async fn catch_up(&mut self) -> usize {
        let before = self.log.len();
        let after = self.log.last().map_or(Position::START, |event| event.position);
        let new = self.read(Query { after, kind: None, ..Query::all() }).await;
        self.log.extend(new);
        before
    }

    async fn read(&self, mut query: Query) -> Vec<Recorded> {
        let mut all = Vec::new();
        loop {
            let page = self.store.read(&query).await.expect("a read of a healthy store succeeds");
            all.extend(page.events);
            if !page.more {
                return all;
            }
            match query.direction {
                Direction::Forward => {
                    assert!(page.end > query.after, "a page with more to come ends at {}", page.end);
                    query.after = page.end;
                }
                Direction::Backward => {
                    assert!(page.end <= query.up_to, "a backward page ends at {}", page.end);
                    query.up_to = Position::at(page.end.number().saturating_sub(1));
                }
            }
        }
    }

    /// Does it, and says in words what came of it, without anything that may differ between stores.
    async fn perform(&self, operation: &Operation) -> String {
        match operation {
            Operation::Append(to, expected, events) => {
                let expected = self.placed(expected.clone());
                match self.store.append(to, expected, events).await {
                    Ok(appended) => self.appended(&appended).await,
                    Err(error) => self.refused(&error).await,
                }
            }
            Operation::Unit { writes, is_dropped } => {
                let mut unit = self.store.begin().await.expect("a unit of work begins");
                writes.iter().for_each(|write| self.collect(&mut *unit, write.clone()));
                if *is_dropped {
                    drop(unit);
                    return "dropped".to_owned();
                }
                self.committed(unit.commit().await, writes.len()).await
            }
            Operation::Read(query) => {
                let query = self.placed_query(query.clone());
                let found = self.read(query).await;
                format!("{:?}", found.iter().map(|event| self.rank(event.position)).collect::<Vec<_>>())
            }
            Operation::Find(kind, query) => format!("{:?}", self.find(*kind, query).await),
        }
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Vec<Record> {
        self.store.find(kind, query).await.expect("finding records of a healthy store succeeds")
    }

    fn collect(&self, unit: &mut dyn Work, write: Write) {
        match write {
            Write::Append(to, expected, events) => unit.append(to, self.placed(expected), events),
            Write::Put(record, guard) => unit.put(record, guard),
            Write::Remove(kind, id, guard) => unit.remove(kind, id, guard),
        }
    }

    async fn committed(&self, outcome: Commit, writes: usize) -> String {
        match outcome {
            Commit::Committed(Committed { appended, position }) => {
                let mut said = vec![format!("committed, up to {:?}", self.ranks(position).await)];
                for answer in &appended {
                    said.push(self.appended(answer).await);
                }
                said.join("; ")
            }
            Commit::Unknown(error) => format!("unknown: {error:?}"),
            other if writes == 1 => match other.into_result() {
                Ok(_) => unreachable!("a commit that did not commit is no success"),
                Err(error) => self.refused(&error).await,
            },
            Commit::Conflict(_) | Commit::Failed(_) => "not committed".to_owned(),
        }
    }

    async fn appended(&self, answer: &Appended) -> String {
        let rank = self.ranks(Some(answer.position)).await;
        format!("{} at {:?}, event {rank:?}, known: {}", answer.stream, answer.version, answer.known)
    }

    async fn refused(&self, error: &AppendError) -> String {
        match error {
            AppendError::Conflict(Conflict::Boundary { since, found }) => {
                let (since, found) = (self.rank(*since), self.ranks(Some(*found)).await);
                format!("event {found:?} is after {since}")
            }
            AppendError::Conflict(conflict) => format!("{conflict:?}"),
            AppendError::PartlyKnown { known } => format!("{known} is known"),
            AppendError::Invalid(_) => "invalid".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// The rank of a position that may be newer than what was read.
    async fn ranks(&self, position: Option<Position>) -> Option<usize> {
        let position = position?;
        let after = self.log.last().map_or(Position::START, |event| event.position);
        if position <= after {
            return Some(self.rank(position));
        }
        let newer = Query { after, up_to: position, kind: None, ..Query::all() };
        Some(self.log.len() + self.read(newer).await.len())
    }

    /// How many events are at or before a position.
    fn rank(&self, position: Position) -> usize {
        self.log.partition_point(|event| event.position <= position)
    }

    /// The position of a rank; what the generator means is ranks.
    fn place(&self, rank: Position) -> Position {
        match rank.number() as usize {
            0 => Position::START,
            rank if rank <= self.log.len() => self.log[rank - 1].position,
            _ => Position::END,
        }
    }

    fn placed_query(&self, query: Query) -> Query {
        Query { after: self.place(query.after), up_to: self.place(query.up_to), ..query }
    }

    fn placed(&self, expected: Expected) -> Expected {
        match expected {
            Expected::Unchanged { query, since } => Expected::Unchanged { query, since: self.place(since) },
            Expected::All(parts) => Expected::All(parts.into_iter().map(|part| self.placed(part)).collect()),
            other => other,
        }
    }
}

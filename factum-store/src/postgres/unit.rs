//! A unit of work in a transaction of its own: its SQL, then one call with its appends and records, then the commit.
//!
//! SQL runs first and the call comes last, whatever the order in which they were collected: what a call writes cannot be
//! seen by a unit's own SQL, and the fence is held for one round trip and no longer.
//! A serialization failure or a deadlock runs the unit again, here and nowhere else; a commit whose answer was lost is
//! looked up by its transaction, as long as the server has not died since.
//! Never leaves a transaction open: what is dropped is rolled back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{
    Commit, Committed, Conflict, Direction, EventId, Expected, Position, Query, StoreError, StoreErrorKind,
    WriteError,
};
use sqlx::types::Uuid;
use sqlx::{PgConnection, Postgres, Row as _, Transaction};

use super::door;
use super::error::{Doing as _, Trouble, closed, code, store_error, user_error};
use super::events::bucket;
use super::handle::Core;
use super::statement;
use super::step::{Step, can_share};
use super::write::{Call, Fault};
use super::writer::{Errand, Request};
use crate::batch::{Batch, tag_hash};

/// How often a unit that others were in the way of is tried.
const TRIES_MAX: u32 = 6;

/// A unit is not run again once it has been tried for so long.
const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// How long the outcome of a commit whose answer was lost is looked for.
const SETTLE_MAX: Duration = Duration::from_secs(15);

/// Between two looks at a transaction that has not ended.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

/// Begins a transaction that may wait for whoever runs it.
const BEGIN: &str = "begin isolation level read committed";

/// Begins one that will not, in the same round trip.
const BEGIN_HURRIED: &str = concat!("begin isolation level read committed;\n", include_str!("sql/hurry.sql"));

/// A transaction in which a unit runs.
pub(super) type Session = Transaction<'static, Postgres>;

/// What stopped a unit.
pub(super) enum Stop {
    /// It is decided: this is what its commit answers.
    Decided(Commit),
    /// Others were in the way; none of it happened.
    Again(StoreError),
    /// The connection was lost while committing.
    InDoubt(Doubt, StoreError),
}

/// A transaction whose commit was not answered.
pub(super) struct Doubt {
    /// Its number; a transaction that wrote nothing has none.
    transaction: Option<String>,
    /// The server's life in which it had the number, or an earlier one.
    life: Arc<str>,
}

impl Stop {
    fn failed(error: StoreError) -> Self {
        Self::Decided(Commit::Failed(WriteError::Store(error)))
    }

    /// What a failing statement of Factum's own means.
    fn own(error: sqlx::Error) -> Self {
        let trouble = Trouble::of(&error);
        let error = store_error("cannot write", error);
        match trouble {
            Trouble::Statement => Self::failed(error),
            // Nothing was committed: to run it again is safe.
            Trouble::Rival | Trouble::Lost => Self::Again(error),
        }
    }

    /// What a failing statement of a user's means.
    fn user(sql: &str, error: sqlx::Error) -> Self {
        match Trouble::of(&error) {
            Trouble::Rival | Trouble::Lost => Self::Again(store_error("the statement failed", error)),
            Trouble::Statement => Self::sql(sql, user_error(error)),
        }
    }

    fn sql(sql: &str, source: StoreError) -> Self {
        Self::Decided(Commit::Failed(WriteError::Sql { sql: sql.to_owned(), source }))
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::UnknownType => {
                let message = "an event type could not be made known to the store; ask again";
                Self::Again(StoreError::new(StoreErrorKind::Unavailable, message))
            }
            Fault::Answer(error) => Self::failed(error),
            Fault::Driver(error) => Self::own(error),
        }
    }
}

impl Core {
    /// Begins a transaction for a unit that is interactive: between its statements a handler thinks.
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        self.units.begin_with(BEGIN).await.doing("cannot begin a unit of work")
    }

    /// Begins a transaction whose statements are all at hand.
    async fn hurried_session(&self) -> Result<Session, StoreError> {
        self.units.begin_with(BEGIN_HURRIED).await.doing("cannot begin a unit of work")
    }

    /// Says that a session is interactive no longer: what comes now holds more than its own rows up.
    pub(super) async fn hurry(&self, session: &mut Session) -> Result<(), Stop> {
        let hurried = sqlx::query(self.statements.hurry.sql()).execute(&mut **session).await;
        hurried.map(|_| ()).map_err(Stop::own)
    }

    /// Commits a unit in a transaction of its own, running it again when others were in the way.
    pub(super) async fn commit_alone(&self, mut steps: Vec<Step>) -> Commit {
        if let Some(error) = steps.iter_mut().find_map(wrong) {
            return Commit::Failed(error);
        }
        let (began, mut tries) = (Instant::now(), 0);
        loop {
            tries += 1;
            let is_last = tries >= TRIES_MAX || began.elapsed() > OUTAGE_MAX;
            let stop = match self.try_alone(&steps).await {
                Ok(committed) => return Commit::Committed(committed),
                Err(stop) => stop,
            };
            match stop {
                Stop::Decided(commit) => return commit,
                Stop::InDoubt(doubt, error) => match self.settle(doubt, &steps, &error).await {
                    Some(true) => match self.answer_again(&steps).await {
                        Ok(Some(committed)) => return Commit::Committed(committed),
                        Ok(None) if !is_last => {}
                        Ok(None) => return Commit::Failed(WriteError::Store(error)),
                        Err(error) => return Commit::Unknown(error),
                    },
                    Some(false) if !is_last => {}
                    Some(false) => return Commit::Failed(WriteError::Store(error)),
                    None => return Commit::Unknown(error),
                },
                Stop::Again(error) if is_last => return Commit::Failed(WriteError::Store(error)),
                Stop::Again(error) => tracing::debug!(%error, tries, "a unit of work is run again"),
            }
            tokio::time::sleep(pause(tries)).await;
        }
    }

    async fn try_alone(&self, steps: &[Step]) -> Result<Committed, Stop> {
        self.learn(steps).await.map_err(Stop::failed)?;
        let mut session = self.hurried_session().await.map_err(|error| match error.is_transient() {
            true => Stop::Again(error),
            false => Stop::failed(error),
        })?;
        self.execute(&mut session, steps).await?;
        self.finish(session, steps).await
    }

    /// Makes the types of a unit's events known, before a connection is held.
    pub(super) async fn learn(&self, steps: &[Step]) -> Result<(), StoreError> {
        let unknown = self.reading.names.unknown(steps.iter().flat_map(Step::types));
        if unknown.is_empty() {
            return Ok(());
        }
        self.run_errand(Errand::Learn(unknown)).await
    }

    /// Has the store found where a connection of the application's has met it.
    pub(super) async fn follow(&self, identity: &str) -> Result<(), StoreError> {
        self.run_errand(Errand::Follow(identity.to_owned())).await
    }

    async fn run_errand(&self, errand: Errand) -> Result<(), StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.send(Request::Errand(errand, reply)).await?;
        answer.await.map_err(|_| closed())?
    }

    /// Runs the statements of a unit, in order.
    pub(super) async fn execute(&self, session: &mut Session, steps: &[Step]) -> Result<(), Stop> {
        let mut new = None;
        for step in steps {
            let Step::Execute { sql, params } = step else { continue };
            let sql = sql.as_str();
            door::check(sql).map_err(|error| Stop::sql(sql, error))?;
            statement::execute(session, sql, params).await.map_err(|error| Stop::user(sql, error))?;
            if new.is_none() && !self.seen.has(sql) {
                new = Some(sql);
            }
        }
        if let Some(new) = new {
            self.refuse_touched(session, new).await?;
            self.seen.add(steps.iter().filter_map(|step| match step {
                Step::Execute { sql, .. } => Some(sql.as_str()),
                _ => None,
            }));
        }
        Ok(())
    }

    /// Refuses a transaction that has written to Factum's own tables.
    pub(super) async fn refuse_touched(&self, session: &mut Session, sql: &str) -> Result<(), Stop> {
        let look =
            sqlx::query(self.statements.touched.sql()).bind(&self.own).bind(self.place.schema.quoted());
        let touched = look.fetch_optional(&mut **session).await.map_err(Stop::own)?;
        match touched {
            None => Ok(()),
            Some(row) => {
                let table: String = row.try_get(0).map_err(Stop::own)?;
                Err(Stop::sql(sql, door::touched(&table)))
            }
        }
    }

    /// Writes the appends and records of a unit whose SQL has run, and commits.
    pub(super) async fn finish(&self, mut session: Session, steps: &[Step]) -> Result<Committed, Stop> {
        // Before the statements, so that it is no later life than theirs.
        let (began, life) = (Instant::now(), self.shared.life());
        let (committed, transaction, events) = self.write(&mut session, steps).await?;
        let transaction = match transaction {
            Some(transaction) => Some(transaction),
            None => {
                let row = sqlx::query(self.statements.xact.sql()).fetch_one(&mut *session).await;
                row.and_then(|row| row.try_get(0)).map_err(Stop::own)?
            }
        };
        if let Err(error) = session.commit().await {
            return Err(match Trouble::of(&error) {
                Trouble::Lost => {
                    let error = store_error("the connection was lost while committing", error);
                    Stop::InDoubt(Doubt { transaction, life }, error)
                }
                Trouble::Rival => Stop::own(error),
                Trouble::Statement => Stop::user("commit", error),
            });
        }
        self.shared.counters.committed(1, events, began.elapsed());
        if let Some(position) = committed.position {
            self.shared.appended(position);
        }
        Ok(committed)
    }

    /// Appends and records, in the order collected; mostly one call.
    pub(super) async fn write(
        &self,
        session: &mut PgConnection,
        steps: &[Step],
    ) -> Result<(Committed, Option<String>, u64), Stop> {
        let takes_buckets = self.lock_buckets(session, steps).await?;
        let mut written = Written { committed: Committed::default(), transaction: None, events: 0 };
        let (mut waiting, mut ids) = (Vec::new(), HashSet::new());
        for step in steps {
            let mut ends = None;
            if let Step::Append { to, expected, events } = step {
                let is_repeated = !events.ids().all(|id| ids.insert(*id));
                let is_judged = !can_share(expected);
                ends = events.turn().is_any().then_some(to);
                if is_repeated || is_judged || ends.is_some() {
                    self.flush(session, &mut waiting, takes_buckets, &mut written).await?;
                }
                for part in expected.parts().map_err(invalid)? {
                    if let Expected::Unchanged { query, since } = part {
                        self.judge_boundary(session, query, *since, events).await?;
                    }
                }
                if events.turn().opens {
                    let open = sqlx::query(self.statements.stream_opens.sql()).bind(to.as_str());
                    open.execute(&mut *session).await.map_err(Stop::own)?;
                }
            }
            waiting.push(step);
            if let Some(stream) = ends {
                self.flush(session, &mut waiting, takes_buckets, &mut written).await?;
                // What its last event says: ids that were known before have changed nothing.
                let end = sqlx::query(self.statements.stream_ends.sql()).bind(vec![stream.as_str()]);
                end.execute(&mut *session).await.map_err(Stop::own)?;
            }
        }
        self.flush(session, &mut waiting, takes_buckets, &mut written).await?;
        refuse_known(steps, &written.committed)?;
        Ok((written.committed, written.transaction, written.events))
    }

    /// The same for appends that can share a round trip, in one, where the connection is on the server of an identity;
    /// `None` when it is elsewhere, and then nothing has happened there.
    pub(super) async fn write_here(
        &self,
        connection: &mut PgConnection,
        steps: &[Step],
        identity: &str,
    ) -> Result<Option<Committed>, Stop> {
        let mut call = Call::default();
        call.unit(steps.iter(), &self.reading.names)?;
        call.take_buckets();
        if !self.shared.is_at(identity) {
            // The types may be those of the server that took over meanwhile.
            return Ok(None);
        }
        let ran = call.run_here(connection, &self.statements, identity).await;
        let Some(mut answers) = ran.map_err(|fault| match fault {
            // No schema of this name, or none with a store in it: another database.
            Fault::Driver(error) if matches!(code(&error), Some("3F000" | "42883")) => {
                let message = "the transaction is in another database than the store, or on a server without it; roll it \
                               back, and begin it on a connection to the same";
                invalid(message.to_owned())
            }
            fault => fault.into(),
        })?
        else {
            return Ok(None);
        };
        match answers.units.pop() {
            Some(Ok(committed)) => Ok(Some(committed)),
            Some(Err(refused)) => Err(Stop::Decided(refused.into())),
            None => Ok(Some(Committed::default())),
        }
    }

    async fn flush(
        &self,
        session: &mut PgConnection,
        waiting: &mut Vec<&Step>,
        takes_buckets: bool,
        written: &mut Written,
    ) -> Result<(), Stop> {
        let mut call = Call::default();
        call.unit(waiting.drain(..), &self.reading.names)?;
        if call.is_empty() {
            return Ok(());
        }
        if takes_buckets {
            call.take_buckets();
        }
        let mut answers = call.run(session, &self.statements).await?;
        written.transaction = answers.transaction.or(written.transaction.take());
        written.events += answers.events;
        match answers.units.pop() {
            Some(Ok(part)) => {
                written.committed.appended.extend(part.appended);
                written.committed.position = part.position.or(written.committed.position);
                Ok(())
            }
            Some(Err(refused)) => Err(Stop::Decided(refused.into())),
            None => Ok(()),
        }
    }

    /// Takes all buckets of a unit that expects something unchanged; others take theirs with their call.
    async fn lock_buckets(&self, session: &mut PgConnection, steps: &[Step]) -> Result<bool, Stop> {
        let (mut shared, mut exclusive) = (Vec::new(), Vec::new());
        for step in steps {
            let Step::Append { expected, events, .. } = step else { continue };
            shared.extend(events.iter().flat_map(|event| event.hashes).map(|hash| bucket(*hash)));
            for part in expected.parts().map_err(invalid)? {
                if let Expected::Unchanged { query, .. } = part {
                    exclusive.extend(query.tags.iter().map(|tag| bucket(tag_hash(tag.as_str()))));
                }
            }
        }
        if exclusive.is_empty() {
            return Ok(true);
        }
        let lock = sqlx::query(self.statements.lock_buckets.sql()).bind(shared).bind(exclusive);
        lock.execute(&mut *session).await.map_err(Stop::own)?;
        Ok(false)
    }

    /// Looks for an event within the boundary, in statements that begin after the buckets were taken.
    async fn judge_boundary(
        &self,
        session: &mut PgConnection,
        query: &Query,
        since: Position,
        events: &Batch,
    ) -> Result<(), Stop> {
        // Known ids answer before anything is judged, and so does a batch of which some are known.
        let ids: Vec<Uuid> = events.ids().map(|id| Uuid::from_bytes(*id)).collect();
        let known =
            sqlx::query(self.statements.known_ids.sql()).bind(ids).fetch_optional(&mut *session).await;
        if known.map_err(Stop::own)?.is_some() {
            return Ok(());
        }
        let mut query = Query {
            after: since,
            up_to: Position::END,
            limit: 1,
            direction: Direction::Forward,
            ..query.clone()
        };
        loop {
            let page = self.reading.page(session, &self.statements, &query, Position::END).await;
            let page = page.map_err(|error| match error.is_transient() {
                true => Stop::Again(error),
                false => Stop::failed(error),
            })?;
            if let Some(found) = page.events.first() {
                let conflict = Conflict::Boundary { since, found: found.position };
                return Err(Stop::Decided(Commit::Conflict(conflict)));
            }
            if !page.more {
                return Ok(());
            }
            query.after = page.end;
        }
    }

    /// What became of a transaction whose commit was not answered; `None` when nobody can say.
    ///
    /// A server that was killed may give a transaction's number to another one, if nothing of the first had reached its
    /// disk. So that something was committed under the number is no proof once the server has lived another life, unless
    /// there are events, which are looked for next. Nothing committed under it is a proof in every life.
    pub(super) async fn settle(&self, doubt: Doubt, steps: &[Step], why: &StoreError) -> Option<bool> {
        // A transaction that wrote nothing has nothing to lose.
        let Doubt { transaction: Some(transaction), life } = doubt else { return Some(true) };
        tracing::warn!(%transaction, error = %why, "a commit was not answered; its outcome is looked up");
        let has_events = steps.iter().any(|step| matches!(step, Step::Append { .. }));
        let began = Instant::now();
        while began.elapsed() < SETTLE_MAX {
            match self.transaction_status(&transaction).await {
                Ok((Some(status), now)) if status == "committed" => {
                    return (has_events || *life == *now).then_some(true);
                }
                Ok((Some(status), _)) if status == "aborted" => return Some(false),
                Ok((Some(_), _)) => {}
                // Too old for the server to remember.
                Ok((None, _)) => return None,
                Err(error) => tracing::debug!(%error, "cannot look a transaction up yet"),
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
        None
    }

    /// The status of a transaction, and the server's life that it was looked up in.
    async fn transaction_status(&self, transaction: &str) -> Result<(Option<String>, String), StoreError> {
        const DOING: &str = "cannot look a transaction up";
        let mut lease = self.readers.lease().await?;
        let look = sqlx::query(self.statements.xact_status.sql()).bind(transaction);
        let row = look.fetch_one(&mut lease.connection).await.doing(DOING)?;
        let found = (row.try_get("status").doing(DOING)?, row.try_get("life").doing(DOING)?);
        self.readers.give_back(lease);
        Ok(found)
    }

    /// Asks where the events of a unit are whose commit was not answered; `None` when they are not there, so that nothing
    /// of the unit happened.
    ///
    /// Asks by writing them, in a transaction that is rolled back: events that are known answer where they are.
    pub(super) async fn answer_again(&self, steps: &[Step]) -> Result<Option<Committed>, StoreError> {
        let mut call = Call::default();
        let appends = steps.iter().filter(|step| matches!(step, Step::Append { .. }));
        let unknown =
            |_| StoreError::new(StoreErrorKind::Unavailable, "what was committed cannot be looked up");
        call.unit(appends, &self.reading.names).map_err(unknown)?;
        if call.is_empty() {
            return Ok(Some(Committed::default()));
        }
        let mut session = self.hurried_session().await?;
        let asked = call.run(&mut session, &self.statements).await;
        // Whatever it wrote is not to stay; a connection that is lost undoes it too.
        let _ = session.rollback().await;
        let mut answers = match asked {
            Ok(answers) => answers,
            Err(Fault::Driver(error)) => return Err(store_error("cannot look up what was committed", error)),
            Err(fault) => return Err(unknown(fault)),
        };
        match answers.units.pop() {
            Some(Ok(committed)) if !committed.appended.iter().all(|one| one.known) => Ok(None),
            // Without its events it would be judged, and refused.
            Some(Err(_)) => Ok(None),
            Some(Ok(mut committed)) => {
                committed.appended.iter_mut().for_each(|one| one.known = false);
                committed.position = committed.appended.iter().map(|one| one.position).max();
                if let Some(position) = committed.position {
                    self.shared.appended(position);
                }
                Ok(Some(committed))
            }
            None => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "what was committed cannot be looked up"))
            }
        }
    }
}

struct Written {
    committed: Committed,
    transaction: Option<String>,
    events: u64,
}

/// Refuses a unit with known events that were expected to be new.
fn refuse_known(steps: &[Step], committed: &Committed) -> Result<(), Stop> {
    let appends = steps.iter().filter_map(|step| match step {
        Step::Append { expected, events, .. } => Some((expected, events)),
        _ => None,
    });
    for ((expected, events), answer) in appends.zip(&committed.appended) {
        if let Some(known) = events.ids().next().filter(|_| answer.known && expected.is_of_new()) {
            let conflict = Conflict::Recorded { known: EventId::from_bytes(*known) };
            return Err(Stop::Decided(Commit::Conflict(conflict)));
        }
    }
    Ok(())
}

/// The error of a step that was found wrong when it was collected.
pub(super) fn wrong(step: &mut Step) -> Option<WriteError> {
    match step {
        Step::Wrong(error) => Some(
            error
                .take()
                .unwrap_or_else(|| WriteError::Invalid("the unit of work was found wrong before".to_owned())),
        ),
        _ => None,
    }
}

/// How long to stay out of others' way; longer each time, and not the same for all.
fn pause(tries: u32) -> Duration {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    Duration::from_millis(u64::from((1 << tries.min(6)) + nanos % (4 << tries.min(6))))
}

/// What a unit is told whose input is beyond a limit.
fn invalid(message: String) -> Stop {
    Stop::Decided(Commit::Failed(WriteError::Invalid(message)))
}

//! A connection that writes: one call at a time, and what becomes of it when something is in the way.
//!
//! A group that meets a lock held for long is broken up, and its units wait on connections of their own, so that one
//! open transaction does not stop everybody else.
//! Never answers "committed" for what it does not know: after a lost connection it makes sure that the server process
//! is gone, and then looks for the events by their ids.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{Commit, EventType, StoreError, WriteError};
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row as _};

use super::append::Appends;
use super::cluster;
use super::connect::{self, Backend, Purpose};
use super::error::{Trouble, code, store_error};
use super::handle::Core;
use super::step::Step;
use super::write::{Answers, Call, Fault};
use super::writer::{Errand, Unit};

/// How often a group that others were in the way of is tried before it is broken up.
const TRIES_MAX: u32 = 3;

/// How long a call may go without an answer: longer than the server gives its statement.
const CALL_MAX: Duration = Duration::from_secs(30);

/// How long after it was asked a unit waits for a server that cannot be reached.
const OUTAGE_MAX: Duration = Duration::from_secs(15);

/// Between two attempts to connect, at first and at most.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// Why a group got no answers.
enum Miss {
    /// The statement failed, and would again.
    Failed(StoreError),
    /// Others were in the way; `is_long` when they held a lock for long.
    Rival { error: StoreError, is_long: bool },
    /// There is no connection, or it was lost after the call was sent.
    Lost { error: StoreError, sent_to: Option<Backend> },
}

pub(super) struct Line {
    core: Arc<Core>,
    number: usize,
    connection: Option<(PgConnection, Backend)>,
    /// When it last could not be connected.
    failed_at: Option<Instant>,
}

impl Line {
    pub(super) fn new(core: Arc<Core>, number: usize) -> Self {
        Self { core, number, connection: None, failed_at: None }
    }

    /// Which of the connections that write this is, from 0.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Whether it takes units: the first connects while they wait, another only once it stands.
    pub(super) fn is_ready(&self) -> bool {
        self.number == 0 || self.connection.is_some()
    }

    /// Whether it should not be tried to connect again yet.
    pub(super) fn rests(&self) -> bool {
        self.failed_at.is_some_and(|at| at.elapsed() < BACK_OFF[1])
    }

    /// Connects, when it can be done; the others go on without it when not.
    pub(super) async fn stand_by(&mut self) {
        let connected = self.connected().await;
        self.failed_at = connected.as_ref().err().map(|_| Instant::now());
        if let Err(error) = connected {
            tracing::debug!(%error, "there is no other connection to write over");
        }
    }

    /// Ends the connection; the next call makes another.
    pub(super) fn lose(&mut self) {
        self.connection = None;
    }

    /// Commits units together, and answers them.
    pub(super) async fn commit(&mut self, mut units: Vec<Unit>) {
        let mut tries = 0;
        while !units.is_empty() {
            tries += 1;
            let began = Instant::now();
            match self.attempt(&units, tries == 1).await {
                Ok(answers) => return self.finish(units, answers, began),
                Err(Miss::Failed(error)) if units.len() == 1 => {
                    return self.answer_all(units, || Commit::Failed(WriteError::Store(error.clone())));
                }
                // One of them is at fault: each alone tells which.
                Err(Miss::Failed(_)) => {
                    for unit in units {
                        Box::pin(self.commit(vec![unit])).await;
                    }
                    return;
                }
                Err(Miss::Rival { error, is_long }) => {
                    if is_long || tries >= TRIES_MAX {
                        tracing::debug!(%error, units = units.len(), "others hold what a group needs; it is broken up");
                        return self.break_up(units);
                    }
                }
                Err(Miss::Lost { error, sent_to }) => units = self.recover(units, error, sent_to).await,
            }
        }
    }

    /// Makes the call; the first time by the short way, where the units allow it.
    async fn attempt(&mut self, units: &[Unit], is_first: bool) -> Result<Answers, Miss> {
        let core = Arc::clone(&self.core);
        self.connected().await.map_err(|error| Miss::Lost { error, sent_to: None })?;
        let names = &core.reading.names;
        let unknown = names.unknown(units.iter().flat_map(|unit| &unit.steps).flat_map(Step::types));
        let Some((connection, backend)) = &mut self.connection else { return Err(no_connection()) };
        if let Err(error) = names.learn(connection, &core.statements, unknown).await {
            // Nothing was sent yet that could count.
            return Err(self.miss(error, false));
        }
        let backend = backend.clone();
        let call = async {
            let steps: Vec<&[Step]> = units.iter().map(|unit| &*unit.steps).collect();
            if is_first && let Some(appends) = Appends::of(&steps, names)? {
                return appends.run(connection, &core.statements).await;
            }
            let mut call = Call::default();
            steps.iter().try_for_each(|steps| call.unit(steps.iter(), names))?;
            call.take_buckets();
            call.run(connection, &core.statements).await
        };
        match tokio::time::timeout(CALL_MAX, call).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(fault)) => Err(self.fault(fault)),
            Err(_) => {
                self.connection = None;
                let message = format!("the server did not answer within {} s", CALL_MAX.as_secs());
                let error = StoreError::new(factum_core::StoreErrorKind::Unavailable, message);
                Err(Miss::Lost { error, sent_to: Some(backend) })
            }
        }
    }

    fn fault(&mut self, fault: Fault) -> Miss {
        match fault {
            Fault::Driver(error) => self.miss(error, true),
            Fault::Answer(error) => Miss::Failed(error),
            Fault::UnknownType => {
                let message = "an event type could not be made known to the store; ask again";
                Miss::Failed(StoreError::new(factum_core::StoreErrorKind::Unavailable, message))
            }
        }
    }

    fn miss(&mut self, error: sqlx::Error, was_sent: bool) -> Miss {
        let trouble = Trouble::of(&error);
        let is_long = code(&error) == Some("55P03");
        let error = store_error("cannot write", error);
        match trouble {
            Trouble::Statement => Miss::Failed(error),
            Trouble::Rival => Miss::Rival { error, is_long },
            Trouble::Lost => {
                let sent_to = self.connection.take().map(|(_, backend)| backend).filter(|_| was_sent);
                Miss::Lost { error, sent_to }
            }
        }
    }

    async fn connected(&mut self) -> Result<(), StoreError> {
        let shared = &self.core.shared;
        if self.connection.as_ref().is_some_and(|(_, backend)| shared.is_at(&backend.identity)) {
            return Ok(());
        }
        // What is written to a server that was replaced is lost.
        self.connection = None;
        let Core { place, statements, shared, reading, .. } = &*self.core;
        let (mut connection, backend) = connect::connect(place, statements, Purpose::Write).await?;
        cluster::arrive(&mut connection, &backend, statements, shared, &reading.names).await?;
        self.connection = Some((connection, backend));
        Ok(())
    }

    /// Does what is to be done before something can be written.
    pub(super) async fn run(&mut self, errand: Errand) -> Result<(), StoreError> {
        match errand {
            Errand::Learn(types) => self.learn(types).await,
            Errand::Follow(identity) => {
                if self.connection.as_ref().is_some_and(|(_, backend)| backend.identity != identity) {
                    self.connection = None;
                }
                self.connected().await
            }
        }
    }

    /// Gives types numbers.
    async fn learn(&mut self, types: Vec<EventType>) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        self.connected().await?;
        let Some((connection, _)) = &mut self.connection else { return Err(super::error::closed()) };
        let learned = core.reading.names.learn(connection, &core.statements, types).await;
        learned.map_err(|error| {
            if Trouble::of(&error) == Trouble::Lost {
                self.connection = None;
            }
            store_error("cannot make event types known to the store", error)
        })
    }

    /// Connects again and finds out which units happened; the rest, which did not, is to be tried again.
    async fn recover(&mut self, units: Vec<Unit>, error: StoreError, sent_to: Option<Backend>) -> Vec<Unit> {
        tracing::warn!(%error, units = units.len(), in_doubt = sent_to.is_some(), "the connection that writes was lost");
        let asked = units.iter().map(|unit| unit.asked).min().unwrap_or_else(Instant::now);
        let [mut back_off, back_off_max] = BACK_OFF;
        let known = loop {
            match self.known(&units, sent_to.as_ref()).await {
                Ok(Some(known)) => break known,
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the server cannot be asked yet"),
            }
            if asked.elapsed() > OUTAGE_MAX {
                self.answer_all(units, || match &sent_to {
                    Some(_) => Commit::Unknown(error.clone()),
                    None => Commit::Failed(WriteError::Store(error.clone())),
                });
                return Vec::new();
            }
            tokio::time::sleep(back_off).await;
            back_off = (back_off * 2).min(back_off_max);
        };
        if sent_to.is_none() {
            return units;
        }
        let mut again = Vec::new();
        for unit in units {
            match first_id(&unit) {
                Some(id) if known.contains(&id) => {
                    let answer = match self.core.answer_again(&unit.steps).await {
                        Ok(Some(committed)) => Commit::Committed(committed),
                        // Known a moment ago, so it was archived since.
                        Ok(None) => Commit::Unknown(error.clone()),
                        Err(error) => Commit::Unknown(error),
                    };
                    self.answer(unit, answer);
                }
                Some(_) => again.push(unit),
                // Records alone leave nothing behind by which to tell who wrote them.
                None => self.answer(unit, Commit::Unknown(error.clone())),
            }
        }
        again
    }

    /// The first ids of those units that happened; `None` while the server process that was asked still runs.
    async fn known(
        &mut self,
        units: &[Unit],
        sent_to: Option<&Backend>,
    ) -> Result<Option<HashSet<Uuid>>, StoreError> {
        self.connected().await?;
        let Some(backend) = sent_to else { return Ok(Some(HashSet::new())) };
        let core = Arc::clone(&self.core);
        let Some((connection, _)) = &mut self.connection else { return Ok(None) };
        let looked = async {
            let ask = sqlx::query(core.statements.is_gone.sql()).bind(backend.pid).bind(&backend.started);
            if !ask.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
                return Ok(None);
            }
            let ids: Vec<Uuid> = units.iter().filter_map(first_id).collect();
            let rows =
                sqlx::query(core.statements.known_ids.sql()).bind(ids).fetch_all(&mut *connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<Uuid>, _>>().map(Some)
        };
        let looked: Result<_, sqlx::Error> = looked.await;
        looked.map_err(|error| {
            self.connection = None;
            store_error("cannot look for what was sent", error)
        })
    }

    /// Lets units wait on connections of their own.
    fn break_up(&self, units: Vec<Unit>) {
        for unit in units {
            let core = Arc::clone(&self.core);
            self.core.executor.spawn(async move {
                let Unit { steps, reply, asked, room } = unit;
                let answer = core.commit_alone(steps).await;
                core.count(&answer, asked);
                // Whoever asked may have gone away; what it wrote stays.
                let _ = reply.send(answer);
                drop(room);
            });
        }
    }

    /// Answers the units of a call that was committed.
    fn finish(&self, units: Vec<Unit>, answers: Answers, began: Instant) {
        let shared = &self.core.shared;
        let done = answers.units.iter().flatten();
        let position = done.clone().filter_map(|committed| committed.position).max();
        let count = done.count() as u64;
        if count > 0 {
            shared.counters.committed(count, answers.events, began.elapsed());
        }
        if let Some(position) = position {
            shared.appended(position);
        }
        for (unit, answer) in units.into_iter().zip(answers.units) {
            self.answer(unit, answer.map_or_else(Commit::from, Commit::Committed));
        }
    }

    fn answer_all(&self, units: Vec<Unit>, answer: impl Fn() -> Commit) {
        units.into_iter().for_each(|unit| self.answer(unit, answer()));
    }

    fn answer(&self, unit: Unit, answer: Commit) {
        self.core.count(&answer, unit.asked);
        // Whoever asked may have gone away; what it wrote stays.
        let _ = unit.reply.send(answer);
        drop(unit.room);
    }
}

fn no_connection() -> Miss {
    Miss::Lost { error: super::error::closed(), sent_to: None }
}

fn first_id(unit: &Unit) -> Option<Uuid> {
    unit.steps.iter().find_map(|step| match step {
        Step::Append { events, .. } => events.ids().next().map(|id| Uuid::from_bytes(*id)),
        _ => None,
    })
}

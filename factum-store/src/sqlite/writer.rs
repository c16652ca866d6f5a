//! The one thread that writes: takes what has come, commits it together, and answers.
//!
//! While one commit syncs, the next group forms in the queue, so that no unit waits for company. Each caller is
//! answered after the sync that covers it. Several processes may write to one file: whatever this thread remembers
//! is dropped when another one has committed.
//! Never answers "committed" for what a failed sync may have lost: such a group is unknown to all its callers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use factum_core::{Commit, Committed, Page, Query, StoreError, StoreErrorKind, WriteError};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::append::{Log, Stop};
use super::connect::{self, Opened};
use super::error::{Trouble, store_error};
use super::event::PageBuffer;
use super::names::Names;
use super::place::Place;
use super::read;
use super::shared::Shared;
use super::step::Step;
use super::{Existing, Synchronous};

mod finish;
mod session;
#[cfg(test)]
mod tests;

pub(super) use session::{Ask, Owner, Refusal, Session, over};

use std::sync::Arc;

/// Requests that wait for the writer; more wait for a place.
pub(super) const QUEUE_MAX: usize = 8192;

/// Units that share one commit at most.
const GROUP_UNITS_MAX: usize = 4096;

/// Bytes that share one commit, roughly: bounds how long the first of a group waits.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Pages in the write-ahead log at which it is copied back: 32 MB.
const CHECKPOINT_PAGES: i32 = 4_000;

/// Pages after which a checkpoint that readers held up is tried again.
const CHECKPOINT_AGAIN_PAGES: i32 = 1_000;

/// A unit that holds the writer for longer is logged.
const SLOW: Duration = Duration::from_millis(50);

/// How long after another process's commit this one leaves it a gap.
const POLITE_FOR: Duration = Duration::from_millis(100);

/// How long the writer looks for the next request before it sleeps: whoever was just answered often asks again.
const LOOKS_FOR: Duration = Duration::from_micros(30);

/// How long a group waits for those who were answered together to ask again; never longer than a quarter of the last
/// commit. Without it, tasks that wait for each answer fall into two groups that wait for one another.
const GATHERS_FOR: Duration = Duration::from_micros(100);

/// The gap: longer than the other's waits between two tries.
const POLITE_GAP: Duration = Duration::from_micros(500);

/// What the writer is asked.
pub(super) enum Request {
    Unit(Unit),
    Session(Session),
    /// A page for somebody who will write, from a connection that has the pages at hand.
    Read(Box<Query>, oneshot::Sender<Result<Page, StoreError>>),
    /// Nothing has come for a while.
    Idle,
    /// Nothing is to be left in the write-ahead log.
    Scrub(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

/// Writes that are committed together or not at all.
pub(super) struct Unit {
    pub(super) steps: Vec<Step>,
    pub(super) reply: oneshot::Sender<Commit>,
    pub(super) owner: Owner,
    pub(super) asked: Instant,
    /// Its share of what may wait; given back when it has been answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// Why a group could not be committed.
enum Lost {
    /// A statement rolled the group back: its units are done singly. What the unit at fault answers when alone.
    Alone(Commit),
    /// Nothing of it happened.
    NotDone(StoreError),
    /// Nobody can say whether it happened.
    Unknown(StoreError),
}

pub(super) struct Writer {
    pub(super) place: Place,
    pub(super) synchronous: Synchronous,
    pub(super) shared: Arc<Shared>,
    pub(super) queue: mpsc::Receiver<Request>,
    /// Taken from the queue, and not looked at yet.
    pending: VecDeque<Request>,
    /// `None` after it failed, until it opens again.
    opened: Option<Opened>,
    log: Log,
    /// For pages that are read here.
    names: Names,
    buffer: PageBuffer,
    data_version: i64,
    checkpointed_pages: i32,
    met_other_at: Option<Instant>,
    last: Last,
    /// Whether what is deleted is overwritten, because it may be personal.
    erases: bool,
}

/// What the last group was: how many the next one may expect, and how long it may wait for them.
#[derive(Default)]
struct Last {
    units: usize,
    took: Duration,
}

impl Writer {
    pub(super) fn new(
        place: Place,
        synchronous: Synchronous,
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Request>,
        opened: Opened,
    ) -> Self {
        Self {
            place,
            synchronous,
            shared,
            queue,
            pending: VecDeque::new(),
            opened: Some(opened),
            log: Log::new(),
            names: Names::new(),
            buffer: PageBuffer::default(),
            data_version: -1,
            checkpointed_pages: 0,
            met_other_at: None,
            last: Last::default(),
            erases: false,
        }
    }

    /// The same, overwriting what is deleted.
    pub(super) fn erasing(mut self, erases: bool) -> Result<Self, StoreError> {
        self.erases = erases;
        self.opened.as_ref().map_or(Ok(()), |opened| connect::erase(&opened.connection, erases))?;
        Ok(self)
    }

    /// Serves until every sender is gone or the store is closed, and finishes what is queued.
    ///
    /// Hands its connection over: the last one to go takes the write-ahead log with it, and that must not be left to
    /// two readers who each see the other.
    pub(super) fn run(mut self) -> Option<Opened> {
        let mut closers = Vec::new();
        while let Some(first) = self.next() {
            self.shared.set_writing(true);
            let (mut units, mut bytes) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    // Whoever asked has given up, and may already be trying again.
                    Request::Unit(unit) if unit.reply.is_closed() => {}
                    Request::Unit(unit) => {
                        bytes += unit.steps.iter().map(Step::bytes).sum::<usize>();
                        units.push(unit);
                    }
                    Request::Session(session) => {
                        self.group(std::mem::take(&mut units));
                        self.shared.set_writing(true);
                        self.session(session);
                    }
                    Request::Read(query, reply) => {
                        // Whoever asked may have gone away.
                        let _ = reply.send(self.page(&query));
                    }
                    Request::Idle => self.checkpoint(1),
                    Request::Scrub(reply) => {
                        self.group(std::mem::take(&mut units));
                        self.shared.set_writing(true);
                        // Whoever asked may have gone away.
                        let _ = reply.send(self.scrub());
                    }
                    Request::Close(reply) => {
                        self.queue.close();
                        closers.push(reply);
                    }
                }
                let has_room = units.len() < GROUP_UNITS_MAX && bytes < GROUP_BYTES_MAX;
                next = if has_room { self.gather(units.len()) } else { None };
            }
            self.group(units);
            self.checkpoint(CHECKPOINT_PAGES);
            self.be_polite();
            self.shared.set_writing(false);
        }
        self.checkpoint(1);
        for closer in closers {
            // Whoever asked may have gone away.
            let _ = closer.send(());
        }
        self.opened
    }

    /// The next request; waits for it.
    fn next(&mut self) -> Option<Request> {
        let began = Instant::now();
        loop {
            if let Some(request) = self.try_next() {
                return Some(request);
            }
            if began.elapsed() > LOOKS_FOR {
                return self.queue.blocking_recv();
            }
            std::thread::yield_now();
        }
    }

    /// What else has come for a group of so many units; waits a moment for as many as were answered last.
    fn gather(&mut self, units: usize) -> Option<Request> {
        let next = self.try_next();
        if next.is_some() || units == 0 || units >= self.last.units {
            return next;
        }
        let patience = GATHERS_FOR.min(self.last.took / 4);
        let began = Instant::now();
        while began.elapsed() < patience {
            std::thread::yield_now();
            if let Some(request) = self.try_next() {
                return Some(request);
            }
        }
        // Whoever is not back by now is not waited for again.
        self.last.units = 0;
        None
    }

    fn try_next(&mut self) -> Option<Request> {
        self.pending.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// A page of what is committed: its transaction is its own.
    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        let Some(Opened { connection, .. }) = &self.opened else { return Err(gone()) };
        read::page_at_once(connection, &mut self.names, &mut self.buffer, query)
    }

    /// Commits units together, or each alone when one of them undid the others.
    fn group(&mut self, mut units: Vec<Unit>) {
        if units.is_empty() {
            return;
        }
        self.shared.set_writing(true);
        let began = Instant::now();
        let done = self.attempt(&mut units);
        self.last = Last { units: units.len(), took: began.elapsed() };
        match done {
            Ok(answers) => {
                // Whoever is answered now may ask for what comes next of its stream.
                self.shared.set_writing(false);
                self.finish(units, answers, began);
            }
            Err(Lost::Alone(answer)) => match <[Unit; 1]>::try_from(units) {
                Ok([unit]) => self.answer(unit, answer),
                Err(units) => units.into_iter().for_each(|unit| self.group(vec![unit])),
            },
            Err(Lost::NotDone(error)) => {
                let answer = || Commit::Failed(WriteError::Store(error.clone()));
                units.into_iter().for_each(|unit| self.answer(unit, answer()));
            }
            Err(Lost::Unknown(error)) => {
                units.into_iter().for_each(|unit| self.answer(unit, Commit::Unknown(error.clone())));
            }
        }
    }

    /// One transaction with all units in it; the answers stand once it returns.
    fn attempt(&mut self, units: &mut [Unit]) -> Result<Vec<Commit>, Lost> {
        self.begin()?;
        let is_alone = units.len() == 1;
        let mut answers = Vec::with_capacity(units.len());
        for unit in units.iter_mut() {
            match self.unit(&mut unit.steps, is_alone) {
                Ok(answer) => answers.push(answer),
                Err(lost) => {
                    self.roll_back();
                    return Err(lost);
                }
            }
        }
        self.commit()?;
        Ok(answers)
    }

    /// The steps of one unit; undone when one of them cannot be done, alone or with its transaction, which it may have
    /// for itself: a savepoint keeps a copy of every page that is changed after it, soon in a file.
    fn unit(&mut self, steps: &mut [Step], is_alone: bool) -> Result<Commit, Lost> {
        let began = Instant::now();
        let can_leave_traces = steps.len() > 1 || steps.iter().any(Step::can_fail_late);
        let has_savepoint = can_leave_traces && !is_alone;
        let mark = self.log.mark();
        if has_savepoint {
            self.control(include_str!("sql/savepoint.sql"))?;
        }
        let mut committed = Committed::default();
        let mut rest = &mut *steps;
        while !rest.is_empty() {
            let alike = Step::alike(rest);
            let (now, later) = std::mem::take(&mut rest).split_at_mut(alike);
            rest = later;
            let done = match now {
                [step] => self.step(step, Duration::MAX),
                alike => self.alike(alike).map(|()| None),
            };
            match done {
                Ok(appended) => {
                    let appended = appended.into_iter();
                    committed.appended.extend(appended);
                }
                Err(stop) => {
                    let answer = self.judge(stop, has_savepoint)?;
                    if can_leave_traces && is_alone {
                        return Err(Lost::Alone(answer));
                    }
                    if has_savepoint {
                        self.control(include_str!("sql/undo.sql"))?;
                        self.control(include_str!("sql/release.sql"))?;
                    }
                    self.log.undo(mark);
                    return Ok(answer);
                }
            }
        }
        if has_savepoint {
            self.control(include_str!("sql/release.sql"))?;
        }
        self.log.keep();
        let new = committed.appended.iter().filter(|appended| !appended.known);
        committed.position = new.map(|appended| appended.position).max();
        let took = began.elapsed();
        if took > SLOW {
            tracing::info!(?took, steps = steps.len(), "a unit of work held the writer for long");
        }
        Ok(Commit::Committed(committed))
    }

    fn step(&mut self, step: &mut Step, budget: Duration) -> Result<Option<factum_core::Appended>, Stop> {
        let Some(Opened { connection, door }) = &self.opened else { return Err(gone().into()) };
        step.run(connection, door, &mut self.log, budget)
    }

    fn alike(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let Some(Opened { connection, door }) = &self.opened else { return Err(gone().into()) };
        Step::run_alike(steps, connection, door)
    }

    /// What the unit answers, when the transaction is still sound.
    fn judge(&self, stop: Stop, has_savepoint: bool) -> Result<Commit, Lost> {
        let rolled_back = self.opened.as_ref().is_none_or(|opened| opened.connection.is_autocommit());
        match stop {
            Stop::Conflict(conflict) => Ok(Commit::Conflict(conflict)),
            Stop::Failed(error) if rolled_back => Err(Lost::Alone(Commit::Failed(error))),
            Stop::Failed(error) => Ok(Commit::Failed(error)),
            Stop::Driver(error) => {
                let trouble = Trouble::of(&error);
                let error = store_error("cannot write", error);
                if trouble != Trouble::Statement {
                    return Err(Lost::NotDone(error));
                }
                let answer = Commit::Failed(WriteError::Store(error));
                if has_savepoint && !rolled_back { Ok(answer) } else { Err(Lost::Alone(answer)) }
            }
        }
    }

    /// Takes the write lock, and drops what is remembered when another process has written.
    fn begin(&mut self) -> Result<(), Lost> {
        if self.opened.is_none() {
            self.reopen().map_err(Lost::NotDone)?;
        }
        let Some(Opened { connection, .. }) = &self.opened else { return Err(Lost::NotDone(gone())) };
        if let Err(error) = run(connection, include_str!("sql/begin.sql")) {
            return Err(self.lost(error, Lost::NotDone));
        }
        let version = match data_version(connection) {
            Ok(version) => version,
            Err(error) => return Err(self.lost(error, Lost::NotDone)),
        };
        if version != self.data_version {
            if self.data_version != -1 {
                self.met_other_at = Some(Instant::now());
            }
            self.data_version = version;
            self.log.forget();
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Lost> {
        let Some(Opened { connection, .. }) = &self.opened else { return Err(Lost::NotDone(gone())) };
        let committed = {
            #[cfg(test)]
            let faulty = self.shared.take_fault();
            #[cfg(not(test))]
            let faulty = false;
            if faulty { Err(io_error()) } else { run(connection, include_str!("sql/commit.sql")) }
        };
        let Err(error) = committed else { return Ok(()) };
        // Whether a commit whose sync failed will be found after a crash, nobody can say.
        let lost = if Trouble::of(&error) == Trouble::Broken { Lost::Unknown } else { Lost::NotDone };
        let lost = self.lost(error, lost);
        self.roll_back();
        Err(lost)
    }

    /// Statements that only move transactions; when one fails, so has the group.
    fn control(&mut self, sql: &'static str) -> Result<(), Lost> {
        let Some(Opened { connection, .. }) = &self.opened else { return Err(Lost::NotDone(gone())) };
        match run(connection, sql) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.lost(error, Lost::NotDone)),
        }
    }

    fn lost(&mut self, error: rusqlite::Error, how: fn(StoreError) -> Lost) -> Lost {
        let is_broken = Trouble::of(&error) == Trouble::Broken;
        let error = store_error("cannot write", error);
        if is_broken {
            tracing::error!(%error, "writing failed; the store is opened again");
            self.log.forget();
            self.opened = None;
            // Failing again is reported to the next unit, which tries once more.
            let _ = self.reopen();
        }
        how(error)
    }

    fn roll_back(&mut self) {
        self.log.forget();
        let Some(Opened { connection, .. }) = &self.opened else { return };
        if connection.is_autocommit() {
            return;
        }
        if let Err(error) = run(connection, include_str!("sql/rollback.sql")) {
            // A transaction that cannot be rolled back ends with its connection.
            tracing::error!(%error, "cannot roll back; the store is opened again");
            self.opened = None;
            let _ = self.reopen();
        }
    }

    /// Opens the store anew and proves that it can be read.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let opened = connect::writer(&self.place, self.synchronous, Existing::Refuse)?;
        read::head(&opened.connection).map_err(|error| store_error("cannot read the log", error))?;
        self.log.forget();
        connect::erase(&opened.connection, self.erases)?;
        self.data_version = -1;
        self.opened = Some(opened);
        Ok(())
    }

    /// Copies the write-ahead log back and cuts it off; waits a while for readers that still look at it.
    fn scrub(&mut self) -> Result<(), StoreError> {
        let Some(Opened { connection, .. }) = &self.opened else { return Err(gone()) };
        let busy: i64 = connection
            .query_row("-- factum: leaves nothing behind\npragma wal_checkpoint(truncate)", [], |row| {
                row.get(0)
            })
            .map_err(|error| store_error("cannot cut the write-ahead log off", error))?;
        self.checkpointed_pages = 0;
        if busy == 0 {
            return Ok(());
        }
        let message = "somebody reads the write-ahead log, so it still holds what was deleted; ask again";
        Err(StoreError::new(StoreErrorKind::Unavailable, message))
    }

    /// Copies the write-ahead log back once it has grown by `pages`; waits for nobody.
    fn checkpoint(&mut self, pages: i32) {
        let Some(Opened { connection, .. }) = &self.opened else { return };
        let now = connect::wal_pages();
        if now < self.checkpointed_pages {
            // The log was begun anew.
            self.checkpointed_pages = 0;
        }
        let again = if self.checkpointed_pages == 0 { 0 } else { CHECKPOINT_AGAIN_PAGES.min(pages) };
        if now < pages || now < self.checkpointed_pages + again {
            return;
        }
        self.shared.set_writing(true);
        let done =
            connection.query_row("-- factum: copies back\npragma wal_checkpoint(passive)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(%error, "cannot copy the write-ahead log back; it is tried again");
        }
        self.checkpointed_pages = now;
    }

    /// Leaves a gap for another process that writes too.
    fn be_polite(&self) {
        if self.met_other_at.is_some_and(|at| at.elapsed() < POLITE_FOR) {
            std::thread::sleep(POLITE_GAP);
        }
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Changes when another connection has committed.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(include_str!("sql/data_version.sql"))?.query_row([], |row| row.get(0))
}

fn gone() -> StoreError {
    let message = "the store's file could not be opened again; look at the disk, then ask again";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

#[cfg(test)]
fn io_error() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    rusqlite::Error::SqliteFailure(code, None)
}

#[cfg(not(test))]
fn io_error() -> rusqlite::Error {
    rusqlite::Error::InvalidQuery
}

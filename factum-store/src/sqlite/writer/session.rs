//! An interactive unit: a handler reads what it has written, or locks what it reads, and so holds the writer.
//!
//! Short by force: after a quarter of a second in all it is undone, because everybody else is waiting. One that waits
//! for an append of its own waits for itself; that append is refused by name once the unit is undone.
//! Never leaves its transaction open: whichever way it ends, the writer goes on.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use factum_core::{Appended, Commit, Committed, Rows, StoreError, StoreErrorKind, Value, WriteError};
use tokio::sync::oneshot;

use super::{Lost, Request, Writer};
use crate::sqlite::connect::Opened;
use crate::sqlite::statement;
use crate::sqlite::step::Step;

/// How long an interactive unit may hold the writer, in all.
pub(in crate::sqlite) const INTERACTIVE_MS_MAX: u64 = 250;

/// Who asks: a task, or a thread where there is no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Owner {
    task: Option<tokio::task::Id>,
    thread: ThreadId,
}

impl Owner {
    /// Whoever runs now.
    pub(in crate::sqlite) fn current() -> Self {
        Self { task: tokio::task::try_id(), thread: thread::current().id() }
    }

    fn is(&self, other: &Self) -> bool {
        match (self.task, other.task) {
            (Some(one), Some(another)) => one == another,
            (None, None) => self.thread == other.thread,
            _ => false,
        }
    }
}

/// An interactive unit, as the writer sees it.
pub(in crate::sqlite) struct Session {
    pub(in crate::sqlite) asks: Receiver<Ask>,
    pub(in crate::sqlite) owner: Owner,
    pub(in crate::sqlite) asked: Instant,
}

/// What an interactive unit asks; the steps are done first.
pub(in crate::sqlite) enum Ask {
    Query { steps: Vec<Step>, sql: String, params: Vec<Value>, reply: oneshot::Sender<Result<Rows, Refusal>> },
    Commit { steps: Vec<Step>, reply: oneshot::Sender<Commit> },
}

/// Why a query was not answered.
pub(in crate::sqlite) enum Refusal {
    /// The query failed; the unit goes on.
    Query(StoreError),
    /// The unit is undone, and its commit answers this.
    Unit(Commit),
}

/// What was done so far.
struct Progress {
    done: Vec<Step>,
    appended: Vec<Appended>,
    deadline: Instant,
}

impl Writer {
    pub(super) fn session(&mut self, session: Session) {
        // Nothing is taken before the first question is here.
        let Ok(first) = session.asks.recv() else { return };
        if let Err(lost) = self.begin() {
            return refuse(first, lost.into_commit());
        }
        let began = Instant::now();
        let deadline = began + Duration::from_millis(INTERACTIVE_MS_MAX);
        let mut progress = Progress { done: Vec::new(), appended: Vec::new(), deadline };
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Ask::Query { steps, sql, params, reply }) => {
                    let answer = self.session_query(&mut progress, steps, &sql, &params);
                    let is_over = matches!(answer, Err(Refusal::Unit(_)));
                    let is_heard = reply.send(answer).is_ok();
                    if is_over || !is_heard {
                        return self.roll_back();
                    }
                }
                Ok(Ask::Commit { steps, reply }) => {
                    let answer = self.session_commit(progress, steps, began, session.asked);
                    let _ = reply.send(answer);
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return self.roll_back(),
                Err(RecvTimeoutError::Timeout) => {
                    self.roll_back();
                    return self.refuse_own_appends(&session.owner);
                }
            }
            next = session.asks.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn session_query(
        &mut self,
        progress: &mut Progress,
        steps: Vec<Step>,
        sql: &str,
        params: &[Value],
    ) -> Result<Rows, Refusal> {
        self.session_steps(progress, steps).map_err(Refusal::Unit)?;
        let Some(Opened { connection, door }) = &self.opened else {
            return Err(Refusal::Unit(Commit::Failed(super::gone().into())));
        };
        let budget = progress.deadline.saturating_duration_since(Instant::now());
        let answer = statement::query(connection, door, sql, params, budget)
            .map_err(|fault| fault.into_store_error(door));
        if Instant::now() >= progress.deadline {
            return Err(Refusal::Unit(Commit::Failed(over())));
        }
        answer.map_err(|error| {
            if connection.is_autocommit() {
                let error = WriteError::Sql { sql: sql.to_owned(), source: error };
                return Refusal::Unit(Commit::Failed(error));
            }
            Refusal::Query(error)
        })
    }

    fn session_steps(&mut self, progress: &mut Progress, steps: Vec<Step>) -> Result<(), Commit> {
        for mut step in steps {
            let budget = progress.deadline.saturating_duration_since(Instant::now());
            match self.step(&mut step, budget) {
                Ok(appended) => progress.appended.extend(appended),
                Err(stop) => return Err(self.judge(stop, true).unwrap_or_else(Lost::into_commit)),
            }
            progress.done.push(step);
            if Instant::now() >= progress.deadline {
                return Err(Commit::Failed(over()));
            }
        }
        Ok(())
    }

    fn session_commit(
        &mut self,
        mut progress: Progress,
        steps: Vec<Step>,
        began: Instant,
        asked: Instant,
    ) -> Commit {
        if let Err(answer) = self.session_steps(&mut progress, steps) {
            self.roll_back();
            self.shared.counters.refused();
            return answer;
        }
        if let Err(lost) = self.commit() {
            self.shared.counters.refused();
            return lost.into_commit();
        }
        let Progress { done, appended, .. } = progress;
        let new = appended.iter().filter(|appended| !appended.known);
        let position = new.map(|appended| appended.position).max();
        self.announce(1, vec![(done, appended.clone())], began);
        self.shared.counters.answered(asked.elapsed());
        Commit::Committed(Committed { appended, position })
    }

    /// Refuses what the owner of a unit that ran out of time has asked for meanwhile: it waited for itself.
    fn refuse_own_appends(&mut self, owner: &Owner) {
        let mut waiting = std::mem::take(&mut self.pending);
        while let Ok(request) = self.queue.try_recv() {
            waiting.push_back(request);
        }
        for request in waiting {
            match request {
                Request::Unit(unit) if unit.owner.is(owner) => self.answer(unit, waits_for_itself()),
                request => self.pending.push_back(request),
            }
        }
    }
}

impl Lost {
    fn into_commit(self) -> Commit {
        match self {
            Self::Alone(answer) => answer,
            Self::NotDone(error) => Commit::Failed(WriteError::Store(error)),
            Self::Unknown(error) => Commit::Unknown(error),
        }
    }
}

fn refuse(ask: Ask, answer: Commit) {
    match ask {
        Ask::Query { reply, .. } => drop(reply.send(Err(Refusal::Unit(answer)))),
        Ask::Commit { reply, .. } => drop(reply.send(answer)),
    }
}

/// What a unit answers that held the writer for too long.
pub(in crate::sqlite) fn over() -> WriteError {
    WriteError::Store(StoreError::new(
        StoreErrorKind::Invalid,
        format!(
            "the unit of work held the writer for over {INTERACTIVE_MS_MAX} ms and was undone; \
             wait for nothing between a locking query and the commit"
        ),
    ))
}

fn waits_for_itself() -> Commit {
    let message = "an append through the store from inside an interactive unit of work waits for itself; \
                   append through the unit of work";
    Commit::Failed(WriteError::Invalid(message.to_owned()))
}

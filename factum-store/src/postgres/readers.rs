//! Connections that read: a fixed number, lent out one question at a time.
//!
//! A connection that was lost is thrown away, not given back; one that has rested is asked again over a new one when
//! it turns out to be dead, because a restart of the server kills those that rest.
//! Never holds a transaction open: every question is statements of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_core::{StoreError, StoreErrorKind};
use sqlx::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::{self, Backend, Purpose};
use super::error::{closed, unanswered};
use super::place::Place;
use super::statements::Statements;

/// How long a question may go without an answer: longer than the server gives its statement.
const ANSWER_MAX: Duration = Duration::from_secs(70);

/// How long a question waits for a connection.
const LEASE_MAX: Duration = Duration::from_secs(30);

/// What a question over a lent connection answers, in time; what is lent to it is thrown away when it does not.
pub(super) async fn in_time<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(ANSWER_MAX, asking).await;
    answered.unwrap_or_else(|_| Err(unanswered("cannot read", ANSWER_MAX)))
}

pub(super) struct Readers {
    place: Place,
    statements: Arc<Statements>,
    idle: Mutex<Vec<PgConnection>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan; dropped without being given back, it is closed.
pub(super) struct Lease {
    pub(super) connection: PgConnection,
    /// Who is at the other end, of one that was just made; `None` for one that has rested.
    pub(super) made: Option<Backend>,
    permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(place: Place, statements: Arc<Statements>, count: usize) -> Self {
        Self { place, statements, idle: Mutex::default(), permits: Arc::new(Semaphore::new(count)) }
    }

    /// Lends a connection; waits for it.
    pub(super) async fn lease(&self) -> Result<Lease, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(LEASE_MAX, permit).await.map_err(|_| {
            let message = format!("no connection became free within {} s; ask again", LEASE_MAX.as_secs());
            StoreError::new(StoreErrorKind::Unavailable, message)
        })?;
        let permit = permit.map_err(|_| closed())?;
        if let Some(connection) = self.idle().pop() {
            return Ok(Lease { connection, made: None, permit });
        }
        let (connection, backend) = connect::connect(&self.place, &self.statements, Purpose::Read).await?;
        Ok(Lease { connection, made: Some(backend), permit })
    }

    /// Takes a connection back that is sound.
    pub(super) fn give_back(&self, lease: Lease) {
        let Lease { connection, permit, .. } = lease;
        if !self.permits.is_closed() {
            self.idle().push(connection);
        }
        drop(permit);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends no more, and closes what rests.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }
}

//! Looks how far readers may read: once for everybody in the process, when asked, when somebody waits, and from time to
//! time.
//!
//! Readers that ask at the same time share one look, which begins after they asked. While nobody waits, appends cause
//! no look. A hint tells other processes that events come after a quiet time; from then on they look by themselves as
//! often as hints could come. Polling finds what hints do not tell of.
//! Never writes, and never notifies from a transaction that appends: a hint is a statement of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{Position, StoreError};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{PgConnection, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::cluster;
use super::connect::{self, Purpose};
use super::error::{store_error, unanswered};
use super::fence::{self, Bounds};
use super::place::Place;
use super::read::Reading;
use super::shared::Shared;
use super::statements::Statements;

/// Who asks for a look, and gets how far it found that readers may read.
pub(super) type Ask = oneshot::Sender<Result<Position, StoreError>>;

/// Asks that wait for the next look; more wait for a place.
pub(super) const ASKS_MAX: usize = 1024;

/// Between two looks because of this process's own appends: more would cost the appends more than it gains readers.
const CLOSE: Duration = Duration::from_millis(2);

/// Between two looks while events come and somebody waits for them.
const BUSY: Duration = Duration::from_millis(5);

/// Between two looks when none has come for a while.
const IDLE: Duration = Duration::from_millis(50);

/// Between two looks when nobody waits: only to know whether readers would be held up.
const UNWATCHED: Duration = Duration::from_millis(500);

/// How long a look may go without an answer: longer than the server gives its statement. A network that has gone silent
/// would otherwise stop every reader of the process.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// Between two attempts to connect again, when nobody asks.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How long the looks stay close after events have come, or were hinted at.
const STAYS_BUSY: Duration = Duration::from_millis(500);

/// Other processes need no hint for so long after one that they may have heard: they are still looking closely.
const HINT_EVERY: Duration = Duration::from_millis(250);

/// Readers that are held up for longer are told by whom.
const HELD_FOR: Duration = Duration::from_secs(1);

/// Between two looks at who holds readers up.
const NAMED_EVERY: Duration = Duration::from_secs(3);

pub(super) struct Watcher {
    pub(super) place: Place,
    pub(super) statements: Arc<Statements>,
    pub(super) shared: Arc<Shared>,
    pub(super) reading: Arc<Reading>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) connection: Option<PgConnection>,
    pub(super) hints: bool,
}

impl Watcher {
    /// The channel through which processes with this store hint at each other.
    fn channel(place: &Place) -> String {
        format!("factum_{}", place.schema.as_str())
    }

    pub(super) async fn run(mut self) {
        let mut pace = Pace::new(self.shared.last_appended());
        let (mut held_at, mut named_at) = (None::<(i64, Instant)>, None::<Instant>);
        let mut waiting = Vec::new();
        loop {
            if self.shared.take_heard() {
                pace.heard();
                self.shared.nudge();
            }
            let owes_hint = self.hints && pace.hint_due() <= Instant::now();
            self.shared.set_owes_hint(owes_hint);
            let appended = self.shared.last_appended();
            if owes_hint && appended > pace.hinted_to {
                pace.hinted(appended);
                self.hint().await;
                continue;
            }
            let next = pace.next_look(&self.shared, held_at.is_some());
            // Once a hint is due, the next append is to find that out.
            let next = if self.hints && !owes_hint { next.min(pace.hint_due()) } else { next };
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => waiting.push(ask),
                    None => return,
                },
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
            if self.shared.is_closed() {
                return;
            }
            while let Ok(ask) = self.asks.try_recv() {
                waiting.push(ask);
            }
            let is_due = Instant::now() >= pace.next_look(&self.shared, held_at.is_some());
            if waiting.is_empty() && !is_due {
                continue;
            }
            self.shared.looks();
            pace.looked_at = Instant::now();
            let looked = self.look().await;
            pace.is_broken = looked.is_err();
            if let Ok(bounds) = &looked {
                if self.shared.moved_to(bounds.visible()) {
                    pace.moved_at = Instant::now();
                }
                held_at = held(held_at, bounds);
            }
            for ask in waiting.drain(..) {
                // Whoever asked may have gone away.
                let _ = ask.send(looked.as_ref().map(Bounds::visible).map_err(Clone::clone));
            }
            let held_for_long = held_at.filter(|(_, since)| since.elapsed() > HELD_FOR);
            self.shared.set_held(held_for_long.map(|(_, since)| since));
            match held_for_long {
                Some((position, since)) if named_at.is_none_or(|at| at.elapsed() > NAMED_EVERY) => {
                    named_at = Some(Instant::now());
                    self.name(position, since).await;
                }
                Some(_) => {}
                None => named_at = None,
            }
        }
    }

    async fn look(&mut self) -> Result<Bounds, StoreError> {
        match tokio::time::timeout(LOOK_MAX, self.look_once()).await {
            Ok(looked) => looked,
            Err(_) => {
                self.connection = None;
                Err(unanswered("cannot look how far readers may read", LOOK_MAX))
            }
        }
    }

    async fn look_once(&mut self) -> Result<Bounds, StoreError> {
        if self.connection.is_none() {
            let connected = connect::connect(&self.place, &self.statements, Purpose::Watch).await;
            let (mut connection, backend) = connected?;
            let names = &self.reading.names;
            cluster::arrive(&mut connection, &backend, &self.statements, &self.shared, names).await?;
            self.connection = Some(connection);
        }
        let Some(connection) = &mut self.connection else { return Err(super::error::closed()) };
        let asked = Instant::now();
        match fence::look(connection, &self.statements).await {
            Ok(bounds) => {
                self.shared.saw_clock(asked + asked.elapsed() / 2, bounds.clock);
                Ok(bounds)
            }
            Err(error) => {
                self.connection = None;
                Err(store_error("cannot look how far readers may read", error))
            }
        }
    }

    /// Finds out who holds readers up, and tells.
    async fn name(&mut self, position: i64, since: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let asked = tokio::time::timeout(LOOK_MAX, holders(connection, &self.statements)).await;
        let by =
            match asked.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())) {
                Ok(holders) => holders.first().map(Holder::to_string).unwrap_or_default(),
                Err(error) => {
                    tracing::debug!(%error, "cannot find out who holds readers up");
                    String::new()
                }
            };
        tracing::warn!(position, held_s = since.elapsed().as_secs(), %by, "an open transaction holds readers up");
    }

    async fn hint(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let hint = sqlx::query(self.statements.notify.sql()).bind(Self::channel(&self.place));
        if let Err(error) = hint.execute(connection).await {
            // Others find the events by polling.
            tracing::debug!(%error, "cannot hint at other processes");
        }
    }
}

/// When to look, and when to hint.
struct Pace {
    looked_at: Instant,
    moved_at: Instant,
    told_at: Option<Instant>,
    /// Up to where other processes have been hinted at.
    hinted_to: Position,
    is_broken: bool,
}

impl Pace {
    fn new(hinted_to: Position) -> Self {
        let now = Instant::now();
        Self { looked_at: now, moved_at: now, told_at: None, hinted_to, is_broken: false }
    }

    fn next_look(&self, shared: &Shared, is_held: bool) -> Instant {
        let is_awaited = shared.is_awaited();
        let pause = match () {
            () if self.is_broken => BACK_OFF,
            () if is_awaited && shared.is_nudged() => CLOSE,
            () if is_awaited && (is_held || self.moved_at.elapsed() < STAYS_BUSY) => BUSY,
            () if is_awaited || is_held => IDLE,
            () => UNWATCHED,
        };
        self.looked_at + pause
    }

    /// Another process hinted: events are there, or about to be.
    fn heard(&mut self) {
        (self.moved_at, self.told_at) = (Instant::now(), Some(Instant::now()));
    }

    fn hinted(&mut self, to: Position) {
        (self.hinted_to, self.told_at) = (to, Some(Instant::now()));
    }

    fn hint_due(&self) -> Instant {
        self.told_at.map_or_else(Instant::now, |at| at + HINT_EVERY)
    }
}

/// Since when readers have been kept from the same position.
fn held(before: Option<(i64, Instant)>, bounds: &Bounds) -> Option<(i64, Instant)> {
    let pending = bounds.pending.filter(|pending| *pending < bounds.bound)?;
    match before {
        Some((position, since)) if position == pending => Some((position, since)),
        _ => Some((pending, Instant::now())),
    }
}

/// A transaction that has appended and not ended.
pub(super) struct Holder {
    pub(super) position: i64,
    pid: Option<i32>,
    prepared: Option<String>,
    pub(super) seconds: f64,
    query: Option<String>,
    application: Option<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held at position {} by ", self.position)?;
        match (self.pid, &self.prepared) {
            (Some(pid), _) => write!(f, "pid {pid}")?,
            (None, Some(name)) => write!(f, "prepared transaction {name:?}")?,
            (None, None) => write!(f, "a prepared transaction")?,
        }
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(f, " ({application})")?;
        }
        write!(f, " for {:.0} s", self.seconds)?;
        match &self.query {
            Some(query) => {
                write!(f, ", last query: {}", query.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            None => Ok(()),
        }
    }
}

/// Who holds readers up, the oldest first.
pub(super) async fn holders(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<Vec<Holder>, sqlx::Error> {
    let rows = sqlx::query(statements.holders.sql()).fetch_all(connection).await?;
    let holder = |row: &sqlx::postgres::PgRow| {
        Ok(Holder {
            position: row.try_get("held_at")?,
            pid: row.try_get("pid")?,
            prepared: row.try_get("prepared")?,
            seconds: row.try_get::<Option<f64>, _>("seconds")?.unwrap_or_default(),
            query: row.try_get("query")?,
            application: row.try_get("application")?,
        })
    };
    rows.iter().map(holder).collect()
}

/// Passes hints of other processes on, until the store is closed; without them, looks come a little later.
pub(super) async fn listen(place: Place, shared: Arc<Shared>) {
    loop {
        let heard = async {
            let pool = PgPoolOptions::new().max_connections(1).connect_with(place.options.clone()).await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(&Watcher::channel(&place)).await?;
            loop {
                listener.recv().await?;
                shared.hear();
            }
        };
        let ended: Result<(), sqlx::Error> = tokio::select! {
            () = shared.closed() => return,
            ended = heard => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "cannot listen for hints of other processes; they are polled for");
        }
        tokio::select! {
            () = shared.closed() => return,
            () = tokio::time::sleep(BACK_OFF) => {}
        }
    }
}

//! What every clone of a store holds: the ways to the writer, the watcher and the readers, and the executor they run on.
//!
//! The store has an executor of its own, so that it works under any executor and keeps answering while a handler
//! blocks the application's; or it is given one, and spares each answer the way between threads. When the last handle
//! is dropped, what is queued is finished and every task ended.
//! Never holds more connections than it was given: one or two write, one looks how far readers may read, one listens,
//! and the rest are shared out between readers and units of work.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use factum_core::{
    Commit, Direction, Gate, Lock, Page, Position, Query, Record, RecordKind, RecordQuery, Rows, StoreError,
    StoreErrorKind, Timestamp, Value, WriteError,
};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use sqlx::postgres::types::Oid;
use tokio::runtime::{Runtime, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::connect::{self, Purpose};
use super::error::{Doing as _, closed};
use super::line::Line;
use super::lone::Lone;
use super::place::Place;
use super::read::Reading;
use super::readers::{self, Lease, Readers};
use super::shared::Shared;
use super::statements::Statements;
use super::step::Step;
use super::watcher::{self, ASKS_MAX, Ask, Watcher};
use super::writer::{QUEUE_MAX, Request, Unit, Writer};
use super::{CONNECTIONS_MIN, Now, Options, cluster, door, migrate, record, statement};
use crate::batch::Limits;

/// What may wait for the writer, in KiB: 128 MiB, however few or many units that is.
const QUEUE_KIB_MAX: u32 = 128 * 1024;

/// Threads of the store's own executor.
const THREADS: usize = 2;

/// Connections that are for one thing each: watching, listening.
const FIXED: usize = 2;

/// Connections that write: while one waits for the disk, the other takes what has come.
const WRITERS: usize = 2;

/// With fewer connections than this, one writes.
const WRITERS_FROM: usize = 8;

/// How long a unit of work waits for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(15);

/// How long an unused connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A connection that has rested for longer is looked at before it is used.
const RESTED: Duration = Duration::from_secs(1);

/// How long closing waits for what is queued.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// What tasks share; they hold no handle, so that the last handle to go can end them.
pub(super) struct Core {
    pub(super) place: Place,
    pub(super) statements: Arc<Statements>,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) limits: Limits,
    pub(super) shared: Arc<Shared>,
    pub(super) readers: Readers,
    pub(super) units: PgPool,
    pub(super) reading: Arc<Reading>,
    pub(super) seen: door::Seen,
    /// The tables of Factum's own, as the server numbers them.
    pub(super) own: Vec<Oid>,
    now: Option<Now>,
    asks: mpsc::Sender<Ask>,
    writer: Mutex<Option<mpsc::Sender<Request>>>,
    lone: Lone,
    room: Arc<Semaphore>,
    /// The store's own, for what the thread that writes leaves to others.
    pub(super) executor: tokio::runtime::Handle,
}

pub(super) struct Handle {
    pub(super) core: Arc<Core>,
    /// Threads of its own; `None` on an executor that was given.
    runtime: Option<Runtime>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Handle {
    /// Connects, brings the tables up to date, and starts the tasks; blocks the thread until that is done.
    pub(super) fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let place = Place::of(url)?;
        if options.connections < CONNECTIONS_MIN {
            let message = format!(
                "a store needs at least {CONNECTIONS_MIN} connections; {} were given",
                options.connections
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, message));
        }
        let given = options.executor.clone();
        if given.as_ref().is_some_and(|given| given.runtime_flavor() == RuntimeFlavor::CurrentThread) {
            let message = "an executor of one thread was given to the store, which would wait for itself; give one of \
                           several threads, or none, and the store has threads of its own";
            return Err(StoreError::new(StoreErrorKind::Invalid, message));
        }
        let (executor, runtime) = match given {
            Some(given) => (given, None),
            None => {
                let own = own_threads()?;
                (own.handle().clone(), Some(own))
            }
        };
        let (sender, opened) = std::sync::mpsc::sync_channel(1);
        executor.spawn(async move {
            // The opener waits for this.
            let _ = sender.send(start(place, options).await);
        });
        let wait = || opened.recv().unwrap_or_else(|_| Err(closed()));
        let is_inside = tokio::runtime::Handle::try_current().is_ok_and(|here| here.id() == executor.id());
        // What is waited for may need this very thread.
        let opened = if is_inside { tokio::task::block_in_place(wait) } else { wait() };
        match opened {
            Ok((core, tasks)) => Ok(Self { core, runtime, tasks: Mutex::new(tasks) }),
            Err(error) => {
                if let Some(runtime) = runtime {
                    runtime.shutdown_background();
                }
                Err(error)
            }
        }
    }

    /// Runs on the store's executor, to its end whoever waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.core.executor.spawn(work).await.unwrap_or_else(|_| Err(closed()))
    }

    /// The same, answering a commit.
    pub(super) async fn run_commit(&self, work: impl Future<Output = Commit> + Send + 'static) -> Commit {
        self.core.executor.spawn(work).await.unwrap_or_else(|_| Commit::Unknown(closed()))
    }

    /// Drops what belongs to the store's executor, wherever its owner is dropped.
    pub(super) fn drop_there<T>(&self, thing: T) {
        let _guard = self.core.executor.enter();
        drop(thing);
    }

    /// Finishes what is queued, and ends the tasks.
    pub(super) async fn close(&self) {
        let core = Arc::clone(&self.core);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Closing twice is as good as once.
        let _ = self
            .run(async move {
                end(core, tasks).await;
                Ok(())
            })
            .await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let core = Arc::clone(&self.core);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(runtime) = self.runtime.take() else {
            // Nobody waits on an executor that may be the one to do it.
            self.core.executor.spawn(end(core, tasks));
            return;
        };
        // An executor cannot be ended from inside of another; a thread of its own can.
        let ending = thread::Builder::new().name("factum-pg-end".to_owned()).spawn(move || {
            runtime.block_on(end(core, tasks));
            runtime.shutdown_timeout(RESTED);
        });
        if let Ok(ending) = ending {
            // It does not panic; and whoever drops a store wants it closed.
            let _ = ending.join();
        }
    }
}

/// Threads of the store's own.
fn own_threads() -> Result<Runtime, StoreError> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(THREADS).thread_name("factum-pg").enable_all();
    runtime.build().map_err(|error| {
        StoreError::new(StoreErrorKind::Other, "cannot start the store's threads").because(error)
    })
}

async fn end(core: Arc<Core>, tasks: Vec<JoinHandle<()>>) {
    drop(core.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
    let all = async {
        for (number, task) in tasks.into_iter().enumerate() {
            // The writer comes first, and finishes before the others are told.
            let _ = task.await;
            if number == 0 {
                core.shared.close();
            }
        }
    };
    let _ = tokio::time::timeout(CLOSE_MAX, all).await;
    core.shared.close();
    core.lone.close();
    core.readers.close();
    let _ = tokio::time::timeout(RESTED, core.units.close()).await;
}

async fn start(place: Place, options: Options) -> Result<(Arc<Core>, Vec<JoinHandle<()>>), StoreError> {
    let Options { gate, now, connections, event_bytes_max, hints, makes, executor } = options;
    let statements = Arc::new(Statements::of(&place.schema));
    let (mut migrating, backend) = connect::connect(&place, &statements, Purpose::Migrate).await?;
    migrate::migrate(&mut migrating, &place.schema, makes).await?;
    cluster::settle(&mut migrating, &statements).await?;
    let own =
        sqlx::query_scalar(statements.own.sql()).bind(place.schema.quoted()).fetch_all(&mut migrating).await;
    let own = own.doing("cannot look at the store")?;
    drop(migrating);

    let shared = Arc::new(Shared::new());
    shared.lives(&backend.life);
    shared.is_now_at(&backend.identity);
    let reading = Arc::new(Reading::new());
    let writers = if connections < WRITERS_FROM { 1 } else { WRITERS };
    let lone = usize::from(executor.is_some() && writers == WRITERS);
    let shareable = connections - FIXED - writers - lone;
    let read = shareable.div_ceil(3);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let core = Arc::new(Core {
        readers: Readers::new(place.clone(), Arc::clone(&statements), read),
        units: units(&place, &statements, &shared, &reading, shareable - read),
        gate,
        limits: Limits { event_bytes_max, ..Limits::default() },
        reading,
        seen: door::Seen::default(),
        own,
        now,
        asks,
        writer: Mutex::new(Some(sender)),
        lone: Lone::default(),
        room: Arc::new(Semaphore::new(QUEUE_KIB_MAX as usize)),
        executor: tokio::runtime::Handle::current(),
        place: place.clone(),
        statements: Arc::clone(&statements),
        shared: Arc::clone(&shared),
    });
    let watcher = Watcher {
        place: place.clone(),
        statements,
        shared: Arc::clone(&shared),
        reading: Arc::clone(&core.reading),
        asks: asked,
        connection: None,
        hints,
    };
    if lone > 0 {
        core.lone.open(Line::new(Arc::clone(&core), writers));
    }
    let writer = Writer::new(&core, queue, writers);
    let writing = match executor {
        Some(_) => tokio::spawn(write(writer, Arc::clone(&shared))),
        None => on_thread(writer, Arc::clone(&shared))?,
    };
    let mut tasks = vec![writing, tokio::spawn(watcher.run())];
    if hints {
        tasks.push(tokio::spawn(watcher::listen(place, Arc::clone(&shared))));
    }
    if let Err(error) = core.fresh().await {
        // Nobody gets a handle whose end would end them.
        shared.close();
        core.lone.close();
        return Err(error);
    }
    Ok((core, tasks))
}

/// Writes until the store is closed.
async fn write(writer: Writer, shared: Arc<Shared>) {
    tokio::select! {
        () = writer.run() => {}
        // It had its time.
        () = shared.closed() => {}
    }
}

/// Starts the thread that writes. An append wakes it and nobody else, and no page that is decoded keeps it waiting.
fn on_thread(writer: Writer, shared: Arc<Shared>) -> Result<JoinHandle<()>, StoreError> {
    let failed =
        |error| StoreError::new(StoreErrorKind::Other, "cannot start the thread that writes").because(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (ending, ended) = oneshot::channel::<()>();
    let work = move || {
        runtime.block_on(write(writer, shared));
        drop((runtime, ending));
    };
    thread::Builder::new().name("factum-pg-write".to_owned()).spawn(work).map_err(failed)?;
    Ok(tokio::spawn(async move {
        // Nothing is sent: it ends with the thread.
        let _ = ended.await;
    }))
}

/// The connections in which units of work run.
fn units(
    place: &Place,
    statements: &Arc<Statements>,
    shared: &Arc<Shared>,
    reading: &Arc<Reading>,
    count: usize,
) -> PgPool {
    let (statements, shared, reading) = (Arc::clone(statements), Arc::clone(shared), Arc::clone(reading));
    PgPoolOptions::new()
        .max_connections(u32::try_from(count).unwrap_or(u32::MAX))
        .acquire_timeout(ACQUIRE_MAX)
        .idle_timeout(IDLE_MAX)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let (statements, shared) = (Arc::clone(&statements), Arc::clone(&shared));
            let reading = Arc::clone(&reading);
            Box::pin(async move {
                let arrived = async {
                    let backend = connect::greet(connection, &statements, Purpose::Unit).await?;
                    cluster::arrive(connection, &backend, &statements, &shared, &reading.names).await?;
                    shared.lives(&backend.life);
                    Ok(())
                };
                arrived.await.map_err(|error: StoreError| sqlx::Error::Configuration(error.into()))
            })
        })
        .before_acquire(|connection, resting| {
            Box::pin(async move {
                if resting.idle_for > RESTED {
                    sqlx::Connection::ping(connection).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(place.options.clone())
}

impl Core {
    /// The time that leases and due times are measured by: the server's, looked at often and carried on in between.
    pub(super) async fn now(&self) -> Result<Timestamp, StoreError> {
        if let Some(now) = &self.now {
            return Ok(now());
        }
        if let Some(now) = self.shared.clock() {
            return Ok(now);
        }
        self.fresh().await?;
        self.shared.clock().ok_or_else(closed)
    }

    /// Looks how far readers may read, now; shares the look with others who ask at the same time.
    pub(super) async fn fresh(&self) -> Result<Position, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(reply).await.map_err(|_| closed())?;
        let found = answer.await.map_err(|_| closed())??;
        // The least that anybody has seen to be final is final.
        Ok(found.max(self.shared.visible()))
    }

    pub(super) async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        // A connection that rested may be dead; a new one is not.
        match self.try_read(query, true).await {
            Err(error) if error.kind == StoreErrorKind::Unavailable => self.try_read(query, false).await,
            done => done,
        }
    }

    async fn try_read(&self, query: &Query, may_rest: bool) -> Result<Page, StoreError> {
        let known = self.shared.visible();
        if !is_far_behind(query, known) {
            return self.read_to_head(query, may_rest).await;
        }
        // What is known to be final needs no look, as long as it fills the page.
        let mut page = self.page(query, known, may_rest).await?;
        if page.more || page.events.len() >= query.limit {
            return Ok(Page { more: true, head: known, ..page });
        }
        let rest = Query { after: page.end, limit: query.limit - page.events.len(), ..query.clone() };
        let rest = self.read_to_head(&rest, may_rest).await?;
        page.events.extend(rest.events);
        Ok(Page { events: page.events, ..rest })
    }

    async fn read_to_head(&self, query: &Query, may_rest: bool) -> Result<Page, StoreError> {
        let head = self.head_for(query).await?;
        let mut page = self.page(query, Position::END.min(head.scan), may_rest).await?;
        page.head = head.visible;
        // A stream may be read beyond the fence, and then its page ends there too.
        let last = page.events.last().map_or(Position::START, |event| event.position);
        if query.direction == Direction::Forward && !page.more {
            page.end = query.up_to.min(head.visible.max(last)).max(query.after);
        }
        page.head = page.head.max(page.events.iter().map(|event| event.position).max().unwrap_or_default());
        Ok(page)
    }

    async fn page(&self, query: &Query, head: Position, may_rest: bool) -> Result<Page, StoreError> {
        let mut lease = self.lease(may_rest).await?;
        let reading = self.reading.page(&mut lease.connection, &self.statements, query, head);
        let page = readers::in_time(reading).await?;
        self.readers.give_back(lease);
        Ok(page)
    }

    /// How far a read may go: a page far behind needs no look, and a stream needs no fence.
    async fn head_for(&self, query: &Query) -> Result<Head, StoreError> {
        let known = self.shared.visible();
        let is_current = known >= self.shared.last_appended();
        let is_stream = query.stream.is_some() && query.id.is_none();
        let is_behind = query.up_to <= known;
        let visible = match is_behind || (is_stream && is_current) {
            true => known,
            false => self.fresh().await?,
        };
        Ok(Head { visible, scan: if is_stream { Position::END } else { visible } })
    }

    pub(super) async fn lease(&self, may_rest: bool) -> Result<Lease, StoreError> {
        loop {
            let lease = self.readers.lease().await?;
            if lease.made.as_ref().is_some_and(|backend| !self.shared.is_at(&backend.identity)) {
                // Whoever writes next settles what else that means.
                self.reading.names.forget();
            }
            if may_rest || lease.made.is_some() {
                return Ok(lease);
            }
            // Dropped, it makes room for a new one.
        }
    }

    pub(super) async fn find(
        &self,
        kind: RecordKind,
        query: &RecordQuery,
    ) -> Result<Vec<Record>, StoreError> {
        let find = async |may_rest| {
            let mut lease = self.lease(may_rest).await?;
            let finding = record::find(&mut lease.connection, &self.statements, kind, query);
            let found = readers::in_time(finding).await?;
            self.readers.give_back(lease);
            Ok(found)
        };
        match find(true).await {
            Err(StoreError { kind: StoreErrorKind::Unavailable, .. }) => find(false).await,
            done => done,
        }
    }

    /// A user's query outside of a unit: on a connection that cannot write.
    pub(super) async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        door::check(sql)?;
        let query = async |may_rest| {
            let mut lease = self.lease(may_rest).await?;
            let found = readers::in_time(async {
                let found = statement::query(&mut lease.connection, sql, params, Lock::None).await;
                found.map_err(statement::Fault::into_store_error)
            });
            // A statement that failed leaves its connection sound, unless that is what failed.
            let found = found.await;
            if found.as_ref().err().is_none_or(|error| !error.is_transient()) {
                self.readers.give_back(lease);
            }
            found
        };
        match query(true).await {
            Err(StoreError { kind: StoreErrorKind::Unavailable, .. }) => query(false).await,
            done => done,
        }
    }

    /// Hands a request to the writer, once there is a place in its queue.
    pub(super) async fn send(&self, request: Request) -> Result<(), StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(writer) = writer else { return Err(closed()) };
        writer.send(request).await.map_err(|_| closed())
    }

    /// Room for a unit of so many bytes in what waits for the writer; waits for it.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB_MAX).min(QUEUE_KIB_MAX);
        Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| closed())
    }

    /// Hands a unit to the writer, and waits for the round trip that covers it.
    pub(super) async fn commit_shared(&self, steps: Vec<Step>) -> Commit {
        let (reply, answer) = oneshot::channel();
        let asked = Instant::now();
        let Ok(room) = self.room(steps.iter().map(Step::bytes).sum()).await else {
            return Commit::Failed(WriteError::Store(closed()));
        };
        let unit = Unit { steps, reply, asked, room };
        let caller = self.lone.set_out();
        let unit = if self.is_at_home() { caller.commit(unit, &self.shared).await } else { Some(unit) };
        if let Some(unit) = unit
            && let Err(error) = self.send(Request::Unit(unit)).await
        {
            return Commit::Failed(WriteError::Store(error));
        }
        answer.await.unwrap_or_else(|_| Commit::Unknown(closed()))
    }

    /// Whether this is asked on the store's executor.
    fn is_at_home(&self) -> bool {
        tokio::runtime::Handle::try_current().is_ok_and(|here| here.id() == self.executor.id())
    }

    /// Counts what became of a unit.
    pub(super) fn count(&self, answer: &Commit, since: Instant) {
        match answer {
            Commit::Committed(_) => self.shared.counters.answered(since.elapsed()),
            _ => self.shared.counters.refused(),
        }
    }

    /// Runs a question of Factum's own on a connection that reads.
    pub(super) async fn ask(
        &self,
        text: &super::statements::Text,
    ) -> Result<sqlx::postgres::PgRow, StoreError> {
        let mut lease = self.lease(true).await?;
        let row = readers::in_time(async {
            let row = sqlx::query(text.sql()).fetch_one(&mut lease.connection).await;
            row.doing("cannot look at the store")
        });
        let row = row.await?;
        self.readers.give_back(lease);
        Ok(row)
    }
}

/// Whether what is known to be final probably fills the page.
fn is_far_behind(query: &Query, known: Position) -> bool {
    query.direction == Direction::Forward
        && query.stream.is_none()
        && query.id.is_none()
        && query.up_to > known
        && known.number().saturating_sub(query.after.number()) >= query.limit as u64
        && (1..=Query::LIMIT_MAX).contains(&query.limit)
}

/// How far a read may go, and what it says about the log.
struct Head {
    visible: Position,
    scan: Position,
}

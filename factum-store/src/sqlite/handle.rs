//! What every clone of a store holds: the ways to the writer and the readers, and the threads behind them.
//!
//! When the last one is dropped, what is queued is finished and every thread is joined.
//! Never outlives its threads, and no thread outlives it.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use factum_core::{
    Gate, Page, Position, Query, Record, RecordKind, RecordQuery, Rows, StoreError, StoreErrorKind,
    Timestamp, Value,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::ahead::{Ahead, Next, next_of};
use super::connect::{self, Opened};
use super::error::{closed, store_error};
use super::place::Place;
use super::readers::{Job, Reader, Readers};
use super::shared::Shared;
use super::watcher::Watcher;
use super::writer::{QUEUE_MAX, Request, Writer};
use super::{Now, Options, QUERY_MAX, Synchronous, read, record, statement};
use crate::batch::Limits;

/// Most events of a page that the writer reads: writes that come meanwhile wait for it.
const WRITER_PAGE_MAX: usize = 256;

/// What may wait for the writer, in KiB: 128 MiB, however few or many units that is.
const QUEUE_KIB_MAX: u32 = 128 * 1024;

pub(super) struct Handle {
    pub(super) gate: Arc<dyn Gate>,
    pub(super) now: Now,
    pub(super) limits: Limits,
    pub(super) place: Place,
    pub(super) synchronous: Synchronous,
    pub(super) shared: Arc<Shared>,
    readers: Readers,
    ahead: Ahead,
    watcher: Option<Watcher>,
    writer: Mutex<Option<mpsc::Sender<Request>>>,
    room: Arc<Semaphore>,
    pub(super) turn: tokio::sync::Mutex<()>,
    writing: Mutex<Option<JoinHandle<Option<Opened>>>>,
}

impl Handle {
    pub(super) fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let Options { gate, now, readers, event_bytes_max, synchronous, existing } = options;
        let place = Place::of(url)?;
        let opened = connect::writer(&place, synchronous, existing)?;
        let head =
            read::head(&opened.connection).map_err(|error| store_error("cannot open the store", error))?;
        let shared = Arc::new(Shared::new(Position::at(head.cast_unsigned())));
        let readers = Readers::start(&place, readers)?;
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let watcher = match place.is_memory() {
            true => None,
            false => Some(Watcher::start(&place, Arc::clone(&shared), sender.downgrade())?),
        };
        place.vanish();
        let writer = Writer::new(place.clone(), synchronous, Arc::clone(&shared), queue, opened);
        let writer = writer.erasing(gate.keys().is_some())?;
        let writing = start(writer)?;
        Ok(Self {
            gate,
            now,
            limits: Limits { event_bytes_max, ..Limits::default() },
            place,
            synchronous,
            shared,
            readers,
            ahead: Ahead::default(),
            watcher,
            writer: Mutex::new(Some(sender)),
            room: Arc::new(Semaphore::new(QUEUE_KIB_MAX as usize)),
            turn: tokio::sync::Mutex::new(()),
            writing: Mutex::new(Some(writing)),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Hands a request to the writer, once there is a place in its queue.
    pub(super) async fn send(&self, request: Request) -> Result<(), StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(writer) = writer else { return Err(closed()) };
        writer.send(request).await.map_err(|_| closed())
    }

    /// Room for a unit of so many bytes in what waits for the writer; waits for it.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB_MAX).min(QUEUE_KIB_MAX);
        Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| closed())
    }

    /// How much waits for the writer.
    #[cfg(test)]
    pub(super) fn waiting_kib(&self) -> usize {
        QUEUE_KIB_MAX as usize - self.room.available_permits()
    }

    pub(super) async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        if let Some(page) = self.shared.recent.page(query) {
            return Ok(page);
        }
        let next = self.ahead.take(query);
        let goes_on = !matches!(next, Next::Other);
        let begun = match next {
            Next::Begun(answer) => answer.await.ok().and_then(Result::ok).filter(|page| page.more),
            Next::Expected | Next::Other => None,
        };
        let page = match begun {
            Some(page) => page,
            None => self.ask(page_of(query.clone())).await?,
        };
        match next_of(query, &page) {
            Some(next) if goes_on => {
                if let Some(answer) = self.readers.begin(page_of(next.clone())) {
                    self.ahead.keep(next, answer);
                }
            }
            Some(next) => self.ahead.expect(next),
            None => {}
        }
        Ok(page)
    }

    /// Whether nothing is being written, and nothing waits for it.
    fn is_writer_idle(&self) -> bool {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |writer: &mpsc::Sender<Request>| writer.capacity() == writer.max_capacity();
        !self.shared.is_writing() && writer.as_ref().is_some_and(is_empty)
    }

    /// Reads for a unit that will probably write what it decides from a stream.
    ///
    /// A reader has lost all pages that it kept since the last commit; the writer has not. So it reads, while it has
    /// nothing else to do.
    pub(super) async fn read_to_write(&self, query: &Query) -> Result<Page, StoreError> {
        if query.stream.is_none() || !query.types.is_empty() || !self.is_writer_idle() {
            return self.read(query).await;
        }
        let (reply, answer) = oneshot::channel();
        let limit = query.limit.min(WRITER_PAGE_MAX);
        self.send(Request::Read(Box::new(Query { limit, ..query.clone() }), reply)).await?;
        match answer.await {
            Ok(Ok(page)) => Ok(page),
            // What cannot be read there may well be read here, and else is told from here.
            _ => self.read(query).await,
        }
    }

    pub(super) async fn find(
        &self,
        kind: RecordKind,
        query: &RecordQuery,
    ) -> Result<Vec<Record>, StoreError> {
        let query = query.clone();
        self.ask(move |reader| record::find(&reader.connection, kind, &query)).await
    }

    pub(super) async fn count(&self, kind: RecordKind, group: &str) -> Result<u64, StoreError> {
        let group = group.to_owned();
        self.ask(move |reader| record::count(&reader.connection, kind, &group)).await
    }

    pub(super) async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let (sql, params) = (sql.to_owned(), params.to_vec());
        let question = move |reader: &mut Reader| {
            let rows = statement::query(&reader.connection, &reader.door, &sql, &params, QUERY_MAX);
            rows.map_err(|fault| fault.into_store_error(&reader.door))
        };
        self.ask(question).await
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.ask(question).await
    }

    /// Keeps a reader for questions that see one state of the store.
    pub(super) async fn hold(&self, questions: Receiver<Job>, idle: Duration) -> Result<(), StoreError> {
        self.readers.hold(questions, idle).await
    }

    /// Leaves nothing in the write-ahead log.
    pub(super) async fn scrub(&self) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        self.send(Request::Scrub(reply)).await?;
        done.await.map_err(|_| closed())?
    }

    /// Finishes what is queued, copies the write-ahead log back, and ends the threads.
    pub(super) async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let (reply, done) = oneshot::channel();
            if writer.send(Request::Close(reply)).await.is_ok() {
                let _ = done.await;
            }
        }
        self.end();
    }

    fn end(&self) {
        self.shared.close();
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A native closure that holds the last handle drops it on the writer's thread, which cannot wait for itself.
        let writing = writing.filter(|writing| writing.thread().id() != thread::current().id());
        let last = writing.and_then(|writing| writing.join().ok().flatten());
        if let Some(watcher) = &self.watcher {
            watcher.close();
        }
        self.readers.close();
        drop(last);
        self.place.vanish();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(writer: Writer) -> Result<JoinHandle<Option<Opened>>, StoreError> {
    let started = thread::Builder::new().name("factum-write".to_owned()).spawn(move || writer.run());
    started.map_err(|error| {
        StoreError::new(StoreErrorKind::Other, "cannot start the writing thread").because(error)
    })
}

/// The question for one page.
fn page_of(query: Query) -> impl FnOnce(&mut Reader) -> Result<Page, StoreError> {
    move |reader| {
        let Reader { connection, names, buffer, .. } = reader;
        read::page_at_once(connection, names, buffer, &query)
    }
}

//! A small pool of threads that read: each with its own connection and its own names.
//!
//! Reading blocks, so it has threads of its own instead of an executor's. Whoever asks waits for a place in a
//! bounded queue; an answer that nobody waits for any more is not computed.
//! Never writes, and never holds a read transaction between two questions, unless they belong to one moment.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use factum_core::{StoreError, StoreErrorKind};
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::connect;
use super::door::Door;
use super::error::closed;
use super::event::PageBuffer;
use super::names::Names;
use super::place::Place;

/// Questions that wait for a reader; more wait for a place.
const QUEUE_MAX: usize = 1024;

/// A question that took longer has read many pages.
const LONG: Duration = Duration::from_micros(300);

/// How long a reader looks for the next question before it sleeps, and never longer than a quarter of the last one:
/// whoever was just given a page often asks for the next.
const LOOKS_FOR: Duration = Duration::from_micros(100);

/// How often a reader that is kept looks whether the store closes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One reading thread's own.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) door: Door,
    pub(super) names: Names,
    pub(super) buffer: PageBuffer,
}

pub(super) type Job = Box<dyn FnOnce(&mut Reader) + Send>;

pub(super) struct Readers {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    threads: Mutex<Vec<(JoinHandle<()>, InterruptHandle)>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Job, OwnedSemaphorePermit)>,
    is_closed: bool,
}

impl Readers {
    /// Opens `count` connections, each on a thread of its own.
    pub(super) fn start(place: &Place, count: usize) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared { queue: Mutex::default(), filled: Condvar::new() });
        let readers = Self {
            shared: Arc::clone(&shared),
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
            threads: Mutex::default(),
        };
        for number in 1..=count.max(1) {
            let connect::Opened { connection, door } = connect::reader(place)?;
            let interrupt = connection.get_interrupt_handle();
            let reader = Reader { connection, door, names: Names::new(), buffer: PageBuffer::default() };
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new()
                .name(format!("factum-read-{number}"))
                .spawn(move || shared.serve(reader))
                .map_err(|error| {
                    StoreError::new(StoreErrorKind::Other, "cannot start a reading thread").because(error)
                })?;
            readers.threads().push((thread, interrupt));
        }
        Ok(readers)
    }

    /// Asks a reader.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let answer = self.queue(place, question).ok_or_else(closed)?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::new(
                StoreErrorKind::Other,
                "a reading thread broke off; look at the log for its panic",
            ))
        })
    }

    /// Asks a reader before anybody waits for the answer, if nobody waits for another.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<oneshot::Receiver<Result<T, StoreError>>> {
        if !self.shared.lock().jobs.is_empty() {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.queue(place, question)
    }

    /// Keeps a reader for questions that belong together, until their sender is gone, nothing was asked for `idle`, or
    /// the readers close. They all see what the first of them saw.
    pub(super) async fn hold(&self, questions: Receiver<Job>, idle: Duration) -> Result<(), StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let shared = Arc::clone(&self.shared);
        let job: Job = Box::new(move |reader| hold(&shared, reader, &questions, idle));
        self.push(job, place).ok_or_else(closed)
    }

    /// Puts a question into the queue, unless that is closed.
    fn queue<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<oneshot::Receiver<Result<T, StoreError>>> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            if !reply.is_closed() {
                // Nobody waiting any more is no failure.
                let _ = reply.send(question(reader));
            }
        });
        self.push(job, place).map(|()| answer)
    }

    fn push(&self, job: Job, place: OwnedSemaphorePermit) -> Option<()> {
        {
            let mut queue = self.shared.lock();
            if queue.is_closed {
                return None;
            }
            queue.jobs.push_back((job, place));
        }
        self.shared.filled.notify_one();
        Some(())
    }

    /// Stops statements that run for long, answers what is queued, and ends the threads.
    pub(super) fn close(&self) {
        self.places.close();
        self.shared.lock().is_closed = true;
        self.shared.filled.notify_all();
        for (thread, interrupt) in std::mem::take(&mut *self.threads()) {
            interrupt.interrupt();
            // A question that drops the last handle runs on such a thread, which cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<(JoinHandle<()>, InterruptHandle)>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers questions in one read transaction.
fn hold(shared: &Shared, reader: &mut Reader, questions: &Receiver<Job>, idle: Duration) {
    // What cannot be begun answers no question: whoever asks hears that the moment is over.
    if reader.connection.execute_batch(include_str!("sql/moment_begin.sql")).is_err() {
        return;
    }
    let mut asked = Instant::now();
    loop {
        match questions.recv_timeout(LOOK_EVERY) {
            Ok(question) => {
                question(reader);
                asked = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) if asked.elapsed() < idle && !shared.lock().is_closed => {}
            Err(_) => break,
        }
    }
    // A read transaction that cannot be ended has ended already.
    let _ = reader.connection.execute_batch(include_str!("sql/moment_end.sql"));
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut reader: Reader) {
        let mut looks_until = Instant::now();
        while let Some((job, place)) = self.next(looks_until) {
            let began = Instant::now();
            // A panic answers "broke off" to its one caller; the thread and the others go on.
            if catch_unwind(AssertUnwindSafe(|| job(&mut reader))).is_err() {
                reader.names.forget();
                // Outside of a moment there is nothing to end.
                let _ = reader.connection.execute_batch(include_str!("sql/moment_end.sql"));
            }
            drop(place);
            let took = began.elapsed();
            looks_until = began + took + LOOKS_FOR.min(took / 4);
            if took > LONG {
                // Where SQLite's page caches are one, what a reader keeps is taken from the writer for good. Failing to
                // give it back costs time later and nothing else.
                let _ = reader.connection.release_memory();
            }
        }
    }

    /// The next question; looks for it until then before it sleeps.
    fn next(&self, looks_until: Instant) -> Option<(Job, OwnedSemaphorePermit)> {
        loop {
            let mut queue = self.lock();
            loop {
                if let Some(job) = queue.jobs.pop_front() {
                    return Some(job);
                }
                if queue.is_closed {
                    return None;
                }
                if Instant::now() < looks_until {
                    break;
                }
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            drop(queue);
            thread::yield_now();
        }
    }
}

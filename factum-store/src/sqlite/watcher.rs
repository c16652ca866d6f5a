//! Sees what other processes append to the same file, and when the writer could tidy up.
//!
//! Asks for the file's data version, which costs 2 µs: every millisecond while others write, seldom while nobody
//! does. Appends of this process are announced by its writer; this thread only ever adds what it did not see.
//! Never writes, and never keeps the store open.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use factum_core::{Position, StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::shared::Shared;
use super::writer::{Request, data_version};
use super::{connect, place::Place, read};

/// Between two looks while other processes write.
const BUSY: Duration = Duration::from_millis(1);

/// Between two looks when nobody has written for a while.
const IDLE: Duration = Duration::from_millis(20);

/// How long the looks stay close after another process has written.
const STAYS_BUSY: Duration = Duration::from_secs(1);

/// Without a commit for so long, the writer is asked to tidy up.
const TIDY_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Watcher {
    stop: Arc<Stop>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Stop {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl Watcher {
    pub(super) fn start(
        place: &Place,
        shared: Arc<Shared>,
        writer: mpsc::WeakSender<Request>,
    ) -> Result<Self, StoreError> {
        let connection = connect::reader(place)?.connection;
        let stop = Arc::new(Stop::default());
        let watch = Watch { connection, shared, writer, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("factum-watch".to_owned()).spawn(move || watch.run());
        let thread = thread.map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "cannot start the watching thread").because(error)
        })?;
        Ok(Self { stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn close(&self) {
        *self.stop.is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It holds no handle, so it is never the thread that closes.
            let _ = thread.join();
        }
    }
}

struct Watch {
    connection: Connection,
    shared: Arc<Shared>,
    writer: mpsc::WeakSender<Request>,
    stop: Arc<Stop>,
}

impl Watch {
    fn run(self) {
        let (mut version, mut is_tidy) = (-1, true);
        let (mut changed_at, mut met_other_at) = (Instant::now(), None::<Instant>);
        loop {
            let busy = met_other_at.is_some_and(|at: Instant| at.elapsed() < STAYS_BUSY);
            if self.sleep(if busy { BUSY } else { IDLE }) {
                return;
            }
            match data_version(&self.connection) {
                Ok(now) if now != version => {
                    version = now;
                    (changed_at, is_tidy) = (Instant::now(), false);
                    if self.look() {
                        met_other_at = Some(Instant::now());
                    }
                }
                Ok(_) => {}
                // The next look tries again; readers report what is wrong to those who ask.
                Err(error) => tracing::debug!(%error, "cannot look at the store's data version"),
            }
            if !is_tidy && changed_at.elapsed() > TIDY_AFTER {
                is_tidy = true;
                // A writer with a full queue is not idle.
                let _ = self.writer.upgrade().map(|writer| writer.try_send(Request::Idle));
            }
        }
    }

    /// Announces the head; true when nobody in this process had.
    fn look(&self) -> bool {
        let Ok(head) = read::head(&self.connection) else { return false };
        let head = Position::at(head.cast_unsigned());
        let is_news = head > self.shared.head();
        self.shared.moved_to(head);
        is_news
    }

    /// True when it is time to stop.
    fn sleep(&self, duration: Duration) -> bool {
        let stopped = self.stop.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stop.changed.wait_timeout_while(stopped, duration, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

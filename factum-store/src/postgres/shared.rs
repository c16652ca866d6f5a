//! What every task and every handle of a store share.
//!
//! How far readers may read is announced through one place that only ever moves forward, whoever saw it first.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use factum_core::{Position, StoreError, Timestamp};
use tokio::sync::{Notify, watch};

use super::error::closed;
use crate::counters::Counters;

/// How long a look at the server's clock is trusted.
const CLOCK_MAX: Duration = Duration::from_secs(5);

pub(super) struct Shared {
    visible: watch::Sender<Visible>,
    pub(super) counters: Counters,
    /// Wakes the watcher.
    pub(super) wake: Notify,
    nudged: AtomicBool,
    /// The last position that this process knows to be committed.
    appended: AtomicU64,
    /// How many wait for events.
    waiting: AtomicUsize,
    /// Other processes have not been told of events for a while.
    owes_hint: AtomicBool,
    /// Another process has told of events.
    heard: AtomicBool,
    clock: Mutex<Option<(Instant, i64)>>,
    /// The server's life in which a connection for units was last made.
    life: Mutex<Arc<str>>,
    /// The server that the store was last found on.
    identity: Mutex<Arc<str>>,
    /// Since when readers have been kept from what is committed.
    held: Mutex<Option<Instant>>,
}

#[derive(Clone, Copy)]
struct Visible {
    position: Position,
    is_closed: bool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            visible: watch::Sender::new(Visible { position: Position::START, is_closed: false }),
            counters: Counters::default(),
            wake: Notify::new(),
            nudged: AtomicBool::new(false),
            appended: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            owes_hint: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            clock: Mutex::new(None),
            life: Mutex::new(Arc::from("")),
            identity: Mutex::new(Arc::from("")),
            held: Mutex::new(None),
        }
    }

    /// Whether this is the server that the store was last found on.
    pub(super) fn is_at(&self, identity: &str) -> bool {
        &**lock(&self.identity) == identity
    }

    /// The server that the store was last found on.
    pub(super) fn identity(&self) -> Arc<str> {
        Arc::clone(&lock(&self.identity))
    }

    /// The store has been found on this server, and what that means has been done.
    pub(super) fn is_now_at(&self, identity: &str) {
        *lock(&self.identity) = Arc::from(identity);
    }

    /// A connection for units was made in this life of the server.
    pub(super) fn lives(&self, life: &str) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(life);
    }

    /// The server's life, as the newest of the connections for units was told; whoever asks before a statement that
    /// then succeeds never hears of a later life than that statement's.
    pub(super) fn life(&self) -> Arc<str> {
        Arc::clone(&self.life.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Readers may read up to here; true when that is news.
    pub(super) fn moved_to(&self, position: Position) -> bool {
        self.visible.send_if_modified(|visible| {
            let is_new = position > visible.position;
            visible.position = visible.position.max(position);
            is_new
        })
    }

    /// Up to where readers may read, as far as this process has looked.
    pub(super) fn visible(&self) -> Position {
        self.visible.borrow().position
    }

    /// This process has committed events up to here.
    pub(super) fn appended(&self, position: Position) {
        self.appended.fetch_max(position.number(), Ordering::SeqCst);
        if self.owes_hint.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        // A look costs the server as much as a small append: nobody looks for nobody.
        if self.is_awaited() {
            self.nudge();
        }
    }

    /// Somebody should look how far readers may read.
    pub(super) fn nudge(&self) {
        // Once is enough until somebody has looked.
        if !self.nudged.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Whether somebody should look.
    pub(super) fn is_nudged(&self) -> bool {
        self.nudged.load(Ordering::Acquire)
    }

    /// A look begins.
    pub(super) fn looks(&self) {
        self.nudged.store(false, Ordering::Release);
    }

    /// Whether somebody waits for events.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Whether the next append should wake the watcher, so that it tells other processes.
    pub(super) fn set_owes_hint(&self, owes: bool) {
        self.owes_hint.store(owes, Ordering::SeqCst);
    }

    /// Another process tells of events.
    pub(super) fn hear(&self) {
        self.heard.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether another process has told of events since this was last asked.
    pub(super) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::AcqRel)
    }

    /// The last position that this process knows to be committed.
    pub(super) fn last_appended(&self) -> Position {
        Position::at(self.appended.load(Ordering::SeqCst))
    }

    /// Ends every wait.
    pub(super) fn close(&self) {
        self.visible.send_modify(|visible| visible.is_closed = true);
        self.wake.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.visible.borrow().is_closed
    }

    /// Ends when the store is closed.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.visible.subscribe().wait_for(|visible| visible.is_closed).await;
    }

    /// Ends when readers may read further than `after`.
    pub(super) async fn wait(&self, after: Position) -> Result<(), StoreError> {
        let mut visible = self.visible.subscribe();
        if self.visible() > after && !self.is_closed() {
            return Ok(());
        }
        let _awaited = Awaited::on(self);
        let found = visible.wait_for(|visible| visible.is_closed || visible.position > after).await;
        match found {
            Ok(visible) if !visible.is_closed => Ok(()),
            _ => Err(closed()),
        }
    }

    /// The server's clock was seen to be at `micros`.
    pub(super) fn saw_clock(&self, at: Instant, micros: i64) {
        *lock(&self.clock) = Some((at, micros));
    }

    /// The server's time, when it was looked at lately.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        let (at, micros) = (*lock(&self.clock))?;
        let passed = at.elapsed();
        (passed < CLOCK_MAX).then(|| Timestamp::from_micros(micros).plus(passed))
    }

    pub(super) fn set_held(&self, held: Option<Instant>) {
        *lock(&self.held) = held;
    }

    pub(super) fn held(&self) -> Option<Instant> {
        *lock(&self.held)
    }
}

/// Somebody who waits for events; dropped when they have come, or are waited for no longer.
struct Awaited<'a>(&'a AtomicUsize);

impl<'a> Awaited<'a> {
    fn on(shared: &'a Shared) -> Self {
        if shared.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            // The watcher may be resting for long, nudged or not.
            shared.nudged.store(true, Ordering::Release);
            shared.wake.notify_one();
        }
        Self(&shared.waiting)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

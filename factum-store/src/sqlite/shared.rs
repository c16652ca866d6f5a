//! What the writer, the watcher and every handle of a store share.
//!
//! The head is announced through one place that only ever moves forward, whoever saw it first.

use std::sync::atomic::{AtomicBool, Ordering};

use factum_core::{Position, StoreError};
use tokio::sync::watch;

use super::error::closed;
use super::recent::Recent;
use crate::counters::Counters;

pub(super) struct Shared {
    head: watch::Sender<Head>,
    pub(super) recent: Recent,
    pub(super) counters: Counters,
    /// Whether the writer has something to do.
    is_writing: AtomicBool,
    #[cfg(test)]
    pub(super) faults: std::sync::atomic::AtomicU32,
}

#[derive(Clone, Copy)]
struct Head {
    position: Position,
    is_closed: bool,
}

impl Shared {
    pub(super) fn new(head: Position) -> Self {
        Self {
            head: watch::Sender::new(Head { position: head, is_closed: false }),
            recent: Recent::default(),
            counters: Counters::default(),
            is_writing: AtomicBool::new(false),
            #[cfg(test)]
            faults: std::sync::atomic::AtomicU32::new(0),
        }
    }

    /// The writer says whether it has something to do.
    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Whether the writer has something to do; a moment later that may be untrue.
    pub(super) fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    /// The log has been seen to reach `position`.
    pub(super) fn moved_to(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let is_new = position > head.position;
            head.position = head.position.max(position);
            is_new
        });
    }

    /// How far the log has been seen to reach.
    pub(super) fn head(&self) -> Position {
        self.head.borrow().position
    }

    /// Ends every wait.
    pub(super) fn close(&self) {
        self.head.send_modify(|head| head.is_closed = true);
    }

    /// Ends when the log has been seen to reach further than `after`.
    pub(super) async fn wait(&self, after: Position) -> Result<(), StoreError> {
        self.recent.want();
        let mut head = self.head.subscribe();
        let found = head.wait_for(|head| head.is_closed || head.position > after).await;
        match found {
            Ok(head) if !head.is_closed => Ok(()),
            _ => Err(closed()),
        }
    }

    /// Whether the next commit is to fail as if the disk had.
    #[cfg(test)]
    pub(super) fn take_fault(&self) -> bool {
        self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

//! The way of a caller who is alone: from its own task, over a connection that is for this.
//!
//! Who meets nobody has nobody to share a round trip with, and the way to the writer's task and back would be all that
//! it gets from there. Who comes while another is on its way goes to the writer. Only for callers on the executor that
//! the store was given: elsewhere the answer would have to cross threads after all.
//! Never keeps a connection whose call nobody has seen the end of.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::Line;
use super::shared::Shared;
use super::writer::Unit;

/// The connection, and how many are on their way.
#[derive(Default)]
pub(super) struct Lone {
    line: Mutex<Option<Line>>,
    callers: AtomicUsize,
}

/// Somebody on the way, by whichever; dropped when answered, or no longer waiting.
pub(super) struct Caller<'a> {
    lone: &'a Lone,
    is_first: bool,
}

/// The connection in the hands of a caller.
struct Taken<'a> {
    lone: &'a Lone,
    shared: &'a Shared,
    line: Option<Line>,
    is_done: bool,
}

impl Lone {
    /// Opens this way, or none: until then nobody goes by it.
    pub(super) fn open(&self, line: Line) {
        *self.line() = Some(line);
    }

    /// Closes it, once the store is closed. The connection of one who is on its way goes with its call.
    pub(super) fn close(&self) {
        drop(self.line().take());
    }

    /// Somebody sets out.
    pub(super) fn set_out(&self) -> Caller<'_> {
        Caller { lone: self, is_first: self.callers.fetch_add(1, Ordering::AcqRel) == 0 }
    }

    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller<'_> {
    /// Commits and answers the unit of a caller who is alone; hands it back when this way is not open to it.
    pub(super) async fn commit(&self, unit: Unit, shared: &Shared) -> Option<Unit> {
        if !self.is_first {
            return Some(unit);
        }
        let Some(line) = self.lone.line().take() else { return Some(unit) };
        let mut taken = Taken { lone: self.lone, shared, line: Some(line), is_done: false };
        if let Some(line) = &mut taken.line {
            line.commit(vec![unit]).await;
        }
        taken.is_done = true;
        None
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.lone.callers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        if !self.is_done {
            line.lose();
        }
        let mut place = self.lone.line();
        // After the store was closed nobody would take it out again.
        if !self.shared.is_closed() {
            *place = Some(line);
        }
    }
}

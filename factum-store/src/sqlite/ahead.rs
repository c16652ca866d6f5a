//! The next page of whoever reads from front to back, read while the one before is being looked at.
//!
//! A read that goes on where the last one stopped is likely to go on again. Only a page that ends before the head is
//! served from here: what it holds can never change, because no event appears before a position that was read.
//! Never holds more than one page, and never makes a question wait that somebody has asked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use factum_core::{Direction, Page, Query, StoreError};
use tokio::sync::oneshot;

/// How long a page waits for the one whom it was read for, when somebody else reads in order too.
const WAITS_FOR: Duration = Duration::from_secs(1);

type Answer = oneshot::Receiver<Result<Page, StoreError>>;

#[derive(Default)]
pub(super) struct Ahead {
    slot: Mutex<Slot>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    /// The last read may go on with this one.
    Expected(Query),
    /// A reader was asked before anybody needed it.
    Begun { query: Query, since: Instant, answer: Answer },
}

/// What is known of a query that has come.
pub(super) enum Next {
    /// It goes on where the last one stopped, and its answer is on its way.
    Begun(Answer),
    /// It goes on where the last one stopped.
    Expected,
    /// Somebody else's, or the first of its kind.
    Other,
}

impl Ahead {
    /// What was done for a query already.
    pub(super) fn take(&self, query: &Query) -> Next {
        let mut slot = self.slot();
        match std::mem::take(&mut *slot) {
            Slot::Begun { query: next, answer, .. } if next == *query => Next::Begun(answer),
            Slot::Expected(next) if next == *query => Next::Expected,
            other => {
                *slot = other;
                Next::Other
            }
        }
    }

    /// Remembers which query goes on with the one just answered.
    pub(super) fn expect(&self, next: Query) {
        let mut slot = self.slot();
        match &*slot {
            Slot::Begun { since, .. } if since.elapsed() < WAITS_FOR => {}
            _ => *slot = Slot::Expected(next),
        }
    }

    /// Keeps the answer that is on its way.
    pub(super) fn keep(&self, query: Query, answer: Answer) {
        *self.slot() = Slot::Begun { query, since: Instant::now(), answer };
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The query that goes on after a page, when there is more of it.
pub(super) fn next_of(query: &Query, page: &Page) -> Option<Query> {
    let goes_on = page.more && query.direction == Direction::Forward;
    goes_on.then(|| Query { after: page.end, ..query.clone() })
}

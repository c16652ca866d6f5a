//! What was committed last, for readers at the head: they need no SQL to follow along.
//!
//! Filled by the writer after each commit while somebody follows, and only as long as positions are without a gap,
//! so that what it serves is exactly what the file would have answered.
//! Never holds more than a bounded count and a bounded number of bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use factum_core::{Direction, Page, Position, Query, Recorded};

/// Events kept.
const EVENTS_MAX: usize = 4096;

/// Bytes of payload kept.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Commits that are kept after somebody last asked.
const COMMITS_WHILE_WANTED: u32 = 256;

#[derive(Default)]
pub(super) struct Recent {
    ring: Mutex<Ring>,
    wanted: AtomicU32,
}

#[derive(Default)]
struct Ring {
    /// Positions rise by one from each to the next.
    events: VecDeque<Recorded>,
    bytes: usize,
}

impl Recent {
    /// Somebody follows the head.
    pub(super) fn want(&self) {
        self.wanted.store(COMMITS_WHILE_WANTED, Ordering::Relaxed);
    }

    /// Whether the next commit should be handed over; asked once per commit.
    pub(super) fn is_wanted(&self) -> bool {
        let left = self.wanted.load(Ordering::Relaxed);
        if left == 0 {
            return false;
        }
        // A `want` that comes in between may be lost, which costs a read with SQL and nothing else.
        self.wanted.store(left - 1, Ordering::Relaxed);
        if left == 1 {
            *self.ring() = Ring::default();
        }
        true
    }

    /// Adds what a commit has recorded, in the order of positions.
    pub(super) fn push(&self, events: impl Iterator<Item = Recorded>) {
        let mut ring = self.ring();
        for event in events {
            let follows = |last: &Recorded| last.position.number() + 1 == event.position.number();
            if !ring.events.back().is_none_or(follows) {
                *ring = Ring::default();
            }
            ring.bytes += event.envelope.data.len();
            ring.events.push_back(event);
            while ring.events.len() > EVENTS_MAX || (ring.bytes > BYTES_MAX && ring.events.len() > 1) {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= oldest.envelope.data.len();
            }
        }
    }

    /// The page that the file would answer, when all of it is here.
    pub(super) fn page(&self, query: &Query) -> Option<Page> {
        let is_search = query.stream.is_some()
            || query.id.is_some()
            || query.correlation.is_some()
            || !query.tags.is_empty();
        if is_search || query.direction == Direction::Backward {
            return None;
        }
        let ring = self.ring();
        let (first, last) = (ring.events.front()?.position.number(), ring.events.back()?.position.number());
        let after = query.after.number();
        if after + 1 < first || after >= last {
            return None;
        }
        self.want();
        let limit = query.limit.clamp(1, Query::LIMIT_MAX);
        let mut page = Page { head: Position::at(last), ..Page::default() };
        for event in ring.events.range((after + 1 - first) as usize..) {
            if event.position > query.up_to {
                break;
            }
            if query.matches(event) {
                if page.events.len() == limit {
                    page.more = true;
                    break;
                }
                page.events.push(event.clone());
            }
        }
        page.end = match page.events.last() {
            Some(event) if page.more => event.position,
            _ => query.up_to.min(page.head).max(query.after),
        };
        Some(page)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use factum_core::{Envelope, EventType, Version};

    fn recorded(position: u64) -> Recorded {
        let event_type = EventType::event("order.placed", 1, "order", "order.placed");
        Recorded {
            envelope: Envelope::raw(event_type, "1".parse().unwrap(), "{}".into()),
            stream: "order-1".parse().unwrap(),
            version: Version::at(position),
            position: Position::at(position),
        }
    }

    fn positions(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.position.number()).collect()
    }

    #[test]
    fn a_page_is_served_only_without_a_gap() {
        let recent = Recent::default();
        recent.push([5, 6, 7].into_iter().map(recorded));
        let after = |position| Query::all().after(Position::at(position));
        assert_eq!(positions(&recent.page(&after(4)).unwrap()), [5, 6, 7]);
        assert_eq!(positions(&recent.page(&after(6)).unwrap()), [7]);
        assert!(recent.page(&after(3)).is_none(), "position 4 is not here");
        assert!(recent.page(&after(7)).is_none(), "the file knows whether there is more");
        recent.push([9].into_iter().map(recorded));
        assert!(recent.page(&after(6)).is_none(), "another process wrote position 8");
        assert_eq!(positions(&recent.page(&after(8)).unwrap()), [9]);
    }

    #[test]
    fn pages_end_as_the_file_would_end_them() {
        let recent = Recent::default();
        recent.push((1..=10).map(recorded));
        let page = recent.page(&Query { limit: 4, ..Query::all() }).unwrap();
        assert_eq!(
            (positions(&page).len(), page.end.number(), page.more, page.head.number()),
            (4, 4, true, 10)
        );
        let page = recent.page(&Query { up_to: Position::at(4), limit: 4, ..Query::all() }).unwrap();
        assert_eq!((positions(&page).len(), page.end.number(), page.more), (4, 4, false));
        let other = Query { types: vec!["other".parse().unwrap()], ..Query::all() };
        let page = recent.page(&other).unwrap();
        assert_eq!((positions(&page).len(), page.end.number(), page.more), (0, 10, false));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let recent = Recent::default();
        recent.push((1..=10_000).map(recorded));
        assert_eq!(recent.ring().events.len(), EVENTS_MAX);
        assert!(recent.page(&Query::all()).is_none());
    }
}

//! What a topic keeps: a bounded run of items, each under its offset.
//!
//! Offsets rise by one and are never used twice. Never drops an item by itself: the topic says when one may go.

use std::collections::{HashSet, VecDeque};

use factum_core::{EventId, Timestamp};

use super::topic::Item;

/// Place in a topic, from 0.
pub(super) type Offset = u64;

#[derive(Default)]
pub(super) struct Retained {
    first: Offset,
    items: VecDeque<(Timestamp, Item)>,
    bytes: usize,
}

impl Retained {
    pub(super) fn push(&mut self, time: Timestamp, item: Item) -> Offset {
        self.bytes += item.bytes();
        self.items.push_back((time, item));
        self.first + self.items.len() as u64 - 1
    }

    pub(super) fn drop_first(&mut self) {
        if let Some((_, item)) = self.items.pop_front() {
            self.bytes -= item.bytes();
            self.first += 1;
        }
    }

    pub(super) fn get(&self, offset: Offset) -> Option<&Item> {
        let index = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        self.items.get(index).map(|(_, item)| item)
    }

    /// Offsets and items from the first that came at or after `time`.
    pub(super) fn since(&self, time: Timestamp) -> impl Iterator<Item = (Offset, &Item)> {
        let numbered = (self.first..).zip(&self.items);
        numbered.skip_while(move |(_, (came, _))| *came < time).map(|(offset, (_, item))| (offset, item))
    }

    pub(super) fn first(&self) -> Offset {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The last ids that a topic has taken, so that it takes none of them again.
pub(super) struct RecentIds {
    known: HashSet<EventId>,
    order: VecDeque<EventId>,
    max: usize,
}

impl RecentIds {
    pub(super) fn new(max: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), max }
    }

    pub(super) fn contains(&self, id: EventId) -> bool {
        self.known.contains(&id)
    }

    pub(super) fn insert(&mut self, id: EventId) {
        if self.max == 0 || !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

//! One topic: what it keeps, and the consumers that read it.
//!
//! Everything happens under one lock and without waiting; whoever must wait tries again after the next change.
//! Never hands an item to a consumer that it has dropped for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use factum_core::broker::{BrokerError, Delivered, Undecodable};
use factum_core::{Bytes, ConsumerName, Envelope, StartAt, Timestamp};
use tokio::sync::Notify;

use super::consumer::{ConsumerState, LaneKey, MemberId};
use super::retained::{Offset, RecentIds, Retained};
use super::{CONSUMERS_MAX, MemoryOptions, closed, refused};

/// What travels on a topic.
#[derive(Clone)]
pub(super) enum Item {
    Event(Arc<Envelope>),
    Foreign(Bytes),
}

impl Item {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Event(envelope) => envelope.data.len(),
            Self::Foreign(bytes) => bytes.len(),
        }
    }

    fn lane(&self, offset: Offset) -> LaneKey {
        match self {
            Self::Event(envelope) => LaneKey::Key(envelope.key.clone()),
            Self::Foreign(_) => LaneKey::Alone(offset),
        }
    }
}

/// A topic, and a bell that rings after every change of it.
pub(super) struct TopicCell {
    state: Mutex<TopicState>,
    changed: Notify,
}

impl TopicCell {
    pub(super) fn new(dedupe_ids_max: usize) -> Self {
        Self { state: Mutex::new(TopicState::new(dedupe_ids_max)), changed: Notify::new() }
    }

    /// Changes the topic, and has everyone who waits look at it again.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut TopicState) -> T) -> T {
        let answer = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        answer
    }

    /// Tries until there is an answer, once now and once after each change. Cancelling between tries changes nothing.
    pub(super) async fn until<T>(&self, mut attempt: impl FnMut(&mut TopicState) -> Option<T>) -> T {
        loop {
            // Hears of changes from here on, so that one after the look is not missed.
            let changed = self.changed.notified();
            if let Some(answer) = self.once(&mut attempt) {
                return answer;
            }
            changed.await;
        }
    }

    /// Tries once; an answer is a change that others look at.
    pub(super) fn once<T>(&self, attempt: impl FnOnce(&mut TopicState) -> Option<T>) -> Option<T> {
        let answer = attempt(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))?;
        self.changed.notify_waiters();
        Some(answer)
    }
}

pub(super) struct TopicState {
    retained: Retained,
    recent: RecentIds,
    consumers: HashMap<ConsumerName, ConsumerState>,
    last_member: MemberId,
    is_closed: bool,
}

impl TopicState {
    fn new(dedupe_ids_max: usize) -> Self {
        let recent = RecentIds::new(dedupe_ids_max);
        Self {
            retained: Retained::default(),
            recent,
            consumers: HashMap::new(),
            last_member: 0,
            is_closed: false,
        }
    }

    /// Takes an item when there is room; `None` means that there is none yet.
    pub(super) fn try_put(
        &mut self,
        item: &Item,
        now: Timestamp,
        options: &MemoryOptions,
    ) -> Option<Result<(), BrokerError>> {
        if self.is_closed {
            return Some(Err(closed()));
        }
        if let Item::Event(envelope) = item
            && self.recent.contains(envelope.id)
        {
            return Some(Ok(()));
        }
        // One event always fits, whatever the limit says: what is empty has nothing to drop.
        while self.retained.len() > 0 && self.is_too_full_for(item, options) {
            if self.slowest().is_some() {
                return None;
            }
            self.retained.drop_first();
        }
        if let Item::Event(envelope) = item {
            self.recent.insert(envelope.id);
        }
        let offset = self.retained.push(now, item.clone());
        for consumer in self.consumers.values_mut() {
            consumer.offer(offset, item.lane(offset));
        }
        Some(Ok(()))
    }

    fn is_too_full_for(&self, item: &Item, options: &MemoryOptions) -> bool {
        self.retained.len() >= options.events_max || self.retained.bytes() + item.bytes() > options.bytes_max
    }

    /// A consumer that has not acknowledged the oldest item.
    pub(super) fn slowest(&self) -> Option<&ConsumerName> {
        let first = self.retained.first();
        let needs_first = |consumer: &ConsumerState| consumer.oldest().is_some_and(|oldest| oldest <= first);
        self.consumers.iter().find(|(_, consumer)| needs_first(consumer)).map(|(name, _)| name)
    }

    pub(super) fn len(&self) -> usize {
        self.retained.len()
    }

    /// Adds a member to a consumer, which begins at `from` when it is new.
    pub(super) fn join(&mut self, name: &ConsumerName, from: StartAt) -> Result<MemberId, BrokerError> {
        if self.is_closed {
            return Err(closed());
        }
        self.last_member += 1;
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.join(self.last_member);
            return Ok(self.last_member);
        }
        if self.consumers.len() >= CONSUMERS_MAX {
            return Err(refused(format!("consumer {name} would be more than {CONSUMERS_MAX} of the topic")));
        }
        let mut consumer = ConsumerState::default();
        let since = match from {
            StartAt::New => None,
            StartAt::Oldest => Some(Timestamp::from_micros(i64::MIN)),
            StartAt::Time(time) => Some(time),
        };
        for (offset, item) in since.into_iter().flat_map(|time| self.retained.since(time)) {
            consumer.offer(offset, item.lane(offset));
        }
        consumer.join(self.last_member);
        self.consumers.insert(name.clone(), consumer);
        Ok(self.last_member)
    }

    /// Hands ready items to a member; `None` means that there are none yet.
    pub(super) fn take(
        &mut self,
        name: &ConsumerName,
        member: MemberId,
        limit: usize,
        in_flight_max: usize,
    ) -> Option<Result<Vec<Delivered>, BrokerError>> {
        if self.is_closed {
            return Some(Err(closed()));
        }
        let Some(consumer) = self.consumers.get_mut(name).filter(|consumer| consumer.has(member)) else {
            return Some(Err(forgotten(name)));
        };
        let taken = consumer.take(member, limit, in_flight_max);
        let delivered: Vec<Delivered> = taken
            .into_iter()
            .filter_map(|taken| {
                let event = match self.retained.get(taken.offset)? {
                    Item::Event(envelope) => Ok(Envelope::clone(envelope)),
                    Item::Foreign(bytes) => Err(Undecodable {
                        bytes: bytes.clone(),
                        why: "it was published as bytes, not as an event".to_owned(),
                    }),
                };
                Some(Delivered { token: taken.token, event, deliveries: Some(taken.deliveries) })
            })
            .collect();
        (!delivered.is_empty()).then_some(Ok(delivered))
    }

    /// Changes a consumer on behalf of a member.
    pub(super) fn on_behalf<T>(
        &mut self,
        name: &ConsumerName,
        change: impl FnOnce(&mut ConsumerState) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        if self.is_closed {
            return Err(closed());
        }
        change(self.consumers.get_mut(name).ok_or_else(|| forgotten(name))?)
    }

    pub(super) fn leave(&mut self, name: &ConsumerName, member: MemberId) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.leave(member);
        }
    }

    pub(super) fn forget(&mut self, name: &ConsumerName) {
        self.consumers.remove(name);
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }
}

fn forgotten(name: &ConsumerName) -> BrokerError {
    refused(format!("consumer {name} was ended while this member was part of it; subscribe again"))
}

//! One consumer of one topic: what waits, what is in flight, and which member has it.
//!
//! Items of one key wait in a lane of their own, and a lane has at most one item in flight: that alone keeps the
//! order of a key across members and redeliveries. A lane that is given back goes behind the other ready lanes, so
//! that a key which always fails starves none. Pure: no waiting, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use factum_core::PartitionKey;
use factum_core::broker::{BrokerError, Token};

use super::refused;
use super::retained::Offset;

/// One member of a consumer.
pub(super) type MemberId = u64;

/// What is kept in order: the items of a key, or an item that has none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Key(PartitionKey),
    Alone(Offset),
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Offset>,
    in_flight: bool,
}

struct InFlight {
    offset: Offset,
    lane: LaneKey,
    member: MemberId,
}

/// An item on its way to a member.
pub(super) struct Taken {
    pub(super) token: Token,
    pub(super) offset: Offset,
    pub(super) deliveries: u32,
}

#[derive(Default)]
pub(super) struct ConsumerState {
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes that have something waiting and nothing in flight, longest ready first.
    ready: VecDeque<LaneKey>,
    in_flight: BTreeMap<Token, InFlight>,
    unacknowledged: BTreeSet<Offset>,
    /// How often an item was delivered, from its first delivery to its acknowledgement.
    deliveries: HashMap<Offset, u32>,
    /// The members, and how many items each has in flight.
    members: HashMap<MemberId, usize>,
    last_token: u64,
}

impl ConsumerState {
    /// Adds a member, whose id no other of the topic has had.
    pub(super) fn join(&mut self, member: MemberId) {
        self.members.insert(member, 0);
    }

    pub(super) fn has(&self, member: MemberId) -> bool {
        self.members.contains_key(&member)
    }

    /// The oldest item that is not acknowledged.
    pub(super) fn oldest(&self) -> Option<Offset> {
        self.unacknowledged.first().copied()
    }

    pub(super) fn offer(&mut self, offset: Offset, key: LaneKey) {
        self.unacknowledged.insert(offset);
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.waiting.push_back(offset);
        if !lane.in_flight && lane.waiting.len() == 1 {
            self.ready.push_back(key);
        }
    }

    /// Hands out the first item of up to `limit` ready lanes.
    pub(super) fn take(&mut self, member: MemberId, limit: usize, in_flight_max: usize) -> Vec<Taken> {
        let Some(held) = self.members.get_mut(&member) else { return Vec::new() };
        let count = limit.max(1).min(in_flight_max.max(1).saturating_sub(*held)).min(self.ready.len());
        *held += count;
        let lanes: Vec<LaneKey> = self.ready.drain(..count).collect();
        lanes.into_iter().filter_map(|lane| self.send(member, lane)).collect()
    }

    fn send(&mut self, member: MemberId, key: LaneKey) -> Option<Taken> {
        let lane = self.lanes.get_mut(&key)?;
        lane.in_flight = true;
        let offset = *lane.waiting.front()?;
        self.last_token += 1;
        let token = Token(self.last_token);
        let deliveries = self.deliveries.entry(offset).or_default();
        *deliveries += 1;
        let deliveries = *deliveries;
        self.in_flight.insert(token, InFlight { offset, lane: key, member });
        Some(Taken { token, offset, deliveries })
    }

    /// Ends an item that is in flight with this member, and lets its lane go on.
    pub(super) fn ack(&mut self, member: MemberId, token: Token) -> Result<(), BrokerError> {
        let done = self.land(member, token)?;
        self.unacknowledged.remove(&done.offset);
        self.deliveries.remove(&done.offset);
        if let Some(lane) = self.lanes.get_mut(&done.lane) {
            lane.waiting.pop_front();
            if lane.waiting.is_empty() {
                self.lanes.remove(&done.lane);
            } else {
                lane.in_flight = false;
                self.ready.push_back(done.lane);
            }
        }
        Ok(())
    }

    /// Puts an item that is in flight with this member back to the front of its lane.
    pub(super) fn nack(&mut self, member: MemberId, token: Token) -> Result<(), BrokerError> {
        let back = self.land(member, token)?;
        self.ready_again(back.lane);
        Ok(())
    }

    /// Ends a member; what it had in flight is ready for the others, in the order in which it was sent.
    pub(super) fn leave(&mut self, member: MemberId) {
        self.members.remove(&member);
        let held: Vec<Token> = self
            .in_flight
            .iter()
            .filter(|(_, item)| item.member == member)
            .map(|(token, _)| *token)
            .collect();
        for token in held {
            if let Some(back) = self.in_flight.remove(&token) {
                self.ready_again(back.lane);
            }
        }
    }

    fn land(&mut self, member: MemberId, token: Token) -> Result<InFlight, BrokerError> {
        let is_own = self.in_flight.get(&token).is_some_and(|item| item.member == member);
        let landed = if is_own { self.in_flight.remove(&token) } else { None };
        let landed = landed.ok_or_else(|| {
            refused(format!(
                "delivery {} is not in flight with this member: it was acknowledged or given back before",
                token.0
            ))
        })?;
        if let Some(held) = self.members.get_mut(&member) {
            *held -= 1;
        }
        Ok(landed)
    }

    fn ready_again(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.in_flight = false;
            self.ready.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> LaneKey {
        LaneKey::Key(name.parse().unwrap())
    }

    fn offsets(taken: &[Taken]) -> Vec<Offset> {
        taken.iter().map(|taken| taken.offset).collect()
    }

    fn consumer(keys: &[&str]) -> ConsumerState {
        let mut consumer = ConsumerState::default();
        for (offset, name) in keys.iter().enumerate() {
            consumer.offer(offset as u64, key(name));
        }
        consumer
    }

    #[test]
    fn a_key_is_in_flight_once_across_members() {
        let mut consumer = consumer(&["a", "a", "b"]);
        let (one, two) = (1, 2);
        consumer.join(one);
        consumer.join(two);
        let first = consumer.take(one, 1, 10);
        assert_eq!(offsets(&first), [0]);
        assert_eq!(offsets(&consumer.take(two, 10, 10)), [2]);
        assert!(consumer.take(one, 10, 10).is_empty());
        consumer.ack(one, first[0].token).unwrap();
        assert_eq!(offsets(&consumer.take(two, 10, 10)), [1]);
    }

    #[test]
    fn a_key_that_is_given_back_starves_no_other() {
        let mut consumer = consumer(&["a", "b", "a"]);
        let member = 1;
        consumer.join(member);
        let first = consumer.take(member, 1, 10);
        consumer.nack(member, first[0].token).unwrap();
        assert_eq!(offsets(&consumer.take(member, 1, 10)), [1]);
        let again = consumer.take(member, 1, 10);
        assert_eq!((again[0].offset, again[0].deliveries), (0, 2));
    }

    #[test]
    fn a_member_holds_no_more_than_its_share() {
        let mut consumer = consumer(&["a", "b", "c"]);
        let member = 1;
        consumer.join(member);
        let held = consumer.take(member, 10, 2);
        assert_eq!(held.len(), 2);
        assert!(consumer.take(member, 10, 2).is_empty());
        consumer.ack(member, held[0].token).unwrap();
        assert_eq!(offsets(&consumer.take(member, 10, 2)), [2]);
    }

    #[test]
    fn a_late_acknowledgement_is_an_error_and_changes_nothing() {
        let mut consumer = consumer(&["a"]);
        let (one, two) = (1, 2);
        consumer.join(one);
        consumer.join(two);
        let late = consumer.take(one, 1, 10)[0].token;
        consumer.nack(one, late).unwrap();
        let now = consumer.take(two, 1, 10)[0].token;
        assert!(consumer.ack(one, late).is_err() && consumer.ack(one, now).is_err());
        assert_eq!(consumer.oldest(), Some(0));
        consumer.leave(two);
        assert_eq!(offsets(&consumer.take(one, 1, 10)), [0]);
    }

    #[test]
    fn what_is_done_leaves_nothing_behind() {
        let mut consumer = consumer(&["a", "b", "a"]);
        let member = 1;
        consumer.join(member);
        for _ in 0..3 {
            let taken = consumer.take(member, 1, 10);
            consumer.ack(member, taken[0].token).unwrap();
        }
        assert!(consumer.lanes.is_empty() && consumer.deliveries.is_empty() && consumer.in_flight.is_empty());
        assert_eq!((consumer.oldest(), consumer.ready.len(), consumer.members[&member]), (None, 0, 0));
    }
}

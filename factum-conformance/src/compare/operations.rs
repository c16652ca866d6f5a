//! What the model test does: operations drawn from few names, so that they meet each other often.
//!
//! Positions in what is made here are ranks: 0 is the start, beyond the log is the end.
//! Never makes what the traits leave open: see each comment.

use std::time::Duration;

use std::collections::BTreeSet;

use factum_core::{
    Bytes, Direction, Envelope, EventType, Expected, Guard, Kind, Position, Query, Record, RecordKind,
    RecordQuery, Recorded, StreamId, Tag, Tags, Timestamp, Version,
};

use super::random::Random;

/// Kinds of records that the operations write.
pub(super) const KINDS: [RecordKind; 2] = [RecordKind::USER, RecordKind::TIMER];

const TYPES: [EventType; 3] = [
    EventType::event("model.placed", 1, "model", "model.placed"),
    EventType::event("model.paid", 2, "model", "model.paid"),
    EventType::command("model.pay", 1, "model", "model.pay"),
];
const STREAMS: [&str; 5] = ["order-1", "order-2", "order-1-x", "Order-1", "orders-é"];
const CATEGORIES: [&str; 3] = ["order", "orders", "none"];
const TAGS: [&str; 5] = ["a:1", "a:11", "b:1", "B:1", "c:%"];
const CORRELATIONS: [&str; 3] = ["one", "two", "One"];
const IDS: [&str; 6] = ["1", "2", "10", "a", "A", "é"];
const GROUPS: [&str; 5] = ["g", "g/1", "G/1", "g%", ""];

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Append(StreamId, Expected, Vec<Envelope>),
    Unit { writes: Vec<Write>, is_dropped: bool },
    Read(Query),
    Find(RecordKind, RecordQuery),
}

#[derive(Debug, Clone)]
pub(super) enum Write {
    Append(StreamId, Expected, Vec<Envelope>),
    Put(Record, Guard),
    Remove(RecordKind, String, Guard),
}

pub(super) struct Generator {
    random: Random,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    pub(super) fn next(&mut self, log: &[Recorded]) -> Operation {
        match self.random.below(10) {
            0..=2 => Operation::Append(self.stream(), self.expected(log), self.batch(log)),
            3..=5 => self.unit(log),
            6..=7 => Operation::Read(self.query(log)),
            _ => Operation::Find(self.random.pick(&KINDS), self.search()),
        }
    }

    fn unit(&mut self, log: &[Recorded]) -> Operation {
        let mut writes = Vec::new();
        // Ids that two appends of one unit share: whether the second finds them known is left open.
        let mut ids = BTreeSet::new();
        for index in 0..1 + self.random.below(4) {
            let write = match self.random.below(3) {
                0 => self.unit_append(index, log),
                1 => Write::Put(self.record(), self.guard()),
                _ => Write::Remove(self.random.pick(&KINDS), self.random.pick(&IDS).to_owned(), self.guard()),
            };
            if let Write::Append(_, _, events) = &write
                && !events.iter().all(|event| ids.insert(event.id))
            {
                continue;
            }
            writes.push(write);
        }
        Operation::Unit { writes, is_dropped: self.random.one_in(5) }
    }

    fn unit_append(&mut self, index: usize, log: &[Recorded]) -> Write {
        let expected = match self.expected(log) {
            // Whether a unit's own appends change its boundary is left open.
            Expected::Unchanged { .. } | Expected::All(_) if index > 0 => Expected::Any,
            expected => expected,
        };
        Write::Append(self.stream(), expected, self.batch(log))
    }

    fn stream(&mut self) -> StreamId {
        self.random.pick(&STREAMS).parse().expect("the names of streams here are right")
    }

    fn expected(&mut self, log: &[Recorded]) -> Expected {
        match self.random.below(9) {
            0 => Expected::NoStream,
            1 => Expected::At(Version::at(self.random.below(4) as u64)),
            2 => self.unchanged(log),
            3 => Expected::At(self.current(log)),
            4 => {
                Expected::All(vec![Expected::At(self.current(log)), self.unchanged(log), self.unchanged(log)])
            }
            5 => Expected::Unrecorded,
            6 => Expected::All(vec![Expected::At(self.current(log)), Expected::Unrecorded]),
            _ => Expected::Any,
        }
    }

    fn unchanged(&mut self, log: &[Recorded]) -> Expected {
        let tags = vec![self.tag()];
        let types = if self.random.one_in(2) { vec![self.random.pick(&TYPES).name] } else { Vec::new() };
        // Mostly close to the end, where a boundary may still hold.
        let back = self.random.below(8).min(log.len());
        Expected::unchanged(Query { tags, types, ..Query::all() }, Position::at((log.len() - back) as u64))
    }

    fn current(&mut self, log: &[Recorded]) -> Version {
        let stream = self.stream();
        log.iter().rfind(|event| event.stream == stream).map_or(Version::EMPTY, |event| event.version)
    }

    /// New events, known ones, or some of both; never an id twice.
    fn batch(&mut self, log: &[Recorded]) -> Vec<Envelope> {
        let known = match self.random.below(8) {
            0 => 2,
            1 => 1,
            _ => 0,
        };
        let mut batch: Vec<Envelope> = Vec::new();
        for _ in 0..known.min(log.len()) {
            let event = self.random.pick(log).envelope;
            if batch.iter().all(|other| other.id != event.id) {
                batch.push(event);
            }
        }
        let new = if batch.is_empty() || self.random.one_in(3) { 1 + self.random.below(3) } else { 0 };
        batch.extend((0..new).map(|_| self.event()));
        batch
    }

    fn event(&mut self) -> Envelope {
        let tags: Vec<Tag> = (0..self.random.below(3)).map(|_| self.tag()).collect();
        let size = self.random.below(40);
        let data: Vec<u8> = (0..size).map(|_| self.random.below(256) as u8).collect();
        let key = self.random.pick(&IDS).parse().expect("a record's id here can be a key");
        let correlation = self.random.pick(&CORRELATIONS).parse().expect("a word is a correlation id");
        Envelope {
            tags: Tags::new(tags).expect("two tags are few"),
            correlation,
            time: Timestamp::from_micros(self.random.below(2_000_000) as i64 - 1_000_000),
            ..Envelope::raw(self.random.pick(&TYPES), key, Bytes::from(data))
        }
    }

    fn tag(&mut self) -> Tag {
        self.random.pick(&TAGS).parse().expect("the tags here are right")
    }

    fn query(&mut self, log: &[Recorded]) -> Query {
        let random = &mut self.random;
        let stream = random.one_in(3).then(|| random.pick(&STREAMS).parse().expect("a stream"));
        let category = random.one_in(4).then(|| random.pick(&CATEGORIES).parse().expect("a category"));
        let types = (0..random.below(3)).map(|_| random.pick(&TYPES).name).collect();
        let tags = (0..random.below(5) / 2).map(|_| random.pick(&TAGS).parse().expect("a tag")).collect();
        let correlation = random.one_in(4).then(|| random.pick(&CORRELATIONS).parse().expect("a word"));
        let id = (random.one_in(8) && !log.is_empty()).then(|| random.pick(log).envelope.id);
        let mut rank = |is_open: bool, open: usize| {
            Position::at(if is_open { open } else { random.below(log.len() + 2) } as u64)
        };
        let (after, up_to) =
            (rank(log.len().is_multiple_of(2), 0), rank(log.len().is_multiple_of(3), log.len() + 1));
        Query {
            stream,
            category,
            types,
            tags,
            correlation,
            id,
            after,
            up_to,
            kind: random.pick(&[None, Some(Kind::Event), Some(Kind::Event), Some(Kind::Command)]),
            direction: random.pick(&[Direction::Forward, Direction::Backward]),
            limit: random.pick(&[1, 2, 7, Query::LIMIT_DEFAULT]),
        }
    }

    fn record(&mut self) -> Record {
        let (id, group) = (self.random.pick(&IDS), self.random.pick(&GROUPS));
        let bytes = vec![self.random.below(256) as u8; self.random.below(20)];
        let record = Record::new(self.random.pick(&KINDS), group, id, bytes);
        if self.random.one_in(2) { record } else { record.due(self.time()) }
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_micros(self.random.below(7) as i64 - 2)
    }

    fn guard(&mut self) -> Guard {
        match self.random.below(4) {
            0 => Guard::Absent,
            1 => Guard::At(self.random.below(4) as u64),
            _ => Guard::Any,
        }
    }

    fn search(&mut self) -> RecordQuery {
        let time = self.time();
        let random = &mut self.random;
        let due_until = random.one_in(3).then_some(time);
        // Paging by id through what is ordered by due time is left open.
        let due_from =
            due_until.filter(|_| random.one_in(3)).map(|until| until.minus(Duration::from_micros(2)));
        let after_id = (due_until.is_none() && random.one_in(3)).then(|| random.pick(&IDS).to_owned());
        RecordQuery {
            id: random.one_in(5).then(|| random.pick(&IDS).to_owned()),
            group: random.one_in(4).then(|| random.pick(&GROUPS).to_owned()),
            group_prefix: random.one_in(4).then(|| random.pick(&GROUPS).to_owned()),
            due_until,
            due_from,
            after_id,
            limit: random.pick(&[1, 2, RecordQuery::LIMIT_MAX]),
        }
    }
}

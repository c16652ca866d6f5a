//! The model's log: a list of events, with the ids and stream versions that follow from it.
//!
//! Positions are 1, 2, 3 …, so that the event at position `p` is the `p`th of the list.
//! Never refuses for a reason that is not written on `Store::append`.

use std::collections::HashMap;

use factum_core::closing::{Turn, is_closing};
use factum_core::{
    Appended, Conflict, Direction, Envelope, EventId, Expected, Page, Position, Query, Recorded, StreamId,
    Version,
};

/// Why an append did not happen.
pub(super) enum AppendRefusal {
    Conflict(Conflict),
    PartlyKnown(EventId),
    Closed { stream: StreamId, version: Version },
    Invalid(String),
}

#[derive(Default)]
pub(super) struct Log {
    events: Vec<Recorded>,
    by_id: HashMap<EventId, Position>,
    streams: HashMap<StreamId, Version>,
}

impl Log {
    pub(super) fn head(&self) -> Position {
        Position::at(self.events.len() as u64)
    }

    pub(super) fn append(
        &mut self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<Envelope>,
    ) -> Result<Appended, AppendRefusal> {
        if let Some(answer) = self.known(&events)? {
            return match events.first() {
                Some(event) if expected.is_of_new() => {
                    Err(AppendRefusal::Conflict(Conflict::Recorded { known: event.id }))
                }
                _ => Ok(answer),
            };
        }
        self.judge(stream, expected)?;
        if self.is_closed(stream) && !Turn::of(&events).map_err(AppendRefusal::Invalid)?.opens {
            return Err(AppendRefusal::Closed { stream: stream.clone(), version: self.version(stream) });
        }
        for envelope in events {
            self.push(stream, envelope);
        }
        let (version, position) = (self.version(stream), self.head());
        Ok(Appended { stream: stream.clone(), version, position, known: false })
    }

    /// The answer for events that are all recorded already; `None` when none is.
    fn known(&self, events: &[Envelope]) -> Result<Option<Appended>, AppendRefusal> {
        let known: Vec<EventId> =
            events.iter().map(|event| event.id).filter(|id| self.by_id.contains_key(id)).collect();
        let Some(first) = known.first() else { return Ok(None) };
        if known.len() < events.len() {
            return Err(AppendRefusal::PartlyKnown(*first));
        }
        let last = self.event_at(self.by_id[&known[known.len() - 1]]);
        Ok(Some(Appended {
            stream: last.stream.clone(),
            version: last.version,
            position: last.position,
            known: true,
        }))
    }

    fn judge(&self, stream: &StreamId, expected: Expected) -> Result<(), AppendRefusal> {
        let actual = self.version(stream);
        for part in expected.parts().map_err(AppendRefusal::Invalid)? {
            if let Expected::Unchanged { query, since } = part {
                self.judge_boundary(query, *since)?;
            }
        }
        if expected.allows(actual) {
            return Ok(());
        }
        let expected = expected.unmet(actual).clone();
        Err(AppendRefusal::Conflict(Conflict::Stream { stream: stream.clone(), expected, actual }))
    }

    fn judge_boundary(&self, query: &Query, since: Position) -> Result<(), AppendRefusal> {
        let whole = Query { after: since, up_to: Position::END, ..query.clone() };
        match self.events.iter().find(|event| whole.matches(event)) {
            Some(event) => Err(AppendRefusal::Conflict(Conflict::Boundary { since, found: event.position })),
            None => Ok(()),
        }
    }

    fn push(&mut self, stream: &StreamId, envelope: Envelope) {
        let version = self.version(stream).next();
        let position = Position::at(self.head().number() + 1);
        self.by_id.insert(envelope.id, position);
        self.streams.insert(stream.clone(), version);
        self.events.push(Recorded { envelope, stream: stream.clone(), version, position });
    }

    /// Forgets every event after `head`.
    pub(super) fn take_back(&mut self, head: Position) {
        while self.head() > head {
            let event = self.events.pop().expect("the head is above a position, so the log is not empty");
            self.by_id.remove(&event.envelope.id);
            let before = Version::at(event.version.number() - 1);
            if before == Version::EMPTY {
                self.streams.remove(&event.stream);
            } else {
                self.streams.insert(event.stream, before);
            }
        }
    }

    pub(super) fn page(&self, query: &Query) -> Page {
        let limit = query.limit.clamp(1, Query::LIMIT_MAX);
        let matching = |event: &&Recorded| query.matches(event);
        let mut events: Vec<Recorded> = match query.direction {
            Direction::Forward => self.events.iter().filter(matching).take(limit + 1).cloned().collect(),
            Direction::Backward => {
                self.events.iter().rev().filter(matching).take(limit + 1).cloned().collect()
            }
        };
        let more = events.len() > limit;
        events.truncate(limit);
        let last = events.last().map_or(Position::START, |event| event.position);
        let end = match (more, query.direction) {
            (true, _) => last,
            (false, Direction::Forward) => query.up_to.min(self.head()).max(query.after),
            (false, Direction::Backward) => query.after,
        };
        let version = query.stream.as_ref().map_or(Version::EMPTY, |stream| self.version(stream));
        Page { events, end, more, head: self.head(), version }
    }

    fn is_closed(&self, stream: &StreamId) -> bool {
        let last = self.events.iter().rev().find(|event| event.stream == *stream);
        last.is_some_and(|event| is_closing(&event.envelope.event_type.name))
    }

    fn version(&self, stream: &StreamId) -> Version {
        self.streams.get(stream).copied().unwrap_or(Version::EMPTY)
    }

    fn event_at(&self, position: Position) -> &Recorded {
        &self.events[position.number() as usize - 1]
    }
}

//! Looking at the log: one event, what caused what, what there is how often.

use std::collections::{BTreeMap, HashMap};

use factum_core::{CorrelationId, EventId, Position, Query, Recorded, Timestamp};

use super::follow::Progress;
use super::{Admin, AdminError};
use crate::state::Troubled;

use super::letters::Which;

/// An event, what it caused, and who had trouble with it.
#[derive(Debug, Clone)]
pub struct TraceNode {
    /// The event.
    pub event: Recorded,
    /// What it caused, in order.
    pub caused: Vec<TraceNode>,
    /// Consumers that refused, parked or buried it.
    pub troubles: Vec<(Which, Troubled)>,
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events by type.
    pub types: Vec<(String, u64)>,
    /// Events in all.
    pub events: u64,
    /// Streams by category.
    pub categories: Vec<(String, u64)>,
    /// Time of the first event.
    pub first: Option<Timestamp>,
    /// Time of the last event.
    pub last: Option<Timestamp>,
    /// The last position.
    pub head: Position,
}

impl Admin {
    /// One event by id or by position.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn event(&self, id: &str) -> Result<Recorded, AdminError> {
        let query = if let Ok(id) = id.parse::<EventId>() {
            Some(Query::id(id))
        } else if let Ok(number) = id.trim_start_matches('@').parse::<u64>() {
            let at = Position::at(number);
            let before = Position::at(number.saturating_sub(1));
            Some(Query { kind: None, up_to: at, limit: 1, ..Query::default() }.after(before))
        } else {
            None
        };
        let found = match query {
            Some(query) => self.store().read(&query).await?.events.pop(),
            None => None,
        };
        found.ok_or_else(|| AdminError::Unknown {
            what: "event",
            name: id.to_owned(),
            hint: "give an event id or a position; `factum log` lists events".to_owned(),
        })
    }

    /// All that a query matches, up to `most`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read_all(&self, mut query: Query, most: usize) -> Result<Vec<Recorded>, AdminError> {
        let mut events = Vec::new();
        while events.len() < most {
            query.limit = (most - events.len()).min(Query::LIMIT_MAX);
            let page = self.store().read(&query).await?;
            events.extend(page.events);
            if !page.more {
                break;
            }
            match query.direction {
                factum_core::Direction::Forward => query.after = page.end,
                factum_core::Direction::Backward => {
                    query.up_to = Position::at(page.end.number().saturating_sub(1))
                }
            }
        }
        Ok(events)
    }

    /// The tree of what caused what, from an event's id, a position, or a correlation: everything of its
    /// correlation, as one tree per first cause.
    ///
    /// # Errors
    /// When there is nothing of that name, or the store fails.
    pub async fn trace(&self, id: &str) -> Result<Vec<TraceNode>, AdminError> {
        let correlation: CorrelationId = match self.event(id).await {
            Ok(event) => event.envelope.correlation,
            Err(AdminError::Unknown { .. }) => id.parse().map_err(|_| unknown_trace(id))?,
            Err(error) => return Err(error),
        };
        let query = Query { correlation: Some(correlation), kind: None, ..Query::default() };
        let events = self.read_all(query, 10_000).await?;
        if events.is_empty() {
            return Err(unknown_trace(id));
        }
        let mut troubles: HashMap<EventId, Vec<(Which, Troubled)>> = HashMap::new();
        for which in [Which::Dead, Which::Parked, Which::Refused] {
            for letter in self.letters(which, None).await? {
                troubles.entry(letter.troubled.event).or_default().push((which, letter.troubled));
            }
        }
        Ok(tree(events, &mut troubles))
    }

    /// What the store holds, counted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stats(&self) -> Result<Stats, AdminError> {
        self.stats_watched(&mut |_, _| {}).await
    }

    /// The same, telling how far it has got: the whole log is read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stats_watched(&self, progress: Progress<'_>) -> Result<Stats, AdminError> {
        let mut stats = Stats::default();
        let mut types: BTreeMap<String, u64> = BTreeMap::new();
        let mut categories: BTreeMap<String, u64> = BTreeMap::new();
        let mut query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::default() };
        loop {
            let page = self.store().read(&query).await?;
            for event in &page.events {
                *types.entry(event.envelope.event_type.to_string()).or_default() += 1;
                if event.version.number() == 1 {
                    *categories.entry(event.stream.category().to_owned()).or_default() += 1;
                }
                stats.events += 1;
                stats.first.get_or_insert(event.envelope.time);
                stats.last = Some(event.envelope.time);
            }
            (query.after, stats.head) = (page.end, page.head);
            progress(page.end, page.head);
            if !page.more {
                break;
            }
        }
        stats.types = types.into_iter().collect();
        stats.categories = categories.into_iter().collect();
        Ok(stats)
    }
}

fn unknown_trace(id: &str) -> AdminError {
    let hint = "give an event id, a position or a correlation id; `factum log` lists events".to_owned();
    AdminError::Unknown { what: "trace", name: id.to_owned(), hint }
}

/// Deepest tree; effects deeper than that stand beside their cause, so that a loop of ten thousand events is no
/// recursion of ten thousand calls for those who walk or drop the tree.
const DEPTH_MAX: usize = 256;

/// Events in the order of the log, as one tree per first cause. An event whose cause comes later, or is not known,
/// is a first cause.
fn tree(events: Vec<Recorded>, troubles: &mut HashMap<EventId, Vec<(Which, Troubled)>>) -> Vec<TraceNode> {
    let mut places: HashMap<EventId, (Option<EventId>, usize)> = HashMap::new();
    for event in &events {
        let cause = event.envelope.causation.and_then(|cause| Some((cause, *places.get(&cause)?)));
        let place = match cause {
            Some((cause, (_, depth))) if depth + 1 < DEPTH_MAX => (Some(cause), depth + 1),
            Some((_, beside)) => beside,
            None => (None, 0),
        };
        places.insert(event.envelope.id, place);
    }
    let mut by_cause: HashMap<Option<EventId>, Vec<TraceNode>> = HashMap::new();
    // From the end, so that every event finds its effects finished.
    for event in events.into_iter().rev() {
        let id = event.envelope.id;
        let mut caused = by_cause.remove(&Some(id)).unwrap_or_default();
        caused.reverse();
        let cause = places.get(&id).and_then(|(cause, _)| *cause);
        let troubles = troubles.remove(&id).unwrap_or_default();
        by_cause.entry(cause).or_default().push(TraceNode { event, caused, troubles });
    }
    let mut roots = by_cause.remove(&None).unwrap_or_default();
    roots.reverse();
    roots
}

#[cfg(test)]
mod tests {
    use factum_core::{Bytes, Envelope, EventType, StreamId, Version};

    use super::*;

    const TYPE: EventType = EventType::event("ball.hit", 1, "ball", "ball.hit");

    fn hit(number: u64, cause: Option<EventId>) -> Recorded {
        let envelope = Envelope::raw(TYPE, "1".parse().unwrap(), Bytes::from_static(b"{}"));
        let stream = StreamId::of(&TYPE.category, "1").unwrap();
        let envelope = Envelope { causation: cause, ..envelope };
        Recorded { envelope, stream, version: Version::at(number), position: Position::at(number) }
    }

    #[test]
    fn effects_stand_under_their_cause_in_order() {
        let root = hit(1, None);
        let id = root.envelope.id;
        let (second, third, other) = (hit(2, Some(id)), hit(3, Some(id)), hit(4, Some(EventId::new())));
        let roots = tree(vec![root, second, third, other], &mut HashMap::new());
        assert_eq!(roots.len(), 2);
        let caused: Vec<u64> = roots[0].caused.iter().map(|node| node.event.position.number()).collect();
        assert_eq!(caused, [2, 3]);
    }

    #[test]
    fn a_chain_of_ten_thousand_events_is_whole_and_bounded_in_depth() {
        let mut events = vec![hit(1, None)];
        for number in 2..=10_000 {
            events.push(hit(number, events.last().map(|event| event.envelope.id)));
        }
        let roots = tree(events, &mut HashMap::new());
        let (mut open, mut count, mut deepest): (Vec<(&TraceNode, usize)>, _, _) =
            (vec![(&roots[0], 1)], 0, 0);
        while let Some((node, depth)) = open.pop() {
            (count, deepest) = (count + 1, depth.max(deepest));
            open.extend(node.caused.iter().map(|node| (node, depth + 1)));
        }
        assert_eq!((roots.len(), count, deepest), (1, 10_000, DEPTH_MAX));
    }
}

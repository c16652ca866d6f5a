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

fn tree(events: Vec<Recorded>, troubles: &mut HashMap<EventId, Vec<(Which, Troubled)>>) -> Vec<TraceNode> {
    let known: std::collections::HashSet<EventId> = events.iter().map(|event| event.envelope.id).collect();
    let mut by_cause: HashMap<Option<EventId>, Vec<Recorded>> = HashMap::new();
    for event in events {
        let cause =
            event.envelope.causation.filter(|cause| known.contains(cause) && *cause != event.envelope.id);
        by_cause.entry(cause).or_default().push(event);
    }
    let roots = by_cause.remove(&None).unwrap_or_default();
    roots.into_iter().map(|root| grow(root, &mut by_cause, troubles)).collect()
}

fn grow(
    event: Recorded,
    by_cause: &mut HashMap<Option<EventId>, Vec<Recorded>>,
    troubles: &mut HashMap<EventId, Vec<(Which, Troubled)>>,
) -> TraceNode {
    let id = event.envelope.id;
    let effects = by_cause.remove(&Some(id)).unwrap_or_default();
    let caused = effects.into_iter().map(|effect| grow(effect, by_cause, troubles)).collect();
    TraceNode { event, caused, troubles: troubles.remove(&id).unwrap_or_default() }
}

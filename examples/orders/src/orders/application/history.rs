//! What an order's decisions are made from: its own events, and what Stock reserved for it.
//!
//! They lie in two streams, so decisions are guarded by tag and not by a stream's version: an event of either kind
//! that comes in between makes the decision be made anew.

use std::error::Error;

use factum::{EventSet, Expected, Position, Query, Recorded, Tag, Work};

use crate::orders::domain::{Event, Order};
use crate::values::OrderId;

/// Why an order's history cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store failed; asking again may help.
    #[error("the history cannot be read")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    /// An event of it means nothing to this domain; asking again does not help.
    #[error("the history cannot be understood")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}

/// An order as its history tells up to some position.
#[derive(Debug)]
pub struct History {
    /// The order.
    pub order: Order,
    query: Query,
    since: Position,
}

impl History {
    /// Reads the history of an order up to, and with, a position.
    ///
    /// # Errors
    /// When the store fails, or an event cannot be understood.
    pub async fn read(work: &mut dyn Work, order: OrderId, up_to: Position) -> Result<Self, HistoryError> {
        let store = |error: Box<dyn Error + Send + Sync>| HistoryError::Store(error);
        let tags = vec![Tag::new("orderId", &order.to_string()).map_err(|error| store(error.into()))?];
        let types = Event::types().into_iter().map(|known| known.name).collect();
        let query = Query { tags, types, up_to, ..Query::default() };
        let mut history = Self { order: Order::default(), query: query.clone(), since: Position::START };
        loop {
            let page =
                work.read(&query.clone().after(history.since)).await.map_err(|error| store(error.into()))?;
            for event in &page.events {
                let event = opened(work, event).map_err(HistoryError::Unreadable)?;
                history.order = history.order.evolve(&event);
            }
            history.since = page.end;
            if !page.more {
                return Ok(history);
            }
        }
    }

    /// What must still be true when a decision is appended.
    #[must_use]
    pub fn unchanged(self) -> Expected {
        let query = Query { up_to: Position::END, ..self.query };
        Expected::Unchanged { query: Box::new(query), since: self.since }
    }
}

/// The domain's event behind a recorded one, brought to the contract version that the code knows.
fn opened(work: &dyn Work, event: &Recorded) -> Result<Event, Box<dyn Error + Send + Sync>> {
    let written = &event.envelope.event_type;
    let known = Event::types().into_iter().find(|known| known.name == written.name);
    let opened = match &known {
        Some(known) => work.gate().open(&event.envelope, known)?,
        None => None,
    };
    let envelope = opened.as_ref().unwrap_or(&event.envelope);
    Ok(Event::decode(&envelope.event_type, &envelope.data)?)
}

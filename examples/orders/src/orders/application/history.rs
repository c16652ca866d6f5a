//! What an order's decisions are made from: its own events, and what Stock reserved for it.
//!
//! They lie in two streams, so decisions are guarded by tag and not by a stream's version: an event of either kind
//! that comes in between makes the decision be made anew.

use std::error::Error;

use factum::{EventSet, Expected, Position, Query, Recorded, Tag, Work};

use crate::orders::domain::{Event, Order};
use crate::values::OrderId;

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
    /// When the store fails, or an event cannot be read.
    pub async fn read(
        work: &mut dyn Work,
        order: OrderId,
        up_to: Position,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tags = vec![Tag::new("orderId", &order.to_string())?];
        let types = Event::types().into_iter().map(|known| known.name).collect();
        let query = Query { tags, types, up_to, ..Query::default() };
        let mut history = Self { order: Order::default(), query: query.clone(), since: Position::START };
        loop {
            let page = work.read(&query.clone().after(history.since)).await?;
            for event in &page.events {
                history.order = history.order.evolve(&opened(work, event)?);
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

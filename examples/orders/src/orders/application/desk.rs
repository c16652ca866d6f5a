//! Where customers' requests arrive: each is one command, executed at once.
//!
//! What follows from it (a payment, a reservation) happens later and is seen by reading.

use std::sync::Arc;

use factum::{
    Actor, AppendError, Commit, CorrelationId, EventSet, ExecuteError, ExecuteOptions, Executed, Idempotency,
    Position, Store, StoreError, Work, execute_with,
};

use super::history::{History, HistoryError};
use super::stream_of;
use crate::orders::domain::{Address, Command, Event, Order, Placing, Reason, Refusal};
use crate::values::OrderId;

/// How often a cancellation is decided anew because something else happened to the order.
const CONFLICTS_MAX: u32 = 10;

/// Why an order was not placed.
pub type PlaceError = ExecuteError<Refusal>;

/// Why an order was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The order refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something else happened to the order each time it was tried.
    #[error("the order changed {CONFLICTS_MAX} times in a row; ask again")]
    Busy,
    /// The store failed, before or while writing.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The order's history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl From<StoreError> for CancelError {
    fn from(error: StoreError) -> Self {
        Self::Append(error.into())
    }
}

/// Collects the write that keeps an order's address, in the unit of work that places the order.
pub type KeepAddress = fn(OrderId, &Address, &mut dyn Work);

/// Who asks, and under which key the answer is the same again.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The caller's key with the request's content.
    pub idempotency: Option<Idempotency>,
    /// Who asks.
    pub actor: Option<Actor>,
}

/// Takes customers' requests.
#[derive(Clone)]
pub struct Desk {
    store: Arc<dyn Store>,
    keep_address: KeepAddress,
}

impl Desk {
    /// A desk that writes to a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keep_address: KeepAddress) -> Self {
        Self { store, keep_address }
    }

    /// Places an order: its event and its shipping address are committed together.
    ///
    /// # Errors
    /// When the order exists already, the key was used for something else, or the store fails.
    pub async fn place(&self, placing: Placing, asked: Asked) -> Result<Executed<Event>, PlaceError> {
        let order = placing.order;
        let keep = |events: &[Event], work: &mut dyn Work| {
            for event in events {
                if let Event::Placed(placed) = event
                    && let Some(address) = &placed.ship_to
                {
                    (self.keep_address)(order, address, work);
                }
            }
        };
        let options = ExecuteOptions {
            idempotency: asked.idempotency,
            actor: asked.actor,
            correlation: Some(correlation(order)),
            ..ExecuteOptions::default()
        };
        let (store, stream) = (self.store.as_ref(), stream_of(order));
        let command = Command::Place(placing);
        let first = execute_with::<Order>(store, &stream, command.clone(), &options, keep).await;
        match first {
            // The same request, sent twice at the same moment: the other one came between the look for its answer
            // and the look at the stream. Now its answer is there.
            Err(ExecuteError::Refused(Refusal::OrderExists)) if options.idempotency.is_some() => {
                execute_with::<Order>(store, &stream, command, &options, keep).await
            }
            first => first,
        }
    }

    /// Cancels an order for its customer; cancelling twice is quiet. Answers where the log stands after it.
    ///
    /// # Errors
    /// When there is no such order, its goods are reserved, or the store fails.
    pub async fn cancel(
        &self,
        order: OrderId,
        reason: Reason,
        at: jiff::Timestamp,
        actor: Option<&Actor>,
    ) -> Result<Position, CancelError> {
        for _ in 0..CONFLICTS_MAX {
            let mut work = self.store.begin().await?;
            let history = History::read(work.as_mut(), order, Position::END).await?;
            let events = history.order.decide(Command::Cancel { reason: reason.clone(), at })?;
            if events.is_empty() {
                return Ok(self.store.head().await?);
            }
            let mut envelopes = Vec::with_capacity(events.len());
            for event in &events {
                let mut envelope = event
                    .encode()
                    .map_err(|error| CancelError::History(HistoryError::Unreadable(error.into())))?;
                envelope.correlation = correlation(order);
                envelope.actor = actor.cloned();
                envelopes.push(envelope);
            }
            work.append(stream_of(order), history.unchanged(), envelopes);
            match work.commit().await {
                Commit::Committed(done) => return Ok(done.position.unwrap_or_default()),
                Commit::Conflict(_) => {}
                other => {
                    other.into_result()?;
                }
            }
        }
        Err(CancelError::Busy)
    }
}

fn correlation(order: OrderId) -> CorrelationId {
    order.to_string().try_into().expect("a UUID fits the grammar of correlation ids")
}

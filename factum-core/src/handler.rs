//! Users write `async fn handle`; the runtime does the rest.

use std::future::Future;
use std::sync::Arc;

use crate::context::Context;
use crate::event::EventSet;
use crate::failure::Failure;

/// Reacts to an event, or to a closed set of events.
///
/// ```
/// # use factum_core::{Context, Event, EventType, Failure, Handler, PartitionKey};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct OrderPlaced { order_id: String }
/// # impl Event for OrderPlaced {
/// #     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
/// #     fn key(&self) -> PartitionKey { self.order_id.parse().unwrap() }
/// # }
/// struct Count;
/// impl Handler<OrderPlaced> for Count {
///     async fn handle(&self, event: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
///         cx.execute("update totals set orders = orders + 1", vec![]);
///         Ok(())
///     }
/// }
/// ```
pub trait Handler<E: EventSet>: Send + Sync + 'static {
    /// Handles one event. `Ok` commits what was collected; any error undoes it and lets the policy decide.
    fn handle(&self, event: E, cx: &mut Context<'_>) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl<E: EventSet, H: Handler<E>> Handler<E> for Arc<H> {
    fn handle(&self, event: E, cx: &mut Context<'_>) -> impl Future<Output = Result<(), Failure>> + Send {
        H::handle(self, event, cx)
    }
}

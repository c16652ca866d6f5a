//! The saga: from an order to a parcel, or back to where it began. Pure, and tested in `tests/fulfilment.rs` alone.

use std::time::Duration;

use factum::{Action, ConsumerName, Route, Saga, Signal, event_set};
use serde::{Deserialize, Serialize};

use crate::contracts::{
    OrderCancelled, OrderPlaced, OrderShipped, PaymentApproved, PaymentDeclined, RefundPayment, ReleaseStock,
    ReserveStock, ShipOrder, StockRejected, StockReserved, TakePayment,
};
use crate::services::payment_of;

/// How long each answer may take; a shop would give it a quarter of an hour.
pub const PATIENCE: Duration = Duration::from_secs(2);

event_set! {
    /// What the saga follows.
    #[derive(Debug, Clone)]
    pub enum Heard { OrderPlaced, PaymentApproved, PaymentDeclined, StockReserved, StockRejected, OrderShipped }
}

/// What is known of one order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What was ordered.
    pub order: Option<OrderPlaced>,
    /// Why it is undone.
    pub why: String,
}

// quote: begin
/// Leads one order through payment, inventory and shipping.
pub struct Fulfilment;

impl Saga for Fulfilment {
    const NAME: ConsumerName = ConsumerName::constant("fulfilment");
    const CORRELATE: &'static str = "orderId";
    type Input = Heard;
    type State = State;

    fn route(event: &Heard) -> Route {
        match event {
            Heard::OrderPlaced(_) => Route::Starts,
            _ => Route::Continues,
        }
    }

    fn evolve(mut state: State, heard: &Signal<Heard>) -> State {
        match heard {
            Signal::Event(Heard::OrderPlaced(order)) => state.order = Some(order.clone()),
            Signal::Event(Heard::PaymentDeclined(declined)) => {
                state.why = declined.reason().as_str().to_owned()
            }
            Signal::Event(Heard::StockRejected(rejected)) => {
                state.why = rejected.reason().as_str().to_owned()
            }
            Signal::Timer(_) => state.why = "nobody answered in time".to_owned(),
            Signal::CommandFailed(command) => state.why = format!("{command} failed"),
            Signal::Event(_) | Signal::Compensated => {}
        }
        state
    }

    fn react(state: &State, heard: &Signal<Heard>) -> Vec<Action> {
        let Some(order) = &state.order else { return Vec::new() };
        let (id, product) = (order.order_id().clone(), order.product_id().clone());
        let payment = payment_of(&id);
        match heard {
            Signal::Event(Heard::OrderPlaced(_)) => vec![
                // Sent however late the answer is: to refund what was not taken does nothing.
                Action::undo_by(&RefundPayment::new(payment.clone(), id.clone())),
                Action::send(&TakePayment::new(payment, id, order.amount_cents())),
                Action::start_timer("answer", PATIENCE),
            ],
            Signal::Event(Heard::PaymentApproved(_)) => vec![
                Action::undo_by(&ReleaseStock::new(id.clone(), product.clone())),
                Action::send(&ReserveStock::new(id, product)),
                Action::move_timer("answer", PATIENCE),
            ],
            Signal::Event(Heard::StockReserved(_)) => {
                vec![Action::send(&ShipOrder::new(id)), Action::move_timer("answer", PATIENCE)]
            }
            Signal::Event(Heard::OrderShipped(_)) => vec![Action::complete()],
            Signal::Event(Heard::PaymentDeclined(_) | Heard::StockRejected(_))
            | Signal::Timer(_)
            | Signal::CommandFailed(_) => vec![Action::cancel_timer("answer"), Action::compensate()],
            Signal::Compensated => {
                let why = state.why.as_str().try_into().unwrap_or_else(|_| order_cancelled_reason());
                vec![Action::emit(&OrderCancelled::new(id, why))]
            }
        }
    }
}
// quote: end

fn order_cancelled_reason() -> crate::contracts::Reason {
    OrderCancelled::example().reason().clone()
}

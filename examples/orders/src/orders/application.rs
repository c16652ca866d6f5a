//! What Orders does: place and cancel for customers, and take the answers of Payments and Stock.
//!
//! Loads, decides and commits through Factum; the rules are the domain's, the formats the infrastructure's.

mod decider;
mod desk;
mod history;
mod reactions;

pub use desk::{Asked, CancelError, Desk, KeepAddress, PlaceError};
pub use history::{History, HistoryError};
pub use reactions::{DEDUPE_WINDOW, decline_payment, reject_reservation, take_payment, take_reservation};

use factum::{Category, StreamId};

use crate::values::OrderId;

/// Category of the streams that hold orders.
pub const CATEGORY: Category = Category::constant("order");

/// The stream that holds an order.
#[must_use]
pub fn stream_of(order: OrderId) -> StreamId {
    StreamId::of(&CATEGORY, &order.to_string()).expect("a UUID fits the grammar of streams")
}

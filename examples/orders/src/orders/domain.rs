//! What an order is and what may become of it: pure rules in the words of the business.
//!
//! Knows no contract, no store, no clock: time and identity come in with the command.

mod address;
mod command;
mod event;
mod lines;
mod order;
mod refusal;

pub use address::{Address, AddressField, AddressInvalid};
pub use command::{Command, Placing};
pub use event::{Cancelled, CancelledBy, Event, Paid, PaymentMethod, Placed, Reason, Refund, StockReserved};
pub use lines::{Line, Lines, LinesInvalid};
pub use order::{Facts, Order, Status};
pub use refusal::Refusal;

//! Stock, simulated: sets goods aside for paid orders, and puts them back when an order is cancelled.
//!
//! Remembers what each order wants from `order.placed`, because `order.paid` does not repeat it.

pub mod application;
pub mod domain;
pub mod infrastructure;

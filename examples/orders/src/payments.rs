//! Payments, simulated: approves or declines what Orders asks for, and pays back what is cancelled.
//!
//! Knows orders only from `order.placed` and `order.cancelled`; keeps its own table of payments.

pub mod application;
pub mod domain;
pub mod infrastructure;

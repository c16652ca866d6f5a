//! Orders, Payments and Stock: the flagship example of Factum.
//!
//! Three bounded contexts in one process, each with a pure domain, talking by events alone. [`shop`] puts them
//! together; what they say to each other is in `contracts/`, and [`contracts`] is generated from it.

pub mod contracts;
pub mod demo;
pub mod orders;
pub mod payments;
pub mod problem;
pub mod request;
pub mod role;
pub mod shop;
pub mod simulation;
pub mod stock;
pub mod terminal;
pub mod values;

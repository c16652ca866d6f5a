//! Orders: takes orders, and decides what becomes of them when Payments and Stock have spoken.
//!
//! Three layers, imports inwards only: `infrastructure` (contracts, HTTP, tables) → `application` (use cases) →
//! `domain` (rules, pure). Talks to the other contexts by events and in no other way.

pub mod application;
pub mod domain;
pub mod infrastructure;

//! PostgreSQL keeps every promise of a store, and what its adapter promises beyond them.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect should end there")]

#[path = "postgres/suite.rs"]
mod suite;

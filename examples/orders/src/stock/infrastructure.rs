//! Where Stock meets the world: contract events, handlers, its table.

mod releases;
mod reserves;

pub use releases::Releases;
pub use reserves::Reserves;

/// Statements that make the table.
pub const SCHEMA: &[&str] = &[include_str!("infrastructure/sql/schema.sql")];

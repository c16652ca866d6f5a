//! Where Payments meets the world: contract events, handlers, its table.

mod charges;
mod refunds;

pub use charges::Charges;
pub use refunds::Refunds;

/// Statements that make the table.
pub const SCHEMA: &[&str] = &[include_str!("infrastructure/sql/schema.sql")];

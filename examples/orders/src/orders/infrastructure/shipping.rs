//! Where orders are sent: Orders' own records, beside the log.
//!
//! An address is personal and nobody else's affair, so `order.placed` does not carry it: what is in a log stays in
//! the log. The row commits in the unit of work that places the order, so neither exists without the other.

use factum::{Store, StoreError, Work, values};

use crate::orders::domain::Address;
use crate::values::OrderId;

/// Statements that make the table.
pub const SCHEMA: &[&str] = &[include_str!("sql/shipping_schema.sql")];

/// Collects the row of an order's address.
pub fn keep(order: OrderId, address: &Address, work: &mut dyn Work) {
    let row = values![
        order.to_string(),
        address.street(),
        address.city(),
        address.postal_code(),
        address.country()
    ];
    work.execute(include_str!("sql/shipping_keep.sql").into(), row);
}

/// The address of an order, when it is known.
///
/// # Errors
/// When the store fails.
pub async fn find(store: &dyn Store, order: OrderId) -> Result<Option<Address>, StoreError> {
    let rows = store.query(include_str!("sql/shipping_find.sql"), &values![order.to_string()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = |column: &str| row.get::<String>(column).unwrap_or_default();
    let address = Address::new(&text("street"), &text("city"), &text("postal_code"), &text("country"));
    // Only valid addresses are written; rows that somebody else changed are no addresses.
    Ok(address.ok())
}

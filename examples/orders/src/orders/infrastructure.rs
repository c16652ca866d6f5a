//! Where Orders meets the world: contract events, handlers, tables, HTTP.

pub mod answers;
pub mod customer_orders;
pub mod http;
pub mod order_summary;
pub mod shipping;
pub mod translation;

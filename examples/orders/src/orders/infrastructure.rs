//! Where Orders meets the world: contract messages, handlers, tables, HTTP.

pub mod answers;
pub mod customer_orders;
pub mod http;
pub mod messages;
pub mod order_summary;
pub mod shipping;

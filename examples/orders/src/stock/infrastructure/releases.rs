//! Puts back the goods of orders that are cancelled.

use factum::{Context, Failure, Handler, values};

use crate::contracts::OrderCancelled;
use crate::values::OrderId;

/// Marks the goods of a cancelled order as put back; a reservation that is made only later finds the mark.
#[derive(Debug, Clone, Copy)]
pub struct Releases;

impl Handler<OrderCancelled> for Releases {
    async fn handle(&self, cancelled: OrderCancelled, cx: &mut Context<'_>) -> Result<(), Failure> {
        let order = OrderId::of(cancelled.order_id());
        cx.execute(include_str!("sql/release.sql"), values![order.to_string(), cx.now().to_string()]);
        Ok(())
    }
}

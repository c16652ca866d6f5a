//! Pays back what was paid for orders that are cancelled.

use factum::{Context, Failure, Handler, values};

use crate::contracts::OrderCancelled;
use crate::values::OrderId;

/// Marks the payment of a cancelled order as paid back; one that is approved only later finds the mark.
#[derive(Debug, Clone, Copy)]
pub struct Refunds;

impl Handler<OrderCancelled> for Refunds {
    async fn handle(&self, cancelled: OrderCancelled, cx: &mut Context<'_>) -> Result<(), Failure> {
        let order = OrderId::of(cancelled.order_id());
        cx.execute(include_str!("sql/refund.sql"), values![order.to_string(), cx.now().to_string()]);
        Ok(())
    }
}

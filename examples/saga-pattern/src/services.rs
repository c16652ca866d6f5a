//! The services: each handles its commands, keeps its own table, and answers by an event.
//!
//! Whatever undoes something is content when there is nothing to undo: the saga may ask before it knows.

use factum::{Context, Failure, Handler, event_set, values};

use crate::contracts::payment::PaymentId;
use crate::contracts::{
    OrderId, OrderShipped, PaymentApproved, PaymentDeclined, RefundPayment, ReleaseStock, ReserveStock,
    ShipOrder, StockRejected, StockReserved, TakePayment,
};

/// An order's payment is called after it: asked twice, it is the same payment.
pub fn payment_of(order: &OrderId) -> PaymentId {
    let id: String = format!("pay-{}", order.as_str()).chars().take(60).collect();
    PaymentId::try_from(id).unwrap_or_else(|_| TakePayment::example().payment_id().clone())
}

event_set! {
    /// What the payment desk is asked.
    pub enum PaymentAsked { TakePayment, RefundPayment }
}

event_set! {
    /// What the warehouse is asked.
    pub enum StockAsked { ReserveStock, ReleaseStock }
}

/// Takes money and gives it back. It declines above 500.00, and never answers about 13.13.
pub struct PaymentDesk;

impl Handler<PaymentAsked> for PaymentDesk {
    async fn handle(&self, asked: PaymentAsked, cx: &mut Context<'_>) -> Result<(), Failure> {
        match asked {
            PaymentAsked::TakePayment(take) => {
                let (payment, order) = (take.payment_id().clone(), take.order_id().clone());
                let cents = i64::from(take.amount_cents());
                if cents == 1313 {
                    return Ok(());
                }
                if cents > 50_000 {
                    cx.emit(&PaymentDeclined::new(payment, order, "the card is declined".try_into()?));
                    return Ok(());
                }
                cx.execute(
                    "insert into payment (id, cents) values ($1, $2) on conflict (id) do nothing",
                    values![payment.as_str(), cents],
                );
                cx.emit(&PaymentApproved::new(payment, order));
            }
            PaymentAsked::RefundPayment(refund) => {
                cx.execute("delete from payment where id = $1", values![refund.payment_id().as_str()]);
            }
        }
        Ok(())
    }
}

/// Sets products aside. There are teapots, and nothing else.
pub struct Shelf;

impl Handler<StockAsked> for Shelf {
    async fn handle(&self, asked: StockAsked, cx: &mut Context<'_>) -> Result<(), Failure> {
        match asked {
            StockAsked::ReserveStock(reserve) if reserve.product_id().as_str() == "teapot" => {
                let order = reserve.order_id();
                cx.execute(
                    "insert into reservation (order_id) values ($1) on conflict (order_id) do nothing",
                    values![order.as_str()],
                );
                cx.emit(&StockReserved::new(order.clone()));
            }
            StockAsked::ReserveStock(reserve) => {
                let why = format!("no {} is left", reserve.product_id().as_str());
                cx.emit(&StockRejected::new(reserve.order_id().clone(), why.try_into()?));
            }
            StockAsked::ReleaseStock(release) => {
                cx.execute(
                    "delete from reservation where order_id = $1",
                    values![release.order_id().as_str()],
                );
            }
        }
        Ok(())
    }
}

/// Hands parcels to a carrier.
pub struct Dispatch;

impl Handler<ShipOrder> for Dispatch {
    async fn handle(&self, ship: ShipOrder, cx: &mut Context<'_>) -> Result<(), Failure> {
        let order = ship.order_id().clone();
        let tracking = format!("JD-{}", order.as_str());
        cx.emit(
            &OrderShipped::builder()
                .order_id(order)
                .tracking_number(tracking)
                .carrier("DHL")
                .estimated_delivery("2026-01-08".parse()?)
                .build()?,
        );
        Ok(())
    }
}

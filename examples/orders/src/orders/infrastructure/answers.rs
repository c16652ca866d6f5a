//! Hears what Payments and Stock say, and asks the order what it makes of it.

use factum::{Context, Failure, Handler};

use super::translation::money;
use crate::contracts::{PaymentApproved, PaymentDeclined, StockRejected, StockReserved};
use crate::orders::application::{decline_payment, reject_reservation, take_payment, take_reservation};
use crate::orders::domain::Reason;
use crate::values::{OrderId, PaymentId, ReservationId};

/// Hears the answers of Payments and Stock.
#[derive(Debug, Clone, Copy)]
pub struct Answers;

impl Handler<PaymentApproved> for Answers {
    async fn handle(&self, said: PaymentApproved, cx: &mut Context<'_>) -> Result<(), Failure> {
        let amount = money(said.approved_amount(), said.currency().as_str());
        // An amount that the currency cannot have is no order's total.
        let amount = amount.map_err(|error| Failure::reject("amount-differs").detail(error.to_string()))?;
        let payment = PaymentId::of(said.payment_id());
        take_payment(cx, OrderId::of(said.order_id()), payment, amount).await
    }
}

impl Handler<PaymentDeclined> for Answers {
    async fn handle(&self, said: PaymentDeclined, cx: &mut Context<'_>) -> Result<(), Failure> {
        decline_payment(cx, OrderId::of(said.order_id()), reason(said.reason().as_str())?).await
    }
}

impl Handler<StockReserved> for Answers {
    async fn handle(&self, said: StockReserved, cx: &mut Context<'_>) -> Result<(), Failure> {
        let reservation = ReservationId::of(said.reservation_id());
        take_reservation(cx, OrderId::of(said.order_id()), reservation).await
    }
}

impl Handler<StockRejected> for Answers {
    async fn handle(&self, said: StockRejected, cx: &mut Context<'_>) -> Result<(), Failure> {
        reject_reservation(cx, OrderId::of(said.order_id()), reason(said.reason().as_str())?).await
    }
}

/// The contract allows reasons of several lines; the domain's are one line.
fn reason(said: &str) -> Result<Reason, Failure> {
    let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.parse().map_err(|_| Failure::reject("reason-empty"))
}

//! Charges every order that is placed.

use factum::{Context, Failure, Handler, values};

use crate::contracts::order::OrderItem;
use crate::contracts::{OrderPlaced, PaymentApproved, PaymentDeclined};
use crate::payments::application::charge;
use crate::payments::domain::{Bill, Outcome};
use crate::simulation::Dial;
use crate::values::{Invalid, Money, OrderId, Quantity};

/// Charges every order that is placed, as the simulation is told to.
#[derive(Debug, Clone)]
pub struct Charges {
    dial: Dial,
}

impl Charges {
    /// Behaves as the dial says.
    #[must_use]
    pub fn new(dial: Dial) -> Self {
        Self { dial }
    }
}

impl Handler<OrderPlaced> for Charges {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        let bill =
            bill(&order).map_err(|error| Failure::reject("bill-unreadable").detail(error.to_string()))?;
        for outcome in charge(cx, &bill, self.dial.read()).await? {
            say(cx, bill.order, &outcome)?;
        }
        Ok(())
    }
}

fn bill(order: &OrderPlaced) -> Result<Bill, Invalid> {
    let currency = order.currency().as_str().parse()?;
    let line = |item: &OrderItem| {
        Ok((Money::new(item.price(), currency)?, Quantity::try_from(item.quantity().get())?))
    };
    Ok(Bill {
        order: OrderId::of(order.order_id()),
        lines: order.items().iter().map(line).collect::<Result<Vec<_>, Invalid>>()?,
        total: Money::new(order.total_amount(), currency)?,
    })
}

fn say(cx: &mut Context<'_>, order: OrderId, outcome: &Outcome) -> Result<(), Failure> {
    let now = cx.now();
    match outcome {
        Outcome::Approved { payment, amount } => {
            let row = values![
                order.to_string(),
                payment.to_string(),
                amount.amount().to_string(),
                amount.currency().as_str(),
                now.to_string()
            ];
            // An order that was cancelled first keeps its mark: what is approved then is owed back.
            cx.execute(include_str!("sql/approve.sql"), row);
            let approved = PaymentApproved::builder()
                .order_id(order.uuid())
                .payment_id(payment.uuid())
                .approved_amount(amount.amount())
                .currency(amount.currency().as_str())
                .timestamp(now);
            cx.emit(&approved.build()?);
        }
        Outcome::Declined { reason } => {
            let reason = (*reason).try_into()?;
            cx.emit(&PaymentDeclined::new(order.uuid(), reason, now));
        }
    }
    Ok(())
}

//! Remembers what placed orders want, and sets it aside when they are paid.

use factum::{Context, Failure, Handler, values};

use crate::contracts::stock::StockItem;
use crate::contracts::{OrderPaid, OrderPlaced, StockRejected, StockReserved};
use crate::simulation::Dial;
use crate::stock::application::{Occasion, answer};
use crate::stock::domain::{Outcome, Pick, Request};
use crate::values::{Invalid, OrderId, Quantity};

/// Answers for the goods of orders, as the simulation is told to.
#[derive(Debug, Clone)]
pub struct Reserves {
    dial: Dial,
}

impl Reserves {
    /// Behaves as the dial says.
    #[must_use]
    pub fn new(dial: Dial) -> Self {
        Self { dial }
    }
}

impl Handler<OrderPlaced> for Reserves {
    async fn handle(&self, placed: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        let request = request(&placed).map_err(unreadable)?;
        cx.execute(
            include_str!("sql/remember.sql"),
            values![request.order.to_string(), to_text(&request.picks)],
        );
        for outcome in answer(cx, request.order, Occasion::Placed, self.dial.read()).await? {
            say(cx, &request, &outcome)?;
        }
        Ok(())
    }
}

impl Handler<OrderPaid> for Reserves {
    async fn handle(&self, paid: OrderPaid, cx: &mut Context<'_>) -> Result<(), Failure> {
        let order = OrderId::of(paid.order_id());
        let rows = cx.query(include_str!("sql/wanted.sql"), &values![order.to_string()]).await?;
        let Some(row) = rows.first() else {
            return Err(Failure::reject("order-not-found").detail("paid, but never seen placed"));
        };
        let picks = from_text(&row.get::<String>("picks")?).map_err(unreadable)?;
        let request = Request { order, picks };
        for outcome in answer(cx, order, Occasion::Paid, self.dial.read()).await? {
            say(cx, &request, &outcome)?;
        }
        Ok(())
    }
}

fn unreadable(error: Invalid) -> Failure {
    Failure::reject("request-unreadable").detail(error.to_string())
}

fn request(placed: &OrderPlaced) -> Result<Request, Invalid> {
    let picks = placed.items().iter().map(|item| pick(item.product_id().as_str(), item.quantity().get()));
    Ok(Request { order: OrderId::of(placed.order_id()), picks: picks.collect::<Result<_, _>>()? })
}

fn pick(product: &str, quantity: i64) -> Result<Pick, Invalid> {
    Ok(Pick { product: product.parse()?, quantity: Quantity::try_from(quantity)? })
}

/// `2 teapot`, one pick a line: product ids hold neither spaces nor line ends.
fn to_text(picks: &[Pick]) -> String {
    let lines: Vec<String> = picks.iter().map(|pick| format!("{} {}", pick.quantity, pick.product)).collect();
    lines.join("\n")
}

fn from_text(text: &str) -> Result<Vec<Pick>, Invalid> {
    let line = |line: &str| {
        let invalid = || Invalid::new(line, "a quantity and a product");
        let (quantity, product) = line.split_once(' ').ok_or_else(invalid)?;
        pick(product, quantity.parse().map_err(|_| invalid())?)
    };
    text.lines().map(line).collect()
}

fn say(cx: &mut Context<'_>, request: &Request, outcome: &Outcome) -> Result<(), Failure> {
    let now = cx.now();
    let item = |pick: &Pick| -> Result<StockItem, Failure> {
        let quantity = i64::from(pick.quantity.number()).try_into()?;
        Ok(StockItem::new(pick.product.as_str().try_into()?, quantity))
    };
    let items = request.picks.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let order = request.order;
    match outcome {
        Outcome::Reserved { reservation } => {
            let row = values![order.to_string(), reservation.to_string(), now.to_string()];
            cx.execute(include_str!("sql/reserve.sql"), row);
            let reserved = StockReserved::new(order.uuid(), reservation.uuid(), items.try_into()?, now);
            cx.emit(&reserved);
        }
        Outcome::Rejected { reason } => {
            let rejected = StockRejected::new(order.uuid(), (*reason).try_into()?, items.try_into()?, now);
            cx.emit(&rejected);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_are_remembered_as_they_were() {
        let picks = vec![pick("teapot", 2).unwrap(), pick("cup", 1000).unwrap()];
        assert_eq!(from_text(&to_text(&picks)).unwrap(), picks);
        assert!(from_text("teapot").is_err());
    }
}

//! Orders' anti-corruption layer: domain events become events of the contracts, and those domain events.
//!
//! Two vocabularies meet here and nowhere else. The domain says *awaiting-payment*, the contract says `placed`; the
//! domain's placing carries the shipping address, `order.placed` does not. What Payments and Stock say becomes a value
//! of the domain here, or is refused.

use std::error::Error;

use factum::contract::rt::{self, Invalid as Unfit};
use factum::{
    Bytes, DecodeError, EncodeError, Envelope, Event as _, EventSet, EventType, Personal, Timestamp,
};
use rust_decimal::Decimal;

use crate::contracts::order::{CancelledBy as By, OrderItem, OrderStatus, PaymentMethod as Method};
use crate::contracts::{OrderCancelled, OrderPaid, OrderPlaced, StockReserved as Reserved};
use crate::orders::domain::{
    Cancelled, CancelledBy, Event, Line, Lines, Paid, PaymentMethod, Placed, Refund, Status, StockReserved,
};
use crate::values::{Money, OrderId, PaymentId, Quantity, ReservationId};

type Unreadable = Box<dyn Error + Send + Sync>;

impl EventSet for Event {
    fn types() -> Vec<EventType> {
        vec![OrderPlaced::TYPE, OrderPaid::TYPE, OrderCancelled::TYPE, Reserved::TYPE]
    }

    fn decode(event_type: &EventType, data: &Bytes) -> Result<Self, DecodeError> {
        let unreadable = |error: Unreadable| DecodeError::new(event_type, error);
        if event_type.name == OrderPlaced::TYPE.name {
            let said = OrderPlaced::decode(event_type, data)?;
            return hear_placed(&said).map(Self::Placed).map_err(unreadable);
        }
        if event_type.name == OrderPaid::TYPE.name {
            return hear_paid(&OrderPaid::decode(event_type, data)?).map(Self::Paid).map_err(unreadable);
        }
        if event_type.name == OrderCancelled::TYPE.name {
            let said = OrderCancelled::decode(event_type, data)?;
            return hear_cancelled(&said).map(Self::Cancelled).map_err(unreadable);
        }
        Ok(Self::StockReserved(hear_reserved(&Reserved::decode(event_type, data)?)))
    }

    fn encode(&self) -> Result<Envelope, EncodeError> {
        match self {
            Self::Placed(event) => Envelope::of(&say_placed(event).map_err(unfit::<OrderPlaced>)?),
            Self::Paid(event) => Envelope::of(&say_paid(event).map_err(unfit::<OrderPaid>)?),
            Self::Cancelled(event) => Envelope::of(&say_cancelled(event).map_err(unfit::<OrderCancelled>)?),
            Self::StockReserved(_) => Err(EncodeError {
                event: Reserved::TYPE.to_string(),
                source: "it is Stock's to say; Orders only hears it".into(),
            }),
        }
    }
}

fn unfit<E: factum::Event>(error: Unfit) -> EncodeError {
    EncodeError { event: E::TYPE.to_string(), source: error.into() }
}

/// What others are told of a placing: all but the shipping address, which is nobody else's affair.
fn say_placed(event: &Placed) -> Result<OrderPlaced, Unfit> {
    let item = |line: &Line| -> Result<OrderItem, Unfit> {
        let quantity = i64::from(line.quantity.number()).try_into()?;
        Ok(OrderItem::new(line.product.as_str().try_into()?, quantity, line.price.amount()))
    };
    let mut placed = OrderPlaced::builder();
    if let Some(email) = &event.email {
        placed = placed.email(rt::Email::try_from(email.as_str())?);
    }
    placed
        .order_id(event.order.uuid())
        .customer_id(event.customer.as_str())
        .items(event.lines.iter().map(item).collect::<Result<Vec<_>, _>>()?)
        .total_amount(event.lines.total().amount())
        .currency(event.lines.total().currency().as_str())
        .timestamp(written(event.at))
        .build()
}

/// The placing behind what was told; its shipping address is in the shipping records.
fn hear_placed(said: &OrderPlaced) -> Result<Placed, Unreadable> {
    let currency = said.currency().as_str().parse()?;
    let line = |item: &OrderItem| -> Result<Line, Unreadable> {
        Ok(Line {
            product: item.product_id().as_str().parse()?,
            quantity: Quantity::try_from(item.quantity().get())?,
            price: Money::new(item.price(), currency)?,
        })
    };
    let lines = Lines::new(said.items().iter().map(line).collect::<Result<Vec<_>, _>>()?)?;
    if lines.total().amount() != said.total_amount() {
        return Err(format!("items cost {}, not {}", lines.total(), said.total_amount()).into());
    }
    Ok(Placed {
        order: OrderId::of(said.order_id()),
        customer: said.customer_id().as_str().parse()?,
        // Forgotten is as good as never said.
        email: said.email().and_then(Personal::known).map(|email| email.as_str().parse()).transpose()?,
        lines,
        ship_to: None,
        at: moment(said.timestamp())?,
    })
}

fn say_paid(event: &Paid) -> Result<OrderPaid, Unfit> {
    OrderPaid::builder()
        .order_id(event.order.uuid())
        .payment_id(event.payment.uuid())
        .amount(event.amount.amount())
        .currency(event.amount.currency().as_str())
        .method(match event.method {
            PaymentMethod::Card => Method::Card,
            PaymentMethod::Bank => Method::Bank,
            PaymentMethod::Wallet => Method::Wallet,
        })
        .timestamp(written(event.at))
        .build()
}

fn hear_paid(said: &OrderPaid) -> Result<Paid, Unreadable> {
    Ok(Paid {
        order: OrderId::of(said.order_id()),
        payment: PaymentId::of(said.payment_id()),
        amount: money(said.amount(), said.currency().as_str())?,
        method: match said.method() {
            Method::Card => PaymentMethod::Card,
            Method::Bank => PaymentMethod::Bank,
            Method::Wallet => PaymentMethod::Wallet,
            Method::Unknown(word) => return Err(format!("means of payment {word:?} is not known").into()),
        },
        at: moment(said.timestamp())?,
    })
}

fn say_cancelled(event: &Cancelled) -> Result<OrderCancelled, Unfit> {
    let said = OrderCancelled::builder()
        .order_id(event.order.uuid())
        .reason(event.reason.as_str())
        .cancelled_by(match event.by {
            CancelledBy::Customer => By::Customer,
            CancelledBy::Shop => By::Shop,
            CancelledBy::Payments => By::Payments,
            CancelledBy::Stock => By::Stock,
        })
        .previous_status(match event.previous {
            Status::AwaitingPayment => OrderStatus::AwaitingPayment,
            Status::Paid => OrderStatus::Paid,
            Status::StockReserved => OrderStatus::StockReserved,
            // No order is cancelled twice; the contract leaves room for words to come.
            Status::Cancelled => OrderStatus::Unknown("cancelled".to_owned()),
        })
        .timestamp(written(event.at));
    let Some(refund) = event.refund else { return said.build() };
    let said = said.refund_amount(refund.amount);
    match refund.currency {
        Some(currency) => said.currency(currency.as_str()).build(),
        None => said.build(),
    }
}

fn hear_cancelled(said: &OrderCancelled) -> Result<Cancelled, Unreadable> {
    let refund = |amount| -> Result<Refund, Unreadable> {
        // The first version of the contract did not say the currency.
        let currency = said.currency().map(|currency| currency.as_str().parse()).transpose()?;
        Ok(Refund { amount, currency })
    };
    Ok(Cancelled {
        order: OrderId::of(said.order_id()),
        reason: said.reason().as_str().parse()?,
        by: match said.cancelled_by() {
            By::Customer => CancelledBy::Customer,
            By::Shop => CancelledBy::Shop,
            By::Payments => CancelledBy::Payments,
            By::Stock => CancelledBy::Stock,
            By::Unknown(word) => return Err(format!("{word:?} cancels no orders that are known").into()),
        },
        previous: match said.previous_status() {
            OrderStatus::AwaitingPayment => Status::AwaitingPayment,
            OrderStatus::Paid => Status::Paid,
            OrderStatus::StockReserved => Status::StockReserved,
            OrderStatus::Unknown(word) => return Err(format!("status {word:?} is not known").into()),
        },
        refund: said.refund_amount().map(refund).transpose()?,
        at: moment(said.timestamp())?,
    })
}

fn hear_reserved(said: &Reserved) -> StockReserved {
    StockReserved {
        order: OrderId::of(said.order_id()),
        reservation: ReservationId::of(said.reservation_id()),
        at: moment(said.timestamp()).unwrap_or_default(),
    }
}

/// An amount of a currency as another context says it.
///
/// # Errors
/// When there is no such amount of that currency.
pub fn money(amount: Decimal, currency: &str) -> Result<Money, Unreadable> {
    Ok(Money::new(amount, currency.parse()?)?)
}

fn written(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_microsecond())
}

fn moment(at: Timestamp) -> Result<jiff::Timestamp, Unreadable> {
    Ok(jiff::Timestamp::from_microsecond(at.as_micros())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::domain::Address;
    use uuid::Uuid;

    fn order() -> OrderId {
        OrderId::of(Uuid::from_u128(42))
    }

    fn at() -> jiff::Timestamp {
        "2026-01-05T10:00:00.25Z".parse().unwrap()
    }

    fn placing() -> Placed {
        let currency = "EUR".parse().unwrap();
        let line = |product: &str, quantity: i64, price: &str| Line {
            product: product.parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            price: Money::parse(price, currency).unwrap(),
        };
        Placed {
            order: order(),
            customer: "c-1".parse().unwrap(),
            lines: Lines::new(vec![line("teapot", 2, "10.50"), line("cup", 1, "3")]).unwrap(),
            email: "ada@example.org".parse().ok(),
            ship_to: Address::new("Lane 1", "Bonn", "53111", "DE").ok(),
            at: at(),
        }
    }

    fn there_and_back(event: &Event) -> Event {
        let envelope = event.encode().unwrap();
        assert_eq!(envelope.key, *order().to_string());
        Event::decode(&envelope.event_type, &envelope.data).unwrap()
    }

    #[test]
    fn a_placing_leaves_without_its_address_and_comes_back_without_it() {
        let event = Event::Placed(placing());
        let envelope = event.encode().unwrap();
        let json = std::str::from_utf8(&envelope.data).unwrap();
        for part in ["Lane", "Bonn", "53111", "DE", "ship", "address"] {
            assert!(!json.contains(part), "{part:?} is in {json}");
        }
        assert_eq!(
            json,
            r#"{"orderId":"00000000-0000-0000-0000-00000000002a","customerId":"c-1","email":"ada@example.org","items":[{"productId":"teapot","quantity":2,"price":"10.50"},{"productId":"cup","quantity":1,"price":"3.00"}],"totalAmount":"24.00","currency":"EUR","timestamp":"2026-01-05T10:00:00.25Z"}"#
        );
        assert_eq!(there_and_back(&event), Event::Placed(Placed { ship_to: None, ..placing() }));
    }

    #[test]
    fn every_own_event_comes_back_as_it_left() {
        let payment = PaymentId::of(Uuid::from_u128(7));
        let amount = Money::parse("24", "EUR".parse().unwrap()).unwrap();
        for method in [PaymentMethod::Card, PaymentMethod::Bank, PaymentMethod::Wallet] {
            let event = Event::Paid(Paid { order: order(), payment, amount, method, at: at() });
            assert_eq!(there_and_back(&event), event);
        }
        let all_by = [CancelledBy::Customer, CancelledBy::Shop, CancelledBy::Payments, CancelledBy::Stock];
        for by in all_by {
            for (previous, refund) in [
                (Status::AwaitingPayment, None),
                (Status::Paid, Some(Refund { amount: amount.amount(), currency: Some(amount.currency()) })),
                (Status::StockReserved, None),
            ] {
                let reason = "changed my mind".parse().unwrap();
                let event =
                    Event::Cancelled(Cancelled { order: order(), reason, by, previous, refund, at: at() });
                assert_eq!(there_and_back(&event), event);
            }
        }
    }

    #[test]
    fn the_contracts_examples_are_understood() {
        for envelope in [
            Envelope::of(&OrderPlaced::example()),
            Envelope::of(&OrderPaid::example()),
            Envelope::of(&OrderCancelled::example()),
            Envelope::of(&Reserved::example()),
        ] {
            let envelope = envelope.unwrap();
            Event::decode(&envelope.event_type, &envelope.data).unwrap();
        }
    }

    #[test]
    fn items_that_do_not_add_up_are_no_order() {
        let said = OrderPlaced::example().to_builder().total_amount(Decimal::ONE).build().unwrap();
        let envelope = Envelope::of(&said).unwrap();
        let error = Event::decode(&envelope.event_type, &envelope.data).unwrap_err();
        assert_eq!(error.source.to_string(), "items cost 21.00 EUR, not 1");
    }

    #[test]
    fn what_stock_says_is_heard_and_never_said() {
        let event = Event::StockReserved(StockReserved {
            order: order(),
            reservation: ReservationId::of(Uuid::nil()),
            at: at(),
        });
        assert!(event.encode().is_err());
    }
}

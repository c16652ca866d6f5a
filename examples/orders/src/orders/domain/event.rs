//! What happens to an order, in the domain's own types.
//!
//! The contract events are something else: `infrastructure::translation` maps one to the other, both ways.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Address, Lines, Status};
use crate::values::{Currency, CustomerId, Email, Invalid, Money, OrderId, PaymentId, ReservationId};

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A customer placed it.
    Placed(Placed),
    /// It was paid in full.
    Paid(Paid),
    /// Stock set its goods aside: Stock's fact, which the order hears.
    StockReserved(StockReserved),
    /// It will not be delivered.
    Cancelled(Cancelled),
}

impl Event {
    /// The order that it happened to.
    #[must_use]
    pub fn order(&self) -> OrderId {
        match self {
            Self::Placed(event) => event.order,
            Self::Paid(event) => event.order,
            Self::StockReserved(event) => event.order,
            Self::Cancelled(event) => event.order,
        }
    }
}

/// A customer placed an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub order: OrderId,
    /// Who ordered.
    pub customer: CustomerId,
    /// Where they are written to; gone when they asked to be forgotten.
    pub email: Option<Email>,
    /// What.
    pub lines: Lines,
    /// Where to; unknown when read from the log, which does not hold it: the shipping records do.
    pub ship_to: Option<Address>,
    /// When.
    pub at: Timestamp,
}

/// An order was paid in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The order.
    pub order: OrderId,
    /// By which payment.
    pub payment: PaymentId,
    /// How much: the order's total.
    pub amount: Money,
    /// By which means.
    pub method: PaymentMethod,
    /// When.
    pub at: Timestamp,
}

/// Stock set an order's goods aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockReserved {
    /// The order.
    pub order: OrderId,
    /// By which reservation.
    pub reservation: ReservationId,
    /// When.
    pub at: Timestamp,
}

/// An order will not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The order.
    pub order: OrderId,
    /// Why, in words.
    pub reason: Reason,
    /// Who said so.
    pub by: CancelledBy,
    /// What it was before.
    pub previous: Status,
    /// What is owed to the customer, when it was paid.
    pub refund: Option<Refund>,
    /// When.
    pub at: Timestamp,
}

/// What is owed to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refund {
    /// How much.
    pub amount: Decimal,
    /// In which currency: the order's, when it is not said.
    pub currency: Option<Currency>,
}

/// Means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentMethod {
    /// By card.
    Card,
    /// By bank transfer.
    Bank,
    /// From a wallet.
    Wallet,
}

/// Who had an order cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelledBy {
    /// The customer asked for it.
    Customer,
    /// Somebody who works in the shop.
    Shop,
    /// Payments declined it.
    Payments,
    /// Stock has not got the goods.
    Stock,
}

impl CancelledBy {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Shop => "shop",
            Self::Payments => "payments",
            Self::Stock => "stock",
        }
    }
}

/// Why something was declined, rejected or cancelled: one line of text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason(String);

impl Reason {
    /// The rule in words.
    pub const EXPECTED: &'static str = "1 to 200 characters on one line";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(text, Self::EXPECTED))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

//! The order itself: its state, how events change it, what commands make of it.
//!
//! `docs/transitions.md` is printed from this code by `tests/transitions.rs`, which asks every state every question.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{
    Cancelled, CancelledBy, Command, Event, Paid, PaymentMethod, Placed, Placing, Reason, Refund, Refusal,
    StockReserved,
};
use crate::values::{Invalid, Money, OrderId, PaymentId, ReservationId};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Placed; Payments has not answered.
    AwaitingPayment,
    /// Paid; Stock has not answered.
    Paid,
    /// Its goods are set aside; final.
    StockReserved,
    /// It will not be delivered; final.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::AwaitingPayment, Self::Paid, Self::StockReserved, Self::Cancelled];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting-payment",
            Self::Paid => "paid",
            Self::StockReserved => "stock-reserved",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more becomes of the order.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::StockReserved | Self::Cancelled)
    }
}

impl FromStr for Status {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| Invalid::new(text, "awaiting-payment, paid, stock-reserved or cancelled"))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An order, as far as its events tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// Nothing has happened yet.
    #[default]
    Unplaced,
    /// It was placed.
    Placed(Facts),
}

/// What is known of an order: only what decisions need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its identity.
    pub order: OrderId,
    /// What it costs.
    pub total: Money,
    /// Where it stands.
    pub status: Status,
    /// By which payment it was paid.
    pub payment: Option<PaymentId>,
    /// Under which reservation its goods are.
    pub reservation: Option<ReservationId>,
    /// Who had it cancelled.
    pub cancelled_by: Option<CancelledBy>,
}

impl Order {
    /// The order after an event.
    #[must_use]
    pub fn evolve(self, event: &Event) -> Self {
        match (self, event) {
            (Self::Unplaced, Event::Placed(placed)) => Self::Placed(Facts {
                order: placed.order,
                total: placed.lines.total(),
                status: Status::AwaitingPayment,
                payment: None,
                reservation: None,
                cancelled_by: None,
            }),
            (Self::Placed(facts), Event::Paid(paid)) => {
                Self::Placed(Facts { status: Status::Paid, payment: Some(paid.payment), ..facts })
            }
            // Stock speaks when it likes: what it reserves for an order that is not paid, the order does not take.
            (Self::Placed(facts), Event::StockReserved(reserved)) if facts.status == Status::Paid => {
                let reservation = Some(reserved.reservation);
                Self::Placed(Facts { status: Status::StockReserved, reservation, ..facts })
            }
            (Self::Placed(facts), Event::Cancelled(cancelled)) => {
                let cancelled_by = Some(cancelled.by);
                Self::Placed(Facts { status: Status::Cancelled, cancelled_by, ..facts })
            }
            // A stream begins with its placing and holds no second one: `decide` sees to it.
            (order, _) => order,
        }
    }

    /// What happens because of a command; nothing, when it has happened already.
    ///
    /// # Errors
    /// Why the command is refused.
    pub fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        match (self, command) {
            (Self::Unplaced, Command::Place(placing)) => Ok(vec![place(placing)]),
            (Self::Unplaced, _) => Err(Refusal::OrderNotFound),
            (Self::Placed(facts), command) => facts.decide(command),
        }
    }
}

fn place(placing: Placing) -> Event {
    let Placing { order, customer, email, lines, ship_to, at } = placing;
    Event::Placed(Placed { order, customer, email, lines, ship_to: Some(ship_to), at })
}

impl Facts {
    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Place(_) => Err(Refusal::OrderExists),
            Command::TakePayment { payment, amount, at } => self.take_payment(payment, amount, at),
            Command::DeclinePayment { reason, at } => self.decline_payment(reason, at),
            Command::TakeReservation { reservation, at } => self.take_reservation(reservation, at),
            Command::RejectReservation { reason, at } => self.reject_reservation(reason, at),
            Command::Cancel { reason, at } => self.cancel(reason, at),
        }
    }

    fn take_payment(&self, payment: PaymentId, amount: Money, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        if self.payment == Some(payment) {
            return Ok(vec![]);
        }
        if self.status != Status::AwaitingPayment {
            return Err(Refusal::NotAwaitingPayment { status: self.status });
        }
        if amount != self.total {
            return Err(Refusal::AmountDiffers { found: amount, total: self.total });
        }
        // What Payments says names no means of payment; the shop takes cards.
        let method = PaymentMethod::Card;
        Ok(vec![Event::Paid(Paid { order: self.order, payment, amount, method, at })])
    }

    fn decline_payment(&self, reason: Reason, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match self.status {
            Status::AwaitingPayment => Ok(self.cancelled(reason, CancelledBy::Payments, at)),
            Status::Cancelled if self.cancelled_by == Some(CancelledBy::Payments) => Ok(vec![]),
            status => Err(Refusal::NotAwaitingPayment { status }),
        }
    }

    fn take_reservation(&self, reservation: ReservationId, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        if self.reservation == Some(reservation) {
            return Ok(vec![]);
        }
        if self.status != Status::Paid {
            return Err(Refusal::NotPaid { status: self.status });
        }
        Ok(vec![Event::StockReserved(StockReserved { order: self.order, reservation, at })])
    }

    fn reject_reservation(&self, reason: Reason, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match self.status {
            // Goods that are not there cannot be sent, paid or not.
            Status::AwaitingPayment | Status::Paid => Ok(self.cancelled(reason, CancelledBy::Stock, at)),
            Status::Cancelled if self.cancelled_by == Some(CancelledBy::Stock) => Ok(vec![]),
            status => Err(Refusal::NotPaid { status }),
        }
    }

    fn cancel(&self, reason: Reason, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match self.status {
            Status::AwaitingPayment | Status::Paid => Ok(self.cancelled(reason, CancelledBy::Customer, at)),
            Status::StockReserved => Err(Refusal::TooLateToCancel),
            Status::Cancelled => Ok(vec![]),
        }
    }

    fn cancelled(&self, reason: Reason, by: CancelledBy, at: Timestamp) -> Vec<Event> {
        let owed = || Refund { amount: self.total.amount(), currency: Some(self.total.currency()) };
        let refund = (self.status == Status::Paid).then(owed);
        let order = self.order;
        vec![Event::Cancelled(Cancelled { order, reason, by, previous: self.status, refund, at })]
    }
}

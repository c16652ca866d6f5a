//! What can be asked of an order.

use jiff::Timestamp;

use super::{Address, Lines, Reason};
use crate::values::{CustomerId, Email, Money, OrderId, PaymentId, ReservationId};

/// What can be asked of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Place(Placing),
    /// Take a payment that Payments approved.
    TakePayment {
        /// Its identity.
        payment: PaymentId,
        /// How much was approved.
        amount: Money,
        /// When it is taken.
        at: Timestamp,
    },
    /// Give it up because Payments declined.
    DeclinePayment {
        /// What Payments said.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
    /// Note that Stock has set the goods aside.
    TakeReservation {
        /// Its identity.
        reservation: ReservationId,
        /// When it is noted.
        at: Timestamp,
    },
    /// Give it up because Stock has not got the goods.
    RejectReservation {
        /// What Stock said.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
    /// Give it up because the customer wants to.
    Cancel {
        /// What the customer said.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
}

/// An order to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// Its identity.
    pub order: OrderId,
    /// Who orders.
    pub customer: CustomerId,
    /// Where they are written to.
    pub email: Option<Email>,
    /// What.
    pub lines: Lines,
    /// Where to.
    pub ship_to: Address,
    /// When.
    pub at: Timestamp,
}

//! Why a command is refused: each reason has a name that operators filter by.

use super::Status;
use crate::values::Money;

/// Why a command is refused; final, never tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such order.
    #[error("there is no such order")]
    OrderNotFound,
    /// There is such an order already.
    #[error("the order exists already")]
    OrderExists,
    /// A payment's answer came for an order that does not wait for one.
    #[error("the order is {status}, not awaiting-payment")]
    NotAwaitingPayment {
        /// What it is.
        status: Status,
    },
    /// A payment is of another amount or currency than the order's total.
    #[error("{found} was approved, the order's total is {total}")]
    AmountDiffers {
        /// What was approved.
        found: Money,
        /// What the order costs.
        total: Money,
    },
    /// Stock's answer came for an order that is not paid.
    #[error("the order is {status}, not paid")]
    NotPaid {
        /// What it is.
        status: Status,
    },
    /// The goods are set aside; it can no longer be cancelled.
    #[error("the order's goods are reserved, it can no longer be cancelled")]
    TooLateToCancel,
}

impl Refusal {
    /// The reason's name, under which refused events are found.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OrderNotFound => "order-not-found",
            Self::OrderExists => "order-exists",
            Self::NotAwaitingPayment { .. } => "not-awaiting-payment",
            Self::AmountDiffers { .. } => "amount-differs",
            Self::NotPaid { .. } => "not-paid",
            Self::TooLateToCancel => "too-late-to-cancel",
        }
    }
}

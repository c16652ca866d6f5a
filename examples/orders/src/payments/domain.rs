//! What Payments makes of a bill: pure rules.

use crate::values::{Money, OrderId, PaymentId, Quantity};

/// What an order is to be paid for, as Payments sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The order.
    pub order: OrderId,
    /// Prices and how often each.
    pub lines: Vec<(Money, Quantity)>,
    /// What is to be paid.
    pub total: Money,
}

/// What the payer's bank says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bank {
    /// The money is there.
    Pays,
    /// It is not.
    Declines,
}

/// What becomes of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was paid.
    Approved {
        /// By which payment.
        payment: PaymentId,
        /// How much.
        amount: Money,
    },
    /// It was not paid.
    Declined {
        /// Why.
        reason: &'static str,
    },
}

/// Why a bill whose lines do not add up to its total is declined.
pub const TOTAL_DIFFERS: &str = "the items do not add up to the order's total";
/// Why a bill is declined that the bank does not pay.
pub const INSUFFICIENT_FUNDS: &str = "insufficient funds";

/// Settles a bill; one whose lines do not add up is declined whatever the bank says.
#[must_use]
pub fn settle(bill: &Bill, bank: Bank, payment: PaymentId) -> Outcome {
    let zero = Money::zero(bill.total.currency());
    let sum = bill.lines.iter().try_fold(zero, |sum, (price, quantity)| sum.plus(&price.times(*quantity)?));
    if sum != Some(bill.total) {
        return Outcome::Declined { reason: TOTAL_DIFFERS };
    }
    match bank {
        Bank::Pays => Outcome::Approved { payment, amount: bill.total },
        Bank::Declines => Outcome::Declined { reason: INSUFFICIENT_FUNDS },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str) -> Money {
        Money::parse(amount, "EUR".parse().unwrap()).unwrap()
    }

    fn bill(total: &str) -> Bill {
        let order = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c".parse().unwrap();
        Bill { order, lines: vec![(money("10.50"), 2.try_into().unwrap())], total: money(total) }
    }

    #[test]
    fn a_bill_that_adds_up_is_paid_in_full() {
        let payment = PaymentId::of(uuid::Uuid::from_u128(1));
        let outcome = settle(&bill("21.00"), Bank::Pays, payment);
        assert_eq!(outcome, Outcome::Approved { payment, amount: money("21.00") });
    }

    #[test]
    fn a_bill_that_does_not_add_up_is_declined() {
        let outcome = settle(&bill("20.00"), Bank::Pays, PaymentId::of(uuid::Uuid::nil()));
        assert_eq!(outcome, Outcome::Declined { reason: TOTAL_DIFFERS });
    }

    #[test]
    fn the_bank_has_the_last_word() {
        let outcome = settle(&bill("21.00"), Bank::Declines, PaymentId::of(uuid::Uuid::nil()));
        assert_eq!(outcome, Outcome::Declined { reason: INSUFFICIENT_FUNDS });
    }
}

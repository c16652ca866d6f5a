//! What Stock makes of a request: pure rules.

use crate::values::{OrderId, ProductId, Quantity, ReservationId};

/// So many of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// What.
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// What an order wants from the shelves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The order.
    pub order: OrderId,
    /// What it wants.
    pub picks: Vec<Pick>,
}

/// What the shelves hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelves {
    /// Enough of everything.
    Full,
    /// Nothing.
    Empty,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The goods are set aside.
    Reserved {
        /// Under which reservation.
        reservation: ReservationId,
    },
    /// They are not.
    Rejected {
        /// Why.
        reason: &'static str,
    },
}

/// Why a request is rejected when the shelves are empty.
pub const OUT_OF_STOCK: &str = "out of stock";

/// Sets goods aside, all or none.
#[must_use]
pub fn reserve(shelves: Shelves, reservation: ReservationId) -> Outcome {
    match shelves {
        Shelves::Full => Outcome::Reserved { reservation },
        Shelves::Empty => Outcome::Rejected { reason: OUT_OF_STOCK },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing_is_set_aside() {
        let reservation = ReservationId::of(uuid::Uuid::nil());
        assert_eq!(reserve(Shelves::Full, reservation), Outcome::Reserved { reservation });
        assert_eq!(reserve(Shelves::Empty, reservation), Outcome::Rejected { reason: OUT_OF_STOCK });
    }
}

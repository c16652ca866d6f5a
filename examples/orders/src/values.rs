//! The values that all three contexts agree on: money, ids, quantities.
//!
//! A value that has rules checks them once, where it is built, so that no code behind it asks again. Pure: nothing
//! here knows of events, stores or HTTP.

mod email;
mod id;
mod money;
mod quantity;

pub use email::Email;
pub use id::{CustomerId, OrderId, PaymentId, ProductId, ReservationId};
pub use money::{Currency, Money};
pub use quantity::Quantity;

/// Text or a number that breaks the rules of the value it was to become.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not valid: expected {expected}")]
pub struct Invalid {
    /// What was found, cut to 80 characters.
    pub found: String,
    /// The rule in words.
    pub expected: &'static str,
}

impl Invalid {
    /// Most characters of what was found that an error repeats.
    const FOUND_CHARS_MAX: usize = 80;

    /// What was found against what was expected.
    #[must_use]
    pub fn new(found: &str, expected: &'static str) -> Self {
        Self { found: found.chars().take(Self::FOUND_CHARS_MAX).collect(), expected }
    }
}

//! How many of a product.

use std::fmt;

use super::Invalid;

/// How many of a product; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u32);

impl Quantity {
    /// Most of one product in one line: more is a typing error or another kind of business.
    pub const MAX: u32 = 1_000;
    /// The rule in words.
    pub const EXPECTED: &'static str = "a whole number from 1 to 1000";

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = Invalid;

    fn try_from(number: i64) -> Result<Self, Invalid> {
        match u32::try_from(number) {
            Ok(number) if (1..=Self::MAX).contains(&number) => Ok(Self(number)),
            _ => Err(Invalid::new(&number.to_string(), Self::EXPECTED)),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_too_many_cannot_be_built() {
        for bad in [i64::MIN, -1, 0, 1_001, i64::MAX] {
            assert!(Quantity::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Quantity::try_from(1_000).unwrap().number(), 1_000);
    }
}

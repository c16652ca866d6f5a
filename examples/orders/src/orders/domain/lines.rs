//! What is ordered: lines with one currency and a total that always fits.

use crate::values::{Money, ProductId, Quantity};

/// So many of a product at a price each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub price: Money,
}

/// The lines of one order: at least one, of one currency, with their total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    lines: Vec<Line>,
    total: Money,
}

/// Lines that do not make an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinesInvalid {
    /// There are none, or too many.
    #[error("expected 1 to {max} items, found {found}", max = Lines::COUNT_MAX)]
    Count {
        /// How many there are.
        found: usize,
    },
    /// Not all prices are of one currency.
    #[error("expected prices of one currency")]
    Currencies,
    /// The total is over the largest amount.
    #[error("the total is over {max}", max = Money::AMOUNT_MAX)]
    Total,
}

impl Lines {
    /// Most lines of one order, so that its event stays far below the size limit.
    pub const COUNT_MAX: usize = 100;

    /// Lines that make an order.
    ///
    /// # Errors
    /// When there are none or too many, when currencies are mixed, or the total is over the largest amount.
    pub fn new(lines: Vec<Line>) -> Result<Self, LinesInvalid> {
        let currency = match lines.first() {
            Some(first) if lines.len() <= Self::COUNT_MAX => first.price.currency(),
            _ => return Err(LinesInvalid::Count { found: lines.len() }),
        };
        if lines.iter().any(|line| line.price.currency() != currency) {
            return Err(LinesInvalid::Currencies);
        }
        let total = lines
            .iter()
            .try_fold(Money::zero(currency), |sum, line| sum.plus(&line.price.times(line.quantity)?));
        Ok(Self { total: total.ok_or(LinesInvalid::Total)?, lines })
    }

    /// What they cost together.
    #[must_use]
    pub fn total(&self) -> Money {
        self.total
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: i64, price: &str, currency: &str) -> Line {
        Line {
            product: "p-1".parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            price: Money::parse(price, currency.parse().unwrap()).unwrap(),
        }
    }

    #[test]
    fn the_total_is_exact() {
        let lines = Lines::new(vec![line(3, "0.10", "EUR"), line(2, "10.50", "EUR")]).unwrap();
        assert_eq!(lines.total().to_string(), "21.30 EUR");
    }

    #[test]
    fn lines_that_do_not_make_an_order_cannot_be_built() {
        assert_eq!(Lines::new(vec![]), Err(LinesInvalid::Count { found: 0 }));
        assert_eq!(Lines::new(vec![line(1, "1", "EUR"); 101]), Err(LinesInvalid::Count { found: 101 }));
        let mixed = vec![line(1, "1", "EUR"), line(1, "1", "USD")];
        assert_eq!(Lines::new(mixed), Err(LinesInvalid::Currencies));
        assert_eq!(Lines::new(vec![line(2, "900000000000", "EUR")]), Err(LinesInvalid::Total));
    }
}

//! Money: a decimal amount in a currency, never a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::{Invalid, Quantity};

/// Three letters of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// What a well-formed one looks like.
    pub const EXPECTED: &'static str = "three capital letters such as EUR";

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("capital letters are UTF-8")
    }

    /// How many digits its smallest unit takes after the point: two for most, none for yen, three for dinars.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(Invalid::new(text, Self::EXPECTED)),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An amount of a currency, from nothing up to a trillion, with no more digits than the currency has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// Largest amount, so that sums of orders stay far from the type's limits.
    pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
    /// The rule in words.
    pub const EXPECTED: &'static str = "an amount from 0 to 1000000000000 as text such as \"10.50\", with no more decimals than its currency has";

    /// An amount of a currency.
    ///
    /// # Errors
    /// When the amount is negative, too large, or finer than the currency's smallest unit.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, Invalid> {
        let mut rescaled = amount.normalize();
        let is_good = !amount.is_sign_negative() || amount.is_zero();
        let fits = amount <= Decimal::from(Self::AMOUNT_MAX) && rescaled.scale() <= currency.minor_digits();
        if !(is_good && fits) {
            return Err(Invalid::new(&amount.to_string(), Self::EXPECTED));
        }
        rescaled.rescale(currency.minor_digits());
        Ok(Self { amount: rescaled.abs(), currency })
    }

    /// Reads an amount such as `10.50`: digits and at most one point, nothing else.
    ///
    /// # Errors
    /// When the text is anything else, or the amount cannot be of that currency.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, Invalid> {
        let (whole, decimals) = amount.split_once('.').unwrap_or((amount, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if amount.len() > 24 || !is_digits(whole) || !is_digits(decimals) {
            return Err(Invalid::new(amount, Self::EXPECTED));
        }
        let parsed = amount.parse::<Decimal>().map_err(|_| Invalid::new(amount, Self::EXPECTED))?;
        Self::new(parsed, currency)
    }

    /// Nothing.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let mut amount = Decimal::ZERO;
        amount.rescale(currency.minor_digits());
        Self { amount, currency }
    }

    /// The amount, with as many decimals as the currency has.
    #[must_use]
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The sum; `None` when the currencies differ or it is over the maximum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Self::new(self.amount.checked_add(other.amount)?, self.currency).ok()
    }

    /// So many times as much; `None` when it is over the maximum.
    #[must_use]
    pub fn times(&self, quantity: Quantity) -> Option<Self> {
        Self::new(self.amount.checked_mul(quantity.number().into())?, self.currency).ok()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.amount, self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Result<Money, Invalid> {
        Money::parse(amount, currency.parse().unwrap())
    }

    #[test]
    fn an_amount_that_is_no_plain_decimal_cannot_be_built() {
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "1,5", " 1", "0x1", "1.2.3", "NaN"] {
            assert!(money(bad, "EUR").is_err(), "{bad:?}");
        }
        for bad in ["1000000000000.01", "0.001", "99999999999999999999999999999999"] {
            assert!(money(bad, "EUR").is_err(), "{bad:?}");
        }
        assert!(Money::new(Decimal::NEGATIVE_ONE, "EUR".parse().unwrap()).is_err());
    }

    #[test]
    fn amounts_carry_as_many_decimals_as_their_currency() {
        assert_eq!(money("10.5", "EUR").unwrap().to_string(), "10.50 EUR");
        assert_eq!(money("10.5000", "EUR").unwrap(), money("10.50", "EUR").unwrap());
        assert_eq!(money("10.0", "JPY").unwrap().to_string(), "10 JPY");
        assert!(money("10.5", "JPY").is_err());
        assert_eq!(money("1.234", "KWD").unwrap().to_string(), "1.234 KWD");
    }

    #[test]
    fn currencies_do_not_add_up() {
        let (euros, dollars) = (money("1", "EUR").unwrap(), money("1", "USD").unwrap());
        assert_eq!(euros.plus(&dollars), None);
        assert_eq!(euros.plus(&euros).unwrap().to_string(), "2.00 EUR");
    }

    #[test]
    fn sums_stop_at_the_maximum() {
        let most = money("1000000000000", "EUR").unwrap();
        assert_eq!(most.plus(&most), None);
        assert_eq!(most.times(2.try_into().unwrap()), None);
        let thrice = money("0.10", "EUR").unwrap().times(3.try_into().unwrap()).unwrap();
        assert_eq!(thrice.to_string(), "0.30 EUR");
    }

    #[test]
    fn a_malformed_currency_cannot_be_built() {
        for bad in ["", "eur", "EU", "EURO", "E R", "ÉUR"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?}");
        }
    }
}

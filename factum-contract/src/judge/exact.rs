//! Exact decimal numbers, as JSON writes them.
//!
//! Bounds such as 9007199254740993 or 0.1 have no exact double; rounding them would turn a breaking change into a
//! compatible one. Whatever does not fit is `None`, which callers turn into "unknown", never into a guess.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

/// Most digits a number may have; leaves room to align two of them in 128 bits.
const DIGITS_MAX: usize = 34;

/// `digits × 10^exponent`, without trailing zeros in `digits`: equal numbers are equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Exact {
    digits: i128,
    exponent: i32,
}

impl Exact {
    pub(super) const ZERO: Self = Self { digits: 0, exponent: 0 };
    pub(super) const ONE: Self = Self { digits: 1, exponent: 0 };

    pub(super) fn of(number: &Number) -> Option<Self> {
        parse(&number.to_string())
    }

    pub(super) fn whole(digits: i128) -> Option<Self> {
        normal(digits, 0)
    }

    pub(super) fn is_positive(self) -> bool {
        self.digits > 0
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        let sign = self.digits.signum().cmp(&other.digits.signum());
        if sign != Ordering::Equal || self.digits == 0 {
            return sign;
        }
        let by_magnitude = self.magnitude().cmp(&other.magnitude());
        let absolute = if by_magnitude == Ordering::Equal {
            // Equal magnitudes differ in exponent by less than the digits there are, so alignment fits.
            match self.aligned(other) {
                Some((a, b, _)) => a.abs().cmp(&b.abs()),
                None => Ordering::Equal,
            }
        } else {
            by_magnitude
        };
        if self.digits > 0 { absolute } else { absolute.reverse() }
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (a, b, exponent) = self.aligned(other)?;
        normal(a.checked_add(b)?, exponent)
    }

    pub(super) fn half(self) -> Option<Self> {
        normal(self.digits.checked_mul(5)?, self.exponent.checked_sub(1)?)
    }

    pub(super) fn times(self, factor: i128) -> Option<Self> {
        normal(self.digits.checked_mul(factor)?, self.exponent)
    }

    /// How often `step` goes into this, rounded down, and whether that is exact.
    pub(super) fn over(self, step: Self) -> Option<(i128, bool)> {
        let (a, b, _) = self.aligned(step)?;
        (b > 0).then(|| (a.div_euclid(b), a.rem_euclid(b) == 0))
    }

    /// The smallest number that both go into.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let (a, b, exponent) = self.aligned(other)?;
        let product = (a / gcd(a, b)).checked_mul(b)?;
        normal(product, exponent)
    }

    /// The same as JSON, when JSON can hold it exactly.
    pub(super) fn to_value(self) -> Option<Value> {
        let text = self.to_string();
        let value: Value = serde_json::from_str(&text).ok()?;
        let Value::Number(number) = &value else { return None };
        (Self::of(number)? == self).then_some(value)
    }

    /// Decimal places before the point that the number takes.
    fn magnitude(self) -> i64 {
        let mut count = 0;
        let mut rest = self.digits.unsigned_abs();
        while rest > 0 {
            rest /= 10;
            count += 1;
        }
        count + i64::from(self.exponent)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, i32)> {
        if self.digits == 0 {
            return Some((0, other.digits, other.exponent));
        }
        if other.digits == 0 {
            return Some((self.digits, 0, self.exponent));
        }
        let exponent = self.exponent.min(other.exponent);
        let lift = |number: Self| {
            let places = u32::try_from(number.exponent - exponent).ok()?;
            number.digits.checked_mul(10_i128.checked_pow(places)?)
        };
        Some((lift(self)?, lift(other)?, exponent))
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (0..=18).contains(&self.exponent) {
            let factor = 10_i128.pow(self.exponent.unsigned_abs());
            if let Some(whole) = self.digits.checked_mul(factor) {
                return write!(f, "{whole}");
            }
        }
        if (-18..0).contains(&self.exponent) {
            let places = self.exponent.unsigned_abs() as usize;
            let sign = if self.digits < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", self.digits.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            return write!(f, "{sign}{whole}.{fraction}");
        }
        write!(f, "{}e{}", self.digits, self.exponent)
    }
}

fn parse(text: &str) -> Option<Exact> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{}", fraction.trim_end_matches('0'));
    let places = i32::try_from(fraction.trim_end_matches('0').len()).ok()?;
    normal(digits.parse().ok()?, exponent.checked_sub(places)?)
}

fn normal(mut digits: i128, mut exponent: i32) -> Option<Exact> {
    if digits == 0 {
        return Some(Exact::ZERO);
    }
    while digits % 10 == 0 {
        digits /= 10;
        exponent = exponent.checked_add(1)?;
    }
    let is_short = digits.unsigned_abs() < 10_u128.pow(DIGITS_MAX as u32);
    (is_short && exponent.abs() < 1_000).then_some(Exact { digits, exponent })
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        parse(text).expect("a number that fits")
    }

    #[test]
    fn judge_numbers_compare_without_rounding() {
        let ordered = [
            "-1e300",
            "-2",
            "-0.5",
            "0",
            "0.1",
            "0.11",
            "1",
            "9007199254740992",
            "9007199254740993",
            "1e300",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(exact(pair[0]).compare(exact(pair[1])), Ordering::Less, "{pair:?}");
            assert_eq!(exact(pair[1]).compare(exact(pair[0])), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(exact("1.0"), exact("1"));
        assert_eq!(exact("10e-1"), exact("1"));
    }

    #[test]
    fn judge_numbers_print_as_json_reads_them() {
        for text in ["0.05", "-0.5", "1200", "1.5", "1e30", "-7"] {
            let number = exact(text);
            assert_eq!(parse(&number.to_string()), Some(number), "{text}");
            assert!(number.to_value().is_some(), "{text}");
        }
    }

    #[test]
    fn judge_numbers_divide_by_steps() {
        assert_eq!(exact("0.3").over(exact("0.1")), Some((3, true)));
        assert_eq!(exact("-1").over(exact("2")), Some((-1, false)));
        assert_eq!(exact("1.5").common(exact("1")), Some(exact("3")));
    }
}

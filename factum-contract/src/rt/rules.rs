//! The bounds of generated types, as constants.

use std::sync::OnceLock;

use super::{Decimal, Invalid, quoted};
use crate::schema::Format;
use crate::validate::format;
use crate::validate::pattern::{self, Pattern};

/// Bounds of a text.
#[derive(Debug)]
pub struct TextRule {
    name: &'static str,
    format: Option<Format>,
    pattern: Option<&'static str>,
    compiled: OnceLock<Option<Pattern>>,
    length_min: usize,
    length_max: usize,
    bytes_max: Option<usize>,
}

impl TextRule {
    /// Any text; `name` is what errors call it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            format: None,
            pattern: None,
            compiled: OnceLock::new(),
            length_min: 0,
            length_max: usize::MAX,
            bytes_max: None,
        }
    }

    /// Text of a format.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Text that matches a pattern.
    #[must_use]
    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Text of at least this many characters.
    #[must_use]
    pub const fn length_min(mut self, length: usize) -> Self {
        self.length_min = length;
        self
    }

    /// Text of at most this many characters.
    #[must_use]
    pub const fn length_max(mut self, length: usize) -> Self {
        self.length_max = length;
        self
    }

    /// Text that can be a tag or key: not empty, no control characters, at most this many bytes.
    #[must_use]
    pub const fn identifier(mut self, bytes_max: usize) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }

    /// Checks a text.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check(&self, text: &str) -> Result<(), Invalid> {
        let refuse = |expected: String| Err(Invalid::new(self.name, expected, quoted(text)));
        // A character has one to four bytes, so most texts need not be counted.
        if text.len() > self.length_max || text.len().div_ceil(4) < self.length_min {
            let length = text.chars().count();
            if length < self.length_min {
                return refuse(format!("at least {} characters", self.length_min));
            }
            if length > self.length_max {
                return refuse(format!("at most {} characters", self.length_max));
            }
        }
        if let Some(max) = self.bytes_max
            && (text.is_empty() || text.len() > max || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f))
        {
            return refuse(format!("1 to {max} bytes without control characters"));
        }
        if let Some(format) = self.format
            && !format::is(format, text)
        {
            return refuse(format::expected(format).to_owned());
        }
        let Some(source) = self.pattern else { return Ok(()) };
        match self.compiled.get_or_init(|| pattern::compile(source).ok()) {
            Some(pattern) if pattern.is_match(text) => Ok(()),
            _ => refuse(format!("text that matches {source}")),
        }
    }

    /// Checks a decimal number, as it is written.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check_decimal(&self, value: Decimal) -> Result<(), Invalid> {
        self.check(&value.to_string())
    }
}

/// Bounds of a whole number.
#[derive(Debug)]
pub struct IntegerRule {
    name: &'static str,
    min: i64,
    max: i64,
    multiple_of: i64,
}

impl IntegerRule {
    /// Any whole number of 64 bits; `name` is what errors call it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, min: i64::MIN, max: i64::MAX, multiple_of: 1 }
    }

    /// At least this.
    #[must_use]
    pub const fn min(mut self, min: i64) -> Self {
        self.min = min;
        self
    }

    /// At most this.
    #[must_use]
    pub const fn max(mut self, max: i64) -> Self {
        self.max = max;
        self
    }

    /// A multiple of this, which is 1 or more.
    #[must_use]
    pub const fn multiple_of(mut self, multiple_of: i64) -> Self {
        self.multiple_of = multiple_of;
        self
    }

    /// Checks a number.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check(&self, value: i64) -> Result<(), Invalid> {
        let refuse = |expected: String| Err(Invalid::new(self.name, expected, value.to_string()));
        if value < self.min {
            return refuse(format!("at least {}", self.min));
        }
        if value > self.max {
            return refuse(format!("at most {}", self.max));
        }
        if value % self.multiple_of.max(1) != 0 {
            return refuse(format!("a multiple of {}", self.multiple_of));
        }
        Ok(())
    }
}

/// Bounds of a number.
#[derive(Debug)]
pub struct NumberRule {
    name: &'static str,
    min: f64,
    max: f64,
    above: Option<f64>,
    below: Option<f64>,
}

impl NumberRule {
    /// Any finite number; `name` is what errors call it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, min: f64::MIN, max: f64::MAX, above: None, below: None }
    }

    /// At least this.
    #[must_use]
    pub const fn min(mut self, min: f64) -> Self {
        self.min = min;
        self
    }

    /// At most this.
    #[must_use]
    pub const fn max(mut self, max: f64) -> Self {
        self.max = max;
        self
    }

    /// More than this.
    #[must_use]
    pub const fn above(mut self, above: f64) -> Self {
        self.above = Some(above);
        self
    }

    /// Less than this.
    #[must_use]
    pub const fn below(mut self, below: f64) -> Self {
        self.below = Some(below);
        self
    }

    /// Checks a number.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check(&self, value: f64) -> Result<(), Invalid> {
        let refuse = |expected: String| Err(Invalid::new(self.name, expected, value.to_string()));
        if !value.is_finite() {
            return refuse("a finite number".to_owned());
        }
        if value < self.min {
            return refuse(format!("at least {}", self.min));
        }
        if value > self.max {
            return refuse(format!("at most {}", self.max));
        }
        if let Some(above) = self.above.filter(|above| value <= *above) {
            return refuse(format!("more than {above}"));
        }
        match self.below.filter(|below| value >= *below) {
            Some(below) => refuse(format!("less than {below}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_named_when_it_is_broken() {
        let currency = TextRule::new("currency").pattern("^[A-Z]{3}$");
        assert_eq!(currency.check("EUR"), Ok(()));
        let error = currency.check("eur").unwrap_err();
        assert_eq!(
            error.to_string(),
            "currency is not valid: expected text that matches ^[A-Z]{3}$, found \"eur\""
        );
        assert!(TextRule::new("n").length_min(2).check("é").is_err());
        assert!(TextRule::new("n").length_max(1).check("é").is_ok());
        assert!(TextRule::new("n").identifier(3).check("a\n").is_err());
        assert!(TextRule::new("n").format(Format::Email).check("a").is_err());
        let even = IntegerRule::new("n").min(0).max(10).multiple_of(2);
        assert_eq!([-2, 3, 4, 12].map(|n| even.check(n).is_ok()), [false, false, true, false]);
        let open = NumberRule::new("n").above(0.0).below(1.0);
        assert_eq!([0.0, 0.5, 1.0, f64::NAN].map(|n| open.check(n).is_ok()), [false, true, false, false]);
        assert!(NumberRule::new("n").min(1.0).max(2.0).check(2.5).is_err());
    }
}

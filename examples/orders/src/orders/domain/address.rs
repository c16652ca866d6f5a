//! Where an order is sent.

use crate::values::Invalid;

/// A postal address; none of its parts is ever empty or longer than a label takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    street: String,
    city: String,
    postal_code: String,
    country: String,
}

/// A part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressField {
    /// Street and number.
    Street,
    /// City.
    City,
    /// Postal code.
    PostalCode,
    /// Country.
    Country,
}

/// A part of an address that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invalid}")]
pub struct AddressInvalid {
    /// Which part.
    pub field: AddressField,
    /// What is wrong with it.
    pub invalid: Invalid,
}

impl Address {
    /// An address of four parts; surrounding spaces are dropped.
    ///
    /// # Errors
    /// Every part that breaks its rule, in the order of the arguments.
    pub fn new(
        street: &str,
        city: &str,
        postal_code: &str,
        country: &str,
    ) -> Result<Self, Vec<AddressInvalid>> {
        let parts = [
            (AddressField::Street, street.trim()),
            (AddressField::City, city.trim()),
            (AddressField::PostalCode, postal_code.trim()),
            (AddressField::Country, country.trim()),
        ];
        let broken: Vec<_> = parts.iter().filter_map(|&(field, text)| field.check(text).err()).collect();
        if !broken.is_empty() {
            return Err(broken);
        }
        let [street, city, postal_code, country] = parts.map(|(_, text)| text.to_owned());
        Ok(Self { street, city, postal_code, country })
    }

    /// Street and number.
    #[must_use]
    pub fn street(&self) -> &str {
        &self.street
    }

    /// City.
    #[must_use]
    pub fn city(&self) -> &str {
        &self.city
    }

    /// Postal code.
    #[must_use]
    pub fn postal_code(&self) -> &str {
        &self.postal_code
    }

    /// Two letters of ISO 3166.
    #[must_use]
    pub fn country(&self) -> &str {
        &self.country
    }
}

impl AddressField {
    fn expected(self) -> &'static str {
        match self {
            Self::Street => "1 to 200 characters on one line",
            Self::City => "1 to 100 characters on one line",
            Self::PostalCode => "2 to 12 letters, digits, spaces or '-'",
            Self::Country => "two capital letters such as DE",
        }
    }

    fn check(self, text: &str) -> Result<(), AddressInvalid> {
        let is_line =
            |max: usize| (1..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        let is_good = match self {
            Self::Street => is_line(200),
            Self::City => is_line(100),
            Self::PostalCode => {
                (2..=12).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'))
            }
            Self::Country => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        };
        if is_good {
            return Ok(());
        }
        Err(AddressInvalid { field: self, invalid: Invalid::new(text, self.expected()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_part_is_named() {
        let broken = Address::new(" ", &"x".repeat(101), "1", "de").unwrap_err();
        let fields: Vec<_> = broken.iter().map(|part| part.field).collect();
        use AddressField::{City, Country, PostalCode, Street};
        assert_eq!(fields, [Street, City, PostalCode, Country]);
        assert!(Address::new("Lane 1\nHidden", "Bonn", "53111", "DE").is_err());
    }

    #[test]
    fn surrounding_spaces_are_dropped() {
        let address = Address::new(" Lane 1 ", "Köln", "SW1A 1AA", "GB").unwrap();
        assert_eq!((address.street(), address.city()), ("Lane 1", "Köln"));
    }
}

//! Identities as types, so that a payment's id is never taken for an order's.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::Invalid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What a well-formed one looks like.
            pub const EXPECTED: &'static str = "a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";

            /// What a UUID identifies.
            #[must_use]
            pub const fn of(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid::new(text, Self::EXPECTED))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }
    };
}

uuid_id!(
    /// Identity of an order: Orders makes it.
    OrderId
);
uuid_id!(
    /// Identity of a payment: Payments makes it, Orders knows duplicates by it.
    PaymentId
);
uuid_id!(
    /// Identity of a reservation: Stock makes it, Orders knows duplicates by it.
    ReservationId
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What a well-formed one looks like.
            pub const EXPECTED: &'static str = "1 to 60 letters, digits, '-', '_' or '.'";

            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                if is_word(text) { Ok(Self(text.to_owned())) } else { Err(Invalid::new(text, Self::EXPECTED)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// Identity of a customer, by pseudonym.
    CustomerId
);
text_id!(
    /// Identity of what is sold.
    ProductId
);

fn is_word(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=60).contains(&text.len()) && text.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_id_cannot_be_built() {
        for bad in ["", "a b", "é", "a\n", "a/b", &"x".repeat(61)] {
            assert!(bad.parse::<CustomerId>().is_err(), "{bad:?}");
        }
        assert_eq!("c-1".parse::<CustomerId>().unwrap().as_str(), "c-1");
        assert_eq!(
            "42".parse::<OrderId>().unwrap_err().to_string(),
            "\"42\" is not valid: expected a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"
        );
    }

    #[test]
    fn an_order_id_prints_as_it_is_read() {
        let text = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";
        assert_eq!(text.to_uppercase().parse::<OrderId>().unwrap().to_string(), text);
    }
}

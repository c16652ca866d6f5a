//! Where a customer is written to. Personal: never printed, and gone when the customer is forgotten.

use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// An e-mail address.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// What a well-formed one looks like.
    pub const EXPECTED: &'static str = "an e-mail address such as ada@example.org";

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_good = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
        };
        let is_email = text.len() <= 200
            && text.split_once('@').is_some_and(|(user, host)| {
                is_good(user)
                    && is_good(host)
                    && host.split('.').all(|label| !label.is_empty())
                    && user.split('.').all(|part| !part.is_empty())
            });
        if is_email { Ok(Self(text.to_owned())) } else { Err(Invalid::new("***", Self::EXPECTED)) }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_parts_and_is_never_shown() {
        let email: Email = "ada.b+x@mail.example.org".parse().unwrap();
        assert_eq!(format!("{email:?}"), "Email(***)");
        for bad in ["", "ada", "@x.org", "ada@", "a b@x.org", "a@x..org", "a@b@c"] {
            let error = bad.parse::<Email>().unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(&format!("{bad:?}")), "{error}");
        }
    }
}

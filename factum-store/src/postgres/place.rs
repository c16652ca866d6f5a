//! Where a store is: a server, a database, and a schema in it.
//!
//! The schema is Factum's own word in the URL and is taken out before the driver reads the rest.
//! Never shows a password.

use std::fmt;
use std::str::FromStr;

use factum_core::{StoreError, StoreErrorKind};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// The schema of a store whose URL names none.
const SCHEMA_DEFAULT: &str = "factum";

/// Longest schema name, so that names derived from it stay below PostgreSQL's 63 bytes.
const SCHEMA_BYTES_MAX: usize = 41;

/// A schema's name: small letters, digits and `_`, not starting with a digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema(String);

impl Schema {
    /// The text of a statement of Factum's own, which is written for the default schema.
    pub(crate) fn render(&self, sql: &str) -> String {
        let text = sql.replace("factum.", &format!("\"{}\".", self.0));
        text.replace("if not exists factum\n", &format!("if not exists \"{}\"\n", self.0))
    }

    /// The name as the server reads one.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Schema {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if starts && goes_on && text.len() <= SCHEMA_BYTES_MAX && !text.starts_with("pg_") {
            return Ok(Self(text.to_owned()));
        }
        let found: String = text.chars().take(80).collect();
        let message = format!(
            "schema {found:?} is not valid: expected 1 to {SCHEMA_BYTES_MAX} of a to z, 0 to 9 and '_', not starting \
             with a digit or \"pg_\", as in ?schema=factum"
        );
        Err(StoreError::new(StoreErrorKind::Invalid, message))
    }
}

/// A store's place.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) options: PgConnectOptions,
    pub(crate) schema: Schema,
}

impl Place {
    /// What a URL names: `postgres://user:password@host:port/database?schema=name`.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut others) = (SCHEMA_DEFAULT.parse()?, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("schema", name)) => schema = name.parse()?,
                _ => others.push(pair),
            }
        }
        let mut url = rest.to_owned();
        let has_name = others.iter().any(|pair| pair.starts_with("application_name="));
        if !others.is_empty() {
            url.push('?');
            url.push_str(&others.join("&"));
        }
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            let message =
                "the URL cannot be read; expected postgres://user:password@host:port/database?schema=factum";
            StoreError::new(StoreErrorKind::Invalid, message).because(error)
        })?;
        let options = if has_name { options } else { options.application_name("factum") };
        Ok(Self { options: options.disable_statement_logging(), schema })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        write!(f, "postgres://{}@", options.get_username())?;
        match options.get_socket() {
            Some(socket) => write!(f, "{}", socket.display())?,
            None => write!(f, "{}:{}", options.get_host(), options.get_port())?,
        }
        write!(f, "/{database}?schema={}", self.schema.as_str())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_password() {
        let place = Place::of("postgres://ann:secret@db:5433/shop?schema=orders&sslmode=require").unwrap();
        assert_eq!(place.to_string(), "postgres://ann@db:5433/shop?schema=orders");
        assert!(!format!("{place:?}").contains("secret"));
    }

    #[test]
    fn a_schema_has_a_grammar() {
        for good in ["factum", "_a1", "order", &"a".repeat(41)] {
            assert!(good.parse::<Schema>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "A", "a-b", "a\"b", "pg_x", "a b", "é", &"a".repeat(42)] {
            assert!(bad.parse::<Schema>().is_err(), "{bad:?}");
        }
        assert!(Place::of("postgres://localhost/shop?schema=a;drop").is_err());
    }

    #[test]
    fn a_statement_is_rendered_for_its_schema() {
        let schema: Schema = "order".parse().unwrap();
        assert_eq!(
            schema.render("select * from factum.event, 'factum.position'::regclass"),
            "select * from \"order\".event, '\"order\".position'::regclass"
        );
    }
}

//! Where the brokers are: URLs of people as AsyncAPI's servers.

use std::fmt;
use std::str::FromStr;

use crate::node::build::Map;

/// A broker's address, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    protocol: &'static str,
    host: String,
    path: Option<String>,
}

/// A URL that is no broker's, or that should not be in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The scheme is none that is known.
    #[error("expected a URL that begins with {SCHEMES}, found {found:?}")]
    Scheme {
        /// What stands before `://`, cut to 40 characters.
        found: String,
    },
    /// A user or password is in it.
    #[error("the URL holds a user or password, which a document for others must not")]
    Secret,
    /// There is no host, or it has odd characters.
    #[error("expected a host such as localhost:9092 behind the scheme")]
    Host,
}

const SCHEMES: &str = "kafka:// | kafkas:// | nats:// | amqp:// | amqps:// | redis:// | rediss://";

const PROTOCOLS: [(&str, &str); 7] = [
    ("kafka", "kafka"),
    ("kafkas", "kafka-secure"),
    ("nats", "nats"),
    ("amqp", "amqp"),
    ("amqps", "amqps"),
    ("redis", "redis"),
    ("rediss", "rediss"),
];

impl Server {
    /// The protocol as AsyncAPI calls it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
        let known = PROTOCOLS.iter().find(|(known, _)| *known == scheme);
        let Some((_, protocol)) = known else {
            // What has no scheme could be anything, a password too.
            let found = if text.contains("://") { scheme.chars().take(40).collect() } else { String::new() };
            return Err(ServerError::Scheme { found });
        };
        if rest.contains('@') {
            return Err(ServerError::Secret);
        }
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let is_host = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
        let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte));
        if !is_host || !is_path {
            return Err(ServerError::Host);
        }
        let path = path.trim_end_matches('/');
        let path = (!path.is_empty()).then(|| format!("/{path}"));
        Ok(Self { protocol, host: host.to_owned(), path })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.protocol, self.host, self.path.as_deref().unwrap_or_default())
    }
}

/// The brokers of a developer's machine, for when nobody names others.
pub(super) fn local() -> Vec<Server> {
    let hosts = [
        ("kafka", "localhost:9092"),
        ("nats", "localhost:4222"),
        ("amqp", "localhost:5672"),
        ("redis", "localhost:6379"),
    ];
    hosts.map(|(protocol, host)| Server { protocol, host: host.to_owned(), path: None }).into()
}

/// All servers, named by their protocols.
pub(super) fn all(servers: &[Server]) -> Map {
    let mut map = Map::default();
    for server in servers {
        let mut name = server.protocol.to_owned();
        let mut count = 1;
        while map.has(&name) {
            count += 1;
            name = format!("{}-{count}", server.protocol);
        }
        let mut one = Map::of("host", server.host.as_str());
        one.maybe("pathname", server.path.as_deref());
        one.put("protocol", server.protocol);
        map.put(&name, one);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_servers_without_secrets() {
        let server = |text: &str| text.parse::<Server>();
        assert_eq!(
            server("amqps://mq.example:5671/shop").unwrap().to_string(),
            "amqps://mq.example:5671/shop"
        );
        assert_eq!(server("kafkas://k:9093").unwrap().protocol(), "kafka-secure");
        assert_eq!(server("nats://me:secret@host").unwrap_err(), ServerError::Secret);
        assert_eq!(server("kafka://").unwrap_err(), ServerError::Host);
        assert_eq!(server("kafka://a b").unwrap_err(), ServerError::Host);
        let message = server("mqtt://x").unwrap_err().to_string();
        assert!(message.ends_with("found \"mqtt\""), "{message}");
        assert!(!server("secret").unwrap_err().to_string().contains("secret"));
    }
}

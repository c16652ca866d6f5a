//! The connection to a NATS server: an address without its secrets, the client, and whether it is up.
//!
//! The client reconnects by itself and says nothing about what was lost meanwhile; who waits for something asks
//! [`Link::ups`] and asks again. Credentials are taken out of the URL before anything else sees it.

use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, Message, Request, RequestErrorKind, ServerAddr,
};
use factum_core::{BrokerError, Bytes};
use tokio::sync::watch;

/// Commands that wait for the connection: a publisher waits for room, and is told when that takes too long.
const COMMANDS_MAX: usize = 1_024;

/// Deliveries of one subscription that wait to be looked at: far more than are ever asked for.
const ARRIVED_MAX: usize = 1_024;

/// How often a silent connection is tried: three silences, and it is taken for dead.
const PING: Duration = Duration::from_secs(10);

/// Longest pause between two attempts to connect again.
const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// How often a wait for the connection looks by itself, should it have missed the news.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) struct Link {
    pub(crate) client: Client,
    /// The address as it may be printed.
    pub(crate) shown: String,
    /// How long one question may take.
    pub(crate) timeout: Duration,
    ups: watch::Receiver<u64>,
}

/// Where to connect, and as whom. Has no `Debug`: it holds a password.
struct Address {
    servers: Vec<ServerAddr>,
    login: Login,
    shown: String,
}

enum Login {
    Nobody,
    User { user: String, password: String },
    Token(String),
}

pub(crate) fn refused(message: String) -> BrokerError {
    BrokerError { message, is_transient: false }
}

pub(crate) fn transient(message: String) -> BrokerError {
    BrokerError { message, is_transient: true }
}

impl Link {
    pub(crate) async fn connect(url: &str, name: &str, timeout: Duration) -> Result<Self, BrokerError> {
        let address = Address::parse(url)?;
        let (up, ups) = watch::channel(0);
        let options = ConnectOptions::new()
            .name(name)
            .connection_timeout(timeout)
            .request_timeout(Some(timeout))
            .ping_interval(PING)
            .client_capacity(COMMANDS_MAX)
            .subscription_capacity(ARRIVED_MAX)
            .reconnect_delay_callback(|attempts| {
                let doubled = 2_u64.saturating_pow(u32::try_from(attempts).unwrap_or(u32::MAX));
                if attempts < 2 { Duration::ZERO } else { Duration::from_millis(doubled).min(RECONNECT_MAX) }
            })
            .event_callback(move |event| {
                if event == Event::Connected {
                    up.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            });
        let options = match address.login {
            Login::Nobody => options,
            Login::User { user, password } => options.user_and_password(user, password),
            Login::Token(token) => options.token(token),
        };
        let shown = address.shown;
        let client =
            options.connect(address.servers).await.map_err(|error| connect_error(&shown, error.kind()))?;
        Ok(Self { client, shown, timeout, ups })
    }

    /// Counts how often the connection came up.
    pub(crate) fn ups(&self) -> watch::Receiver<u64> {
        let mut ups = self.ups.clone();
        ups.mark_unchanged();
        ups
    }

    pub(crate) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits for the connection, no longer than one question may take.
    pub(crate) async fn up(&self) -> Result<(), BrokerError> {
        let (started, mut ups) = (Instant::now(), self.ups());
        while !self.is_up() {
            if started.elapsed() >= self.timeout {
                let (shown, timeout) = (&self.shown, self.timeout);
                return Err(transient(format!(
                    "{shown} has not been within reach for {timeout:?}; is it running?"
                )));
            }
            let _ = tokio::time::timeout(LOOK, ups.changed()).await;
        }
        Ok(())
    }

    /// Asks, and waits for one answer. `None`: nobody listens.
    pub(crate) async fn ask(
        &self,
        subject: String,
        request: Request,
    ) -> Result<Option<Message>, BrokerError> {
        match self.client.send_request(subject, request.timeout(Some(self.timeout))).await {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders => Ok(None),
                RequestErrorKind::TimedOut => {
                    let (shown, timeout) = (&self.shown, self.timeout);
                    Err(transient(format!("{shown} has not answered within {timeout:?}")))
                }
                RequestErrorKind::Other => {
                    Err(transient(format!("the connection to {} is gone", self.shown)))
                }
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    Err(refused(format!("{}: {error}", self.shown)))
                }
            },
        }
    }

    /// Sends without waiting for an answer, and no longer than one question may take.
    pub(crate) async fn send(
        &self,
        subject: &async_nats::Subject,
        payload: Bytes,
    ) -> Result<(), BrokerError> {
        let sent = tokio::time::timeout(self.timeout, self.client.publish(subject.clone(), payload)).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(transient(format!("the connection to {} is gone: {error}", self.shown))),
            Err(_) => Err(transient(format!("{} takes nothing any more; is it running?", self.shown))),
        }
    }
}

fn connect_error(shown: &str, kind: ConnectErrorKind) -> BrokerError {
    match kind {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => refused(format!(
            "{shown} refuses these credentials; give others in the URL: nats://user:password@host:port, or \
             nats://token@host:port"
        )),
        ConnectErrorKind::Dns => transient(format!("{shown}: this host is not known")),
        ConnectErrorKind::TimedOut => {
            transient(format!("{shown} has not answered in time; is it a NATS server?"))
        }
        ConnectErrorKind::Tls => {
            refused(format!("{shown}: no TLS connection; is its certificate trusted here?"))
        }
        ConnectErrorKind::ServerParse => refused(format!("{shown} is no address of a NATS server")),
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => {
            transient(format!("no NATS server answers at {shown}; is it running?"))
        }
    }
}

impl Address {
    /// Reads `nats://[user:password@|token@]host[:port]`, or several of them with commas between; `tls://` insists on
    /// TLS. The first that names credentials names them for all.
    fn parse(url: &str) -> Result<Self, BrokerError> {
        let (mut servers, mut login, mut shown) = (Vec::new(), Login::Nobody, Vec::new());
        for one in url.split(',') {
            let malformed = || {
                // Never the text itself: it may hold a password.
                refused(
                    "this is no address of a NATS server; expected nats://host:port or tls://host:port"
                        .to_owned(),
                )
            };
            let (scheme, rest) = one.trim().split_once("://").ok_or_else(malformed)?;
            if !matches!(scheme, "nats" | "tls") {
                return Err(malformed());
            }
            let rest = rest.trim_end_matches('/');
            let (credentials, host) =
                rest.rsplit_once('@').map_or((None, rest), |(who, host)| (Some(who), host));
            if host.is_empty() || host.contains(['/', '?', '#']) {
                return Err(malformed());
            }
            if let (Some(credentials), Login::Nobody) = (credentials, &login) {
                login = match credentials.split_once(':') {
                    Some((user, password)) => {
                        Login::User { user: decoded(user), password: decoded(password) }
                    }
                    None => Login::Token(decoded(credentials)),
                };
            }
            let clean = format!("{scheme}://{host}");
            servers.push(clean.parse().map_err(|_| malformed())?);
            shown.push(clean);
        }
        Ok(Self { servers, login, shown: shown.join(",") })
    }
}

/// Percent-encoding undone; what is no encoding stays as it is.
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, String) {
        let address = Address::parse(url).unwrap();
        let login = match address.login {
            Login::Nobody => "nobody".to_owned(),
            Login::User { user, password } => format!("{user}/{password}"),
            Login::Token(token) => format!("token {token}"),
        };
        (address.shown, login)
    }

    #[test]
    fn credentials_are_taken_out_of_what_is_shown() {
        for (url, shown, login) in [
            ("nats://localhost:4222", "nats://localhost:4222", "nobody"),
            ("nats://ann:s3:cr%40t@host:4222/", "nats://host:4222", "ann/s3:cr@t"),
            ("tls://t0k%zen@host", "tls://host", "token t0k%zen"),
            ("nats://ann:p@ss@a,nats://b:1", "nats://a,nats://b:1", "ann/p@ss"),
        ] {
            assert_eq!(parsed(url), (shown.to_owned(), login.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in
            ["s3cret@host", "http://ann:s3cret@host", "nats://ann:s3cret@", "nats://ann:s3cret@host/x", ""]
        {
            let error = Address::parse(url).err().unwrap().to_string();
            assert!(error.contains("nats://host:port") && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}

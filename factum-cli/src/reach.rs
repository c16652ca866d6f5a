//! Opens the store that the settings name, and never makes one: a typing error must not become an empty store.
//!
//! URLs are printed without their passwords.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use factum_core::{Gate, OpenGate, StoreError, StoreErrorKind};
use factum_runtime::Admin;
use factum_store::Opened;

use crate::error::{self, CliError};
use crate::settings::Settings;

/// Schemes of stores.
const SCHEMES: [&str; 3] = ["sqlite:", "postgres:", "postgresql:"];
/// Connections that a command takes from a server at most: it does one thing at a time.
#[cfg(feature = "postgres")]
const CONNECTIONS: usize = 5;
/// How every SQLite file begins.
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";

/// Opens the store, its gate open: for commands that append nothing.
pub(crate) fn open(settings: &Settings) -> Result<Opened, CliError> {
    open_with(settings, Arc::new(OpenGate))
}

/// Opens the store behind a gate.
pub(crate) fn open_with(settings: &Settings, gate: Arc<dyn Gate>) -> Result<Opened, CliError> {
    open_at(settings.store()?, gate)
}

/// Opens the store of a URL behind a gate.
pub(crate) fn open_at(url: &str, gate: Arc<dyn Gate>) -> Result<Opened, CliError> {
    check_scheme(url)?;
    if let Some(path) = file_of(url) {
        check_file(&path)?;
    }
    named(url, open_existing(url, gate))
}

/// Opens the store of a URL, or makes it: what `factum migrate` is for.
pub(crate) fn make(url: &str, gate: Arc<dyn Gate>) -> Result<Opened, CliError> {
    check_scheme(url)?;
    named(url, factum_store::open(url, gate))
}

fn check_scheme(url: &str) -> Result<(), CliError> {
    let shown = redacted(url);
    if is_memory(url) {
        return Err(CliError::usage(format!("{shown} lives and ends inside one process"))
            .hint("name the store of an app: --store sqlite:<path>"));
    }
    if has_scheme(url) && !SCHEMES.iter().any(|known| url.starts_with(known)) {
        return Err(CliError::usage(format!("{shown} is no store's URL"))
            .hint("a store is sqlite:<path>, the path of a file, or postgres://host/database"));
    }
    Ok(())
}

fn check_file(path: &Path) -> Result<(), CliError> {
    match std::fs::metadata(path).map(|data| (data.is_file(), data.len())) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(CliError::unreachable(format!("no store at {}", path.display()))
                .hint("start the app, which makes it, or pass --store URL"))
        }
        Err(error) => Err(CliError::unreachable(format!("{} cannot be looked at: {error}", path.display()))),
        // An empty file would be turned into a store.
        Ok((true, 0)) => Err(CliError::unreachable(format!("{} is empty: not a store", path.display()))
            .hint("start the app, which fills it, or pass --store URL")),
        _ => Ok(()),
    }
}

/// Opens what is there: a schema that is missing is not made.
fn open_existing(url: &str, gate: Arc<dyn Gate>) -> Result<Opened, StoreError> {
    #[cfg(feature = "postgres")]
    if file_of(url).is_none() {
        let options = factum_store::postgres::Options {
            makes: false,
            connections: CONNECTIONS,
            ..factum_store::postgres::Options::new(gate)
        };
        let store = factum_store::PostgresStore::open(url, options)?;
        return Ok(Opened { store: Arc::new(store.clone()), maintenance: Arc::new(store) });
    }
    factum_store::open(url, gate)
}

/// Says of which store an error is, without its password, and what to type.
pub(crate) fn named<T>(url: &str, result: Result<T, StoreError>) -> Result<T, CliError> {
    result.map_err(|error| {
        let is_url = error.kind == StoreErrorKind::Invalid;
        let mut error = CliError::from(error);
        error.what = error.what.replace(url, &redacted(url));
        if is_url {
            error.kind = error::ErrorKind::Usage;
        }
        if error.hint.is_none() {
            error.hint = Some("--store URL names another store".to_owned());
        }
        error
    })
}

/// The operations on the store that the settings name.
pub(crate) fn admin(settings: &Settings) -> Result<Admin, CliError> {
    Ok(Admin::new(open(settings)?.store))
}

fn is_memory(url: &str) -> bool {
    matches!(url, "memory:" | "sqlite:memory:" | "sqlite::memory:" | ":memory:")
}

/// Whether a text names a store: by its scheme, or as a file that begins as SQLite's do.
pub(crate) fn is_store(text: &str) -> bool {
    if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return true;
    }
    let mut head = [0; SQLITE_HEAD.len()];
    let read = std::fs::File::open(text).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *SQLITE_HEAD
}

/// The file that a URL names, when it names one.
pub(crate) fn file_of(url: &str) -> Option<PathBuf> {
    match url.strip_prefix("sqlite:") {
        Some(path) => Some(path.strip_prefix("//").unwrap_or(path).into()),
        None if has_scheme(url) => None,
        None => Some(url.into()),
    }
}

fn has_scheme(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// A URL as it may be printed: without passwords.
pub(crate) fn redacted(url: &str) -> String {
    let mut shown = url.to_owned();
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind('@') {
            // Of brokers, a name without a password may be a token.
            let is_token = !rest[..at].contains(':') && !scheme.starts_with("postgres");
            let user = if is_token { "***" } else { rest[..at].split(':').next().unwrap_or_default() };
            let mask = if rest[..at].contains(':') { ":***" } else { "" };
            shown = format!("{scheme}://{user}{mask}{}", &rest[at..]);
        }
    }
    let Some((before, query)) = shown.split_once('?') else { return shown };
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=***"),
        _ => part.to_owned(),
    });
    format!("{before}?{}", parts.collect::<Vec<_>>().join("&"))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "secret", "token"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_printed() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db/orders", "postgres://ann:***@db/orders"),
            (
                "postgres://ann:p@ss:word@db/orders?sslmode=require",
                "postgres://ann:***@db/orders?sslmode=require",
            ),
            ("postgres://ann@db/orders", "postgres://ann@db/orders"),
            ("postgres://db/orders?user=ann&password=s3cret", "postgres://db/orders?user=ann&password=***"),
            ("sqlite:data/a@b.db", "sqlite:data/a@b.db"),
            ("nats://ann:s3cret@host:4222", "nats://ann:***@host:4222"),
            ("nats://t0ken@host:4222", "nats://***@host:4222"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }

    #[test]
    fn a_path_is_a_file_and_a_scheme_is_not() {
        assert_eq!(file_of("sqlite:a.db"), Some("a.db".into()));
        assert_eq!(file_of("sqlite:///x/a.db"), Some("/x/a.db".into()));
        assert_eq!(file_of("data/a.db"), Some("data/a.db".into()));
        assert_eq!(file_of("postgres://db/orders"), None);
    }
}

//! Reads requests part by part, so that one answer names everything that is wrong with them.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use factum::{Actor, Idempotency, Timestamp};
use serde_json::Value as Json;

use crate::problem::{Flaw, Part, Problem};

/// Reads the parts of a JSON body, and collects what is wrong with them.
#[derive(Debug, Default)]
pub struct Body {
    flaws: Vec<Flaw>,
}

impl Body {
    /// Reads a JSON body with `read`, which answers `None` where it has noted a flaw.
    ///
    /// # Errors
    /// Everything that is wrong with the body, at once.
    pub fn read<T>(bytes: &[u8], read: impl FnOnce(&mut Self, &Json) -> Option<T>) -> Result<T, Problem> {
        let mut body = Self::default();
        let json = match serde_json::from_slice::<Json>(bytes) {
            Ok(json) => json,
            Err(error) => {
                body.flaw("#", format!("expected JSON, found {error}"));
                return Err(Problem::invalid(body.flaws));
            }
        };
        let value = if json.is_object() {
            read(&mut body, &json)
        } else {
            body.flaw("#", format!("expected an object, found {}", kind(&json)));
            None
        };
        match value {
            Some(value) if body.flaws.is_empty() => Ok(value),
            _ => Err(Problem::invalid(body.flaws)),
        }
    }

    /// Notes what is wrong at a pointer.
    pub fn flaw(&mut self, pointer: &str, detail: impl Display) {
        self.flaws.push(Flaw { part: Part::Pointer(pointer.to_owned()), detail: detail.to_string() });
    }

    /// The text of a member.
    pub fn text<'j>(&mut self, parent: &'j Json, at: &str, name: &str, expected: &str) -> Option<&'j str> {
        match &parent[name] {
            Json::String(text) => return Some(text),
            other => self.flaw(&format!("{at}/{name}"), wrong(other, expected)),
        }
        None
    }

    /// A member that is read from its text.
    pub fn parse<T: FromStr<Err: Display>>(
        &mut self,
        parent: &Json,
        at: &str,
        name: &str,
        expected: &str,
    ) -> Option<T> {
        let text = self.text(parent, at, name, expected)?;
        text.parse().map_err(|error| self.flaw(&format!("{at}/{name}"), error)).ok()
    }

    /// A member that is a whole number.
    pub fn number(&mut self, parent: &Json, at: &str, name: &str, expected: &str) -> Option<i64> {
        let number = parent[name].as_i64();
        if number.is_none() {
            self.flaw(&format!("{at}/{name}"), wrong(&parent[name], expected));
        }
        number
    }
}

fn wrong(found: &Json, expected: &str) -> String {
    match found {
        Json::Null => format!("is missing: expected {expected}"),
        found => format!("expected {expected}, found {}", kind(found)),
    }
}

fn kind(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(is) => is.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => format!("the text {:?}", text.chars().take(80).collect::<String>()),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// A parameter of the query, read from its text.
///
/// # Errors
/// When it is there and cannot be read.
pub fn parameter<T: FromStr>(
    query: &HashMap<String, String>,
    name: &'static str,
    expected: &str,
) -> Result<Option<T>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let found: String = text.chars().take(80).collect();
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(bad_parameter(name, format_args!("expected {expected}, found {found:?}"))),
    }
}

/// A problem with one parameter of the query.
pub fn bad_parameter(name: &'static str, detail: impl Display) -> Problem {
    Problem::invalid(vec![Flaw { part: Part::Parameter(name), detail: detail.to_string() }])
}

/// Longest that a read waits for the read model.
pub const WAIT_MS_MAX: u64 = 10_000;

/// How long a read may wait for the read model: `?wait=ms`.
///
/// # Errors
/// When it is no number, or too long.
pub fn wait(query: &HashMap<String, String>) -> Result<Option<Duration>, Problem> {
    let expected = format!("at most {WAIT_MS_MAX} milliseconds");
    match parameter::<u64>(query, "wait", &expected)? {
        Some(ms) if ms > WAIT_MS_MAX => {
            Err(bad_parameter("wait", format_args!("expected {expected}, found {ms}")))
        }
        wait => Ok(wait.map(Duration::from_millis)),
    }
}

/// The caller's `Idempotency-Key` with the content that it stands for.
///
/// # Errors
/// When the key is empty, too long or not printable.
pub fn idempotency(headers: &HeaderMap, content: &[u8]) -> Result<Option<Idempotency>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let is_good = (1..=200).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if is_good => Ok(Some(Idempotency::new(key, content))),
        _ => {
            let detail = "expected 1 to 200 printable characters without spaces".to_owned();
            Err(Problem::invalid(vec![Flaw { part: Part::Header(NAME), detail }]))
        }
    }
}

/// Who asks: the API knows no accounts, so everybody is the same customer of the shop.
#[must_use]
pub fn actor() -> Option<Actor> {
    "http".parse().ok()
}

/// Largest body: a full order takes a tenth of it.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The whole body.
///
/// # Errors
/// When it is too large, or breaks off.
pub fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The request is too large",
            format!("expected at most {BODY_BYTES_MAX} bytes"),
        ),
        status => Problem::new(status, "incomplete", "The request broke off", "expected the whole body"),
    })
}

/// A body's content without its spacing, so that the same request sent again is the same.
#[must_use]
pub fn content(body: &[u8]) -> Vec<u8> {
    let json = serde_json::from_slice::<Json>(body);
    json.and_then(|json| serde_json::to_vec(&json)).unwrap_or_else(|_| body.to_vec())
}

/// A time of the store in the domain's type.
#[must_use]
pub fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default()
}

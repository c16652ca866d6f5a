//! JetStream's own questions and answers, as JSON on subjects: only those that are asked here.
//!
//! The names of fields and the numbers of errors are NATS's. Never retries: whoever asks knows whether to.

use std::time::Duration;

use async_nats::Request;
use factum_core::BrokerError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::link::{Link, refused, transient};

pub(crate) const STREAM_NOT_FOUND: u32 = 10_059;
pub(crate) const MESSAGE_NOT_FOUND: u32 = 10_037;
pub(crate) const CONSUMER_NOT_FOUND: u32 = 10_014;
const NOT_ENABLED: [u32; 3] = [10_035, 10_039, 10_076];

/// An answer that says no.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) err_code: u32,
    #[serde(default)]
    pub(crate) description: String,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// JetStream said no.
    Refused(Refusal),
    /// It was not asked, or did not answer.
    Broker(BrokerError),
}

impl ApiError {
    /// With what was attempted.
    pub(crate) fn of(self, what: &str) -> BrokerError {
        match self {
            Self::Broker(error) => error,
            Self::Refused(no) => {
                let message = format!("{what}: JetStream says {:?} ({})", no.description, no.err_code);
                // 500s are the server's own trouble, such as a leader that is being elected.
                BrokerError { message, is_transient: no.code >= 500 }
            }
        }
    }

    pub(crate) fn is(&self, number: u32) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.err_code == number)
    }
}

/// The body of a question that its subject says whole.
#[derive(Serialize)]
pub(crate) struct Nothing {}

#[derive(Deserialize)]
struct MaybeRefused {
    error: Option<Refusal>,
}

pub(crate) async fn call<T: DeserializeOwned>(
    link: &Link,
    question: &str,
    body: &impl Serialize,
) -> Result<T, ApiError> {
    let body = serde_json::to_vec(body)
        .map_err(|error| ApiError::Broker(refused(format!("{question}: cannot be asked: {error}"))))?;
    let subject = format!("$JS.API.{question}");
    let answered = link.ask(subject, Request::new().payload(body.into())).await.map_err(ApiError::Broker)?;
    let Some(answer) = answered else { return Err(ApiError::Broker(not_enabled(link))) };
    read(link, question, &answer.payload)
}

/// An answer, or the refusal that it is.
pub(crate) fn read<T: DeserializeOwned>(link: &Link, question: &str, answer: &[u8]) -> Result<T, ApiError> {
    let unreadable = |error: serde_json::Error| {
        ApiError::Broker(transient(format!(
            "{}: the answer to {question} is unreadable: {error}",
            link.shown
        )))
    };
    let refusal: MaybeRefused = serde_json::from_slice(answer).map_err(unreadable)?;
    match refusal.error {
        Some(refusal) if NOT_ENABLED.contains(&refusal.err_code) => Err(ApiError::Broker(not_enabled(link))),
        Some(refusal) => Err(ApiError::Refused(refusal)),
        None => serde_json::from_slice(answer).map_err(unreadable),
    }
}

fn not_enabled(link: &Link) -> BrokerError {
    refused(format!(
        "JetStream is not enabled at {}, and nothing is kept without it; start the server with `nats-server \
         --jetstream`, or give the account JetStream",
        link.shown
    ))
}

/// What a stream is to be, or is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) subjects: Vec<String>,
    /// `limits`, `interest` or `workqueue`.
    pub(crate) retention: String,
    /// `file` or `memory`.
    pub(crate) storage: String,
    pub(crate) num_replicas: usize,
    /// Nanoseconds; 0 is for ever.
    pub(crate) max_age: u64,
    /// -1 is without end.
    pub(crate) max_bytes: i64,
    /// `old` or `new`.
    pub(crate) discard: String,
    /// Nanoseconds.
    pub(crate) duplicate_window: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) no_ack: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) state: StreamState,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConsumerConfig {
    pub(crate) durable_name: String,
    pub(crate) description: String,
    pub(crate) filter_subject: String,
    /// `explicit`, `all` or `none`.
    pub(crate) ack_policy: String,
    /// Nanoseconds.
    pub(crate) ack_wait: u64,
    pub(crate) max_ack_pending: i64,
    pub(crate) max_deliver: i64,
    pub(crate) deliver_policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opt_start_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opt_start_time: Option<String>,
    pub(crate) replay_policy: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct CreateConsumer {
    pub(crate) stream_name: String,
    pub(crate) config: ConsumerConfig,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ConsumerInfo {
    pub(crate) config: ConsumerConfig,
}

/// Names of streams or consumers, a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Names {
    pub(crate) total: usize,
    /// `null` when there are none.
    streams: Option<Vec<String>>,
    consumers: Option<Vec<String>>,
}

impl Names {
    pub(crate) fn all(self) -> Vec<String> {
        self.streams.or(self.consumers).unwrap_or_default()
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Done {}

/// What a publish is answered with.
#[derive(Debug, Deserialize)]
pub(crate) struct Taken {
    #[serde(default)]
    pub(crate) stream: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pull {
    pub(crate) expires: u64,
    pub(crate) batch: u32,
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! What should carry the events: recommended by what the text says, with what would change the answer.
//!
//! The least that does the work is the answer; every other carrier has to be asked for by a line of the text.

use std::sync::LazyLock;

use factum_contract::Catalog;
use regex::Regex;
use serde::Serialize;

use super::storm::{Storm, pattern};

/// Events a second that one PostgreSQL store takes with room to spare.
const POSTGRES_RATE_MAX: u64 = 2_000;
/// Events a second from which on a partitioned log is worth its upkeep.
const KAFKA_RATE_MIN: u64 = 20_000;

/// What carries events between services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The store in the program's own file.
    Embedded,
    /// A store in PostgreSQL, shared by the services.
    PostgreSql,
    /// Apache Kafka.
    Kafka,
    /// RabbitMQ.
    RabbitMq,
    /// NATS JetStream.
    Nats,
    /// A queue that the cloud runs.
    Managed,
}

impl Carrier {
    /// Its name, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "the embedded store (SQLite), no broker",
            Self::PostgreSql => "a store in PostgreSQL, no broker",
            Self::Kafka => "Kafka",
            Self::RabbitMq => "RabbitMQ",
            Self::Nats => "NATS JetStream",
            Self::Managed => "a managed queue of the cloud",
        }
    }
}

/// The recommendation.
#[derive(Debug, Clone, Serialize)]
pub struct Advice {
    /// What to use.
    pub carrier: Carrier,
    /// Why.
    pub reasons: Vec<String>,
    /// What would change the answer, and to what.
    pub unless: Vec<String>,
    /// Whether the text says enough to be sure.
    pub is_sure: bool,
}

static RATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(\d[\d,._']*)\s*(k|thousand|m|million)?\s*(?:events?|orders?|messages?|requests?|readings?)?\s*(?:/\s*s\b|/\s*sec|per second|a second|/\s*min|per minute|a minute|/\s*day|per day|a day)",
    )
});

/// Words that ask for a carrier, and why they do.
const SIGNS: [(Carrier, &str, &str); 9] = [
    (Carrier::Kafka, r"(?i)\b(kafka|redpanda)\b", "is named"),
    (Carrier::RabbitMq, r"(?i)\b(rabbit ?mq|amqp)\b", "is named"),
    (Carrier::Nats, r"(?i)\b(nats|jetstream)\b", "is named"),
    (Carrier::PostgreSql, r"(?i)\b(postgres(?:ql)?)\b", "is named"),
    (
        Carrier::Managed,
        r"(?i)\b(sqs|sns|eventbridge|pub/?sub|service bus|event hubs?|aws|azure|gcp|serverless|lambda|no operations|no ops team)\b",
        "the cloud is to run it",
    ),
    (
        Carrier::Kafka,
        r"(?i)\b(stream processing|data lake|analytics pipeline|clickstream|telemetry|replay (?:of )?(?:months|years))\b",
        "many readers go over a long history at their own pace",
    ),
    (
        Carrier::Nats,
        r"(?i)\b(iot|edge|devices|sensors|own database|separate databases|database each|several languages|polyglot)\b",
        "services share no database, or run far apart",
    ),
    (
        Carrier::RabbitMq,
        r"(?i)\b(priorit(?:y|ies)|routing keys?|work queues?|task queues?)\b",
        "messages are routed or ranked one by one",
    ),
    (
        Carrier::Embedded,
        r"(?i)\b(sqlite|one process|single process|single binary|monolith|modular monolith|desktop|one machine)\b",
        "all of it runs in one place",
    ),
];

/// Recommends for a system.
pub(super) fn advise(storm: &Storm, catalog: &Catalog) -> Advice {
    let lines = lines(storm);
    let services = catalog.system.services.len();
    let rate = lines.iter().find_map(|(line, text)| rate(text).map(|rate| (*line, rate)));
    let mut found = SIGNS.iter().filter_map(|(carrier, words, why)| {
        let words = pattern(words);
        let (line, text) = lines.iter().find(|(_, text)| words.is_match(text))?;
        let said = words.find(text).map_or("", |found| found.as_str());
        Some((*carrier, format!("line {line} says \"{said}\": {why}")))
    });
    let mut reasons: Vec<String> = Vec::new();
    let first = found.next();
    let others: Vec<String> =
        found.map(|(carrier, why)| format!("{} was weighed too: {why}", carrier.as_str())).collect();
    let (carrier, is_sure) = match (first, rate) {
        (Some((carrier, why)), _) => {
            reasons.push(why);
            (carrier, true)
        }
        (None, Some((line, rate))) if rate >= KAFKA_RATE_MIN => {
            reasons.push(format!("line {line} speaks of {rate} events a second, over {KAFKA_RATE_MIN}: a log in partitions takes that, one store does not"));
            (Carrier::Kafka, true)
        }
        (None, Some((line, rate))) if services > 1 && rate > POSTGRES_RATE_MAX => {
            reasons.push(format!("line {line} speaks of {rate} events a second, over the {POSTGRES_RATE_MAX} that a shared store takes with room to spare"));
            (Carrier::Nats, true)
        }
        (None, rate) if services <= 1 => {
            reasons.push(
                "there is one service: what it says to itself needs nothing that carries it".to_owned(),
            );
            (Carrier::Embedded, rate.is_some())
        }
        (None, rate) => {
            reasons.push(format!("there are {services} services, and nothing in the text asks for a broker: a store that they share carries events in the transaction that makes them, and is backed up once"));
            (Carrier::PostgreSql, rate.is_some())
        }
    };
    reasons.extend(others);
    if let Some((line, rate)) = rate.filter(|(_, rate)| {
        *rate < KAFKA_RATE_MIN && !reasons.iter().any(|reason| reason.contains("a second"))
    }) {
        reasons.push(format!("line {line} speaks of {rate} events a second, which it takes"));
    }
    Advice { carrier, reasons, unless: unless(carrier), is_sure }
}

fn unless(carrier: Carrier) -> Vec<String> {
    let all = [
        (Carrier::Embedded, "all services run in one process: then the embedded store"),
        (Carrier::PostgreSql, "several processes or machines share one database: then PostgreSQL"),
        (
            Carrier::Nats,
            "each service keeps a database of its own, or services run far apart: then NATS JetStream, fed by the outbox",
        ),
        (
            Carrier::RabbitMq,
            "single messages are routed, ranked or delayed by rules of their own: then RabbitMQ",
        ),
        (Carrier::Kafka, "over 20,000 events a second, or many teams that read a long history: then Kafka"),
        (Carrier::Managed, "nobody should run a server: then the queue of your cloud, with the same outbox"),
    ];
    all.iter().filter(|(other, _)| *other != carrier).map(|(_, text)| (*text).to_owned()).collect()
}

/// All lines that say something about the surroundings.
fn lines(storm: &Storm) -> Vec<(usize, String)> {
    let prose = storm.prose.iter().map(|said| (said.line, said.text.clone()));
    let notes = storm.rules.iter().flat_map(|rule| rule.notes.iter().map(|note| (rule.line, note.clone())));
    let mut lines: Vec<(usize, String)> = prose.chain(notes).collect();
    lines.sort();
    lines
}

/// Events a second that a line speaks of.
fn rate(text: &str) -> Option<u64> {
    let found = RATE.captures(text)?;
    let digits: String = found[1].chars().filter(char::is_ascii_digit).collect();
    let many = match found.get(2).map(|unit| unit.as_str().to_lowercase()).as_deref() {
        Some("k" | "thousand") => 1_000,
        Some("m" | "million") => 1_000_000,
        _ => 1,
    };
    let count = digits.parse::<u64>().ok()?.checked_mul(many)?;
    let whole = found[0].to_lowercase();
    Some(
        if whole.contains("min") {
            count / 60
        } else if whole.contains("day") {
            count / 86_400
        } else {
            count
        }
        .max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_events_a_second() {
        for (text, expected) in [
            ("about 5,000 orders per second at peak", Some(5_000)),
            ("30k events/s", Some(30_000)),
            ("1200 orders a minute", Some(20)),
            ("2 million events per day", Some(23)),
            ("ten orders", None),
        ] {
            assert_eq!(rate(text), expected, "{text}");
        }
    }
}

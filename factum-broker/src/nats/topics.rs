//! Where topics are in NATS: a stream each, a subject for each part of its keys, a durable consumer for each part.
//!
//! JetStream keeps the order of a subject, and of a consumer that has one delivery in flight; it knows no keys. So a
//! topic's keys are spread over sixteen parts, each a subject of its own, and of each part a consumer has one event in
//! flight, whichever member holds it. Messages of others, who know nothing of parts, come on the topic's own subject.

use factum_core::{ConsumerName, PartitionKey, Slot, Topic};

use super::NatsOptions;
use super::api::{self, StreamConfig, StreamInfo, nanos};
use super::link::{Link, refused, transient};
use factum_core::{BrokerError, Durability};

/// Parts of a topic's keys. Never changes: where a key is published decides what it is in order with.
pub(crate) const PARTS: usize = 16;

/// Subjects of a topic, and consumers of it: one for each part, and the topic's own, where others publish.
pub(crate) const SUBJECTS: usize = PARTS + 1;

pub(crate) fn part_of(key: &PartitionKey) -> usize {
    usize::from(Slot::of(key).number()) % PARTS
}

/// The subject of a part; of the last, the topic's own. A topic's name has no `~`, so subjects of topics never meet.
pub(crate) fn subject(topic: &Topic, part: usize) -> String {
    if part < PARTS { format!("{topic}.~{part}") } else { topic.to_string() }
}

/// The stream that is made for a topic: names of streams have no dots.
pub(crate) fn stream_name(topic: &Topic) -> String {
    topic.as_str().replace('.', "~")
}

pub(crate) fn durable(consumer: &ConsumerName, part: usize) -> String {
    format!("{}={part}", consumer.as_str().replace('.', "~"))
}

/// The part that a durable's name ends with.
pub(crate) fn part_of_durable(durable: &str) -> Option<usize> {
    let (_, part) = durable.rsplit_once('=')?;
    part.parse().ok().filter(|part| *part < SUBJECTS)
}

/// Whether a subject with wildcards takes a subject without.
pub(crate) fn covers(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

/// Finds the stream of a topic, or makes it, and sees that it promises what the broker declares.
pub(crate) async fn ensure(
    link: &Link,
    options: &NatsOptions,
    topic: &Topic,
) -> Result<StreamInfo, BrokerError> {
    let name = stream_name(topic);
    let what = format!("the stream of topic {topic} at {}", link.shown);
    let info = match info(link, &name).await {
        Ok(info) => info,
        Err(error) if error.is(api::STREAM_NOT_FOUND) => {
            match of_subject(link, &subject(topic, PARTS)).await? {
                Some(other) => self::info(link, &other).await.map_err(|error| error.of(&what))?,
                None if !options.creates_streams => {
                    return Err(refused(format!(
                        "{} has no stream for topic {topic}; make one that takes the subjects `{topic}` and `{topic}.*`",
                        link.shown
                    )));
                }
                None => create(link, options, topic, &what).await?,
            }
        }
        Err(error) => return Err(error.of(&what)),
    };
    check(&info.config, options, topic)
        .map_err(|why| refused(format!("{what}, {}: {why}", info.config.name)))?;
    Ok(info)
}

pub(crate) async fn info(link: &Link, stream: &str) -> Result<StreamInfo, api::ApiError> {
    api::call(link, &format!("STREAM.INFO.{stream}"), &api::Nothing {}).await
}

async fn of_subject(link: &Link, subject: &str) -> Result<Option<String>, BrokerError> {
    let body = serde_json::json!({ "subject": subject });
    let names: api::Names =
        api::call(link, "STREAM.NAMES", &body).await.map_err(|error| error.of("the names of streams"))?;
    Ok(names.all().into_iter().next())
}

async fn create(
    link: &Link,
    options: &NatsOptions,
    topic: &Topic,
    what: &str,
) -> Result<StreamInfo, BrokerError> {
    let name = stream_name(topic);
    let config = StreamConfig {
        name: name.clone(),
        description: format!("Topic {topic}, made by Factum"),
        subjects: (0..SUBJECTS).map(|part| subject(topic, part)).collect(),
        retention: "limits".to_owned(),
        storage: if options.in_memory { "memory" } else { "file" }.to_owned(),
        num_replicas: options.replicas,
        max_age: nanos(options.kept_for),
        max_bytes: options.bytes_max.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        // A full stream refuses: what was promised to consumers is not thrown away behind their back.
        discard: "new".to_owned(),
        duplicate_window: nanos(options.dedupe_window),
        no_ack: false,
    };
    let made: Result<StreamInfo, _> = api::call(link, &format!("STREAM.CREATE.{name}"), &config).await;
    match made {
        Ok(info) => Ok(info),
        // Another instance may have made it at the same time, with the same or other settings.
        Err(error) => match self::info(link, &name).await {
            Ok(info) => Ok(info),
            Err(_) => Err(error.of(what)),
        },
    }
}

/// What the stream lacks of what the broker declares.
fn check(config: &StreamConfig, options: &NatsOptions, topic: &Topic) -> Result<(), String> {
    let is_taken = |subject: &String| config.subjects.iter().any(|pattern| covers(pattern, subject));
    if let Some(missing) = (0..SUBJECTS).map(|part| subject(topic, part)).find(|subject| !is_taken(subject)) {
        return Err(format!("it does not take the subject {missing}; let it take `{topic}` and `{topic}.*`"));
    }
    if durability(config) < options.durability() {
        let (is, wanted) = (durability(config), options.durability());
        let (storage, replicas) = (&config.storage, config.num_replicas.max(1));
        return Err(format!(
            "it keeps events as durably as {is:?} ({storage} storage, {replicas} replicas), and {wanted:?} is asked for; \
             change the stream, or ask for less in the options"
        ));
    }
    if config.no_ack {
        return Err(
            "it confirms nothing (no_ack), so that nobody knows what it has; turn that off".to_owned()
        );
    }
    if config.retention != "limits" && !config.retention.is_empty() {
        let retention = &config.retention;
        return Err(format!(
            "it drops what one consumer has acknowledged (retention {retention}); topics need retention limits"
        ));
    }
    if config.duplicate_window == 0 {
        return Err("it knows no event id again (duplicate window 0); give it one, such as 2m".to_owned());
    }
    Ok(())
}

/// What an acknowledged message has survived. JetStream syncs to disk now and then, after it has acknowledged, so file
/// storage of one server is no more than its page cache, and that of several the memory of a majority.
fn durability(config: &StreamConfig) -> Durability {
    durability_of(config.storage == "memory", config.num_replicas)
}

pub(crate) fn durability_of(in_memory: bool, replicas: usize) -> Durability {
    match (replicas, in_memory) {
        (0 | 1, true) => Durability::Memory,
        (0 | 1, false) => Durability::PageCache,
        _ => Durability::QuorumMemory,
    }
}

/// A publish that no stream took.
pub(crate) fn no_stream(link: &Link, topic: &Topic) -> BrokerError {
    transient(format!(
        "no stream at {} takes topic {topic} any more; it was deleted, or JetStream is starting; publish again",
        link.shown
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_take_what_nats_says_they_take() {
        for (pattern, subject, is) in [
            ("orders", "orders", true),
            ("orders.*", "orders.~3", true),
            ("orders.*", "orders", false),
            ("orders.*", "orders.a.b", false),
            ("orders.>", "orders.a.b", true),
            ("orders.>", "orders", false),
            (">", "orders", true),
            ("*.placed", "order.placed", true),
            ("order", "orders", false),
        ] {
            assert_eq!(covers(pattern, subject), is, "{pattern} {subject}");
        }
    }

    #[test]
    fn subjects_and_names_of_topics_never_meet() {
        let topics: Vec<Topic> = ["order", "order.placed", "order_placed", "order-placed"]
            .map(|name| name.parse().unwrap())
            .into();
        let mut subjects: Vec<String> =
            topics.iter().flat_map(|topic| (0..SUBJECTS).map(|part| subject(topic, part))).collect();
        subjects.extend(topics.iter().map(stream_name));
        let count = subjects.len();
        subjects.sort();
        subjects.dedup();
        // A topic without dots is its own stream's name, and nothing else is twice.
        assert_eq!(subjects.len(), count - 3);
    }

    #[test]
    fn a_key_s_part_never_changes() {
        let part = |key: &str| part_of(&key.parse().unwrap());
        // Events of one key must go where their predecessors went, whatever the release.
        assert_eq!(["order-1", "order-2", "c-7", "é"].map(part), [6, 12, 12, 3]);
    }

    #[test]
    fn a_durable_s_name_says_its_part() {
        let name = durable(&"shop.payments".parse().unwrap(), 16);
        assert_eq!((name.as_str(), part_of_durable(&name)), ("shop~payments=16", Some(16)));
        assert_eq!(part_of_durable("foreign"), None);
        assert_eq!(part_of_durable("foreign=17"), None);
    }
}

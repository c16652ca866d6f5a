//! What each broker's binding says of topics, operations and events: what its specification knows, and nothing else.
//!
//! Topics are subjects in NATS, routing keys of one topic exchange per system in AMQP, and streams in Redis. The
//! bindings of NATS and Redis have no keys for topics, so theirs are empty.

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::node::build::Map;
use crate::system::TopicSpec;

use super::Server;

/// Which brokers' bindings are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Protocols {
    kafka: bool,
    nats: bool,
    amqp: bool,
    redis: bool,
}

impl Protocols {
    pub(super) fn of(servers: &[Server]) -> Self {
        let has = |name: &str| servers.iter().any(|server| server.protocol().starts_with(name));
        Self { kafka: has("kafka"), nats: has("nats"), amqp: has("amqp"), redis: has("redis") }
    }

    /// A binding of each broker that is used and has something to say.
    fn map(self, kafka: Map, nats: Map, amqp: Map) -> Map {
        let mut map = Map::default();
        let all = [
            (self.kafka, "kafka", kafka, "0.5.0"),
            (self.nats, "nats", nats, "0.1.0"),
            (self.amqp, "amqp", amqp, "0.3.0"),
        ];
        for (is_used, name, mut binding, version) in all {
            if is_used && !binding.is_empty() {
                binding.put("bindingVersion", version);
                map.put(name, binding);
            }
        }
        map
    }
}

pub(super) fn topic(catalog: &Catalog, name: &str, spec: Option<&TopicSpec>, used: Protocols) -> Map {
    let mut kafka = Map::of("topic", name);
    kafka.maybe("partitions", spec.and_then(|spec| spec.partitions));
    let retention = spec.and_then(|spec| spec.retention).or(catalog.system.defaults.retention);
    let milliseconds = retention.and_then(|kept| u64::try_from(kept.as_millis()).ok());
    kafka.maybe("topicConfiguration", milliseconds.map(|kept| Map::of("retention.ms", kept)));
    let mut exchange = Map::of("name", catalog.system.name.as_str());
    exchange.put("type", "topic");
    exchange.put("durable", true);
    exchange.put("autoDelete", false);
    let mut amqp = Map::of("is", "routingKey");
    amqp.put("exchange", exchange);
    let mut map = used.map(kafka, Map::default(), amqp);
    // Nothing to say, but to be told: the topic is there too.
    for (is_used, name) in [(used.nats, "nats"), (used.redis, "redis")] {
        if is_used {
            map.put(name, Map::default());
        }
    }
    map
}

pub(super) fn send(used: Protocols) -> Map {
    // Written to disk, and given back when nobody is bound to take it.
    let mut amqp = Map::of("deliveryMode", 2_u64);
    amqp.put("mandatory", true);
    used.map(Map::default(), Map::default(), amqp)
}

pub(super) fn receive(reader: &str, used: Protocols) -> Map {
    let mut group = Map::of("type", "string");
    group.put("enum", vec![reader]);
    used.map(Map::of("groupId", group), Map::of("queue", reader), Map::of("ack", true))
}

pub(super) fn event(contract: &Contract, used: Protocols) -> Map {
    let mut key = Map::of("type", "string");
    key.put("description", format!("The value of {}.", contract.key.value));
    used.map(Map::of("key", key), Map::default(), Map::of("messageType", contract.name.as_str()))
}

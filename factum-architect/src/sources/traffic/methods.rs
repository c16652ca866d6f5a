//! What the clients of brokers, and frameworks, call publishing and consuming.

use super::{Direction, Via};

/// Where a call has its name.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// In an argument.
    Arg(usize),
    /// In a field of an argument, or a named argument.
    Field(&'static str),
    /// It has none that can be read.
    Nowhere,
}

/// What a client's method does.
pub(super) struct Method {
    /// Words of the import that brings it.
    pub(super) imports: &'static [&'static str],
    pub(super) name: &'static str,
    pub(super) direction: Direction,
    pub(super) via: Via,
    pub(super) at: At,
}

const fn method(
    imports: &'static [&'static str],
    name: &'static str,
    direction: Direction,
    via: Via,
    at: At,
) -> Method {
    Method { imports, name, direction, via, at }
}

use At::{Field, Nowhere};
use Direction::{Consume, Publish};

const KAFKA: &[&str] = &["kafka", "sarama"];
const SQS: &[&str] = &["sqs", "boto3"];
const SNS: &[&str] = &["sns", "boto3"];
const NATS: &[&str] = &["nats"];
const EMITTER: &[&str] = &["'events'", "\"events\"", "node:events", "eventemitter", "event-emitter"];
const REDIS: &[&str] = &["redis", "jedis", "lettuce"];

pub(super) const METHODS: &[Method] = &[
    // Kafka: kafkajs, kafka-python, aiokafka, confluent, rdkafka, the Java client, sarama, kafka-go.
    method(&["kafkajs"], "send", Publish, Via::Kafka, Field("topic")),
    method(&["kafkajs"], "sendBatch", Publish, Via::Kafka, Nowhere),
    method(&["kafkajs"], "subscribe", Consume, Via::Kafka, Field("topic")),
    method(&["kafkajs"], "run", Consume, Via::Kafka, Nowhere),
    method(&["from kafka", "import kafka", "aiokafka"], "send", Publish, Via::Kafka, At::Arg(0)),
    method(&["aiokafka"], "send_and_wait", Publish, Via::Kafka, At::Arg(0)),
    method(&["confluent_kafka"], "produce", Publish, Via::Kafka, At::Arg(0)),
    method(
        &["confluent_kafka", "rdkafka", "aiokafka", "from kafka"],
        "subscribe",
        Consume,
        Via::Kafka,
        At::Arg(0),
    ),
    method(&["from kafka", "aiokafka"], "KafkaConsumer", Consume, Via::Kafka, At::Arg(0)),
    method(&["aiokafka"], "AIOKafkaConsumer", Consume, Via::Kafka, At::Arg(0)),
    method(&["rdkafka"], "to", Publish, Via::Kafka, At::Arg(0)),
    method(KAFKA, "ProducerRecord", Publish, Via::Kafka, At::Arg(0)),
    method(&["springframework.kafka"], "send", Publish, Via::Kafka, At::Arg(0)),
    method(&["sarama"], "SendMessage", Publish, Via::Kafka, Field("Topic")),
    method(&["sarama"], "Consume", Consume, Via::Kafka, At::Arg(1)),
    method(&["sarama"], "ConsumePartition", Consume, Via::Kafka, At::Arg(0)),
    method(&["apache.kafka"], "subscribe", Consume, Via::Kafka, At::Arg(0)),
    method(&["kafka-go"], "WriteMessages", Publish, Via::Kafka, Field("Topic")),
    method(&["kafka-go"], "NewReader", Consume, Via::Kafka, Field("Topic")),
    method(&["confluent-kafka-go"], "Produce", Publish, Via::Kafka, Nowhere),
    method(&["confluent-kafka-go"], "SubscribeTopics", Consume, Via::Kafka, At::Arg(0)),
    // RabbitMQ: amqplib, pika, lapin, the Java client, Spring, amqp091.
    method(&["amqplib", "amqp-connection-manager"], "publish", Publish, Via::RabbitMq, At::Arg(1)),
    method(&["amqplib", "amqp-connection-manager"], "sendToQueue", Publish, Via::RabbitMq, Nowhere),
    method(&["amqplib", "amqp-connection-manager"], "consume", Consume, Via::RabbitMq, Nowhere),
    method(&["pika"], "basic_publish", Publish, Via::RabbitMq, Field("routing_key")),
    method(&["pika"], "basic_consume", Consume, Via::RabbitMq, Nowhere),
    method(&["lapin"], "basic_publish", Publish, Via::RabbitMq, At::Arg(1)),
    method(&["lapin"], "basic_consume", Consume, Via::RabbitMq, Nowhere),
    method(&["rabbitmq"], "basicPublish", Publish, Via::RabbitMq, At::Arg(1)),
    method(&["rabbitmq"], "basicConsume", Consume, Via::RabbitMq, Nowhere),
    method(&["springframework.amqp"], "convertAndSend", Publish, Via::RabbitMq, At::Arg(1)),
    method(&["amqp091", "streadway/amqp"], "Publish", Publish, Via::RabbitMq, At::Arg(1)),
    method(&["amqp091"], "PublishWithContext", Publish, Via::RabbitMq, At::Arg(2)),
    method(&["amqp091", "streadway/amqp"], "Consume", Consume, Via::RabbitMq, Nowhere),
    method(&["aio_pika"], "publish", Publish, Via::RabbitMq, Field("routing_key")),
    method(&["aio_pika"], "consume", Consume, Via::RabbitMq, Nowhere),
    // Amazon.
    method(SQS, "SendMessageCommand", Publish, Via::Sqs, Nowhere),
    method(SQS, "ReceiveMessageCommand", Consume, Via::Sqs, Nowhere),
    method(SQS, "send_message", Publish, Via::Sqs, Nowhere),
    method(SQS, "receive_message", Consume, Via::Sqs, Nowhere),
    method(SQS, "sendMessage", Publish, Via::Sqs, Nowhere),
    method(SQS, "receiveMessage", Consume, Via::Sqs, Nowhere),
    method(SQS, "SendMessage", Publish, Via::Sqs, Nowhere),
    method(SQS, "ReceiveMessage", Consume, Via::Sqs, Nowhere),
    method(SNS, "PublishCommand", Publish, Via::Sns, Nowhere),
    method(&["boto3"], "publish", Publish, Via::Sns, Nowhere),
    method(&["aws_sdk_sns", "service/sns", "services.sns"], "publish", Publish, Via::Sns, Nowhere),
    method(SQS, "send_message_batch", Publish, Via::Sqs, Nowhere),
    method(&["awspring", "services.sqs"], "send", Publish, Via::Sqs, Nowhere),
    method(&["services.sns", "awspring"], "convertAndSend", Publish, Via::Sns, Nowhere),
    method(&["service/sns"], "Publish", Publish, Via::Sns, Nowhere),
    // NATS.
    method(NATS, "publish", Publish, Via::Nats, At::Arg(0)),
    method(NATS, "Publish", Publish, Via::Nats, At::Arg(0)),
    method(NATS, "subscribe", Consume, Via::Nats, At::Arg(0)),
    method(NATS, "Subscribe", Consume, Via::Nats, At::Arg(0)),
    method(NATS, "QueueSubscribe", Consume, Via::Nats, At::Arg(0)),
    method(NATS, "createDispatcher", Consume, Via::Nats, Nowhere),
    // Redis.
    method(REDIS, "publish", Publish, Via::Redis, At::Arg(0)),
    method(REDIS, "convertAndSend", Publish, Via::Redis, At::Arg(0)),
    method(REDIS, "Publish", Publish, Via::Redis, At::Arg(1)),
    method(REDIS, "xadd", Publish, Via::Redis, At::Arg(0)),
    method(REDIS, "xAdd", Publish, Via::Redis, At::Arg(0)),
    method(REDIS, "XAdd", Publish, Via::Redis, Field("Stream")),
    method(REDIS, "subscribe", Consume, Via::Redis, At::Arg(0)),
    method(REDIS, "Subscribe", Consume, Via::Redis, At::Arg(1)),
    method(REDIS, "xreadgroup", Consume, Via::Redis, Nowhere),
    method(REDIS, "xReadGroup", Consume, Via::Redis, Nowhere),
    method(REDIS, "XReadGroup", Consume, Via::Redis, Nowhere),
    method(REDIS, "psubscribe", Consume, Via::Redis, At::Arg(0)),
    method(REDIS, "xread", Consume, Via::Redis, Nowhere),
    method(REDIS, "xread_options", Consume, Via::Redis, Nowhere),
    // Inside a process.
    method(EMITTER, "emit", Publish, Via::Emitter, At::Arg(0)),
    method(EMITTER, "on", Consume, Via::Emitter, At::Arg(0)),
    method(EMITTER, "addListener", Consume, Via::Emitter, At::Arg(0)),
    method(&["@nestjs/microservices"], "emit", Publish, Via::Nest, At::Arg(0)),
    method(&["@nestjs/cqrs"], "publish", Publish, Via::Nest, Nowhere),
    method(&["springframework.context"], "publishEvent", Publish, Via::Spring, Nowhere),
];

/// Annotations that make a method a handler.
pub(super) const NOTES: [(&str, Via); 9] = [
    ("KafkaListener", Via::Kafka),
    ("RabbitListener", Via::RabbitMq),
    ("RabbitSubscribe", Via::RabbitMq),
    ("SqsListener", Via::Sqs),
    ("SqsMessageHandler", Via::Sqs),
    ("EventPattern", Via::Nest),
    ("OnEvent", Via::Nest),
    ("EventListener", Via::Spring),
    ("TransactionalEventListener", Via::Spring),
];

/// Events that emitters of Node have of their own.
pub(super) const OF_NODE: [&str; 24] = [
    "error",
    "close",
    "data",
    "end",
    "finish",
    "connect",
    "disconnect",
    "open",
    "message",
    "exit",
    "drain",
    "ready",
    "listening",
    "timeout",
    "readable",
    "pause",
    "resume",
    "request",
    "response",
    "upgrade",
    "uncaughtException",
    "unhandledRejection",
    "SIGTERM",
    "SIGINT",
];

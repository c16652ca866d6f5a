//! What code publishes and consumes is seen in five languages, by every client.

use std::fmt::Write as _;

use factum_architect::sources::Code;
use factum_architect::sources::traffic::{Direction, find};
use factum_contract::Source;

/// A file, and what is to be seen in it.
const SAMPLES: [(&str, &str); 25] = [
    (
        "kafka.ts",
        "import { Kafka } from 'kafkajs';\nconst TOPIC = 'order.placed';\nawait producer.send({ topic: TOPIC, messages: [{ value: encode(order) }] });\nawait consumer.subscribe({ topic: 'order.paid', fromBeginning: true });\nawait consumer.run({ eachMessage: async ({ message }) => { await write(message); } });\n",
    ),
    (
        "rabbit.ts",
        "import amqp from 'amqplib';\nchannel.publish('events', 'order.placed', encode(order));\nchannel.consume('mail', (message) => write(message));\n",
    ),
    (
        "sqs.ts",
        "import { SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';\nawait client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: encode(order) }));\n",
    ),
    (
        "sns.ts",
        "import { SNSClient, PublishCommand } from '@aws-sdk/client-sns';\nawait client.send(new PublishCommand({ TopicArn: arn, Message: encode(order) }));\n",
    ),
    (
        "nats.ts",
        "import { connect } from 'nats';\nnc.publish('order.placed', encode(order));\nconst sub = nc.subscribe('order.paid');\n",
    ),
    (
        "redis.ts",
        "import Redis from 'ioredis';\nawait redis.publish('order.placed', encode(order));\nawait redis.xadd('orders', '*', 'data', encode(order));\nawait redis.subscribe('order.paid');\n",
    ),
    (
        "supabase.ts",
        "import { createClient } from '@supabase/supabase-js';\nsupabase.channel('orders').on('broadcast', { event: 'order.paid' }, (e) => write(e)).subscribe();\nawait channel.send({ type: 'broadcast', event: 'order.placed', payload: order });\n",
    ),
    (
        "emitter.ts",
        "import { EventEmitter } from 'node:events';\nconst TOPICS = { placed: 'order.placed' } as const;\nclass Orders extends EventEmitter {}\norders.emit(TOPICS.placed, order);\norders.on('order.placed', write);\norders.on('error', log);\n",
    ),
    (
        "nest.ts",
        "import { EventPattern } from '@nestjs/microservices';\n@Controller()\nexport class Mail {\n  @EventPattern('order.placed')\n  async placed(data: OrderPlaced) { await this.client.emit('mail.sent', data); }\n}\n",
    ),
    (
        "kafka.py",
        "from kafka import KafkaProducer, KafkaConsumer\nproducer.send('order.placed', value=encode(order))\nconsumer = KafkaConsumer('order.paid', group_id='mail')\n",
    ),
    (
        "confluent.py",
        "from confluent_kafka import Producer, Consumer\nTOPIC = 'order.placed'\nproducer.produce(TOPIC, key=k, value=v)\nconsumer.subscribe(['order.paid'])\n",
    ),
    (
        "pika_mail.py",
        "import pika\nchannel.basic_publish(exchange='events', routing_key='order.placed', body=body)\nchannel.basic_consume(queue='mail', on_message_callback=handle)\n",
    ),
    (
        "sqs.py",
        "import boto3\nsqs.send_message(QueueUrl=url, MessageBody=body)\nsns.publish(TopicArn=arn, Message=body)\n",
    ),
    (
        "nats_mail.py",
        "import nats\nasync def main(nc):\n    await nc.publish('order.placed', body)\n    await nc.subscribe('order.paid', cb=handle)\n",
    ),
    (
        "Kafka.java",
        "import org.springframework.kafka.annotation.KafkaListener;\nclass Mail {\n  @KafkaListener(topics = \"order.placed\", groupId = \"mail\")\n  void placed(OrderPlaced event) { kafkaTemplate.send(\"mail.sent\", key, sent(event)); }\n}\n",
    ),
    (
        "Record.java",
        "import org.apache.kafka.clients.producer.ProducerRecord;\nclass Orders {\n  static final String TOPIC = \"order.placed\";\n  void place(Order order) { producer.send(new ProducerRecord<>(TOPIC, order.id(), encode(order))); }\n}\n",
    ),
    (
        "Rabbit.java",
        "import org.springframework.amqp.rabbit.core.RabbitTemplate;\nclass Orders {\n  void place(Order order) { rabbitTemplate.convertAndSend(\"events\", \"order.placed\", placed(order)); }\n  @RabbitListener(queues = \"mail\")\n  void mail(OrderPlaced event) {}\n}\n",
    ),
    (
        "Spring.java",
        "import org.springframework.context.ApplicationEventPublisher;\nclass Orders {\n  void place(Order order) { publisher.publishEvent(new OrderPlaced(order)); }\n  @EventListener\n  void on(OrderPlaced event) {}\n}\n",
    ),
    (
        "kafka.go",
        "package orders\nimport \"github.com/segmentio/kafka-go\"\nfunc place(w *kafka.Writer) error {\n\treturn w.WriteMessages(ctx, kafka.Message{Topic: \"order.placed\", Value: body})\n}\nfunc read() {\n\tr := kafka.NewReader(kafka.ReaderConfig{Topic: \"order.paid\"})\n\t_ = r\n}\n",
    ),
    (
        "nats.go",
        "package orders\nimport \"github.com/nats-io/nats.go\"\nconst subject = \"order.placed\"\nfunc place(nc *nats.Conn) {\n\tnc.Publish(subject, body)\n\tnc.Subscribe(\"order.paid\", func(m *nats.Msg) { write(m) })\n}\n",
    ),
    (
        "redis.go",
        "package orders\nimport \"github.com/redis/go-redis/v9\"\nfunc place(rdb *redis.Client) {\n\trdb.Publish(ctx, \"order.placed\", body)\n\trdb.XAdd(ctx, &redis.XAddArgs{Stream: \"orders\", Values: v})\n}\n",
    ),
    (
        "kafka.rs",
        "use rdkafka::producer::FutureRecord;\nconst TOPIC: &str = \"order.placed\";\nasync fn place(producer: &FutureProducer) {\n    producer.send(FutureRecord::to(TOPIC).payload(&body), wait).await;\n    consumer.subscribe(&[\"order.paid\"]).ok();\n}\n",
    ),
    (
        "rabbit.rs",
        "use lapin::Channel;\nasync fn place(channel: &Channel) {\n    channel.basic_publish(\"events\", \"order.placed\", options, &body, properties).await;\n}\n",
    ),
    (
        "nats.rs",
        "use async_nats::Client;\nasync fn place(client: &Client) {\n    client.publish(\"order.placed\", body).await;\n    client.subscribe(\"order.paid\").await;\n}\n",
    ),
    (
        "bus.rs",
        "use crate::bus::Bus;\nfn place(event_bus: &Bus) {\n    event_bus.publish(\"order.placed\", placed());\n    event_bus.subscribe(\"order.paid\", |event| write(event));\n}\n",
    ),
];

#[test]
fn producers_and_consumers_are_seen_in_five_languages() {
    let sources: Vec<Source> = SAMPLES.iter().map(|(name, text)| Source::new(*name, *text)).collect();
    let code = Code::of(sources, 0, SAMPLES.len());
    let mut seen = String::new();
    for one in find(&code.units) {
        let way = if one.direction == Direction::Publish { "publishes" } else { "consumes" };
        let name = one.name.as_deref().unwrap_or("?");
        let handled = if one.handler.is_some() { ", handled" } else { "" };
        let _ = writeln!(
            seen,
            "{}:{} {} {way} {name}{handled}",
            code.units[one.unit].path,
            one.span.line,
            one.via.as_str()
        );
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn what_only_looks_like_traffic_is_none() {
    let text = "import express from 'express';\nimport { EventEmitter } from 'events';\napp.get('/orders', (req, res) => res.send({ ok: true }));\nsocket.on('message', show);\nprocess.on('SIGTERM', stop);\nserver.on('error', log);\nfetcher.send('order.placed');\n";
    let code = Code::of(vec![Source::new("server.ts", text)], 0, 1);
    assert!(find(&code.units).is_empty(), "{:?}", find(&code.units));
}

#[test]
fn broken_code_is_read_as_far_as_it_goes() {
    let text = "import { connect } from 'nats';\nnc.publish('order.placed', body);\nfunction ( {{{ ]]\n";
    let deep = format!(
        "import {{ connect }} from 'nats';\nconst x = {}1{};\n",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    let code = Code::of(vec![Source::new("a.ts", text), Source::new("deep.ts", deep)], 0, 2);
    assert_eq!(
        find(&code.units).iter().filter_map(|one| one.name.clone()).collect::<Vec<_>>(),
        ["order.placed"]
    );
}

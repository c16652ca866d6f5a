//! Every client that reviews know is seen on both sides, in each language that has it.

use std::collections::BTreeSet;

use factum_architect::sources::Code;
use factum_architect::sources::traffic::{Direction, Via, find};
use factum_contract::Source;

/// A file's name, what it speaks to, and code that publishes and consumes.
const CLIENTS: [(&str, Via, &str); 32] = [
    (
        "a.ts",
        Via::Kafka,
        "import { Kafka } from 'kafkajs';\nawait producer.send({ topic: 'order.placed', messages: [m] });\nawait consumer.subscribe({ topic: 'order.paid' });\n",
    ),
    (
        "a.rs",
        Via::Kafka,
        "use rdkafka::producer::FutureRecord;\nasync fn f() {\n    producer.send(FutureRecord::to(\"order.placed\").payload(&b), WAIT).await;\n    consumer.subscribe(&[\"order.paid\"]).ok();\n}\n",
    ),
    (
        "a.py",
        Via::Kafka,
        "from confluent_kafka import Producer, Consumer\nproducer.produce('order.placed', value=v)\nconsumer.subscribe(['order.paid'])\n",
    ),
    (
        "b.py",
        Via::Kafka,
        "from aiokafka import AIOKafkaProducer, AIOKafkaConsumer\nasync def f(producer):\n    await producer.send_and_wait('order.placed', body)\n    consumer = AIOKafkaConsumer('order.paid')\n",
    ),
    (
        "A.java",
        Via::Kafka,
        "import org.springframework.kafka.annotation.KafkaListener;\nclass A {\n  @KafkaListener(topics = \"order.paid\")\n  void paid(OrderPaid event) { kafkaTemplate.send(\"order.placed\", event); }\n}\n",
    ),
    (
        "B.java",
        Via::Kafka,
        "import org.apache.kafka.clients.consumer.KafkaConsumer;\nclass B {\n  void f() { producer.send(new ProducerRecord<>(\"order.placed\", v)); consumer.subscribe(List.of(\"order.paid\")); }\n}\n",
    ),
    (
        "a.go",
        Via::Kafka,
        "package a\nimport \"github.com/segmentio/kafka-go\"\nfunc f() {\n\tw.WriteMessages(ctx, kafka.Message{Topic: \"order.placed\", Value: v})\n\tr := kafka.NewReader(kafka.ReaderConfig{Topic: \"order.paid\"})\n\t_ = r\n}\n",
    ),
    (
        "b.go",
        Via::Kafka,
        "package a\nimport \"github.com/IBM/sarama\"\nfunc f() {\n\tproducer.SendMessage(&sarama.ProducerMessage{Topic: \"order.placed\", Value: v})\n\tgroup.Consume(ctx, []string{\"order.paid\"}, handler)\n}\n",
    ),
    (
        "a.ts",
        Via::RabbitMq,
        "import amqp from 'amqplib';\nchannel.publish('shop', 'order.placed', body);\nchannel.consume('mail', (m) => write(m));\n",
    ),
    (
        "a.rs",
        Via::RabbitMq,
        "use lapin::Channel;\nasync fn f(channel: &Channel) {\n    channel.basic_publish(\"shop\", \"order.placed\", o, &b, p).await;\n    channel.basic_consume(\"mail\", \"me\", o, t).await;\n}\n",
    ),
    (
        "a.py",
        Via::RabbitMq,
        "import pika\nchannel.basic_publish(exchange='shop', routing_key='order.placed', body=b)\nchannel.basic_consume(queue='mail', on_message_callback=handle)\n",
    ),
    (
        "b.py",
        Via::RabbitMq,
        "import aio_pika\nasync def f(exchange, queue):\n    await exchange.publish(aio_pika.Message(body), routing_key='order.placed')\n    await queue.consume(handle)\n",
    ),
    (
        "A.java",
        Via::RabbitMq,
        "import org.springframework.amqp.rabbit.core.RabbitTemplate;\nclass A {\n  void f(Order o) { rabbitTemplate.convertAndSend(\"shop\", \"order.placed\", o); }\n  @RabbitListener(queues = \"mail\")\n  void g(OrderPlaced event) {}\n}\n",
    ),
    (
        "a.go",
        Via::RabbitMq,
        "package a\nimport amqp \"github.com/rabbitmq/amqp091-go\"\nfunc f() {\n\tch.PublishWithContext(ctx, \"shop\", \"order.placed\", false, false, amqp.Publishing{Body: b})\n\tch.Consume(\"mail\", \"\", false, false, false, false, nil)\n}\n",
    ),
    (
        "a.ts",
        Via::Sqs,
        "import { SQSClient, SendMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';\nawait client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: b }));\nawait client.send(new ReceiveMessageCommand({ QueueUrl: url }));\n",
    ),
    (
        "a.rs",
        Via::Sqs,
        "use aws_sdk_sqs::Client;\nasync fn f(sqs: &Client) {\n    sqs.send_message().queue_url(url).message_body(b).send().await;\n    sqs.receive_message().queue_url(url).send().await;\n}\n",
    ),
    (
        "a.py",
        Via::Sqs,
        "import boto3\nsqs = boto3.client('sqs')\nsqs.send_message(QueueUrl=url, MessageBody=b)\nsqs.receive_message(QueueUrl=url)\n",
    ),
    (
        "A.java",
        Via::Sqs,
        "import software.amazon.awssdk.services.sqs.SqsClient;\nclass A {\n  void f() { sqsClient.sendMessage(r); sqsClient.receiveMessage(q); }\n}\n",
    ),
    (
        "a.go",
        Via::Sqs,
        "package a\nimport \"github.com/aws/aws-sdk-go-v2/service/sqs\"\nfunc f(sqsClient *sqs.Client) {\n\tsqsClient.SendMessage(ctx, &sqs.SendMessageInput{MessageBody: b})\n\tsqsClient.ReceiveMessage(ctx, in)\n}\n",
    ),
    (
        "a.ts",
        Via::Nats,
        "import { connect } from 'nats';\nnc.publish('order.placed', b);\nnc.subscribe('order.paid');\n",
    ),
    (
        "a.rs",
        Via::Nats,
        "use async_nats::Client;\nasync fn f(client: &Client) {\n    client.publish(\"order.placed\", b).await;\n    client.subscribe(\"order.paid\").await;\n}\n",
    ),
    (
        "a.py",
        Via::Nats,
        "import nats\nasync def f(nc):\n    await nc.publish('order.placed', b)\n    await nc.subscribe('order.paid', cb=h)\n",
    ),
    (
        "A.java",
        Via::Nats,
        "import io.nats.client.Connection;\nclass A {\n  void f() { nc.publish(\"order.placed\", b); nc.subscribe(\"order.paid\"); }\n}\n",
    ),
    (
        "a.go",
        Via::Nats,
        "package a\nimport \"github.com/nats-io/nats.go\"\nfunc f(nc *nats.Conn) {\n\tnc.Publish(\"order.placed\", b)\n\tnc.Subscribe(\"order.paid\", h)\n}\n",
    ),
    (
        "a.ts",
        Via::Redis,
        "import Redis from 'ioredis';\nawait redis.publish('order.placed', b);\nawait redis.subscribe('order.paid');\n",
    ),
    (
        "a.rs",
        Via::Redis,
        "use redis::AsyncCommands;\nasync fn f(c: &mut C) {\n    c.publish(\"order.placed\", b).await;\n    pubsub.subscribe(\"order.paid\").await;\n}\n",
    ),
    ("a.py", Via::Redis, "import redis\nr.publish('order.placed', b)\npubsub.subscribe('order.paid')\n"),
    (
        "A.java",
        Via::Redis,
        "import redis.clients.jedis.Jedis;\nclass A {\n  void f() { jedis.publish(\"order.placed\", b); jedis.subscribe(listener, \"order.paid\"); }\n}\n",
    ),
    (
        "a.go",
        Via::Redis,
        "package a\nimport \"github.com/redis/go-redis/v9\"\nfunc f(rdb *redis.Client) {\n\trdb.Publish(ctx, \"order.placed\", b)\n\trdb.Subscribe(ctx, \"order.paid\")\n}\n",
    ),
    (
        "a.ts",
        Via::Supabase,
        "import { createClient } from '@supabase/supabase-js';\nsupabase.channel('o').on('broadcast', { event: 'order.paid' }, (e) => write(e)).subscribe();\nawait channel.send({ type: 'broadcast', event: 'order.placed', payload: o });\n",
    ),
    (
        "a.ts",
        Via::Nest,
        "import { EventPattern } from '@nestjs/microservices';\nexport class A {\n  @EventPattern('order.paid')\n  async paid(data: OrderPaid) { this.client.emit('order.placed', data); }\n}\n",
    ),
    (
        "A.java",
        Via::Spring,
        "import org.springframework.context.ApplicationEventPublisher;\nclass A {\n  void f(Order o) { publisher.publishEvent(new OrderPlaced(o)); }\n  @EventListener\n  void on(OrderPaid event) {}\n}\n",
    ),
];

/// Clients that publish alone: topics of SNS are read by queues, calls and mails.
const PUBLISHERS: [(&str, Via, &str); 5] = [
    (
        "a.ts",
        Via::Sns,
        "import { SNSClient, PublishCommand } from '@aws-sdk/client-sns';\nawait client.send(new PublishCommand({ TopicArn: arn, Message: b }));\n",
    ),
    (
        "a.rs",
        Via::Sns,
        "use aws_sdk_sns::Client;\nasync fn f(sns: &Client) {\n    sns.publish().topic_arn(arn).message(b).send().await;\n}\n",
    ),
    ("a.py", Via::Sns, "import boto3\nsns = boto3.client('sns')\nsns.publish(TopicArn=arn, Message=b)\n"),
    (
        "A.java",
        Via::Sns,
        "import software.amazon.awssdk.services.sns.SnsClient;\nclass A {\n  void f() { snsClient.publish(r); }\n}\n",
    ),
    (
        "a.go",
        Via::Sns,
        "package a\nimport \"github.com/aws/aws-sdk-go-v2/service/sns\"\nfunc f(snsClient *sns.Client) {\n\tsnsClient.Publish(ctx, &sns.PublishInput{Message: b})\n}\n",
    ),
];

fn ways(file: &str, via: Via, text: &str) -> BTreeSet<Direction> {
    let code = Code::of(vec![Source::new(file, text)], 0, 1);
    find(&code.units).iter().filter(|one| one.via == via).map(|one| one.direction).collect()
}

#[test]
fn every_client_is_seen_publishing_and_consuming_in_every_language() {
    let mut missed = Vec::new();
    for (file, via, text) in CLIENTS {
        for way in [Direction::Publish, Direction::Consume] {
            if !ways(file, via, text).contains(&way) {
                missed.push(format!("{} in {file}: no {way:?}", via.as_str()));
            }
        }
    }
    for (file, via, text) in PUBLISHERS {
        if !ways(file, via, text).contains(&Direction::Publish) {
            missed.push(format!("{} in {file}: no publish", via.as_str()));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

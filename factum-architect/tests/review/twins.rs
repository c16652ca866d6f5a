//! Each habit that harms a system of events: a bad sample is found, its good twin is clean; in TypeScript and in Rust.

use factum_architect::review::Options;

use crate::sample::{options, reviewed};

/// What the habit is, the rule that finds it, the bad sample, and its twin.
type Twin = (&'static str, &'static str, &'static str, &'static str);

const TYPESCRIPT: [Twin; 14] = [
    (
        "events too fine-grained",
        "event/chatty",
        "import { connect } from 'nats';\nexport function change(nc: Nats, c: Customer) {\n  nc.publish('customer.name.changed', encode(toName(c)));\n  nc.publish('customer.street.changed', encode(toStreet(c)));\n  nc.publish('customer.city.updated', encode(toCity(c)));\n}\n",
        "import { connect } from 'nats';\nexport function move(nc: Nats, c: Customer) {\n  nc.publish('customer.moved', encode(toMoved(c)));\n  nc.publish('customer.renamed', encode(toRenamed(c)));\n}\n",
    ),
    (
        "generic names",
        "name/generic",
        "import { Kafka } from 'kafkajs';\nexport async function tell(producer: Producer, order: Order) {\n  await producer.send({ topic: 'data.changed', messages: [toMessage(order)] });\n}\n",
        "import { Kafka } from 'kafkajs';\nexport async function tell(producer: Producer, order: Order) {\n  await producer.send({ topic: 'order.shipped', messages: [toMessage(order)] });\n}\n",
    ),
    (
        "a request and its response over events",
        "code/wait-for-event",
        "import { connect } from 'nats';\nexport async function price(nc: Nats, cart: Cart) {\n  await nc.publish('price.requested', codec.encode(cart));\n  return await waitForReply('price.calculated', cart.id);\n}\n",
        "import { connect } from 'nats';\nexport async function fill(nc: Nats, cart: Cart) {\n  await nc.publish('cart.filled', codec.encode(cart));\n  return { accepted: cart.id };\n}\n",
    ),
    (
        "a consumer that is not idempotent",
        "code/non-idempotent",
        "import { Kafka } from 'kafkajs';\nawait consumer.subscribe({ topic: 'order.placed' });\nawait consumer.run({\n  eachMessage: async ({ message }) => {\n    const order = OrderPlaced.parse(message.value);\n    await db.query('INSERT INTO shipments (order_id) VALUES ($1)', [order.orderId]);\n  },\n});\n",
        "import { Kafka } from 'kafkajs';\nawait consumer.subscribe({ topic: 'order.placed' });\nawait consumer.run({\n  eachMessage: async ({ message }) => {\n    const order = OrderPlaced.parse(message.value);\n    await db.query('INSERT INTO shipments (order_id) VALUES ($1) ON CONFLICT (order_id) DO NOTHING', [order.orderId]);\n  },\n});\n",
    ),
    (
        "mutable events",
        "code/event-mutated",
        "import { EventEmitter } from 'events';\nbus.on('order.placed', (event: OrderPlaced) => {\n  event.status = 'seen';\n  show(event);\n});\n",
        "import { EventEmitter } from 'events';\nbus.on('order.placed', (event: OrderPlaced) => {\n  show({ ...event, status: 'seen' });\n});\n",
    ),
    (
        "a producer that calls its consumers",
        "code/direct-consumer-call",
        "import { EventEmitter } from 'events';\nconst bus = new EventEmitter();\nexport function sendReceipt(event: OrderPaid) { printer.print(event); }\nbus.on('order.paid', sendReceipt);\nexport function pay(order: Order) {\n  bus.emit('order.paid', toEvent(order));\n  sendReceipt(toEvent(order));\n}\n",
        "import { EventEmitter } from 'events';\nconst bus = new EventEmitter();\nexport function sendReceipt(event: OrderPaid) { printer.print(event); }\nbus.on('order.paid', sendReceipt);\nexport function pay(order: Order) {\n  bus.emit('order.paid', toEvent(order));\n}\n",
    ),
    (
        "payloads without a contract",
        "code/raw-publish",
        "import amqp from 'amqplib';\nexport function ship(channel: Channel, order: Order) {\n  channel.publish('events', 'order.shipped', Buffer.from(JSON.stringify({ id: order.id, at: Date.now() })));\n}\n",
        "import amqp from 'amqplib';\nimport { createOrderShipped } from './contracts';\nexport function ship(channel: Channel, order: Order) {\n  channel.publish('events', 'order.shipped', Buffer.from(JSON.stringify(createOrderShipped(order))));\n}\n",
    ),
    (
        "a consumer that does not validate",
        "code/unvalidated-consume",
        "import amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  const order = JSON.parse(message.content.toString());\n  await letters.write(order.customer.email);\n  channel.ack(message);\n});\n",
        "import amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  const order = orderPlaced.validate(JSON.parse(message.content.toString()));\n  await letters.write(order.customer.email);\n  channel.ack(message);\n});\n",
    ),
    (
        "a consumer that reads its producer's database",
        "code/foreign-table",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  const rows = await pool.query('SELECT email FROM orders WHERE id = $1', [event.orderId]);\n});\n",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  const rows = await pool.query('SELECT email FROM recipients WHERE id = $1', [event.orderId]);\n});\n",
    ),
    (
        "failures swallowed",
        "code/swallowed-failure",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  try {\n    await letters.write(event);\n  } catch (error) {\n    logger.error('could not write', error);\n  }\n});\n",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  try {\n    await letters.write(event);\n  } catch (error) {\n    logger.error('could not write', error);\n    await deadLetters.put(event, error);\n  }\n});\n",
    ),
    (
        "direct service calls for decoupled work",
        "code/direct-service-call",
        "import { connect } from 'nats';\nexport async function place(order: Order) {\n  await axios.post('http://orders/emails', order);\n}\n",
        "import { connect } from 'nats';\nexport async function place(order: Order) {\n  await outbox.add('order.placed', createOrderPlaced(order));\n}\n",
    ),
    (
        "`any` in an event's path",
        "code/untyped",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: any) => {\n  await letters.write(event);\n});\n",
        "import { connect } from 'nats';\nnc.subscribe('order.placed', async (event: OrderPlaced) => {\n  await letters.write(event);\n});\n",
    ),
    (
        "an acknowledgement before the work",
        "code/ack-before-work",
        "import amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  channel.ack(message);\n  await orderRepository.save(toOrder(message));\n});\n",
        "import amqp from 'amqplib';\nchannel.consume('mail', async (message) => {\n  await orderRepository.save(toOrder(message));\n  channel.ack(message);\n});\n",
    ),
    (
        "a dual write",
        "code/publish-outside-tx",
        "import { connect } from 'nats';\nexport async function place(nc: Nats, order: Order) {\n  await orderRepository.save(order);\n  await nc.publish('order.placed', encode(toEvent(order)));\n}\n",
        "import { connect } from 'nats';\nexport async function place(order: Order) {\n  await dataSource.transaction(async (tx) => {\n    await tx.getRepository(Order).save(order);\n    await outbox.add(tx, toEvent(order));\n  });\n}\n",
    ),
];

const RUST: [Twin; 13] = [
    (
        "events too fine-grained",
        "event/chatty",
        "use async_nats::Client;\nasync fn change(client: &Client, c: &Customer) {\n    client.publish(\"customer.name.changed\", name(c)).await;\n    client.publish(\"customer.street.changed\", street(c)).await;\n    client.publish(\"customer.city.updated\", city(c)).await;\n}\n",
        "use async_nats::Client;\nasync fn change(client: &Client, c: &Customer) {\n    client.publish(\"customer.moved\", moved(c)).await;\n}\n",
    ),
    (
        "generic names",
        "name/generic",
        "use rdkafka::producer::FutureRecord;\nasync fn tell(producer: &FutureProducer, body: &[u8]) {\n    producer.send(FutureRecord::to(\"entity.updated\").payload(body), WAIT).await;\n}\n",
        "use rdkafka::producer::FutureRecord;\nasync fn tell(producer: &FutureProducer, body: &[u8]) {\n    producer.send(FutureRecord::to(\"order.shipped\").payload(body), WAIT).await;\n}\n",
    ),
    (
        "direct service calls for decoupled work",
        "code/direct-service-call",
        "use async_nats::Client;\nasync fn place(http: &reqwest::Client, order: &Order) -> Result<(), Error> {\n    http.post(\"http://orders/emails\").json(order).send().await?;\n    Ok(())\n}\n",
        "use factum::Context;\nasync fn place(cx: &mut Context<'_>, order: Order) -> Result<(), Failure> {\n    cx.emit(&placed(&order));\n    Ok(())\n}\n",
    ),
    (
        "a request and its response over events",
        "code/wait-for-event",
        "use async_nats::Client;\nasync fn price(client: &Client, cart: Cart) -> Result<Price, Error> {\n    client.publish(\"price.requested\", encode(&cart)).await?;\n    wait_for_reply(client, \"price.calculated\", cart.correlation).await\n}\n",
        "use async_nats::Client;\nasync fn fill(client: &Client, cart: Cart) -> Result<Accepted, Error> {\n    client.publish(\"cart.filled\", encode(&cart)).await?;\n    Ok(Accepted)\n}\n",
    ),
    (
        "a consumer that is not idempotent",
        "code/non-idempotent",
        "use lapin::Channel;\nasync fn handle_order_placed(event: OrderPlaced, db: &Pool) -> Result<(), Error> {\n    db.execute(\"INSERT INTO shipments (order_no) VALUES ($1)\", &[&event.order]).await?;\n    Ok(())\n}\n",
        "use lapin::Channel;\nasync fn handle_order_placed(event: OrderPlaced, db: &Pool) -> Result<(), Error> {\n    db.execute(\"INSERT INTO shipments (order_no) VALUES ($1) ON CONFLICT DO NOTHING\", &[&event.order]).await?;\n    Ok(())\n}\n",
    ),
    (
        "mutable events",
        "code/event-mutated",
        "use async_nats::Client;\nfn handle(mut event: OrderPlaced) {\n    event.total = round(event.total);\n    show(&event);\n}\n",
        "use async_nats::Client;\nfn handle(event: OrderPlaced) {\n    let total = round(event.total);\n    show(&event, total);\n}\n",
    ),
    (
        "a producer that calls its consumers",
        "code/direct-consumer-call",
        "use crate::bus::Bus;\nfn wire(bus: &Bus) {\n    bus.subscribe(\"order.paid\", print_receipt);\n}\nfn print_receipt(event: OrderPaid) {}\nfn pay(bus: &Bus, order: Order) {\n    bus.publish(\"order.paid\", paid(&order));\n    print_receipt(paid(&order));\n}\n",
        "use crate::bus::Bus;\nfn wire(bus: &Bus) {\n    bus.subscribe(\"order.paid\", print_receipt);\n}\nfn print_receipt(event: OrderPaid) {}\nfn pay(bus: &Bus, order: Order) {\n    bus.publish(\"order.paid\", paid(&order));\n}\n",
    ),
    (
        "payloads without a contract",
        "code/raw-publish",
        "use async_nats::Client;\nasync fn ship(client: &Client, order: &Order) {\n    client.publish(\"order.shipped\", json!({ \"id\": order.id }).to_string().into()).await;\n}\n",
        "use async_nats::Client;\nasync fn ship(client: &Client, order: &Order) {\n    client.publish(\"order.shipped\", encode(&OrderShipped::new(order.id))).await;\n}\n",
    ),
    (
        "a consumer that does not validate",
        "code/unvalidated-consume",
        "use async_nats::Message;\nasync fn handle_message(message: Message) {\n    let event: Value = serde_json::from_slice::<Value>(&message.payload).unwrap_or_default();\n    write(event[\"customer\"][\"email\"].to_string()).await;\n}\n",
        "use async_nats::Message;\nasync fn handle_message(message: Message) -> Result<(), Error> {\n    let event: OrderPlaced = serde_json::from_slice(&message.payload)?;\n    write(event.customer.email).await\n}\n",
    ),
    (
        "a consumer that reads its producer's database",
        "code/foreign-table",
        "use async_nats::Client;\nasync fn handle(event: OrderPlaced, pool: &Pool) {\n    pool.query(\"SELECT email FROM orders WHERE id = $1\", &[&event.order_id]).await;\n}\n",
        "use async_nats::Client;\nasync fn handle(event: OrderPlaced, pool: &Pool) {\n    pool.query(\"SELECT email FROM recipients WHERE id = $1\", &[&event.order_id]).await;\n}\n",
    ),
    (
        "failures swallowed",
        "code/swallowed-failure",
        "use async_nats::Client;\nasync fn handle(event: OrderPlaced) {\n    if let Err(error) = write(&event).await {\n        tracing::error!(%error, \"could not write\");\n    }\n}\n",
        "use async_nats::Client;\nasync fn handle(event: OrderPlaced) -> Result<(), Error> {\n    if let Err(error) = write(&event).await {\n        tracing::error!(%error, \"could not write\");\n        return Err(error);\n    }\n    Ok(())\n}\n",
    ),
    (
        "an untyped event",
        "code/untyped",
        "use async_nats::Client;\nasync fn handle_event(event: serde_json::Value) {\n    write(check(event)).await;\n}\n",
        "use async_nats::Client;\nasync fn handle_event(event: OrderPlaced) {\n    write(event).await;\n}\n",
    ),
    (
        "a dual write",
        "code/publish-outside-tx",
        "use async_nats::Client;\nasync fn place(client: &Client, db: &Pool, order: Order) -> Result<(), Error> {\n    db.execute(\"INSERT INTO orders (id) VALUES ($1)\", &[&order.id]).await?;\n    client.publish(\"order.placed\", encode(&placed(&order))).await?;\n    Ok(())\n}\n",
        "use factum::Context;\nasync fn place(cx: &mut Context<'_>, order: Order) -> Result<(), Failure> {\n    cx.execute(\"INSERT INTO orders (id) VALUES ($1)\", vec![order.id.into()]);\n    cx.emit(placed(&order));\n    Ok(())\n}\n",
    ),
];

const CATALOG: &str = "# contracts/system.yaml\nsystem: shop\nservices: { orders: { tables: [orders], emits: [order.paid] }, mail: { emits: [order.placed] } }\nconsumers: { orders.accept: { service: orders, on: [order.placed] }, mail.letters: { service: mail, on: [order.paid] } }\n";

fn is_found(rule: &str, text: &str, file: &str) -> Vec<String> {
    let text = format!("{CATALOG}# services/mail/{file}\n{text}");
    let report = reviewed(&text, &Options { only: vec![rule.to_owned()], ..options() });
    report
        .findings
        .iter()
        .filter(|one| one.rule == rule)
        .map(|one| format!("{}:{} {}", one.line, one.column, one.message))
        .collect()
}

fn every_twin_is_told_apart(twins: &[Twin], file: &str) {
    let mut wrong = Vec::new();
    for (habit, rule, bad, good) in twins {
        let (bad, good) = (is_found(rule, bad, file), is_found(rule, good, file));
        if bad.is_empty() {
            wrong.push(format!("{habit}: {rule} finds nothing"));
        }
        if !good.is_empty() {
            wrong.push(format!("{habit}: its good twin is no longer clean: {good:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bad_habits_are_found_in_typescript_and_their_good_twins_are_clean() {
    every_twin_is_told_apart(&TYPESCRIPT, "letters.ts");
}

#[test]
fn bad_habits_are_found_in_rust_and_their_good_twins_are_clean() {
    every_twin_is_told_apart(&RUST, "letters.rs");
}

#[test]
fn typescript_that_is_not_strict_is_found_and_its_strict_twin_is_clean() {
    let found = |strict: &str| {
        let text = format!(
            "{CATALOG}# tsconfig.json\n{{ \"compilerOptions\": {{ \"target\": \"es2022\"{strict} }} }}\n# services/mail/letters.ts\nimport {{ connect }} from 'nats';\nnc.subscribe('order.placed', write);\n"
        );
        let options = Options { only: vec!["code/ts-not-strict".to_owned()], ..options() };
        let documents = crate::sample::reviewed(&text, &options);
        documents.findings.iter().filter(|one| one.rule == "code/ts-not-strict").count()
    };
    assert_eq!((found(""), found(", \"strict\": true")), (1, 0));
}

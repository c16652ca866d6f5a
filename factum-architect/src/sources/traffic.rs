//! What code really publishes and consumes, and by what: brokers' clients, frameworks, and buses inside a process.
//!
//! A call counts when its file imports the client that has it, or when what it is called on is named like a bus. A name
//! is known only where it can be read: a text, or a constant that stands for one.

use std::collections::BTreeSet;

use factum_contract::Span;

use super::unit::{Arg, Call, Function, Unit};

mod methods;

use Direction::{Consume, Publish};
use methods::At::Field;
use methods::{At, METHODS, Method, NOTES, OF_NODE};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It is sent.
    Publish,
    /// It is taken.
    Consume,
}

/// By what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// Kafka.
    Kafka,
    /// RabbitMQ.
    RabbitMq,
    /// Amazon SQS.
    Sqs,
    /// Amazon SNS.
    Sns,
    /// NATS.
    Nats,
    /// Redis.
    Redis,
    /// Supabase Realtime.
    Supabase,
    /// An event emitter of Node.
    Emitter,
    /// NestJS.
    Nest,
    /// Spring.
    Spring,
    /// A bus inside the process.
    Bus,
}

impl Via {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::RabbitMq => "RabbitMQ",
            Self::Sqs => "SQS",
            Self::Sns => "SNS",
            Self::Nats => "NATS",
            Self::Redis => "Redis",
            Self::Supabase => "Supabase Realtime",
            Self::Emitter => "EventEmitter",
            Self::Nest => "NestJS",
            Self::Spring => "Spring",
            Self::Bus => "in-process bus",
        }
    }
}

/// One place where something is published or consumed.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The unit.
    pub unit: usize,
    /// The function in it.
    pub function: usize,
    /// The call in that; none for an annotation.
    pub call: Option<usize>,
    /// Which way.
    pub direction: Direction,
    /// By what.
    pub via: Via,
    /// The topic, subject, queue or type, where it can be read.
    pub name: Option<String>,
    /// Where.
    pub span: Span,
    /// What is published.
    pub payload: Option<Arg>,
    /// The function that handles it.
    pub handler: Option<usize>,
}

/// All traffic of a code base.
#[must_use]
pub fn find(units: &[Unit]) -> Vec<Traffic> {
    let mut found = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        let from = found.len();
        for (number, function) in unit.functions.iter().enumerate() {
            of_notes(index, unit, number, function, &mut found);
            for (at, call) in function.calls.iter().enumerate() {
                if let Some(mut traffic) = of_call(unit, call) {
                    (traffic.unit, traffic.function, traffic.call) = (index, number, Some(at));
                    traffic.handler = handler(unit, number, at, call);
                    found.push(traffic);
                }
            }
        }
        join_kafka(unit, &mut found[from..]);
    }
    found
}

fn of_notes(index: usize, unit: &Unit, number: usize, function: &Function, found: &mut Vec<Traffic>) {
    for note in &function.notes {
        let last = note.name.rsplit('.').next().unwrap_or_default();
        let Some((_, via)) = NOTES.iter().find(|(name, _)| *name == last) else { continue };
        let is_named = matches!(via, Via::Kafka | Via::Nest);
        let name = note.texts.first().filter(|name| is_named && !name.contains("${") && !name.contains("#{"));
        let constant = || unit.constants.get(note.name.as_str()).cloned();
        found.push(Traffic {
            unit: index,
            function: number,
            call: None,
            direction: Consume,
            via: *via,
            name: name.cloned().or_else(constant),
            span: note.span,
            payload: None,
            handler: Some(number),
        });
    }
}

fn of_call(unit: &Unit, call: &Call) -> Option<Traffic> {
    let known = METHODS.iter().find(|method| {
        method.name == call.name && unit.imports_any(method.imports) && fits(method, unit, call)
    });
    let traffic = |direction, via, name: Option<&str>| Traffic {
        unit: 0,
        function: 0,
        call: None,
        direction,
        via,
        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        span: call.span,
        payload: payload(call, via, direction),
        handler: None,
    };
    if let Some(method) = known {
        let name = match method.at {
            At::Arg(at) => call.args.get(at).and_then(|arg| unit.text_of(arg)),
            Field(key) => call.args.iter().find_map(|arg| deep(arg, key)).and_then(|arg| unit.text_of(arg)),
            At::Nowhere => None,
        };
        let is_nodes = method.via == Via::Emitter && name.is_none_or(|name| OF_NODE.contains(&name));
        return (!is_nodes).then(|| traffic(method.direction, method.via, name));
    }
    supabase(unit, call)
        .or_else(|| bus(unit, call))
        .map(|(direction, via, name)| traffic(direction, via, name))
}

/// A method of a common name counts only where the rest fits too.
fn fits(method: &Method, unit: &Unit, call: &Call) -> bool {
    let on = call.on.to_lowercase();
    match (method.via, method.name) {
        (Via::Kafka, "send") => !on.contains("res") || on.contains("producer"),
        (Via::Kafka, "to") => call.on.ends_with("Record"),
        (Via::Kafka, "subscribe" | "run") => !on.contains("router"),
        (
            Via::Sqs,
            "send_message" | "sendMessage" | "SendMessage" | "receive_message" | "receiveMessage"
            | "ReceiveMessage",
        ) => on.contains("sqs") || on.contains("queue"),
        (Via::Sns, "publish") => on.contains("sns") || on.contains("topic"),
        (Via::Emitter, "on" | "emit" | "addListener") => {
            !["socket", "process", "server", "stream", "req", "res", "io", "child"]
                .iter()
                .any(|other| on.rsplit('.').next() == Some(*other))
        }
        (Via::Nats | Via::Redis, _) => {
            !unit.imports_any(&["rxjs"]) || call.args.first().is_some_and(|arg| unit.text_of(arg).is_some())
        }
        _ => true,
    }
}

/// `supabase.channel('orders').send({ type: 'broadcast', event: 'order.placed', … })`, and `.on('broadcast', { event }, …)`.
fn supabase<'u>(unit: &'u Unit, call: &'u Call) -> Option<(Direction, Via, Option<&'u str>)> {
    if !unit.imports_any(&["supabase"]) {
        return None;
    }
    let event = call.args.iter().find_map(|arg| arg.field("event")).and_then(|arg| unit.text_of(arg));
    match call.name.as_str() {
        "send" if call.args.first().is_some_and(|arg| arg.field("event").is_some()) => {
            Some((Publish, Via::Supabase, event))
        }
        "on" => {
            let kind = call.args.first().and_then(|arg| unit.text_of(arg))?;
            match kind {
                "broadcast" => Some((Consume, Via::Supabase, event)),
                "postgres_changes" => Some((Consume, Via::Supabase, None)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A bus of one's own: `bus.publish("order.placed", …)`, `eventBus.emit({ type: "order.placed" })`.
fn bus<'u>(unit: &'u Unit, call: &'u Call) -> Option<(Direction, Via, Option<&'u str>)> {
    let on = call
        .on
        .rsplit(['.', '>', ':'])
        .next()
        .unwrap_or_default()
        .trim_end_matches("()")
        .to_lowercase()
        .replace('_', "");
    let is_bus = [
        "bus",
        "publisher",
        "eventbus",
        "messagebus",
        "broker",
        "outbox",
        "events",
        "emitter",
        "eventemitter",
        "dispatcher",
        "pubsub",
    ]
    .iter()
    .any(|name| on == *name || on.ends_with("bus") || on.ends_with("publisher") || on.ends_with("emitter"));
    let direction = match call.name.as_str() {
        "publish" | "emit" | "dispatch" | "Publish" | "Emit" => Publish,
        "subscribe" | "on" | "addListener" | "Subscribe" => Consume,
        _ => return None,
    };
    if !is_bus {
        return None;
    }
    let named = call.args.iter().take(2).find_map(|arg| unit.text_of(arg));
    let typed = || {
        call.args
            .first()
            .and_then(|arg| arg.field("type").or_else(|| arg.field("name")))
            .and_then(|arg| unit.text_of(arg))
    };
    let name = named.or_else(typed);
    if name.is_some_and(|name| OF_NODE.contains(&name)) || call.args.is_empty() {
        return None;
    }
    Some((direction, Via::Bus, name))
}

/// A field anywhere in an object.
fn deep<'a>(arg: &'a Arg, key: &str) -> Option<&'a Arg> {
    arg.field(key).or_else(|| match arg {
        Arg::Object(fields) => fields.iter().find_map(|(_, value)| deep(value, key)),
        Arg::List(items) => items.iter().find_map(|item| deep(item, key)),
        Arg::Call(_, args) => args.iter().find_map(|arg| deep(arg, key)),
        _ => None,
    })
}

/// What is published: the last argument that could be a payload.
fn payload(call: &Call, via: Via, direction: Direction) -> Option<Arg> {
    if direction == Consume {
        return None;
    }
    // Where the client says which argument it is: options may follow.
    let at = match (via, call.name.as_str()) {
        (Via::RabbitMq, "publish") => Some(2),
        (Via::RabbitMq, "sendToQueue") => Some(1),
        (Via::RabbitMq, "basic_publish") if call.args.len() == 5 => Some(3),
        (Via::Nats | Via::Redis, "publish") | (Via::Nats, "Publish") => Some(1),
        (Via::Emitter | Via::Nest, "emit") => Some(1),
        _ => None,
    };
    let named = at.and_then(|at| call.args.get(at));
    if let Some(arg) = named.filter(|arg| !matches!(arg, Arg::Named(..) | Arg::Closure(_))) {
        return Some(arg.clone());
    }
    let inside = ["messages", "value", "MessageBody", "Message", "body", "payload", "Value", "Body"];
    let field = call.args.iter().find_map(|arg| inside.iter().find_map(|key| deep(arg, key)));
    let field = field.map(|arg| match arg {
        Arg::List(items) => items.first().and_then(|item| item.field("value")).unwrap_or(arg),
        arg => arg,
    });
    field
        .or_else(|| call.args.iter().rev().find(|arg| !matches!(arg, Arg::Text(_) | Arg::Closure(_))))
        .cloned()
}

/// The function that a consuming call hands events to.
fn handler(unit: &Unit, function: usize, at: usize, call: &Call) -> Option<usize> {
    let closure =
        unit.functions.iter().position(|other| other.outer == Some(function) && other.handed_to == Some(at));
    closure.or_else(|| {
        let name = call.args.iter().rev().find_map(|arg| match arg {
            Arg::Name(name) => Some(name.rsplit(['.', ':']).next().unwrap_or_default()),
            Arg::Named(_, value) => match value.as_ref() {
                Arg::Name(name) => Some(name.rsplit('.').next().unwrap_or_default()),
                _ => None,
            },
            _ => None,
        })?;
        unit.functions.iter().position(|other| other.name == name && !name.is_empty())
    })
}

/// kafkajs names the topic in one call and the handler in another.
fn join_kafka(unit: &Unit, found: &mut [Traffic]) {
    let runs: Vec<usize> = found
        .iter()
        .filter(|one| one.via == Via::Kafka && one.direction == Consume && one.name.is_none())
        .filter_map(|one| one.handler)
        .collect();
    let [only] = runs.as_slice() else { return };
    if unit.imports_any(&["kafkajs"]) {
        for one in found.iter_mut().filter(|one| one.direction == Consume && one.handler.is_none()) {
            one.handler = Some(*only);
        }
    }
}

/// Functions that handle events: those that are handed to a consumer, annotated, or named and typed so.
#[must_use]
pub fn handlers(units: &[Unit], traffic: &[Traffic]) -> BTreeSet<(usize, usize)> {
    let mut found: BTreeSet<(usize, usize)> = traffic
        .iter()
        .filter(|one| one.direction == Consume)
        .filter_map(|one| Some((one.unit, one.handler?)))
        .collect();
    for (index, unit) in units.iter().enumerate() {
        for (number, function) in unit.functions.iter().enumerate().skip(1) {
            let of = ["Handler<", "EventsHandler"].iter().any(|kind| function.of.contains(kind));
            let implements = of && function.name == "handle";
            let name = function.name.trim_start_matches('_').to_lowercase();
            let first = function.params.first().map(|param| param.name.to_lowercase()).unwrap_or_default();
            let takes_event = ["event", "evt", "message", "msg", "envelope", "delivery"]
                .contains(&first.as_str())
                || is_event_type(function.params.first().map_or("", |param| &param.kind));
            let is_named = ["handle", "on_", "consume"].iter().any(|start| name.starts_with(start))
                || function.name.starts_with("on")
                    && function.name.chars().nth(2).is_some_and(char::is_uppercase);
            let is_claim = name == "consumeclaim";
            if implements || is_claim || (is_named && takes_event) {
                found.insert((index, number));
            }
        }
    }
    found
}

/// Functions that ask a broker for events in a loop, and handle them there.
#[must_use]
pub fn loops(units: &[Unit], handlers: &BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    const CLIENTS: [&str; 9] = ["kafka", "sarama", "amqp", "lapin", "nats", "pika", "sqs", "boto3", "redis"];
    const ASKS: [&str; 12] = [
        "recv",
        "next",
        "poll",
        "Poll",
        "ReadMessage",
        "FetchMessage",
        "receive",
        "receive_message",
        "ReceiveMessageCommand",
        "getone",
        "NextMsg",
        "Fetch",
    ];
    let mut found = BTreeSet::new();
    for (index, unit) in units.iter().enumerate().filter(|(_, unit)| unit.imports_any(&CLIENTS)) {
        for (number, function) in unit.functions.iter().enumerate().skip(1) {
            let asks = function.calls.iter().any(|call| ASKS.contains(&call.name.as_str()));
            let is_stream = function.text.contains("for await") || function.text.contains("async for");
            if (is_stream || asks && first_loop(&function.text).is_some())
                && !handlers.contains(&(index, number))
            {
                found.insert((index, number));
            }
        }
    }
    found
}

/// Where the first loop of a text begins.
pub(crate) fn first_loop(text: &str) -> Option<usize> {
    const WORDS: [&str; 6] = ["while ", "while(", "for ", "for(", "loop {", "for await"];
    WORDS.iter().filter_map(|word| text.find(word)).min()
}

/// Whether a type is named like an event: `OrderPlaced`, `OrderPlacedEvent`.
#[must_use]
pub fn is_event_type(kind: &str) -> bool {
    let name = kind.trim_start_matches(['&', '*']).rsplit(['.', ':']).next().unwrap_or_default();
    let name = name.split('<').next().unwrap_or_default();
    let words = crate::review::words::split(name);
    let starts_large = name.chars().next().is_some_and(char::is_uppercase);
    let last = words.last().map_or("", String::as_str);
    starts_large
        && words.len() >= 2
        && (last == "event"
            || crate::review::words::verb(&words).is_some_and(crate::review::words::is_participle))
}

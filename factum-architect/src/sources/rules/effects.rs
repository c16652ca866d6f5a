//! What a call does to the world, as far as its name tells: writes a table, calls out, acknowledges.

use crate::sources::language::Language;
use crate::sources::unit::{Arg, Call, Unit};

/// A call as messages show it.
pub(super) fn shown(call: &Call) -> String {
    let on = call.on.rsplit('\n').next().unwrap_or_default();
    let on: String = if on.len() > 30 { String::new() } else { on.to_owned() };
    if on.is_empty() { call.name.clone() } else { format!("{on}.{}", call.name) }
}

/// The SQL that a call is given.
pub(super) fn sql<'u>(unit: &'u Unit, call: &'u Call) -> Option<&'u str> {
    call.args.iter().take(2).find_map(|arg| {
        let text = match arg {
            Arg::Text(text) | Arg::Other(text) => text.as_str(),
            arg => unit.text_of(arg)?,
        };
        let start = text.trim_start_matches(['`', '"', '\'', ' ', '\n']).get(..6)?.to_lowercase();
        ["select", "insert", "update", "delete", "merge "].contains(&start.as_str()).then_some(text)
    })
}

/// The last part of what a call is on: `this.orderRepository` is `orderrepository`.
fn on(call: &Call) -> String {
    let plain = call.on.trim_end_matches("()").trim_end_matches("?");
    plain.rsplit(['.', '>', ':']).next().unwrap_or_default().to_lowercase().replace('_', "")
}

/// Whether what a call is on was declared as something that keeps data: `private readonly orders: OrderRepository`.
fn is_typed_store(unit: &Unit, call: &Call) -> bool {
    const STORES: [&str; 7] = ["Repository", "Repo", "Dao", "EntityManager", "DataSource", "Session", "Pool"];
    let name = call.on.trim_end_matches("()").rsplit(['.', '>', ':']).next().unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_store = |kind: &str| {
        let kind = kind.split(['<', '[', ',', ')', ';', '=', ' ']).next().unwrap_or_default();
        STORES.iter().any(|end| kind.trim_end_matches('>').ends_with(end))
    };
    let text = &unit.functions[0].text;
    is_name
        && text.match_indices(name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            // `orders: OrderRepository`, and `OrderRepository orders;`.
            let annotated = after.trim_start_matches(['?', '!']).strip_prefix(':');
            let kind = annotated.map(|kind| kind.trim_start().trim_start_matches(['&', '*']));
            let is_annotated = before.ends_with([' ', '(', ',', '\n', '\t']) && kind.is_some_and(is_store);
            let declared = after.starts_with([';', ',', ')', ' ']) && before.ends_with(' ');
            let word = before.trim_end().rsplit([' ', '(', ',', '\n', '\t']).next().unwrap_or_default();
            is_annotated || declared && is_store(word)
        })
}

/// Whether a call changes a table.
pub(super) fn is_table_write(unit: &Unit, call: &Call) -> bool {
    if let Some(sql) = sql(unit, call) {
        let start = sql.trim_start_matches(['`', '"', '\'', ' ', '\n']).to_lowercase();
        return ["insert", "update", "delete", "merge"].iter().any(|verb| start.starts_with(verb));
    }
    let on = on(call);
    let is_store = ["repository", "repo", "dao", "collection", "prisma", "model", "entitymanager", "manager"]
        .iter()
        .any(|end| on.ends_with(end))
        || matches!(on.as_str(), "db" | "session" | "database" | "tx" | "conn" | "em")
        || call.on.contains("prisma.");
    let writes = matches!(
        call.name.as_str(),
        "save"
            | "insert"
            | "insertOne"
            | "insertMany"
            | "create"
            | "update"
            | "updateOne"
            | "delete"
            | "deleteOne"
            | "persist"
            | "merge"
            | "commit"
            | "insert_one"
            | "update_one"
            | "Save"
            | "Create"
            | "Insert"
            | "Update"
            | "Commit"
            | "add"
            | "saveAndFlush"
            | "bulk_create"
            | "upsert"
            | "Upsert"
    );
    writes && (is_store || is_typed_store(unit, call))
}

/// Whether a call does what an event asks for, as far as its first word tells: `store.SaveParcel`, `service.process`.
pub(super) fn is_work(unit: &Unit, call: &Call) -> bool {
    const VERBS: [&str; 20] = [
        "save", "upsert", "insert", "update", "persist", "store", "write", "delete", "remove", "charge",
        "reserve", "book", "refund", "ship", "send", "create", "process", "handle", "execute", "publish",
    ];
    const ASIDE: [&str; 17] = [
        "log",
        "logger",
        "console",
        "metrics",
        "span",
        "tracer",
        "timer",
        "stats",
        "histogram",
        "counter",
        "gauge",
        "hash",
        "hasher",
        "stdout",
        "stderr",
        "res",
        "response",
    ];
    let on = on(call);
    let words = crate::review::words::split(&call.name);
    let is_verb = words.first().is_some_and(|first| VERBS.contains(&first.as_str()));
    let is_aside = ASIDE.iter().any(|aside| on.ends_with(aside));
    !is_ack(call) && (is_effect(unit, call) || is_verb && !on.is_empty() && !is_aside)
}

/// Whether a call goes out over HTTP.
pub(super) fn is_http(call: &Call) -> bool {
    let on = on(call);
    let is_client = [
        "axios",
        "http",
        "requests",
        "httpx",
        "client",
        "resttemplate",
        "webclient",
        "httpclient",
        "reqwest",
        "got",
        "fetch",
        "restclient",
    ]
    .contains(&on.as_str());
    let has_url = call
        .args
        .iter()
        .take(2)
        .any(|arg| matches!(arg, Arg::Text(text) | Arg::Other(text) if text.contains("://")));
    match call.name.as_str() {
        "fetch" if call.on.is_empty() => true,
        "post" | "put" | "patch" | "get" | "request" | "postForObject" | "postForEntity" | "getForObject"
        | "exchange" | "Post" | "Get" | "delete" => is_client || has_url,
        _ => false,
    }
}

/// Whether a call changes something outside: a table, or a foreign system.
pub(super) fn is_effect(unit: &Unit, call: &Call) -> bool {
    let on = on(call);
    let sends = [
        "mailer",
        "smtp",
        "mailservice",
        "emailservice",
        "stripe",
        "twilio",
        "sendgrid",
        "ses",
        "paymentgateway",
        "psp",
        "mail",
        "emailclient",
    ]
    .contains(&on.as_str());
    let charges = matches!(
        call.name.as_str(),
        "sendMail"
            | "send_mail"
            | "sendEmail"
            | "send_email"
            | "chargeCard"
            | "charge_card"
            | "charge"
            | "SendMail"
            | "SendEmail"
    );
    let is_get = matches!(call.name.as_str(), "get" | "Get" | "getForObject");
    is_table_write(unit, call)
        || (is_http(call) && !is_get && call.name != "fetch")
        || (call.name == "fetch" && is_http(call))
        || sends
        || charges
}

/// Whether a call tells a broker that an event is handled.
pub(super) fn is_ack(call: &Call) -> bool {
    let on = on(call);
    match call.name.as_str() {
        "ack"
        | "Ack"
        | "MarkMessage"
        | "basic_ack"
        | "basicAck"
        | "acknowledge"
        | "commitOffsets"
        | "commitSync"
        | "CommitMessages"
        | "CommitMessage"
        | "commit_message"
        | "DeleteMessageCommand"
        | "delete_message"
        | "deleteMessage"
        | "xack"
        | "xAck"
        | "XAck" => true,
        "commit" | "commitAsync" => on.contains("consumer"),
        _ => false,
    }
}

/// Words by which code shows that it has thought of handling twice.
const GUARDS: [&str; 38] = [
    "idempoten",
    "processed",
    "dedup",
    "already",
    "upsert",
    "on conflict",
    "on duplicate",
    "insert or ignore",
    "insert ignore",
    "merge into",
    "exists",
    "existing",
    "seen",
    "eventid",
    "event_id",
    "event.id",
    "messageid",
    "message_id",
    "message.id",
    "msg.id",
    "envelope.id",
    "version",
    "setnx",
    "\"nx\"",
    "'nx'",
    "nx: true",
    "nx=true",
    "get_or_create",
    "getorcreate",
    "update_or_create",
    "findorcreate",
    "inbox",
    "once(",
    "lastposition",
    "unique",
    "conflict",
    "duplicate",
    "metadata.id",
];

/// Whether a text shows a guard against handling twice.
pub(super) fn is_guarded(text: &str) -> bool {
    let lower = text.to_lowercase();
    GUARDS.iter().any(|guard| lower.contains(guard))
}

/// Whether a handler is one of Factum: marks commit with its effects there.
pub(super) fn is_ours(unit: &Unit, function: usize) -> bool {
    let function = &unit.functions[function];
    unit.language == Language::Rust
        && function.params.iter().any(|param| param.kind.contains("Context") || param.kind.contains("Tables"))
}

//! What operations say beside what they send and take.

use super::document::{At, Document};

/// Keys of operations, channels and servers that have no place in a catalog, with the reason.
const REASONS: &[(&str, &str)] = &[
    ("security", "who may connect is the broker's business"),
    ("tags", "a catalog has teams and services, not tags"),
    ("bindings", "what a broker needs is set where the system runs"),
    ("externalDocs", "put the link into the description"),
    ("reply", "an answer is an event of its own, with a consumer of its own"),
    ("parameters", "a topic has one name: put the value into the payload"),
    ("servers", "where brokers are is set where the system runs"),
];

/// Notes what stands at an operation or channel and has no place in a catalog.
pub(super) fn note_rest(doc: &Document, at: &At<'_>) {
    for (key, reason) in REASONS {
        if let Some(at) = at.get(key) {
            doc.lost(&at, *reason);
        }
    }
    for one in at.get("traits").map(|list| list.items()).unwrap_or_default() {
        match doc.follow(&one) {
            Ok(one) => note_rest(doc, &one),
            Err(astray) => doc.astray(&astray),
        }
    }
    note_extensions(doc, at);
}

/// Notes extensions, which mean something to their owners alone.
pub(super) fn note_extensions(doc: &Document, at: &At<'_>) {
    for (key, at) in at.entries() {
        if key.starts_with("x-") && !key.starts_with("x-parser-") {
            doc.lost(&at, format!("`{key}` is an extension, which contracts do not carry"));
        }
    }
}

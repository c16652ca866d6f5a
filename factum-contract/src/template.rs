//! The first draft of a contract or a system: what `factum contract new` writes.
//!
//! A draft passes `check` as it is, so that its author changes a thing that works. Its comments say what each line is
//! for, and go away with the first edit that nobody needs them for.

use factum_core::{Category, EventName, Kind, Topic};

use crate::contract::{Compatibility, Ordering};
use crate::words::{ServiceName, SystemName};

mod field;

pub use field::{FieldOutline, FieldOutlineError};

use field::sentence;

/// A file to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name within the catalog's folder.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// What is known of a contract that is to be drafted; the rest gets its usual value.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// One sentence for people.
    pub summary: Option<String>,
    /// Where it is published.
    pub topic: Option<Topic>,
    /// The streams that hold it.
    pub stream: Option<Category>,
    /// The field that keeps related events in order; made when it is not among the fields.
    pub key: Option<String>,
    /// How far order is promised.
    pub ordering: Option<Ordering>,
    /// What is promised to readers of other versions; the system's default when absent.
    pub compatibility: Option<Compatibility>,
    /// What it carries.
    pub fields: Vec<FieldOutline>,
}

/// The key that a contract of this name would have: `orderId` for `order.placed` and for `place.order`.
#[must_use]
pub fn usual_key(kind: Kind, name: &EventName) -> String {
    let mut parts = name.as_str().split('.');
    // A command's first word is what is to be done; the thing comes after it.
    let thing = match kind {
        Kind::Event => parts.next(),
        Kind::Command => parts.next_back(),
    };
    let thing: String = thing.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
    let thing = if thing.is_empty() { "thing".to_owned() } else { thing };
    let (initial, rest) = thing.split_at(1);
    format!("{}{rest}Id", initial.to_ascii_lowercase())
}

/// A contract of version 1 that its author goes on from.
#[must_use]
pub fn contract(kind: Kind, name: &EventName, owner: &ServiceName, outline: &Outline) -> Draft {
    let key = outline.key.clone().unwrap_or_else(|| usual_key(kind, name));
    let fields = fields(&key, outline);
    let says = match kind {
        Kind::Event => "What has happened, in one sentence.",
        Kind::Command => "What is to be done, in one sentence.",
    };
    let topic = outline.topic.as_ref().map_or(name.as_str(), Topic::as_str);
    let ordering = outline.ordering.unwrap_or(Ordering::PerKey);
    let mut text = String::new();
    let mut line = |key: &str, value: &str, note: &str| {
        let written = format!("{key}: {value}");
        let note = if note.is_empty() { String::new() } else { format!("  # {note}") };
        text.push_str(format!("{written:<36}{note}").trim_end());
        text.push('\n');
    };
    line(kind.as_str(), name.as_str(), "");
    line("version", "1", "a change of meaning is the next version, in a file of its own");
    line("summary", &sentence(outline.summary.as_deref().unwrap_or(says)), "");
    line("owner", owner.as_str(), "the service that answers for the meaning");
    line("topic", topic, "where it is published");
    if let Some(stream) = &outline.stream {
        line("stream", stream.as_str(), "the streams that hold it");
    }
    line("key", &key, "events with one value of it stay in order");
    line("ordering", ordering.as_str(), "none | per-key | total");
    match outline.compatibility {
        Some(promise) => line("compatibility", promise.as_str(), "which versions can read which"),
        None => text.push_str("# compatibility: backward             # else the default of system.yaml\n"),
    }
    text.push_str("payload:\n  type: object\n");
    let required: Vec<&str> =
        fields.iter().filter(|field| field.is_required).map(|field| field.name.as_str()).collect();
    text.push_str(&format!("  required: [{}]\n  properties:\n", required.join(", ")));
    for field in &fields {
        text.push_str(&format!("    {}: {}\n", field.name, field.schema()));
    }
    text.push_str("examples:                             # checked with every `factum contract check`\n");
    for (index, field) in fields.iter().enumerate() {
        let lead = if index == 0 { "  - " } else { "    " };
        text.push_str(&format!("{lead}{}: {}\n", field.name, field.example()));
    }
    text.push_str("# lifecycle: { since: 2026-01-05 }    # later also deprecated, sunset, replacedBy\n");
    Draft { name: format!("{name}.v1.yaml"), text }
}

/// The fields as they are written: the key is there, always, and identifies.
fn fields(key: &str, outline: &Outline) -> Vec<FieldOutline> {
    let mut fields = outline.fields.clone();
    match fields.iter_mut().find(|field| field.name == key) {
        Some(field) => field.become_key(),
        None => fields.insert(0, FieldOutline::usual_key(key)),
    }
    if outline.fields.is_empty() {
        fields.push(FieldOutline::timestamp());
    }
    fields
}

/// A system with one service.
#[must_use]
pub fn system(name: &SystemName, service: &ServiceName) -> Draft {
    let text = format!(
        "# The system around the contracts: services, and later topics, consumers, sagas and projections.\n\
        system: {name}\n\
        defaults: {{ compatibility: backward, policy: lenient }}\n\
        services:\n  {service}: {{}}\n"
    );
    Draft { name: "system.yaml".to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check};

    fn checked(draft: Draft, service: &ServiceName) {
        let system = system(&"shop".parse().unwrap(), service);
        let sources = [system, draft].map(|file| Source::new(file.name, file.text));
        let report = check(&sources);
        assert!(report.findings.is_empty(), "{}\n{report}", sources[1].text);
    }

    #[test]
    fn a_draft_passes_check_as_it_is() {
        let service: ServiceName = "orders".parse().unwrap();
        for (kind, name) in [
            (Kind::Event, "order.placed"),
            (Kind::Command, "reserve.stock"),
            (Kind::Command, "a._"),
            (Kind::Event, "a-b.x"),
        ] {
            checked(contract(kind, &name.parse().unwrap(), &service, &Outline::default()), &service);
        }
    }

    #[test]
    fn a_draft_with_everything_said_passes_check_as_it_is() {
        let service: ServiceName = "orders".parse().unwrap();
        let fields = [
            "customerId:text!:identifier",
            "orderId:integer",
            "total:decimal!",
            "note:text",
            "paid:boolean",
            "on:date",
            "at:date-time!:metadata",
            "mail:email",
            "home:uri",
            "weight:number",
            "tags:text[]",
            "channel:web|shop|true",
            "refs:uuid[]!",
        ];
        let outline = Outline {
            summary: Some("Yes: \"placed\" # and paid".to_owned()),
            topic: Some("shop.orders".parse().unwrap()),
            stream: Some("basket".parse().unwrap()),
            key: Some("orderId".to_owned()),
            ordering: Some(Ordering::Total),
            compatibility: Some(Compatibility::FullTransitive),
            fields: fields.map(|field| field.parse().unwrap()).into(),
        };
        let draft = contract(Kind::Event, &"order.placed".parse().unwrap(), &service, &outline);
        insta::assert_snapshot!(draft.text);
        checked(draft, &service);
    }

    #[test]
    fn the_usual_key_is_of_the_thing() {
        let key = |kind, name: &str| usual_key(kind, &name.parse().unwrap());
        assert_eq!(key(Kind::Event, "order.placed"), "orderId");
        assert_eq!(key(Kind::Command, "reserve.stock"), "stockId");
        assert_eq!(key(Kind::Command, "a._"), "thingId");
    }
}

//! Which events a document has, on which topics, and who sends and takes them: AsyncAPI 2.6 and 3 as one model.

use std::collections::BTreeMap;

use super::document::{At, Document};

/// Most events of one document.
const EVENTS_MAX: usize = 5_000;

/// A document's parts, as both versions have them.
#[derive(Debug, Default)]
pub(super) struct Model<'d> {
    pub(super) topics: Vec<Topic<'d>>,
    pub(super) events: Vec<Event<'d>>,
    pub(super) operations: Vec<Operation<'d>>,
    by_path: BTreeMap<String, usize>,
}

/// Where events travel.
#[derive(Debug)]
pub(super) struct Topic<'d> {
    pub(super) at: At<'d>,
    pub(super) address: String,
}

/// One kind of event, wherever it is used.
#[derive(Debug)]
pub(super) struct Event<'d> {
    pub(super) at: At<'d>,
    /// What it is called where it is used.
    pub(super) called: String,
    /// Indexes of its topics, in the order of the document.
    pub(super) topics: Vec<usize>,
}

/// Something that the document's application does.
#[derive(Debug)]
pub(super) struct Operation<'d> {
    pub(super) at: At<'d>,
    pub(super) id: String,
    pub(super) is_send: bool,
    pub(super) events: Vec<usize>,
}

impl<'d> Model<'d> {
    pub(super) fn of(doc: &'d Document, is_second: bool) -> Self {
        let mut model = Self::default();
        let channels = doc.root().get("channels").map(|at| at.entries()).unwrap_or_default();
        for (key, at) in channels {
            match doc.follow(&at) {
                Ok(at) if is_second => model.second(doc, key, at),
                Ok(at) => model.third(doc, key, at),
                Err(astray) => doc.astray(&astray),
            }
        }
        if !is_second {
            let operations = doc.root().get("operations").map(|at| at.entries()).unwrap_or_default();
            for (id, at) in operations {
                model.operation(doc, id, &at);
            }
        }
        model
    }

    /// A channel of version 3: it holds its messages, and operations stand apart.
    fn third(&mut self, doc: &'d Document, key: &str, at: At<'d>) {
        let address = at.text("address").unwrap_or(key).to_owned();
        let topic = self.topics.len();
        let messages = at.get("messages").map(|at| at.entries()).unwrap_or_default();
        self.topics.push(Topic { at, address });
        for (key, at) in messages {
            self.event(doc, &at, key, topic);
        }
    }

    /// A channel of version 2: its key is the address, and its operations hold the messages.
    fn second(&mut self, doc: &'d Document, key: &str, at: At<'d>) {
        let topic = self.topics.len();
        self.topics.push(Topic { at: at.clone(), address: key.to_owned() });
        // A 2.x document says what others may do: who subscribes to it is sent events by its application.
        for (word, is_send) in [("subscribe", true), ("publish", false)] {
            let Some(operation) = at.get(word) else { continue };
            let id = operation.text("operationId").unwrap_or(key).to_owned();
            let message = operation.get("message");
            let one_of = message.as_ref().and_then(|at| at.get("oneOf"));
            let messages = match (one_of, message) {
                (Some(list), _) => list.items(),
                (None, message) => message.into_iter().collect(),
            };
            let events: Vec<usize> =
                messages.iter().filter_map(|at| self.event(doc, at, &id, topic)).collect();
            self.operations.push(Operation { at: operation, id, is_send, events });
        }
    }

    fn operation(&mut self, doc: &'d Document, id: &str, at: &At<'d>) {
        let at = match doc.follow(at) {
            Ok(at) => at,
            Err(astray) => return doc.astray(&astray),
        };
        let is_send = match at.text("action") {
            Some("send") => true,
            Some("receive") => false,
            _ => return doc.lost(&at, "expected an action of send or receive"),
        };
        let channel = at.get("channel").map(|at| doc.follow(&at));
        let topic = match channel {
            Some(Ok(channel)) => self.topics.iter().position(|topic| topic.at.path == channel.path),
            Some(Err(astray)) => return doc.astray(&astray),
            None => None,
        };
        let Some(topic) = topic else {
            return doc.lost(&at, "it has no channel that is among the document's channels");
        };
        let mut events = Vec::new();
        match at.get("messages") {
            None => events
                .extend((0..self.events.len()).filter(|index| self.events[*index].topics.contains(&topic))),
            Some(list) => {
                for at in list.items() {
                    match doc.follow(&at) {
                        Ok(target) => match self.by_path.get(&target.path) {
                            Some(index) => events.push(*index),
                            None => doc.lost(&at, "it is no message of the operation's channel"),
                        },
                        Err(astray) => doc.astray(&astray),
                    }
                }
            }
        }
        self.operations.push(Operation { at, id: id.to_owned(), is_send, events });
    }

    fn event(&mut self, doc: &'d Document, at: &At<'d>, key: &str, topic: usize) -> Option<usize> {
        let target = match doc.follow(at) {
            Ok(target) => target,
            Err(astray) => {
                doc.astray(&astray);
                return None;
            }
        };
        if let Some(index) = self.by_path.get(&target.path) {
            let topics = &mut self.events[*index].topics;
            if !topics.contains(&topic) {
                topics.push(topic);
            }
            return Some(*index);
        }
        if self.events.len() >= EVENTS_MAX {
            doc.lost(at, format!("the document has over {EVENTS_MAX} messages"));
            return None;
        }
        let index = self.events.len();
        self.by_path.insert(target.path.clone(), index);
        let called = called(&target, key);
        self.events.push(Event { at: target, called, topics: vec![topic] });
        Some(index)
    }

    /// Whether a place holds an event that some topic carries.
    pub(super) fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }
}

/// What a message is called: by itself, by its place among the components, or where it is used.
fn called(at: &At<'_>, key: &str) -> String {
    let own = at.text("name").or_else(|| at.text("messageId"));
    if let Some(own) = own {
        return own.to_owned();
    }
    if at.path.starts_with("/components/messages/") {
        return at.name();
    }
    key.to_owned()
}

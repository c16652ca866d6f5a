//! Whether events fit what was described at all.
//!
//! Says so when a function call would do, and keeps out what needs its answer at once: an event has no answer.

use factum_contract::Catalog;
use factum_contract::flow::Flow;
use serde::Serialize;

use super::storm::{Said, Storm};

/// What the text describes, seen as something that events could do.
#[derive(Debug, Clone, Serialize)]
pub struct Fit {
    /// Why events are more than this needs; empty when they are not.
    pub overkill: Vec<String>,
    /// What must stay a direct call, because somebody waits for its answer.
    pub direct: Vec<Said>,
}

/// Judges a system.
pub(super) fn judge(storm: &Storm, catalog: &Catalog) -> Fit {
    let flow = Flow::of(catalog);
    let services = catalog.system.services.len();
    let crossing = flow
        .takes
        .iter()
        .filter(|take| flow.senders(take.event).any(|send| send.service != take.service))
        .count();
    let reactions = flow.takes.len();
    let mut overkill = Vec::new();
    if reactions == 0 {
        overkill.push("nobody reacts to any of these events: rows in a table say the same, and an audit log keeps who did what".to_owned());
    } else if services == 1 && catalog.system.sagas.is_empty() && reactions <= 2 {
        overkill.push(format!(
            "there is one service with {reactions} reaction{}: a function call in the same transaction does that, with nothing to operate",
            if reactions == 1 { "" } else { "s" }
        ));
    } else if crossing == 0 && catalog.system.sagas.is_empty() {
        overkill.push("no event leaves the service that says it: calls inside it would do, unless its history is wanted (event sourcing) or its views are rebuilt".to_owned());
    }
    if storm.asks.len() > storm.rules.len() {
        overkill.push(format!(
            "{} of {} lines need an answer at once: this is mostly request and response, which an HTTP interface does better",
            storm.asks.len(),
            storm.asks.len() + storm.rules.len()
        ));
    }
    Fit { overkill, direct: storm.asks.clone() }
}

//! The context map: services by team, and what passes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::flow::Flow;
use crate::words::{ServiceName, TeamName};

use super::text::{Ids, label};

/// Most names on one arrow; the rest is counted.
const NAMES_MAX: usize = 6;

pub(super) fn draw(catalog: &Catalog) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let mut ids = Ids::default();
    let system = &catalog.system;
    let mut by_team: BTreeMap<Option<&TeamName>, Vec<&ServiceName>> = BTreeMap::new();
    for (name, service) in &system.services {
        by_team.entry(service.team.as_ref().map(|team| &team.value)).or_default().push(name);
    }
    // Writing to a String cannot fail, here and below.
    for (team, services) in by_team {
        if let Some(team) = team {
            let id = ids.of('t', team.as_str());
            let _ = writeln!(out, "  subgraph {id}[\"{}\"]", label(team.as_str()));
        }
        for service in services {
            let id = ids.of('s', service.as_str());
            let _ = writeln!(out, "    {id}[\"{}\"]", label(service.as_str()));
        }
        if team.is_some() {
            out.push_str("  end\n");
        }
    }
    for ((from, to), events) in between(&Flow::of(catalog)) {
        let (from, to) = (ids.of('s', from.as_str()), ids.of('s', to.as_str()));
        let _ = writeln!(out, "  {from} -->|\"{}\"| {to}", names(&events));
    }
    let mut calls: BTreeSet<(&ServiceName, &str)> = BTreeSet::new();
    for consumer in system.consumers.values() {
        calls.extend(consumer.calls.iter().map(|call| (&consumer.service.value, call.as_str())));
    }
    for call in calls.iter().map(|(_, call)| *call).collect::<BTreeSet<_>>() {
        let _ = writeln!(out, "  {}([\"{}\"])", ids.of('x', call), label(call));
    }
    for (service, call) in calls {
        let _ = writeln!(out, "  {} -.-> {}", ids.of('s', service.as_str()), ids.of('x', call));
    }
    out
}

/// What passes from one service to another; what stays inside a service is not on the map.
fn between<'c>(flow: &Flow<'c>) -> BTreeMap<(&'c ServiceName, &'c ServiceName), BTreeSet<&'c str>> {
    let mut found: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for send in &flow.sends {
        for take in flow.takers(send.event).filter(|take| take.service != send.service) {
            found.entry((send.service, take.service)).or_default().insert(send.event.as_str());
        }
    }
    found
}

fn names(events: &BTreeSet<&str>) -> String {
    let mut lines: Vec<String> = events.iter().take(NAMES_MAX).map(|name| label(name)).collect();
    if events.len() > NAMES_MAX {
        lines.push(format!("and {} more", events.len() - NAMES_MAX));
    }
    lines.join("<br/>")
}

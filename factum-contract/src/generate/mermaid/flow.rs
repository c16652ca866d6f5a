//! The event flow: parts of services, and the events and commands that pass between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use factum_core::{EventName, Kind};

use crate::catalog::Catalog;
use crate::flow::{Arrow, Flow, Part};
use crate::words::ServiceName;

use super::text::{Ids, label};

/// Draws all events, or one.
pub(super) fn draw(catalog: &Catalog, only: Option<&EventName>) -> String {
    let flow = Flow::of(catalog);
    let is_meant = |name: &EventName| only.is_none_or(|only| only == name);
    let sends: Vec<&Arrow<'_>> = flow.sends.iter().filter(|arrow| is_meant(arrow.event)).collect();
    let takes: Vec<&Arrow<'_>> = flow.takes.iter().filter(|arrow| is_meant(arrow.event)).collect();
    let mut ids = Ids::default();
    let mut out = "flowchart LR\n".to_owned();
    let mut parts: BTreeMap<&ServiceName, BTreeSet<Part<'_>>> = BTreeMap::new();
    for arrow in sends.iter().chain(&takes) {
        parts.entry(arrow.service).or_default().insert(arrow.part);
    }
    // Writing to a String cannot fail, here and below.
    for (service, parts) in parts {
        let id = ids.of('s', service.as_str());
        let _ = writeln!(out, "  subgraph {id}[\"{}\"]", label(service.as_str()));
        for part in parts {
            let _ = writeln!(out, "    {}", node(&mut ids, service, part));
        }
        out.push_str("  end\n");
    }
    for contract in catalog.latest().filter(|contract| is_meant(&contract.name)) {
        let (id, text) = (ids.of('e', contract.name.as_str()), label(contract.name.as_str()));
        // Events lean, commands point.
        let _ = match contract.kind {
            Kind::Event => writeln!(out, "  {id}[/\"{text}\"/]"),
            Kind::Command => writeln!(out, "  {id}>\"{text}\"]"),
        };
    }
    let named = sends.iter().chain(&takes).map(|arrow| arrow.event);
    // Events of Factum itself have no contract in the catalog.
    for event in
        named.filter(|event| catalog.versions(event.as_str()).next().is_none()).collect::<BTreeSet<_>>()
    {
        let _ = writeln!(out, "  {}[/\"{}\"/]", ids.of('e', event.as_str()), label(event.as_str()));
    }
    for arrow in sends {
        let from = part_id(&mut ids, arrow.service, arrow.part);
        let _ = writeln!(out, "  {from} --> {}", ids.of('e', arrow.event.as_str()));
    }
    for arrow in takes {
        let to = part_id(&mut ids, arrow.service, arrow.part);
        let _ = writeln!(out, "  {} --> {to}", ids.of('e', arrow.event.as_str()));
    }
    out
}

fn part_id(ids: &mut Ids, service: &ServiceName, part: Part<'_>) -> String {
    match part {
        // The box around a service is its subgraph; the service by itself is a part inside.
        Part::Service => ids.of('a', service.as_str()),
        Part::Consumer(name) => ids.of('c', name.as_str()),
        Part::Saga(name) => ids.of('g', name.as_str()),
        Part::Projection(name) => ids.of('p', name.as_str()),
    }
}

fn node(ids: &mut Ids, service: &ServiceName, part: Part<'_>) -> String {
    let id = part_id(ids, service, part);
    let text = label(part.name().unwrap_or(service.as_str()));
    match part {
        Part::Service | Part::Consumer(_) => format!("{id}[\"{text}\"]"),
        Part::Saga(_) => format!("{id}{{{{\"{text}\"}}}}"),
        Part::Projection(_) => format!("{id}[(\"{text}\")]"),
    }
}

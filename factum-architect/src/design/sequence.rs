//! The sequence of a whole system as a Mermaid drawing: who tells whom what, from the first event to the last.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use factum_contract::Catalog;
use factum_contract::flow::Flow;
use factum_contract::words::ServiceName;
use factum_core::EventName;

/// Most arrows of one drawing: past this, nobody follows it.
const ARROWS_MAX: usize = 60;

/// Draws it; none where nobody tells anybody anything.
pub(super) fn draw(catalog: &Catalog) -> Option<String> {
    let flow = Flow::of(catalog);
    let mut services: Vec<&ServiceName> = Vec::new();
    let mut lines = String::new();
    let mut count = 0;
    for event in in_order(catalog, &flow) {
        let from: BTreeSet<&ServiceName> = flow.senders(event).map(|arrow| arrow.service).collect();
        let to: BTreeSet<&ServiceName> = flow.takers(event).map(|arrow| arrow.service).collect();
        for (sender, taker) in from.iter().flat_map(|sender| to.iter().map(move |taker| (*sender, *taker))) {
            count += 1;
            if count > ARROWS_MAX {
                continue;
            }
            for service in [sender, taker] {
                if !services.contains(&service) {
                    services.push(service);
                }
            }
            let place = |service| services.iter().position(|known| *known == service).unwrap_or_default();
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(lines, "  s{}->>s{}: {}", place(sender), place(taker), label(event.as_str()));
        }
    }
    if lines.is_empty() {
        return None;
    }
    let mut out = "sequenceDiagram\n".to_owned();
    for (index, service) in services.iter().enumerate() {
        let _ = writeln!(out, "  participant s{index} as {}", label(service.as_str()));
    }
    out.push_str(&lines);
    if count > ARROWS_MAX {
        let _ = writeln!(out, "  %% and {} more", count - ARROWS_MAX);
    }
    Some(out)
}

/// Checked names hold letters, digits, `_`, `.` and dashes; of those only dashes could be an arrow.
fn label(name: &str) -> String {
    name.replace('-', "#45;")
}

/// Events as they may follow one another: those that nothing causes first, then what they cause, each once.
fn in_order<'c>(catalog: &'c Catalog, flow: &Flow<'c>) -> Vec<&'c EventName> {
    let caused: BTreeSet<&EventName> = flow.causes.iter().map(|cause| cause.to).collect();
    let names: Vec<&EventName> = catalog.latest().map(|contract| &contract.name).collect();
    let mut order: Vec<&EventName> = names.iter().filter(|name| !caused.contains(**name)).copied().collect();
    let mut at = 0;
    loop {
        while let Some(event) = order.get(at).copied() {
            for cause in flow.causes.iter().filter(|cause| cause.from == event) {
                if !order.contains(&cause.to) {
                    order.push(cause.to);
                }
            }
            at += 1;
        }
        // What runs in a circle has no beginning: the first name is one.
        match names.iter().find(|name| !order.contains(*name)) {
            Some(name) => order.push(name),
            None => return order,
        }
    }
}

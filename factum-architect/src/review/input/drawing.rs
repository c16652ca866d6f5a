//! Mermaid drawings of events, as a catalog: arrows with a name on them are events, boxes are services.
//!
//! Read are flowcharts (`A -->|order.placed| B`, `A -- order.placed --> B`) and sequence diagrams
//! (`A->>B: order.placed`). What a drawing does not say is absent, and rules about it stay silent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use factum_contract::Source;

/// Most arrows of one drawing.
const ARROWS_MAX: usize = 2_000;

/// The catalog of the first drawing in a text; none when there is none.
pub(super) fn read(name: &str, text: &str) -> Option<Vec<Source>> {
    let drawn = match text.find("```mermaid") {
        Some(at) => text[at + "```mermaid".len()..].split("```").next().unwrap_or_default(),
        None if name.ends_with(".mmd") || name.ends_with(".mermaid") => text,
        None => return None,
    };
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut consumers: BTreeMap<(String, String), ()> = BTreeMap::new();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for line in drawn.lines().take(ARROWS_MAX) {
        named(line, &mut labels);
        let Some((from, event, to)) = arrow(line) else { continue };
        services.entry(from).or_default().insert(event.clone());
        services.entry(to.clone()).or_default();
        consumers.insert((to, event), ());
    }
    if services.is_empty() {
        return None;
    }
    let shown = |id: &str| part(labels.get(id).map_or(id, String::as_str));
    // Writing to a string cannot fail.
    let mut system = String::from("system: drawing\nservices:\n");
    for (service, events) in &services {
        let events: Vec<String> = events.iter().cloned().collect();
        let _ = writeln!(system, "  {}: {{ emits: [{}] }}", shown(service), events.join(", "));
    }
    let _ = writeln!(system, "projections:");
    for (to, event) in consumers.keys() {
        let _ = writeln!(
            system,
            "  {}.{}: {{ service: {}, on: [{event}] }}",
            shown(to),
            event.replace('.', "-"),
            shown(to)
        );
    }
    let mut files = vec![Source::new("system.yaml", system)];
    let events: BTreeSet<&String> = services.values().flatten().collect();
    files.extend(
        events.into_iter().map(|event| Source::new(format!("{event}.yaml"), format!("event: {event}\n"))),
    );
    Some(files)
}

/// `orders[Order service]`: what a box is called.
fn named(line: &str, labels: &mut BTreeMap<String, String>) {
    for (open, close) in [('[', ']'), ('(', ')')] {
        let mut rest = line;
        while let Some(at) = rest.find(open) {
            let id: String = rest[..at]
                .chars()
                .rev()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            let Some(end) = rest[at..].find(close) else { break };
            let label = rest[at + 1..at + end].trim_matches(['"', '(', '[', ' ']).to_owned();
            if !id.is_empty() && !label.is_empty() {
                labels.entry(id).or_insert(label);
            }
            rest = &rest[at + end + 1..];
        }
    }
}

/// From, event, to.
fn arrow(line: &str) -> Option<(String, String, String)> {
    let line = line.trim();
    if let Some((ends, label)) = line.split_once(": ").filter(|(ends, _)| ends.contains("->")) {
        let (from, to) = ends.split_once("-")?;
        return Some((
            id_at_end(from)?,
            event(label)?,
            id_at_start(to.trim_start_matches(['-', '>', ')', 'x', '+']))?,
        ));
    }
    let (from, rest) = line.split_once("--")?;
    let (label, to) = match rest.split_once('|') {
        Some((_, rest)) => rest.split_once('|')?,
        None => rest.split_once("-->")?,
    };
    Some((id_at_end(&without_label(from))?, event(label)?, id_at_start(to)?))
}

fn without_label(text: &str) -> String {
    text.split(['[', '(', '{']).next().unwrap_or_default().to_owned()
}

fn id_at_start(text: &str) -> Option<String> {
    let id: String = text.trim().chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_')).collect();
    (!id.is_empty()).then_some(id)
}

fn id_at_end(text: &str) -> Option<String> {
    let id: String =
        text.trim().chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '_')).collect();
    (!id.is_empty()).then(|| id.chars().rev().collect())
}

/// The name on an arrow, when it is one: letters, digits and separators.
fn event(label: &str) -> Option<String> {
    let label = label.trim().trim_matches(['"', '`']);
    let first = label.split([',', '(']).next()?.trim();
    let is_name = first.chars().next().is_some_and(char::is_alphabetic)
        && first.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'));
    is_name.then(|| first.to_owned())
}

/// A box's label as the name of a service.
fn part(label: &str) -> String {
    let name: String =
        label.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_of_both_kinds_are_events() {
        for line in [
            "A -->|order.placed| B",
            "A[Orders] -- order.placed --> B",
            "A->>B: order.placed",
            "A-->>+B: order.placed",
        ] {
            assert_eq!(arrow(line), Some(("A".into(), "order.placed".into(), "B".into())), "{line}");
        }
        for line in ["A --> B", "A->>B: asks for a price", "subgraph x"] {
            assert_eq!(arrow(line), None, "{line}");
        }
    }
}

//! The states of a stream: one after each of its events, joined where the catalog says what may follow what.
//!
//! A stream's rules live in its decider, which the catalog cannot see. What it can see are consumers and sagas that
//! answer an event with another; an event that answers an event of the same stream, directly or through events of
//! other streams, may follow it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use factum_core::{Category, EventName, Kind};

use crate::catalog::Catalog;
use crate::flow::Flow;

use super::text::{Ids, label};

/// Categories of all streams, in their order.
pub(super) fn categories(catalog: &Catalog) -> impl Iterator<Item = &Category> {
    let all: BTreeSet<&Category> = catalog.latest().map(|contract| &contract.category).collect();
    all.into_iter()
}

pub(super) fn draw(catalog: &Catalog, category: &Category) -> Option<String> {
    let own: BTreeSet<&EventName> = catalog
        .latest()
        .filter(|contract| contract.kind == Kind::Event && contract.category == *category)
        .map(|contract| &contract.name)
        .collect();
    let flow = Flow::of(catalog);
    let follows = transitions(&flow, &own);
    if follows.is_empty() {
        return None;
    }
    let mut ids = Ids::default();
    let mut out = "stateDiagram-v2\n".to_owned();
    // Writing to a String cannot fail, here and below.
    for event in &own {
        let _ = writeln!(out, "  state \"{}\" as {}", label(event.as_str()), ids.of('e', event.as_str()));
    }
    let caused: BTreeSet<&EventName> = flow.causes.iter().map(|cause| cause.to).collect();
    for event in own.iter().filter(|event| !caused.contains(**event)) {
        let _ = writeln!(out, "  [*] --> {}", ids.of('e', event.as_str()));
    }
    for ((from, to), because) in &follows {
        let (from, to) = (ids.of('e', from.as_str()), ids.of('e', to.as_str()));
        let because: Vec<String> = because.iter().map(|name| label(name)).collect();
        if because.is_empty() {
            let _ = writeln!(out, "  {from} --> {to}");
        } else {
            let _ = writeln!(out, "  {from} --> {to} : {}", because.join(", "));
        }
    }
    Some(out)
}

type Follows<'c> = BTreeMap<(&'c EventName, &'c EventName), BTreeSet<&'c str>>;

/// Which of a stream's events may follow which, with the events of other streams that come just before.
fn transitions<'c>(flow: &Flow<'c>, own: &BTreeSet<&'c EventName>) -> Follows<'c> {
    let mut next: BTreeMap<&EventName, BTreeSet<&EventName>> = BTreeMap::new();
    for cause in &flow.causes {
        next.entry(cause.from).or_default().insert(cause.to);
    }
    let mut found = Follows::new();
    for start in own {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&EventName> = vec![*start];
        while let Some(at) = open.pop() {
            for to in next.get(at).into_iter().flatten() {
                if own.contains(to) {
                    let because = found.entry((*start, *to)).or_default();
                    because.extend((at != *start).then_some(at.as_str()));
                } else if seen.insert(*to) {
                    open.push(to);
                }
            }
        }
    }
    found
}

//! Names of events as code writes them, where no catalog has them: what rules for names say of a catalog, said of code.
//!
//! Only what can be told without knowing whether a name is a topic, a queue or an event: a queue of commands may be
//! named by an order, and a topic by a noun.

use std::collections::{BTreeMap, BTreeSet};

use crate::review::rule::Found;
use crate::review::words;
use crate::sources::Scan;
use crate::sources::traffic::{Direction, Traffic};

/// Names that are published and that no contract has, each at its first place.
fn published<'s>(scan: &'s Scan<'_>) -> Vec<(&'s str, &'s Traffic, Vec<String>)> {
    let mut told = BTreeSet::new();
    let sent = scan.traffic.iter().filter(|one| one.direction == Direction::Publish);
    sent.filter_map(|one| Some((one.name.as_deref()?, one)))
        .filter(|(name, _)| scan.view.contract(name).is_none() && told.insert(*name))
        .map(|(name, one)| (name, one, words::of_event(name)))
        .collect()
}

pub(crate) fn generic(scan: &Scan<'_>, found: &mut Found) {
    for (name, one, words) in published(scan) {
        let is_event = words.len() >= 2 && words::verb(&words).is_some_and(words::is_participle);
        if is_event && words::is_generic(&words) {
            found.at(one.span, format!("`{name}` names no thing of the business"));
        }
    }
}

pub(crate) fn chatty(scan: &Scan<'_>, found: &mut Found) {
    let mut groups: BTreeMap<String, Vec<(&str, &Traffic)>> = BTreeMap::new();
    for (name, one, words) in published(scan) {
        let is_change = words.last().is_some_and(|last| matches!(last.as_str(), "changed" | "updated"));
        if is_change && words.len() >= 3 {
            groups.entry(words[..words.len() - 2].join(".")).or_default().push((name, one));
        }
    }
    for (prefix, events) in groups.iter().filter(|(_, events)| events.len() >= 3) {
        let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
        found.at(events[0].1.span, format!("`{prefix}` has an event for each field: {}", names.join(", ")));
    }
}

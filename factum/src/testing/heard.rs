//! Events as tests hand them on: as they are written, in the orders that a log may hold them in, and broken ones.

use std::collections::BTreeMap;

use factum_contract::fixture::Broken;
use factum_core::{Bytes, Envelope, Event, EventSet};

/// Most orders that are tried without a runtime: those of five keys with an event each.
pub(super) const ORDERS_MAX: usize = 120;

pub(super) fn encoded<E: EventSet>(event: &E) -> Envelope {
    event.encode().unwrap_or_else(|error| panic!("the event has no JSON form: {error}"))
}

pub(super) fn encoded_all<E: EventSet>(events: impl IntoIterator<Item = impl Into<E>>) -> Vec<Envelope> {
    events.into_iter().map(|event| encoded::<E>(&event.into())).collect()
}

/// Its type and its payload.
pub(super) fn written(envelope: &Envelope) -> String {
    format!("{} {}", envelope.event_type, String::from_utf8_lossy(&envelope.data))
}

/// One a line, or that there is none.
pub(super) fn listed<T: std::fmt::Display>(all: &[T]) -> String {
    match all {
        [] => "  nothing\n".to_owned(),
        all => all.iter().map(|one| format!("  {one}\n")).collect(),
    }
}

/// The keys of events, in their order.
pub(super) fn keys(order: &[Envelope]) -> String {
    order.iter().map(|event| event.key.as_str()).collect::<Vec<_>>().join(", ")
}

/// Other orders in which a log may hold these events: those of one key keep theirs. The last key first, the keys in
/// turn, then whatever else there is, `most` at most.
#[track_caller]
pub(super) fn orders(events: &[Envelope], most: usize) -> Vec<Vec<Envelope>> {
    let mut by_key: BTreeMap<&str, Vec<&Envelope>> = BTreeMap::new();
    for event in events {
        by_key.entry(event.key.as_str()).or_default().push(event);
    }
    assert!(by_key.len() > 1, "events of one key keep their order: these have no other");
    let queues: Vec<Vec<&Envelope>> = by_key.into_values().collect();
    let longest = queues.iter().map(Vec::len).max().unwrap_or_default();
    let last_first = (0..queues.len()).rev().flat_map(|key| vec![key; queues[key].len()]).collect();
    let in_turn = (0..longest)
        .flat_map(|at| (0..queues.len()).filter(|key| at < queues[*key].len()).collect::<Vec<_>>())
        .collect();
    let mut found: Vec<Vec<usize>> = vec![last_first];
    let mut note = |order: Vec<usize>| {
        if found.len() < most && !found.contains(&order) {
            found.push(order);
        }
        found.len() < most
    };
    if note(in_turn) {
        let mut left: Vec<usize> = queues.iter().map(Vec::len).collect();
        every_order(&mut left, &mut Vec::new(), &mut note);
    }
    let is_another =
        |order: &Vec<Envelope>| order.iter().zip(events).any(|(other, event)| other.id != event.id);
    found.iter().map(|order| in_order(order, &queues)).filter(is_another).collect()
}

fn in_order(order: &[usize], queues: &[Vec<&Envelope>]) -> Vec<Envelope> {
    let mut queues: Vec<_> = queues.iter().map(|queue| queue.iter()).collect();
    order.iter().filter_map(|key| queues[*key].next()).map(|event| (*event).clone()).collect()
}

/// Notes every order of keys of which so many events are left; answers whether more are wanted.
fn every_order(
    left: &mut [usize],
    order: &mut Vec<usize>,
    note: &mut impl FnMut(Vec<usize>) -> bool,
) -> bool {
    if left.iter().all(|left| *left == 0) {
        return note(order.clone());
    }
    for key in 0..left.len() {
        if left[key] > 0 {
            left[key] -= 1;
            order.push(key);
            let more = every_order(left, order, note);
            order.pop();
            left[key] += 1;
            if !more {
                return false;
            }
        }
    }
    true
}

/// Asserts that a set of events takes none of these payloads of one of its types.
#[track_caller]
pub(super) fn takes_none<S: EventSet, E: Event>(who: &str, documents: impl IntoIterator<Item = Broken>) {
    let is_known = S::types().iter().any(|known| known.name == E::TYPE.name);
    assert!(is_known, "{who} does not hear {}", E::TYPE);
    let mut tried = 0;
    for Broken { what, rule, json, .. } in documents {
        let read = S::decode(&E::TYPE, &Bytes::from(json.clone()));
        assert!(read.is_err(), "{who} takes what breaks its contract: {what} ({rule})\n{json}");
        tried += 1;
    }
    assert!(tried > 0, "there is no malformed {} to try", E::TYPE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use factum_core::EventType;

    fn events(keys: &[&str]) -> Vec<Envelope> {
        let event = |key: &&str| {
            let key = factum_core::PartitionKey::try_from((*key).to_owned());
            let key = key.unwrap_or_else(|error| panic!("{error}"));
            Envelope::raw(
                EventType::event("order.placed", 1, "order", "order.placed"),
                key,
                Bytes::from("{}"),
            )
        };
        keys.iter().map(event).collect()
    }

    #[test]
    fn every_other_order_that_keeps_the_keys_own_is_tried_once() {
        let found: Vec<String> =
            orders(&events(&["a", "a", "b", "c"]), ORDERS_MAX).iter().map(|order| keys(order)).collect();
        assert_eq!(found[..2], ["c, b, a, a", "a, b, c, a"]);
        let mut once = found.clone();
        once.sort();
        once.dedup();
        assert_eq!((found.len(), once.len()), (11, 11), "4! / 2! without the one that was given");
        assert_eq!(orders(&events(&["a", "b", "c", "d", "e", "f", "g"]), 24).len(), 24 - 1);
    }

    #[test]
    #[should_panic(expected = "these have no other")]
    fn events_of_one_key_are_no_test_of_orders() {
        let _ = orders(&events(&["a", "a"]), ORDERS_MAX);
    }
}

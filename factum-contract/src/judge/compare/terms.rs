//! What a contract promises beside its payload: where events are found, in which order, and by which names.

use super::payload::harm;
use super::{Change, ChangeKind, Outcome};
use crate::contract::{Contract, Lifecycle, Ordering};
use crate::judge::Side;

/// Every change outside the payload.
pub(super) fn changes(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut both = |kind: ChangeKind, before: &str, after: &str, why: &str| {
        if before != after {
            let (backward, forward) = (harm(kind, Side::Consumer, why), harm(kind, Side::Producer, why));
            changes.push(change(kind, Some(before), Some(after), backward, forward));
        }
    };
    let apart = "these are different contracts";
    both(ChangeKind::Name, old.name.as_str(), new.name.as_str(), apart);
    both(ChangeKind::Kind, old.kind.as_str(), new.kind.as_str(), apart);
    let split = "consumers find old and new events in different places";
    both(ChangeKind::Topic, old.topic.as_str(), new.topic.as_str(), split);
    both(ChangeKind::Stream, old.category.as_str(), new.category.as_str(), split);
    let order = "events that belong together are no longer kept in order across the change";
    both(ChangeKind::Key, &old.key.value, &new.key.value, order);
    changes.extend(ordering(old, new));
    let mut fine = |kind: ChangeKind, before: &str, after: &str, note: Option<&str>| {
        if before != after {
            let mut change =
                change(kind, Some(before), Some(after), Outcome::Compatible, Outcome::Compatible);
            change.note = note.map(str::to_owned);
            changes.push(change);
        }
    };
    let moved = "another service answers for the meaning: its topics, alerts and runbooks move with it";
    fine(ChangeKind::Owner, old.owner.as_str(), new.owner.as_str(), Some(moved));
    fine(ChangeKind::Category, old.purpose.as_str(), new.purpose.as_str(), None);
    fine(ChangeKind::Audience, old.audience.as_str(), new.audience.as_str(), None);
    fine(ChangeKind::Compatibility, old.compatibility.as_str(), new.compatibility.as_str(), None);
    fine(ChangeKind::Policy, old.policy.as_str(), new.policy.as_str(), None);
    fine(ChangeKind::Lifecycle, &lifecycle(&old.lifecycle), &lifecycle(&new.lifecycle), None);
    let text = |contract: &Contract| {
        [&contract.summary, &contract.description].map(|text| text.clone().unwrap_or_default()).join("\n")
    };
    fine(ChangeKind::Wording, text(old).trim(), text(new).trim(), None);
    changes.extend(reserved(old, new));
    for change in &mut changes {
        change.span = Some(match change.kind {
            ChangeKind::Topic => new.topic.span,
            ChangeKind::Key => new.key.span,
            ChangeKind::Owner => new.owner.span,
            _ => new.span,
        });
    }
    changes
}

/// Fields that take a name which was never to be used again.
pub(super) fn reuse(old: &Contract, changes: &mut [Change]) {
    for change in changes.iter_mut().filter(|change| change.kind == ChangeKind::FieldAdded) {
        if old.reserved.iter().any(|name| name.value == change.path) {
            let why = "the name is reserved: it meant something else before";
            change.backward = harm(ChangeKind::Reserved, Side::Consumer, why);
            change.forward = harm(ChangeKind::Reserved, Side::Producer, why);
        }
    }
}

fn ordering(old: &Contract, new: &Contract) -> Option<Change> {
    let rank = |ordering: Ordering| match ordering {
        Ordering::None => 0,
        Ordering::PerKey => 1,
        Ordering::Total => 2,
    };
    if old.ordering == new.ordering {
        return None;
    }
    let kind = ChangeKind::Ordering;
    let before = "events of before were not kept in this order";
    let (backward, forward) = if rank(new.ordering) < rank(old.ordering) {
        (Outcome::Compatible, harm(kind, Side::Producer, "readers of before rely on the order"))
    } else {
        (harm(kind, Side::Consumer, before), Outcome::Compatible)
    };
    Some(change(kind, Some(old.ordering.as_str()), Some(new.ordering.as_str()), backward, forward))
}

fn reserved(old: &Contract, new: &Contract) -> Vec<Change> {
    let has = |contract: &Contract, name: &str| contract.reserved.iter().any(|known| known.value == name);
    let freed = old.reserved.iter().filter(|name| !has(new, &name.value)).map(|name| {
        let why = "a name that may never be used again is free";
        let backward = harm(ChangeKind::Reserved, Side::Consumer, why);
        let forward = harm(ChangeKind::Reserved, Side::Producer, why);
        change(ChangeKind::Reserved, Some(&name.value), None, backward, forward)
    });
    let added = new.reserved.iter().filter(|name| !has(old, &name.value)).map(|name| {
        change(ChangeKind::Reserved, None, Some(&name.value), Outcome::Compatible, Outcome::Compatible)
    });
    freed.chain(added).collect()
}

fn change(
    kind: ChangeKind,
    before: Option<&str>,
    after: Option<&str>,
    backward: Outcome,
    forward: Outcome,
) -> Change {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Change {
        path: kind.to_string(),
        kind,
        before: text(before),
        after: text(after),
        backward,
        forward,
        note: None,
        span: None,
    }
}

fn lifecycle(lifecycle: &Lifecycle) -> String {
    let dates = [
        ("since", lifecycle.since.map(|date| date.to_string())),
        ("deprecated", lifecycle.deprecated.map(|date| date.to_string())),
        ("sunset", lifecycle.sunset.map(|date| date.to_string())),
        ("replacedBy", lifecycle.replaced_by.as_ref().map(|name| name.value.to_string())),
    ];
    let parts = dates.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?)));
    parts.collect::<Vec<_>>().join(", ")
}

//! What is written when an event is set aside: its letter, and the record of its key.
//!
//! The lane and the inbox commit it, each together with what is its own: a checkpoint, or a mark. Decides nothing, and
//! reads nothing: a key that somebody else wrote meanwhile is a conflict.

use factum_core::{Guard, OnDead, RecordKind, Revision, Slot, Timestamp, Work};

use super::shared::Shared;
use crate::state::{KeyWaits, ParkedKey, Troubled, as_seen};

/// How an event is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    /// It waits, or queues behind its key.
    Parked,
    /// It is a dead letter; its key stays behind it, or goes on.
    Dead,
    /// It is a dead letter, and the saga that sent it decides what follows: its key goes on, because what undoes the
    /// step may have the same key.
    DeadAndTold,
}

/// Collects the letter and its key's record, due when the key is next tried. `known` is the key as it was last seen.
/// Answers the key as it will be; nothing when it goes on.
pub(crate) fn set_aside(
    shared: &Shared,
    slot: Slot,
    letter: &Troubled,
    aside: Aside,
    known: Option<(Revision, ParkedKey)>,
    due: Option<Timestamp>,
    work: &mut dyn Work,
) -> Option<ParkedKey> {
    let is_dead = aside != Aside::Parked;
    let (revision, mut key) = known.unwrap_or_else(|| {
        let key = ParkedKey {
            key: letter.key.clone(),
            slot: slot.number(),
            queued: 0,
            waits: if is_dead { KeyWaits::Held } else { KeyWaits::Due },
            since: letter.since,
            error: letter.error.clone(),
        };
        (0, key)
    });
    if is_dead {
        work.put(letter.record(RecordKind::DEAD, slot), Guard::Any);
        if aside == Aside::DeadAndTold || shared.consumer.policy.on_dead == OnDead::Skip {
            return None;
        }
    } else {
        key.queued += 1;
        work.put(letter.record(RecordKind::PARKED, slot), Guard::Any);
    }
    work.put(key.record(shared.name(), due), as_seen(revision));
    Some(key)
}

//! Which keys are destroyed, as the store knows it: so that no unit of work brings a value back that was opened just before.
//!
//! Inline projections open values before their unit commits, and a forgetting may come between. It writes a tombstone in
//! the unit that empties the tables; a unit that opened a value counts only while there is none for the value's key. So
//! either the tables are emptied after the unit, or the unit is undone and run again, where the value is forgotten. Names
//! keys by number, never subjects.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use factum_contract::personal::{replaced, sealed};
use factum_core::keys::KeyName;
use factum_core::personal::FORGOTTEN_JSON;
use factum_core::{Envelope, Guard, Record, RecordKind, RecordQuery, Store, StoreError, Work};

const GROUP: &str = "forgotten";

/// Notes that a key is destroyed.
pub(crate) fn put(ring: &str, number: u64, work: &mut dyn Work) {
    work.put(Record::new(RecordKind::KEYS, GROUP, id(KeyName { ring, number }), Vec::new()), Guard::Any);
}

/// Takes values as forgotten whose key is destroyed, and makes the unit count only while those of the others are not.
pub(crate) async fn guard(
    store: &dyn Store,
    event: &mut Envelope,
    work: &mut dyn Work,
) -> Result<(), StoreError> {
    let found = sealed(&event.data);
    let mut gone: BTreeMap<String, bool> = BTreeMap::new();
    for id in found.iter().filter_map(|one| Some(id(KeyName::of_sealed(&one.text)?))) {
        if gone.contains_key(&id) {
            continue;
        }
        let is_gone = store.find_one(RecordKind::KEYS, &id).await?.is_some();
        if !is_gone {
            work.remove(RecordKind::KEYS, id.clone(), Guard::Absent);
        }
        gone.insert(id, is_gone);
    }
    let is_gone =
        |text: &str| KeyName::of_sealed(text).is_some_and(|name| gone.get(&id(name)) == Some(&true));
    if gone.values().any(|is_gone| *is_gone) {
        let forgotten = found.iter().filter(|one| is_gone(&one.text));
        let marker = || Cow::Borrowed(FORGOTTEN_JSON.as_bytes());
        event.data = replaced(&event.data, forgotten.map(|one| (one.range.clone(), marker()))).into();
    }
    Ok(())
}

/// The tombstones, put or not, of the keys that sealed values of a payload.
pub(crate) fn of_sealed(payload: &[u8]) -> Vec<String> {
    sealed(payload).iter().filter_map(|one| Some(id(KeyName::of_sealed(&one.text)?))).collect()
}

/// Makes the unit count only while none of these tombstones is put; those that are put already mean that nothing was
/// opened.
pub(crate) async fn guard_all(ids: &BTreeSet<String>, work: &mut dyn Work) -> Result<(), StoreError> {
    for id in ids {
        if work.find(RecordKind::KEYS, &RecordQuery::id(id)).await?.is_empty() {
            work.remove(RecordKind::KEYS, id.clone(), Guard::Absent);
        }
    }
    Ok(())
}

/// Whether a conflict means that a key was destroyed in between.
pub(crate) fn is_met(kind: RecordKind, id: &str) -> bool {
    kind == RecordKind::KEYS && id.starts_with(GROUP)
}

fn id(KeyName { ring, number }: KeyName<'_>) -> String {
    format!("{GROUP}/{ring}/{number}")
}

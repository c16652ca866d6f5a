//! Keys held in memory for a short while: bounded in number and in age, and wiped when they go.

use std::collections::HashMap;
use std::time::Instant;

use super::cipher::DataKey;
use super::{HELD_COUNT_MAX, HELD_MAX};

#[derive(Default)]
pub(super) struct Cache {
    by_number: HashMap<u64, Held>,
    numbers: HashMap<String, u64>,
}

struct Held {
    /// `None` once its subject was forgotten.
    key: Option<DataKey>,
    since: Instant,
}

impl Cache {
    pub(super) fn hold(&mut self, number: u64, subject: String, key: Option<DataKey>) {
        if self.by_number.len() >= HELD_COUNT_MAX {
            // Reading keys anew is cheap, and needs no order of use to be kept.
            self.clear();
        }
        self.by_number.insert(number, Held { key, since: Instant::now() });
        self.numbers.insert(subject, number);
    }

    /// A key by its number, when it is held and young enough.
    pub(super) fn of_number(&self, number: u64) -> Option<Option<DataKey>> {
        let held = self.by_number.get(&number).filter(|held| held.since.elapsed() < HELD_MAX)?;
        Some(held.key.clone())
    }

    /// The number and key of a subject.
    pub(super) fn of_subject(&self, subject: &str) -> Option<(u64, Option<DataKey>)> {
        let number = *self.numbers.get(subject)?;
        Some((number, self.of_number(number)?))
    }

    /// Wipes what is past its age.
    pub(super) fn sweep(&mut self) {
        self.by_number.retain(|_, held| held.since.elapsed() < HELD_MAX);
        let by_number = &self.by_number;
        self.numbers.retain(|_, number| by_number.contains_key(number));
    }

    pub(super) fn clear(&mut self) {
        self.by_number.clear();
        self.numbers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_keys_are_held_than_there_is_room_for() {
        let mut cache = Cache::default();
        for number in 0..3 * HELD_COUNT_MAX as u64 {
            cache.hold(number, format!("c-{number}"), None);
            assert!(cache.by_number.len() <= HELD_COUNT_MAX && cache.numbers.len() <= HELD_COUNT_MAX);
            assert_eq!(cache.of_subject(&format!("c-{number}")), Some((number, None)));
        }
        cache.clear();
        assert!(cache.of_number(1).is_none());
    }
}

//! Slots: the unit of order, checkpoint and lease (elsewhere: partition, segment).
//!
//! The hash is XXH3-64 as published (xxHash specification, version 0.2.0); it is written into checkpoints, so it
//! never changes.

use std::fmt;

use crate::name::PartitionKey;

/// How many slots a consumer has, for its whole life.
pub const SLOTS: u16 = 64;

/// One of the 64 parts into which keys fall; the first by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slot(u16);

impl Slot {
    /// The slot of a key; the same on every machine and in every release.
    #[must_use]
    pub fn of(key: &PartitionKey) -> Self {
        Self::of_text(key.as_str())
    }

    /// The slot of a key that is not yet a `PartitionKey`, such as a saga's correlation.
    #[must_use]
    pub fn of_text(key: &str) -> Self {
        Self((hash64(key.as_bytes()) % u64::from(SLOTS)) as u16)
    }

    /// The slot of this number, when there is one.
    #[must_use]
    pub fn at(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Self(number))
    }

    /// 0 to 63.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// Every slot, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).map(Self)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// XXH3-64: the one hash that Factum writes down (slots, tags, checksums).
#[must_use]
pub fn hash64(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // Written into every checkpoint: a change here would send keys to other slots.
        assert_eq!(hash64(b""), 0x2d06_8005_38d3_94c2);
        let slots: Vec<u16> =
            ["order-1", "order-2", "c-7", "é"].map(|key| Slot::of_text(key).number()).into();
        assert_eq!(slots, [54, 28, 28, 51]);
    }
}

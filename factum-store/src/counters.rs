//! Counts what the store does, for metrics.
//!
//! Plain atomics, added to by the writer alone and read by whoever asks; numbers of one moment may be a unit apart.
//! Never on the path of a single event.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum_core::StoreStats;

#[derive(Default)]
pub(crate) struct Counters {
    units: AtomicU64,
    events: AtomicU64,
    commits: AtomicU64,
    commit_us: AtomicU64,
    refused: AtomicU64,
    answer_us: AtomicU64,
    answers: [AtomicU64; StoreStats::BUCKETS],
    shares: [AtomicU64; StoreStats::BUCKETS],
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn committed(&self, units: u64, events: u64, took: Duration) {
        add(&self.commits, 1);
        add(&self.events, events);
        add(&self.commit_us, took.as_micros() as u64);
        add(&self.shares[StoreStats::bucket(units)], 1);
    }

    pub(crate) fn answered(&self, took: Duration) {
        let took = took.as_micros() as u64;
        add(&self.units, 1);
        add(&self.answer_us, took);
        add(&self.answers[StoreStats::bucket(took)], 1);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn stats(&self) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            units: get(&self.units),
            events: get(&self.events),
            commits: get(&self.commits),
            commit_us: get(&self.commit_us),
            refused: get(&self.refused),
            answer_us: get(&self.answer_us),
            held_us: 0,
            answers: std::array::from_fn(|index| get(&self.answers[index])),
            shares: std::array::from_fn(|index| get(&self.shares[index])),
        }
    }
}

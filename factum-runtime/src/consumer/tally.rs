//! What a lane has handled and not told yet: counters, histograms, progress.
//!
//! All lanes share those, and a counter that two cores write costs more than a small handler. So a lane counts for
//! itself and tells at the end of a stretch, before every commit, and before it waits for a handler: nothing that is
//! done is ever held back by something that takes its time.

use std::time::Duration;

use factum_core::{SLOTS, Slot};

use super::shared::Shared;
use super::slots::Held;
use crate::observe::{Tally, count};

const _: () = assert!(SLOTS as u32 <= u64::BITS, "a bit for each slot");

#[derive(Default)]
pub(crate) struct LaneTally {
    handled: u64,
    attempt: Tally,
    end_to_end: Tally,
    /// A bit for each slot that has moved.
    slots: u64,
    has_committed: bool,
}

impl LaneTally {
    /// A stretch begins.
    pub(crate) fn begin(&mut self) {
        self.has_committed = false;
    }

    /// Something was committed.
    pub(crate) fn committed(&mut self) {
        self.has_committed = true;
    }

    /// Whether something was committed since the stretch began.
    pub(crate) fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// One event was handled: how long that took, and how long after the event's time.
    pub(crate) fn handled(&mut self, slot: Slot, took: Duration, age: Duration) {
        self.handled += 1;
        self.attempt.observe(took);
        self.end_to_end.observe(age);
        self.slots |= 1 << slot.number();
    }

    /// One event of a batch was handled so long after its time.
    pub(crate) fn end_to_end(&mut self, age: Duration) {
        self.end_to_end.observe(age);
    }

    /// Adds it to what all lanes share.
    pub(crate) fn tell(&mut self, shared: &Shared, held: &[Held], index: &[usize; SLOTS as usize]) {
        self.end_to_end.add_to(&shared.metrics.end_to_end);
        if self.handled == 0 {
            return;
        }
        count(&shared.metrics.handled, std::mem::take(&mut self.handled));
        self.attempt.add_to(&shared.metrics.attempt);
        let mut slots = std::mem::take(&mut self.slots);
        while slots > 0 {
            let number = slots.trailing_zeros() as usize;
            slots &= slots - 1;
            let held = &held[index[number]];
            shared.progress.set(held.slot, held.done);
        }
    }
}

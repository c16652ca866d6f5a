//! What follows a commit: readers learn of it, then those who asked.
//!
//! In this order, so that whoever is answered finds what it wrote.

use std::time::Instant;

use factum_core::{Appended, Commit};

use super::{Unit, Writer};
use crate::sqlite::step::Step;

impl Writer {
    /// Answers the units of a group that was committed.
    pub(super) fn finish(&mut self, units: Vec<Unit>, answers: Vec<Commit>, began: Instant) {
        let mut asked = Vec::with_capacity(units.len());
        let (mut shared, mut done) = (0, Vec::new());
        for (unit, answer) in units.into_iter().zip(answers) {
            if let Commit::Committed(committed) = &answer {
                shared += 1;
                done.push((unit.steps, committed.appended.clone()));
            }
            asked.push((unit.reply, unit.asked, answer, unit.room));
        }
        if shared > 0 {
            self.announce(shared, done, began);
        }
        for (reply, since, answer, _room) in asked {
            self.count(&answer, since);
            // Whoever asked may have gone away; what it wrote stays.
            let _ = reply.send(answer);
        }
    }

    /// Hands what was recorded to those who follow the head.
    pub(super) fn announce(&mut self, units: u64, done: Vec<(Vec<Step>, Vec<Appended>)>, began: Instant) {
        let new = |appended: &Appended| !appended.known;
        let last = done.iter().flat_map(|(_, appended)| appended).rfind(|one| new(one));
        let last = last.map(|appended| appended.position);
        let is_wanted = self.shared.recent.is_wanted();
        let mut events = 0;
        for (steps, appended) in done {
            let batches = steps.into_iter().filter_map(|step| match step {
                Step::Append { to, events, .. } => Some((to, events)),
                _ => None,
            });
            for ((to, batch), appended) in batches.zip(appended).filter(|(_, appended)| new(appended)) {
                events += batch.len() as u64;
                if is_wanted {
                    self.shared.recent.push(batch.recorded(&to, &appended));
                }
            }
        }
        self.shared.counters.committed(units, events, began.elapsed());
        if let Some(last) = last {
            self.shared.moved_to(last);
        }
    }

    pub(super) fn answer(&self, unit: Unit, answer: Commit) {
        self.count(&answer, unit.asked);
        let _ = unit.reply.send(answer);
    }

    fn count(&self, answer: &Commit, since: Instant) {
        match answer {
            Commit::Committed(_) => self.shared.counters.answered(since.elapsed()),
            _ => self.shared.counters.refused(),
        }
    }
}

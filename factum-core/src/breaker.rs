//! Tells an outage from a bad event: when many keys fail and none succeeds, it is the world that is broken.
//!
//! Open, the consumer only probes, one key after another, and counts no attempt; so an outage of an hour fills no
//! dead letters. Pure: time comes in.

use std::time::Duration;

/// Counts distinct keys that failed since the last success.
#[derive(Debug, Clone)]
pub struct Breaker {
    keys: [u64; Self::KEYS as usize],
    failed: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    next_probe: Duration,
    pause: Duration,
    /// A probe is on its way: the next failure may be its own.
    is_probing: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { keys: [0; Self::KEYS as usize], failed: 0, open: None }
    }
}

impl Breaker {
    /// Distinct failing keys that open it: fewer is bad events, more is an outage.
    pub const KEYS: u32 = 5;
    /// Pause before the first probe.
    pub const PAUSE_FIRST: Duration = Duration::from_secs(1);
    /// Longest pause between probes.
    pub const PAUSE_MAX: Duration = Duration::from_secs(30);

    /// Notes that an event of a key failed; answers whether this opened the breaker.
    pub fn failed(&mut self, key_hash: u64, elapsed: Duration) -> bool {
        if let Some(open) = &mut self.open {
            if !std::mem::take(&mut open.is_probing) {
                // It was begun before the breaker opened, and says nothing new.
                return false;
            }
            open.pause = (open.pause * 2).min(Self::PAUSE_MAX);
            open.next_probe = elapsed + open.pause;
            return false;
        }
        let known = &self.keys[..self.failed as usize];
        if !known.contains(&key_hash) {
            self.keys[self.failed as usize] = key_hash;
            self.failed += 1;
        }
        if self.failed < Self::KEYS {
            return false;
        }
        let pause = Self::PAUSE_FIRST;
        self.open = Some(Open { next_probe: elapsed + pause, pause, is_probing: false });
        true
    }

    /// Notes a success; answers whether this closed the breaker.
    pub fn succeeded(&mut self) -> bool {
        self.failed = 0;
        self.open.take().is_some()
    }

    /// Whether only probes may run.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How long until the next attempt may run: zero when closed, or when a probe is due.
    #[must_use]
    pub fn wait(&self, elapsed: Duration) -> Duration {
        self.open.map_or(Duration::ZERO, |open| open.next_probe.saturating_sub(elapsed))
    }

    /// Takes the due probe, so that no second one starts beside it; answers whether there was one.
    pub fn take_probe(&mut self, elapsed: Duration) -> bool {
        let Some(open) = &mut self.open else { return false };
        if elapsed < open.next_probe {
            return false;
        }
        open.next_probe = elapsed + open.pause;
        open.is_probing = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn five_distinct_keys_without_success_open_it() {
        let mut breaker = Breaker::default();
        for key in [1, 2, 3, 3, 3, 4, 1] {
            assert!(!breaker.failed(key, NOW));
        }
        assert!(breaker.failed(5, NOW) && breaker.is_open());
    }

    #[test]
    fn a_success_between_starts_the_count_again() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|key| assert!(!breaker.failed(key, NOW)));
        assert!(!breaker.succeeded());
        (0..4).for_each(|key| assert!(!breaker.failed(key, NOW)));
        assert!(!breaker.is_open());
    }

    #[test]
    fn attempts_that_were_under_way_when_it_opened_make_no_pause_longer() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|key| _ = breaker.failed(key, NOW));
        (5..64).for_each(|key| assert!(!breaker.failed(key, NOW)));
        assert_eq!(breaker.wait(NOW), Breaker::PAUSE_FIRST);
        let now = NOW + Breaker::PAUSE_FIRST;
        assert!(breaker.take_probe(now));
        breaker.failed(1, now);
        breaker.failed(2, now);
        assert_eq!(breaker.wait(now), Breaker::PAUSE_FIRST * 2, "the probe's failure counts once");
    }

    #[test]
    fn probes_come_one_at_a_time_and_ever_more_slowly() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|key| _ = breaker.failed(key, NOW));
        assert_eq!(breaker.wait(NOW), Breaker::PAUSE_FIRST);
        assert!(!breaker.take_probe(NOW));
        let mut now = NOW + Breaker::PAUSE_FIRST;
        assert!(breaker.take_probe(now) && !breaker.take_probe(now));
        for _ in 0..10 {
            breaker.failed(9, now);
            now += breaker.wait(now);
            assert!(breaker.take_probe(now));
        }
        breaker.failed(9, now);
        assert_eq!(breaker.wait(now), Breaker::PAUSE_MAX);
        assert!(breaker.succeeded() && !breaker.is_open());
    }
}

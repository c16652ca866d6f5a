//! When a failed event is tried again: pure, so that the runtime, the simulation and the tests run the same code.

use std::time::Duration;

use crate::envelope::EventId;
use crate::slot::hash64;

/// What becomes of a key when one of its events is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDead {
    /// Its later events wait behind the dead one: order is kept.
    #[default]
    Hold,
    /// Its later events go on: the dead one's order is given up.
    Skip,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again at once.
    AtOnce,
    /// It is set aside and tried again after so long, its key behind it.
    Park(Duration),
    /// Its attempts are used up: it is a dead letter.
    Dead,
}

/// A failed attempt, counted, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Attempts that have failed, this one among them; one that an outage failed is not counted.
    pub attempts: u32,
    /// What follows.
    pub next: Next,
}

/// How a consumer deals with failures.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Tries at once, before the event is parked.
    pub immediate: u32,
    /// Tries in all, those at once included; after the last one the event is a dead letter.
    pub attempts: u32,
    /// Delay before the first parked try.
    pub first: Duration,
    /// Longest delay.
    pub max: Duration,
    /// By how much each delay is longer than the one before.
    pub multiplier: f64,
    /// How much a delay may be lengthened at random, as a share of it; never shortened.
    pub jitter: f64,
    /// Longest time of one attempt; the handler is dropped after it.
    pub timeout: Duration,
    /// How often an event may bring the process down before it is a dead letter.
    pub crashes_max: u32,
    /// How long a handler may keep answering "later" before that counts as a failure.
    pub later_max: Duration,
    /// Names of failures that are never tried again: those that handlers give ([`Failure::named`](crate::Failure)),
    /// and the runtime's own, `timeout`, `panic`, `sql`, `conflict` and `failed` (an error without a name). Such an
    /// event is a dead letter at once, also during an outage.
    pub never: Vec<String>,
    /// What becomes of a dead event's key.
    pub on_dead: OnDead,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            immediate: 2,
            attempts: 8,
            first: Duration::from_secs(1),
            max: Duration::from_secs(600),
            multiplier: 2.0,
            jitter: 0.2,
            timeout: Duration::from_secs(30),
            crashes_max: 5,
            later_max: Duration::from_secs(24 * 3600),
            never: Vec::new(),
            on_dead: OnDead::Hold,
        }
    }
}

impl RetryPolicy {
    /// Whether a failure of this name is never tried again.
    #[must_use]
    pub fn is_never(&self, reason: &str) -> bool {
        self.never.iter().any(|never| never == reason)
    }

    /// When a parked event is looked at again that an outage failed: a probe decides then whether it runs.
    pub const OUTAGE_DELAY: Duration = Duration::from_secs(1);

    /// After an attempt of an event whose turn it was has failed, `before` of its attempts having failed before. In
    /// an outage the world is broken, not the event: it is set aside and no attempt is counted.
    #[must_use]
    pub fn after_turn(&self, event: &EventId, before: u32, is_outage: bool) -> Failed {
        let attempts = if is_outage { before } else { before + 1 };
        if !is_outage && attempts < self.immediate.min(self.attempts) {
            return Failed { attempts, next: Next::AtOnce };
        }
        Failed { attempts, next: self.park(event, attempts) }
    }

    /// After an attempt of a parked event has failed.
    #[must_use]
    pub fn after_parked(&self, event: &EventId, before: u32, is_outage: bool) -> Failed {
        if is_outage {
            return Failed { attempts: before, next: Next::Park(Self::OUTAGE_DELAY) };
        }
        Failed { attempts: before + 1, next: self.park(event, before + 1) }
    }

    /// The policy's delay, lengthened by a share that the event's id and attempt decide: the same on every machine.
    fn park(&self, event: &EventId, attempts: u32) -> Next {
        let seed = [&event.as_bytes()[..], &attempts.to_le_bytes()].concat();
        let chance = (hash64(&seed) >> 11) as f64 / (1u64 << 53) as f64;
        self.delay(attempts, chance).map_or(Next::Dead, Next::Park)
    }

    /// The delay after `failed` attempts have failed; `None` when they are used up. `chance` is from 0 to 1 and only
    /// ever lengthens.
    #[must_use]
    pub fn delay(&self, failed: u32, chance: f64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let step = failed.saturating_sub(self.immediate.max(1));
        let grown =
            self.first.as_secs_f64() * self.multiplier.max(1.0).powi(i32::try_from(step).unwrap_or(i32::MAX));
        let capped = grown.min(self.max.as_secs_f64());
        let jittered = capped * (1.0 + self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0));
        Some(Duration::try_from_secs_f64(jittered).unwrap_or(Duration::MAX))
    }

    /// The delays between attempts without jitter: zero for those at once, one entry fewer than attempts.
    #[must_use]
    pub fn timeline(&self) -> Vec<Duration> {
        self.waits(0.0).collect()
    }

    /// The same with jitter: `chance` from 0 to 1.
    pub fn waits(&self, chance: f64) -> impl Iterator<Item = Duration> + '_ {
        (1..self.attempts).map(move |failed| {
            if failed < self.immediate {
                Duration::ZERO
            } else {
                self.delay(failed, chance).unwrap_or_default()
            }
        })
    }

    /// The longest that it can keep trying one event: every attempt runs into its timeout, every delay is as long as
    /// it may be. An outage, and waiting behind other events, come on top.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let tries = self.timeout.saturating_mul(self.attempts);
        self.waits(1.0).fold(tries, Duration::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let policy = RetryPolicy { attempts: 6, max: Duration::from_secs(5), ..RetryPolicy::default() };
        let seconds: Vec<u64> = policy.timeline().iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 5]);
        assert_eq!(policy.delay(6, 0.5), None);
    }

    #[test]
    fn jitter_only_lengthens() {
        let policy = RetryPolicy::default();
        for chance in [0.0, 0.3, 1.0, 7.0, -1.0] {
            let delay = policy.delay(3, chance).unwrap();
            assert!(delay >= Duration::from_secs(2) && delay <= Duration::from_millis(2400), "{delay:?}");
        }
    }

    #[test]
    fn attempts_at_once_come_first_then_ever_longer_waits_then_the_dead_letter() {
        let policy = RetryPolicy { attempts: 4, jitter: 0.0, ..RetryPolicy::default() };
        let event = EventId::from_bytes([7; 16]);
        let first = policy.after_turn(&event, 0, false);
        assert_eq!(first, Failed { attempts: 1, next: Next::AtOnce });
        let second = policy.after_turn(&event, first.attempts, false);
        assert_eq!(second, Failed { attempts: 2, next: Next::Park(Duration::from_secs(1)) });
        let third = policy.after_parked(&event, second.attempts, false);
        assert_eq!(third, Failed { attempts: 3, next: Next::Park(Duration::from_secs(2)) });
        let fourth = policy.after_parked(&event, third.attempts, false);
        assert_eq!(fourth, Failed { attempts: 4, next: Next::Dead });
    }

    #[test]
    fn a_policy_of_one_attempt_makes_one() {
        let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let failed = policy.after_turn(&EventId::from_bytes([7; 16]), 0, false);
        assert_eq!(failed, Failed { attempts: 1, next: Next::Dead });
    }

    #[test]
    fn an_outage_counts_no_attempt() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let event = EventId::from_bytes([7; 16]);
        let parked = Failed { attempts: 0, next: Next::Park(policy.first) };
        assert_eq!(policy.after_turn(&event, 0, true), parked);
        let later = Failed { attempts: 7, next: Next::Park(RetryPolicy::OUTAGE_DELAY) };
        assert_eq!(policy.after_parked(&event, 7, true), later);
    }

    #[test]
    fn no_policy_overflows() {
        let policy = RetryPolicy { attempts: u32::MAX, multiplier: 1e300, ..RetryPolicy::default() };
        assert_eq!(policy.delay(1_000_000, 0.0), Some(Duration::from_secs(600)));
    }
}

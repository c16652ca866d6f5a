//! When a failed event is tried again: pure, so that the runtime, the simulation and the tests run the same code.

use std::time::Duration;

/// What becomes of a key when one of its events is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDead {
    /// Its later events wait behind the dead one: order is kept.
    #[default]
    Hold,
    /// Its later events go on: the dead one's order is given up.
    Skip,
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
        let delay = |failed| {
            if failed < self.immediate { Duration::ZERO } else { self.delay(failed, 0.0).unwrap_or_default() }
        };
        (1..self.attempts).map(delay).collect()
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
    fn no_policy_overflows() {
        let policy = RetryPolicy { attempts: u32::MAX, multiplier: 1e300, ..RetryPolicy::default() };
        assert_eq!(policy.delay(1_000_000, 0.0), Some(Duration::from_secs(600)));
    }
}

//! Time comes in through here, so that tests can move it.
//!
//! `now` may jump when an operator sets the clock; `elapsed` never goes back. Waiting is by `elapsed`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// A future of a clock.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time and waits.
pub trait Clock: Send + Sync + 'static {
    /// The time of day; may jump either way.
    fn now(&self) -> Timestamp;

    /// Time since some fixed start; never goes back.
    fn elapsed(&self) -> Duration;

    /// Ends once `elapsed` has grown by `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Ends once `elapsed` has reached a moment: for whoever looked at the clock, and then worked out how long to wait.
    /// A clock that was moved in between is not waited for twice.
    fn sleep_until(&self, elapsed: Duration) -> Sleep {
        self.sleep(elapsed.saturating_sub(self.elapsed()))
    }
}

/// Reads the system's clocks; cannot wait, because waiting needs an executor: the runtime's clock does.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl SystemClock {
    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Time since this clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Default)]
pub struct ManualClock {
    state: Arc<Mutex<ManualState>>,
}

#[derive(Default)]
struct ManualState {
    now: Timestamp,
    elapsed: Duration,
    next_sleeper: u64,
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
}

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let clock = Self::default();
        clock.lock().now = now;
        clock
    }

    /// Moves both the time of day and the elapsed time, and wakes whoever is due.
    pub fn advance(&self, duration: Duration) {
        let due: Vec<Waker> = {
            let mut state = self.lock();
            state.now = state.now.plus(duration);
            state.elapsed += duration;
            let elapsed = state.elapsed;
            state.sleepers.range_mut(..=(elapsed, u64::MAX)).filter_map(|(_, waker)| waker.take()).collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// Sets the time of day alone, as an operator or NTP would.
    pub fn jump_to(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// How many waits have not ended: lets a test see that the code under test has come to rest.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    fn sleeper(&self, state: &mut ManualState, until: Duration) -> Sleep {
        let key = (until, state.next_sleeper);
        state.next_sleeper += 1;
        state.sleepers.insert(key, None);
        Box::pin(ManualSleep { clock: self.clone(), key })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ManualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // Nobody moves the clock between the two: the lock is held.
        let mut state = self.lock();
        let until = state.elapsed + duration;
        self.sleeper(&mut state, until)
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep {
        self.sleeper(&mut self.lock(), elapsed)
    }
}

struct ManualSleep {
    clock: ManualClock,
    key: (Duration, u64),
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.elapsed >= self.key.0 {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_ended(sleep: &mut Sleep) -> bool {
        sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_clock_that_is_moved_before_the_wait_begins_counts_as_time_that_has_passed() {
        let clock = ManualClock::default();
        let looked = clock.elapsed();
        clock.advance(Duration::from_secs(2));
        let mut until = clock.sleep_until(looked + Duration::from_secs(1));
        let mut for_a_second = clock.sleep(Duration::from_secs(1));
        assert!(has_ended(&mut until) && !has_ended(&mut for_a_second));
        clock.advance(Duration::from_secs(1));
        assert!(has_ended(&mut for_a_second));
    }
}

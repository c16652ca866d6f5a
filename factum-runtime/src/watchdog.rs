//! Finds handlers that block a thread: they cannot be timed out, only named.
//!
//! A handler that waits is dropped at its timeout; one that computes or sleeps on its thread never gives it back, and
//! every task on that thread waits with it. A thread of its own looks twice a second, because the executor's may all
//! be blocked. Costs a handler three relaxed stores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use factum_core::EventId;

/// How often seats are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Counts looks; what handlers are timed by, so that starting one reads no clock.
static LOOKS: AtomicU64 = AtomicU64::new(1);

/// Where one handler at a time runs; alone in its cache lines, because lanes write theirs at every event.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Seat {
    /// The look at which it started; 0 while nothing runs.
    since: AtomicU64,
    event: [AtomicU64; 2],
}

impl Seat {
    pub(crate) fn begin(&self, event: &EventId) {
        let (high, low) = event.as_bytes().split_at(8);
        for (half, bytes) in self.event.iter().zip([high, low]) {
            half.store(u64::from_be_bytes(bytes.try_into().unwrap_or_default()), Ordering::Relaxed);
        }
        self.since.store(LOOKS.load(Ordering::Relaxed), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Release);
    }

    fn running(&self) -> Option<(EventId, Duration)> {
        let since = self.since.load(Ordering::Acquire);
        let looks = LOOKS.load(Ordering::Relaxed).saturating_sub(since);
        let halves = self.event.each_ref().map(|half| half.load(Ordering::Relaxed).to_be_bytes());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&halves[0]);
        bytes[8..].copy_from_slice(&halves[1]);
        (since > 0).then(|| (EventId::from_bytes(bytes), LOOK * u32::try_from(looks).unwrap_or(u32::MAX)))
    }
}

/// The seats of one consumer.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Vec<Weak<Seat>>>);

impl Seats {
    pub(crate) fn take(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat::default());
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        seat
    }

    /// Handlers that have run for longer than they may.
    pub(crate) fn overdue(&self, timeout: Duration) -> Vec<(EventId, Duration)> {
        let seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = seats.iter().filter_map(|seat| seat.upgrade()?.running());
        // Two looks of grace: the timeout's own timer is not exact.
        running.filter(|(_, time)| *time > timeout + LOOK * 2).collect()
    }
}

/// A handler that blocks its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Its consumer.
    pub consumer: String,
    /// The event that it was given.
    pub event: EventId,
    /// For how long, to half a second.
    pub time: Duration,
}

/// The thread that looks.
pub(crate) struct Watchdog {
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    /// Looks until stopped; names each blocked handler once.
    pub(crate) fn start(look: impl Fn() -> Vec<Blocked> + Send + 'static) -> std::io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = is_stopped.clone();
        let thread = std::thread::Builder::new().name("factum-watchdog".to_owned()).spawn(move || {
            let mut named: Vec<EventId> = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK);
                LOOKS.fetch_add(1, Ordering::Relaxed);
                let blocked = look();
                for one in blocked.iter().filter(|one| !named.contains(&one.event)) {
                    tracing::error!(consumer = one.consumer, event = %one.event, time = ?one.time, "the handler blocks its thread and cannot be timed out: move what blocks into spawn_blocking");
                }
                named = blocked.into_iter().map(|one| one.event).collect();
            }
        })?;
        Ok(Self { is_stopped, thread })
    }

    pub(crate) fn stop(self) {
        self.is_stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // It panics nowhere; if it did, there is nothing left to look after.
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_tells_its_event_until_it_is_left() {
        let seats = Seats::default();
        let (seat, event) = (seats.take(), EventId::new());
        seat.begin(&event);
        assert_eq!(seat.running().unwrap().0, event);
        assert!(seats.overdue(Duration::from_secs(1)).is_empty());
        LOOKS.fetch_add(10, Ordering::Relaxed);
        assert_eq!(seats.overdue(Duration::from_secs(1))[0].0, event);
        seat.end();
        assert!(seats.overdue(Duration::ZERO).is_empty());
    }
}

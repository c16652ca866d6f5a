//! The clock of running apps: the system's time, waiting by tokio.

use std::time::Duration;

use factum_core::clock::Sleep;
use factum_core::{Clock, SystemClock, Timestamp};

/// Tells the system's time and waits on tokio's timer.
#[derive(Debug, Clone, Default)]
pub struct TokioClock(SystemClock);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

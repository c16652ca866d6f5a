//! Instances whose clocks are wrong: leases and delays are measured by the server's time alone.

use std::sync::Arc;
use std::time::Duration;

use factum_core::clock::Sleep;
use factum_core::{Clock, OpenGate, Timestamp};
use factum_runtime::{App, Consumer, Running, TokioClock};

use crate::kit::*;
use crate::place::{self, Place};
use crate::share::becomes;

const HOURS: Duration = Duration::from_secs(3 * 3600);
const THINGS: u32 = 24;
const STEPS: u32 = 12;
const FAIL: [&str; 3] = ["thing-0", "thing-1", "thing-2"];

/// A clock that somebody has set to another time of day.
struct Wrong {
    clock: TokioClock,
    is_fast: bool,
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        if self.is_fast { self.clock.now().plus(HOURS) } else { self.clock.now().minus(HOURS) }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_whose_clocks_are_hours_apart_share_slots_and_retry_in_time() {
    let place = Place::new();
    let url = place.url();
    let store = place::open(&url, Arc::new(OpenGate));
    effects(store.as_ref()).await;
    let start = async |is_fast| -> Running {
        // Some events fail once and wait, by a delay that starts on one clock and may end on the other. Of few things: more
        // would be an outage.
        let answer = |event: &Stepped, attempt| match attempt == 1 && FAIL.contains(&&*event.thing) {
            true => no("not yet"),
            false => yes(),
        };
        let policy = factum_core::RetryPolicy { immediate: 1, ..quick() };
        let does = Does { seen: Seen::default(), answer };
        let clock = Arc::new(Wrong { clock: TokioClock::default(), is_fast });
        let app = App::new(place::open(&url, Arc::new(OpenGate))).clock(clock);
        app.consumer(Consumer::new("walker").on::<Stepped>(does).retry(policy)).start().await.unwrap()
    };
    let slow = start(false).await;
    let fast = start(true).await;
    becomes(store.as_ref(), &[32, 32]).await;
    for number in 0..STEPS {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    for thing in 0..THINGS {
        let thing = format!("thing-{thing}");
        until(&format!("all of {thing}"), async || {
            effects_of(store.as_ref(), &thing).await.len() >= STEPS as usize
        })
        .await;
        let effects = effects_of(store.as_ref(), &thing).await;
        assert_eq!(effects, (0..STEPS).collect::<Vec<_>>(), "{thing}: once each, in order");
    }
    // Neither takes the other for dead.
    becomes(store.as_ref(), &[32, 32]).await;
    slow.stop().await;
    fast.stop().await;
}

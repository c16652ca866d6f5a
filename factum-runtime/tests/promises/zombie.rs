//! Promise 10 with real processes: one is stopped in the middle of its work for longer than its lease, another takes
//! over, and the first wakes up.

use std::time::Duration;

use crate::kit::*;
use crate::place::{self, Place};
use crate::walker::{Walker, open};

const THINGS: u32 = 6;
const STEPS: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_through_its_lease_commits_nothing_when_it_wakes() {
    let place = Place::new();
    let url = place.url();
    let store = open(&url);
    effects(store.as_ref()).await;
    for number in 0..STEPS {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    let sleeper = Walker::start(&url);
    (0..8).for_each(|_| sleeper.begins_something());
    // Stopped with events in hand: handlers that have begun, and units that may be on their way.
    loop {
        sleeper.signal("-STOP");
        if !place::HAS_ONE_WRITER {
            break;
        }
        // Stopped in the middle of a commit it would hold SQLite's one write lock, and nobody could write at all.
        let write = tokio::time::timeout(Duration::from_secs(2), step(store.as_ref(), "other", 0));
        if write.await.is_ok() {
            break;
        }
        sleeper.signal("-CONT");
        sleeper.begins_something();
    }
    let heir = Walker::start(&url);
    heir.begins_something();
    sleeper.signal("-CONT");
    let is_done = async || {
        let rows = store.query("select count(*) as n from effect where thing <> 'other'", &[]).await.unwrap();
        rows.first().unwrap().get::<i64>("n").unwrap() >= i64::from(THINGS * STEPS)
    };
    until("every event is handled", is_done).await;
    // Both are awake; what either still had in hand must not have counted a second time.
    (0..2).for_each(|_| _ = sleeper.begun.recv_timeout(Duration::from_millis(200)));
    for thing in 0..THINGS {
        let effects = effects_of(store.as_ref(), &format!("thing-{thing}")).await;
        assert_eq!(effects, (0..STEPS).collect::<Vec<_>>(), "thing-{thing}: once each, in order");
    }
}

//! A consumer under load and an outage, run in virtual time: what the policy does, as numbers and as a curve.
//!
//! The runtime's own code decides here too: `RetryPolicy` says what follows a failure, `Breaker` what an outage is,
//! `Slot` who waits for whom. Only the lanes around them are played: taken from the log page by page, one event at a
//! time each, parked keys tried in between. A test runs the same load through a real consumer and compares.

use std::time::Duration;

use factum_core::{EventId, PartitionKey, RetryPolicy, hash64};
use serde::Serialize;

mod load;
mod play;

pub use load::{Load, LoadError};

/// Points of a curve: enough for a drawing.
const POINTS_MAX: usize = 240;

/// An event that comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When, from the start of the scenario.
    pub at: Duration,
    /// Its key.
    pub key: PartitionKey,
    /// Its id, which decides how long its waits are.
    pub id: EventId,
    /// Whether its handler can never do it.
    pub is_poison: bool,
}

/// Every event of a load, in order.
pub fn arrivals(load: &Load) -> impl Iterator<Item = Arrival> + '_ {
    let events = load.events();
    (0..events).map(move |number| arrival(load, number))
}

fn arrival(load: &Load, number: u64) -> Arrival {
    let at = Duration::from_secs_f64(number as f64 / load.rate);
    let key = format!("k{}", number % load.keys);
    // Of the same number the same id, so that every run waits as long.
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..].copy_from_slice(&hash64(&number.to_be_bytes()).to_be_bytes());
    let share = (hash64(&id) >> 11) as f64 / (1u64 << 53) as f64;
    Arrival {
        at,
        key: key.parse().expect("a letter and a number are a key"),
        id: EventId::from_bytes(id),
        is_poison: share < load.poison,
    }
}

/// What became of a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// The load.
    pub load: Load,
    /// With the outage told from bad events, as the runtime does.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The same load where every failure is taken for the event's own: what the breaker is for.
    pub without_breaker: Totals,
    /// How it went, second by second or coarser.
    pub curve: Vec<Point>,
}

impl Simulation {
    /// Its numbers and its curve as text.
    #[must_use]
    pub fn to_text(&self, about: &str) -> String {
        super::text::simulation(about, self)
    }
}

/// What became of every event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
    /// Most events that waited at a time, parked or not yet taken.
    pub backlog_max: u64,
    /// Most events that were parked at a time.
    pub parked_max: u64,
    /// Seconds from the end of the outage until nothing waited any more; none when it never came.
    pub recovered_after_seconds: Option<f64>,
    /// The longest that an event waited that was handled in the end, in seconds.
    pub longest_seconds: f64,
    /// Seconds after which the consumer paused itself, because more was parked than it allows.
    pub paused_at_seconds: Option<f64>,
}

/// Sums of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Events that came.
    pub events: u64,
    /// Events that were handled.
    pub handled: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Events that wait behind a dead letter of their key.
    pub held: u64,
    /// Events that are neither at the end: the consumer has paused itself, or all that is left fails, which looks like
    /// an outage and counts no attempt.
    pub open: u64,
}

impl Totals {
    /// Attempts for each event: 1 where nothing fails.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.attempts as f64 / self.events as f64 }
    }
}

/// A stretch of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Its beginning, in seconds.
    pub at_seconds: u64,
    /// Events that waited at its end.
    pub backlog: u64,
    /// Events that were parked at its end.
    pub parked: u64,
    /// Attempts a second in it.
    pub attempts_per_second: f64,
    /// Attempts a second in it that failed.
    pub failed_per_second: f64,
}

/// Plays a load.
#[must_use]
pub fn simulate(policy: &RetryPolicy, load: &Load) -> Simulation {
    let with = play::play(policy, load, play::Outages::Told);
    let without = play::play(policy, load, play::Outages::Unknown);
    let curve = curve(&with.seconds);
    Simulation { load: load.clone(), outcome: with.outcome, without_breaker: without.outcome.totals, curve }
}

/// Seconds joined until they are few enough to draw.
fn curve(seconds: &[play::Second]) -> Vec<Point> {
    let step = seconds.len().div_ceil(POINTS_MAX).max(1);
    let join = |(index, part): (usize, &[play::Second])| {
        let last = part.last().copied().unwrap_or_default();
        let per_second = |sum: u64| sum as f64 / part.len() as f64;
        Point {
            at_seconds: (index * step) as u64,
            backlog: last.backlog,
            parked: last.parked,
            attempts_per_second: per_second(part.iter().map(|second| second.attempts).sum()),
            failed_per_second: per_second(part.iter().map(|second| second.failed).sum()),
        }
    };
    seconds.chunks(step).enumerate().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Load {
        text.parse().unwrap()
    }

    #[test]
    fn without_trouble_every_event_is_handled_in_one_attempt() {
        let simulation =
            simulate(&RetryPolicy::default(), &load("outage=0s,rate=50/s,consumers=4,after=20s"));
        let totals = simulation.outcome.totals;
        assert_eq!((totals.events, totals.handled, totals.attempts), (1500, 1500, 1500));
        assert_eq!(totals, simulation.without_breaker);
    }

    #[test]
    fn an_outage_makes_no_dead_letter_and_costs_a_few_probes() {
        let simulation = simulate(&RetryPolicy::default(), &load("outage=5m,rate=200/s,consumers=4"));
        let Outcome { totals, recovered_after_seconds, .. } = simulation.outcome;
        assert_eq!((totals.dead, totals.held, totals.handled), (0, 0, totals.events));
        assert!(totals.failed < 40, "{totals:?}");
        assert!(recovered_after_seconds.is_some());
        assert!(simulation.without_breaker.failed > 10 * totals.failed, "{:?}", simulation.without_breaker);
    }

    #[test]
    fn a_poisonous_event_is_dead_after_its_attempts_and_holds_its_key_alone() {
        let policy = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
        let simulation =
            simulate(&policy, &load("outage=0s,rate=20/s,consumers=2,poison=1%,keys=50,after=60s"));
        let totals = simulation.outcome.totals;
        assert!(totals.dead > 0 && totals.held > 0, "{totals:?}");
        assert_eq!(totals.handled + totals.dead + totals.held + totals.open, totals.events);
        assert_eq!(totals.failed, totals.dead * 3, "each dead letter cost its attempts");
        let skip = RetryPolicy { on_dead: factum_core::OnDead::Skip, ..policy };
        let totals = simulate(&skip, &load("outage=0s,rate=20/s,consumers=2,poison=1%,keys=50,after=60s"))
            .outcome
            .totals;
        assert_eq!((totals.held, totals.handled + totals.dead), (0, totals.events));
    }

    #[test]
    fn the_same_load_gives_the_same_numbers() {
        let load = load("outage=30s,rate=100/s,consumers=8,poison=0.5%");
        assert_eq!(simulate(&RetryPolicy::default(), &load), simulate(&RetryPolicy::default(), &load));
    }
}

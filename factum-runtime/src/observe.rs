//! Everything that is counted: names, meanings, and the Prometheus text.
//!
//! All metric names stand in the one table below, [`METRICS`]. Counting is a few atomic additions; nothing here ever
//! sees a payload.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Name, type and meaning of every metric.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("factum_consumer_handled_total", "counter", "Events handled"),
    ("factum_consumer_failed_total", "counter", "Attempts that failed"),
    ("factum_consumer_parked_total", "counter", "Events set aside for a later attempt"),
    ("factum_consumer_dead_total", "counter", "Events that became dead letters"),
    ("factum_consumer_refused_total", "counter", "Events refused by name"),
    ("factum_consumer_conflicts_total", "counter", "Units run again because somebody came between"),
    ("factum_consumer_repeated_total", "counter", "Events passed over because another said the same"),
    ("factum_consumer_undeclared_total", "counter", "Attempts that emitted what the catalog does not list"),
    ("factum_consumer_parked", "gauge", "Events that wait, parked or behind a parked one"),
    ("factum_consumer_lag_events", "gauge", "Positions between the slowest slot and the head of the log"),
    ("factum_consumer_lag_seconds", "gauge", "Age of the oldest event that is not handled yet"),
    (
        "factum_consumer_holes",
        "gauge",
        "Positions that readers wait for because their writers have not ended",
    ),
    (
        "factum_consumer_up",
        "gauge",
        "1 while the consumer runs, 0 while it is paused, in an outage or on standby",
    ),
    ("factum_consumer_attempt_seconds", "histogram", "Length of one attempt, commit included"),
    (
        "factum_consumer_end_to_end_seconds",
        "histogram",
        "From the event's time to its effects being committed",
    ),
    ("factum_store_head_position", "gauge", "Last position of the log"),
    (
        "factum_store_held_seconds",
        "gauge",
        "How long an open transaction has kept readers from what is committed",
    ),
];

const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// The same limits in whole nanoseconds.
const BUCKETS_NANOS: [u64; BUCKETS.len()] = {
    let mut nanos = [0; BUCKETS.len()];
    let mut index = 0;
    while index < BUCKETS.len() {
        nanos[index] = (BUCKETS[index] * 1e9 + 0.5) as u64;
        index += 1;
    }
    nanos
};

fn bucket(nanos: u64) -> usize {
    BUCKETS_NANOS.iter().position(|limit| nanos <= *limit).unwrap_or(BUCKETS.len())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Adds one.
    pub fn observe(&self, duration: Duration) {
        let nanos = nanos(duration);
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(nanos / 1_000, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let limit = BUCKETS.get(index).map_or("+Inf".to_owned(), f64::to_string);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{limit}\"}} {total}");
        }
        let sum = Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {total}");
    }
}

/// Durations that one worker has seen and not yet added to a histogram: lanes share its counters, and would wait for
/// each other at every event.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [u64; BUCKETS.len() + 1],
    nanos: u64,
}

impl Tally {
    pub(crate) fn observe(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        self.counts[bucket(nanos)] += 1;
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// Adds what was seen; what is less than a microsecond stays for the next time.
    pub(crate) fn add_to(&mut self, histogram: &Histogram) {
        for (own, shared) in self.counts.iter_mut().zip(&histogram.counts).filter(|(own, _)| **own > 0) {
            shared.fetch_add(std::mem::take(own), Ordering::Relaxed);
        }
        histogram.sum_micros.fetch_add(self.nanos / 1_000, Ordering::Relaxed);
        self.nanos %= 1_000;
    }
}

/// What is counted of one consumer.
#[derive(Debug, Default)]
pub struct ConsumerMetrics {
    /// Events handled.
    pub handled: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// Events set aside.
    pub parked: AtomicU64,
    /// Events that became dead letters.
    pub dead: AtomicU64,
    /// Events refused by name.
    pub refused: AtomicU64,
    /// Units run again.
    pub conflicts: AtomicU64,
    /// Events passed over.
    pub repeated: AtomicU64,
    /// Attempts that emitted what the catalog does not list.
    pub undeclared: AtomicU64,
    /// Events that wait now.
    pub waiting: AtomicU64,
    /// Length of attempts.
    pub attempt: Histogram,
    /// From the event's time to the commit.
    pub end_to_end: Histogram,
}

pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Lowers a gauge, which never goes below zero: operators move events without this process counting them.
pub(crate) fn lower(gauge: &AtomicU64, by: u64) {
    let lowered = |value: u64| Some(value.saturating_sub(by));
    // The closure always answers `Some`, so this always succeeds.
    let _ = gauge.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
}

/// One consumer's figures at a moment.
#[derive(Debug, Clone)]
pub struct ConsumerFigures {
    /// Its name.
    pub consumer: String,
    /// What it has counted.
    pub metrics: Arc<ConsumerMetrics>,
    /// Positions between the slowest slot and the head.
    pub lag_events: u64,
    /// Age of the oldest event that is not handled.
    pub lag: Duration,
    /// Whether it runs.
    pub is_up: bool,
}

/// Writes the figures as Prometheus text (exposition format 0.0.4).
#[must_use]
pub fn prometheus(head: u64, held: Duration, consumers: &[ConsumerFigures]) -> String {
    let mut out = String::with_capacity(4096);
    for (name, kind, meaning) in METRICS {
        let _ = writeln!(out, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
        if *name == "factum_store_head_position" {
            let _ = writeln!(out, "{name} {head}");
            continue;
        }
        if *name == "factum_store_held_seconds" {
            let _ = writeln!(out, "{name} {}", held.as_secs_f64());
            continue;
        }
        for figures in consumers {
            write_one(&mut out, name, figures);
        }
    }
    out
}

fn write_one(out: &mut String, name: &str, figures: &ConsumerFigures) {
    let labels = format!("consumer=\"{}\"", figures.consumer);
    let metrics = &figures.metrics;
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let value = match name.trim_start_matches("factum_consumer_") {
        "handled_total" => number(&metrics.handled),
        "failed_total" => number(&metrics.failed),
        "parked_total" => number(&metrics.parked),
        "dead_total" => number(&metrics.dead),
        "refused_total" => number(&metrics.refused),
        "conflicts_total" => number(&metrics.conflicts),
        "repeated_total" => number(&metrics.repeated),
        "undeclared_total" => number(&metrics.undeclared),
        "parked" => number(&metrics.waiting),
        "lag_events" => figures.lag_events as f64,
        "lag_seconds" => figures.lag.as_secs_f64(),
        "up" => f64::from(u8::from(figures.is_up)),
        "attempt_seconds" => return metrics.attempt.write(out, name, &labels),
        "end_to_end_seconds" => return metrics.end_to_end.write(out, name, &labels),
        // Stores that assign positions under one writer have none.
        _ => 0.0,
    };
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_adds_up_to_what_a_histogram_has_seen() {
        let (mut tally, seen, added) = (Tally::default(), Histogram::default(), Histogram::default());
        for micros in [50, 100, 101, 2_500, 20_000_000] {
            tally.observe(Duration::from_micros(micros));
            seen.observe(Duration::from_micros(micros));
        }
        tally.add_to(&added);
        tally.add_to(&added);
        let text = |histogram: &Histogram| {
            let mut text = String::new();
            histogram.write(&mut text, "h", "");
            text
        };
        assert_eq!(text(&added), text(&seen));
    }

    #[test]
    fn every_metric_is_written_with_its_meaning() {
        let metrics = Arc::new(ConsumerMetrics::default());
        metrics.attempt.observe(Duration::from_millis(2));
        let figures = ConsumerFigures {
            consumer: "payments".into(),
            metrics,
            lag_events: 3,
            lag: Duration::from_millis(1500),
            is_up: true,
        };
        let text = prometheus(9, Duration::from_millis(2500), &[figures]);
        for (name, kind, _) in METRICS {
            assert!(text.contains(&format!("# TYPE {name} {kind}")), "{name}");
        }
        assert!(text.contains("factum_consumer_lag_seconds{consumer=\"payments\"} 1.5\n"));
        assert!(
            text.contains("factum_consumer_attempt_seconds_bucket{consumer=\"payments\",le=\"0.0025\"} 1\n")
        );
        assert!(text.contains("factum_store_head_position 9\n"));
        assert!(text.contains("factum_store_held_seconds 2.5\n"));
    }
}

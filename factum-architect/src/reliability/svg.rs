//! Drawings: the attempts of an event on a line of time, and the curve of a simulation. No script, no font of its own.
//!
//! Colours follow the reader's light or dark setting. What comes from a catalog is escaped.

use super::Report;
use super::simulate::Simulation;
use super::text::seconds;

mod canvas;

use canvas::{Anchor, Canvas, Scale};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = WIDTH - 24.0;
/// Shortest time that the line of attempts tells apart, in seconds.
const TIME_MIN: f64 = 0.1;
/// Marks of the line of time, in seconds.
const TIMES: [f64; 9] = [0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0];

/// The attempts of an event that never succeeds: each from the earliest to the latest moment at which it can begin.
#[must_use]
pub fn timeline(report: &Report) -> String {
    let rows = report.attempts.len() as f64;
    let (top, row) = (64.0, 18.0);
    let bottom = top + (rows + 1.0) * row;
    let title = format!("Attempts of {} until the dead letter", report.about);
    let mut canvas = Canvas::new(WIDTH, bottom + 48.0, &title);
    canvas.text(LEFT, 24.0, Anchor::Start, "title", &report.about);
    let dead = &report.dead;
    let policy = &report.policy;
    canvas.text(
        LEFT,
        42.0,
        Anchor::Start,
        "note",
        &format!(
            "{} attempts, {} at once; dead letter after {} to {}",
            policy.attempts,
            policy.immediate.min(policy.attempts),
            seconds(dead.earliest_seconds),
            seconds(dead.latest_seconds)
        ),
    );
    let scale = Scale::log(TIME_MIN, dead.latest_seconds.max(1.0) * 1.2, LEFT, RIGHT);
    for time in TIMES.into_iter().filter(|time| *time <= dead.latest_seconds * 1.2) {
        let x = scale.at(time);
        canvas.line(x, top - 8.0, x, bottom, "grid");
        canvas.text(x, bottom + 18.0, Anchor::Middle, "note", &seconds(time));
    }
    canvas.text(RIGHT, bottom + 36.0, Anchor::End, "note", "after the first attempt");
    for (index, one) in report.attempts.iter().enumerate() {
        let y = top + index as f64 * row;
        let (from, to) = (scale.at(one.earliest_seconds), scale.at(one.latest_seconds));
        let class = if one.is_at_once { "once" } else { "parked" };
        canvas.rect(from, y, (to - from).max(4.0), row - 6.0, class);
        canvas.text(LEFT - 10.0, y + 10.0, Anchor::End, "note", &one.number.to_string());
    }
    let y = top + rows * row;
    let (from, to) = (scale.at(dead.earliest_seconds), scale.at(dead.latest_seconds));
    canvas.rect(from, y, (to - from).max(4.0), row - 6.0, "dead");
    canvas.text(LEFT - 10.0, y + 10.0, Anchor::End, "note", "dead");
    canvas.finish()
}

/// A simulation: what waits above, attempts a second below, the outage shaded.
#[must_use]
pub fn curve(about: &str, simulation: &Simulation) -> String {
    let (load, totals) = (&simulation.load, &simulation.outcome.totals);
    let mut canvas =
        Canvas::new(WIDTH, 420.0, &format!("{about} under an outage of {}", super::spoken(load.outage)));
    canvas.text(LEFT, 24.0, Anchor::Start, "title", about);
    let note = format!(
        "{} events, {} attempts, {} dead; outage {}, {} at once",
        totals.events,
        totals.attempts,
        totals.dead,
        super::spoken(load.outage),
        load.consumers
    );
    canvas.text(LEFT, 42.0, Anchor::Start, "note", &note);
    let points = &simulation.curve;
    let end = points.last().map_or(1.0, |last| last.at_seconds as f64).max(1.0);
    let time = Scale::linear(0.0, end, LEFT, RIGHT);
    let panels = [(70.0, 210.0), (250.0, 380.0)];
    if !load.outage.is_zero() {
        let from = time.at(load.before.as_secs_f64().min(end));
        let to = time.at((load.before + load.outage).as_secs_f64().min(end));
        canvas.rect(from, panels[0].0, to - from, panels[1].1 - panels[0].0, "outage");
    }
    let backlog_max = points.iter().map(|point| point.backlog).max().unwrap_or(0).max(1) as f64;
    let attempts_max = points.iter().map(|point| point.attempts_per_second).fold(1.0, f64::max);
    panel(&mut canvas, panels[0], backlog_max, "events waiting");
    panel(&mut canvas, panels[1], attempts_max, "attempts a second; failed ones filled");
    let path = |panel: (f64, f64), most: f64, value: &dyn Fn(&super::simulate::Point) -> f64| {
        let scale = Scale::linear(0.0, most, panel.1, panel.0);
        points
            .iter()
            .map(|point| (time.at(point.at_seconds as f64), scale.at(value(point))))
            .collect::<Vec<_>>()
    };
    canvas.area(&path(panels[0], backlog_max, &|point| point.backlog as f64), panels[0].1, "waiting");
    canvas.area(&path(panels[0], backlog_max, &|point| point.parked as f64), panels[0].1, "parked");
    canvas.path(&path(panels[1], attempts_max, &|point| point.attempts_per_second), "attempts");
    canvas.area(&path(panels[1], attempts_max, &|point| point.failed_per_second), panels[1].1, "dead");
    for part in 0..=4 {
        let at = end * f64::from(part) / 4.0;
        canvas.text(time.at(at), panels[1].1 + 18.0, Anchor::Middle, "note", &seconds(at.round()));
    }
    canvas.finish()
}

fn panel(canvas: &mut Canvas, (top, bottom): (f64, f64), most: f64, label: &str) {
    canvas.line(LEFT, bottom, RIGHT, bottom, "grid");
    canvas.line(LEFT, top, RIGHT, top, "grid");
    canvas.text(LEFT - 8.0, top + 4.0, Anchor::End, "note", &format!("{:.0}", most.ceil()));
    canvas.text(LEFT - 8.0, bottom, Anchor::End, "note", "0");
    canvas.text(LEFT, top - 6.0, Anchor::Start, "note", label);
}

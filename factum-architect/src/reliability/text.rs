//! A report as text: what is so, what is proposed, and what to do.

use std::time::Duration;

use super::length::spoken;
use super::simulate::Simulation;
use super::{Report, Try};

/// Wider lines are broken.
const WIDTH: usize = 110;

pub(super) fn report(report: &Report) -> String {
    let mut out = Lines::default();
    out.line(&heading(report));
    out.head("Settings");
    for setting in &report.settings {
        let mark = if setting.is_declared { "" } else { " (proposed)" };
        out.line(&format!("  {}{mark}: {}", setting.name, setting.value));
        out.wrapped("      ", &setting.reason);
    }
    out.head("An event that never succeeds");
    for one in &report.attempts {
        out.line(&try_line(one));
    }
    let dead = &report.dead;
    out.line(&format!(
        "  dead letter after {} to {}",
        seconds(dead.earliest_seconds),
        seconds(dead.latest_seconds)
    ));
    out.line(&format!("  its lane's other keys wait at most {} for it", seconds(dead.lane_held_seconds)));
    out.line(&format!("  an event that ends the process is dead after {} starts", dead.crashes));
    out.head("When what it needs is away");
    out.line("  five keys fail with no success between: only probes run, at most 30s apart, and no attempt is counted");
    for cost in &report.outages {
        let without = if cost.dead_without {
            format!("{} attempts of every event, then dead letters", cost.attempts_each_without)
        } else {
            format!("{} attempts of every event", cost.attempts_each_without)
        };
        out.line(&format!(
            "  {:>3}: {} probes, noticed {} after its end (without the breaker: {without})",
            cost.outage,
            cost.probes,
            seconds(cost.noticed_after_seconds)
        ));
    }
    out.head(&format!("Repeats: {}", report.window.verdict));
    report.window.says.iter().for_each(|says| out.wrapped("  ", says));
    out.head("Order");
    report.order.iter().for_each(|says| out.wrapped("  ", says));
    out.head("For the operator");
    let width = report.controls.iter().map(|control| control.when.len()).max().unwrap_or(0);
    for control in &report.controls {
        out.line(&format!("  {:<width$}  {}", control.when, control.command));
    }
    section(&mut out, "Weak", &report.findings);
    let numbered = |(index, question): (usize, &String)| format!("{}. {question}", index + 1);
    let questions: Vec<String> = report.questions.iter().enumerate().map(numbered).collect();
    section(&mut out, "Not said yet", &questions);
    if let Some(yaml) = &report.proposal {
        out.head("To write into system.yaml");
        yaml.lines().for_each(|line| out.line(&format!("  {line}")));
    }
    out.text
}

fn heading(report: &Report) -> String {
    let mut text = report.about.clone();
    if let Some(service) = &report.service {
        text.push_str(&format!(" (service {service})"));
    }
    let taken: Vec<String> = report
        .on
        .iter()
        .map(|taken| match &taken.key {
            Some(key) => format!("{} by {key}", taken.event),
            None => taken.event.clone(),
        })
        .collect();
    if !taken.is_empty() {
        text.push_str(&format!(": {}", taken.join(", ")));
    }
    if !report.calls.is_empty() {
        text.push_str(&format!("; calls {}", report.calls.join(", ")));
    }
    text
}

fn try_line(one: &Try) -> String {
    let how = match one.number {
        1 => "its turn",
        _ if one.is_at_once => "at once",
        _ => "parked",
    };
    let when = if one.latest_seconds == 0.0 {
        "at the start".to_owned()
    } else {
        format!("{} to {} later", seconds(one.earliest_seconds), seconds(one.latest_seconds))
    };
    format!("  attempt {:>2}  {how:<8}  {when}", one.number)
}

fn section(out: &mut Lines, head: &str, lines: &[String]) {
    if !lines.is_empty() {
        out.head(head);
        lines.iter().for_each(|line| out.wrapped("  ", line));
    }
}

/// Bars of a drawing in text.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of a drawing in text.
const COLUMNS: usize = 80;

pub(super) fn simulation(about: &str, simulation: &Simulation) -> String {
    let (load, outcome) = (&simulation.load, &simulation.outcome);
    let (totals, without) = (&outcome.totals, &simulation.without_breaker);
    let mut out = Lines::default();
    out.line(&format!(
        "{about}: {} events a second over {} keys, {} handled at once, away for {} after {}",
        load.rate,
        load.keys,
        load.consumers,
        spoken(load.outage),
        spoken(load.before)
    ));
    out.line("");
    let mut row =
        |what: &str, with: String, without: String| out.line(&format!("{what:<26}{with:>14}{without:>20}"));
    row("", "as it runs".to_owned(), "without the breaker".to_owned());
    for (what, of) in [
        ("events", (|it| it.events) as fn(&super::simulate::Totals) -> u64),
        ("handled", |it| it.handled),
        ("attempts", |it| it.attempts),
        ("attempts that failed", |it| it.failed),
        ("dead letters", |it| it.dead),
        ("held behind them", |it| it.held),
        ("open at the end", |it| it.open),
    ] {
        row(what, of(totals).to_string(), of(without).to_string());
    }
    row(
        "attempts for each event",
        format!("{:.2}", totals.amplification()),
        format!("{:.2}", without.amplification()),
    );
    out.line("");
    out.line(&format!("most events waiting        {}", outcome.backlog_max));
    out.line(&format!("most events parked         {}", outcome.parked_max));
    out.line(&format!("longest wait               {}", seconds(outcome.longest_seconds)));
    match outcome.recovered_after_seconds {
        _ if load.outage.is_zero() => {}
        Some(after) => out.line(&format!("nothing waits              {} after the outage", seconds(after))),
        None => out.line("nothing waits              never: it takes more than the lanes can do"),
    }
    if let Some(at) = outcome.paused_at_seconds {
        out.line(&format!(
            "paused itself              after {}: more was parked than it allows",
            seconds(at)
        ));
    }
    out.line("");
    let backlog: Vec<f64> = simulation.curve.iter().map(|point| point.backlog as f64).collect();
    let attempts: Vec<f64> = simulation.curve.iter().map(|point| point.attempts_per_second).collect();
    bars(&mut out, "waiting", &backlog);
    bars(&mut out, "attempts/s", &attempts);
    let end = simulation.curve.last().map_or(0, |last| last.at_seconds);
    out.line(&format!(
        "{:<12}0s{:>width$}",
        "",
        seconds(end as f64),
        width = COLUMNS.min(backlog.len()).max(8) - 2
    ));
    out.text
}

fn bars(out: &mut Lines, label: &str, values: &[f64]) {
    let step = values.len().div_ceil(COLUMNS).max(1);
    let peaks: Vec<f64> = values.chunks(step).map(|part| part.iter().copied().fold(0.0, f64::max)).collect();
    let most = peaks.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| match value {
        value if *value <= 0.0 => ' ',
        value => BARS[((value / most * BARS.len() as f64).ceil() as usize).clamp(1, BARS.len()) - 1],
    };
    out.line(&format!("{label:<12}{}  up to {most:.0}", peaks.iter().map(bar).collect::<String>()));
}

pub(super) fn seconds(seconds: f64) -> String {
    spoken(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn head(&mut self, head: &str) {
        self.text.push('\n');
        self.line(head);
    }

    /// A sentence, broken at spaces, each line behind the same margin.
    fn wrapped(&mut self, margin: &str, text: &str) {
        let mut line = margin.to_owned();
        for word in text.split_whitespace() {
            if line.len() > margin.len() && line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line = margin.to_owned();
            }
            if line.len() > margin.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }
}

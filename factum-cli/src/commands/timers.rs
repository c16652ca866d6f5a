//! `factum timers`: what sagas wait for, and until when; move or cancel one.

use clap::Subcommand;
use factum_core::{ConsumerName, TimerName, Timestamp};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, day_time};
use crate::reach;

/// List pending timers, earliest first; move or cancel one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List pending timers, earliest first
    List {
        /// The saga; all of them without it
        name: Option<ConsumerName>,
        /// Those due at this time or later: 2026-01-05T10:00:00Z
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Let a pending timer be due at another time
    Move {
        #[command(flatten)]
        timer: Which,
        /// When: 2026-01-05T10:00:00Z
        #[arg(long, value_name = "TIME")]
        to: Timestamp,
    },
    /// Cancel a pending timer: it never fires
    Cancel {
        #[command(flatten)]
        timer: Which,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The saga
    name: ConsumerName,
    /// The instance, by its correlation
    instance: String,
    /// The timer
    timer: TimerName,
}

#[derive(Debug, Serialize)]
struct ListJson {
    timers: Vec<TimerJson>,
}

#[derive(Debug, Serialize)]
struct TimerJson {
    saga: String,
    instance: String,
    timer: String,
    due: String,
    since: String,
}

#[derive(Debug, Serialize)]
struct ToldJson {
    saga: String,
    instance: String,
    timer: String,
    due: Option<String>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        Action::List { name, from, limit } => {
            let timers = admin.timers(name.as_ref(), from, limit as usize).await?;
            let next = timers.last().filter(|_| timers.len() == limit as usize).map(|last| last.due);
            let rows = timers.into_iter().map(|info| (info.due, info.state));
            if cx.out.is_json() {
                let timers = rows.map(|(due, state)| TimerJson {
                    saga: state.saga,
                    instance: state.instance.to_string(),
                    timer: state.timer.to_string(),
                    due: due.to_string(),
                    since: state.since.to_string(),
                });
                cx.out.json(&ListJson { timers: timers.collect() })?;
                return Ok(Done::Clean);
            }
            let mut table = Table::new([
                Column::Left("due (UTC)"),
                Column::Left("saga"),
                Column::Left("instance"),
                Column::Left("timer"),
            ]);
            let mut is_empty = true;
            for (due, state) in rows {
                is_empty = false;
                table.row([
                    Cell::styled(Style::Bold, day_time(due)),
                    state.saga.into(),
                    state.instance.as_str().into(),
                    state.timer.as_str().into(),
                ]);
            }
            if is_empty {
                cx.out.line("no timer is pending")?;
            } else {
                cx.out.table(&table)?;
                if let Some(next) = next {
                    cx.out.line(format!(
                        "these are the first {limit}; --from {next} shows those from there on"
                    ))?;
                }
            }
            Ok(Done::Clean)
        }
        Action::Move { timer, to } => {
            admin.move_timer(&timer.name, &timer.instance, &timer.timer, to).await?;
            report(&timer, Some(to), cx)
        }
        Action::Cancel { timer } => {
            admin.cancel_timer(&timer.name, &timer.instance, &timer.timer).await?;
            report(&timer, None, cx)
        }
    }
}

fn report(which: &Which, due: Option<Timestamp>, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let Which { name, instance, timer } = which;
    if cx.out.is_json() {
        let (saga, instance, timer) = (name.to_string(), instance.clone(), timer.to_string());
        cx.out.json(&ToldJson { saga, instance, timer, due: due.map(|due| due.to_string()) })?;
        return Ok(Done::Clean);
    }
    let what = due.map_or("will be cancelled".to_owned(), |due| format!("will be due {due}"));
    cx.out.line(format!("timer {timer} of {name} {instance} {what}, while its app runs"))?;
    Ok(Done::Clean)
}

//! `factum log`: events that happened, newest last.

use factum_core::{Direction, Query, Recorded};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::reveal::Reveal;
use crate::select::{Place, Select};
use crate::shown::{EventJson, table};

/// List events, newest last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    reveal: Reveal,
    /// Up to and with this time or position
    #[arg(long, value_name = "TIME|POSITION", help_heading = "Which events")]
    until: Option<Place>,
    /// At most so many, the newest of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
}

/// Events under `events`.
#[derive(Debug, Serialize)]
pub(crate) struct EventsJson<'a> {
    events: Vec<EventJson<'a>>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let mut query = args.select.query_since(&admin).await?;
    query.up_to = match args.until {
        Some(Place::At(position)) => position,
        Some(place) => place.before(&admin).await?,
        None => query.up_to,
    };
    let query = Query { direction: Direction::Backward, ..query };
    let mut events = admin.read_all(query, args.last as usize).await?;
    events.reverse();
    eyes.look(&admin, "log", &mut events).await?;
    print(cx, &events)
}

/// Prints events as a table, or under `events`.
pub(crate) fn print(cx: &mut Cx<'_>, events: &[Recorded]) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&EventsJson { events: events.iter().map(EventJson::of).collect() })?;
    } else if events.is_empty() {
        cx.out.line("no such events")?;
    } else {
        cx.out.table(&table(events, cx.out.width()))?;
    }
    Ok(Done::Clean)
}

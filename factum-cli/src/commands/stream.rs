//! `factum stream`: the history of one stream, version by version, now or as it was; and whether snapshots are of it.

use clap::Subcommand;
use factum_core::{Direction, Query, Recorded, StreamId, Timestamp};
use factum_runtime::Admin;
use factum_runtime::admin::{Made, SnapshotInfo};
use serde::Serialize;

use super::{Cx, Done, log};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, printable_line};
use crate::reach;
use crate::reveal::Reveal;
use crate::select::Place;

/// Most events of one answer.
const EVENTS_MAX: usize = 100_000;

/// Show the history of one stream, now or as it was; check snapshots
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The stream, such as order-42
    #[arg(required = true)]
    stream: Option<StreamId>,
    #[command(flatten)]
    reveal: Reveal,
    /// At most so many events, the newest of them
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
    /// As it was at this version, or at this time: 5, 2026-01-05T10:00:00Z, 15m (ago)
    #[arg(long, value_name = "VERSION|TIME")]
    as_of: Option<Place>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether snapshots were made of the events that the log holds
    ///
    /// Each snapshot has a hash over the ids of its events. What a decider makes of them is told where its code is, by
    /// `verify_snapshot`. Exits 1 when one is of other events.
    Verify {
        /// The stream; all when none is named
        stream: Option<StreamId>,
    },
}

#[derive(Debug, Serialize)]
struct SnapshotsJson<'a> {
    snapshots: Vec<SnapshotJson<'a>>,
}

#[derive(Debug, Serialize)]
struct SnapshotJson<'a> {
    stream: &'a str,
    decider: &'a str,
    version: u64,
    bytes: usize,
    made: &'static str,
    why: &'a str,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match (args.action, args.stream) {
        (Some(Action::Verify { stream }), _) => verify(cx, stream.as_ref()).await,
        (None, Some(stream)) => {
            let (admin, eyes) = args.reveal.open(&cx.settings).await?;
            let mut events = history(&admin, &stream, args.last as usize, args.as_of).await?;
            eyes.look(&admin, stream.as_str(), &mut events).await?;
            log::print(cx, &events)
        }
        (None, None) => Err(CliError::usage("name a stream, such as order-42")),
    }
}

/// The newest events of a stream, oldest first.
async fn history(
    admin: &Admin,
    stream: &StreamId,
    last: usize,
    as_of: Option<Place>,
) -> Result<Vec<Recorded>, CliError> {
    let query = Query { kind: None, ..Query::stream(stream.clone()) };
    let Some(as_of) = as_of else {
        let query = Query { direction: Direction::Backward, ..query };
        let mut events = admin.read_all(query, last).await?;
        events.reverse();
        return if events.is_empty() { Err(nothing_of(stream)) } else { Ok(events) };
    };
    let mut events = admin.read_all(query, EVENTS_MAX).await?;
    if events.is_empty() {
        return Err(nothing_of(stream));
    }
    let is_beyond = beyond(admin, as_of).await?;
    let end = events.iter().position(is_beyond).unwrap_or(events.len());
    events.truncate(end);
    Ok(events.split_off(end.saturating_sub(last)))
}

fn nothing_of(stream: &StreamId) -> CliError {
    let category = stream.category();
    CliError::unknown(format!("stream {stream} has no events"))
        .hint(format!("`factum log --category {category}` lists events of its category"))
}

/// Whether an event came after a version or a time.
async fn beyond(admin: &Admin, as_of: Place) -> Result<Box<dyn Fn(&Recorded) -> bool + Send>, CliError> {
    let after = |time: Timestamp| move |event: &Recorded| event.envelope.time > time;
    Ok(match as_of {
        Place::At(version) => Box::new(move |event| event.version.number() > version.number()),
        Place::Time(time) => Box::new(after(time)),
        Place::Ago(length) => Box::new(after(admin.store().now().await?.minus(length))),
    })
}

async fn verify(cx: &mut Cx<'_>, stream: Option<&StreamId>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    let infos = cx.out.bar("reading streams").during(admin.snapshots(stream)).await?;
    let others = infos.iter().filter(|info| matches!(info.made, Made::OfOthers(_))).count();
    let done = if others == 0 { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&SnapshotsJson { snapshots: infos.iter().map(json).collect() })?;
        return Ok(done);
    }
    if infos.is_empty() {
        cx.out.line("no snapshots are kept")?;
        return Ok(done);
    }
    let mut table = Table::new([
        Column::Left("stream"),
        Column::Left("decider"),
        Column::Right("version"),
        Column::Cut("made of"),
    ]);
    for info in &infos {
        let (style, text) = match &info.made {
            Made::OfTheLog => (Style::Green, "the log".to_owned()),
            Made::OfOthers(why) => (Style::Red, format!("not the log: {}", printable_line(why))),
            Made::Archived => (Style::Dim, "not told: earlier events were archived".to_owned()),
        };
        table.row([
            Cell::styled(Style::Bold, &info.stream),
            info.decider.clone().into(),
            info.version.to_string().into(),
            Cell::styled(style, text),
        ]);
    }
    cx.out.table(&table)?;
    let all = counted(infos.len() as u64, "snapshot");
    let verdict = match others {
        0 => "none of other events".to_owned(),
        others => format!("{others} of other events"),
    };
    cx.out.line(format!("{all}, {verdict}"))?;
    Ok(done)
}

fn json(info: &SnapshotInfo) -> SnapshotJson<'_> {
    let (made, why) = match &info.made {
        Made::OfTheLog => ("log", ""),
        Made::OfOthers(why) => ("others", why.as_str()),
        Made::Archived => ("archived", ""),
    };
    SnapshotJson {
        stream: &info.stream,
        decider: &info.decider,
        version: info.version.number(),
        bytes: info.bytes,
        made,
        why,
    }
}

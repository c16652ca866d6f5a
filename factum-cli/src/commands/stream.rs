//! `factum stream`: the history of one stream, version by version, now or as it was; its end; its state,
//! and whether snapshots of it are right.

use std::collections::VecDeque;

use clap::Subcommand;
use factum_core::{Direction, Query, Recorded, StreamId, Timestamp};
use factum_runtime::Admin;

use super::{Cx, Done, log};
use crate::error::CliError;
use crate::output::{counted, printable_line};
use crate::reveal::Reveal;
use crate::select::Place;

mod life;
mod snapshots;

/// Show the history of one stream, now or as it was; close and archive it; check snapshots
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
    /// Say whether the state that snapshots hold is what their events give
    ///
    /// A running app folds the events again, because it has the code: one that declares the decider with
    /// `App::decider`. A snapshot that cannot be read counts as not there, and is written anew. Exits 1 when one differs.
    Verify(snapshots::Verify),
    /// Show the state of a stream, now or as it was, as a running app folds it
    ///
    /// The app is one that declares the decider with `App::decider`. States that hold personal values are not told.
    State(snapshots::State),
    /// Close a stream: appends to it are refused from then on
    ///
    /// That it was closed is the last event of the stream, which consumers hear, and the audit says by whom.
    Close(life::Close),
    /// Open a closed stream again
    Reopen(life::Reopen),
    /// Move a closed stream into a file of its own; the event that closed it stays
    ///
    /// The file is a store: `factum stream order-42 --store FILE` reads it. Events are copied and compared before the
    /// first leaves the log; stopped by whatever, the same command goes on.
    Archive(life::Archive),
    /// Put a stream back that was moved into a file; it stays closed, and the file stays as it is
    Restore(life::Restore),
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match (args.action, args.stream) {
        (Some(Action::Verify(args)), _) => snapshots::verify(cx, args).await,
        (Some(Action::State(args)), _) => snapshots::state(cx, args).await,
        (Some(Action::Close(args)), _) => life::close(cx, args).await,
        (Some(Action::Reopen(args)), _) => life::reopen(cx, args).await,
        (Some(Action::Archive(args)), _) => life::archive(cx, args).await,
        (Some(Action::Restore(args)), _) => life::restore(cx, args).await,
        (None, Some(stream)) => {
            let (admin, eyes) = args.reveal.open(&cx.settings).await?;
            let mut events = history(&admin, &stream, args.last as usize, args.as_of).await?;
            eyes.look(&admin, stream.as_str(), &mut events).await?;
            let out = admin.archived_stream(&stream).await?;
            let done = log::print(cx, &events)?;
            let is_full = events.len() == args.last as usize;
            let before = events.first().map_or(0, |first| first.version.number() - 1);
            match out {
                _ if cx.out.is_json() => {}
                Some(out) => {
                    let (events, file) = (counted(out.events, "earlier event"), printable_line(&out.to));
                    cx.out.line(format!("{events} in {file}: `factum stream {stream} --store {file}`"))?;
                }
                None if is_full && before > 0 => {
                    cx.out.line(format!("earlier events: `factum stream {stream} --as-of {before}`"))?;
                }
                None => {}
            }
            Ok(done)
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
    let mut query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::stream(stream.clone()) };
    let Some(as_of) = as_of else {
        let query = Query { direction: Direction::Backward, ..query };
        let mut events = admin.read_all(query, last).await?;
        events.reverse();
        return if events.is_empty() { Err(nothing_of(admin, stream).await?) } else { Ok(events) };
    };
    let (is_beyond, mut newest, mut is_there) = (beyond(admin, as_of).await?, VecDeque::new(), false);
    loop {
        let page = admin.store().read(&query).await?;
        for event in page.events {
            is_there = true;
            if is_beyond(&event) {
                return Ok(newest.into());
            }
            newest.push_back(event);
            if newest.len() > last {
                newest.pop_front();
            }
        }
        if !page.more {
            return if is_there { Ok(newest.into()) } else { Err(nothing_of(admin, stream).await?) };
        }
        query.after = page.end;
    }
}

/// Why there is nothing to show: there is no such stream, or all of it was moved out of the log.
async fn nothing_of(admin: &Admin, stream: &StreamId) -> Result<CliError, CliError> {
    if let Some(out) = admin.moved_out(stream).await? {
        return Ok(CliError::refused(out.to_string()));
    }
    let category = stream.category();
    Ok(CliError::unknown(format!("stream {stream} has no events"))
        .hint(format!("`factum log --category {category}` lists events of its category")))
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

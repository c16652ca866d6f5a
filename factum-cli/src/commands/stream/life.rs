//! The life of a stream: closed, opened again, moved into a file, put back.

use std::sync::Arc;

use factum_core::{OpenGate, Position, StreamId};
use factum_runtime::Admin;
use factum_runtime::admin::Turned;
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted};
use crate::reach;

#[derive(Debug, clap::Args)]
pub(crate) struct Close {
    /// The stream, such as order-42
    stream: StreamId,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reopen {
    /// The stream, such as order-42
    stream: StreamId,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Archive {
    /// The stream, such as order-42; it is closed
    stream: StreamId,
    /// The file to move it into, which is made for it
    file: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The stream, such as order-42
    stream: StreamId,
    /// The file that it was moved into
    file: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TurnedJson<'a> {
    stream: &'a str,
    is_closed: bool,
    version: u64,
    was_so: bool,
}

#[derive(Debug, Serialize)]
struct MovedJson<'a> {
    stream: &'a str,
    file: &'a str,
    events: u64,
}

pub(super) async fn close(cx: &mut Cx<'_>, args: Close) -> Result<Done, CliError> {
    let turned = reach::admin(&cx.settings)?.close_stream(&args.stream, &args.why).await?;
    told(cx, &args.stream, turned, true)
}

pub(super) async fn reopen(cx: &mut Cx<'_>, args: Reopen) -> Result<Done, CliError> {
    let turned = reach::admin(&cx.settings)?.reopen_stream(&args.stream, &args.why).await?;
    told(cx, &args.stream, turned, false)
}

fn told(cx: &mut Cx<'_>, stream: &StreamId, turned: Turned, is_closed: bool) -> Result<Done, CliError> {
    let Turned { version, was_so } = turned;
    if cx.out.is_json() {
        let (stream, version) = (stream.as_str(), version.number());
        cx.out.json(&TurnedJson { stream, is_closed, version, was_so })?;
        return Ok(Done::Clean);
    }
    cx.out.line(match (is_closed, was_so) {
        (true, false) => format!("{stream} is closed at version {version}: appends to it are refused"),
        (true, true) => format!("{stream} was closed at version {version} already"),
        (false, false) => format!("{stream} is open again, from version {version} on"),
        (false, true) => format!("{stream} is open, at version {version}"),
    })?;
    Ok(Done::Clean)
}

pub(super) async fn archive(cx: &mut Cx<'_>, args: Archive) -> Result<Done, CliError> {
    let Archive { stream, file } = args;
    if reach::file_of(&file).is_none() {
        return Err(CliError::usage(format!("{} is not a file", reach::redacted(&file)))
            .hint(format!("name a file: factum stream archive {stream} {stream}.db")));
    }
    let opened = reach::open(&cx.settings)?;
    let admin = Admin::new(opened.store.clone());
    // Before a file is made that nobody wants.
    admin.may_archive_stream(&stream, &file).await?;
    let archive = reach::make(&file, Arc::new(OpenGate))?;
    let mut bar = cx.out.bar("moving the stream out of the log");
    let mut moved = |at: Position, of: Position| bar.at(at.number(), of.number());
    let to = (archive.store.as_ref(), archive.maintenance.as_ref(), file.as_str());
    let out = admin.archive_stream(&stream, opened.maintenance.as_ref(), to, &mut moved).await?;
    drop(bar);
    if cx.out.is_json() {
        cx.out.json(&MovedJson { stream: stream.as_str(), file: &file, events: out.events })?;
        return Ok(Done::Clean);
    }
    let head = cx.out.paint().style(Style::Green, "moved");
    cx.out.line(format!(
        "{head} to {file}: {} of {stream}, which stays closed",
        counted(out.events, "event")
    ))?;
    Ok(Done::Clean)
}

pub(super) async fn restore(cx: &mut Cx<'_>, args: Restore) -> Result<Done, CliError> {
    let Restore { stream, file } = args;
    let opened = reach::open(&cx.settings)?;
    let archive = reach::open_at(&file, Arc::new(OpenGate))?;
    let admin = Admin::new(opened.store.clone());
    let mut bar = cx.out.bar("putting events back");
    let mut moved = |at: Position, of: Position| bar.at(at.number(), of.number());
    let from = archive.store.as_ref();
    let events = admin.restore_stream(&stream, opened.maintenance.as_ref(), from, &mut moved).await?;
    drop(bar);
    let file = &reach::redacted(&file);
    if cx.out.is_json() {
        cx.out.json(&MovedJson { stream: stream.as_str(), file, events })?;
        return Ok(Done::Clean);
    }
    let head = cx.out.paint().style(Style::Green, "put back");
    cx.out.line(format!("{head} from {file}: {} of {stream}", counted(events, "event")))?;
    Ok(Done::Clean)
}

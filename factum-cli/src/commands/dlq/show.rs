//! `factum dlq show`: one letter whole, with its event.

use factum_core::{Recorded, Timestamp};
use factum_runtime::admin::{AdminError, Letter, Which};
use serde::Serialize;

use super::super::event::state;
use super::letter;
use super::list::{LetterJson, next};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, day_time, printable};
use crate::reveal::Reveal;
use crate::shown::{EventJson, payload};

/// Show one letter whole, with its event
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The letter, or its event's id
    id: String,
    #[command(flatten)]
    reveal: Reveal,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    letter: LetterJson<'a>,
    event: Option<EventJson<'a>>,
}

pub(super) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let letter = letter(&admin, &args.id).await?;
    let mut event = match admin.event(&letter.troubled.event.to_string()).await {
        Ok(event) => Some(event),
        // It came from a broker and is kept in the letter, or it has been archived.
        Err(AdminError::Unknown { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let mut inline = letter.troubled.inline_envelope();
    for envelope in event.iter_mut().map(|event| &mut event.envelope).chain(&mut inline) {
        eyes.look_at(&admin, &letter.id, envelope).await?;
    }
    if cx.out.is_json() {
        let recorded = event.as_ref().map(EventJson::of);
        let event = recorded.or_else(|| inline.as_ref().map(EventJson::of_envelope));
        cx.out.json(&Json { letter: LetterJson::of(&letter), event })?;
        return Ok(Done::Clean);
    }
    let now = admin.store().now().await?;
    cx.out.table(&fields(&letter, now))?;
    let envelope = event.as_ref().map(|Recorded { envelope, .. }| envelope).or(inline.as_ref());
    if let Some(envelope) = envelope {
        cx.out.line("")?;
        cx.out.line(printable(&payload(envelope).pretty()))?;
    }
    Ok(Done::Clean)
}

fn fields(letter: &Letter, now: Timestamp) -> Table {
    let troubled = &letter.troubled;
    let mut table = Table::new([Column::Left("field"), Column::Left("value")]).without_head();
    let mut row = |name: &str, style: Style, value: String| {
        if !value.is_empty() {
            table.row([Cell::styled(Style::Dim, name), Cell::styled(style, value)]);
        }
    };
    row("letter", Style::Bold, letter.id.clone());
    let attempts = counted(troubled.attempts.into(), "attempt");
    row("state", Style::Red, format!("{} after {attempts}", state(letter.which())));
    row("reason", Style::Red, troubled.reason.clone());
    row("error", Style::Red, troubled.error.clone());
    row("consumer", Style::Plain, troubled.consumer.clone());
    row("group", Style::Plain, troubled.fingerprint.clone());
    row("since", Style::Plain, format!("{} UTC", day_time(troubled.since)));
    row("last tried", Style::Plain, format!("{} UTC", day_time(troubled.at)));
    if letter.which() == Which::Parked {
        row("next", Style::Plain, next(letter, now));
    }
    row("event", Style::Cyan, format!("{}.v{}", troubled.name, troubled.version));
    row("id", Style::Plain, troubled.event.to_string());
    row("stream", Style::Plain, troubled.stream.clone().unwrap_or_default());
    row("position", Style::Plain, troubled.position.map(|at| at.to_string()).unwrap_or_default());
    row("key", Style::Plain, troubled.key.clone());
    row("correlation", Style::Plain, troubled.correlation.clone());
    table
}

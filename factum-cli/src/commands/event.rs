//! `factum event`: one event whole, and who had trouble with it.

use factum_core::Recorded;
use factum_runtime::admin::{TraceNode, Which};
use factum_runtime::state::Troubled;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, day_time, printable};
use crate::reveal::Reveal;
use crate::shown::{EventJson, payload};

/// Show one event whole, and who had trouble with it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id, or its position
    id: String,
    #[command(flatten)]
    reveal: Reveal,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    event: EventJson<'a>,
    caused: Vec<String>,
    troubles: Vec<TroubleJson<'a>>,
}

/// Who had trouble with an event.
#[derive(Debug, Serialize)]
pub(crate) struct TroubleJson<'a> {
    consumer: &'a str,
    state: &'static str,
    reason: &'a str,
    error: &'a str,
    attempts: u32,
    at: String,
}

impl<'a> TroubleJson<'a> {
    pub(crate) fn of((which, troubled): &'a (Which, Troubled)) -> Self {
        Self {
            consumer: &troubled.consumer,
            state: state(*which),
            reason: &troubled.reason,
            error: &troubled.error,
            attempts: troubled.attempts,
            at: troubled.at.to_string(),
        }
    }
}

/// "dead", "refused", "parked".
pub(crate) fn state(which: Which) -> &'static str {
    match which {
        Which::Dead => "dead",
        Which::Refused => "refused",
        Which::Parked => "parked",
    }
}

/// One line on a trouble: `stock: dead after 3 attempts: out of paper`.
pub(crate) fn trouble_line((which, troubled): &(Which, Troubled)) -> String {
    let tried = match (which, troubled.attempts) {
        (Which::Refused, _) | (_, 0) => String::new(),
        (_, attempts) => format!(" after {}", counted(attempts.into(), "attempt")),
    };
    let why = match (troubled.reason.as_str(), troubled.error.as_str()) {
        (reason, "") => reason.to_owned(),
        (reason, error) if error.starts_with(reason) || reason == "failed" => error.to_owned(),
        (reason, error) => format!("{reason}: {error}"),
    };
    format!("{}: {}{tried}: {why}", troubled.consumer, state(*which))
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let mut event = admin.event(&args.id).await?;
    let what = event.envelope.id.to_string();
    let bytes = event.envelope.data.len();
    eyes.look_at(&admin, &what, &mut event.envelope).await?;
    let roots = admin.trace(&event.envelope.id.to_string()).await?;
    let found = roots.iter().find_map(|root| find(root, &event));
    let none = (Vec::new(), Vec::new());
    let (caused, troubles) = found.map_or((&none.0, &none.1), |node| (&node.caused, &node.troubles));
    if cx.out.is_json() {
        let caused = caused.iter().map(|node| node.event.envelope.id.to_string()).collect();
        let troubles = troubles.iter().map(TroubleJson::of).collect();
        cx.out.json(&Json { event: EventJson::of(&event), caused, troubles })?;
        return Ok(Done::Clean);
    }
    let mut table = fields(&event, bytes);
    for node in caused {
        let what =
            format!("{}  {}  @{}", node.event.envelope.event_type, node.event.stream, node.event.position);
        table.row(["caused".into(), what.into()]);
    }
    for trouble in troubles {
        table.row([Cell::styled(Style::Red, "trouble"), Cell::styled(Style::Red, trouble_line(trouble))]);
    }
    cx.out.table(&table)?;
    cx.out.line("")?;
    cx.out.line(printable(&payload(&event.envelope).pretty()))?;
    Ok(Done::Clean)
}

fn fields(event: &Recorded, bytes: usize) -> Table {
    let envelope = &event.envelope;
    let mut table = Table::new([Column::Left("field"), Column::Left("value")]).without_head();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([Cell::styled(Style::Dim, name), value.into()]);
        }
    };
    row("event", format!("{} ({})", envelope.event_type, envelope.event_type.kind.as_str()));
    row("id", envelope.id.to_string());
    row("stream", format!("{} version {}", event.stream, event.version));
    row("position", event.position.to_string());
    row("time", format!("{} UTC", day_time(envelope.time)));
    row("topic", envelope.event_type.topic.to_string());
    row("key", envelope.key.to_string());
    row("tags", envelope.tags.iter().collect::<Vec<_>>().join(" "));
    row("correlation", envelope.correlation.to_string());
    row("cause", envelope.causation.map(|id| id.to_string()).unwrap_or_default());
    row("actor", envelope.actor.as_ref().map(ToString::to_string).unwrap_or_default());
    row("trace", envelope.trace.as_ref().map(ToString::to_string).unwrap_or_default());
    row("content", format!("{}, {}", envelope.content_type, counted(bytes as u64, "byte")));
    table
}

/// The event's node, looked for without recursion: chains of causes can be long.
fn find<'a>(root: &'a TraceNode, event: &Recorded) -> Option<&'a TraceNode> {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.event.position == event.position {
            return Some(node);
        }
        open.extend(&node.caused);
    }
    None
}

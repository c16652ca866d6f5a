//! `factum trace`: what caused what, as a tree with times and troubles.

use factum_core::Timestamp;
use factum_runtime::admin::TraceNode;
use serde::Serialize;

use super::event::{TroubleJson, trouble_line};
use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Output, Style, counted, cut, day_time, length, printable_line, width_of};
use crate::reach;
use crate::reveal::Eyes;
use crate::shown::EventJson;

/// Show what caused what, as a tree
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An event's id or position, or a correlation
    id: String,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    correlation: &'a str,
    events: usize,
    troubles: usize,
    nodes: Vec<NodeJson<'a>>,
}

/// A node of the tree; the tree is flat, so that a long chain of causes is no deep document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson<'a> {
    depth: usize,
    since_start_us: u64,
    since_cause_us: u64,
    event: EventJson<'a>,
    troubles: Vec<TroubleJson<'a>>,
}

/// A node with its place in the tree.
struct Placed<'a> {
    node: &'a TraceNode,
    depth: usize,
    /// For each level above, whether more follows there.
    follows: Vec<bool>,
    cause: Timestamp,
}

/// Deeper than this, lines are no longer indented.
const INDENT_MAX: usize = 20;

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    let eyes = Eyes::masked(&admin).await?;
    let mut roots = admin.trace(&args.id).await?;
    let mut open: Vec<&mut TraceNode> = roots.iter_mut().collect();
    while let Some(node) = open.pop() {
        eyes.show(&mut node.event.envelope)?;
        open.extend(&mut node.caused);
    }
    let Some(start) = roots.iter().map(|root| root.event.envelope.time).min() else { return Ok(Done::Clean) };
    let placed = place(&roots);
    let troubles = placed.iter().map(|placed| placed.node.troubles.len()).sum();
    let correlation = roots[0].event.envelope.correlation.as_str();
    if cx.out.is_json() {
        let nodes = placed.iter().map(|placed| json(placed, start)).collect();
        cx.out.json(&Json { correlation, events: placed.len(), troubles, nodes })?;
        return Ok(Done::Clean);
    }
    let end = placed.iter().map(|placed| placed.node.event.envelope.time).max().unwrap_or(start);
    let summary = format!(
        "{}, {}, {} in all",
        counted(placed.len() as u64, "event"),
        counted(troubles as u64, "trouble"),
        length(end.since(start)),
    );
    let paint = cx.out.paint();
    cx.out.line(format!("{} {}", paint.style(Style::Bold, &printable_line(correlation)), summary))?;
    let ends: Vec<String> = placed.iter().map(|placed| end_of_line(placed, start)).collect();
    let room = cx.out.width().saturating_sub(ends.iter().map(|end| width_of(end)).max().unwrap_or(0));
    let widest = placed.iter().map(|placed| width_of(&label(placed))).max().unwrap_or(0).min(room);
    for (placed, end) in placed.iter().zip(&ends) {
        print(cx.out, placed, widest, end)?;
    }
    Ok(Done::Clean)
}

fn json<'a>(placed: &Placed<'a>, start: Timestamp) -> NodeJson<'a> {
    let micros = |from: Timestamp| placed.node.event.envelope.time.since(from).as_micros() as u64;
    NodeJson {
        depth: placed.depth,
        since_start_us: micros(start),
        since_cause_us: micros(placed.cause),
        event: EventJson::of(&placed.node.event),
        troubles: placed.node.troubles.iter().map(TroubleJson::of).collect(),
    }
}

/// The nodes from top to bottom, without recursion.
fn place(roots: &[TraceNode]) -> Vec<Placed<'_>> {
    let root = |node| Placed { node, depth: 0, follows: Vec::new(), cause: node.event.envelope.time };
    let mut open: Vec<Placed<'_>> = roots.iter().rev().map(root).collect();
    let mut placed = Vec::new();
    while let Some(next) = open.pop() {
        let last = next.node.caused.len().saturating_sub(1);
        for (index, node) in next.node.caused.iter().enumerate().rev() {
            let mut follows = next.follows.clone();
            if follows.len() < INDENT_MAX {
                follows.push(index < last);
            }
            open.push(Placed { node, depth: next.depth + 1, follows, cause: next.node.event.envelope.time });
        }
        placed.push(next);
    }
    placed
}

fn branches(follows: &[bool]) -> String {
    let Some((own, above)) = follows.split_last() else { return String::new() };
    let mut text: String = above.iter().map(|more| if *more { "│  " } else { "   " }).collect();
    text.push_str(if *own { "├─ " } else { "└─ " });
    text
}

fn label(placed: &Placed<'_>) -> String {
    let event = &placed.node.event;
    let stream = printable_line(event.stream.as_str());
    format!("{}{}  {stream}", branches(&placed.follows), event.envelope.event_type)
}

/// Version, position and time; the time of a first cause, else how long after it.
fn end_of_line(placed: &Placed<'_>, start: Timestamp) -> String {
    let event = &placed.node.event;
    let when = match placed.depth {
        0 => day_time(event.envelope.time),
        _ => format!("+{}", length(event.envelope.time.since(start))),
    };
    format!("  v{:<3} {:<6}  {when}", event.version.number(), format!("@{}", event.position))
}

fn print(out: &mut Output, placed: &Placed<'_>, widest: usize, end: &str) -> Result<(), CliError> {
    let paint = out.paint();
    let label = cut(&label(placed), widest);
    let pad = " ".repeat(widest.saturating_sub(width_of(&label)));
    let name = placed.node.event.envelope.event_type.to_string();
    let label = label.replacen(&name, &paint.style(Style::Cyan, &name), 1);
    out.line(format!("{label}{pad}{}", paint.style(Style::Dim, end)))?;
    for trouble in &placed.node.troubles {
        let mut lead: String = placed.follows.iter().map(|more| if *more { "│  " } else { "   " }).collect();
        lead.push_str(if placed.node.caused.is_empty() { "   " } else { "│  " });
        let text = format!("✗ {}", printable_line(&trouble_line(trouble)));
        let text = cut(&text, out.width().saturating_sub(width_of(&lead)));
        out.line(format!("{lead}{}", paint.style(Style::Red, &text)))?;
    }
    Ok(())
}

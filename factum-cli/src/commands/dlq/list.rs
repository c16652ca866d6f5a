//! `factum dlq list`: groups that fail alike, or each letter.

use factum_core::ConsumerName;
use factum_runtime::Admin;
use factum_runtime::admin::{Group, Letter, Which};
use serde::Serialize;

use super::super::event::state;
use super::{Kind, matching, noun};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, ago, counted, grouped};

/// List dead letters, grouped by how they fail
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this consumer
    #[arg(long, value_name = "NAME")]
    consumer: Option<ConsumerName>,
    /// Of this group: the start of its fingerprint; lists each letter
    #[arg(long, value_name = "FINGERPRINT")]
    group: Option<String>,
    #[command(flatten)]
    kind: Kind,
    /// Each letter, not groups
    #[arg(long)]
    each: bool,
}

#[derive(Debug, Serialize)]
struct GroupsJson<'a> {
    state: &'static str,
    letters: usize,
    groups: Vec<GroupJson<'a>>,
}

#[derive(Debug, Serialize)]
struct GroupJson<'a> {
    fingerprint: &'a str,
    consumer: &'a str,
    reason: &'a str,
    error: &'a str,
    count: u64,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct LettersJson<'a> {
    letters: Vec<LetterJson<'a>>,
}

/// One letter as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterJson<'a> {
    id: &'a str,
    state: &'static str,
    consumer: &'a str,
    fingerprint: &'a str,
    reason: &'a str,
    error: &'a str,
    attempts: u32,
    event_id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    contract_version: u32,
    stream: Option<&'a str>,
    position: Option<u64>,
    key: &'a str,
    correlation: &'a str,
    since: String,
    at: String,
    due: Option<String>,
}

impl<'a> LetterJson<'a> {
    pub(super) fn of(letter: &'a Letter) -> Self {
        let troubled = &letter.troubled;
        Self {
            id: &letter.id,
            state: state(letter.which()),
            consumer: &troubled.consumer,
            fingerprint: &troubled.fingerprint,
            reason: &troubled.reason,
            error: &troubled.error,
            attempts: troubled.attempts,
            event_id: troubled.event.to_string(),
            event_type: &troubled.name,
            contract_version: troubled.version,
            stream: troubled.stream.as_deref(),
            position: troubled.position.map(factum_core::Position::number),
            key: &troubled.key,
            correlation: &troubled.correlation,
            since: troubled.since.to_string(),
            at: troubled.at.to_string(),
            due: letter.due.map(|due| due.to_string()),
        }
    }
}

pub(super) async fn run(args: Args, admin: &Admin, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let which = args.kind.which();
    let letters = matching(admin, which, args.consumer.as_ref(), args.group.as_deref()).await?;
    let is_each = args.each || args.group.is_some();
    let groups = Admin::groups(&letters);
    if cx.out.is_json() {
        if is_each {
            cx.out.json(&LettersJson { letters: letters.iter().map(LetterJson::of).collect() })?;
        } else {
            let groups = groups.iter().map(group_json).collect();
            cx.out.json(&GroupsJson { state: state(which), letters: letters.len(), groups })?;
        }
        return Ok(Done::Clean);
    }
    if letters.is_empty() {
        cx.out.line(format!("no {}s", noun(which)))?;
    } else if is_each {
        let now = admin.store().now().await?;
        cx.out.table(&each(&letters, which, now))?;
    } else {
        let now = admin.store().now().await?;
        let paint = cx.out.paint();
        let head = counted(letters.len() as u64, noun(which));
        let style = if which == Which::Dead { Style::Red } else { Style::Yellow };
        let sum = format!("{} in {}", paint.style(style, &head), counted(groups.len() as u64, "group"));
        cx.out.line(format!("{sum}\n"))?;
        cx.out.table(&grouped_table(&groups, now))?;
    }
    Ok(Done::Clean)
}

fn group_json(group: &Group) -> GroupJson<'_> {
    GroupJson {
        fingerprint: &group.fingerprint,
        consumer: &group.consumer,
        reason: &group.reason,
        error: &group.error,
        count: group.count,
        first: group.first.to_string(),
        last: group.last.to_string(),
    }
}

fn grouped_table(groups: &[Group], now: factum_core::Timestamp) -> Table {
    let mut table = Table::new([
        Column::Right("count"),
        Column::Left("group"),
        Column::Left("consumer"),
        Column::Left("reason"),
        Column::Left("last"),
        Column::Cut("error"),
    ]);
    for group in groups {
        table.row([
            Cell::styled(Style::Bold, grouped(group.count)),
            (&group.fingerprint).into(),
            (&group.consumer).into(),
            Cell::styled(Style::Red, &group.reason),
            Cell::styled(Style::Dim, ago(group.last, now)),
            (&group.error).into(),
        ]);
    }
    table
}

fn each(letters: &[Letter], which: Which, now: factum_core::Timestamp) -> Table {
    let mut columns = vec![
        Column::Left("letter"),
        Column::Left("type"),
        Column::Right("position"),
        Column::Right("attempts"),
        Column::Left("reason"),
    ];
    columns.extend((which == Which::Parked).then_some(Column::Left("next attempt")));
    columns.push(Column::Cut("error"));
    let mut table = Table::new(columns);
    for letter in letters {
        let troubled = &letter.troubled;
        let mut cells = vec![
            (&letter.id).into(),
            Cell::styled(Style::Cyan, format!("{}.v{}", troubled.name, troubled.version)),
            troubled.position.map(|at| at.to_string()).unwrap_or_default().into(),
            troubled.attempts.to_string().into(),
            Cell::styled(Style::Red, &troubled.reason),
        ];
        cells.extend((which == Which::Parked).then(|| Cell::from(next(letter, now))));
        cells.push((&troubled.error).into());
        table.row(cells);
    }
    table
}

/// When a parked event is tried next.
pub(super) fn next(letter: &Letter, now: factum_core::Timestamp) -> String {
    match letter.due {
        None => "behind a dead letter".to_owned(),
        Some(due) if due <= now => "now".to_owned(),
        Some(due) => ago(due, now),
    }
}

//! What differs between a projection's live tables and others: a copy made from the log, or those being filled.
//!
//! Columns that their projection declares personal are masked; a whole row where the rows are.

use std::collections::BTreeMap;

use factum_core::{ConsumerName, Value};
use factum_runtime::Admin;
use factum_runtime::admin::{Compared, RowDiffers, TableCompared};
use factum_runtime::state::PersonalTable;
use serde::Serialize;

use super::known;
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, grouped, printable_line};

const MASK: &str = "***";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The projection
    name: ConsumerName,
    /// Show at most so many rows of each table
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    limit: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    projection: &'a str,
    position: u64,
    live: &'a str,
    with: &'a str,
    is_same: bool,
    differ: u64,
    aside: u64,
    tables: Vec<TableJson<'a>>,
}

#[derive(Debug, Serialize)]
struct TableJson<'a> {
    table: &'a str,
    rows: u64,
    expected: u64,
    differ: u64,
    only: Option<&'a str>,
    first: Vec<RowJson>,
}

type Columns = BTreeMap<String, serde_json::Value>;

#[derive(Debug, Serialize)]
struct RowJson {
    key: Columns,
    live: Option<Columns>,
    expected: Option<Columns>,
}

pub(super) async fn verify(admin: &Admin, cx: &mut Cx<'_>, args: Args) -> Result<Done, CliError> {
    known(admin, &args.name).await?;
    let mut bar = cx.out.bar("recomputing");
    let most = args.limit as usize;
    let found = admin.verify(&args.name, most, &mut |at, of| bar.at(at.number(), of.number())).await?;
    drop(bar);
    print(admin, cx, &args.name, &found, "should be").await
}

pub(super) async fn diff(admin: &Admin, cx: &mut Cx<'_>, args: Args) -> Result<Done, CliError> {
    known(admin, &args.name).await?;
    let mut bar = cx.out.bar("catching up");
    let most = args.limit as usize;
    let found = admin.diff(&args.name, most, &mut |at, of| bar.at(at.number(), of.number())).await?;
    drop(bar);
    let with = found.with.clone();
    let done = print(admin, cx, &args.name, &found, &with).await?;
    if !cx.out.is_json() {
        let name = &args.name;
        cx.out.line(format!(
            "tables {with} are held: `factum projections cut-over {name}` makes them live, `factum projections cancel {name}` gives them up"
        ))?;
    }
    Ok(done)
}

async fn print(
    admin: &Admin,
    cx: &mut Cx<'_>,
    name: &ConsumerName,
    found: &Compared,
    other: &str,
) -> Result<Done, CliError> {
    let personal = known(admin, name).await?.state.personal;
    let done = if found.is_same() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&Json {
            projection: name.as_str(),
            position: found.position.number(),
            live: &found.live,
            with: &found.with,
            is_same: found.is_same(),
            differ: found.differ(),
            aside: found.aside,
            tables: found.tables.iter().map(|table| json(table, &found.live, &personal)).collect(),
        })?;
        return Ok(done);
    }
    rows(cx, found, other, &personal)?;
    let paint = cx.out.paint();
    let all: u64 = found.tables.iter().map(|table| table.rows).sum();
    let verdict = match found.is_same() {
        true => paint.style(Style::Green, &format!("{name} is what it should be")),
        false => paint.style(Style::Red, &format!("{name} differs in {}", counted(found.differ(), "row"))),
    };
    let live = &found.live;
    let rows = counted(all, "row");
    cx.out.line(format!("{verdict}: tables {live}, {rows}, at position {}", found.position))?;
    if found.aside > 0 {
        let events = counted(found.aside, "event");
        cx.out.line(format!(
            "{events} of it set aside (parked, dead or refused) are in neither: `factum dlq list --consumer {name}.{live}`"
        ))?;
    }
    if !found.is_same() && other == "should be" {
        cx.out.line(format!("`factum projections rebuild {name}` fills new tables from the log"))?;
    }
    Ok(done)
}

/// The rows that differ, each with what is live and what is on the other side.
fn rows(cx: &mut Cx<'_>, found: &Compared, other: &str, personal: &[PersonalTable]) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::Left("table"),
        Column::Left("key"),
        Column::Left("live"),
        Column::Cut(if other == "should be" { "should be" } else { "new" }),
    ]);
    let mut is_empty = true;
    for one in &found.tables {
        if let Some(only) = &one.only {
            table.row([
                Cell::styled(Style::Bold, &one.table),
                format!("only in {only}").into(),
                "".into(),
                "".into(),
            ]);
            is_empty = false;
        }
        let hides = Hides::of(&one.table, &found.live, personal);
        for row in &one.first {
            let (live, expected) = (changed(row, &row.live, &hides), changed(row, &row.expected, &hides));
            table.row([
                Cell::styled(Style::Bold, &one.table),
                text(&hides.columns(&row.key)).into(),
                Cell::styled(Style::Red, live),
                Cell::styled(Style::Green, expected),
            ]);
            is_empty = false;
        }
        let left = one.differ.saturating_sub(one.first.len() as u64);
        if left > 0 {
            table.row([
                one.table.clone().into(),
                format!("and {} more", grouped(left)).into(),
                "".into(),
                "".into(),
            ]);
            is_empty = false;
        }
    }
    if !is_empty {
        cx.out.table(&table)?;
    }
    Ok(())
}

/// What of a row differs, as text.
fn changed(row: &RowDiffers, side: &Option<Vec<(String, Value)>>, hides: &Hides) -> String {
    let Some(columns) = side else { return "no such row".to_owned() };
    let other = |name: &str, side: &Option<Vec<(String, Value)>>| {
        side.as_ref()
            .and_then(|all| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    };
    let differs = |(name, _): &&(String, Value)| other(name, &row.live) != other(name, &row.expected);
    let is_key = |(name, _): &&(String, Value)| row.key.iter().any(|(key, _)| key == name);
    let some: Vec<(String, Value)> =
        columns.iter().filter(differs).filter(|one| !is_key(one)).cloned().collect();
    match some.is_empty() {
        true => "a row".to_owned(),
        false => text(&hides.columns(&some)),
    }
}

fn text(columns: &Columns) -> String {
    let shown = columns.iter().map(|(name, value)| match value {
        serde_json::Value::String(text) => format!("{name}={}", printable_line(text)),
        value => format!("{name}={value}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn json<'a>(table: &'a TableCompared, live: &str, personal: &[PersonalTable]) -> TableJson<'a> {
    let hides = Hides::of(&table.table, live, personal);
    let side = |side: &Option<Vec<(String, Value)>>| side.as_ref().map(|columns| hides.columns(columns));
    let first = table.first.iter().map(|row| RowJson {
        key: hides.columns(&row.key),
        live: side(&row.live),
        expected: side(&row.expected),
    });
    TableJson {
        table: &table.table,
        rows: table.rows,
        expected: table.expected,
        differ: table.differ,
        only: table.only.as_deref(),
        first: first.collect(),
    }
}

/// What is not shown of a table.
struct Hides {
    columns: Vec<String>,
    /// Everything but the subject's pseudonym.
    all_but: Option<String>,
}

impl Hides {
    fn of(table: &str, suffix: &str, personal: &[PersonalTable]) -> Self {
        let known = personal.iter().find(|known| known.table == format!("{table}__{suffix}"));
        let all_but = known.filter(|known| known.columns.is_empty()).map(|known| known.subject.clone());
        Self { columns: known.map(|known| known.columns.clone()).unwrap_or_default(), all_but }
    }

    fn hides(&self, column: &str) -> bool {
        self.columns.iter().any(|hidden| hidden == column)
            || self.all_but.as_ref().is_some_and(|subject| subject != column)
    }

    fn columns(&self, columns: &[(String, Value)]) -> Columns {
        let shown = columns
            .iter()
            .map(|(name, value)| (name.clone(), if self.hides(name) { MASK.into() } else { shown(value) }));
        shown.collect()
    }
}

/// A value as JSON.
fn shown(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(is) => (*is).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("0x{digits}").into()
        }
        Value::Instant(time) => time.to_string().into(),
    }
}

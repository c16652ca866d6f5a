//! `factum stats`: how many events of which type, how many streams of which category.

use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Column, Style, Table, counted, day_time, grouped};
use crate::reach;
use crate::shown::TypeJson;

/// Count events by type, and streams by category
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Json<'a> {
    events: u64,
    head: u64,
    first: Option<String>,
    last: Option<String>,
    types: Vec<TypeJson<'a>>,
    categories: Vec<CategoryJson>,
}

#[derive(Debug, Serialize)]
struct CategoryJson {
    category: String,
    streams: u64,
}

pub(crate) async fn run(_: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    let mut bar = cx.out.bar("counting");
    let stats = admin.stats_watched(&mut |done, of| bar.at(done.number(), of.number())).await?;
    drop(bar);
    if cx.out.is_json() {
        let types = stats.types.iter().map(TypeJson::of);
        let categories =
            stats.categories.into_iter().map(|(category, streams)| CategoryJson { category, streams });
        cx.out.json(&Json {
            events: stats.events,
            head: stats.head.number(),
            first: stats.first.map(|time| time.to_string()),
            last: stats.last.map(|time| time.to_string()),
            types: types.collect(),
            categories: categories.collect(),
        })?;
        return Ok(Done::Clean);
    }
    let (Some(first), Some(last)) = (stats.first, stats.last) else {
        cx.out.line("the log is empty")?;
        return Ok(Done::Clean);
    };
    let paint = cx.out.paint();
    let head = paint.style(Style::Bold, &counted(stats.events, "event"));
    cx.out.line(format!("{head}, from {} to {} UTC\n", day_time(first), day_time(last)))?;
    let mut types = Table::new([Column::Left("type"), Column::Right("events")]);
    for (name, events) in &stats.types {
        types.row([name.into(), grouped(*events).into()]);
    }
    cx.out.table(&types)?;
    cx.out.line("")?;
    let mut categories = Table::new([Column::Left("category"), Column::Right("streams")]);
    for (name, streams) in &stats.categories {
        categories.row([name.into(), grouped(*streams).into()]);
    }
    cx.out.table(&categories)?;
    Ok(Done::Clean)
}

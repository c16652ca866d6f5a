//! `factum plan status`: open, done and stuck boxes of every plan.

use std::path::PathBuf;

use factum_architect::plan::{self, Progress};
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Table, printable_line};

/// Count open, done and stuck boxes of all plans
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A plan, or a folder with docs/specs in it
    #[arg(default_value = ".")]
    path: PathBuf,
}

#[derive(Debug, Serialize)]
struct Json {
    plans: Vec<PlanJson>,
}

#[derive(Debug, Serialize)]
struct PlanJson {
    path: String,
    title: String,
    done: usize,
    open: usize,
    stuck: usize,
    next: Option<NextJson>,
}

#[derive(Debug, Serialize)]
struct NextJson {
    line: usize,
    text: String,
}

pub(super) fn run(args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let plans: Vec<(String, Progress)> = super::plans(&args.path)?
        .into_iter()
        .map(|(path, text)| (path.display().to_string(), plan::progress(&text)))
        .collect();
    if cx.out.is_json() {
        let json = |(path, progress): (String, Progress)| PlanJson {
            path,
            title: progress.title,
            done: progress.done,
            open: progress.open,
            stuck: progress.stuck,
            next: progress.next.map(|(line, text)| NextJson { line, text }),
        };
        cx.out.json(&Json { plans: plans.into_iter().map(json).collect() })?;
        return Ok(Done::Clean);
    }
    let columns = vec![
        Column::Left("plan"),
        Column::Right("done"),
        Column::Right("open"),
        Column::Right("⚠️"),
        Column::Cut("next"),
    ];
    let mut table = Table::new(columns);
    for (path, progress) in plans {
        let next = progress.next.map_or_else(
            || "all done".to_owned(),
            |(line, text)| format!("line {line}: {}", printable_line(&text)),
        );
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        table.row(vec![
            Cell::from(name),
            Cell::from(progress.done.to_string()),
            Cell::from(progress.open.to_string()),
            Cell::from(progress.stuck.to_string()),
            Cell::from(next),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

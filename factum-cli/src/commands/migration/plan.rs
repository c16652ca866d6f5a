//! `factum migration plan`: the change as a document, from a search of the sources, the catalog and a few answers.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use factum_architect::migration::{self, Asked, Kind, Plan, Scan};
use factum_core::{ConsumerName, EventName, MigrationName};
use serde::Serialize;

use crate::commands::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::counted;

/// Write docs/migrations/NAME.md: current flow, new path, checkpoints, the way back
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The migration's name: of the document, and of the switch
    name: MigrationName,
    /// What is to be moved, in plain words
    #[arg(value_name = "WORDS")]
    what: Vec<String>,
    /// What it is today
    #[arg(long, value_name = "KIND", default_value = "call")]
    kind: Moves,
    /// The function that makes the call today, or the legacy topic; the sources are searched for it
    #[arg(long, value_name = "NAME")]
    call: Option<String>,
    /// The event of the new path
    #[arg(long, value_name = "NAME")]
    event: Option<EventName>,
    /// The consumer of the new path; else NAME.new
    #[arg(long, value_name = "NAME")]
    consumer: Option<ConsumerName>,
    /// Where the sources are
    #[arg(long, value_name = "DIR", default_value = ".")]
    source: PathBuf,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Where to; the document gets docs/migrations/NAME.md in it
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Write it anew, though it has been edited
    #[arg(long)]
    overwrite: bool,
    /// Only print it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Moves {
    // A call that the request waits for.
    Call,
    // Events of an older making.
    Flow,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    file: Option<String>,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder = cx.settings.contracts(args.contracts.as_deref());
    let catalog = match folder {
        Some(folder) => Some(contract::catalog(&folder)?),
        None if Path::new("contracts").is_dir() => Some(contract::catalog(Path::new("contracts"))?),
        None => None,
    };
    let words = args.what.join(" ");
    let asked = Asked {
        name: args.name,
        what: (!words.trim().is_empty()).then(|| words.trim().to_owned()),
        kind: match args.kind {
            Moves::Call => Kind::Call,
            Moves::Flow => Kind::Flow,
        },
        call: args.call.filter(|call| !call.trim().is_empty()),
        event: args.event.map(|event| event.to_string()),
        consumer: args.consumer.map(|consumer| consumer.to_string()),
    };
    let scanned: Option<Scan> = match &asked.call {
        Some(call) => Some(migration::scan(&args.source, call).map_err(|error| {
            CliError::unreachable(format!("{error}: {}", error.source)).hint("--source DIR names the sources")
        })?),
        None => None,
    };
    let plan = migration::plan(&asked, catalog.as_ref(), scanned.as_ref());
    let out = if args.out == Path::new(".") { PathBuf::new() } else { args.out };
    let file = out.join("docs/migrations").join(format!("{}.md", plan.name));
    if args.dry_run {
        if cx.out.is_json() {
            cx.out.json(&Json { plan: &plan, file: None })?;
        } else {
            cx.out.raw(plan.document.as_bytes())?;
        }
        return Ok(Done::Clean);
    }
    write(&file, &plan.document, args.overwrite)?;
    if cx.out.is_json() {
        cx.out.json(&Json { plan: &plan, file: Some(file.display().to_string()) })?;
        return Ok(Done::Clean);
    }
    cx.out.line(format!("{}: {}", file.display(), counted(plan.checkpoints.len() as u64, "checkpoint")))?;
    if let Some(call) = &asked.call {
        cx.out.line(format!("`{call}` stands in {}", counted(plan.hits.len() as u64, "place")))?;
    }
    cx.out.line(format!("{} to answer:", counted(plan.questions.len() as u64, "question")))?;
    for (index, question) in plan.questions.iter().enumerate() {
        cx.out.line(format!("  {}. {question}", index + 1))?;
    }
    Ok(Done::Clean)
}

/// Never over what people have written.
fn write(file: &Path, document: &str, overwrite: bool) -> Result<(), CliError> {
    let cannot = |error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be written: {error}", file.display()))
    };
    match std::fs::read_to_string(file) {
        Ok(there) if there == document => return Ok(()),
        Ok(_) if !overwrite => {
            return Err(CliError::refused(format!("{} is there, and says something else", file.display()))
                .hint("--dry-run prints the new one; --overwrite puts it in its place"));
        }
        _ => {}
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    std::fs::write(file, document).map_err(cannot)
}

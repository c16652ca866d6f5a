//! `factum plan`: the contract-first plan of one slice of a specification; how far plans have got; whether ticks are true.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use factum_architect::codebase;
use factum_architect::plan::{self, Plan, Request, Risk, SPEC_BYTES_MAX, Spec};
use factum_contract::Source;
use factum_contract::folder::{self, FolderError};
use serde::Serialize;

use super::kept::{self, Kept, OnConflict};
use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, printable_line};

mod status;
mod verify;

/// A test-first plan of one slice of a specification
///
/// Reads slices with checklists, user stories of spec-kit, OpenSpec, Kiro and Gherkin, looks at the code base, and writes
/// docs/specs/FEATURE-slice-N-tdd-plan.md: contract, producer and consumer of each event, every step a box. Without --slice it
/// lists the slices.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<PlanCommand>,
    /// The specification
    spec: Option<PathBuf>,
    /// Which slice: its number, its id (US1), or a piece of its name
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    /// How much can go wrong: low, moderate or high; else what the specification says
    #[arg(long, value_name = "RISK", hide_possible_values = true)]
    risk: Option<RiskArg>,
    /// Say in each part why it is there
    #[arg(long)]
    teaching: bool,
    /// Also write the contract's draft and the failing tests
    #[arg(long)]
    scaffold: bool,
    /// The code base, and where the plan goes
    #[arg(long, value_name = "DIR", default_value = ".")]
    code: PathBuf,
    /// The folder of contracts; else `contracts` in factum.toml, else the code base's own
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Whose side wins where you and the plan changed the same lines: stop, mine or theirs
    #[arg(long, value_name = "SIDE", default_value = "stop", hide_possible_values = true)]
    on_conflict: OnConflict,
    /// Write without asking
    #[arg(long)]
    yes: bool,
    /// Print the plan instead of writing it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// Count open, done and stuck boxes of all plans
    Status(status::Args),
    /// Run the tests that plans name, and say which ticked box has none that passes
    Verify(verify::Args),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RiskArg {
    Low,
    Moderate,
    High,
}

impl From<RiskArg> for Risk {
    fn from(risk: RiskArg) -> Self {
        match risk {
            RiskArg::Low => Self::Low,
            RiskArg::Moderate => Self::Moderate,
            RiskArg::High => Self::High,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlicesJson<'a> {
    spec: &'a str,
    form: plan::Form,
    slices: Vec<SliceJson<'a>>,
    skipped: &'a [plan::Skipped],
}

#[derive(Debug, Serialize)]
struct SliceJson<'a> {
    id: &'a str,
    name: &'a str,
    line: usize,
    criteria: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    spec: &'a str,
    slice: &'a str,
    plan: String,
    risk: Risk,
    risk_from: &'a str,
    events: Vec<EventJson>,
    tests: usize,
    skipped: &'a [plan::Skipped],
    dry_run: bool,
    files: &'a [Kept],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    name: String,
    is_new: bool,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match args.command {
        Some(PlanCommand::Status(args)) => return status::run(&args, cx),
        Some(PlanCommand::Verify(args)) => return verify::run(&args, cx),
        None => {}
    }
    let Some(path) = &args.spec else {
        return Err(CliError::usage("which specification is not said").hint(
            "factum plan docs/specs/orders.md --slice 1; `factum plan status` shows the plans that there are",
        ));
    };
    let spec = read(path)?;
    let Some(wanted) = &args.slice else {
        list(&spec, cx)?;
        return Err(
            CliError::usage("which slice is not said: a plan is made for one").hint(hint(&spec, path))
        );
    };
    let Some(slice) = spec.slice(wanted) else {
        let what = format!("{} has no slice {wanted:?}, or more than one of that name", path.display());
        return Err(CliError::unknown(what).hint(hint(&spec, path)));
    };
    let code = codebase::scan(&args.code)
        .map_err(|error| CliError::unreachable(error.to_string()).hint("pass --code DIR"))?;
    let folder = contracts_folder(&args, &code, cx);
    // A folder that was named and is none is a slip; one that is not there yet is how a project begins.
    if let Some(named) = args.contracts.as_deref().filter(|named| !named.is_dir()) {
        return Err(CliError::unreachable(format!("{} is not a folder", named.display()))
            .hint("pass the folder that holds system.yaml, or leave --contracts out to begin without one"));
    }
    let contracts = contracts(&folder)?;
    let inside = folder.strip_prefix(&args.code).unwrap_or(&folder).display().to_string();
    let request = Request {
        spec: &spec,
        slice,
        contracts: &contracts,
        contracts_folder: &inside,
        code: &code,
        risk: args.risk.map(Risk::from),
        is_teaching: args.teaching,
    };
    let plan = plan::plan(request)
        .map_err(|error| CliError::refused(error.to_string().trim_end().to_owned()).hint(error.hint()))?;
    if args.dry_run && !cx.out.is_json() {
        cx.out.raw(plan.document().as_bytes())?;
        return Ok(Done::Clean);
    }
    if !approved(&args, &plan, cx)? {
        return Ok(Done::Findings);
    }
    let mut files = vec![Source::new(plan.path(), plan.document())];
    if args.scaffold {
        files.extend(plan.scaffold());
    }
    let kept = kept::write(&args.code, &files, args.on_conflict, args.dry_run)?;
    report(&plan, &spec, &slice.id, &kept, args.dry_run, cx)
}

fn read(path: &Path) -> Result<Spec, CliError> {
    let cannot = |error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be read: {error}", path.display()))
            .hint("pass a specification: factum plan docs/specs/orders.md --slice 1")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    // One byte over the limit is enough to see that it is passed.
    file.take(SPEC_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    plan::read(&path.display().to_string(), &bytes)
        .map_err(|error| CliError::refused(error.to_string()).hint(error.hint()))
}

fn hint(spec: &Spec, path: &Path) -> String {
    let first = spec.slices.iter().find(|slice| !slice.criteria.is_empty()).or(spec.slices.first());
    let ids: Vec<&str> = spec.slices.iter().map(|slice| slice.id.as_str()).collect();
    format!(
        "known: {}; factum plan {} --slice {}",
        ids.join(", "),
        path.display(),
        first.map_or("1", |slice| slice.id.as_str())
    )
}

fn list(spec: &Spec, cx: &mut Cx<'_>) -> Result<(), CliError> {
    if cx.out.is_json() {
        let slices = spec.slices.iter().map(|slice| SliceJson {
            id: &slice.id,
            name: &slice.name,
            line: slice.line,
            criteria: slice.criteria.len(),
        });
        let json = SlicesJson {
            spec: &spec.path,
            form: spec.form,
            slices: slices.collect(),
            skipped: &spec.skipped,
        };
        cx.out.json(&json)?;
        return Ok(());
    }
    cx.out.line(format!("{} has {}:", spec.path, counted(spec.slices.len() as u64, "slice")))?;
    for slice in &spec.slices {
        let criteria = match slice.criteria.len() {
            0 => "no criteria: nothing to plan yet".to_owned(),
            1 => "1 criterion".to_owned(),
            count => format!("{count} criteria"),
        };
        cx.out.line(printable_line(&format!(
            "  {:<5} {} (line {}, {criteria})",
            slice.id, slice.name, slice.line
        )))?;
    }
    skipped(spec, cx)
}

fn skipped(spec: &Spec, cx: &mut Cx<'_>) -> Result<(), CliError> {
    let paint = cx.out.paint();
    for skipped in &spec.skipped {
        let text = format!("{}:{}: {}; {}", spec.path, skipped.line, skipped.text, skipped.reason);
        cx.out.line(format!("{}: {}", paint.style(Style::Yellow, "not taken"), printable_line(&text)))?;
    }
    Ok(())
}

fn contracts_folder(args: &Args, code: &codebase::Codebase, cx: &Cx<'_>) -> PathBuf {
    let own = code.contracts.as_ref().filter(|_| code.is_catalog);
    cx.settings
        .contracts(args.contracts.as_deref())
        .unwrap_or_else(|| args.code.join(own.map_or("contracts", String::as_str)))
}

fn contracts(folder: &Path) -> Result<Vec<Source>, CliError> {
    match folder::read(folder) {
        Ok(sources) => Ok(sources),
        Err(FolderError::Empty { .. } | FolderError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(CliError::unreachable(error.to_string())),
    }
}

/// At a terminal a person looks first: "looks good", or "adjust".
fn approved(args: &Args, plan: &Plan<'_>, cx: &mut Cx<'_>) -> Result<bool, CliError> {
    if args.yes || args.dry_run || !std::io::stdin().is_terminal() || cx.out.is_json() {
        return Ok(true);
    }
    let events: Vec<String> = plan
        .events()
        .map(|(name, is_new)| if is_new { format!("{name} (new)") } else { name.to_string() })
        .collect();
    let (risk, from) = plan.risk();
    cx.out.error_text(&format!(
        "{}\n  events: {}\n  risk: {} ({from})\n  tests: {}",
        plan.path(),
        events.join(", "),
        risk.as_str(),
        plan.tests()
    ));
    cx.out.error_text("looks good, or adjust? (Enter for looks good)");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::unreachable(format!("the answer cannot be read: {error}")))?;
    let answer = answer.trim().to_lowercase();
    let is_good = answer.is_empty() || ["looks good", "good", "y", "yes", "ok"].contains(&answer.as_str());
    if !is_good {
        cx.out.error_text("nothing was written: change the specification, or pass --risk, --slice or --contracts, and run it again");
    }
    Ok(is_good)
}

fn report(
    plan: &Plan<'_>,
    spec: &Spec,
    slice: &str,
    files: &[Kept],
    is_dry: bool,
    cx: &mut Cx<'_>,
) -> Result<Done, CliError> {
    let stops = files.iter().any(|kept| kept.fate == kept::Fate::Conflict);
    let done = if stops { Done::Findings } else { Done::Clean };
    let (risk, from) = plan.risk();
    if cx.out.is_json() {
        let events = plan.events().map(|(name, is_new)| EventJson { name: name.to_string(), is_new });
        cx.out.json(&Json {
            spec: &spec.path,
            slice,
            plan: plan.path(),
            risk,
            risk_from: from,
            events: events.collect(),
            tests: plan.tests(),
            skipped: &spec.skipped,
            dry_run: is_dry,
            files,
        })?;
        return Ok(done);
    }
    let events: Vec<String> = plan
        .events()
        .map(|(name, is_new)| if is_new { format!("{name} (new)") } else { name.to_string() })
        .collect();
    cx.out.line(format!(
        "slice {slice}: {}; {}; risk {} ({from})",
        events.join(", "),
        counted(plan.tests() as u64, "test"),
        risk.as_str()
    ))?;
    skipped(spec, cx)?;
    kept::report(files, is_dry, cx.out)?;
    if !stops {
        cx.out.line("next: work through it from the top; `factum plan status` counts, `factum plan verify` runs the tests of ticked boxes")?;
    }
    Ok(done)
}

/// Plans below a folder, by path; or the one file that is named.
fn plans(path: &Path) -> Result<Vec<(PathBuf, String)>, CliError> {
    let cannot = |path: &Path, error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be read: {error}", path.display()))
    };
    let text = |path: &Path| std::fs::read_to_string(path).map_err(|error| cannot(path, error));
    if path.is_file() {
        return Ok(vec![(path.to_owned(), text(path)?)]);
    }
    let specs = path.join("docs/specs");
    let folder = if specs.is_dir() { specs } else { path.to_owned() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| cannot(&folder, error))? {
        let entry = entry.map_err(|error| cannot(&folder, error))?.path();
        if entry.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-tdd-plan.md")) {
            let text = text(&entry)?;
            found.push((entry, text));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(CliError::unknown(format!("{} holds no plans", folder.display()))
            .hint("make one: factum plan docs/specs/orders.md --slice 1"));
    }
    Ok(found)
}

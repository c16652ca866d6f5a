//! `factum contract diff`: two contracts, two JSON Schemas, or many pairs of them, compared.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use factum_contract::contract::Policy;
use factum_contract::folder;
use factum_contract::judge::compare::{Advice, ChangeKind, Document, Outcome, mode_of};
use factum_contract::judge::pairs::judge_pairs;
use factum_contract::judge::{Comparison, Mode, Options, compare_schemas, compare_under};
use factum_contract::system::Defaults;
use factum_contract::{Catalog, Source};
use serde::Serialize;

use super::git::{Found, Repository};
use super::{catalog, find, reference};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, printable};

/// Compare two contracts or JSON Schemas, change by change
///
/// Each of OLD and NEW is a file, a file of a git revision (main:contracts/order.placed.v1.yaml), or a version of the
/// catalog (order.placed.v1). Exits 0 when the promise is kept, 1 when it is broken or cannot be decided, 2 when it
/// cannot run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What it was
    #[arg(required_unless_present = "pairs")]
    old: Option<String>,
    /// What it is
    #[arg(required_unless_present = "pairs")]
    new: Option<String>,
    /// Judge many pairs of JSON Schemas: JSON lines {id, old, new} from a file or standard input (-)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["old", "new"])]
    pairs: Option<PathBuf>,
    /// Which way documents travel; else what the new contract promises, and backward for schemas
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeArg>,
    /// Whether readers ignore what they do not know; else as the new contract says, and strict for schemas
    #[arg(long, value_name = "POLICY")]
    policy: Option<PolicyArg>,
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    Backward,
    Forward,
    Full,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PolicyArg {
    Lenient,
    Strict,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Backward => Self::Backward,
            ModeArg::Forward => Self::Forward,
            ModeArg::Full => Self::Full,
        }
    }
}

impl From<PolicyArg> for Policy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Lenient => Self::Lenient,
            PolicyArg::Strict => Self::Strict,
        }
    }
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    mode: Option<Mode>,
    verdict: &'static str,
    #[serde(flatten)]
    comparison: ComparisonJson<'a>,
}

/// A comparison with its verdict for every mode.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonJson<'a> {
    old: &'a str,
    new: &'a str,
    policy: Policy,
    backward: &'a Outcome,
    forward: &'a Outcome,
    full: Outcome,
    advice: Advice,
    changes: Vec<ChangeJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ChangeJson<'a> {
    path: &'a str,
    kind: ChangeKind,
    before: Option<&'a str>,
    after: Option<&'a str>,
    backward: &'a Outcome,
    forward: &'a Outcome,
    full: Outcome,
    note: Option<&'a str>,
}

impl<'a> ComparisonJson<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Self {
        let changes = comparison.changes.iter().map(|change| ChangeJson {
            path: &change.path,
            kind: change.kind,
            before: change.before.as_deref(),
            after: change.after.as_deref(),
            backward: &change.backward,
            forward: &change.forward,
            full: change.outcome(Mode::Full),
            note: change.note.as_deref(),
        });
        Self {
            old: &comparison.old,
            new: &comparison.new,
            policy: comparison.policy,
            backward: &comparison.backward,
            forward: &comparison.forward,
            full: comparison.outcome(Mode::Full),
            advice: comparison.advice,
            changes: changes.collect(),
        }
    }
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if let Some(path) = &args.pairs {
        return pairs(path, &args, cx);
    }
    let (Some(old), Some(new)) = (&args.old, &args.new) else {
        return Err(CliError::usage("two things are compared").hint("factum contract diff OLD NEW"));
    };
    let mut shelf = Shelf { folder: args.contracts.clone(), catalog: None };
    let documents = (shelf.document(old, cx)?, shelf.document(new, cx)?);
    let policy = args.policy.map(Policy::from);
    let (comparison, mode) = match documents {
        (Document::Contract(old), Document::Contract(new)) => {
            let mode = args.mode.map(Mode::from).or_else(|| mode_of(new.compatibility));
            (compare_under(&old, &new, policy.unwrap_or(new.policy)), mode)
        }
        (Document::Schema(from), Document::Schema(to)) => {
            let mode = args.mode.map_or(Mode::Backward, Mode::from);
            let options = Options { policy: policy.unwrap_or(Policy::Strict), ..Options::default() };
            let mut comparison = compare_schemas(&from, &to, mode, options);
            (comparison.old, comparison.new) = (old.clone(), new.clone());
            (comparison, Some(mode))
        }
        _ => {
            return Err(CliError::usage("one is a contract and the other a JSON Schema")
                .hint("compare two of a kind; the schema of a contract stands under its `payload`"));
        }
    };
    print(&comparison, mode, cx)
}

fn print(comparison: &Comparison, mode: Option<Mode>, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let verdict = mode.map_or(Outcome::Compatible, |mode| comparison.outcome(mode));
    let done = if verdict == Outcome::Compatible { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        let comparison = ComparisonJson::of(comparison);
        cx.out.json(&Json { mode, verdict: verdict.as_str(), comparison })?;
        return Ok(done);
    }
    cx.out.line(printable(comparison.to_text().trim_end()))?;
    let style = if done == Done::Clean { Style::Green } else { Style::Red };
    let word = cx.out.paint().style(style, verdict.as_str());
    match mode {
        Some(mode) => cx.out.line(format!("\n{mode}: {word}"))?,
        None => cx.out.line("\nnothing is promised: `compatibility: none`")?,
    }
    Ok(done)
}

/// Where OLD and NEW are looked for; the catalog is read once, and only when it is needed.
struct Shelf {
    folder: Option<PathBuf>,
    catalog: Option<Catalog>,
}

impl Shelf {
    fn folder(&self, cx: &Cx<'_>) -> PathBuf {
        cx.settings.contracts(self.folder.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"))
    }

    fn document(&mut self, what: &str, cx: &Cx<'_>) -> Result<Document, CliError> {
        let path = Path::new(what);
        if path.is_dir() {
            return Err(CliError::usage(format!("{what} is a folder"))
                .hint(format!("name a file in it, or `factum contract check --against {what}`")));
        }
        let source = if path.is_file() {
            reference::file(path)?
        } else if let Some((revision, path)) = what.split_once(':') {
            of_git(revision, path)?
        } else if what.contains(['/', '\\']) || folder::is_catalog_file(what) {
            return Err(CliError::unreachable(format!("there is no file {what}")));
        } else {
            return self.of_catalog(what, cx);
        };
        Document::read(&source, &self.defaults(cx)).map_err(|error| {
            let shown: String = error.findings.iter().take(3).map(ToString::to_string).collect();
            CliError::refused(format!("{what} cannot be read:\n{}", shown.trim_end()))
        })
    }

    /// A contract by itself says nothing of its system; the catalog beside it does, when there is one.
    fn defaults(&self, cx: &Cx<'_>) -> Defaults {
        let sources = folder::read(&self.folder(cx)).unwrap_or_default();
        Catalog::read(&sources).map(|catalog| catalog.system.defaults).unwrap_or_default()
    }

    fn of_catalog(&mut self, label: &str, cx: &Cx<'_>) -> Result<Document, CliError> {
        let catalog = match self.catalog.take() {
            Some(catalog) => catalog,
            None => catalog(&self.folder(cx))?,
        };
        let found = find(label, &catalog).map(|contract| Document::Contract(Box::new(contract.clone())));
        self.catalog = Some(catalog);
        found
    }
}

fn of_git(revision: &str, path: &str) -> Result<Source, CliError> {
    let repository = Repository::around(Path::new("."))?;
    repository.verify(revision)?;
    match repository.read(revision, Some(path))? {
        Found::Files(mut sources) if sources.len() == 1 => Ok(sources.remove(0)),
        Found::Files(_) => {
            Err(CliError::usage(format!("{path} is a folder in {revision}")).hint("name a file in it"))
        }
        Found::Nothing => Err(CliError::unreachable(format!("{revision} has no {path}"))
            .hint("the path counts from the repository's root")),
    }
}

/// Most bytes of pairs at once: they are judged in memory.
const PAIRS_BYTES_MAX: u64 = 256 * 1024 * 1024;

fn pairs(path: &Path, args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let shown = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let cannot = |error: std::io::Error| CliError::unreachable(format!("{shown} cannot be read: {error}"));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(PAIRS_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).map_err(cannot)?.take(PAIRS_BYTES_MAX).read_to_string(&mut text)
    };
    if read.map_err(cannot)? as u64 == PAIRS_BYTES_MAX {
        return Err(CliError::refused(format!("{shown} is over 256 MiB")).hint("split it"));
    }
    let mode = args.mode.map_or(Mode::Backward, Mode::from);
    let policy = args.policy.map_or(Policy::Strict, Policy::from);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let verdicts = judge_pairs(text, mode, Options { policy, ..Options::default() }).map_err(|error| {
        CliError::refused(format!("{shown} {error}")).hint("a line is {\"id\": …, \"old\": …, \"new\": …}")
    })?;
    let mut done = Done::Clean;
    for verdict in &verdicts {
        if verdict.verdict != Outcome::Compatible.as_str() {
            done = Done::Findings;
        }
        cx.out.json_line(verdict)?;
    }
    Ok(done)
}

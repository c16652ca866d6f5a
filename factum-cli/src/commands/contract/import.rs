//! `factum contract import`: contracts from a document of another tool, and a line for each thing that did not fit.
//!
//! Nothing is overwritten: contracts are written by people, and a second import would undo what they changed.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use factum_contract::import::{self, DOCUMENT_BYTES_MAX, Imported, Note, NoteKind};
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, printable_line};

/// Read contracts from a document of another tool
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// AsyncAPI 2.6 or 3, in YAML or JSON
    ///
    /// Every message becomes a contract version, every operation what a service sends or a consumer takes. What
    /// contracts cannot say is listed with its place and reason. References into other files are not followed.
    Asyncapi {
        /// The document
        file: PathBuf,
        /// Where to: a folder without contracts, made when it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    file: String,
    version: &'a str,
    out: String,
    contracts: &'a [String],
    files: Vec<&'a str>,
    lost: usize,
    changed: usize,
    notes: &'a [Note],
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let From::Asyncapi { file, out } = args.from;
    let name = file.display().to_string();
    let bytes = read(&file)?;
    let imported = import::asyncapi(&name, &bytes)
        .map_err(|error| CliError::refused(error.to_string().trim_end().to_owned()).hint(error.hint()))?;
    if !imported.contracts.is_empty() {
        write(&imported, &out)?;
    }
    report(&imported, &name, &out, cx)
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let cannot = |error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be read: {error}", file.display()))
            .hint("pass an AsyncAPI document: factum contract import asyncapi asyncapi.yaml --out contracts")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(file).map_err(cannot)?;
    // One byte over the limit is enough to see that it is passed.
    file.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// Writes every file, or none.
fn write(imported: &Imported, out: &Path) -> Result<(), CliError> {
    let io = |what: &Path, error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be written: {error}", what.display()))
    };
    std::fs::create_dir_all(out).map_err(|error| io(out, error))?;
    for entry in std::fs::read_dir(out).map_err(|error| io(out, error))? {
        let entry = entry.map_err(|error| io(out, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_contract = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
        if is_contract {
            let what = format!("{} holds {name} already, and nothing is overwritten", out.display());
            return Err(CliError::refused(what)
                .hint("import into a folder of its own, then move over what you want to keep"));
        }
    }
    for source in &imported.files {
        let path = out.join(&source.name);
        std::fs::write(&path, &source.text).map_err(|error| io(&path, error))?;
    }
    Ok(())
}

fn report(imported: &Imported, name: &str, out: &Path, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let done = if imported.contracts.is_empty() { Done::Findings } else { Done::Clean };
    let count = |kind: NoteKind| imported.notes.iter().filter(|note| note.kind == kind).count();
    let (lost, changed) = (count(NoteKind::Lost), count(NoteKind::Changed));
    let written = if imported.contracts.is_empty() { &[][..] } else { &imported.files[..] };
    if cx.out.is_json() {
        cx.out.json(&Json {
            file: name.to_owned(),
            version: &imported.version,
            out: out.display().to_string(),
            contracts: &imported.contracts,
            files: written.iter().map(|source| source.name.as_str()).collect(),
            lost,
            changed,
            notes: &imported.notes,
        })?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    for note in &imported.notes {
        let word = match note.kind {
            NoteKind::Lost => paint.style(Style::Yellow, "lost"),
            NoteKind::Changed => paint.style(Style::Cyan, "changed"),
        };
        let path = if note.path.is_empty() { "/" } else { &note.path };
        let place = format!("{name}:{}:{}", note.line, note.column);
        let text = printable_line(&format!("{place}: {path}: {}", note.reason));
        cx.out.line(format!("{word}: {text}"))?;
    }
    for source in written {
        cx.out.line(format!("wrote {}/{}", out.display(), source.name))?;
    }
    let contracts = counted(imported.contracts.len() as u64, "contract");
    let sum = format!("{contracts} from AsyncAPI {}; {lost} lost, {changed} changed", imported.version);
    match done {
        Done::Clean => cx.out.line(paint.style(Style::Green, &sum))?,
        Done::Findings => cx.out.line(format!("{}; nothing was written", paint.style(Style::Red, &sum)))?,
    }
    Ok(done)
}

//! `factum design`: from the words on the wall to contracts and an architecture document.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use factum_architect::codebase;
use factum_architect::design::{self, Design, DesignError, TEXT_BYTES_MAX};
use factum_contract::Source;
use serde::Serialize;

use super::kept::{self, Kept, OnConflict};
use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, printable_line};

mod interview;

/// From an event-storming text to contracts and an architecture document
///
/// One fact a line, as on the wall: "Orders: place order -> order.placed [orderId]", "Payments: on order.placed ->
/// payment.approved | payment.declined ; calls psp-http-api". Bullets, headings, other arrows and prose around are fine. What
/// the text does not say becomes a numbered open question. Without a file, at a terminal, it asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The text, as a file or `-` for standard input; or the words themselves
    #[arg(value_name = "FILE|WORDS")]
    what: Vec<String>,
    /// Where contracts/ and docs/architecture/ go
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Begin with the code of a folder: who says and takes which event now
    #[arg(long, value_name = "DIR", conflicts_with_all = ["what", "from_asyncapi"])]
    from_code: Option<PathBuf>,
    /// Begin with an AsyncAPI document
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    from_asyncapi: Option<PathBuf>,
    /// Whose side wins where you and the design changed the same lines: stop, mine or theirs
    #[arg(long, value_name = "SIDE", default_value = "stop", hide_possible_values = true)]
    on_conflict: OnConflict,
    /// Ask also where standard input is no terminal
    #[arg(long)]
    ask: bool,
    /// Show what would be written
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    system: &'a str,
    source: &'a str,
    dry_run: bool,
    coordination: &'a design::Coordination,
    carrier: &'a design::Advice,
    overkill: &'a [String],
    direct: &'a [design::Said],
    questions: &'a [design::Question],
    prose: &'a [design::Said],
    unread: &'a [design::Unread],
    notes: &'a [String],
    files: &'a [Kept],
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (design, text) = designed(&args, cx)?;
    let mut files = design.outputs();
    files.extend(text);
    let kept = kept::write(&args.out, &files, args.on_conflict, args.dry_run)?;
    report(&design, &kept, &args, cx)
}

/// The design, and a text that was made on the way and is worth keeping.
fn designed(args: &Args, cx: &mut Cx<'_>) -> Result<(Design, Option<Source>), CliError> {
    if let Some(folder) = &args.from_code {
        let code = codebase::scan(folder).map_err(|error| {
            CliError::unreachable(error.to_string()).hint("pass a folder with source code")
        })?;
        let name = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        let name =
            name.file_name().map_or_else(|| "system".to_owned(), |name| name.to_string_lossy().into_owned());
        if code.uses.is_empty() {
            let what = format!(
                "no event was found in {} ({} read)",
                folder.display(),
                counted(code.files as u64, "file")
            );
            return Err(CliError::refused(what).hint("design from words instead: factum design wall.txt"));
        }
        let (text, design) = design::from_code(&name, &code).map_err(refused)?;
        let kept = Source::new(format!("docs/architecture/{}.storm.txt", design.system), text);
        return Ok((design, Some(kept)));
    }
    if let Some(file) = &args.from_asyncapi {
        let bytes = read(file, factum_contract::import::DOCUMENT_BYTES_MAX)?;
        return Ok((design::from_asyncapi(&file.display().to_string(), &bytes).map_err(refused)?, None));
    }
    let is_asked = args.ask || (args.what.is_empty() && std::io::stdin().is_terminal());
    if is_asked {
        let text = interview::ask(std::io::stdin().lock(), cx.out)?;
        let design = design::from_text("the interview", text.as_bytes()).map_err(refused)?;
        let kept = Source::new(format!("docs/architecture/{}.storm.txt", design.system), text);
        return Ok((design, Some(kept)));
    }
    let (name, bytes) = words(&args.what)?;
    Ok((design::from_text(&name, &bytes).map_err(refused)?, None))
}

/// A file, standard input, or the words themselves.
fn words(what: &[String]) -> Result<(String, Vec<u8>), CliError> {
    let form = "pass a file (factum design wall.txt), `-`, or the words: factum design \"Orders: place order -> order.placed\"";
    match what {
        [] => Err(CliError::usage("there is nothing to design from").hint(form)),
        [dash] if dash == "-" => {
            let mut bytes = Vec::new();
            let limit = TEXT_BYTES_MAX as u64 + 1;
            std::io::stdin()
                .take(limit)
                .read_to_end(&mut bytes)
                .map_err(|error| CliError::unreachable(format!("standard input cannot be read: {error}")))?;
            Ok(("standard input".to_owned(), bytes))
        }
        [folder] if Path::new(folder).is_dir() => {
            let hint = format!(
                "pass the text; what is in the code of a folder is drawn by: factum design --from-code {folder}"
            );
            Err(CliError::refused(format!("{folder} is a folder")).hint(hint))
        }
        [file] if Path::new(file).exists() => Ok((file.clone(), read(Path::new(file), TEXT_BYTES_MAX)?)),
        [file] if !file.contains(char::is_whitespace) => {
            Err(CliError::unreachable(format!("{file} is not there")).hint(form))
        }
        words => Ok(("the command line".to_owned(), words.join(" ").replace("\\n", "\n").into_bytes())),
    }
}

fn read(file: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let cannot = |error: std::io::Error| {
        CliError::unreachable(format!("{} cannot be read: {error}", file.display()))
            .hint("pass a file that is there and may be read")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(file).map_err(cannot)?;
    // One byte over the limit is enough to see that it is passed.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

fn refused(error: DesignError) -> CliError {
    let mut what = error.to_string();
    if let DesignError::Nothing { unread, .. } = &error {
        for line in unread.iter().take(5) {
            what.push_str(&format!("\n  line {}: {}: {}", line.line, line.text, line.reason));
        }
    }
    CliError::refused(what.trim_end().to_owned()).hint(error.hint())
}

fn report(design: &Design, files: &[Kept], args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let stops = files.iter().any(|kept| kept.fate == kept::Fate::Conflict);
    let done = if stops { Done::Findings } else { Done::Clean };
    if cx.out.is_json() {
        cx.out.json(&Json {
            system: &design.system,
            source: &design.source,
            dry_run: args.dry_run,
            coordination: &design.coordination,
            carrier: &design.advice,
            overkill: &design.fit.overkill,
            direct: &design.fit.direct,
            questions: &design.questions,
            prose: &design.storm.prose,
            unread: &design.storm.unread,
            notes: &design.notes,
            files,
        })?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    let system = &design.catalog.system;
    cx.out.line(format!(
        "{}: {}, {}, {}, {}",
        paint.style(Style::Bold, &design.system),
        counted(system.services.len() as u64, "service"),
        counted(design.catalog.latest().count() as u64, "contract"),
        counted(system.consumers.len() as u64, "consumer"),
        counted(system.sagas.len() as u64, "saga"),
    ))?;
    cx.out.line(format!("{}: {}", design.coordination.style.as_str(), design.coordination.why))?;
    cx.out.line(format!("carried by {}", design.advice.carrier.as_str()))?;
    for why in &design.fit.overkill {
        cx.out.line(format!(
            "{}: {}",
            paint.style(Style::Yellow, "more than it needs"),
            printable_line(why)
        ))?;
    }
    for said in &design.fit.direct {
        let text = format!("line {}: {}", said.line, said.text);
        cx.out.line(format!(
            "{}: {}; somebody waits for the answer, and an event has none",
            paint.style(Style::Yellow, "stays a call"),
            printable_line(&text)
        ))?;
    }
    for unread in &design.storm.unread {
        let text = format!("line {}: {}: {}", unread.line, unread.text, unread.reason);
        cx.out.line(format!(
            "{}: {}",
            paint.style(Style::Yellow, "not understood"),
            printable_line(&text)
        ))?;
    }
    for note in &design.notes {
        cx.out.line(format!("{}: {}", paint.style(Style::Yellow, "not carried"), printable_line(note)))?;
    }
    if !design.questions.is_empty() {
        cx.out.line(format!("\n{}:", counted(design.questions.len() as u64, "open question")))?;
        for question in &design.questions {
            cx.out.line(format!("{:>3}. {}", question.number, printable_line(&question.text)))?;
        }
    }
    cx.out.line("")?;
    kept::report(files, args.dry_run, cx.out)?;
    if !stops && !args.dry_run {
        let contracts = args.out.join("contracts");
        let contracts = contracts.strip_prefix(".").unwrap_or(&contracts);
        let first = if design.questions.is_empty() {
            ""
        } else {
            "answer the questions in the text and run it again, then "
        };
        cx.out.line(format!("next: {first}`factum contract check {}`", contracts.display()))?;
    }
    Ok(done)
}

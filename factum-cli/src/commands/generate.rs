//! `factum generate`: code, documents, drawings and pages from contracts, written or compared.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use factum_contract::generate::asyncapi::{self, Format, Server};
use factum_contract::generate::rust::{self, Options};
use factum_contract::generate::{BadExample, Generated, Stale, StaleKind, WriteError};
use factum_contract::generate::{cloudevents, docs, json_schema, mermaid, python, typescript};
use factum_contract::{Catalog, Source, check_one};
use serde::Serialize;

use super::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::{Style, counted};

/// Generate code, documents, drawings and pages from contracts
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    /// Rust: a module per category, meant to be committed
    Rust {
        #[command(flatten)]
        from: From,
        /// Where to, such as src
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
        /// Name of the root module
        #[arg(long, value_name = "NAME", default_value_t = Options::default().module)]
        module: String,
        /// Path of what generated code stands on
        #[arg(long, value_name = "PATH", default_value_t = Options::default().root)]
        root: String,
    },
    /// TypeScript: types, creators and checks, in a folder of their own
    Typescript(Own),
    /// Python: Pydantic models with the same checks, as a package of their own
    Python(Own),
    /// AsyncAPI 3.1: the whole system as one document
    Asyncapi {
        #[command(flatten)]
        from: From,
        /// Where to: a folder, or a file that ends in .yaml, .yml or .json
        #[arg(long, short, value_name = "DIR|FILE")]
        out: PathBuf,
        /// How it is written; else by the ending of the file
        #[arg(long, value_name = "FORMAT")]
        format: Option<Written>,
        /// Version of the document
        #[arg(long, value_name = "VERSION", default_value_t = asyncapi::Options::default().version)]
        document_version: String,
        /// A broker, such as nats://broker.example:4222; may be repeated
        #[arg(long, value_name = "URL")]
        server: Vec<String>,
        /// A page of those to ask; else the first that a team has as its contact
        #[arg(long, value_name = "URL")]
        contact_url: Option<String>,
        /// An e-mail address of those to ask; else the first that a team has as its contact
        #[arg(long, value_name = "ADDRESS")]
        contact_email: Option<String>,
        /// Licence under which the interface may be used
        #[arg(long, value_name = "NAME")]
        license: Option<String>,
    },
    /// JSON Schema 2020-12: a document per contract version
    JsonSchema(Plain),
    /// CloudEvents: every example as it travels, in structured mode
    Cloudevents(Plain),
    /// Mermaid: context map, event flow, sagas, streams
    Mermaid(Plain),
    /// Pages for people: a static HTML catalog with search, diagrams and differences of versions
    Docs {
        #[command(flatten)]
        from: From,
        /// Where to: a folder of its own, made when it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// What every target is given.
#[derive(Debug, clap::Args)]
struct From {
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// One file with several events, in place of a folder
    #[arg(long, short, value_name = "FILE", conflicts_with = "contracts")]
    input: Option<PathBuf>,
    /// Only compare; exit 1 when something is not as generated
    #[arg(long)]
    check: bool,
}

/// A target that has nothing to choose.
#[derive(Debug, clap::Args)]
struct Plain {
    #[command(flatten)]
    from: From,
    /// Where to; the files get a folder of their own in it
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// A target whose files fill a folder.
#[derive(Debug, clap::Args)]
struct Own {
    #[command(flatten)]
    from: From,
    /// Where to: a folder that holds nothing else, made when it is not there
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    Yaml,
    Json,
}

/// Most files that are named one by one; `--json` names all.
const NAMED_MAX: usize = 10;

#[derive(Debug, Serialize)]
struct Json {
    out: String,
    checked: bool,
    files: Vec<String>,
    changed: Vec<String>,
    stale: Vec<Stale>,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match args.target {
        Target::Rust { from, out, module, root } => {
            let catalog = catalog(&from, cx)?;
            let generated = rust::generate(&catalog, &Options { module, root }).map_err(|error| {
                CliError::refused(error.to_string())
                    .hint("rename the contract, or choose another --module or --root")
            })?;
            finish(&generated, &out, from.check, cx)
        }
        Target::Asyncapi {
            from,
            out,
            format,
            document_version,
            server,
            contact_url,
            contact_email,
            license,
        } => {
            let (out, file, format) = place(&out, format)?;
            let servers = server.iter().map(|url| server_of(url)).collect::<Result<_, _>>()?;
            let version = document_version;
            let options =
                asyncapi::Options { file, format, version, servers, contact_url, contact_email, license };
            options.check().map_err(|error| {
                CliError::usage(error.to_string())
                    .hint("`factum generate asyncapi --help` says what each flag is")
            })?;
            let catalog = catalog(&from, cx)?;
            let generated =
                asyncapi::generate(&catalog, &options).map_err(|error| bad_example(&error, &from, cx))?;
            finish(&generated, &out, from.check, cx)
        }
        Target::Typescript(Own { from, out }) => {
            let generated = typescript::generate(&catalog(&from, cx)?).map_err(|error| {
                CliError::refused(error.to_string())
                    .hint("change the contract; other languages must carry it too")
            })?;
            finish(&generated, &out, from.check, cx)
        }
        Target::Python(Own { from, out }) => {
            let generated = python::generate(&catalog(&from, cx)?)
                .map_err(|error| CliError::refused(error.to_string()).hint("rename one of the contracts"))?;
            finish(&generated, &out, from.check, cx)
        }
        Target::JsonSchema(Plain { from, out }) => {
            let generated = json_schema::generate(&catalog(&from, cx)?)
                .map_err(|error| bad_example(&error, &from, cx))?;
            finish(&generated, &out, from.check, cx)
        }
        Target::Cloudevents(Plain { from, out }) => {
            let generated = cloudevents::generate(&catalog(&from, cx)?)
                .map_err(|error| bad_example(&error, &from, cx))?;
            finish(&generated, &out, from.check, cx)
        }
        Target::Mermaid(Plain { from, out }) => {
            finish(&mermaid::generate(&catalog(&from, cx)?), &out, from.check, cx)
        }
        Target::Docs { from, out } => {
            let generated = docs::generate(&catalog(&from, cx)?);
            docs::claim(&out).map_err(|error| not_written(&error))?;
            // A site has a folder of its own, which is made; others write into one that is there.
            if from.check { compare(&generated, &out, cx) } else { write(&generated, &out, cx) }
        }
    }
}

fn folder(from: &From, cx: &Cx<'_>) -> PathBuf {
    cx.settings.contracts(from.contracts.as_deref()).unwrap_or_else(|| PathBuf::from("contracts"))
}

fn catalog(from: &From, cx: &Cx<'_>) -> Result<Catalog, CliError> {
    let Some(path) = &from.input else { return contract::catalog(&folder(from, cx)) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::unreachable(format!("{} cannot be read: {error}", path.display()))
            .hint("pass a file that lists events: --input FILE")
    })?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    contract::usable(check_one(&Source::new(name, text)))
}

fn bad_example(error: &BadExample, from: &From, cx: &Cx<'_>) -> CliError {
    CliError::refused(error.to_string())
        .hint(format!("`factum contract check {}` shows the line", folder(from, cx).display()))
}

/// Where a document goes: a file of this name, or one of ours in this folder.
fn place(out: &Path, format: Option<Written>) -> Result<(PathBuf, String, Format), CliError> {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let of_file = match ending {
        "yaml" | "yml" => Some(Written::Yaml),
        "json" => Some(Written::Json),
        _ => None,
    };
    let written = format.or(of_file).unwrap_or(Written::Yaml);
    if of_file.is_some_and(|of_file| of_file != written) {
        let name = if written == Written::Json { "json" } else { "yaml" };
        return Err(CliError::usage(format!("{} does not end in .{name}", out.display()))
            .hint("leave out --format, or give the file the ending that goes with it"));
    }
    let (word, format) = match written {
        Written::Yaml => ("yaml", Format::Yaml),
        Written::Json => ("json", Format::Json),
    };
    if of_file.is_none() {
        return Ok((out.to_owned(), format!("asyncapi.{word}"), format));
    }
    let name = out.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| CliError::usage(format!("{} has no usable name", out.display())))?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")).to_owned(), name.to_owned(), format))
}

fn server_of(url: &str) -> Result<Server, CliError> {
    url.parse().map_err(|error: asyncapi::ServerError| {
        CliError::usage(format!("--server: {error}")).hint("such as --server nats://broker.example:4222")
    })
}

/// Compares, or writes into a folder that is there, and says what came of it.
fn finish(generated: &Generated, out: &Path, check: bool, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if check {
        return compare(generated, out, cx);
    }
    if generated.owns_folder && !out.exists() {
        std::fs::create_dir_all(out)
            .map_err(|error| CliError::unreachable(format!("{} cannot be made: {error}", out.display())))?;
    }
    if !out.is_dir() {
        return Err(CliError::unreachable(format!("{} is not a folder", out.display()))
            .hint("create it, or pass another --out"));
    }
    write(generated, out, cx)
}

fn compare(generated: &Generated, out: &Path, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let shown = out.display().to_string();
    let stale = generated
        .stale(out)
        .map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
    report(cx, Json { out: shown, checked: true, files: paths(generated), changed: Vec::new(), stale })
}

fn write(generated: &Generated, out: &Path, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let shown = out.display().to_string();
    let changed = generated.write(out).map_err(|error| not_written(&error))?;
    report(cx, Json { out: shown, checked: false, files: paths(generated), changed, stale: Vec::new() })
}

fn paths(generated: &Generated) -> Vec<String> {
    generated.files.iter().map(|file| file.path.clone()).collect()
}

fn not_written(error: &WriteError) -> CliError {
    match error {
        WriteError::Io { source, .. } => CliError::unreachable(format!("{error}: {source}")),
        WriteError::NotOurs { .. } | WriteError::Outside { .. } => {
            CliError::refused(error.to_string()).hint("move the file away, or choose another --out")
        }
        WriteError::Taken { .. } => {
            CliError::refused(error.to_string()).hint("choose another --out, a folder of its own")
        }
    }
}

fn report(cx: &mut Cx<'_>, json: Json) -> Result<Done, CliError> {
    let done = if json.stale.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&json)?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    let all = counted(json.files.len() as u64, "file");
    for stale in json.stale.iter().take(NAMED_MAX) {
        let why = match stale.why {
            StaleKind::Missing => "is missing",
            StaleKind::Different => "is not as generated",
            StaleKind::Leftover => "is generated no more",
        };
        cx.out.line(format!("{}: {}/{} {why}", paint.style(Style::Red, "stale"), json.out, stale.path))?;
    }
    for path in json.changed.iter().take(NAMED_MAX) {
        cx.out.line(format!("wrote {}/{path}", json.out))?;
    }
    let unnamed = (json.stale.len() + json.changed.len()).saturating_sub(NAMED_MAX);
    if unnamed > 0 {
        cx.out.line(paint.style(Style::Dim, &format!("… and {unnamed} more")))?;
    }
    match (json.checked, json.stale.len(), json.changed.len()) {
        (true, 0, _) => cx.out.line(format!("{}: {all}", paint.style(Style::Green, "fresh")))?,
        (true, stale, _) => {
            cx.out.line(format!("{stale} of {all} not fresh; run the same without --check"))?
        }
        (false, _, 0) => cx.out.line(format!("{all}, all as they were"))?,
        (false, _, changed) => cx.out.line(format!("{all}, {changed} changed"))?,
    }
    Ok(done)
}

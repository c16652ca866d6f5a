//! `factum publish`: events from JSON, checked against their contracts, all before the first is appended.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use factum_contract::Contracts;
use factum_core::{Envelope, Gate as _};
use factum_runtime::{Admin, ring};
use serde::Serialize;

use super::{Cx, Done, contract};
use crate::error::CliError;
use crate::output::{Style, counted, printable_line};
use crate::reveal::KeysArgs;
use crate::{reach, shown};

mod read;

use read::Incoming;

/// Append events from JSON, checked against their contracts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "An event is {\"type\": \"order.placed\", \"data\": {…}}; besides, as in CloudEvents: id, subject, time,\n\
    correlation, causation, actor, traceparent, version. One object, an array, or one object a line."
)]
pub(crate) struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    /// The folder of contracts; else `contracts` in factum.toml
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Larger input is split by its writer.
const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Events that share a unit of work.
const CHUNK: usize = 500;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    dry_run: bool,
    published: usize,
    known: usize,
    events: Vec<PublishedJson>,
    breaches: Vec<BreachJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishedJson {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    contract_version: u32,
    stream: String,
    version: Option<u64>,
    position: Option<u64>,
    known: bool,
}

/// An event that was refused: which, where in its payload, by which rule.
#[derive(Debug, Serialize)]
struct BreachJson {
    event: usize,
    line: usize,
    #[serde(rename = "type")]
    event_type: String,
    path: String,
    rule: String,
    message: String,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let folder = cx.settings.contracts(args.contracts.as_deref()).ok_or_else(|| {
        CliError::usage("which contracts hold is not said")
            .hint("pass --contracts DIR, or write `contracts = \"…\"` in factum.toml")
    })?;
    let mut contracts = contract::compiled(&folder)?;
    if !contracts.personal().is_empty() && !args.dry_run {
        contracts = contracts.keys(args.keys.ring(&cx.settings)?);
    }
    let contracts = Arc::new(contracts);
    let text = input(&args)?;
    let incoming = read::events(&text)?;
    let opened = reach::open_with(&cx.settings, contracts.clone())?;
    ring::bind(opened.store.as_ref()).await?;
    let admin = Admin::new(opened.store);
    let mut envelopes = Vec::new();
    let mut breaches = Vec::new();
    for (index, one) in incoming.iter().enumerate() {
        match envelope(one, &contracts) {
            Ok(envelope) => envelopes.push(envelope),
            Err(breach) => breaches.push(BreachJson { event: index + 1, line: one.line, ..breach }),
        }
    }
    if !breaches.is_empty() {
        return refuse(cx, breaches, args.dry_run);
    }
    let mut events: Vec<PublishedJson> = envelopes.iter().map(published).collect::<Result<_, _>>()?;
    if !args.dry_run {
        append(&admin, cx, envelopes, &mut events).await?;
    }
    report(cx, events, args.dry_run)
}

fn input(args: &Args) -> Result<String, CliError> {
    let is_stdin = args.file.as_os_str() == "-";
    let shown = if is_stdin { "standard input".to_owned() } else { args.file.display().to_string() };
    let mut text = String::new();
    let read = if is_stdin {
        std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(&args.file)
            .and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let size = read.map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
    if size as u64 > INPUT_BYTES_MAX {
        return Err(CliError::refused(format!("{shown} is over 256 MiB")).hint("split it into smaller files"));
    }
    Ok(text)
}

/// The event as it will be recorded, or the rule that it breaks.
fn envelope(incoming: &Incoming<'_>, contracts: &Contracts) -> Result<Envelope, BreachJson> {
    let breach = |path: &str, rule: &str, message: String| BreachJson {
        event: 0,
        line: 0,
        event_type: incoming.name.clone(),
        path: path.to_owned(),
        rule: rule.to_owned(),
        message,
    };
    let refused =
        |found: factum_core::Breach| breach(&format!("/data{}", found.path), &found.rule, found.message);
    let catalog = contracts.catalog();
    let newest = contracts.newest(&incoming.name).map(|newest| newest.version);
    let version = incoming.version.or(newest);
    let Some(found) = version.and_then(|version| catalog.contract(&incoming.name, version)) else {
        let names = catalog.names().map(factum_core::EventName::as_str);
        let near = crate::suggest::nearest(&incoming.name, names).unwrap_or_default();
        let what = match (newest, incoming.version) {
            (Some(newest), Some(version)) => format!("has no version {version}; the newest is {newest}"),
            _ => format!("has no contract; {near}"),
        };
        return Err(breach("/type", "unknown-contract", what));
    };
    let event_type = found.event_type();
    let data = factum_core::Bytes::copy_from_slice(incoming.data.get().as_bytes());
    let key = contracts.check(&event_type, &data).map_err(refused)?.key.into_owned();
    let key =
        key.try_into().map_err(|error: factum_core::NameError| breach("/data", "key", error.to_string()))?;
    let tags = contracts.tags(&event_type, &data).map_err(refused)?;
    let mut envelope = Envelope { tags, ..Envelope::raw(event_type, key, data) };
    let name = |path: &'static str| move |message: String| breach(path, "grammar", message);
    incoming.dress(&mut envelope).map_err(|(path, message)| name(path)(message))?;
    contracts.admit(&envelope).map_err(refused)?;
    Ok(envelope)
}

fn published(envelope: &Envelope) -> Result<PublishedJson, CliError> {
    let stream = envelope.stream().map_err(|error| CliError::refused(error.to_string()))?;
    Ok(PublishedJson {
        id: envelope.id.to_string(),
        event_type: envelope.event_type.name.to_string(),
        contract_version: envelope.event_type.version,
        stream: stream.to_string(),
        version: None,
        position: None,
        known: false,
    })
}

async fn append(
    admin: &Admin,
    cx: &Cx<'_>,
    mut envelopes: Vec<Envelope>,
    events: &mut [PublishedJson],
) -> Result<(), CliError> {
    let total = events.len() as u64;
    let mut bar = cx.out.bar("publishing");
    let mut done = 0;
    while !envelopes.is_empty() {
        let rest = envelopes.split_off(CHUNK.min(envelopes.len()));
        let places = admin.publish_all(std::mem::replace(&mut envelopes, rest)).await.map_err(|error| {
            let mut error = CliError::from(error);
            if done > 0 {
                error.what = format!("{} (the first {done} of {total} events are recorded)", error.what);
            }
            error
        })?;
        for (event, place) in events[done..].iter_mut().zip(places) {
            event.version = Some(place.version.number());
            event.position = Some(place.position.number());
            event.known = place.known;
            done += 1;
        }
        bar.at(done as u64, total);
    }
    Ok(())
}

fn refuse(cx: &mut Cx<'_>, breaches: Vec<BreachJson>, dry_run: bool) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&Json { dry_run, published: 0, known: 0, events: Vec::new(), breaches })?;
        return Ok(Done::Findings);
    }
    let paint = cx.out.paint();
    for breach in &breaches {
        let BreachJson { event, line, event_type, path, rule, message } = breach;
        let head = paint.style(Style::Red, "refused");
        let text = format!("event {event} (line {line}), {event_type} at {path}: {message} [{rule}]");
        cx.out.line(format!("{head}: {}", printable_line(&text)))?;
    }
    cx.out.line(format!("nothing was published: {}", counted(breaches.len() as u64, "refused event")))?;
    Ok(Done::Findings)
}

fn report(cx: &mut Cx<'_>, events: Vec<PublishedJson>, dry_run: bool) -> Result<Done, CliError> {
    let known = events.iter().filter(|event| event.known).count();
    let published = if dry_run { 0 } else { events.len() - known };
    if cx.out.is_json() {
        cx.out.json(&Json { dry_run, published, known, events, breaches: Vec::new() })?;
        return Ok(Done::Clean);
    }
    for event in events.iter().take(shown::LISTED_MAX) {
        let place = event.position.map(|at| format!("  @{at}")).unwrap_or_default();
        let note = if event.known { "  already recorded" } else { "" };
        cx.out.line(printable_line(&format!(
            "{}.v{}  {}{place}{note}",
            event.event_type, event.contract_version, event.stream
        )))?;
    }
    if events.len() > shown::LISTED_MAX {
        cx.out.line(format!("… and {} more", events.len() - shown::LISTED_MAX))?;
    }
    let rest = if known == 0 { String::new() } else { format!("; {known} already recorded") };
    match dry_run {
        true => cx.out.line(format!(
            "{} keep their contracts and would be published",
            counted(events.len() as u64, "event")
        ))?,
        false => cx.out.line(format!("{} published{rest}", counted(published as u64, "event")))?,
    }
    Ok(Done::Clean)
}

//! `factum dlq requeue` and `factum dlq discard`: the two ways out.
//!
//! Both take letters by id, group or consumer; all of them only with `--all`. Asking twice changes nothing more.

use factum_core::ConsumerName;
use factum_runtime::Admin;
use factum_runtime::admin::{Letter, Which};
use serde::Serialize;

use super::{Kind, letter, matching, noun};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{counted, printable_line};

/// Which letters.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
struct Selection {
    /// Letters, or their events' ids
    #[arg(group = "which", conflicts_with_all = ["consumer", "fingerprint", "all"])]
    ids: Vec<String>,
    /// Of this consumer
    #[arg(long, value_name = "NAME", group = "which")]
    consumer: Option<ConsumerName>,
    /// Of this group: the start of its fingerprint
    #[arg(id = "fingerprint", long = "group", value_name = "FINGERPRINT", group = "which")]
    fingerprint: Option<String>,
    /// All there are
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    kind: Kind,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Put letters back in front of their key, to be tried at once
#[derive(Debug, clap::Args)]
pub(super) struct RequeueArgs {
    #[command(flatten)]
    selection: Selection,
}

/// Let letters go
#[derive(Debug, clap::Args)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    why: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequeueJson<'a> {
    dry_run: bool,
    request: Option<String>,
    requeued: u64,
    already_queued: u64,
    letters: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DiscardJson<'a> {
    dry_run: bool,
    discarded: usize,
    letters: Vec<&'a str>,
}

/// Letters that were asked for, and how many others of the same choice wait already.
async fn chosen(selection: &Selection, admin: &Admin) -> Result<(Vec<Letter>, u64), CliError> {
    if selection.ids.is_empty() {
        let (consumer, group) = (selection.consumer.as_ref(), selection.fingerprint.as_deref());
        let letters = matching(admin, selection.kind.which(), consumer, group).await?;
        let waiting = match selection.kind.which() {
            Which::Parked => 0,
            Which::Dead | Which::Refused => {
                matching(admin, Which::Parked, consumer, group).await?.len() as u64
            }
        };
        return Ok((letters, waiting));
    }
    let mut letters: Vec<Letter> = Vec::new();
    for id in &selection.ids {
        let found = letter(admin, id).await?;
        if !letters.iter().any(|known| known.id == found.id) {
            letters.push(found);
        }
    }
    Ok((letters, 0))
}

pub(super) async fn requeue(args: RequeueArgs, admin: &Admin, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (letters, waiting) = chosen(&args.selection, admin).await?;
    let dry_run = args.selection.dry_run;
    let (parked, dead): (Vec<Letter>, Vec<Letter>) =
        letters.into_iter().partition(|letter| letter.which() == Which::Parked);
    let mut already = waiting + parked.len() as u64;
    let (mut requeued, mut request) = (dead.len() as u64, None);
    if !dry_run && !dead.is_empty() {
        let mut bar = cx.out.bar("requeueing");
        let done = admin.requeue_watched(&dead, &mut |done| bar.at(done, dead.len() as u64)).await?;
        (requeued, already, request) = (done.requeued, already + done.already, Some(done.id));
    }
    if cx.out.is_json() {
        let letters = dead.iter().map(|letter| letter.id.as_str()).collect();
        let request = request.map(|id| id.to_string());
        cx.out.json(&RequeueJson { dry_run, request, requeued, already_queued: already, letters })?;
        return Ok(Done::Clean);
    }
    preview(cx, &dead, dry_run)?;
    let noun = noun(args.selection.kind.which());
    let text = match (requeued, already) {
        (0, 0) => format!("no {noun}s to requeue"),
        (0, already) => format!("already queued: {}", counted(already, "event")),
        (count, already) => {
            let verb = if dry_run { "would be requeued" } else { "requeued, to be tried at once" };
            let rest = if already == 0 { String::new() } else { format!("; {already} already queued") };
            format!("{} {verb}{rest}", counted(count, noun))
        }
    };
    cx.out.line(text)?;
    Ok(Done::Clean)
}

pub(super) async fn discard(args: DiscardArgs, admin: &Admin, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (letters, _) = chosen(&args.selection, admin).await?;
    let dry_run = args.selection.dry_run;
    if letters.iter().any(|letter| letter.which() == Which::Parked) {
        return Err(CliError::refused(
            "parked events will be tried again; only dead or refused ones can be discarded",
        )
        .hint("let its attempts end, or pause the consumer: `factum consumers pause NAME`"));
    }
    if !dry_run {
        let mut bar = cx.out.bar("discarding");
        for (index, letter) in letters.iter().enumerate() {
            admin.discard(letter, &args.why).await?;
            bar.at(index as u64 + 1, letters.len() as u64);
        }
    }
    if cx.out.is_json() {
        let ids = letters.iter().map(|letter| letter.id.as_str()).collect();
        cx.out.json(&DiscardJson { dry_run, discarded: letters.len(), letters: ids })?;
        return Ok(Done::Clean);
    }
    preview(cx, &letters, dry_run)?;
    let noun = noun(args.selection.kind.which());
    let verb = if dry_run { "would be discarded" } else { "discarded; `factum audit` keeps the record" };
    match letters.len() {
        0 => cx.out.line(format!("no {noun}s to discard"))?,
        count => cx.out.line(format!("{} {verb}", counted(count as u64, noun)))?,
    }
    Ok(Done::Clean)
}

/// Most letters that a preview lists.
const PREVIEW_MAX: usize = 20;

fn preview(cx: &mut Cx<'_>, letters: &[Letter], dry_run: bool) -> Result<(), CliError> {
    if !dry_run {
        return Ok(());
    }
    for letter in letters.iter().take(PREVIEW_MAX) {
        let troubled = &letter.troubled;
        let name = format!("{}.v{}", troubled.name, troubled.version);
        cx.out.line(printable_line(&format!("  {}  {name}  {}", letter.id, troubled.error)))?;
    }
    if letters.len() > PREVIEW_MAX {
        cx.out.line(format!("  … and {} more", letters.len() - PREVIEW_MAX))?;
    }
    Ok(())
}

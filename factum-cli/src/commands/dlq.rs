//! `factum dlq`: dead letters, refused and parked events: list, show, requeue, discard.

use clap::Subcommand;
use factum_core::ConsumerName;
use factum_runtime::Admin;
use factum_runtime::admin::{AdminError, Letter, Which};

use super::{Cx, Done, consumers};
use crate::error::CliError;
use crate::reach;

mod change;
mod list;
mod show;

/// Look at dead letters; requeue or discard them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, grouped by how they fail
    List(list::Args),
    /// Show one letter whole, with its event
    Show(show::Args),
    /// Put letters back in front of their key, to be tried at once
    Requeue(change::RequeueArgs),
    /// Let letters go: their consumer never handles them, their key goes on
    Discard(change::DiscardArgs),
}

/// Dead letters, unless told otherwise.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Kind {
    /// Events that a handler refused by name, instead of dead letters
    #[arg(long, conflicts_with = "parked")]
    refused: bool,
    /// Events that wait for a later attempt, instead of dead letters
    #[arg(long)]
    parked: bool,
}

impl Kind {
    fn which(self) -> Which {
        match self {
            Self { refused: true, .. } => Which::Refused,
            Self { parked: true, .. } => Which::Parked,
            _ => Which::Dead,
        }
    }
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if let Action::Show(args) = args.action {
        return show::run(args, cx).await;
    }
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        Action::List(args) => list::run(args, &admin, cx).await,
        Action::Show(args) => show::run(args, cx).await,
        Action::Requeue(args) => change::requeue(args, &admin, cx).await,
        Action::Discard(args) => change::discard(args, &admin, cx).await,
    }
}

/// "dead letter", "refused event", "parked event".
fn noun(which: Which) -> &'static str {
    match which {
        Which::Dead => "dead letter",
        Which::Refused => "refused event",
        Which::Parked => "parked event",
    }
}

/// Letters of a consumer and a group; the group may be the start of its fingerprint.
async fn matching(
    admin: &Admin,
    which: Which,
    consumer: Option<&ConsumerName>,
    group: Option<&str>,
) -> Result<Vec<Letter>, CliError> {
    if let Some(consumer) = consumer {
        consumers::known(admin, consumer).await?;
    }
    let mut letters = admin.letters(which, consumer).await?;
    letters.retain(|letter| group.is_none_or(|group| letter.troubled.fingerprint.starts_with(group)));
    Ok(letters)
}

/// One letter by its id or its event's id; of one that is gone, what became of it.
async fn letter(admin: &Admin, id: &str) -> Result<Letter, CliError> {
    match admin.letter(id).await {
        Ok((_, letter)) => Ok(letter),
        Err(AdminError::Unknown { .. }) => {
            let trail = admin.audit().await?;
            let is_it = |target: &str, detail: &str| target == id || detail.contains(&format!("event {id}"));
            let last = trail.iter().rev().find(|entry| is_it(&entry.target, &entry.detail));
            let error = CliError::unknown(format!("letter {id:?} is not known"));
            Err(match last {
                Some(entry) => {
                    error.hint(format!("{} asked to {} it at {}", entry.actor, entry.action, entry.at))
                }
                None => {
                    error.hint("`factum dlq list --each` shows ids; add --refused or --parked for others")
                }
            })
        }
        Err(error) => Err(error.into()),
    }
}

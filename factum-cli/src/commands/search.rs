//! `factum search`: events that hold a text, anywhere in them.
//!
//! Reads the log from its end and stops when it has enough; `--types`, `--tag` and the like use indexes and make it
//! fast. Of a payload only what is shown is searched: else whoever may not read a value could guess it.

use std::sync::atomic::{AtomicUsize, Ordering};

use factum_core::{Query, Recorded};

use super::{Cx, Done, log};
use crate::error::CliError;
use crate::reveal::Reveal;
use crate::select::Select;

/// Find events that hold a text, in payload, key, tags, ids or actor; case does not matter
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The text; several words must all be there
    #[arg(required = true)]
    words: Vec<String>,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    reveal: Reveal,
    /// At most so many, the newest of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let query: Query = args.select.query_since(&admin).await?;
    let words: Vec<String> = args.words.iter().map(|word| word.to_lowercase()).collect();
    let mut bar = cx.out.bar("searching");
    let mut progress =
        |done: factum_core::Position, of: factum_core::Position| bar.at(done.number(), of.number());
    let opened = AtomicUsize::new(0);
    let is_match = |event: &Recorded| {
        opened.fetch_add(eyes.values(&event.envelope), Ordering::Relaxed);
        let payload = eyes.searched(&event.envelope).to_lowercase();
        words.iter().all(|word| payload.contains(word) || holds(event, word))
    };
    let mut events = admin.search(query, args.last as usize, &is_match, &mut progress).await?;
    drop(bar);
    events.reverse();
    // That nothing was found tells something too.
    eyes.note(&admin, "search", opened.into_inner()).await?;
    events.iter_mut().try_for_each(|event| eyes.show(&mut event.envelope))?;
    log::print(cx, &events)
}

/// Whether a word is in what an event says beside its payload.
fn holds(event: &Recorded, word: &str) -> bool {
    let envelope = &event.envelope;
    let names = [
        event.stream.as_str(),
        envelope.event_type.name.as_str(),
        envelope.key.as_str(),
        envelope.correlation.as_str(),
    ];
    names.iter().any(|name| name.to_lowercase().contains(word))
        || envelope.tags.iter().any(|tag| tag.to_lowercase().contains(word))
        || envelope.actor.as_ref().is_some_and(|actor| actor.as_str().to_lowercase().contains(word))
        || envelope.id.to_string().contains(word)
}

//! `factum tail`: events as they happen, until ctrl-c.
//!
//! Waits on the store, never polls. With `--json`, one event a line.

use super::{Cx, Done};
use crate::error::CliError;
use crate::reveal::Reveal;
use crate::select::Select;
use crate::shown::{EventJson, table};

/// Follow events as they happen, until ctrl-c
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    reveal: Reveal,
    /// End after so many events
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let query = match args.select.since {
        Some(_) => args.select.query_since(&admin).await?,
        None => args.select.query().after(admin.store().head().await?),
    };
    cx.out.note(&format!("following from after position {}; ctrl-c ends", query.after));
    let mut follow = admin.follow(query);
    let mut widths = Vec::new();
    let mut left = args.limit.unwrap_or(usize::MAX);
    let asked_to_stop = factum_runtime::app::asked_to_stop();
    tokio::pin!(asked_to_stop);
    while left > 0 {
        let mut events = tokio::select! {
            // First, so that it listens before the first event is printed.
            biased;
            () = &mut asked_to_stop => break,
            events = follow.next() => events?,
        };
        events.truncate(left);
        eyes.look(&admin, "tail", &mut events).await?;
        let events = events.as_slice();
        if cx.out.is_json() {
            events.iter().try_for_each(|event| cx.out.json_line(&EventJson::of(event)))?;
        } else {
            cx.out.table_after(&table(events, cx.out.width()).without_head(), &mut widths)?;
        }
        cx.out.flush()?;
        left = left.saturating_sub(events.len());
    }
    Ok(Done::Clean)
}

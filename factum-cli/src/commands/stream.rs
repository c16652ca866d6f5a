//! `factum stream`: the history of one stream, version by version.

use factum_core::{Direction, Query, StreamId};

use super::{Cx, Done, log};
use crate::error::CliError;
use crate::reveal::Reveal;

/// Show the history of one stream
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stream, such as order-42
    stream: StreamId,
    #[command(flatten)]
    reveal: Reveal,
    /// At most so many events, the newest of them
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let (admin, eyes) = args.reveal.open(&cx.settings).await?;
    let query = Query { kind: None, direction: Direction::Backward, ..Query::stream(args.stream.clone()) };
    let mut events = admin.read_all(query, args.last as usize).await?;
    if events.is_empty() {
        let category = args.stream.category();
        return Err(CliError::unknown(format!("stream {} has no events", args.stream))
            .hint(format!("`factum log --category {category}` lists events of its category")));
    }
    events.reverse();
    eyes.look(&admin, args.stream.as_str(), &mut events).await?;
    log::print(cx, &events)
}

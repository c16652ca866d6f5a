//! What flowed on a NATS server: its topics, consumers and newest messages. Looks, and leaves nothing behind.

use std::time::Duration;

use factum_architect::review::flowed::{Flowed, Holds};
use factum_architect::review::input::Input;
use factum_architect::review::{Options, Report};
use factum_broker::nats::look::Limits;
use factum_broker::{NatsBroker, NatsOptions};
use factum_core::BrokerError;

use super::is_asked;
use crate::error::CliError;

/// How long messages are looked at: a review is waited for.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Adds what flowed otherwise than the catalog says.
pub(super) async fn add(
    url: &str,
    input: &Input,
    report: &mut Report,
    options: &Options,
    messages: usize,
) -> Result<(), CliError> {
    // It makes no streams, and asks for no durability: what there is, is looked at.
    let broker = NatsBroker::connect(url, NatsOptions::default()).await.map_err(unreachable)?;
    let mut flowed = Flowed::new(&input.documents);
    let limits = Limits { messages, time: TIME_MAX };
    let looked =
        broker.look(limits, &mut |seen| flowed.saw(&seen.topic, seen.event)).await.map_err(unreachable)?;
    let source = broker.address().to_owned();
    broker.close().await;
    let holds = Holds { topics: looked.topics, consumers: looked.consumers };
    report.live = Some(flowed.live(&source, &holds));
    let findings = flowed.findings(&source, &holds);
    report.findings.extend(findings.into_iter().filter(|finding| is_asked(options, &finding.rule)));
    report.sort();
    Ok(())
}

fn unreachable(error: BrokerError) -> CliError {
    let hint = "--live URL names another: nats://host:port, or nats://user:password@host:port";
    CliError::unreachable(error.message).hint(hint)
}

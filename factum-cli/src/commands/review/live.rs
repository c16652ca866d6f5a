//! What really flowed: the events, contracts and consumers that a store or a broker knows, beside those of the catalog.

use std::collections::BTreeSet;

use factum_architect::review::input::Input;
use factum_architect::review::view::View;
use factum_architect::review::{Options, Report};
use factum_contract::{Catalog, Finding, Severity};
use factum_runtime::{Admin, ContractRefusal};

use crate::error::CliError;
use crate::output::counted;
use crate::reach;
use crate::shown::split;

#[cfg(feature = "nats")]
mod nats;

/// Types that every store may hold.
const OUR_OWN: &str = "subject.forgotten";
const REUSED: &str = "compat/version-skipped-or-reused";

/// Schemes of brokers.
const BROKERS: [&str; 8] = ["nats", "tls", "kafka", "amqp", "amqps", "redis", "rediss", "rabbitmq"];
/// Those that the command line has an adapter for.
const REACHED: [&str; 2] = ["nats", "tls"];

/// A broker's scheme, when the URL has one: told apart from a typing error.
fn broker(url: &str) -> Option<&str> {
    url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| BROKERS.contains(scheme))
}

/// Adds what has flowed otherwise than the catalog says.
pub(super) async fn add(
    url: &str,
    input: &Input,
    report: &mut Report,
    options: &Options,
    messages: usize,
) -> Result<(), CliError> {
    match broker(url) {
        None => add_store(url, input, report, options).await,
        Some(scheme) if REACHED.contains(&scheme) => {
            #[cfg(feature = "nats")]
            return nats::add(url, input, report, options, messages).await;
            #[cfg(not(feature = "nats"))]
            {
                let _ = messages;
                let what = format!("{} is not built into this command", reach::redacted(url));
                Err(CliError::usage(what).hint("build factum-cli with the feature `nats`"))
            }
        }
        Some(_) => {
            let what = format!("{} is a broker that this release does not reach", reach::redacted(url));
            let hint = "compare with NATS (--live nats://host:port), or with a store (--live sqlite:<path>); a store has what was published from it";
            Err(CliError::usage(what).hint(hint))
        }
    }
}

/// Whether a rule was asked for.
fn is_asked(options: &Options, rule: &str) -> bool {
    options.only.is_empty() || options.only.iter().any(|only| rule.starts_with(only.as_str()))
}

/// Adds what a store has recorded otherwise than the catalog says.
async fn add_store(url: &str, input: &Input, report: &mut Report, options: &Options) -> Result<(), CliError> {
    let admin = Admin::new(reach::open_at(url, std::sync::Arc::new(factum_core::OpenGate))?.store);
    let (stats, consumers) = (admin.stats().await?, admin.consumers().await?);
    let view = View::of(&input.documents);
    let shown = reach::redacted(url);
    let mut add = |span, rule: &'static str, severity, message: &str, hint: &str| {
        if is_asked(options, rule) {
            report.findings.push(Finding::at(
                &input.documents.sources,
                span,
                rule,
                severity,
                message,
                Some(hint),
            ));
        }
    };
    let mut recorded = BTreeSet::new();
    for (label, count) in &stats.types {
        let (name, _) = split(label);
        recorded.insert(name);
        if name != OUR_OWN && view.contract(name).is_none() {
            let message = format!(
                "{shown} holds {} `{name}`, which the catalog does not have",
                counted(*count, "event")
            );
            add(
                None,
                "code/undeclared-event",
                Severity::Error,
                &message,
                "declare it: `factum contract new`",
            );
        }
    }
    // A catalog that cannot be read whole has no contracts to compare; other findings say why.
    if let Ok(catalog) = Catalog::read(&input.documents.sources) {
        for refusal in factum_runtime::contracts::refusals(admin.store().as_ref(), &catalog).await? {
            let (label, rule, what) = match &refusal {
                ContractRefusal::Changed { contract, .. } => {
                    (contract, REUSED, format!("{shown} has recorded {contract} with other content"))
                }
                ContractRefusal::Missing { contract, first, .. } => {
                    (first, REUSED, format!("{shown} holds {contract}, and the catalog begins with {first}"))
                }
                ContractRefusal::Broken { contract, differences, .. } => (
                    contract,
                    "compat/breaking-no-major",
                    format!(
                        "{contract} breaks its promise to {}, which {shown} has recorded",
                        differences.old
                    ),
                ),
            };
            let span =
                view.contracts.iter().find(|known| known.label() == *label).map(|known| known.name.span);
            let hint = refusal.to_string();
            let hint = hint.rsplit_once("hint: ").map_or("", |(_, hint)| hint.trim());
            add(span, rule, Severity::Error, &what, hint);
        }
    }
    for event in
        view.events().filter(|event| !recorded.contains(event.name.text) && event.day("deprecated").is_none())
    {
        let message = format!("{shown} holds no {}", event.name.text);
        let hint = "it never happened there: is it published elsewhere, or by nobody?";
        add(Some(event.name.span), "code/declared-unused", Severity::Info, &message, hint);
    }
    let readers = view.readers();
    for consumer in &consumers {
        let name = consumer.projection.as_deref().unwrap_or(&consumer.name);
        if !readers.contains(name) && !readers.contains(consumer.name.as_str()) {
            let message =
                format!("{shown} knows the consumer `{}`, which the catalog does not have", consumer.name);
            add(
                None,
                "code/undeclared-event",
                Severity::Error,
                &message,
                "add it to `consumers` of system.yaml, or drop it",
            );
        }
    }
    for part in &view.consumers {
        if !consumers.iter().any(|consumer| consumer.name == part.name.text) {
            let message = format!("`{}` has never run on {shown}", part.name.text);
            add(
                Some(part.name.span),
                "code/declared-unused",
                Severity::Info,
                &message,
                "start it, or take it out of the catalog",
            );
        }
    }
    report.sort();
    Ok(())
}

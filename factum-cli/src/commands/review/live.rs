//! What really flowed: the events and consumers that a store knows, beside those of the catalog.

use std::collections::BTreeSet;

use factum_architect::review::input::Input;
use factum_architect::review::view::View;
use factum_architect::review::{Options, Report};
use factum_contract::{Finding, Severity};
use factum_runtime::Admin;

use crate::error::CliError;
use crate::output::counted;
use crate::reach;
use crate::shown::split;

/// Types that every store may hold.
const OUR_OWN: &str = "subject.forgotten";

/// Adds what a store has recorded otherwise than the catalog says.
pub(super) async fn add(
    url: &str,
    input: &Input,
    report: &mut Report,
    options: &Options,
) -> Result<(), CliError> {
    let admin = Admin::new(reach::open_at(url, std::sync::Arc::new(factum_core::OpenGate))?.store);
    let (stats, consumers) = (admin.stats().await?, admin.consumers().await?);
    let view = View::of(&input.documents);
    let shown = reach::redacted(url);
    let mut add = |span, rule: &'static str, severity, message: &str, hint: &str| {
        let is_asked =
            options.only.is_empty() || options.only.iter().any(|only| rule.starts_with(only.as_str()));
        if is_asked {
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
    for event in
        view.events().filter(|event| !recorded.contains(event.name.text) && event.day("deprecated").is_none())
    {
        let message = format!("{shown} holds no {}", event.name.text);
        let hint = "it never happened there: is it published elsewhere, or by nobody?";
        add(Some(event.name.span), "code/declared-unused", Severity::Info, &message, hint);
    }
    let readers: BTreeSet<&str> = view
        .consumers
        .iter()
        .chain(&view.projections)
        .chain(&view.sagas)
        .map(|part| part.name.text)
        .collect();
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

//! Rules of personal data: each value belongs to a subject that is always there, and nothing is found by it.

use super::rules::is_identity;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::finding::{Findings, Span};
use crate::schema::{Personal, Role, Schema};
use crate::system::Idempotency;
use crate::words::Placed;

/// What to use in place of a personal value.
const PSEUDONYM: &str = "use a pseudonym with `personal: self`";

/// Personal fields of one contract.
pub(super) fn check(contract: &Contract, findings: &mut Findings<'_>) {
    let payload = &contract.payload;
    payload.walk(&mut |path, schema| match &schema.personal {
        None => {}
        Some(Personal::Subject) => subject(contract, path, schema, findings),
        Some(Personal::Of(subject)) => {
            belongs(payload, path, schema, subject, findings);
            if path == contract.key.value || schema.role == Role::Identifier {
                let message = format!("`{path}` is encrypted, so it can be neither key nor identifier");
                findings.error_with_hint("personal", schema.span, message, PSEUDONYM);
            }
            if schema.default.is_some() {
                let message = format!("`{path}` is personal, so it has no default");
                findings.error_with_hint("personal", schema.span, message, "remove `default`");
            }
            inside(path, schema, findings);
        }
    });
}

/// A value belongs to a field of the payload that names a subject.
fn belongs(payload: &Schema, path: &str, schema: &Schema, subject: &str, findings: &mut Findings<'_>) {
    let Some(field) = payload.field(subject) else {
        let known = payload.fields().iter().map(|field| field.name.as_str());
        let message = format!("`{path}` is personal data of `{subject}`, which is no field of the payload");
        findings.unknown("personal", schema.span, message, subject, known);
        return;
    };
    if field.schema.personal != Some(Personal::Subject) {
        let message = format!("`{subject}` names no data subject");
        let hint = format!("mark `{subject}` as `personal: self`");
        findings.error_with_hint("personal", schema.span, message, hint);
    }
    if !field.is_required || field.schema.is_nullable {
        let message = format!("`{path}` is personal data of `{subject}`, which may be absent");
        let hint = match field.is_required {
            true => format!("do not let `{subject}` be null"),
            false => format!("add `{subject}` to `required`"),
        };
        findings.error_with_hint("personal", schema.span, message, hint);
    }
}

/// What names a subject is a field of the payload itself, with one way to write each value.
fn subject(contract: &Contract, path: &str, schema: &Schema, findings: &mut Findings<'_>) {
    if contract.payload.field(path).is_none() {
        let message = format!("`{path}` cannot name a data subject: it is inside another field");
        findings.error_with_hint("personal", schema.span, message, "move it to the top of the payload");
    } else if !is_identity(schema) {
        let message = format!("`{path}` cannot name a data subject: it is {}", schema.summary());
        findings.error_with_hint("personal", schema.span, message, "use text, a UUID or a whole number");
    }
}

/// Nothing inside an encrypted value is found, or encrypted once more.
fn inside(path: &str, schema: &Schema, findings: &mut Findings<'_>) {
    schema.walk(&mut |within, inner| {
        if within.is_empty() {
            return;
        }
        if inner.personal.is_some() {
            let message = format!("`{path}` is encrypted whole, so `{within}` in it cannot be marked again");
            findings.error_with_hint("personal", inner.span, message, "remove the inner `personal`");
        }
        if inner.role == Role::Identifier {
            let message = format!("`{path}` is encrypted, so `{within}` in it can be no identifier");
            findings.error_with_hint("personal", inner.span, message, PSEUDONYM);
        }
    });
}

/// Fields by which consumers and sagas know an event again.
pub(super) fn names(catalog: &Catalog, findings: &mut Findings<'_>) {
    for (name, consumer) in &catalog.system.consumers {
        if let Some(Idempotency::Field { by, .. }) = &consumer.idempotency {
            let on = consumer.on.iter().map(|event| event.as_str());
            refuse(catalog, on, by, &format!("the idempotency of `{name}`"), findings);
        }
    }
    for (name, saga) in &catalog.system.sagas {
        let on = std::iter::once(&saga.starts).chain(saga.steps.iter().map(|step| &step.on));
        let on = on.map(|event| event.as_str());
        refuse(catalog, on, &saga.correlate, &format!("the correlation of `{name}`"), findings);
    }
}

fn refuse<'c>(
    catalog: &'c Catalog,
    events: impl Iterator<Item = &'c str>,
    field: &Placed<String>,
    what: &str,
    findings: &mut Findings<'_>,
) {
    for event in events {
        let newest = catalog.versions(event).next_back();
        let found = newest.and_then(|contract| contract.payload.field(field.as_str()));
        if found.is_some_and(|found| matches!(found.schema.personal, Some(Personal::Of(_)))) {
            let span: Span = field.span;
            let message = format!("`{}` of {event} is encrypted, so it cannot be {what}", field.as_str());
            findings.error_with_hint("personal", span, message, PSEUDONYM);
            return;
        }
    }
}

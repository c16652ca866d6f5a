//! Rules that a contract keeps by itself and with its earlier versions.

use factum_core::Kind;

use super::personal;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::finding::Findings;
use crate::schema::{Format, Role, Schema, Shape};
use crate::validate;

pub(crate) fn check(catalog: &Catalog, findings: &mut Findings<'_>) {
    for contract in catalog.contracts() {
        key(contract, findings);
        names(contract, findings);
        identifiers(contract, findings);
        personal::check(contract, findings);
        defaults(contract, findings);
    }
    personal::names(catalog, findings);
    for name in catalog.names() {
        let versions: Vec<&Contract> = catalog.versions(name.as_str()).collect();
        chain(&versions, findings);
    }
}

/// The key is a required field of one plain value.
fn key(contract: &Contract, findings: &mut Findings<'_>) {
    let key = &contract.key;
    let Some(field) = contract.payload.field(key) else {
        let known = contract.payload.fields().iter().map(|field| field.name.as_str());
        let message = format!("the key `{}` is not a field of the payload", key.value);
        findings.unknown("key", key.span, message, key, known);
        return;
    };
    if !field.is_required || field.schema.is_nullable {
        let hint = format!("add `{}` to `required`, and do not let it be null", key.value);
        findings.error_with_hint(
            "key",
            key.span,
            format!("the key `{}` is not always there", key.value),
            hint,
        );
    }
    let is_plain = is_identity(&field.schema);
    if !is_plain {
        let message = format!("the key `{}` is no identity: it is {}", key.value, field.schema.summary());
        findings.error_with_hint("key", key.span, message, "use text, a UUID or a whole number");
    }
}

/// Whether equal things have equal values: not so for times and amounts, which can be written in several ways.
pub(crate) fn is_identity(schema: &Schema) -> bool {
    match &schema.shape {
        Shape::Text(text) => !matches!(text.format, Some(Format::Decimal | Format::DateTime)),
        Shape::Integer(_) => true,
        Shape::Choice(choice) => {
            let is_good = |word: &String| !word.is_empty() && !word.chars().any(char::is_control);
            !choice.is_extensible && choice.words.iter().all(is_good)
        }
        _ => false,
    }
}

/// Defaults are values that the field could hold.
fn defaults(contract: &Contract, findings: &mut Findings<'_>) {
    contract.payload.walk(&mut |path, schema| {
        let Some(default) = &schema.default else { return };
        if let Err(flaw) = validate::check_value(schema, &default.to_string()) {
            let message = format!("the default of `{path}` is not valid: {}", flaw.message);
            findings.error("default", schema.span, message);
        }
    });
}

/// Reserved names are not used; two names do not differ in case alone.
fn names(contract: &Contract, findings: &mut Findings<'_>) {
    contract.payload.walk(&mut |_, schema| {
        for (index, field) in schema.fields().iter().enumerate() {
            if contract.reserved.iter().any(|name| name.value == field.name) {
                let message = format!("`{}` is reserved: it may never be used again", field.name);
                findings.error_with_hint("reserved", field.name_span, message, "choose another name");
            }
            let earlier = &schema.fields()[..index];
            if let Some(twin) = earlier.iter().find(|other| folded(&other.name) == folded(&field.name)) {
                let message =
                    format!("`{}` and `{}` are the same name in generated code", twin.name, field.name);
                findings.error("similar-names", field.name_span, message);
            }
        }
    });
    if contract.kind == Kind::Event && !contract.name.as_str().contains('.') {
        let hint = "name the thing and what happened to it: `order.placed`";
        findings.warning(
            "event-name",
            contract.span,
            format!("`{}` does not say of what", contract.name),
            hint,
        );
    }
}

/// A name without case and separators, as generated code may see it.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Identifiers become tags, so they are plain values with a name, outside maps.
fn identifiers(contract: &Contract, findings: &mut Findings<'_>) {
    contract.payload.walk(&mut |path, schema| {
        if schema.role != Role::Identifier {
            return;
        }
        let is_plain = is_identity(schema);
        if !is_plain || path.contains("{}") || path.ends_with("[]") {
            let message = format!("`{path}` cannot be an identifier: it is {}", schema.summary());
            let hint = "identifiers are named fields of text, words or whole numbers, not inside maps";
            findings.error_with_hint("identifier", schema.span, message, hint);
        }
    });
}

/// Versions follow each other, and agree in what may not change.
fn chain(versions: &[&Contract], findings: &mut Findings<'_>) {
    for pair in versions.windows(2) {
        let [old, new] = pair else { continue };
        if new.version - old.version != 1 {
            let message =
                format!("{} follows {}: version {} is missing", new.label(), old.label(), old.version + 1);
            let hint = "keep every version: older events are read through it";
            findings.error_with_hint("version-gap", new.span, message, hint);
        }
        let agreements = [
            ("kind", old.kind == new.kind),
            ("stream", old.category == new.category),
            ("key", old.key.value == new.key.value),
        ];
        for (what, agrees) in agreements {
            if !agrees {
                let message = format!("{} has another `{what}` than {}", new.label(), old.label());
                let hint = "order and streams cannot change in place: give the contract a new name";
                findings.error_with_hint("version-identity", new.span, message, hint);
            }
        }
        for name in &old.reserved {
            if !new.reserved.iter().any(|other| other.value == name.value) {
                let message = format!("{} no longer reserves `{}`", new.label(), name.value);
                findings.error_with_hint("reserved", new.span, message, "a reserved name stays reserved");
            }
        }
    }
    if let Some(first) = versions.first()
        && first.version == 1
        && let Some(step) = first.upcast.first()
    {
        findings.error("upcast", step.span, "version 1 has no version before it to upcast from");
    }
}

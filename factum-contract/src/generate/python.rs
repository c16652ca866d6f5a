//! Generates Python: a package of Pydantic models, a module per category of streams, and the runtime they stand on.
//!
//! The models cannot be changed, hold what formats mean (`UUID`, `datetime`, `Decimal`), and pass `mypy --strict` with
//! and without Pydantic's plugin. They need Pydantic 2.11 or newer, and Python 3.10 or newer.

use std::fmt::Write as _;

use super::language::Language;
use super::outline::{EventOutline, ModuleOutline, Outline, TypeOutline};
use super::typescript::contract_docs;
use super::{GenerateError, Generated};
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::schema::{Schema, Shape};

mod field;
mod literal;

use field::{attribute, constant};
use literal::{doc, quoted};

/// Names of modules and types that the output needs for itself.
const RESERVED: [&str; 13] = [
    "runtime",
    "Annotated",
    "ClassVar",
    "Decimal",
    "False",
    "Final",
    "Literal",
    "Mapping",
    "Sequence",
    "True",
    "TypeAlias",
    "UUID",
    "EVENTS",
];

const PYTHON: Language = Language {
    name: "python",
    comment: "#",
    ending: "py",
    index: "__init__",
    runtime: &[("runtime.py", include_str!("python/runtime.py"))],
};

/// Generates the newest version of every contract, as a package in a folder of its own.
///
/// # Errors
/// When two contracts would have one name, or an example breaks its contract.
pub fn generate(catalog: &Catalog) -> Result<Generated, GenerateError> {
    let outline = Outline::of(catalog, &[&RESERVED[..], &field::KEYWORDS[..]].concat())?;
    let system = catalog.system.name.as_str();
    let index = index(&outline, system);
    Ok(PYTHON.files(&outline, index, |module| module_file(&outline, module, system)))
}

fn index(outline: &Outline<'_>, system: &str) -> String {
    let mut out = PYTHON.head(system);
    let _ = writeln!(
        out,
        "\n{}\n\nfrom __future__ import annotations\n",
        doc(&format!("The contracts of the system `{system}`."), "")
    );
    out.push_str("from collections.abc import Mapping\nfrom typing import Final, TypeAlias\n\nfrom . import runtime as rt\n");
    let mut all =
        vec!["FORGOTTEN".to_owned(), "ContractError".to_owned(), "Flaw".to_owned(), "Forgotten".to_owned()];
    for module in &outline.modules {
        let mut names: Vec<String> = Vec::new();
        for event in &module.events {
            names.extend([event.name.clone(), format!("{}Data", event.name)]);
        }
        for ty in outline.exported_types(module) {
            names.push(ty.name.clone());
            names.extend(matches!(ty.schema.shape, Shape::Choice(_)).then(|| constant(&ty.name)));
        }
        names.sort();
        let _ = writeln!(out, "from .{} import (\n    {},\n)", module.name, names.join(",\n    "));
        all.extend(names);
    }
    out.push_str("from .runtime import FORGOTTEN, ContractError, Flaw, Forgotten\n");
    let mut unions = String::new();
    for (kind, is_event) in [("event", true), ("command", false)] {
        union(outline, system, kind, is_event, &mut unions, &mut all);
    }
    all.sort();
    let quoted: Vec<String> = all.iter().map(|name| quoted(name)).collect();
    let _ = writeln!(out, "\n__all__ = [\n    {},\n]", quoted.join(",\n    "));
    out + &unions
}

/// The union of all events, or of all commands, and how it is read.
fn union(
    outline: &Outline<'_>,
    system: &str,
    kind: &str,
    is_event: bool,
    out: &mut String,
    all: &mut Vec<String>,
) {
    let is_meant = |event: &&EventOutline<'_>| (event.contract.kind.as_str() == "event") == is_event;
    let events: Vec<&EventOutline<'_>> = outline.events().filter(is_meant).collect();
    if events.is_empty() {
        return;
    }
    let suffix = if is_event { "Event" } else { "Command" };
    let name = outline.free_name(&format!("{}{suffix}", super::ident::pascal(system)));
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    let table = format!("{}S", kind.to_ascii_uppercase());
    let _ = writeln!(out, "\n{name}: TypeAlias = {}", names.join(" | "));
    let _ = writeln!(out, "{}", doc(&format!("Any {kind} of the system; its `type` says which."), ""));
    let _ = writeln!(out, "\n{table}: Final[Mapping[str, type[{name}]]] = {{");
    for event in &events {
        let _ = writeln!(out, "    {}: {},", quoted(event.contract.name.as_str()), event.name);
    }
    let _ = writeln!(out, "}}\n{}", doc(&format!("Every {kind}, by its type."), ""));
    let _ = writeln!(out, "\n\ndef read_{kind}(text: str | bytes) -> {name}:");
    let docs = format!(
        "Reads and checks any {kind}, CloudEvents in structured mode; raises a ContractError when it breaks its contract."
    );
    let _ = writeln!(out, "{}\n    return rt.read_any({table}, text)", doc(&docs, "    "));
    all.extend([name, table, format!("read_{kind}")]);
}

fn module_file(outline: &Outline<'_>, module: &ModuleOutline<'_>, system: &str) -> String {
    let mut body = String::new();
    for event in &module.events {
        for ty in &event.types {
            named_type(outline, ty, &mut body);
        }
        write_event(outline, event, system, &mut body);
    }
    let mut out = PYTHON.head(system);
    let docs = doc(&format!("Streams of the category `{}`.", module.category), "");
    let _ = writeln!(out, "\n{docs}\n\nfrom __future__ import annotations\n");
    let uses = |word: &str| body.contains(word);
    out.push_str(if uses("dt.") { "import datetime as dt\n" } else { "" });
    let collections: Vec<&str> =
        ["Mapping", "Sequence"].into_iter().filter(|name| uses(&format!("{name}["))).collect();
    if !collections.is_empty() {
        let _ = writeln!(out, "from collections.abc import {}", collections.join(", "));
    }
    out.push_str(if uses("Decimal") { "from decimal import Decimal\n" } else { "" });
    let typing: Vec<&str> = ["Annotated", "ClassVar", "Final", "Literal", "TypeAlias"]
        .into_iter()
        .filter(|name| uses(&format!("{name}[")) || uses(&format!(": {name} ")))
        .collect();
    let _ = writeln!(out, "from typing import {}", typing.join(", "));
    out.push_str(if uses("UUID") { "from uuid import UUID\n" } else { "" });
    out.push_str("\nfrom . import runtime as rt\n");
    out + &body
}

fn named_type(outline: &Outline<'_>, ty: &TypeOutline<'_>, out: &mut String) {
    let docs = ty.schema.description.clone().unwrap_or_else(|| format!("The contract's `{}`.", ty.field));
    let Shape::Choice(choice) = &ty.schema.shape else {
        return class(outline, &ty.name, &docs, ty.schema, None, out);
    };
    let words: Vec<String> = choice.words.iter().map(|word| quoted(word)).collect();
    let comma = if words.len() == 1 { "," } else { "" };
    let constant = constant(&ty.name);
    let _ = writeln!(out, "\n\n{constant}: Final = ({}{comma})", words.join(", "));
    let _ = writeln!(out, "{}", doc(&format!("The words of {} that this version knows.", ty.name), ""));
    let open = if choice.is_extensible { " | str" } else { "" };
    let _ = writeln!(out, "\n{}: TypeAlias = Literal[{}]{open}", ty.name, words.join(", "));
    let _ = writeln!(out, "{}", doc(&docs, ""));
}

fn class(
    outline: &Outline<'_>,
    name: &str,
    docs: &str,
    schema: &Schema,
    partition_key: Option<&str>,
    out: &mut String,
) {
    let is_closed = matches!(&schema.shape, Shape::Object(object) if object.is_closed);
    let extra = if is_closed { ", extra=\"forbid\"" } else { "" };
    let _ = writeln!(out, "\n\nclass {name}(rt.Data, frozen=True{extra}):\n{}\n", doc(docs, "    "));
    for field in schema.fields() {
        field::write(outline, field, partition_key, out);
    }
}

fn write_event(outline: &Outline<'_>, event: &EventOutline<'_>, system: &str, out: &mut String) {
    let (name, contract) = (&event.name, event.contract);
    let (wire, version, kind) = (contract.name.as_str(), contract.version, contract.kind.as_str());
    let docs = format!("What the {kind} `{wire}` carries.");
    class(outline, &format!("{name}Data"), &docs, &contract.payload, Some(&contract.key), out);
    let _ = writeln!(
        out,
        "\n\nclass {name}(rt.Envelope[{name}Data], frozen=True):\n{}\n",
        doc(&contract_docs(contract), "    ")
    );
    let _ = writeln!(out, "    KIND: ClassVar[Literal[\"event\", \"command\"]] = {}", quoted(kind));
    let _ = writeln!(out, "    VERSION: ClassVar[int] = {version}");
    let _ = writeln!(out, "    TOPIC: ClassVar[str] = {}", quoted(contract.topic.as_str()));
    let _ = writeln!(out, "    KEY: ClassVar[str] = {}", quoted(&attribute(&contract.key)));
    if let Some(example) = example(contract) {
        let _ = writeln!(out, "    EXAMPLE: ClassVar[str | None] = {example}");
    }
    let _ = writeln!(out, "\n    source: str = {}", quoted(&format!("/{system}/{}", contract.owner.value)));
    let schema = quoted(&format!("urn:factum:contract:{wire}:{version}"));
    let _ = writeln!(
        out,
        "    type: Literal[{0}] = {0}\n    dataschema: Literal[{schema}] = {schema}",
        quoted(wire)
    );
}

/// The first example as the text of its JSON.
fn example(contract: &Contract) -> Option<String> {
    Some(literal::text(&contract.examples.first()?.to_json_text()))
}

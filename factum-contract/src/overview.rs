//! A catalog as tables for people: what there is, who sends it, who reads it, what it carries.
//!
//! Plain data; the command line prints it and the console shows it. Serialises as the `--json` output.

use std::collections::BTreeSet;

use factum_core::{ContractVersion, EventName};
use serde::Serialize;

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::date::Date;
use crate::flow::Flow;
use crate::schema::{Personal, Schema, Shape};

/// One event or command, in its newest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// "event" or "command".
    pub kind: &'static str,
    /// The newest version.
    pub version: ContractVersion,
    /// All versions, from old to new.
    pub versions: Vec<ContractVersion>,
    /// The service that owns the meaning.
    pub owner: String,
    /// Where it is published.
    pub topic: String,
    /// Category of its streams.
    pub stream: String,
    /// The field that keeps related events in order.
    pub key: String,
    /// Which versions can be read by readers of which others.
    pub compatibility: &'static str,
    /// Who may build on it.
    pub audience: &'static str,
    /// Services that send it.
    pub producers: Vec<String>,
    /// Consumers, sagas and projections that take it.
    pub consumers: Vec<String>,
    /// One sentence for people.
    pub summary: Option<String>,
    /// Not for new readers from this day on.
    pub deprecated: Option<Date>,
}

/// One field of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldRow {
    /// Its path: `items[].price`.
    pub path: String,
    /// What it may be, in words.
    pub value: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it is to its event.
    pub role: &'static str,
    /// Unit of measure, or the field that holds it.
    pub unit: Option<String>,
    /// Whose personal data it is: "self" or a field.
    pub personal: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// One contract version with all that it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Details {
    /// The contract among the others; `version` is the one shown.
    #[serde(flatten)]
    pub row: Row,
    /// All that people should know.
    pub description: Option<String>,
    /// Every field of the payload, in the order of the contract.
    pub fields: Vec<FieldRow>,
    /// Names that may never be used again.
    pub reserved: Vec<String>,
    /// Payloads as they are sent.
    pub examples: Vec<serde_json::Value>,
    /// Words of the steps that turn the version before into this one.
    pub upcast: Vec<&'static str>,
}

/// Every event and command of a catalog, by name.
#[must_use]
pub fn list(catalog: &Catalog) -> Vec<Row> {
    let flow = Flow::of(catalog);
    catalog.latest().map(|contract| row(catalog, &flow, contract)).collect()
}

/// One contract; the newest version unless another is asked for.
#[must_use]
pub fn show(catalog: &Catalog, name: &str, version: Option<ContractVersion>) -> Option<Details> {
    let contract = match version {
        Some(version) => catalog.contract(name, version)?,
        None => catalog.versions(name).next_back()?,
    };
    Some(Details {
        row: row(catalog, &Flow::of(catalog), contract),
        description: contract.description.clone(),
        fields: fields(&contract.payload),
        reserved: contract.reserved.iter().map(|name| name.value.clone()).collect(),
        examples: contract.examples.iter().map(crate::node::Node::to_json).collect(),
        upcast: contract.upcast.iter().map(|step| step.word()).collect(),
    })
}

fn row(catalog: &Catalog, flow: &Flow<'_>, contract: &Contract) -> Row {
    Row {
        name: contract.name.to_string(),
        kind: contract.kind.as_str(),
        version: contract.version,
        versions: catalog.versions(contract.name.as_str()).map(|other| other.version).collect(),
        owner: contract.owner.to_string(),
        topic: contract.topic.to_string(),
        stream: contract.category.to_string(),
        key: contract.key.value.clone(),
        compatibility: contract.compatibility.as_str(),
        audience: contract.audience.as_str(),
        producers: producers(flow, &contract.name),
        consumers: consumers(flow, &contract.name),
        summary: contract.summary.clone(),
        deprecated: contract.lifecycle.deprecated,
    }
}

/// Services that say they emit it, or whose consumers or sagas do.
fn producers(flow: &Flow<'_>, name: &EventName) -> Vec<String> {
    let found: BTreeSet<String> = flow.senders(name).map(|arrow| arrow.service.to_string()).collect();
    found.into_iter().collect()
}

/// Consumers, sagas and projections that take it.
fn consumers(flow: &Flow<'_>, name: &EventName) -> Vec<String> {
    let found: BTreeSet<&str> = flow.takers(name).filter_map(|arrow| arrow.part.name()).collect();
    found.into_iter().map(str::to_owned).collect()
}

fn fields(payload: &Schema) -> Vec<FieldRow> {
    let mut rows = Vec::new();
    add_fields(payload, "", &mut rows);
    rows
}

fn add_fields(schema: &Schema, path: &str, rows: &mut Vec<FieldRow>) {
    match &schema.shape {
        Shape::Object(object) => {
            for field in &object.fields {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", field.name);
                rows.push(field_row(&path, field.is_required, &field.schema));
                add_fields(&field.schema, &path, rows);
            }
        }
        Shape::List(list) => add_fields(&list.items, &format!("{path}[]"), rows),
        Shape::Map(values) => add_fields(values, &format!("{path}{{}}"), rows),
        _ => {}
    }
}

fn field_row(path: &str, required: bool, schema: &Schema) -> FieldRow {
    FieldRow {
        path: path.to_owned(),
        value: schema.summary(),
        required,
        role: schema.role.as_str(),
        unit: schema.unit.clone(),
        personal: schema.personal.as_ref().map(|personal| match personal {
            Personal::Subject => "self".to_owned(),
            Personal::Of(subject) => subject.clone(),
        }),
        description: schema.description.clone(),
    }
}

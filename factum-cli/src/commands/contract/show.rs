//! `factum contract show`: one contract whole: who answers for it, its rules, its fields, who reads which version.

use factum_contract::history::{Stage, Usage, stage, usage};
use factum_contract::{Catalog, Contract, Date, overview};
use serde::Serialize;

use super::list::RowJson;
use super::{Folder, catalog, find, today};
use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, length, printable};

/// Show one contract: its rules, its fields, who reads which version
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The contract: order.placed, or order.placed.v1
    name: String,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    #[serde(flatten)]
    row: RowJson<'a>,
    summary: Option<&'a str>,
    description: Option<&'a str>,
    producers: Vec<String>,
    team: Option<&'a str>,
    partitions: Option<u32>,
    ordering: &'static str,
    compatibility: &'static str,
    policy: &'static str,
    audience: &'static str,
    stage: Stage,
    since: Option<Date>,
    deprecated: Option<Date>,
    sunset: Option<Date>,
    replaced_by: Option<&'a str>,
    reserved: Vec<&'a str>,
    required: Vec<String>,
    roles: RolesJson,
    fields: Vec<FieldJson>,
    readers: Vec<ReaderJson>,
    examples: Vec<serde_json::Value>,
}

/// Paths by what they are to the event.
#[derive(Debug, Default, Serialize)]
struct RolesJson {
    identifier: Vec<String>,
    fact: Vec<String>,
    metadata: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FieldJson {
    path: String,
    required: bool,
    what: String,
    role: &'static str,
    personal: bool,
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReaderJson {
    name: String,
    kind: &'static str,
    service: String,
    version: u32,
    pinned: bool,
    move_by: Option<Date>,
    move_to: Option<String>,
}

impl From<Usage> for ReaderJson {
    fn from(usage: Usage) -> Self {
        Self {
            name: usage.reader,
            kind: usage.kind,
            service: usage.service,
            version: usage.version,
            pinned: usage.is_pinned,
            move_by: usage.move_by,
            move_to: usage.move_to,
        }
    }
}

pub(super) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let catalog = catalog(&args.folder.find(cx))?;
    let contract = find(&args.name, &catalog)?;
    if cx.out.is_json() {
        cx.out.json(&json(contract, &catalog))?;
    } else {
        print(contract, &catalog, cx)?;
    }
    Ok(Done::Clean)
}

fn json<'a>(contract: &'a Contract, catalog: &'a Catalog) -> Json<'a> {
    let fields = fields(contract);
    let lifecycle = &contract.lifecycle;
    Json {
        row: RowJson::of(contract, catalog),
        summary: contract.summary.as_deref(),
        description: contract.description.as_deref(),
        producers: producers(contract, catalog),
        team: team(contract, catalog),
        partitions: catalog.system.topics.get(&contract.topic.value).and_then(|topic| topic.partitions),
        ordering: contract.ordering.as_str(),
        compatibility: contract.compatibility.as_str(),
        policy: contract.policy.as_str(),
        audience: contract.audience.as_str(),
        stage: stage(lifecycle, today()),
        since: lifecycle.since,
        deprecated: lifecycle.deprecated,
        sunset: lifecycle.sunset,
        replaced_by: lifecycle.replaced_by.as_ref().map(|name| name.value.as_str()),
        reserved: contract.reserved.iter().map(|name| name.value.as_str()).collect(),
        required: required(&fields),
        roles: roles(&fields),
        readers: usage(catalog, contract.name.as_str()).into_iter().map(ReaderJson::from).collect(),
        examples: contract.examples.iter().map(factum_contract::node::Node::to_json).collect(),
        fields,
    }
}

fn producers(contract: &Contract, catalog: &Catalog) -> Vec<String> {
    let version = Some(contract.version);
    overview::show(catalog, contract.name.as_str(), version)
        .map(|shown| shown.row.producers)
        .unwrap_or_default()
}

fn team<'a>(contract: &Contract, catalog: &'a Catalog) -> Option<&'a str> {
    let service = catalog.system.services.get(contract.owner.as_str())?;
    service.team.as_ref().map(|team| team.value.as_str())
}

fn required(fields: &[FieldJson]) -> Vec<String> {
    let paths = fields.iter().filter(|field| field.required && !field.path.ends_with("[]"));
    paths.map(|field| field.path.clone()).collect()
}

fn roles(fields: &[FieldJson]) -> RolesJson {
    let of = |role: &str| {
        let named =
            fields.iter().filter(|field| field.role == role && !field.path.ends_with(['[', ']', '}']));
        named.map(|field| field.path.clone()).collect()
    };
    RolesJson { identifier: of("identifier"), fact: of("fact"), metadata: of("metadata") }
}

fn fields(contract: &Contract) -> Vec<FieldJson> {
    let mut fields = Vec::new();
    let mut required = std::collections::HashSet::new();
    contract.payload.walk(&mut |path, schema| {
        for field in schema.fields().iter().filter(|field| field.is_required) {
            let dot = if path.is_empty() { "" } else { "." };
            required.insert(format!("{path}{dot}{}", field.name));
        }
        if path.is_empty() {
            return;
        }
        fields.push(FieldJson {
            path: path.to_owned(),
            required: required.contains(path) || path.ends_with("[]"),
            what: schema.summary(),
            role: schema.role.as_str(),
            personal: schema.personal.is_some(),
            description: schema.description.clone(),
        });
    });
    fields
}

fn print(contract: &Contract, catalog: &Catalog, cx: &mut Cx<'_>) -> Result<(), CliError> {
    let paint = cx.out.paint();
    let head = paint.style(Style::Bold, &contract.label());
    let summary = contract.summary.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    cx.out.line(format!("{head} ({}){}\n", contract.kind.as_str(), printable(&summary)))?;
    let mut about = Table::new([Column::Left("what"), Column::Cut("value")]).without_head();
    let fields = fields(contract);
    for (what, value) in about_rows(contract, catalog, &fields) {
        about.row([Cell::styled(Style::Dim, what), value.into()]);
    }
    cx.out.table(&about)?;
    cx.out.line("")?;
    let mut table =
        Table::new([Column::Left("field"), Column::Left(""), Column::Left("what"), Column::Cut("meaning")]);
    for field in fields {
        let mut notes = vec![if field.required { "required" } else { "optional" }];
        notes.extend((field.role != "fact").then_some(field.role));
        notes.extend(field.personal.then_some("personal"));
        table.row([
            Cell::styled(Style::Cyan, &field.path),
            Cell::styled(Style::Dim, notes.join(", ")),
            field.what.into(),
            field.description.unwrap_or_default().into(),
        ]);
    }
    cx.out.table(&table)?;
    print_readers(contract, catalog, cx)?;
    if let Some(example) = contract.examples.first() {
        cx.out.line(format!("\n{}", paint.style(Style::Dim, "example")))?;
        cx.out.line(printable(&crate::shown::pretty(&example.to_json_text())))?;
    }
    Ok(())
}

fn about_rows(contract: &Contract, catalog: &Catalog, fields: &[FieldJson]) -> Vec<(&'static str, String)> {
    let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let owner = match team(contract, catalog) {
        Some(team) => format!("{}, team {team}", contract.owner.value),
        None => contract.owner.to_string(),
    };
    let mut topic = contract.topic.to_string();
    if let Some(spec) = catalog.system.topics.get(&contract.topic.value) {
        topic.extend(spec.partitions.map(|count| format!(", {count} partitions")));
        topic.extend(spec.retention.map(|kept| format!(", kept {}", length(kept))));
    }
    let roles = roles(fields);
    let mut rows = vec![
        ("owner", owner),
        ("producers", or_none(producers(contract, catalog))),
        ("topic", topic),
        ("stream", format!("{}-<{}>", contract.category, contract.key.value)),
        ("key", contract.key.value.clone()),
        ("ordering", contract.ordering.to_string()),
        ("compatibility", format!("{}, {} readers", contract.compatibility, contract.policy)),
        ("life", life(contract)),
        ("required", or_none(required(fields))),
        ("identifiers", or_none(roles.identifier)),
        ("facts", or_none(roles.fact)),
        ("metadata", or_none(roles.metadata)),
    ];
    let reserved: Vec<String> = contract.reserved.iter().map(|name| name.value.clone()).collect();
    if !reserved.is_empty() {
        rows.push(("reserved", reserved.join(", ")));
    }
    rows
}

fn life(contract: &Contract) -> String {
    let lifecycle = &contract.lifecycle;
    let mut parts = vec![stage(lifecycle, today()).to_string()];
    parts.extend(lifecycle.since.map(|date| format!("since {date}")));
    parts.extend(lifecycle.deprecated.map(|date| format!("deprecated {date}")));
    parts.extend(lifecycle.sunset.map(|date| format!("sunset {date}")));
    parts.extend(lifecycle.replaced_by.as_ref().map(|name| format!("replaced by {}", name.value)));
    parts.join(", ")
}

fn print_readers(contract: &Contract, catalog: &Catalog, cx: &mut Cx<'_>) -> Result<(), CliError> {
    cx.out.line("")?;
    let mut table = Table::new([
        Column::Left("reader"),
        Column::Left("kind"),
        Column::Left("service"),
        Column::Left("version"),
        Column::Cut("must move"),
    ]);
    for usage in usage(catalog, contract.name.as_str()) {
        let version =
            if usage.is_pinned { usage.version.to_string() } else { format!("{} (newest)", usage.version) };
        let moves = match (usage.move_by, usage.move_to) {
            (Some(date), Some(to)) => format!("by {date}, to {to}"),
            (Some(date), None) => format!("by {date}"),
            (None, _) => "no date".to_owned(),
        };
        table.row([
            Cell::styled(Style::Cyan, usage.reader),
            usage.kind.into(),
            usage.service.into(),
            version.into(),
            moves.into(),
        ]);
    }
    if table.is_empty() {
        cx.out.line("no readers")?;
    } else {
        cx.out.table(&table)?;
    }
    Ok(())
}

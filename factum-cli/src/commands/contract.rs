//! `factum contract`: check a catalog's files, list its contracts, show one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use factum_contract::folder::{self, FolderError};
use factum_contract::{Catalog, Contract, Contracts, Report, Severity, Source};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, printable};
use crate::suggest;

/// Check, list or show contracts
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say everything that is wrong with a catalog's files
    Check {
        #[command(flatten)]
        folder: Folder,
    },
    /// List the newest version of every contract
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Show one contract: its rules, its fields, who handles it
    Show {
        /// The contract: order.placed, or order.placed.v1
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Where the contracts are.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The folder of contracts; else `contracts` in factum.toml, else ./contracts
    #[arg(long = "contracts", value_name = "DIR")]
    flag: Option<PathBuf>,
    /// The same, without the flag
    #[arg(value_name = "DIR", conflicts_with = "flag")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct ListJson<'a> {
    system: &'a str,
    contracts: Vec<RowJson<'a>>,
}

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    name: &'a str,
    version: u32,
    versions: Vec<u32>,
    kind: &'static str,
    owner: &'a str,
    topic: &'a str,
    category: &'a str,
    key: &'a str,
    consumers: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct ShowJson<'a> {
    #[serde(flatten)]
    row: RowJson<'a>,
    summary: Option<&'a str>,
    ordering: &'static str,
    compatibility: &'static str,
    fields: Vec<FieldJson>,
    examples: Vec<serde_json::Value>,
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

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match args.action {
        Action::Check { folder } => check(&folder_of(&folder, cx), cx),
        Action::List { folder } => list(&catalog(&folder_of(&folder, cx))?, cx),
        Action::Show { name, folder } => show(&name, &catalog(&folder_of(&folder, cx))?, cx),
    }
}

fn folder_of(folder: &Folder, cx: &Cx<'_>) -> PathBuf {
    let flag = folder.flag.as_deref().or(folder.dir.as_deref());
    cx.settings.contracts(flag).unwrap_or_else(|| PathBuf::from("contracts"))
}

/// A catalog's files.
pub(crate) fn sources(folder: &Path) -> Result<Vec<Source>, CliError> {
    folder::read(folder).map_err(|error| {
        let hint = "pass the folder that holds system.yaml: --contracts DIR";
        match &error {
            FolderError::Io { source, .. } => CliError::unreachable(format!("{error}: {source}")),
            FolderError::Missing { .. } | FolderError::Empty { .. } => {
                CliError::unreachable(error.to_string()).hint(hint)
            }
            FolderError::TooMany { .. } => CliError::refused(error.to_string()).hint(hint),
        }
    })
}

/// A catalog that can be used, or the first thing that is wrong with it.
pub(crate) fn catalog(folder: &Path) -> Result<Catalog, CliError> {
    Catalog::read(&sources(folder)?).map_err(|error| {
        CliError::refused(error.to_string().trim_end().to_owned())
            .hint(format!("`factum contract check {}` says all of it", folder.display()))
    })
}

/// A catalog at work.
pub(crate) fn compiled(folder: &Path) -> Result<Contracts, CliError> {
    Contracts::new(catalog(folder)?).map_err(|error| CliError::refused(error.to_string()))
}

fn check(folder: &Path, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let report = factum_contract::check(&sources(folder)?);
    let done = if report.findings.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&report)?;
        return Ok(done);
    }
    print_findings(&report, cx)?;
    Ok(done)
}

fn print_findings(report: &Report, cx: &mut Cx<'_>) -> Result<(), CliError> {
    let paint = cx.out.paint();
    for finding in &report.findings {
        let text = printable(&finding.to_string());
        let (head, rest) = text.split_once(':').unwrap_or((&text, ""));
        let style = if finding.severity == Severity::Error { Style::Red } else { Style::Yellow };
        cx.out.line(format!("{}:{rest}", paint.style(style, head)))?;
    }
    let sum = Report { findings: Vec::new(), ..report.clone() };
    let counts = sum.to_string();
    let counts = counts.split(':').next().unwrap_or_default();
    let verdict = match (report.errors(), report.warnings()) {
        (0, 0) => paint.style(Style::Green, "no findings"),
        (0, warnings) => paint.style(Style::Yellow, &crate::output::counted(warnings as u64, "warning")),
        (errors, warnings) => {
            let errors = crate::output::counted(errors as u64, "error");
            paint.style(
                Style::Red,
                &format!("{errors}, {}", crate::output::counted(warnings as u64, "warning")),
            )
        }
    };
    cx.out.line(format!("{verdict}: {counts}"))?;
    Ok(())
}

fn row<'a>(contract: &'a Contract, catalog: &'a Catalog) -> RowJson<'a> {
    let handles = |on: &[factum_contract::words::Placed<factum_core::EventName>]| {
        on.iter().any(|name| name.value == contract.name)
    };
    let consumers = catalog.system.consumers.iter().filter(|(_, spec)| handles(&spec.on));
    RowJson {
        name: contract.name.as_str(),
        version: contract.version,
        versions: catalog.versions(contract.name.as_str()).map(|contract| contract.version).collect(),
        kind: contract.kind.as_str(),
        owner: contract.owner.as_str(),
        topic: contract.topic.as_str(),
        category: contract.category.as_str(),
        key: &contract.key,
        consumers: consumers.map(|(name, _)| name.as_str()).collect(),
    }
}

fn list(catalog: &Catalog, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let rows: Vec<RowJson<'_>> = catalog.latest().map(|contract| row(contract, catalog)).collect();
    if cx.out.is_json() {
        cx.out.json(&ListJson { system: catalog.system.name.as_str(), contracts: rows })?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("contract"),
        Column::Right("version"),
        Column::Left("kind"),
        Column::Left("owner"),
        Column::Left("topic"),
        Column::Left("stream"),
        Column::Left("key"),
        Column::Cut("consumers"),
    ]);
    for row in rows {
        table.row([
            Cell::styled(Style::Cyan, row.name),
            row.version.to_string().into(),
            row.kind.into(),
            row.owner.into(),
            row.topic.into(),
            row.category.into(),
            row.key.into(),
            row.consumers.join(", ").into(),
        ]);
    }
    if table.is_empty() {
        cx.out.line("no contracts")?;
    } else {
        cx.out.table(&table)?;
    }
    Ok(Done::Clean)
}

fn find<'a>(name: &str, catalog: &'a Catalog) -> Result<&'a Contract, CliError> {
    let newest = catalog.versions(name).next_back();
    let versioned = || {
        let (name, version) = name.rsplit_once(".v")?;
        catalog.contract(name, version.parse().ok()?)
    };
    newest.or_else(versioned).ok_or_else(|| {
        let plain = name.rsplit_once(".v").filter(|(_, rest)| rest.parse::<u32>().is_ok());
        let plain = plain.map_or(name, |(plain, _)| plain);
        let versions: Vec<String> = catalog.versions(plain).map(Contract::label).collect();
        let hint = match versions.as_slice() {
            [] => suggest::nearest(plain, catalog.names().map(factum_core::EventName::as_str)),
            versions => Some(format!("known: {}", versions.join(", "))),
        };
        CliError::unknown(format!("contract {name:?} is not in the catalog")).hint(hint.unwrap_or_default())
    })
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

fn show(name: &str, catalog: &Catalog, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let contract = find(name, catalog)?;
    let row = row(contract, catalog);
    let examples: Vec<String> =
        contract.examples.iter().map(factum_contract::node::Node::to_json_text).collect();
    if cx.out.is_json() {
        let examples = examples.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        cx.out.json(&ShowJson {
            row,
            summary: contract.summary.as_deref(),
            ordering: contract.ordering.as_str(),
            compatibility: contract.compatibility.as_str(),
            fields: fields(contract),
            examples,
        })?;
        return Ok(Done::Clean);
    }
    let paint = cx.out.paint();
    let head = paint.style(Style::Bold, &contract.label());
    let summary = contract.summary.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    cx.out.line(format!("{head} ({}){summary}\n", row.kind))?;
    let mut about = Table::new([Column::Left("what"), Column::Left("value")]).without_head();
    for (what, value) in [
        ("owner", row.owner.to_owned()),
        ("topic", row.topic.to_owned()),
        ("stream", format!("{}-<{}>", row.category, row.key)),
        ("key", row.key.to_owned()),
        ("ordering", contract.ordering.as_str().to_owned()),
        ("compatibility", contract.compatibility.as_str().to_owned()),
        ("consumers", if row.consumers.is_empty() { "none".to_owned() } else { row.consumers.join(", ") }),
    ] {
        about.row([Cell::styled(Style::Dim, what), value.into()]);
    }
    cx.out.table(&about)?;
    cx.out.line("")?;
    let mut table =
        Table::new([Column::Left("field"), Column::Left(""), Column::Left("what"), Column::Cut("meaning")]);
    for field in fields(contract) {
        let mut notes = vec![if field.required { "required" } else { "optional" }];
        notes.extend((field.role == "identifier").then_some("identifier"));
        notes.extend(field.personal.then_some("personal"));
        table.row([
            Cell::styled(Style::Cyan, &field.path),
            Cell::styled(Style::Dim, notes.join(", ")),
            field.what.into(),
            field.description.unwrap_or_default().into(),
        ]);
    }
    cx.out.table(&table)?;
    for example in examples.iter().take(1) {
        cx.out.line(format!("\n{}", paint.style(Style::Dim, "example")))?;
        cx.out.line(printable(&crate::shown::pretty(example)))?;
    }
    Ok(Done::Clean)
}

//! From files to a catalog: every key read, every mistake reported, all in one run.
//!
//! Works on text only; which files there are is the caller's business. The same code reads YAML under construction
//! and the JSON that generated code embeds.

use crate::catalog::Catalog;
use crate::contract::Contract;
#[cfg(feature = "tooling")]
use crate::finding::{Finding, Severity};
use crate::finding::{Findings, Source, Span};
use crate::node::json::NotRead;
use crate::node::{Content, Node};
use crate::system::Defaults;

mod contract;
mod fields;
#[cfg(feature = "tooling")]
mod list;
mod schema;
mod system;
mod upcast;

/// Index of the system's file among the sources of an embedded catalog; the embedded text itself is the first.
const SYSTEM_FILE: u32 = 1;
/// Largest file of a catalog: a contract is written by people.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Reads all sources into a catalog; what cannot be read is reported and left out.
pub(crate) fn sources(sources: &[Source], findings: &mut Findings<'_>) -> Option<Catalog> {
    let documents = documents(sources, findings);
    let has_system = documents.iter().any(|(name, _)| is_system(name));
    if !has_system && sources.iter().any(|source| is_system(&source.name)) {
        // Why its file cannot be read has been said.
        read_contracts(&documents, &Defaults::default(), findings);
        return None;
    }
    catalog(&documents, findings)
}

/// Reads contracts alone: of a system that need not be whole, or of one file.
///
/// `defaults` hold where there is no system file among the sources.
#[cfg(feature = "tooling")]
pub(crate) fn contracts(
    sources: &[Source],
    defaults: &Defaults,
    findings: &mut Findings<'_>,
) -> Vec<(String, Contract)> {
    let documents = documents(sources, findings);
    let system = documents.iter().find(|(name, _)| is_system(name));
    // What else the system file says is of another time, and nobody's concern here.
    let system = system.and_then(|(_, node)| system::system(node, &mut Findings::new(sources)));
    let defaults = system.map_or_else(|| defaults.clone(), |system| system.defaults);
    read_contracts(&documents, &defaults, findings)
}

fn read_contracts(
    documents: &[(&str, Node)],
    defaults: &Defaults,
    findings: &mut Findings<'_>,
) -> Vec<(String, Contract)> {
    let files = documents.iter().filter(|(name, _)| !is_system(name));
    files
        .filter_map(|(name, node)| Some(((*name).to_owned(), contract::contract(node, defaults, findings)?)))
        .collect()
}

/// Reads the one document of a file.
pub(crate) fn document(source: &Source, findings: &mut Findings<'_>) -> Option<Node> {
    let mut found = documents(std::slice::from_ref(source), findings);
    found.pop().map(|(_, node)| node)
}

/// Reads one file as a tree, whatever it says; its name tells JSON from YAML.
///
/// # Errors
/// The finding that says why it is no YAML or JSON.
#[cfg(feature = "tooling")]
pub fn tree(sources: &[Source], index: usize) -> Result<Node, Box<Finding>> {
    let file = u32::try_from(index).unwrap_or(u32::MAX);
    let mut findings = Findings::new(sources);
    let node = sources.get(index).and_then(|source| read(source, file, &mut findings));
    node.ok_or_else(|| {
        let first = findings.into_vec().into_iter().next();
        let none = || Finding::at(sources, None, "yaml", Severity::Error, "there is no such file", None);
        Box::new(first.unwrap_or_else(none))
    })
}

/// Reads a contract from its document.
pub(crate) fn contract(node: &Node, defaults: &Defaults, findings: &mut Findings<'_>) -> Option<Contract> {
    contract::contract(node, defaults, findings)
}

fn documents<'s>(sources: &'s [Source], findings: &mut Findings<'_>) -> Vec<(&'s str, Node)> {
    let mut documents = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let file = u32::try_from(index).unwrap_or(u32::MAX);
        documents.extend(read(source, file, findings).map(|node| (source.name.as_str(), node)));
    }
    documents
}

/// A source as a tree; what is wrong with it is reported.
fn read(source: &Source, file: u32, findings: &mut Findings<'_>) -> Option<Node> {
    if source.text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, over {FILE_BYTES_MAX}", source.text.len());
        findings.error("size", Span { file, line: 1, column: 1, length: 1 }, message);
        return None;
    }
    match parse(source, file) {
        Ok(node) => return Some(node),
        Err(NotRead { rule, span, message, hint: Some(hint) }) => {
            findings.error_with_hint(rule, span, message, hint);
        }
        Err(NotRead { rule, span, message, hint: None }) => findings.error(rule, span, message),
    }
    None
}

/// Reads one file that lists several contracts.
#[cfg(feature = "tooling")]
pub(crate) fn one_source(source: &Source, findings: &mut Findings<'_>) -> Option<Catalog> {
    let node = read(source, 0, findings)?;
    let documents = list::documents(&node, &source.name, findings)?;
    let documents: Vec<(&str, Node)> =
        documents.iter().map(|(name, node)| (name.as_str(), node.clone())).collect();
    catalog(&documents, findings)
}

/// Reads the one JSON text that generated code embeds.
pub(crate) fn embedded(source: &Source, findings: &mut Findings<'_>) -> Option<Catalog> {
    let node = match crate::node::json::parse(&source.text, 0) {
        Ok(node) => node,
        Err(error) => {
            findings.error(error.rule, error.span, error.message);
            return None;
        }
    };
    let Some(Node { content: Content::Map(files), .. }) = node.get("files") else {
        findings.error(
            "embedded",
            node.span,
            "expected a catalog with `files`, as `factum generate` writes it",
        );
        return None;
    };
    let mut documents: Vec<(&str, Node)> =
        files.iter().map(|entry| (entry.key.as_str(), entry.value.clone())).collect();
    // Of an older generator there are none, and places are those in the embedded text.
    if let Some(Node { content: Content::List(places), .. }) = node.get("places")
        && let Some((_, system)) = documents.iter_mut().find(|(name, _)| is_system(name))
    {
        system.put_places(SYSTEM_FILE, &mut places.iter().map_while(number));
    }
    catalog(&documents, findings)
}

/// Reads one schema, quietly: none when anything is wrong with it.
#[cfg(feature = "tooling")]
pub(crate) fn schema_alone(node: &Node) -> Option<crate::schema::Schema> {
    let mut findings = Findings::new(&[]);
    let schema = schema::alone(node, &mut findings)?;
    (!findings.has_errors()).then_some(schema)
}

/// Whether a value is one that a schema lets through; not so for a schema that cannot be read.
#[cfg(feature = "tooling")]
pub(crate) fn fits(schema: &Node, value: &serde_json::Value) -> bool {
    let schema = schema_alone(schema);
    schema.is_some_and(|schema| crate::validate::check_value(&schema, &value.to_string()).is_ok())
}

/// Whether a field can have the name.
#[cfg(feature = "tooling")]
pub(crate) fn is_field_name(name: &str) -> bool {
    schema::is_field_name(name)
}

fn parse(source: &Source, file: u32) -> Result<Node, NotRead> {
    if source.name.ends_with(".json") {
        return crate::node::json::parse(&source.text, file);
    }
    #[cfg(feature = "tooling")]
    return crate::node::yaml::parse(&source.text, file);
    #[cfg(not(feature = "tooling"))]
    Err(NotRead {
        rule: "yaml",
        span: Span { file, line: 1, column: 1, length: 1 },
        message: "this build reads JSON only".to_owned(),
        hint: Some("enable the feature `tooling`, or embed the catalog by `factum generate rust`".to_owned()),
    })
}

fn catalog(documents: &[(&str, Node)], findings: &mut Findings<'_>) -> Option<Catalog> {
    let mut system = None;
    for (name, node) in documents.iter().filter(|(name, _)| is_system(name)) {
        if system.is_some() {
            findings.error("duplicate-system", node.span, format!("{name} is a second system file"));
            continue;
        }
        system = Some((*name, node, system::system(node, findings)));
    }
    let defaults = match &system {
        Some((_, _, Some(system))) => system.defaults.clone(),
        _ => Defaults::default(),
    };
    let contracts = read_contracts(documents, &defaults, findings);
    let Some((system_file, document, system)) = system else {
        let hint = "it names the system and its services: `system: shop` and `services: { orders: {} }`";
        findings.of_catalog("missing-system", "the catalog has no system.yaml", hint);
        return None;
    };
    let system_document = (system_file.to_owned(), document.clone());
    Some(Catalog::assemble(system?, system_document, contracts, findings))
}

fn number(node: &Node) -> Option<u32> {
    match &node.content {
        Content::Number(number) => u32::try_from(number.as_u64()?).ok(),
        _ => None,
    }
}

/// Whether a file describes the system around the contracts.
pub(crate) fn is_system(name: &str) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    matches!(file, "system.yaml" | "system.yml" | "system.json")
}

//! One JSON Schema 2020-12 document for each contract version, complete in itself.
//!
//! A document's `$id` is the contract's name and version, the same that events carry as `dataschema`; it does not
//! change with the place where the file is kept.

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::node::Node;
use crate::node::build::Map;
use crate::node::write;

use super::payload::{self, Words};
use super::{BadExample, Generated, GeneratedFile, MARK, examples_are_good};

/// The folder under the output folder that holds the documents.
const FOLDER: &str = "json-schema";

/// A file for each contract version, in the folder `json-schema`.
///
/// # Errors
/// When an example breaks its contract: a document with a wrong example misleads.
pub fn generate(catalog: &Catalog) -> Result<Generated, BadExample> {
    examples_are_good(catalog)?;
    let note = format!("{MARK} json-schema`; change the contracts, not this file");
    let file = |contract: &Contract| GeneratedFile {
        path: format!("{FOLDER}/{}.json", contract.label()),
        text: write::json(&Node::from(document(contract)), Some(("$comment", &note))),
    };
    let mut files: Vec<GeneratedFile> = catalog.contracts().map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Generated { files, owns_folder: false })
}

/// The identity of a contract version, as events carry it in `dataschema`.
fn id(contract: &Contract) -> String {
    format!("urn:factum:contract:{}:{}", contract.name, contract.version)
}

fn document(contract: &Contract) -> Map {
    let mut map = Map::of("$schema", "https://json-schema.org/draft/2020-12/schema");
    map.put("$id", id(contract));
    let title = contract.payload.title.clone();
    map.put("title", title.unwrap_or_else(|| format!("{} v{}", contract.name, contract.version)));
    map.maybe("description", contract.description.as_deref().or(contract.summary.as_deref()));
    if contract.lifecycle.deprecated.is_some() {
        map.put("deprecated", true);
    }
    map.extend(payload::node(&contract.payload, Words::JsonSchema));
    map.list("examples", contract.examples.clone());
    map
}

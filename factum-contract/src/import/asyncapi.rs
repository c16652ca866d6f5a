//! AsyncAPI 2.6 and 3: from a document to the files of a catalog.

use crate::generate::asyncapi::{REVISION, ROOT_KEY};
use crate::node::Content;

use super::document::Document;
use super::events::Model;
use super::files::Assembly;
use super::{ImportError, Imported, names};

/// Reads an AsyncAPI document in YAML or JSON.
///
/// # Errors
/// When it is no such document, of another version, too large, or not text.
pub fn asyncapi(file: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    let doc = Document::read(file, bytes)?;
    let version = version(&doc, file)?;
    let is_ours = is_ours(&doc);
    if is_ours {
        let whole = read(&doc, &version, true);
        if let Some(imported) = whole {
            return Ok(Imported { notes: doc.into_notes(), ..imported });
        }
        // What we wrote was changed by hand so that it no longer says what it said: it is read like any other.
        doc.forget_notes();
        let own = doc.root().get(ROOT_KEY);
        if let Some(at) = own {
            doc.lost(&at, "it does not describe this document any more; the document is read without it");
        }
    }
    let imported = read(&doc, &version, false);
    let imported = imported.unwrap_or_else(|| Imported {
        version: version.clone(),
        files: Vec::new(),
        contracts: Vec::new(),
        notes: Vec::new(),
    });
    Ok(Imported { notes: doc.into_notes(), ..imported })
}

fn read(doc: &Document, version: &str, is_ours: bool) -> Option<Imported> {
    let model = Model::of(doc, version.starts_with("2."));
    let title = doc.root().get("info").and_then(|info| info.text("title")).unwrap_or_default();
    let service = names::part(title, "service");
    let assembled = Assembly::of(doc, &model, &service, is_ours).files()?;
    let (files, contracts) = assembled;
    Some(Imported { version: version.to_owned(), files, contracts, notes: Vec::new() })
}

/// The version, when it is one that is read.
fn version(doc: &Document, file: &str) -> Result<String, ImportError> {
    let other = |found: String, hint: &str| {
        let (file, hint) = (file.to_owned(), hint.to_owned());
        ImportError::NotAsyncApi { file, found, hint }
    };
    let plain = "pass an AsyncAPI document: `factum contract import asyncapi asyncapi.yaml --out contracts`";
    let root = doc.root();
    if !matches!(root.node.content, Content::Map(_)) {
        return Err(other(root.node.kind().to_owned(), plain));
    }
    let Some(at) = root.get("asyncapi") else {
        for (key, what) in [("openapi", "OpenAPI"), ("swagger", "Swagger")] {
            if let Some(version) = root.get(key) {
                let version = version.node.to_json_text();
                let hint = "OpenAPI describes requests, not events: pass the document of the events, or start one \
                            by `factum generate asyncapi`";
                return Err(other(format!("{what} {}", version.trim_matches('"')), hint));
            }
        }
        if root.get("event").is_some() || root.get("system").is_some() {
            let hint = "these are contracts already: `factum contract check DIR`";
            return Err(other("a file of a catalog".to_owned(), hint));
        }
        let keys: Vec<&str> = root.entries().iter().map(|(key, _)| *key).take(5).collect();
        return Err(other(format!("the keys {}", keys.join(", ")), plain));
    };
    let text = at.node.as_text().map_or_else(|| at.node.to_json_text(), str::to_owned);
    let text: String = text.chars().take(40).collect();
    let is_read = text == "2.6" || text.starts_with("2.6.") || text.starts_with("3.");
    if is_read { Ok(text) } else { Err(ImportError::Version { file: file.to_owned(), found: text }) }
}

/// Whether the document's `x-` keys are those that we write, in a revision that is known.
fn is_ours(doc: &Document) -> bool {
    let revision = doc.root().get(ROOT_KEY).and_then(|at| at.get("revision"));
    let revision = revision.and_then(|at| at.node.to_json().as_u64());
    revision.is_some_and(|revision| (1..=REVISION).contains(&revision))
}

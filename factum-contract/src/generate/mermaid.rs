//! Drawings of a system as Mermaid text: context map, event flow, the sequence of a saga, the states of a stream.
//!
//! Each drawing is a function that answers text, so that pages can embed what `factum generate mermaid` writes.
//! Names and words of people are never spliced in raw: every character that could mean something is an entity.

use factum_core::{Category, EventName};

use crate::catalog::Catalog;
use crate::words::SagaName;

use super::{Generated, GeneratedFile, MARK};

mod flow;
mod map;
mod saga;
mod stream;
mod text;

/// The folder under the output folder that holds the drawings.
const FOLDER: &str = "mermaid";

/// All drawings of a catalog, one file each, in the folder `mermaid`.
#[must_use]
pub fn generate(catalog: &Catalog) -> Generated {
    let mut drawings = vec![
        ("context-map".to_owned(), context_map(catalog)),
        ("event-flow".to_owned(), event_flow(catalog)),
    ];
    let sagas = catalog.system.sagas.keys();
    drawings.extend(sagas.filter_map(|name| Some((format!("saga-{name}"), saga(catalog, name)?))));
    let streams = stream::categories(catalog);
    drawings.extend(
        streams.filter_map(|category| Some((format!("stream-{category}"), stream(catalog, category)?))),
    );
    let mut files: Vec<GeneratedFile> = drawings
        .into_iter()
        .map(|(name, text)| GeneratedFile {
            path: format!("{FOLDER}/{name}.mmd"),
            text: format!("%% {MARK} mermaid`; change the contracts, not this file\n{text}"),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Generated { files, owns_folder: false }
}

/// Services by team, with the events and commands between them, and what they call outside.
#[must_use]
pub fn context_map(catalog: &Catalog) -> String {
    map::draw(catalog)
}

/// Every event and command, with who sends and who takes it.
#[must_use]
pub fn event_flow(catalog: &Catalog) -> String {
    flow::draw(catalog, None)
}

/// One event or command, with who sends and who takes it.
#[must_use]
pub fn event_flow_of(catalog: &Catalog, event: &EventName) -> String {
    flow::draw(catalog, Some(event))
}

/// What a saga waits for and sends, step by step; none when there is no saga of this name.
#[must_use]
pub fn saga(catalog: &Catalog, name: &SagaName) -> Option<String> {
    Some(saga::draw(catalog, name, catalog.system.sagas.get(name)?))
}

/// Where a stream can stand after each of its events, as far as consumers and sagas say what follows what; none when
/// nothing is known to follow anything.
#[must_use]
pub fn stream(catalog: &Catalog, category: &Category) -> Option<String> {
    stream::draw(catalog, category)
}

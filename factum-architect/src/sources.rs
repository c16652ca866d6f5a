//! Source code as a reviewer reads it: who really publishes and consumes, in five languages.
//!
//! Each file becomes the same small form whatever its language, so that a rule is written once. Files that speak of no
//! events are left out before they are parsed: most of a code base is.

use std::collections::BTreeSet;
use std::path::Path;

use factum_contract::Source;

pub mod language;
mod read;
pub(crate) mod rules;
pub mod traffic;
pub mod unit;
mod walk;

pub use traffic::{Direction, Traffic, Via};
pub use unit::Unit;
pub use walk::ScanError;

use crate::review::view::View;

/// Source code that was read.
#[derive(Debug, Default)]
pub struct Code {
    /// Files that speak of events, with their text.
    pub sources: Vec<Source>,
    /// The same, understood.
    pub units: Vec<Unit>,
    /// Files that were looked at.
    pub files: usize,
    /// Settings of TypeScript that lie beside them.
    pub settings: Vec<usize>,
}

impl Code {
    /// Reads a folder or a file. Spans count files from `first`, so that they can stand behind those of a catalog.
    ///
    /// Leaves out what `.gitignore` says, hidden files, and folders of tools (`target`, `node_modules`).
    ///
    /// # Errors
    /// When it cannot be read, or holds more files than anybody means to review at once.
    pub fn read(root: &Path, prefix: &str, first: usize) -> Result<Self, ScanError> {
        let found = walk::files(root)?;
        let files = found.len();
        Ok(Self::of(walk::load(&found, prefix)?, first, files))
    }

    /// The same of texts that are there already.
    #[must_use]
    pub fn of(sources: Vec<Source>, first: usize, files: usize) -> Self {
        let units = read::all(&sources, first);
        let settings = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| {
                source.name.rsplit('/').next().is_some_and(|name| name.starts_with("tsconfig"))
            })
            .map(|(index, _)| index + first);
        let settings = settings.collect();
        Self { sources, units, files, settings }
    }
}

/// Code beside its catalog: what rules look at.
pub struct Scan<'s> {
    /// The catalog.
    pub view: &'s View<'s>,
    /// Files that speak of events.
    pub units: &'s [Unit],
    /// All of the code.
    pub code: &'s Code,
    /// What is published and consumed, by unit.
    pub traffic: Vec<Traffic>,
    /// Functions that handle events: the unit and the function.
    pub handlers: BTreeSet<(usize, usize)>,
    /// Functions that ask for events in a loop, and handle them there.
    pub loops: BTreeSet<(usize, usize)>,
}

impl<'s> Scan<'s> {
    pub(crate) fn of(view: &'s View<'s>, code: &'s Code) -> Self {
        let traffic = traffic::find(&code.units);
        let handlers = traffic::handlers(&code.units, &traffic);
        let loops = traffic::loops(&code.units, &handlers);
        Self { view, units: &code.units, code, traffic, handlers, loops }
    }
}

//! Documents of other tools read in as a catalog, with a note for each thing that could not come along.
//!
//! Works on bytes and answers text; nothing is fetched, and nothing is guessed in silence. What comes out passes
//! `check`, and read in again from the document that `factum generate asyncapi` writes of it, it is the same, byte
//! for byte.

use serde::Serialize;

use crate::finding::{Finding, Source};

mod asyncapi;
mod document;
mod events;
mod files;
mod key;
mod names;
mod operations;
mod payload;
mod system;

pub use asyncapi::asyncapi;

/// Largest document that is read.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most notes of one document: past this, nobody reads on.
pub const NOTES_MAX: usize = 2_000;

/// What was read, as files of a catalog, and what was not.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The version that the document says it is.
    pub version: String,
    /// The files: `system.yaml`, and one for each contract version.
    pub files: Vec<Source>,
    /// Contract versions that were read, in their order.
    pub contracts: Vec<String>,
    /// What could not be carried, or became something else, in the order of the document.
    pub notes: Vec<Note>,
}

/// What became of something that could not be carried as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// It is gone.
    Lost,
    /// It was carried as something near.
    Changed,
}

/// One thing of the document that a catalog cannot say, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What became of it.
    pub kind: NoteKind,
    /// JSON pointer to it in the document.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Why, and what to do where something can be done.
    pub reason: String,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not text.
    #[error("{file} is not text: expected an AsyncAPI document in YAML or JSON, found {found}")]
    Binary {
        /// The file.
        file: String,
        /// What was found in its place.
        found: String,
    },
    /// It is too large.
    #[error("{file} has {bytes} bytes, over {DOCUMENT_BYTES_MAX}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// It is neither YAML nor JSON.
    #[error("the document cannot be read:\n{0}")]
    Syntax(Box<Finding>),
    /// It is a document of another kind.
    #[error("{file} is not AsyncAPI: expected a key `asyncapi` with a version, found {found}")]
    NotAsyncApi {
        /// The file.
        file: String,
        /// What it is instead.
        found: String,
        /// What to type next.
        hint: String,
    },
    /// It is of a version that is not read.
    #[error("{file} is AsyncAPI {found}: expected 2.6 or 3.x")]
    Version {
        /// The file.
        file: String,
        /// Its version, cut to 40 characters.
        found: String,
    },
}

impl ImportError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Binary { .. } => "pass the document itself, not an archive or a picture of it".to_owned(),
            Self::TooLarge { .. } => "split the document, or leave out what is no event".to_owned(),
            Self::Syntax(_) => "settle it in the document, then try again".to_owned(),
            Self::NotAsyncApi { hint, .. } => hint.clone(),
            Self::Version { .. } => {
                "convert it first: `asyncapi convert FILE --target-version=3.0.0` of the AsyncAPI command line"
                    .to_owned()
            }
        }
    }
}

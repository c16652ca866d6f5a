//! What a code base is made of: languages, bus, names, folders, tests, and the habits of its authors.
//!
//! Found by reading files, never by running anything. Each finding has its place, so that a plan can show it and a person
//! can disagree. What is not found is said to be not found.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

mod boundaries;
mod facts;
mod signs;
mod walk;

pub use boundaries::Boundaries;
pub use facts::{EventUse, Role};
pub use walk::{FILE_BYTES_MAX, FILES_MAX, ScanError, SourceFile};

/// A programming language that plans and scaffolds are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// TypeScript.
    TypeScript,
    /// JavaScript.
    JavaScript,
    /// Python.
    Python,
    /// Java.
    Java,
    /// Go.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Rust, Self::TypeScript, Self::JavaScript, Self::Python, Self::Java, Self::Go];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::Java => "Java",
            Self::Go => "Go",
        }
    }

    /// What Markdown calls it.
    #[must_use]
    pub fn fence(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::TypeScript => "ts",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::Java => "java",
            Self::Go => "go",
        }
    }

    fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        Some(match name.rsplit_once('.')?.1 {
            "rs" => Self::Rust,
            "ts" | "tsx" | "mts" | "cts" => Self::TypeScript,
            "js" | "jsx" | "mjs" | "cjs" => Self::JavaScript,
            "py" => Self::Python,
            "java" => Self::Java,
            "go" => Self::Go,
            _ => return None,
        })
    }
}

/// Something that was found, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is.
    pub what: String,
    /// The file, relative to the folder that was read.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

/// How events are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// `order.placed`
    Dotted,
    /// `OrderPlaced`
    Pascal,
    /// `order_placed` or `ORDER_PLACED`
    Snake,
}

/// The tests of a code base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tests {
    /// Jest, Vitest, Mocha, pytest, cargo, JUnit (Maven or Gradle), go test.
    pub framework: &'static str,
    /// Where tests are, relative to the folder that was read.
    pub folder: String,
    /// What stands for the bus in tests.
    pub bus: Option<Found>,
    /// How tests wait for what happens later.
    pub waits: Option<Found>,
}

/// What was found in a folder.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Codebase {
    /// Languages with their number of files, most first.
    pub languages: Vec<(Language, usize)>,
    /// The name of the package, where a manifest has one.
    pub package: Option<String>,
    /// What carries events now.
    pub buses: Vec<Found>,
    /// How events are named, with an example.
    pub naming: Option<(Naming, Found)>,
    /// The folder of contracts.
    pub contracts: Option<String>,
    /// Whether contracts are a catalog of Factum.
    pub is_catalog: bool,
    /// The file of the catalog that generated Rust has as a constant.
    pub catalog_code: Option<String>,
    /// Whether a Rust package is a library, which tests can use by its name.
    pub has_library: bool,
    /// Events that are said or taken.
    pub uses: Vec<EventUse>,
    /// Its tests.
    pub tests: Tests,
    /// Where something is tried again.
    pub retry: Option<Found>,
    /// Where what failed is set aside.
    pub dead_letters: Option<Found>,
    /// Where handling twice is made harmless.
    pub idempotency: Option<Found>,
    /// Rules about who may import whom.
    pub boundaries: Option<Boundaries>,
    /// Files that were read.
    pub files: usize,
    /// Whether there were more files than are read.
    pub is_cut: bool,
}

/// Reads a folder.
///
/// # Errors
/// When it is no folder, or cannot be read.
pub fn scan(folder: &Path) -> Result<Codebase, ScanError> {
    let walk::Walked { files, is_cut } = walk::read(folder)?;
    Ok(of_files(&files, is_cut))
}

/// What files make of a code base.
#[must_use]
pub fn of_files(files: &[SourceFile], is_cut: bool) -> Codebase {
    let mut counts: BTreeMap<Language, usize> = BTreeMap::new();
    for file in files {
        if let Some(language) = Language::of_path(&file.path) {
            *counts.entry(language).or_default() += 1;
        }
    }
    let mut languages: Vec<(Language, usize)> = counts.into_iter().collect();
    languages.sort_by_key(|(language, count)| (std::cmp::Reverse(*count), *language));
    let language = languages.first().map(|(language, _)| *language);
    let uses = facts::find(files);
    let (contracts, is_catalog) = signs::contracts(files);
    Codebase {
        package: signs::package(files, language),
        buses: signs::buses(files),
        naming: signs::naming(&uses),
        contracts,
        is_catalog,
        catalog_code: files
            .iter()
            .find(|file| {
                file.path.ends_with(".rs") && file.text.contains("pub const CATALOG: rt::CatalogSource")
            })
            .map(|file| file.path.clone()),
        has_library: files.iter().any(|file| file.path == "src/lib.rs"),
        tests: signs::tests(files, language),
        retry: signs::pattern_of(files, &signs::RETRY),
        dead_letters: signs::pattern_of(files, &signs::DEAD_LETTERS),
        idempotency: signs::pattern_of(files, &signs::IDEMPOTENCY),
        boundaries: boundaries::find(files),
        languages,
        uses,
        files: files.len(),
        is_cut,
    }
}

impl Codebase {
    /// The language that most files are in.
    #[must_use]
    pub fn language(&self) -> Option<Language> {
        self.languages.first().map(|(language, _)| *language)
    }

    /// The folder where most files say events, or take them.
    #[must_use]
    pub fn home(&self, role: Role) -> Option<String> {
        self.home_of(role, None)
    }

    /// The same of one service.
    #[must_use]
    pub fn home_of(&self, role: Role, service: Option<&str>) -> Option<String> {
        let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
        let is_meant = |found: &&EventUse| {
            found.role == role && !found.is_test && (service.is_none() || found.service.as_deref() == service)
        };
        for found in self.uses.iter().filter(is_meant) {
            let folder = found.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            *folders.entry(folder).or_default() += 1;
        }
        let most =
            folders.into_iter().max_by_key(|(folder, count)| (*count, std::cmp::Reverse(folder.len())));
        most.map(|(folder, _)| folder.to_owned())
    }
}

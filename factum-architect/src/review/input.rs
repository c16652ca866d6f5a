//! What is to be reviewed: a folder, a file of code or of a catalog, a document of another tool, a text, or words.
//!
//! Whatever it is, it becomes files of a catalog and source code; what it is not is said with what to type instead.

use std::path::{Path, PathBuf};

use factum_contract::folder::{self, FolderError};
use factum_contract::import::{self, ImportError};
use factum_contract::{Finding, Source};

use super::view::Documents;
use super::wall::Wall;
use super::{Options, Report};
use crate::design::{self, DesignError};
use crate::sources::language::Language;
use crate::sources::{Code, ScanError};

mod drawing;

/// Largest document of another tool.
const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The kind of a text that is not a catalog yet.
pub const STORM: &str = "an event-storming text";

/// Endings of the words on the wall.
const TEXTS: [&str; 3] = [".txt", ".md", ".storm"];

/// Something to review.
#[derive(Debug)]
pub struct Input {
    /// What it is, for people: `a catalog`, `a Mermaid drawing`.
    pub kind: &'static str,
    /// Its catalog.
    pub documents: Documents,
    /// Its code.
    pub code: Code,
    /// Where its files are, as findings name them.
    pub root: PathBuf,
    /// Whether the catalog's files are those on the disk, and can be changed.
    pub is_editable: bool,
    /// Families of rules that it can say anything about; all when there are none.
    pub families: &'static [&'static str],
    /// The text on the wall that the catalog was read from.
    wall: Option<Wall>,
}

impl Input {
    /// Reviews it; findings of a text on the wall point at its lines.
    #[must_use]
    pub fn review(&self, options: &Options) -> Report {
        let tell = |finding: Finding| match &self.wall {
            Some(wall) => wall.point(&finding),
            None => finding,
        };
        super::review_told(&self.documents, &self.code, options, &tell)
    }
}

/// What a drawing shows: names, and who sends to whom.
const OF_DRAWINGS: &[&str] = &["name", "event", "topo"];

/// Why nothing can be reviewed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It is not there.
    #[error("{path} is neither a folder nor a file")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// It is no text.
    #[error("{path} is not text: expected a catalog, source code or a drawing, found bytes that no text has")]
    Binary {
        /// The file.
        path: PathBuf,
    },
    /// It is too large.
    #[error("{path} has {bytes} bytes, over {DOCUMENT_BYTES_MAX}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is of no kind that is read.
    #[error("{path} is of no kind that is reviewed")]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{path} holds neither a catalog nor source code that speaks of events")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The catalog's folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The code cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The document cannot be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The text says nothing that can be reviewed.
    #[error(transparent)]
    Storm(#[from] DesignError),
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was said.
        source: std::io::Error,
    },
}

impl InputError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => "`factum review DIR` reviews a folder, `factum review --list` lists the rules".to_owned(),
            Self::Binary { .. } => "name the folder of contracts or code instead".to_owned(),
            Self::TooLarge { .. } => "name a smaller part of it".to_owned(),
            Self::Unknown { .. } => {
                "reviewed are folders, .yaml and .json catalogs, event-storming texts (.txt, .md), AsyncAPI documents, Mermaid drawings (.mmd, .md), and .rs .ts .js .py .java .go files"
                    .to_owned()
            }
            Self::Empty { .. } => "name the folder that holds system.yaml: `factum review --contracts DIR`".to_owned(),
            Self::Folder(FolderError::TooMany { .. }) | Self::Scan(ScanError::TooMany { .. }) => {
                "name a folder inside of it, or let .gitignore leave out what is generated".to_owned()
            }
            Self::Folder(_) | Self::Scan(_) | Self::Io { .. } => "look at its rights, then try again".to_owned(),
            Self::Import(error) => error.hint(),
            Self::Storm(error) => error.hint(),
        }
    }
}

/// Reads what is at a path; `contracts` names the catalog where it lies elsewhere.
///
/// # Errors
/// When it cannot be read, or there is nothing in it to review.
pub fn read(path: &Path, contracts: Option<&Path>) -> Result<Input, InputError> {
    if path.is_dir() {
        return directory(path, contracts);
    }
    if !path.is_file() {
        return Err(InputError::Missing { path: path.to_owned() });
    }
    file(path, contracts)
}

/// The folder of a catalog: itself, or the one in it that holds the system's file.
#[must_use]
pub fn catalog_of(root: &Path) -> Option<PathBuf> {
    let holds = |folder: &Path| {
        ["system.yaml", "system.yml", "system.json"].iter().any(|name| folder.join(name).is_file())
    };
    let usual = ["", "contracts", "catalog", "docs/contracts"];
    usual.iter().map(|name| root.join(name)).find(|folder| holds(folder))
}

fn directory(root: &Path, contracts: Option<&Path>) -> Result<Input, InputError> {
    let folder = contracts.map(Path::to_owned).or_else(|| catalog_of(root));
    let sources = match &folder {
        Some(folder) => prefixed(folder::read(folder)?, &below(root, folder)),
        None => loose(root)?,
    };
    let documents = Documents::read(sources);
    // A folder that is a catalog's has no code in it.
    let is_catalog = folder.as_deref() == Some(root)
        || folder.as_ref().is_some_and(|folder| folder.canonicalize().ok() == root.canonicalize().ok());
    let code = if is_catalog { Code::default() } else { Code::read(root, "", documents.sources.len())? };
    if documents.sources.is_empty() && code.units.is_empty() {
        return Err(InputError::Empty { path: root.to_owned() });
    }
    let kind = match (documents.sources.is_empty(), code.units.is_empty()) {
        (false, true) => "a catalog",
        (true, _) => "source code",
        (false, false) => "a catalog and source code",
    };
    Ok(Input { kind, documents, code, root: root.to_owned(), is_editable: true, families: &[], wall: None })
}

/// Contracts that lie in a folder without a system's file.
fn loose(root: &Path) -> Result<Vec<Source>, InputError> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(root).map_err(|source| InputError::Io { path: root.to_owned(), source })?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if folder::is_catalog_file(&name) && entry.path().is_file() {
            // What is no text, or too large, is no contract.
            let Ok(text) = text(&entry.path()) else { continue };
            if text.lines().any(|line| line.starts_with("event:") || line.starts_with("command:")) {
                found.push(Source::new(name, text));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn prefixed(sources: Vec<Source>, prefix: &str) -> Vec<Source> {
    sources.into_iter().map(|source| Source::new(format!("{prefix}{}", source.name), source.text)).collect()
}

/// A folder as seen from another, with `/` at its end; itself where it lies elsewhere.
fn below(root: &Path, folder: &Path) -> String {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let inside =
        whole(folder).strip_prefix(whole(root)).map(Path::to_owned).unwrap_or_else(|_| folder.to_owned());
    let parts: Vec<String> =
        inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if parts.is_empty() { String::new() } else { format!("{}/", parts.join("/").trim_start_matches("//")) }
}

fn text(path: &Path) -> Result<String, InputError> {
    let io = |source| InputError::Io { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > DOCUMENT_BYTES_MAX {
        return Err(InputError::TooLarge { path: path.to_owned(), bytes });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let is_binary = bytes.contains(&0);
    match String::from_utf8(bytes) {
        Ok(text) if !is_binary => Ok(text),
        _ => Err(InputError::Binary { path: path.to_owned() }),
    }
}

fn file(path: &Path, contracts: Option<&Path>) -> Result<Input, InputError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let root =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let text = text(path)?;
    let input = |kind, sources: Vec<Source>, is_editable| Input {
        kind,
        documents: Documents::read(sources),
        code: Code::default(),
        root: root.clone(),
        is_editable,
        families: &[],
        wall: None,
    };
    if Language::of(&name).is_some() {
        let catalog = contracts.map(Path::to_owned);
        let sources = catalog
            .map(|folder| folder::read(&folder).map(|sources| prefixed(sources, &below(&root, &folder))))
            .transpose()?;
        let documents = Documents::read(sources.unwrap_or_default());
        let code = Code::of(vec![Source::new(name, text)], documents.sources.len(), 1);
        return Ok(Input {
            kind: "source code",
            documents,
            code,
            root,
            is_editable: false,
            families: &[],
            wall: None,
        });
    }
    let is_asyncapi = text
        .lines()
        .take(200)
        .any(|line| line.trim_start().trim_start_matches(['"', '{', ' ']).starts_with("asyncapi"));
    let is_catalog = name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
    if is_asyncapi && is_catalog {
        let imported = import::asyncapi(&name, text.as_bytes())?;
        return Ok(input("an AsyncAPI document", imported.files, false));
    }
    if is_catalog {
        return Ok(input("a catalog", vec![Source::new(name, text)], true));
    }
    if let Some(sources) = drawing::read(&name, &text) {
        return Ok(Input { families: OF_DRAWINGS, ..input("a Mermaid drawing", sources, false) });
    }
    // What is written on the wall is reviewed as the catalog that it would become.
    if TEXTS.iter().any(|ending| name.ends_with(ending)) {
        let design = design::from_text(&name, text.as_bytes())?;
        let wall = Wall::of(&name, &text, &design);
        return Ok(Input { wall: Some(wall), ..input(STORM, design.files, false) });
    }
    Err(InputError::Unknown { path: path.to_owned() })
}

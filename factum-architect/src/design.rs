//! From what is written on the wall to a catalog and an architecture document.
//!
//! A text is read line by line ([`Storm`]); what it says becomes files that pass `factum contract check`, and a document that
//! names, for each event, producer, topic, key, consumers and failure strategy. What the text does not say is a numbered
//! question, never an invention. Pure: the command line reads and writes the files.

use factum_contract::import;
use factum_contract::{Catalog, Source};

mod broker;
mod code;
mod coordination;
mod document;
mod files;
mod fit;
pub mod merge;
mod model;
mod origins;
pub(crate) mod phrase;
mod questions;
mod rule;
mod sequence;
mod storm;

pub use broker::{Advice, Carrier};
pub use coordination::{Coordination, Criterion, Style};
pub use fit::Fit;
pub use origins::Origins;
pub use questions::Question;
pub(crate) use storm::pattern;
pub use storm::{
    Failure, LINES_MAX, Outcome, Rule, Said, Storm, TEXT_BYTES_MAX, Trigger, Undo, Unread, View, Wait,
};

pub use code::{CodeFact, from_code};

use model::Model;

/// A designed system.
#[derive(Debug, Clone)]
pub struct Design {
    /// The system's name.
    pub system: String,
    /// What it was read from, as people call it.
    pub source: String,
    /// The catalog's files.
    pub files: Vec<Source>,
    /// The catalog.
    pub catalog: Catalog,
    /// What the text said.
    pub storm: Storm,
    /// What it did not say.
    pub questions: Vec<Question>,
    /// How the services work together.
    pub coordination: Coordination,
    /// What should carry the events.
    pub advice: Advice,
    /// Whether events fit at all.
    pub fit: Fit,
    /// What people ask for from outside: line, service, words, events.
    pub requests: Vec<(usize, String, String, Vec<String>)>,
    /// What could not be carried over from a document of another tool.
    pub notes: Vec<String>,
    /// Which lines of the text each part comes from.
    pub origins: Origins,
}

/// Why there is no design.
#[derive(Debug, thiserror::Error)]
pub enum DesignError {
    /// It is not text.
    #[error("{name} is not text: expected the words on the wall, found {found}")]
    Binary {
        /// The file.
        name: String,
        /// What was found instead.
        found: String,
    },
    /// It is too long.
    #[error("{name} has {bytes} bytes, over {TEXT_BYTES_MAX}")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// Nothing in it says what happens.
    #[error("{name} says nothing that has happened: understood {understood}")]
    Nothing {
        /// The file.
        name: String,
        /// What was understood.
        understood: String,
        /// Lines that came near.
        unread: Vec<Unread>,
    },
    /// All that it describes needs its answer at once.
    #[error("{name} describes requests that need their answer at once, and no events: {lines}")]
    OnlyRequests {
        /// The file.
        name: String,
        /// The lines.
        lines: String,
    },
    /// The files that came out of it are not sound.
    #[error("the catalog made of {name} is not sound:\n{findings}")]
    Unsound {
        /// The file.
        name: String,
        /// What is wrong.
        findings: String,
    },
    /// A document of another tool cannot be read.
    #[error(transparent)]
    Import(#[from] import::ImportError),
}

impl DesignError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Binary { .. } => "pass the text itself; of a picture or a board, export the notes first".to_owned(),
            Self::TooLarge { .. } => "split it by system: one text for each".to_owned(),
            Self::Nothing { .. } => format!("one fact a line: {}", rule::FORM),
            Self::OnlyRequests { .. } => {
                "keep them as calls (HTTP, gRPC); say what has *happened* instead: `Orders: place order -> order.placed`".to_owned()
            }
            Self::Unsound { .. } => "say it differently, or report this: it should not happen".to_owned(),
            Self::Import(error) => error.hint(),
        }
    }
}

/// Designs from the words of people; `name` is the file's.
///
/// # Errors
/// When the bytes are no text, or nothing in it can be used.
pub fn from_text(name: &str, bytes: &[u8]) -> Result<Design, DesignError> {
    let text = text_of(name, bytes)?;
    from_storm(name, Storm::read(text))
}

fn from_storm(name: &str, storm: Storm) -> Result<Design, DesignError> {
    if storm.rules.is_empty() && storm.events.is_empty() {
        return Err(nothing(name, &storm));
    }
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = stem.split('.').next().unwrap_or(stem);
    // The words themselves have no file whose name could be the system's.
    let stem = Some(stem).filter(|stem| !stem.contains(char::is_whitespace));
    let usual = stem.and_then(phrase::service_name).unwrap_or_else(|| "system".to_owned());
    let model = Model::of(&storm, &usual);
    let questions = questions::questions(&storm, &model);
    let files = files::files(&model, &questions, name);
    let origins = Origins::of(&model, &storm);
    let requests = model
        .requests
        .into_iter()
        .map(|request| (request.line, request.service, request.said, request.outcomes))
        .collect();
    let catalog = sound(name, &files)?;
    Ok(Design {
        system: model.system,
        source: name.to_owned(),
        coordination: coordination::choose(&storm, &catalog),
        advice: broker::advise(&storm, &catalog),
        fit: fit::judge(&storm, &catalog),
        files,
        catalog,
        storm,
        questions,
        requests,
        notes: Vec::new(),
        origins,
    }
    .with_rate_question())
}

/// Designs from an AsyncAPI document: what is there is drawn, and what it does not say is asked.
///
/// # Errors
/// When the document cannot be read, or its catalog is not sound.
pub fn from_asyncapi(name: &str, bytes: &[u8]) -> Result<Design, DesignError> {
    let imported = import::asyncapi(name, bytes)?;
    let catalog = sound(name, &imported.files)?;
    let storm = Storm::default();
    let notes = imported
        .notes
        .iter()
        .map(|note| format!("{name}:{}:{}: {}", note.line, note.column, note.reason))
        .collect();
    Ok(Design {
        system: catalog.system.name.as_str().to_owned(),
        source: name.to_owned(),
        coordination: coordination::choose(&storm, &catalog),
        advice: broker::advise(&storm, &catalog),
        fit: fit::judge(&storm, &catalog),
        questions: questions::of_catalog(&catalog),
        files: imported.files,
        catalog,
        storm,
        requests: Vec::new(),
        notes,
        origins: Origins::default(),
    }
    .with_rate_question())
}

impl Design {
    /// The architecture document, as Markdown.
    #[must_use]
    pub fn document(&self) -> String {
        document::write(self)
    }

    /// All files by path: the catalog under `contracts/`, the document under `docs/architecture/`.
    #[must_use]
    pub fn outputs(&self) -> Vec<Source> {
        let catalog =
            self.files.iter().map(|file| Source::new(format!("contracts/{}", file.name), file.text.clone()));
        let document = Source::new(format!("docs/architecture/{}.md", self.system), self.document());
        catalog.chain([document]).collect()
    }

    /// What is not known of the load decides what carries it, so it is asked.
    fn with_rate_question(mut self) -> Self {
        if !self.advice.is_sure {
            self.questions.push(Question {
                number: self.questions.len() + 1,
                text: "how many events a second at the worst hour, and do the services share a process, a database, or neither?".to_owned(),
                about: Vec::new(),
                answer: "a line of prose: \"about 200 orders per second; each service has its own database\"".to_owned(),
            });
        }
        self
    }
}

fn text_of<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, DesignError> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(DesignError::TooLarge { name: name.to_owned(), bytes: bytes.len() });
    }
    let binary = |at: usize| {
        let found = bytes.get(at).map_or_else(String::new, |byte| format!("byte {byte:#04x} at {at}"));
        DesignError::Binary { name: name.to_owned(), found }
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(at));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| binary(error.valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn nothing(name: &str, storm: &Storm) -> DesignError {
    if !storm.asks.is_empty() {
        let lines: Vec<String> =
            storm.asks.iter().take(5).map(|said| format!("line {}: {}", said.line, said.text)).collect();
        return DesignError::OnlyRequests { name: name.to_owned(), lines: lines.join("; ") };
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut understood = vec![plural(storm.prose.len(), "line") + " of prose"];
    if let Some(system) = &storm.system {
        understood.insert(0, format!("the system {system}"));
    }
    understood.extend((!storm.questions.is_empty()).then(|| plural(storm.questions.len(), "question")));
    understood.extend(
        (!storm.unread.is_empty())
            .then(|| plural(storm.unread.len(), "line") + " of facts that could not be read"),
    );
    DesignError::Nothing {
        name: name.to_owned(),
        understood: understood.join(", "),
        unread: storm.unread.clone(),
    }
}

/// The catalog, when all of it passes.
fn sound(name: &str, files: &[Source]) -> Result<Catalog, DesignError> {
    let report = factum_contract::check(files);
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    report
        .catalog
        .ok_or_else(|| DesignError::Unsound { name: name.to_owned(), findings: findings.join("\n") })
}

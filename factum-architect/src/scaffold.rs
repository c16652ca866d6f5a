//! Code to begin with: it compiles, its tests fail for the reason that they state, and each decision that only its author
//! can take is marked once, with DECIDE.
//!
//! Made from the catalog, so that names and fields are the contract's. Never overwrites: the command line sees to that.

use factum_contract::template::{self, Outline};
use factum_contract::words::Placed;
use factum_contract::{Catalog, Contract, Source, nearest};
use factum_core::{EventName, Kind as ContractKind};

use crate::design::phrase;

mod project;
mod python;
mod rust;
mod typescript;

pub use project::{Project, project};

/// What is scaffolded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Handles an event, with effects of its own.
    Consumer,
    /// Says an event.
    Producer,
    /// Fills tables from events.
    Projection,
    /// Follows a workflow.
    Saga,
    /// Decides what happens to one thing.
    Decider,
    /// A part of the system with its consumers.
    Service,
    /// The draft of a contract.
    Contract,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Consumer,
        Self::Producer,
        Self::Projection,
        Self::Saga,
        Self::Decider,
        Self::Service,
        Self::Contract,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
            Self::Projection => "projection",
            Self::Saga => "saga",
            Self::Decider => "decider",
            Self::Service => "service",
            Self::Contract => "contract",
        }
    }
}

/// The language of a scaffold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Rust.
    Rust,
    /// TypeScript.
    TypeScript,
    /// Python.
    Python,
}

/// What to scaffold.
#[derive(Debug)]
pub struct Request<'r> {
    /// What it is.
    pub kind: Kind,
    /// Its name: `payments.charge`, `order_summary`.
    pub name: &'r str,
    /// The event that it is about; a service and a contract need none.
    pub event: Option<&'r str>,
    /// The service that it belongs to, where the name does not say it.
    pub service: Option<&'r str>,
    /// In which language.
    pub lang: Lang,
    /// The contracts.
    pub catalog: &'r Catalog,
    /// Folder of the sources, such as `src`.
    pub folder: &'r str,
    /// Folder of the contracts.
    pub contracts: &'r str,
}

/// What was made.
#[derive(Debug)]
pub struct Scaffold {
    /// Files, by path.
    pub files: Vec<Source>,
    /// What to do next, in order.
    pub next: Vec<String>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The name cannot be used.
    #[error("{found:?} is no name of a {kind}: expected {expected}")]
    Name {
        /// What was given.
        found: String,
        /// What is scaffolded.
        kind: &'static str,
        /// What can be used.
        expected: &'static str,
    },
    /// It needs an event.
    #[error("which event the {kind} is about is not said")]
    NoEvent {
        /// What is scaffolded.
        kind: &'static str,
    },
    /// There is no such contract.
    #[error("there is no contract `{name}`")]
    UnknownEvent {
        /// The name.
        name: String,
        /// The one that may be meant.
        near: Option<String>,
    },
    /// There is no such service.
    #[error("there is no service `{name}` in the system file")]
    UnknownService {
        /// The name.
        name: String,
        /// The one that may be meant.
        near: Option<String>,
    },
    /// It is not made in this language.
    #[error("a {kind} is not scaffolded in {lang}: consumers are, in every language; the rest is Rust")]
    Language {
        /// What is scaffolded.
        kind: &'static str,
        /// The language.
        lang: &'static str,
    },
}

impl ScaffoldError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "factum scaffold consumer payments.charge order.placed".to_owned(),
            Self::NoEvent { kind } => {
                format!("factum scaffold {kind} NAME EVENT; `factum contract list` shows the events")
            }
            Self::UnknownEvent { near, name } => {
                near.clone().unwrap_or_else(|| format!("factum contract new event {name}"))
            }
            Self::UnknownService { near, .. } => {
                near.clone().unwrap_or_else(|| "add it under `services:`".to_owned())
            }
            Self::Language { .. } => "leave out --lang, or scaffold a consumer".to_owned(),
        }
    }
}

/// The parts of a scaffold that its templates name.
#[derive(Clone)]
pub(crate) struct Parts<'p> {
    pub(crate) name: &'p str,
    /// As a type: `PaymentsCharge`.
    pub(crate) type_name: String,
    /// As a module: `payments_charge`.
    pub(crate) module: String,
    pub(crate) service: String,
    pub(crate) contract: Option<&'p Contract>,
}

impl Parts<'_> {
    pub(crate) fn event(&self) -> &str {
        self.contract.map_or("", |contract| contract.name.as_str())
    }

    /// The type of the event in generated code.
    pub(crate) fn event_type(&self) -> String {
        crate::plan::pascal(self.event())
    }

    /// A text with the names of this scaffold in it.
    pub(crate) fn fill(&self, text: &str) -> String {
        let part = self.name.rsplit('.').next().unwrap_or(self.name);
        let table = phrase::words(self.name).join("_");
        text.replace("@EventType", &self.event_type())
            .replace("@correlate", self.contract.map_or("id", |contract| contract.key.value.as_str()))
            .replace("@event_words", &phrase::words(self.event()).join("_"))
            .replace("@event", self.event())
            .replace("@Name", &self.type_name)
            .replace("@name", self.name)
            .replace("@module", &self.module)
            .replace("@table", &table)
            .replace("@service", &self.service)
            .replace("@part", part)
    }
}

/// Makes it.
///
/// # Errors
/// When a name is not known, or the language has no such scaffold.
pub fn scaffold(request: &Request<'_>) -> Result<Scaffold, ScaffoldError> {
    let kind = request.kind.as_str();
    if request.kind == Kind::Contract {
        return contract(request);
    }
    if request.lang != Lang::Rust && request.kind != Kind::Consumer {
        let lang = if request.lang == Lang::Python { "Python" } else { "TypeScript" };
        return Err(ScaffoldError::Language { kind, lang });
    }
    let words = phrase::words(request.name);
    let is_name = request.name.parse::<factum_core::ConsumerName>().is_ok()
        && !words.is_empty()
        && words[0].starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_name {
        let expected = "letters, digits, '_' or '-', parts joined by '.', starting with a letter";
        return Err(ScaffoldError::Name { found: request.name.to_owned(), kind, expected });
    }
    let contract = match request.event {
        Some(event) => Some(known(request.catalog, event)?),
        None if request.kind == Kind::Service => None,
        None => return Err(ScaffoldError::NoEvent { kind }),
    };
    let service = service(request, contract)?;
    let parts = Parts {
        name: request.name,
        type_name: crate::plan::pascal(request.name),
        module: words.join("_"),
        service,
        contract,
    };
    Ok(match request.lang {
        Lang::Rust => rust::scaffold(request, &parts),
        Lang::TypeScript => typescript::scaffold(request, &parts),
        Lang::Python => python::scaffold(request, &parts),
    })
}

fn known<'c>(catalog: &'c Catalog, event: &str) -> Result<&'c Contract, ScaffoldError> {
    catalog.versions(event).next_back().ok_or_else(|| {
        let near = nearest::suggest(event, catalog.names().map(factum_core::EventName::as_str));
        ScaffoldError::UnknownEvent { name: event.to_owned(), near }
    })
}

/// The service: as it is said, as the name begins, else the event's owner.
fn service(request: &Request<'_>, contract: Option<&Contract>) -> Result<String, ScaffoldError> {
    let services = &request.catalog.system.services;
    let said = request.service.or_else(|| (request.kind == Kind::Service).then_some(request.name));
    if let Some(name) = said {
        if services.contains_key(name) {
            return Ok(name.to_owned());
        }
        let near = nearest::suggest(name, services.keys().map(factum_contract::words::ServiceName::as_str));
        return Err(ScaffoldError::UnknownService { name: name.to_owned(), near });
    }
    let first = request.name.split('.').next().unwrap_or_default();
    if services.contains_key(first) {
        return Ok(first.to_owned());
    }
    Ok(contract.map(|contract| contract.owner.value.to_string()).unwrap_or_default())
}

fn contract(request: &Request<'_>) -> Result<Scaffold, ScaffoldError> {
    let name = request.name.parse().map_err(|_| ScaffoldError::Name {
        found: request.name.to_owned(),
        kind: "contract",
        expected: "what has happened, such as order.placed",
    })?;
    let service = service(request, None)?;
    let owner = if service.is_empty() {
        request.catalog.system.services.keys().next().map(ToString::to_string).unwrap_or_default()
    } else {
        service
    };
    let Ok(owner) = owner.parse() else {
        return Err(ScaffoldError::UnknownService { name: owner, near: None });
    };
    let draft = template::contract(ContractKind::Event, &name, &owner, &Outline::default());
    let path = format!("{}/{}", request.contracts, draft.name);
    let next = vec![
        format!("say in {path} what it carries"),
        format!("factum contract check {}", request.contracts),
    ];
    Ok(Scaffold { files: vec![Source::new(path, draft.text)], next })
}

/// What `system.yaml` needs, when it does not have the part yet.
pub(crate) fn wanted(request: &Request<'_>, parts: &Parts<'_>) -> Option<String> {
    let system = &request.catalog.system;
    let (name, service, event) = (parts.name, &parts.service, parts.event());
    let path = format!("{}/system.yaml", request.contracts);
    let lacks = |on: &[Placed<EventName>]| on.iter().all(|listed| listed.value.as_str() != event);
    let add = |name: &str| Some(format!("{path}: add `{event}` to the `on` of `{name}`"));
    let consumer = system.consumers.iter().find(|(known, _)| known.as_str() == name);
    let projection = system.projections.get(parts.module.as_str());
    match request.kind {
        Kind::Consumer if consumer.is_some_and(|(_, spec)| lacks(&spec.on)) => add(name),
        Kind::Projection if projection.is_some_and(|spec| lacks(&spec.on)) => add(&parts.module),
        Kind::Consumer if consumer.is_none() => Some(format!(
            "{path}: under `consumers:` add `{name}: {{ service: {service}, on: [{event}], idempotency: {{ by: event-id }} }}`"
        )),
        Kind::Projection if projection.is_none() => Some(format!(
            "{path}: under `projections:` add `{}: {{ service: {service}, on: [{event}] }}`",
            parts.module
        )),
        Kind::Saga if !system.sagas.contains_key(name) => Some(format!(
            "{path}: under `sagas:` add `{name}: {{ service: {service}, starts: {event}, correlate: {}, steps: [] }}`",
            parts.contract.map_or("id", |contract| contract.key.as_str())
        )),
        _ => None,
    }
}

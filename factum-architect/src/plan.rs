//! The contract-first plan of one slice of a specification, in the language and folders of the code base.
//!
//! One plan for one slice, never for a whole feature. Every step names a real event, real fields, a path, a test and a
//! command; what is not known is not written as a placeholder but asked for before. Pure: files are read and written by
//! the command line, tests are run by it.

use std::collections::BTreeSet;

use factum_contract::flow::{Flow, Part};
use factum_contract::template::{self, Outline};
use factum_contract::{Catalog, Contract, Source};
use factum_core::{EventName, Kind};

use crate::codebase::{Codebase, Language};

mod behaviour;
mod criterion;
mod dialect;
mod document;
mod harness;
mod headings;
mod indicative;
mod lines;
mod names;
mod progress;
mod risk;
mod scaffolded;
mod spec;
mod steps;

pub use criterion::Criterion;
pub use names::Named;
pub use progress::{Outcome, Progress, TestStep, judge, merge, progress, tests};
pub use risk::Risk;
pub use spec::{Form, SPEC_BYTES_MAX, Skipped, Slice, Spec, SpecError, read};

use dialect::Dialect;
pub(crate) use dialect::pascal;

/// What a plan is made of.
#[derive(Debug)]
pub struct Request<'r> {
    /// The specification.
    pub spec: &'r Spec,
    /// The slice of it.
    pub slice: &'r Slice,
    /// The catalog's files; none where there is no catalog yet.
    pub contracts: &'r [Source],
    /// Where they are, relative to the code base.
    pub contracts_folder: &'r str,
    /// The code base.
    pub code: &'r Codebase,
    /// The risk, where the command line says it.
    pub risk: Option<Risk>,
    /// Whether each part says why it is there.
    pub is_teaching: bool,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The slice has no criterion.
    #[error("slice {id} ({name}, line {line}) has no criteria")]
    NoCriteria {
        /// The slice.
        id: String,
        /// Its name.
        name: String,
        /// Its line.
        line: usize,
    },
    /// The slice names no event.
    #[error(
        "slice {id} ({name}, line {line}) names no event: {criteria} criteria were read, and none has a name such as `order.placed`"
    )]
    NoEvents {
        /// The slice.
        id: String,
        /// Its name.
        name: String,
        /// Its line.
        line: usize,
        /// How many criteria it has.
        criteria: usize,
    },
    /// The contracts cannot be used.
    #[error("the contracts cannot be used:\n{0}")]
    Contracts(String),
}

impl PlanError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoCriteria { .. } => {
                "write what must be true below its heading: `- [ ] publishes order.placed`"
            }
            Self::NoEvents { .. } => {
                "name what has happened in the criteria: `order.placed`, OrderPlaced, or the words of a known event"
            }
            Self::Contracts(_) => "`factum contract check` says all of it",
        }
    }
}

/// The plan of one slice.
#[derive(Debug)]
pub struct Plan<'r> {
    request: Request<'r>,
    /// The catalog with drafts of what is new.
    catalog: Catalog,
    drafts: Vec<Source>,
    events: Vec<Planned>,
    risk: (Risk, String),
    dialect: Dialect,
}

/// One event of a plan, with who says it and who takes it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) name: EventName,
    pub(crate) is_new: bool,
    pub(crate) near: Option<String>,
    pub(crate) producer: String,
    /// The part of the producer that says it: a consumer, a saga.
    pub(crate) producer_part: Option<String>,
    pub(crate) cause: Option<EventName>,
    pub(crate) takers: Vec<Taker>,
    /// Whether nobody said which service owns it.
    pub(crate) is_owner_assumed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Taker {
    pub(crate) name: String,
    pub(crate) service: String,
    /// What it says then.
    pub(crate) then: Vec<EventName>,
    /// What makes handling twice harmless.
    pub(crate) idempotency: String,
}

/// Plans one slice.
///
/// # Errors
/// When the slice is empty, names no event, or the contracts cannot be used.
pub fn plan(request: Request<'_>) -> Result<Plan<'_>, PlanError> {
    let slice = request.slice;
    let (id, name, line) = (slice.id.clone(), slice.name.clone(), slice.line);
    if slice.criteria.is_empty() {
        return Err(PlanError::NoCriteria { id, name, line });
    }
    let existing = existing(request.contracts)?;
    let found = names::find(slice, existing.as_ref());
    if found.is_empty() {
        return Err(PlanError::NoEvents { id, name, line, criteria: slice.criteria.len() });
    }
    let drafts = drafts(&request, existing.as_ref(), &found);
    let sources: Vec<Source> = request.contracts.iter().chain(&drafts).cloned().collect();
    let catalog = Catalog::read(&sources).map_err(|error| PlanError::Contracts(error.to_string()))?;
    let events = planned(&catalog, &found);
    let risk = settle_risk(&request);
    let dialect = Dialect::of(&request);
    Ok(Plan { request, catalog, drafts, events, risk, dialect })
}

impl Plan<'_> {
    /// Where it is written, relative to the root.
    #[must_use]
    pub fn path(&self) -> String {
        format!("docs/specs/{}-slice-{}-tdd-plan.md", self.request.spec.feature(), self.request.slice.ordinal)
    }

    /// The plan, as Markdown.
    #[must_use]
    pub fn document(&self) -> String {
        document::write(self)
    }

    /// The draft of each new contract, and the failing tests, by path relative to the root.
    #[must_use]
    pub fn scaffold(&self) -> Vec<Source> {
        let folder = self.request.contracts_folder;
        let drafts = self
            .drafts
            .iter()
            .map(|draft| Source::new(format!("{folder}/{}", draft.name), draft.text.clone()));
        drafts.chain(scaffolded::tests(self)).collect()
    }

    /// The events that it plans, each with whether it is new.
    pub fn events(&self) -> impl Iterator<Item = (&EventName, bool)> {
        self.events.iter().map(|event| (&event.name, event.is_new))
    }

    /// The risk, and where it comes from.
    #[must_use]
    pub fn risk(&self) -> (Risk, &str) {
        (self.risk.0, &self.risk.1)
    }

    /// How many tests it asks for.
    #[must_use]
    pub fn tests(&self) -> usize {
        steps::all(self).iter().map(|part| part.behaviours.len()).sum()
    }

    fn contract(&self, name: &EventName) -> Option<&Contract> {
        self.catalog.versions(name.as_str()).next_back()
    }
}

fn existing(sources: &[Source]) -> Result<Option<Catalog>, PlanError> {
    if sources.is_empty() {
        return Ok(None);
    }
    Catalog::read(sources).map(Some).map_err(|error| PlanError::Contracts(error.to_string()))
}

/// First drafts of what the catalog does not have.
fn drafts(request: &Request<'_>, existing: Option<&Catalog>, found: &[Named]) -> Vec<Source> {
    let mut drafts = Vec::new();
    let new: Vec<&Named> = found.iter().filter(|named| !named.is_known).collect();
    if let (Some(first), None) = (new.first(), existing)
        && let (Ok(system), Some(service)) =
            (request.spec.feature().parse(), category(&first.name).parse().ok())
    {
        let draft = template::system(&system, &service);
        drafts.push(Source::new(draft.name, draft.text));
    }
    for named in new {
        let Ok(event) = named.name.parse::<EventName>() else { continue };
        let Some(owner) = owner(named, existing, request) else { continue };
        let Ok(owner) = owner.parse() else { continue };
        let key = named
            .fields
            .iter()
            .find(|field| field.ends_with("Id"))
            .cloned()
            .or_else(|| carried_key(named, existing));
        let typed = |field: &String| {
            let kind = if field.ends_with("At") { "date-time" } else { "text" };
            format!("{field}:{kind}!").parse().ok()
        };
        let outline = Outline {
            summary: Some(format!("Slice {} of {}.", request.slice.id, request.spec.title)),
            key,
            fields: named.fields.iter().filter_map(typed).collect(),
            ..Outline::default()
        };
        let draft = template::contract(Kind::Event, &event, &owner, &outline);
        drafts.push(Source::new(draft.name, draft.text));
    }
    drafts
}

/// What follows from an event is about the same thing: its key, until somebody says otherwise.
fn carried_key(named: &Named, existing: Option<&Catalog>) -> Option<String> {
    let cause = existing?.versions(named.cause.as_deref()?).next_back()?;
    Some(cause.key.value.clone())
}

/// The service that a new event most likely belongs to: that of its kind, one that the slice names, that of its cause.
fn owner(named: &Named, existing: Option<&Catalog>, request: &Request<'_>) -> Option<String> {
    let Some(catalog) = existing else { return Some(category(&named.name)) };
    let kind = category(&named.name);
    if let Some(contract) = catalog.latest().find(|contract| category(contract.name.as_str()) == kind) {
        return Some(contract.owner.value.to_string());
    }
    let text: Vec<String> = request.slice.criteria.iter().map(Criterion::all_text).collect();
    let text = text.join("\n").to_lowercase();
    let services = &catalog.system.services;
    let said = services.keys().find(|service| text.contains(&service.as_str().to_lowercase()));
    let cause = named.cause.as_deref().and_then(|cause| catalog.versions(cause).next_back());
    let found = said.or(cause.map(|cause| &cause.owner.value)).or_else(|| services.keys().next());
    found.map(ToString::to_string)
}

fn category(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_owned()
}

/// The events to plan: what the slice has happen, and what it only reacts to where nothing happens then.
fn planned(catalog: &Catalog, found: &[Named]) -> Vec<Planned> {
    let flow = Flow::of(catalog);
    let causes: BTreeSet<&str> = found.iter().filter_map(|named| named.cause.as_deref()).collect();
    let says_any = found.iter().any(|named| named.is_said);
    let is_planned = |named: &&Named| {
        named.is_said || (named.is_taken && !causes.contains(named.name.as_str())) || !says_any
    };
    let mut events: Vec<Planned> = Vec::new();
    for named in found.iter().filter(is_planned) {
        let Some(contract) = catalog.versions(&named.name).next_back() else { continue };
        let name = contract.name.clone();
        let sender = flow.senders(&name).next();
        let cause = named
            .cause
            .as_deref()
            .and_then(|cause| catalog.versions(cause).next_back())
            .map(|cause| cause.name.clone());
        let part_of = |part: Part<'_>| part.name().map(str::to_owned);
        let by_cause = flow.causes.iter().find(|link| *link.to == name);
        let takers = flow.takers(&name).filter_map(|arrow| {
            let part = part_of(arrow.part)?;
            let then = flow
                .causes
                .iter()
                .filter(|link| link.part == arrow.part && *link.from == name)
                .map(|link| link.to.clone())
                .collect();
            let idempotency = catalog
                .system
                .consumers
                .iter()
                .find(|(known, _)| known.as_str() == part)
                .and_then(|(_, spec)| spec.idempotency.as_ref());
            let idempotency = match idempotency {
                Some(factum_contract::system::Idempotency::Field { by, .. }) => format!("`{}`", by.value),
                Some(factum_contract::system::Idempotency::Natural { .. }) => {
                    "what is there already".to_owned()
                }
                _ => "the event's id".to_owned(),
            };
            Some(Taker { name: part, service: arrow.service.to_string(), then, idempotency })
        });
        events.push(Planned {
            is_new: !named.is_known,
            near: named.near.clone(),
            producer: sender
                .map_or_else(|| contract.owner.value.to_string(), |arrow| arrow.service.to_string()),
            producer_part: sender
                .and_then(|arrow| part_of(arrow.part))
                .or_else(|| by_cause.and_then(|link| part_of(link.part))),
            cause: cause.or_else(|| by_cause.map(|link| link.from.clone())),
            takers: takers.collect(),
            is_owner_assumed: !named.is_known && sender.is_none(),
            name,
        });
    }
    events
}

fn settle_risk(request: &Request<'_>) -> (Risk, String) {
    let at = |line: usize| format!("{}:{line}", request.spec.path);
    match (request.risk, request.slice.risk, request.spec.risk) {
        (Some(risk), _, _) => (risk, "`--risk`".to_owned()),
        (None, Some((risk, line)), _) => (risk, format!("the slice, {}", at(line))),
        (None, None, Some((risk, line))) => (risk, format!("the specification, {}", at(line))),
        (None, None, None) => (Risk::Moderate, "the default, as nothing says another".to_owned()),
    }
}

/// The language that a plan is written in: that of most files, else Rust.
fn language(code: &Codebase) -> Language {
    code.language().unwrap_or(Language::Rust)
}

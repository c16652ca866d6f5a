//! What the pages have in common: who sends and takes what, where each thing's page is, how versions compare.
//!
//! Made once for a catalog, so that no page looks through all of it. Paths are made of checked names; what begins with
//! an underscore is a list, which no name can be.

use std::collections::BTreeMap;

use factum_core::{ContractVersion, EventName, Topic};

use super::html::Html;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::judge::{Comparison, compare};
use crate::system::{ConsumerSpec, ProjectionSpec, SagaSpec, Service};
use crate::words::Placed;

/// A catalog with what follows from it.
pub(super) struct Site<'c> {
    pub(super) catalog: &'c Catalog,
    /// Every service, consumer, saga and projection.
    pub(super) parts: Vec<Part<'c>>,
    /// Every topic with the contracts that are published there.
    pub(super) topics: BTreeMap<&'c Topic, Vec<&'c Contract>>,
    /// The newest version of every contract of a service.
    pub(super) owned: BTreeMap<&'c str, Vec<&'c Contract>>,
    pages: BTreeMap<&'c str, String>,
    senders: BTreeMap<&'c str, Vec<Part<'c>>>,
    takers: BTreeMap<&'c str, Vec<Part<'c>>>,
    comparisons: BTreeMap<&'c str, BTreeMap<ContractVersion, Comparison>>,
}

/// A part of the system that sends or takes.
#[derive(Clone, Copy)]
pub(super) enum Part<'c> {
    Service(&'c str, &'c Service),
    Consumer(&'c str, &'c ConsumerSpec),
    Saga(&'c str, &'c SagaSpec),
    Projection(&'c str, &'c ProjectionSpec),
}

impl<'c> Part<'c> {
    pub(super) fn name(self) -> &'c str {
        match self {
            Self::Service(name, _)
            | Self::Consumer(name, _)
            | Self::Saga(name, _)
            | Self::Projection(name, _) => name,
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Service(..) => "service",
            Self::Consumer(..) => "consumer",
            Self::Saga(..) => "saga",
            Self::Projection(..) => "projection",
        }
    }

    /// The service that it is, or that runs it.
    pub(super) fn service(self) -> &'c str {
        match self {
            Self::Service(name, _) => name,
            Self::Consumer(_, spec) => spec.service.as_str(),
            Self::Saga(_, spec) => spec.service.as_str(),
            Self::Projection(_, spec) => spec.service.as_str(),
        }
    }

    pub(super) fn description(self) -> Option<&'c str> {
        match self {
            Self::Service(_, spec) => spec.description.as_deref(),
            Self::Consumer(_, spec) => spec.description.as_deref(),
            Self::Saga(_, spec) => spec.description.as_deref(),
            Self::Projection(_, spec) => spec.description.as_deref(),
        }
    }

    /// Its page, from the root of the site.
    pub(super) fn path(self) -> String {
        format!("{}s/{}.html", self.kind(), self.name())
    }

    /// A link to its page.
    pub(super) fn link(self, root: &str) -> Html {
        Html::link(&format!("{root}{}", self.path()), &Html::code(self.name()))
    }

    /// What it sends, each once, in the order of the catalog.
    pub(super) fn sends(self) -> Vec<&'c EventName> {
        let values = |names: &'c [Placed<EventName>]| names.iter().map(|name| &name.value);
        let names: Vec<&EventName> = match self {
            Self::Service(_, spec) => values(&spec.emits).collect(),
            Self::Consumer(_, spec) => values(&spec.emits).collect(),
            Self::Saga(_, spec) => spec
                .steps
                .iter()
                .flat_map(|step| {
                    values(&step.then).chain(values(&step.otherwise)).chain(values(&step.compensate))
                })
                .collect(),
            Self::Projection(..) => Vec::new(),
        };
        each_once(names)
    }

    /// What it takes, each once, in the order of the catalog.
    pub(super) fn takes(self) -> Vec<&'c EventName> {
        let names: Vec<&EventName> = match self {
            Self::Service(..) => Vec::new(),
            Self::Consumer(_, spec) => spec.on.iter().map(|name| &name.value).collect(),
            Self::Projection(_, spec) => spec.on.iter().map(|name| &name.value).collect(),
            Self::Saga(_, spec) => std::iter::once(&spec.starts.value)
                .chain(spec.steps.iter().map(|step| &step.on.value))
                .collect(),
        };
        each_once(names)
    }
}

fn each_once(names: Vec<&EventName>) -> Vec<&EventName> {
    let mut found: Vec<&EventName> = Vec::with_capacity(names.len());
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

impl<'c> Site<'c> {
    pub(super) fn new(catalog: &'c Catalog) -> Self {
        let (mut senders, mut takers): (BTreeMap<_, Vec<Part<'c>>>, BTreeMap<_, Vec<Part<'c>>>) =
            Default::default();
        let parts = parts(catalog);
        // A contract comes before a part of its name, and a service before what it runs.
        let named = parts.iter().rev().map(|part| (part.name(), part.path()));
        let mut pages: BTreeMap<&str, String> = named.collect();
        for part in parts.iter().copied() {
            for name in part.sends() {
                senders.entry(name.as_str()).or_default().push(part);
            }
            for name in part.takes() {
                takers.entry(name.as_str()).or_default().push(part);
            }
        }
        let mut topics: BTreeMap<&Topic, Vec<&Contract>> =
            catalog.system.topics.keys().map(|topic| (topic, Vec::new())).collect();
        let mut owned: BTreeMap<&str, Vec<&Contract>> = BTreeMap::new();
        for contract in catalog.latest() {
            topics.entry(&contract.topic.value).or_default().push(contract);
            owned.entry(contract.owner.as_str()).or_default().push(contract);
            pages.insert(contract.name.as_str(), path_of_name(contract.name.as_str()));
        }
        let mut comparisons: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
        for name in catalog.names() {
            let versions: Vec<&Contract> = catalog.versions(name.as_str()).collect();
            for pair in versions.windows(2) {
                let compared = comparisons.entry(name.as_str()).or_default();
                compared.insert(pair[1].version, compare(pair[0], pair[1]));
            }
        }
        Self { catalog, parts, topics, owned, pages, senders, takers, comparisons }
    }

    /// Who sends a contract.
    pub(super) fn senders(&self, name: &str) -> &[Part<'c>] {
        self.senders.get(name).map_or(&[], Vec::as_slice)
    }

    /// Who takes a contract.
    pub(super) fn takers(&self, name: &str) -> &[Part<'c>] {
        self.takers.get(name).map_or(&[], Vec::as_slice)
    }

    /// How a version compares with the one before; none for the first.
    pub(super) fn comparison(&self, contract: &Contract) -> Option<&Comparison> {
        self.comparisons.get(contract.name.as_str())?.get(&contract.version)
    }

    /// The newest version of a contract.
    pub(super) fn newest(&self, name: &str) -> Option<&'c Contract> {
        self.catalog.versions(name).next_back()
    }

    /// The page of a contract's version, from the root of the site; the newest has the plain name.
    pub(super) fn path_of(&self, contract: &Contract) -> String {
        let is_newest =
            self.newest(contract.name.as_str()).is_some_and(|newest| newest.version == contract.version);
        if is_newest {
            path_of_name(contract.name.as_str())
        } else {
            format!("contracts/{}@{}.html", contract.name, contract.version)
        }
    }

    /// A link to the newest version of a contract.
    pub(super) fn contract_link(root: &str, name: &str) -> Html {
        Html::link(&format!("{root}{}", path_of_name(name)), &Html::code(name))
    }

    /// Links to contracts, a line each.
    pub(super) fn contract_links<'n>(root: &str, names: impl IntoIterator<Item = &'n EventName>) -> Html {
        let links = names.into_iter().map(|name| Self::contract_link(root, name.as_str()));
        Html::join(links, "<br>")
    }

    /// Where a name that stands in a description as code leads: to a contract, or to a part.
    pub(super) fn known(&self, root: &str, name: &str) -> Option<String> {
        self.pages.get(name).map(|path| format!("{root}{path}"))
    }
}

/// The page of a contract's newest version, from the root of the site.
pub(super) fn path_of_name(name: &str) -> String {
    format!("contracts/{name}.html")
}

fn parts(catalog: &Catalog) -> Vec<Part<'_>> {
    let system = &catalog.system;
    let services = system.services.iter().map(|(name, spec)| Part::Service(name.as_str(), spec));
    let consumers = system.consumers.iter().map(|(name, spec)| Part::Consumer(name.as_str(), spec));
    let sagas = system.sagas.iter().map(|(name, spec)| Part::Saga(name.as_str(), spec));
    let projections = system.projections.iter().map(|(name, spec)| Part::Projection(name.as_str(), spec));
    services.chain(consumers).chain(sagas).chain(projections).collect()
}

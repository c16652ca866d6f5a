//! The life of one contract: every version with its dates, what changed since the one before, and what that means.
//!
//! Plain data; the command line prints it.

use factum_core::ContractVersion;

use crate::catalog::Catalog;
use crate::contract::{Compatibility, Contract, Lifecycle};
use crate::date::Date;
use crate::judge::compare::mode_of;
use crate::judge::{Comparison, Mode, compare};
use crate::words::words;

words! {
    /// Where a version is in its life.
    Stage {
        /// It will be in use from a day to come.
        Announced = "announced",
        /// It is in use.
        InUse = "in use",
        /// It is not for new readers.
        Deprecated = "deprecated",
        /// Its last day has passed.
        Gone = "gone",
    }
}

/// One version among the others of its contract.
#[derive(Debug, Clone)]
pub struct Chapter<'c> {
    /// The version.
    pub contract: &'c Contract,
    /// Where it is in its life.
    pub stage: Stage,
    /// What changed since the version before; nothing for the first.
    pub comparison: Option<Comparison>,
}

impl Chapter<'_> {
    /// Its promise to the version before, as a way to compare; backward where nothing is promised.
    #[must_use]
    pub fn mode(&self) -> Mode {
        mode_of(self.contract.compatibility).unwrap_or(Mode::Backward)
    }

    /// Whether it promises anything to other versions.
    #[must_use]
    pub fn promises(&self) -> bool {
        self.contract.compatibility != Compatibility::None
    }
}

/// Every version of a contract, oldest first; empty when there is none of that name.
#[must_use]
pub fn history<'c>(catalog: &'c Catalog, name: &str, today: Date) -> Vec<Chapter<'c>> {
    let mut chapters: Vec<Chapter<'c>> = Vec::new();
    for contract in catalog.versions(name) {
        let before = chapters.last().map(|chapter| chapter.contract);
        let comparison = before.map(|before| compare(before, contract));
        chapters.push(Chapter { contract, stage: stage(&contract.lifecycle, today), comparison });
    }
    chapters
}

/// Where a lifecycle is on a day.
#[must_use]
pub fn stage(lifecycle: &Lifecycle, today: Date) -> Stage {
    let has_come = |date: Option<Date>| date.is_some_and(|date| date <= today);
    if has_come(lifecycle.sunset) {
        Stage::Gone
    } else if has_come(lifecycle.deprecated) {
        Stage::Deprecated
    } else if lifecycle.since.is_some_and(|since| since > today) {
        Stage::Announced
    } else {
        Stage::InUse
    }
}

/// One reader of a contract, and the version that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The reader's name.
    pub reader: String,
    /// `consumer`, `saga` or `projection`.
    pub kind: &'static str,
    /// The service that runs it.
    pub service: String,
    /// The version that it uses.
    pub version: ContractVersion,
    /// Whether the catalog says so; if not, it takes the newest.
    pub is_pinned: bool,
    /// The last day of that version: by then the reader uses another.
    pub move_by: Option<Date>,
    /// What it uses then.
    pub move_to: Option<String>,
}

/// Who reads a contract, each version that a reader names by itself.
#[must_use]
pub fn usage(catalog: &Catalog, name: &str) -> Vec<Usage> {
    let system = &catalog.system;
    let takes = |on: &[crate::words::Placed<factum_core::EventName>]| {
        on.iter().any(|other| other.value.as_str() == name)
    };
    let consumers = system
        .consumers
        .iter()
        .filter(|(_, spec)| takes(&spec.on))
        .map(|(reader, spec)| ("consumer", reader.as_str(), spec.service.as_str(), &spec.pinned));
    let projections = system
        .projections
        .iter()
        .filter(|(_, spec)| takes(&spec.on))
        .map(|(reader, spec)| ("projection", reader.as_str(), spec.service.as_str(), &spec.pinned));
    let sagas = system.sagas.iter().filter(|(_, spec)| {
        spec.starts.as_str() == name || spec.steps.iter().any(|step| step.on.as_str() == name)
    });
    let sagas = sagas.map(|(reader, spec)| ("saga", reader.as_str(), spec.service.as_str(), &spec.pinned));
    let Some(newest) = catalog.versions(name).next_back() else { return Vec::new() };
    let mut found = Vec::new();
    for (kind, reader, service, pinned) in consumers.chain(sagas).chain(projections) {
        let mut versions: Vec<ContractVersion> =
            pinned.iter().filter(|pin| pin.name.as_str() == name).map(|pin| pin.version).collect();
        versions.sort_unstable();
        versions.dedup();
        let is_pinned = !versions.is_empty();
        if !is_pinned {
            versions.push(newest.version);
        }
        for version in versions {
            let used = catalog.contract(name, version);
            let lifecycle = used.map(|used| used.lifecycle.clone()).unwrap_or_default();
            let move_by = lifecycle.sunset;
            let move_to = move_by.and_then(|_| successor(catalog, name, version, &lifecycle));
            let (reader, service) = (reader.to_owned(), service.to_owned());
            found.push(Usage { reader, kind, service, version, is_pinned, move_by, move_to });
        }
    }
    found
}

/// What comes after a version: what it names itself, else the newest version.
fn successor(
    catalog: &Catalog,
    name: &str,
    version: ContractVersion,
    lifecycle: &Lifecycle,
) -> Option<String> {
    if let Some(other) = &lifecycle.replaced_by {
        return Some(other.value.to_string());
    }
    catalog.versions(name).next_back().filter(|newest| newest.version > version).map(Contract::label)
}

//! Contracts as a store has met them: each version is recorded once, and never means anything else again.
//!
//! Recorded when an app starts, before anything of it runs. What is judged then is the catalog against the record:
//! an older release beside a newer record is fine, because it keeps what it has. Never writes over a meaning.

use std::collections::BTreeMap;

use factum_contract::contract::Compatibility;
use factum_contract::judge::compare::Outcome;
use factum_contract::judge::meant::UNKNOWN;
use factum_contract::judge::{Comparison, compare, compare_promised};
use factum_contract::{Catalog, Contract, Contracts, meaning};
use factum_core::{
    Breach, Commit, ContractVersion, Envelope, EventType, Gate, Guard, Query, RecordKind, RecordQuery,
    Revision, Store, StoreError, StoreErrorKind, Timestamp, Unopened,
};

use crate::admin::all_of;
use crate::app::StartError;
use crate::instance::as_store_error;
use crate::state::{ContractState, read};

mod agree;
mod refused;

pub(crate) use agree::{Claims, Parts, check};
pub use agree::{Disagreement, Disagreements};
pub use refused::{ContractRefusal, ContractsRefused};

/// How often contracts are recorded anew because another instance recorded some at the same moment.
const CONFLICTS_MAX: u32 = 10;

/// The catalog at work behind a gate.
pub(crate) fn catalog_of(gate: &dyn Gate) -> Option<&Contracts> {
    gate.catalog()?.downcast_ref()
}

/// Records every contract version of the catalog behind the store's gate, or refuses with the differences. What an
/// app does at its start; for programs that only append.
///
/// Versions of the record that the catalog does not have are learned: their events can be read when they promise it.
///
/// # Errors
/// When a recorded version has another meaning in the catalog, a new version breaks what it promises to recorded ones,
/// or the store fails.
pub async fn record_contracts(store: &dyn Store) -> Result<(), StartError> {
    let Some(contracts) = catalog_of(store.gate().as_ref()) else { return Ok(()) };
    for _ in 0..CONFLICTS_MAX {
        let history = History::read(store).await?;
        history.teach(contracts);
        let missing = history.missing(contracts.catalog(), store).await?;
        let puts = history.compare(contracts.catalog(), store.now().await?, missing)?;
        if puts.is_empty() {
            return Ok(());
        }
        let mut work = store.begin().await?;
        for (state, guard) in puts {
            work.put(state.record(), guard);
        }
        match work.commit().await {
            Commit::Committed(_) => return Ok(()),
            Commit::Conflict(_) => {}
            other => return Err(as_store_error(other).into()),
        }
    }
    let message = "other instances recorded contracts at the same moment, again and again; start once more";
    Err(StoreError::new(StoreErrorKind::Unavailable, message).into())
}

/// What would keep an app with this catalog from starting on a store; records nothing.
///
/// # Errors
/// When the store fails.
pub async fn refusals(store: &dyn Store, catalog: &Catalog) -> Result<Vec<ContractRefusal>, StoreError> {
    let history = History::read(store).await?;
    let missing = history.missing(catalog, store).await?;
    let compared = history.compare(catalog, store.now().await?, missing);
    Ok(compared.err().map(|refused| refused.refusals).unwrap_or_default())
}

/// Looks for the versions of a contract that lie between two in the store's record, and learns them.
async fn learn(
    store: &dyn Store,
    name: &str,
    versions: std::ops::RangeInclusive<ContractVersion>,
) -> Result<(), StoreError> {
    let Some(contracts) = catalog_of(store.gate().as_ref()) else { return Ok(()) };
    for record in all_of(store, RecordKind::CONTRACT, RecordQuery::group(name)).await? {
        let state = read::<ContractState>(&record)?;
        if versions.contains(&state.version)
            && let Some(contract) = contract_of(&state)
        {
            contracts.learn(contract);
        }
    }
    Ok(())
}

/// Whether a reader of `known` may read a newer version, by the catalog or by what the store has recorded.
pub(crate) async fn can_read(store: &dyn Store, written: &EventType, known: &EventType) -> bool {
    let gate = store.gate();
    if gate.can_read(written, known) {
        return true;
    }
    if let Err(error) = learn(store, known.name.as_str(), known.version + 1..=written.version).await {
        tracing::warn!(%written, error = error.to_string(), "what the store knows of contracts cannot be read");
    }
    gate.can_read(written, known)
}

/// Opens an event for code that cannot wait for another instance: a newer version that it may not read is a breach.
pub(crate) fn open(
    gate: &dyn Gate,
    envelope: &Envelope,
    known: &EventType,
) -> Result<Option<Envelope>, Unopened> {
    let written = &envelope.event_type;
    if written.version > known.version && !gate.can_read(written, known) {
        let breach = Breach {
            event: written.name.to_string(),
            version: written.version,
            path: String::new(),
            rule: "newer".to_owned(),
            message: format!(
                "this release reads {known}, and the newer version does not promise that it may"
            ),
        };
        return Err(breach.into());
    }
    gate.open(envelope, known)
}

/// The contract of a record; one that this release cannot read promises nothing.
fn contract_of(state: &ContractState) -> Option<Contract> {
    match Contract::of_json_text(&state.contract) {
        Ok(contract) => Some(contract),
        Err(error) => {
            let label = ContractState::id(&state.name, state.version);
            tracing::warn!(contract = label, error = %error, "a recorded contract cannot be read by this release");
            None
        }
    }
}

/// What the store has recorded, by name and version.
struct History(BTreeMap<(String, ContractVersion), (Revision, ContractState)>);

type Put = (ContractState, Guard);

impl History {
    async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut history = BTreeMap::new();
        for record in all_of(store, RecordKind::CONTRACT, RecordQuery::default()).await? {
            let state = read::<ContractState>(&record)?;
            history.insert((state.name.clone(), state.version), (record.revision, state));
        }
        Ok(Self(history))
    }

    /// Tells a catalog of the versions that it does not have.
    fn teach(&self, contracts: &Contracts) {
        for (name, newest) in
            contracts.catalog().latest().map(|newest| (newest.name.as_str(), newest.version))
        {
            for (_, state) in self.of(name).filter(|(_, state)| state.version > newest) {
                if let Some(contract) = contract_of(state) {
                    contracts.learn(contract);
                }
            }
        }
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &(Revision, ContractState)> {
        let range = (name.to_owned(), 0)..=(name.to_owned(), ContractVersion::MAX);
        self.0.range(range).map(|(_, known)| known)
    }

    /// Versions that the catalog has dropped and the log still holds. Versions rise with the log, so its oldest event
    /// tells.
    async fn missing(
        &self,
        catalog: &Catalog,
        store: &dyn Store,
    ) -> Result<Vec<ContractRefusal>, StoreError> {
        let mut missing = Vec::new();
        for first in catalog.names().filter_map(|name| catalog.versions(name.as_str()).next()) {
            let is_whole = self.of(first.name.as_str()).all(|(_, state)| state.version >= first.version);
            if is_whole {
                continue;
            }
            let query = Query { types: vec![first.name.clone()], kind: None, limit: 1, ..Query::default() };
            let oldest = store.read(&query).await?.events.pop();
            if let Some(event) = oldest.filter(|event| event.envelope.event_type.version < first.version) {
                missing.push(ContractRefusal::Missing {
                    contract: event.envelope.event_type.to_string(),
                    first: first.label(),
                    position: event.position,
                });
            }
        }
        Ok(missing)
    }

    /// What is to be written so that the store knows the catalog, or why it cannot be.
    fn compare(
        &self,
        catalog: &Catalog,
        now: Timestamp,
        mut refusals: Vec<ContractRefusal>,
    ) -> Result<Vec<Put>, ContractsRefused> {
        let mut puts = Vec::new();
        for contract in catalog.contracts() {
            let known = self.0.get(&(contract.name.to_string(), contract.version));
            let mut state = ContractState {
                name: contract.name.to_string(),
                version: contract.version,
                kind: contract.kind.as_str().to_owned(),
                meaning: meaning::hash(contract),
                contract: contract.to_json_text(),
                recorded_at: now,
            };
            let Some((revision, known)) = known else {
                refusals.extend(self.broken_promises(catalog, contract));
                puts.push((state, Guard::Absent));
                continue;
            };
            state.recorded_at = known.recorded_at;
            if state == *known {
                continue;
            }
            let recorded = contract_of(known);
            if !is_same(&state, known, contract, recorded.as_ref()) {
                refusals.push(ContractRefusal::Changed {
                    contract: contract.label(),
                    recorded_at: known.recorded_at,
                    differences: recorded.map(|recorded| Box::new(compare(&recorded, contract))),
                });
                continue;
            }
            if promise(contract) != recorded.as_ref().map(promise).unwrap_or_default() {
                refusals.extend(self.broken_promises(catalog, contract));
            }
            puts.push((state, Guard::At(*revision)));
        }
        if refusals.is_empty() { Ok(puts) } else { Err(ContractsRefused { refusals }) }
    }

    /// The recorded and declared versions before a contract that it promises to get on with, and does not.
    fn broken_promises(&self, catalog: &Catalog, contract: &Contract) -> Vec<ContractRefusal> {
        let name = contract.name.as_str();
        let declared = catalog.versions(name).map(|earlier| (earlier.version, earlier.clone()));
        let mut earlier: BTreeMap<ContractVersion, Contract> = declared.collect();
        // What was recorded counts: it is what readers and writers out there have.
        earlier.extend(self.of(name).filter_map(|(_, state)| Some((state.version, contract_of(state)?))));
        let earlier: Vec<&Contract> = earlier.range(..contract.version).map(|(_, earlier)| earlier).collect();
        // Whether an acceptance has ended is the gate's business, not a start's.
        let is_meant = |comparison: &Comparison| {
            let old = earlier.iter().find(|earlier| earlier.label() == comparison.old);
            catalog.means(comparison, old.map_or(0, |old| old.version), contract)
        };
        let mut broken = Vec::new();
        for comparison in compare_promised(&earlier, contract) {
            match comparison.keeps(contract.compatibility) {
                Outcome::Compatible => {}
                Outcome::Unknown { .. } if catalog.allows(UNKNOWN, Some(contract)).next().is_some() => {}
                Outcome::Unknown { why } => {
                    let (old, new) = (&comparison.old, &comparison.new);
                    tracing::warn!(
                        old,
                        new,
                        why,
                        "whether the new version keeps its promise could not be decided"
                    );
                }
                Outcome::Breaking(_) if is_meant(&comparison) => {}
                Outcome::Breaking(_) => broken.push(ContractRefusal::Broken {
                    contract: contract.label(),
                    promise: contract.compatibility,
                    differences: Box::new(comparison),
                }),
            }
        }
        broken
    }
}

/// What a contract promises to other versions, and under which policy.
fn promise(contract: &Contract) -> Option<(Compatibility, factum_contract::contract::Policy)> {
    Some((contract.compatibility, contract.policy))
}

/// Whether a record and a contract mean the same. Hashes of different releases may differ where meanings do not.
fn is_same(
    new: &ContractState,
    known: &ContractState,
    contract: &Contract,
    recorded: Option<&Contract>,
) -> bool {
    new.meaning == known.meaning
        || recorded.is_some_and(|recorded| meaning::of_contract(recorded) == meaning::of_contract(contract))
}

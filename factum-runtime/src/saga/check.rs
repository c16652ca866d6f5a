//! What stops a start: a version that the code no longer has, a shape that changed under way, a second handler for a
//! command.

use std::collections::BTreeMap;

use factum_core::{
    Commit, ConsumerName, ContractVersion, EventName, Kind, RecordKind, RecordQuery, SagaStatus, Store,
    StoreError,
};

use super::Declared;
use crate::admin::all_of;
use crate::consumer::Consumer;
use crate::instance::{Instance, as_store_error};
use crate::state::{CommandState, SagaState, ShapeState, as_seen, read};

/// Why an app with sagas and commands did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SagaRefused {
    /// Two sagas of one name and version.
    #[error("saga {saga} is declared twice with version {version}: raise the `VERSION` of the newer one")]
    Twice {
        /// The saga.
        saga: ConsumerName,
        /// The version.
        version: ContractVersion,
    },
    /// Two versions of a saga cannot share their events.
    #[error(
        "saga {saga} is correlated by {first} in one version and by {second} in another: give the newer one another `NAME`"
    )]
    Correlation {
        /// The saga.
        saga: ConsumerName,
        /// The field of one version.
        first: String,
        /// The field of the other.
        second: String,
    },
    /// Two versions of a saga know one event in two contract versions.
    #[error(
        "saga {saga} follows {first} in one version and {second} in another: let both follow the newer one"
    )]
    Contracts {
        /// The saga.
        saga: ConsumerName,
        /// What one version follows.
        first: String,
        /// What the other follows.
        second: String,
    },
    /// Instances are under way whose version the code lacks.
    #[error(
        "saga {saga} has {live} instances of version {version} under way, and the code has none that goes on with them: \
         run version {version} beside the new one until they have ended, or name it in `GOES_ON_FROM`. \
         `factum sagas list {saga} --of-version {version}` says what is left, and where version {version} runs, \
         `factum sagas cancel {saga} INSTANCE` ends what must not be waited for"
    )]
    VersionGone {
        /// The saga.
        saga: ConsumerName,
        /// The version.
        version: ContractVersion,
        /// How many instances are under way.
        live: u64,
    },
    /// A version has changed its shape while instances of it are under way.
    #[error(
        "saga {saga} has {live} instances of version {version} under way, and that version has changed: {}. \
         Raise `VERSION`; then run the old code beside the new one until they have ended, or name {version} in \
         `GOES_ON_FROM`, with a `migrate` where the state differs. `factum sagas list {saga} --of-version {version}` says \
         what is left",
        .differences.join("; ")
    )]
    ShapeChanged {
        /// The saga.
        saga: ConsumerName,
        /// The version.
        version: ContractVersion,
        /// How many instances are under way.
        live: u64,
        /// What differs.
        differences: Vec<String>,
    },
    /// A command has two handlers.
    #[error("command {command} is handled by {first} and by {second}: a command has exactly one handler")]
    TwoHandlers {
        /// The command.
        command: EventName,
        /// One handler.
        first: String,
        /// The other.
        second: String,
    },
}

/// Joins the versions of each saga.
pub(crate) fn join(declared: Vec<Declared>) -> Result<Vec<Declared>, SagaRefused> {
    let mut sagas: BTreeMap<ConsumerName, Declared> = BTreeMap::new();
    for one in declared {
        let Some(known) = sagas.get_mut(&one.name) else {
            sagas.insert(one.name.clone(), one);
            continue;
        };
        let saga = one.name;
        for (version, code) in one.versions {
            let (first, second) = (known.newest().correlate(), code.correlate());
            if first != second {
                return Err(SagaRefused::Correlation { saga, first: first.into(), second: second.into() });
            }
            let types = known.types();
            let differs = code.types().into_iter().find_map(|own| {
                let other =
                    types.iter().find(|other| other.name == own.name && other.version != own.version)?;
                Some((other.to_string(), own.to_string()))
            });
            if let Some((first, second)) = differs {
                return Err(SagaRefused::Contracts { saga, first, second });
            }
            if known.versions.insert(version, code).is_some() {
                return Err(SagaRefused::Twice { saga, version });
            }
        }
    }
    Ok(sagas.into_values().collect())
}

/// Compares each saga with what is under way, and writes down the shapes of its versions.
pub(crate) async fn shapes(store: &dyn Store, sagas: &[Declared]) -> Result<Option<SagaRefused>, StoreError> {
    let mut puts = Vec::new();
    for saga in sagas {
        let mut known = BTreeMap::new();
        let query = RecordQuery::group(saga.name.as_str());
        for record in all_of(store, RecordKind::SAGA_SHAPE, query).await? {
            let shape = read::<ShapeState>(&record)?.shape;
            known.insert(shape.version, (record.revision, shape));
        }
        for version in known.keys().copied().filter(|version| saga.code(*version).is_none()) {
            let live = live(store, saga.name.as_str(), version).await?;
            if live > 0 {
                return Ok(Some(SagaRefused::VersionGone { saga: saga.name.clone(), version, live }));
            }
        }
        for (version, code) in &saga.versions {
            let shape = code.shape();
            let (revision, differences) = match known.get(version) {
                Some((revision, before)) => (*revision, before.differences(&shape)),
                None => (0, Vec::new()),
            };
            if revision > 0 && differences.is_empty() {
                continue;
            }
            let live = live(store, saga.name.as_str(), *version).await?;
            if live > 0 && !differences.is_empty() {
                let (saga, version) = (saga.name.clone(), *version);
                return Ok(Some(SagaRefused::ShapeChanged { saga, version, live, differences }));
            }
            puts.push((ShapeState { shape }.record(), as_seen(revision)));
        }
    }
    let mut work = store.begin().await?;
    puts.into_iter().for_each(|(record, guard)| work.put(record, guard));
    match work.commit().await {
        // Another instance of this very release has just written the same.
        Commit::Committed(_) | Commit::Conflict(_) => Ok(None),
        other => Err(as_store_error(other)),
    }
}

/// How many instances of a version are under way.
pub(crate) async fn live(store: &dyn Store, saga: &str, version: ContractVersion) -> Result<u64, StoreError> {
    let mut live = 0;
    for status in SagaStatus::ALL.into_iter().filter(|status| status.is_live()) {
        live += store.count(RecordKind::SAGA, &SagaState::group(saga, version, status)).await?;
    }
    Ok(live)
}

/// A command with two handlers in one app.
pub(crate) fn two_handlers<'a>(consumers: impl Iterator<Item = &'a Consumer>) -> Option<SagaRefused> {
    let mut handlers: BTreeMap<EventName, &ConsumerName> = BTreeMap::new();
    for consumer in consumers {
        for (known, _) in consumer.handled().filter(|(known, _)| known.kind == Kind::Command) {
            if let Some(first) = handlers.insert(known.name.clone(), consumer.name()) {
                let (first, second) = (first.to_string(), consumer.name().to_string());
                return Some(SagaRefused::TwoHandlers { command: known.name.clone(), first, second });
            }
        }
    }
    None
}

/// Writes down who handles each command, unless another consumer does that now in an app that lives.
pub(crate) async fn claim_commands(
    store: &dyn Store,
    instance: &Instance,
    consumers: &[Consumer],
) -> Result<Option<SagaRefused>, StoreError> {
    for consumer in consumers {
        for (known, _) in consumer.handled().filter(|(known, _)| known.kind == Kind::Command) {
            let record = store.find_one(RecordKind::COMMAND, known.name.as_str()).await?;
            let claimed = record.as_ref().map(read::<CommandState>).transpose()?;
            let own = CommandState { consumer: consumer.name().to_string() };
            match claimed {
                Some(claimed) if claimed == own => continue,
                Some(claimed) if instance.others_run(&claimed.consumer, store).await? => {
                    let (first, second) = (claimed.consumer, own.consumer);
                    return Ok(Some(SagaRefused::TwoHandlers { command: known.name.clone(), first, second }));
                }
                Some(_) | None => {}
            }
            let mut work = store.begin().await?;
            let guard = as_seen(record.map_or(0, |record| record.revision));
            work.put(own.record(known.name.as_str()), guard);
            match work.commit().await {
                Commit::Committed(_) => {}
                Commit::Conflict(_) => {
                    // Two apps that start at once: who is told to go is decided by who wrote first.
                    let now = store.find_one(RecordKind::COMMAND, known.name.as_str()).await?;
                    let now = now.as_ref().map(read::<CommandState>).transpose()?;
                    if let Some(first) = now.filter(|now| *now != own) {
                        let (first, second) = (first.consumer, own.consumer);
                        let command = known.name.clone();
                        return Ok(Some(SagaRefused::TwoHandlers { command, first, second }));
                    }
                }
                other => return Err(as_store_error(other)),
            }
        }
    }
    Ok(None)
}

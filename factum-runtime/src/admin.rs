//! Operating a system through its store alone: what the command line and the console ask.
//!
//! Nothing here needs the app's types or a running app: it reads and writes the same records. Running instances see
//! a change within a second, or at once when they are in the same process. What changes anything is kept in the
//! audit records.

use std::collections::HashMap;
use std::sync::Arc;

use factum_contract::Contract;
use factum_contract::personal::Marks;
use factum_contract::system::Replay;
use factum_core::{
    Commit, ConsumerName, Direction, Envelope, Expected, Guard, Position, Query, Record, RecordKind,
    RecordQuery, Slot, Store, StoreError, StoreErrorKind, Timestamp,
};

use crate::instance::as_store_error;
use crate::state::{
    AuditEntry, ContractState, ControlState, Needs, ProjectionState, SlotState, as_seen, read, to_bytes,
};

pub mod archive;
pub mod asked;
pub mod compare;
pub mod copy;
pub mod copy_table;
pub mod follow;
pub mod forget;
pub mod health;
pub mod letters;
pub mod look;
pub mod migration;
pub mod projections;
pub mod replay;
pub mod reset;
pub mod sagas;
pub mod snapshots;
pub mod stream_archive;
pub mod streams;
pub mod verify;

pub use archive::{ArchivePlan, Restored, Unhandled};
pub use asked::StateTold;
pub use compare::{Compared, RowDiffers, TableCompared};
pub use copy::{Copied, copy};
pub use copy_table::copy_table;
pub use follow::{Follow, Progress};
pub use forget::{ForgetPlan, Forgot, Stays};
pub use letters::{Group, Letter, Requeued, Which};
pub use look::{Stats, TraceNode};
pub use migration::{Difference, MigrationInfo};
pub use projections::{ProjectionInfo, Then};
pub use replay::{ReplayPlan, ReplayRequest};
pub use reset::ResetPlan;
pub use sagas::{Cancel, Resume, TimerInfo};
pub use snapshots::{Made, SnapshotInfo};
pub use streams::Turned;

/// Operates one store.
#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    actor: String,
    nudge: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is nothing of that name.
    #[error("{what} {name:?} is not known; {hint}")]
    Unknown {
        /// What was looked for: "consumer", "dead letter", "event".
        what: &'static str,
        /// The name.
        name: String,
        /// Where to look.
        hint: String,
    },
    /// The operation is not allowed as asked.
    #[error("{0}")]
    Refused(String),
    /// Somebody else changed the same thing at the same moment.
    #[error("somebody else changed {0} at the same moment; look again")]
    Changed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event was not appended.
    #[error(transparent)]
    Append(#[from] factum_core::AppendError),
}

impl From<crate::state::StateError> for AdminError {
    fn from(error: crate::state::StateError) -> Self {
        Self::Store(error.into())
    }
}

/// One consumer as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// Why it rests, when it does.
    pub paused: Option<String>,
    /// The least advanced slot.
    pub position: Position,
    /// Positions between that and the head.
    pub lag: u64,
    /// Slots that an instance holds.
    pub slots_held: usize,
    /// Instances that hold them.
    pub instances: usize,
    /// Events that wait, parked or behind a parked one.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Refused events.
    pub refused: u64,
    /// The projection whose tables it fills, when it does.
    pub projection: Option<String>,
    /// Contract versions that slots wait for an instance to read, with the number of these slots.
    pub needs: Vec<(Needs, usize)>,
    /// What a replay may do, when catalog or code said so.
    pub on_replay: Option<Replay>,
    /// It began without positions up to here, which were archived.
    pub lacks: Option<Position>,
}

impl ConsumerInfo {
    /// Whether handling events again needs the operator's word: there may be effects outside the store.
    ///
    /// # Errors
    /// When it is declared that they are never handled again.
    pub(crate) fn needs_effects(&self) -> Result<bool, AdminError> {
        match self.on_replay {
            Some(Replay::Refuse) => Err(AdminError::Refused(format!(
                "consumer {} is declared `replay: refuse`: its events are never handled again",
                self.name
            ))),
            Some(Replay::Safe) => Ok(false),
            Some(Replay::EffectsHeld) | None => Ok(self.projection.is_none()),
        }
    }
}

impl Admin {
    /// Operates a store; changes are audited under the operating system's user.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
        Self { store, actor: user.unwrap_or_else(|_| "operator".to_owned()), nudge: None }
    }

    /// Changes are audited under this name.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    pub(crate) fn nudging(mut self, nudge: impl Fn() + Send + Sync + 'static) -> Self {
        self.nudge = Some(Arc::new(nudge));
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn changed(&self) {
        if let Some(nudge) = &self.nudge {
            nudge();
        }
    }

    pub(crate) async fn audit_record(
        &self,
        action: &str,
        target: &str,
        detail: String,
    ) -> Result<Record, StoreError> {
        let at = self.store.now().await?;
        let (action, target) = (action.to_owned(), target.to_owned());
        let entry = AuditEntry { actor: self.actor.clone(), action, target, detail, at };
        Ok(Record::new(RecordKind::AUDIT, "", factum_core::EventId::new().to_string(), to_bytes(entry)))
    }

    /// Who did what, newest last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self) -> Result<Vec<AuditEntry>, AdminError> {
        let records = all_of(self.store.as_ref(), RecordKind::AUDIT, RecordQuery::default()).await?;
        Ok(records.iter().map(read::<AuditEntry>).collect::<Result<_, _>>()?)
    }

    /// Every contract version that the store has met, by name and version.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn contracts(&self) -> Result<Vec<ContractState>, AdminError> {
        let records = all_of(self.store.as_ref(), RecordKind::CONTRACT, RecordQuery::default()).await?;
        let mut contracts = records.iter().map(read::<ContractState>).collect::<Result<Vec<_>, _>>()?;
        contracts.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(contracts)
    }

    /// The fields that contract versions of the store mark as personal: what to hide of values in plain text.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn personal_marks(&self) -> Result<Marks, AdminError> {
        let states = self.contracts().await?;
        // A contract that this release cannot read marks nothing that it knows.
        let contracts: Vec<Contract> =
            states.iter().filter_map(|state| Contract::of_json_text(&state.contract).ok()).collect();
        Ok(Marks::of(&contracts))
    }

    /// Every consumer that the store has seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn consumers(&self) -> Result<Vec<ConsumerInfo>, AdminError> {
        let store = self.store.as_ref();
        let head = store.head().await?;
        let fillers = self.fillers().await?;
        let mut infos: HashMap<String, ConsumerInfo> = HashMap::new();
        let mut owners: HashMap<String, Vec<String>> = HashMap::new();
        for record in all_of(store, RecordKind::SLOT, RecordQuery::default()).await? {
            let state = read::<SlotState>(&record)?;
            let info = infos.entry(record.group.clone()).or_insert_with(|| ConsumerInfo {
                name: record.group.clone(),
                paused: None,
                position: Position::END,
                lag: 0,
                slots_held: 0,
                instances: 0,
                parked: 0,
                dead: 0,
                refused: 0,
                projection: fillers.get(&record.group).cloned(),
                needs: Vec::new(),
                on_replay: None,
                lacks: None,
            });
            if let Some(needs) = state.needs {
                add_needs(&mut info.needs, needs);
            }
            info.position = info.position.min(state.position);
            if let Some(owner) = state.owner {
                info.slots_held += 1;
                let known = owners.entry(record.group).or_default();
                if !known.contains(&owner) {
                    known.push(owner);
                }
            }
        }
        for info in infos.values_mut() {
            info.lag = head.number().saturating_sub(info.position.number());
            info.instances = owners.get(&info.name).map_or(0, Vec::len);
            info.dead = store.count(RecordKind::DEAD, &info.name).await?;
            info.refused = store.count(RecordKind::REFUSED, &info.name).await?;
            for record in all_of(store, RecordKind::PARKED_KEY, RecordQuery::group(info.name.clone())).await?
            {
                info.parked += read::<crate::state::ParkedKey>(&record)?.queued;
            }
            if let Some(record) = store.find_one(RecordKind::CONSUMER, &info.name).await? {
                let control = read::<ControlState>(&record)?;
                info.paused = control.paused.then_some(control.reason);
                info.on_replay = control.on_replay;
                info.lacks = control.lacks;
            }
        }
        let mut infos: Vec<ConsumerInfo> = infos.into_values().collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(infos)
    }

    /// One consumer.
    ///
    /// # Errors
    /// When the store has never seen it, or fails.
    pub async fn consumer(&self, name: &ConsumerName) -> Result<ConsumerInfo, AdminError> {
        let all = self.consumers().await?;
        let known = all.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
        all.into_iter().find(|info| info.name == name.as_str()).ok_or_else(|| AdminError::Unknown {
            what: "consumer",
            name: name.to_string(),
            hint: if known.is_empty() {
                "no consumer has run on this store".into()
            } else {
                format!("known: {known}")
            },
        })
    }

    /// Consumers that fill projections' tables, and whose.
    async fn fillers(&self) -> Result<HashMap<String, String>, AdminError> {
        let mut fillers = HashMap::new();
        for record in all_of(self.store.as_ref(), RecordKind::PROJECTION, RecordQuery::default()).await? {
            let state = read::<ProjectionState>(&record)?;
            let checking = state.checking.as_ref().map(|checking| &checking.suffix);
            let all = [state.live.as_ref(), state.building.as_ref(), checking].into_iter().flatten();
            for suffix in all.chain(&state.retired) {
                fillers.insert(format!("{}.{suffix}", record.id), record.id.clone());
            }
        }
        Ok(fillers)
    }

    /// Lets a consumer rest: running instances finish what is in hand and let its slots go.
    ///
    /// # Errors
    /// When the store has never seen it, or fails.
    pub async fn pause(&self, name: &ConsumerName, why: &str) -> Result<(), AdminError> {
        self.consumer(name).await?;
        let audit = self.audit_record("pause", name.as_str(), why.to_owned()).await?;
        let why = if why.is_empty() { format!("paused by {}", self.actor) } else { why.to_owned() };
        change_control(self.store.as_ref(), name, Some(audit), |control| {
            (control.paused, control.reason) = (true, why.clone());
        })
        .await?;
        self.changed();
        Ok(())
    }

    /// Lets a paused consumer go on.
    ///
    /// # Errors
    /// When the store has never seen it, or fails.
    pub async fn resume(&self, name: &ConsumerName) -> Result<(), AdminError> {
        self.consumer(name).await?;
        let audit = self.audit_record("resume", name.as_str(), String::new()).await?;
        change_control(self.store.as_ref(), name, Some(audit), |control| {
            (control.paused, control.reason) = (false, String::new());
        })
        .await?;
        self.changed();
        Ok(())
    }

    /// Appends an event as it stands, through the store's gate, to the stream of its category and key.
    ///
    /// # Errors
    /// When it breaks its contract, its key cannot name a stream, or the store fails.
    pub async fn publish(&self, envelope: Envelope) -> Result<factum_core::Appended, AdminError> {
        let stream = envelope.stream().map_err(|error| AdminError::Refused(error.to_string()))?;
        Ok(self.store.append(&stream, Expected::Any, &[envelope]).await?)
    }

    /// Appends events as they stand, each to the stream of its category and key, all or none; answers one place for
    /// each.
    ///
    /// # Errors
    /// As [`Admin::publish`].
    pub async fn publish_all(
        &self,
        envelopes: Vec<Envelope>,
    ) -> Result<Vec<factum_core::Appended>, AdminError> {
        let mut work = self.store.begin().await?;
        for envelope in envelopes {
            let stream = envelope.stream().map_err(|error| AdminError::Refused(error.to_string()))?;
            work.append(stream, Expected::Any, vec![envelope]);
        }
        Ok(work.commit().await.into_result()?.appended)
    }
}

/// Counts a slot to those that wait for the same version; the first of its events is told.
fn add_needs(all: &mut Vec<(Needs, usize)>, needs: Needs) {
    let same = |(other, _): &&mut (Needs, usize)| {
        (other.event.as_str(), other.version) == (needs.event.as_str(), needs.version)
    };
    match all.iter_mut().find(same) {
        Some((first, slots)) => {
            first.position = first.position.min(needs.position);
            *slots += 1;
        }
        None => all.push((needs, 1)),
    }
}

/// Pauses a consumer from within: too many parked events.
pub(crate) async fn pause(store: &dyn Store, name: &ConsumerName, why: &str) -> Result<(), StoreError> {
    change_control(store, name, None, |control| {
        (control.paused, control.reason) = (true, why.to_owned());
    })
    .await
    .map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))
}

/// Lets a consumer go on without a bound.
pub(crate) async fn unbind(store: &dyn Store, name: &ConsumerName) -> Result<(), StoreError> {
    change_control(store, name, None, |control| control.bound = None)
        .await
        .map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))
}

/// Notes what a replay of a consumer may do; writes nothing where that is known.
pub(crate) async fn note_replays(
    store: &dyn Store,
    name: &ConsumerName,
    on_replay: Option<Replay>,
) -> Result<(), StoreError> {
    let record = store.find_one(RecordKind::CONSUMER, name.as_str()).await?;
    let known = record.as_ref().map(read::<ControlState>).transpose()?.unwrap_or_default();
    if known.on_replay == on_replay {
        return Ok(());
    }
    change_control(store, name, None, |control| control.on_replay = on_replay)
        .await
        .map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))
}

/// Changes a consumer's control record, whoever else writes it at the same time.
pub(crate) async fn change_control(
    store: &dyn Store,
    name: &ConsumerName,
    audit: Option<Record>,
    change: impl Fn(&mut ControlState),
) -> Result<(), AdminError> {
    loop {
        let record = store.find_one(RecordKind::CONSUMER, name.as_str()).await?;
        let mut state = record.as_ref().map(read::<ControlState>).transpose()?.unwrap_or_default();
        change(&mut state);
        let revision = record.map_or(0, |record| record.revision);
        let mut work = store.begin().await?;
        let new = Record::new(RecordKind::CONSUMER, "control", name.as_str(), to_bytes(&state));
        work.put(new, as_seen(revision));
        if let Some(audit) = &audit {
            work.put(audit.clone(), Guard::Any);
        }
        match work.commit().await {
            Commit::Committed(_) => return Ok(()),
            Commit::Conflict(_) => {}
            other => return Err(as_store_error(other).into()),
        }
    }
}

/// All records that a query matches, page by page.
pub(crate) async fn all_of(
    store: &dyn Store,
    kind: RecordKind,
    mut query: RecordQuery,
) -> Result<Vec<Record>, StoreError> {
    let mut all = Vec::new();
    loop {
        let page = store.find(kind, &query).await?;
        let is_last = page.len() < query.limit;
        all.extend(page);
        match all.last() {
            Some(last) if !is_last => query.after_id = Some(last.id.clone()),
            _ => return Ok(all),
        }
    }
}

/// What a consumer's slots have written, by number.
pub(crate) async fn checkpoints(
    store: &dyn Store,
    consumer: &ConsumerName,
) -> Result<HashMap<u16, Position>, StoreError> {
    let query = RecordQuery::group(consumer.as_str());
    let records = store.find(RecordKind::SLOT, &query).await?;
    let mut at = HashMap::new();
    for slot in Slot::all() {
        let id = SlotState::id(consumer, slot);
        if let Some(record) = records.iter().find(|record| record.id == id) {
            at.insert(slot.number(), read::<SlotState>(record)?.position);
        }
    }
    Ok(at)
}

/// The position just before the first event at or after a time. Times only describe events and need not rise with
/// positions: the place is found by halves, and the page before it is searched for events that came out of turn.
pub(crate) async fn position_at(store: &dyn Store, time: Timestamp) -> Result<Position, StoreError> {
    let (mut low, mut high) = (0, store.head().await?.number());
    while low < high {
        let middle = low + (high - low) / 2;
        let query = Query { kind: None, limit: 1, ..Query::default() }.after(Position::at(middle));
        match store.read(&query).await?.events.first() {
            Some(event) if event.envelope.time < time => low = event.position.number(),
            Some(_) | None => high = middle,
        }
    }
    let before = Query {
        direction: Direction::Backward,
        kind: None,
        up_to: Position::at(low),
        limit: Query::LIMIT_MAX,
        ..Query::default()
    };
    let page = store.read(&before).await?.events;
    let out_of_turn = page.iter().rev().find(|event| event.envelope.time >= time);
    Ok(out_of_turn.map_or(Position::at(low), |event| Position::at(event.position.number() - 1)))
}

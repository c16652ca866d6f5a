//! Folds a stream into the state of its decider: from a snapshot where there is a good one, else from its start.

use std::collections::BTreeSet;
use std::time::Duration;

use factum_core::closing::is_turn;
use factum_core::{
    Breach, Decider, DecodeError, Direction, EventName, EventSet, EventType, Gate, Guard, KeysError, Kind,
    Page, Position, Query, RecordKind, RecordQuery, Recorded, Snapshots, Store, StoreError, StreamId,
    Timestamp, Unopened, Version, Work,
};
use tokio::time::Instant;

use crate::contracts;
use crate::erase::tombstone;
use crate::moved_out::{MovedOut, ranges};
use crate::state::{SnapshotState, read};

/// Largest state that is kept as a snapshot: beyond it, reading the snapshot is no short cut.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024;

/// Summaries that are looked at together for a state of the past: they are few in a stream.
const SUMMARIES: usize = 20;

/// Why the state of a stream cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An event of the stream breaks its contract.
    #[error(transparent)]
    Contract(#[from] Breach),
    /// Personal values of the stream cannot be opened now.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An event of the stream cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Events of the stream were moved out of the log.
    #[error(transparent)]
    Archived(#[from] MovedOut),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Unopened> for LoadError {
    fn from(error: Unopened) -> Self {
        match error {
            Unopened::Breach(breach) => Self::Contract(breach),
            Unopened::Keys(error) => Self::Keys(error),
        }
    }
}

/// Up to where a stream is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsOf {
    /// To its end.
    #[default]
    Now,
    /// Up to, and with, this version.
    Version(Version),
    /// Up to the first event whose time is after this one; behind the last summary that is not later, where there is one.
    Time(Timestamp),
}

/// A state, and how far its stream was read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAt<S> {
    /// The state.
    pub state: S,
    /// Version of the last event in it; zero when there is none.
    pub version: Version,
    /// Position of that event.
    pub position: Position,
}

/// The state of a stream, now or as of a version or a time.
///
/// # Errors
/// When an event cannot be read, or the store fails.
pub async fn state_of<D: Decider>(
    store: &dyn Store,
    stream: &StreamId,
    as_of: AsOf,
) -> Result<StateAt<D::State>, LoadError> {
    told::<D>(store, stream, as_of).await.map(|(at, _)| at)
}

/// The same, and whether the state may hold personal values.
pub(crate) async fn told<D: Decider>(
    store: &dyn Store,
    stream: &StreamId,
    as_of: AsOf,
) -> Result<(StateAt<D::State>, bool), LoadError> {
    let mut work = store.begin().await?;
    let start = Loaded { notes_keys: true, ..Loaded::default() };
    let Loaded { state, version, position, keys, .. } =
        load::<D>(work.as_mut(), stream, start, as_of).await?;
    Ok((StateAt { state, version, position }, !keys.is_empty()))
}

/// What became of comparing a snapshot with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotVerdict {
    /// There is none, or the decider keeps none.
    Absent,
    /// The events give the same state.
    Agrees {
        /// The version of the stream that it holds.
        version: Version,
    },
    /// The events give another state: `evolve` changed and the snapshots' version was not raised.
    Differs {
        /// The version of the stream that it holds.
        version: Version,
        /// The state that is kept, as JSON.
        kept: String,
        /// The state that the events give, as JSON.
        folded: String,
    },
    /// It counts as not there, and is written anew when one is due.
    Ignored {
        /// Why.
        why: String,
    },
}

/// Compares a decider's snapshot of a stream with what the events give. Keep ordered collections in the state: those
/// whose order is random differ from themselves.
///
/// # Errors
/// When an event cannot be read, or the store fails.
pub async fn verify_snapshot<D: Decider>(
    store: &dyn Store,
    stream: &StreamId,
) -> Result<SnapshotVerdict, LoadError> {
    verified::<D>(store, stream).await.map(|(verdict, _)| verdict)
}

/// The same, and whether the state may hold personal values.
pub(crate) async fn verified<D: Decider>(
    store: &dyn Store,
    stream: &StreamId,
) -> Result<(SnapshotVerdict, bool), LoadError> {
    let Some(policy) = D::snapshots() else { return Ok((SnapshotVerdict::Absent, false)) };
    let mut work = store.begin().await?;
    let kept = match kept::<D>(work.as_mut(), stream, &policy).await? {
        Kept::None => return Ok((SnapshotVerdict::Absent, false)),
        Kept::Unusable(why) => return Ok((SnapshotVerdict::Ignored { why }, false)),
        Kept::Good(kept, _) => kept,
    };
    let start = Loaded { skips_snapshot: true, ..Loaded::default() };
    let folded = load::<D>(work.as_mut(), stream, start, AsOf::Version(kept.version)).await?;
    let text = policy.write(&folded.state);
    let folded_text = text.map_err(|error| invalid(format!("the state has no JSON form: {error}")))?;
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let is_same = folded.version == kept.version && value(&kept.state) == value(&folded_text);
    let is_personal = !kept.keys.is_empty() || !folded.keys.is_empty();
    let verdict = match is_same {
        true => SnapshotVerdict::Agrees { version: kept.version },
        false => SnapshotVerdict::Differs { version: kept.version, kept: kept.state, folded: folded_text },
    };
    Ok((verdict, is_personal))
}

fn invalid(message: String) -> StoreError {
    StoreError::new(factum_core::StoreErrorKind::Invalid, message)
}

/// A state on its way, with what a snapshot of it must know.
pub(super) struct Loaded<S> {
    pub(super) state: S,
    pub(super) version: Version,
    pub(super) position: Position,
    /// The version behind which the folding began.
    begins: Version,
    folded: u64,
    keys: BTreeSet<String>,
    /// The version at which the state was kept last.
    kept_at: Version,
    /// The latest time of its events; none where a snapshot of an earlier release did not say.
    latest: Option<Timestamp>,
    took: Duration,
    skips_snapshot: bool,
    /// Whether the keys of its events are noted though no snapshot is kept.
    notes_keys: bool,
}

impl<S: Default> Default for Loaded<S> {
    fn default() -> Self {
        Self {
            state: S::default(),
            version: Version::EMPTY,
            position: Position::START,
            begins: Version::EMPTY,
            folded: 0,
            keys: BTreeSet::new(),
            kept_at: Version::EMPTY,
            latest: Some(Timestamp::EPOCH),
            took: Duration::ZERO,
            skips_snapshot: false,
            notes_keys: false,
        }
    }
}

impl<S: Default> Loaded<S> {
    /// Forgets what came before this event, which says it all.
    fn begin_with(&mut self, summary: &Recorded) {
        let before = Version::at(summary.version.number() - 1);
        (self.state, self.folded, self.keys) = (S::default(), 0, BTreeSet::new());
        (self.version, self.begins) = (before, before);
        self.position = Position::at(summary.position.number() - 1);
        self.latest = Some(summary.envelope.time);
    }
}

/// Reads what is new in the stream and folds it into the state.
pub(super) async fn load<D: Decider>(
    work: &mut dyn Work,
    stream: &StreamId,
    mut loaded: Loaded<D::State>,
    as_of: AsOf,
) -> Result<Loaded<D::State>, LoadError> {
    let began = Instant::now();
    let policy = D::snapshots();
    let has_keys = (policy.is_some() || loaded.notes_keys) && work.gate().keys().is_some();
    let mut query = Query { kind: None, ..Query::stream(stream.clone()) };
    if let (Some(policy), Version::EMPTY, false) = (&policy, loaded.version, loaded.skips_snapshot) {
        match kept::<D>(work, stream, policy).await? {
            Kept::None => {}
            Kept::Good(kept, state) if is_within(&kept, as_of) => {
                loaded = Loaded {
                    state,
                    version: kept.version,
                    position: kept.position,
                    begins: kept.begins,
                    folded: kept.folded,
                    keys: kept.keys.into_iter().collect(),
                    kept_at: kept.version,
                    latest: kept.latest,
                    ..loaded
                };
            }
            Kept::Good(..) => {}
            Kept::Unusable(why) => {
                tracing::info!(%stream, decider = %policy.name(), why, "a snapshot is ignored, and the events are read");
            }
        }
    }
    let summaries: Vec<EventName> = D::summaries().into_iter().map(|known| known.name).collect();
    if let Some(summary) = last_summary(work, stream, &summaries, loaded.position, as_of).await? {
        loaded.begin_with(&summary);
    }
    query.after = loaded.position;
    // The first event that stands where an earlier one is missing, until a summary makes up for it.
    let mut lacks = None;
    'pages: loop {
        let page: Page = work.read(&query).await?;
        for event in page.events {
            let is_beyond = match as_of {
                AsOf::Now => false,
                AsOf::Version(version) => event.version > version,
                AsOf::Time(time) => event.envelope.time > time,
            };
            let is_next = event.version == loaded.version.next();
            if is_beyond {
                lacks = lacks.or((!is_next).then_some(event.version));
                break 'pages;
            }
            let is_summary = summaries.contains(&event.envelope.event_type.name);
            if is_summary && (lacks.is_some() || !is_next) {
                loaded.begin_with(&event);
                lacks = None;
            } else if lacks.is_some() || !is_next {
                lacks = lacks.or(Some(event.version));
                continue;
            }
            (loaded.version, loaded.position) = (event.version, event.position);
            loaded.latest = loaded.latest.map(|latest| latest.max(event.envelope.time));
            if policy.is_some() {
                loaded.folded = SnapshotState::fold(loaded.folded, event.envelope.id);
            }
            if has_keys {
                loaded.keys.extend(tombstone::of_sealed(&event.envelope.data));
            }
            // Commands may be recorded in the same stream; they are requests, and change nothing. Nor does the stream's
            // own end, unless the decider wants to know.
            let written = &event.envelope.event_type;
            let is_told = written.kind == Kind::Event
                && (!is_turn(&written.name)
                    || D::Event::types().iter().any(|known| known.name == written.name));
            if is_told {
                let event = decode::<D::Event>(work.gate().as_ref(), event)?;
                loaded.state = D::evolve(loaded.state, &event);
            }
        }
        if !page.more {
            // Its end is not in the log, and yet the stream has come so far.
            lacks = lacks.or((page.version > loaded.version).then(|| page.version.next()));
            break;
        }
        query.after = page.end;
    }
    if let Some(first) = lacks {
        return Err(MovedOut::of(work, stream, first).await?.into());
    }
    loaded.took = began.elapsed();
    Ok(loaded)
}

/// The last summary of a stream behind a position, and not behind what is asked for.
async fn last_summary(
    work: &mut dyn Work,
    stream: &StreamId,
    summaries: &[EventName],
    after: Position,
    as_of: AsOf,
) -> Result<Option<Recorded>, StoreError> {
    if summaries.is_empty() {
        return Ok(None);
    }
    let (types, direction) = (summaries.to_vec(), Direction::Backward);
    let limit = if as_of == AsOf::Now { 1 } else { SUMMARIES };
    let mut query = Query { types, direction, limit, ..Query::stream(stream.clone()).after(after) };
    loop {
        let page = work.read(&query).await?;
        let is_within = |event: &Recorded| match as_of {
            AsOf::Now => true,
            AsOf::Version(version) => event.version <= version,
            AsOf::Time(time) => event.envelope.time <= time,
        };
        if let Some(summary) = page.events.into_iter().find(is_within) {
            return Ok(Some(summary));
        }
        if !page.more {
            return Ok(None);
        }
        query.up_to = Position::at(page.end.number().saturating_sub(1));
    }
}

fn is_within(kept: &SnapshotState, as_of: AsOf) -> bool {
    match as_of {
        AsOf::Now => true,
        AsOf::Version(version) => kept.version <= version,
        AsOf::Time(time) => kept.latest.is_some_and(|latest| latest <= time),
    }
}

enum Kept<S> {
    None,
    Good(SnapshotState, S),
    Unusable(String),
}

async fn kept<D: Decider>(
    work: &mut dyn Work,
    stream: &StreamId,
    policy: &Snapshots<D::State>,
) -> Result<Kept<D::State>, StoreError> {
    let id = SnapshotState::id(stream, policy.name());
    let Some(record) = work.find(RecordKind::SNAPSHOT, &RecordQuery::id(id)).await?.pop() else {
        return Ok(Kept::None);
    };
    let kept = match read::<SnapshotState>(&record) {
        Ok(kept) => kept,
        Err(error) => return Ok(Kept::Unusable(error.to_string())),
    };
    if kept.code != policy.version() {
        let why = format!("it is of version {} of the code, which is at {}", kept.code, policy.version());
        return Ok(Kept::Unusable(why));
    }
    // The event that it ends with must stand where it says: a store may have been restored beside it.
    let position = kept.position;
    let after = Position::at(position.number().saturating_sub(1));
    let last = Query { kind: None, up_to: position, limit: 1, ..Query::stream(stream.clone()).after(after) };
    let found = work.read(&last).await?.events.pop();
    let stands = match found {
        Some(event) => event.version == kept.version,
        None => ranges(work).await?.last().is_some_and(|range| range.up_to >= position),
    };
    if !stands {
        return Ok(Kept::Unusable(format!("no event of version {} stands at its position", kept.version)));
    }
    Ok(match policy.read(&kept.state) {
        Ok(state) => Kept::Good(kept, state),
        Err(error) => Kept::Unusable(format!("its state cannot be read: {error}")),
    })
}

/// Collects a snapshot of the loaded state where one is due; one that cannot be written is left out.
pub(super) async fn keep<D: Decider>(
    loaded: &Loaded<D::State>,
    stream: &StreamId,
    work: &mut dyn Work,
) -> Result<(), StoreError> {
    let Some(policy) = D::snapshots() else { return Ok(()) };
    let events = loaded.version.number() - loaded.kept_at.number();
    if !policy.is_due(events, loaded.took) {
        return Ok(());
    }
    let state = match policy.write(&loaded.state) {
        Ok(state) if state.len() <= SNAPSHOT_BYTES_MAX => state,
        Ok(state) => {
            let bytes = state.len();
            tracing::warn!(%stream, decider = %policy.name(), bytes, "the state is too large for a snapshot");
            return Ok(());
        }
        Err(error) => {
            let error = error.to_string();
            tracing::warn!(%stream, decider = %policy.name(), error, "the state has no JSON form, so it is not kept");
            return Ok(());
        }
    };
    tombstone::guard_all(&loaded.keys, work).await?;
    let kept = SnapshotState {
        code: policy.version(),
        version: loaded.version,
        position: loaded.position,
        begins: loaded.begins,
        latest: loaded.latest,
        folded: loaded.folded,
        keys: loaded.keys.iter().cloned().collect(),
        state,
    };
    // Whoever comes last wins: each is true of its own version.
    work.put(kept.record(stream, policy.name()), Guard::Any);
    Ok(())
}

/// The event behind a recorded one, brought to the contract version that the code knows.
pub(crate) fn decode<E: EventSet>(gate: &dyn Gate, event: Recorded) -> Result<E, LoadError> {
    let written = &event.envelope.event_type;
    let known: Option<EventType> = E::types().into_iter().find(|known| known.name == written.name);
    let opened = match &known {
        Some(known) => contracts::open(gate, &event.envelope, known)?,
        None => None,
    };
    let envelope = opened.as_ref().unwrap_or(&event.envelope);
    Ok(E::decode(&envelope.event_type, &envelope.data)?)
}

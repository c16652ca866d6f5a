//! Taking slots and letting them go.
//!
//! A slot is taken by moving its record from the revision seen; whoever held it before can commit nothing from then
//! on. A slot whose holder vanished is run one event at a time up to where that holder may have been.
//! Instances that run the same consumer hold as many slots as each other: each counts who lives, takes no more than
//! its share of what is free, and lets go of what is over. Only a slot that others cannot read is taken beyond that.

use std::collections::{HashMap, HashSet};

use factum_core::{
    Commit, Conflict, EventType, Guard, Position, RecordKind, RecordQuery, Revision, SLOTS, Slot, StartAt,
    StoreError,
};

use super::shared::{Progress, Shared};
use crate::contracts;
use crate::instance::as_store_error;
use crate::state::{Needs, ParkedKey, ReadAhead, SlotState, Started, as_seen, read};

/// A key of a held slot whose events wait, as last seen.
#[derive(Debug, Clone)]
pub(crate) struct KeyView {
    pub(crate) revision: Revision,
    pub(crate) state: ParkedKey,
    /// By the monotonic clock: not before.
    pub(crate) not_before: std::time::Duration,
}

/// A slot that this instance holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) revision: Revision,
    /// As written.
    pub(crate) saved: Position,
    /// As handled: ahead of `saved` only by events that had no effects in the store.
    pub(crate) done: Position,
    /// Up to here events run alone, their start recorded first.
    pub(crate) alone_until: Position,
    pub(crate) started: Option<Started>,
    pub(crate) parked: HashMap<String, KeyView>,
    /// What whoever takes it next must be able to read.
    pub(crate) needs: Option<Needs>,
    /// Whether this instance holds it already, as far as the record says.
    is_own: bool,
    /// Whether somebody let it go because they could not read it.
    is_needed: bool,
}

impl Held {
    /// The record that moves the checkpoint, and the guard that makes it ours.
    pub(crate) fn record(&self, shared: &Shared, position: Position) -> (factum_core::Record, Guard) {
        self.record_after(shared, position, 0)
    }

    /// The same, to be written after so many writes that are under way.
    pub(crate) fn record_after(
        &self,
        shared: &Shared,
        position: Position,
        writes: usize,
    ) -> (factum_core::Record, Guard) {
        let owner = Some(shared.instance.id.clone());
        let state = SlotState { position, owner, started: None, needs: None };
        (state.record(shared.name(), self.slot), as_seen(self.revision + writes as u64))
    }

    /// Goes on as far as the log was looked at, when nothing of the slot is in hand; answers whether that is further.
    pub(crate) fn look_on(&mut self, progress: &Progress) -> bool {
        match progress.position(self.slot) {
            Some(position) if position > self.done => {
                self.done = position;
                true
            }
            _ => false,
        }
    }

    /// Notes that the record was written.
    pub(crate) fn moved(&mut self, position: Position) {
        self.revision += 1;
        self.saved = position;
        self.done = self.done.max(position);
        self.started = None;
    }
}

/// What an instance has taken, and what it had to leave.
pub(crate) struct Taken {
    pub(crate) held: Vec<Held>,
    /// Contract versions that free slots stand at and this instance cannot read.
    pub(crate) needs: Vec<Needs>,
    /// Whether the store had no record of the consumer's slots before.
    pub(crate) is_new: bool,
}

/// Takes this instance's share of the slots that are free, or whose holder no longer lives, and whose next event can
/// be read.
pub(crate) async fn take(shared: &Shared) -> Result<Taken, StoreError> {
    loop {
        let Free { mut held, needs, missing } = free(shared).await?;
        let share = share(shared).await?;
        // Its own first, so that slots stay where they are; then what others cannot read.
        held.sort_by_key(|held| (!held.is_own, !held.is_needed));
        let kept = held.iter().filter(|held| held.is_own || held.is_needed).count();
        let rest = held.split_off(share.max(kept).min(held.len()));
        // The first to come writes where every slot starts, so that who comes second starts there too.
        let new: Vec<&Held> = if missing { rest.iter().collect() } else { Vec::new() };
        if held.is_empty() && new.is_empty() {
            return Ok(Taken { held, needs, is_new: false });
        }
        if write_taken(shared, &mut held, &new).await? {
            shared.note_needed(held.iter().filter(|held| held.is_needed).map(|held| held.slot));
            return Ok(Taken { held, needs, is_new: missing });
        }
        // Somebody else took one of them at the same moment: look again.
    }
}

/// How many slots of the consumer this instance should hold.
pub(crate) async fn share(shared: &Shared) -> Result<usize, StoreError> {
    match shared.consumer.slots().count() {
        1 => Ok(1),
        slots => shared.instance.share(shared.name(), slots, shared.store.as_ref()).await,
    }
}

/// How many slots to keep, when this instance should hold others than it does; `None` when all is as it should be.
pub(crate) async fn changed_share(shared: &Shared) -> Result<Option<usize>, StoreError> {
    let mine: HashSet<Slot> = shared.progress.positions().map(|(slot, _)| slot).collect();
    let share = share(shared).await?;
    let most = share.max(mine.iter().filter(|slot| shared.is_needed(**slot)).count());
    if mine.len() > most {
        return Ok(Some(most));
    }
    if mine.len() == shared.consumer.slots().count() {
        return Ok(None);
    }
    let free = free(shared).await?.held;
    let mut others = free.iter().filter(|held| !mine.contains(&held.slot));
    let is_free = others.any(|held| mine.len() < share || held.is_needed);
    Ok(is_free.then_some(mine.len()))
}

/// What an instance could take.
struct Free {
    held: Vec<Held>,
    needs: Vec<Needs>,
    /// Whether the store has no record of any slot.
    missing: bool,
}

/// Every slot that this instance could take, its own included.
async fn free(shared: &Shared) -> Result<Free, StoreError> {
    let query = RecordQuery { limit: usize::from(SLOTS), ..RecordQuery::group(shared.name().as_str()) };
    let records = shared.store.find(RecordKind::SLOT, &query).await?;
    let known: HashMap<&str, _> = records.iter().map(|record| (record.id.as_str(), record)).collect();
    let start = start_position(shared, records.is_empty()).await?;
    let mut owners: HashMap<String, Option<Position>> = HashMap::new();
    let mut met: HashMap<(String, u32), bool> = HashMap::new();
    let mut found = Free { held: Vec::new(), needs: Vec::new(), missing: records.is_empty() };
    for slot in shared.consumer.slots() {
        let id = SlotState::id(shared.name(), slot);
        let (revision, state) = match known.get(id.as_str()) {
            Some(record) => (record.revision, read::<SlotState>(record)?),
            None => (0, SlotState { position: start, ..SlotState::default() }),
        };
        let alone_until = match &state.owner {
            None => Position::START,
            // Left over from a session of this instance whose last write failed: nothing crashed.
            Some(owner) if *owner == shared.instance.id => Position::START,
            Some(owner) => match lookup(shared, &mut owners, owner).await? {
                Some(limit) => limit,
                None => continue,
            },
        };
        let is_needed = state.needs.is_some();
        if let Some(needs) = state.needs {
            let version = (needs.event.clone(), needs.version);
            let is_met = match met.get(&version) {
                Some(is_met) => *is_met,
                None => is_met(shared, &needs).await,
            };
            met.insert(version, is_met);
            if !is_met {
                found.needs.push(needs);
                continue;
            }
        }
        found.held.push(Held {
            slot,
            revision,
            saved: state.position,
            done: state.position,
            alone_until,
            started: state.started,
            parked: HashMap::new(),
            needs: None,
            is_own: state.owner.as_ref() == Some(&shared.instance.id),
            is_needed,
        });
    }
    Ok(found)
}

/// Whether this instance can read the event that a slot stands at.
async fn is_met(shared: &Shared, needs: &Needs) -> bool {
    let name = needs.event.parse().ok();
    let Some(known) = name.and_then(|name| shared.consumer.known(&name)) else { return true };
    let written = EventType { version: needs.version, ..known.clone() };
    written.version <= known.version || contracts::can_read(&*shared.store, &written, known).await
}

/// Where a consumer starts that the store has never seen.
async fn start_position(shared: &Shared, is_new: bool) -> Result<Position, StoreError> {
    match shared.consumer.start_at {
        StartAt::New if is_new => shared.store.head().await,
        StartAt::Time(time) if is_new => crate::admin::position_at(shared.store.as_ref(), time).await,
        _ => Ok(Position::START),
    }
}

/// For a dead owner: up to where it may have started events. `None` while it lives.
async fn lookup(
    shared: &Shared,
    owners: &mut HashMap<String, Option<Position>>,
    owner: &str,
) -> Result<Option<Position>, StoreError> {
    if let Some(known) = owners.get(owner) {
        return Ok(*known);
    }
    let limit = if shared.instance.lives(owner, shared.store.as_ref()).await? {
        None
    } else {
        let id = ReadAhead::id(shared.name(), owner);
        let record = shared.store.find_one(RecordKind::CONSUMER, &id).await?;
        let ahead = record.as_ref().map(read::<ReadAhead>).transpose()?;
        Some(ahead.map_or(Position::START, |ahead| ahead.limit))
    };
    owners.insert(owner.to_owned(), limit);
    Ok(limit)
}

async fn write_taken(shared: &Shared, held: &mut [Held], new: &[&Held]) -> Result<bool, StoreError> {
    let mut work = shared.store.begin().await?;
    for slot in held.iter() {
        let state = SlotState {
            position: slot.saved,
            owner: Some(shared.instance.id.clone()),
            started: slot.started,
            needs: None,
        };
        work.put(state.record(shared.name(), slot.slot), as_seen(slot.revision));
    }
    for slot in new {
        let state = SlotState { position: slot.saved, ..SlotState::default() };
        work.put(state.record(shared.name(), slot.slot), Guard::Absent);
    }
    match work.commit().await {
        Commit::Committed(_) => {
            held.iter_mut().for_each(|slot| slot.revision += 1);
            Ok(true)
        }
        Commit::Conflict(_) => Ok(false),
        other => Err(as_store_error(other)),
    }
}

/// Lets slots go with what they have done, but for as many as are to be kept. Those that somebody took over are left
/// alone.
pub(crate) async fn release(shared: &Shared, mut held: Vec<Held>, keep: usize) -> Result<(), StoreError> {
    held.sort_by_key(|slot| (slot.needs.is_some(), !shared.is_needed(slot.slot)));
    let kept: HashSet<Slot> =
        held.iter().take(keep).filter(|slot| slot.needs.is_none()).map(|slot| slot.slot).collect();
    let mut left = held;
    while !left.is_empty() {
        let mut work = shared.store.begin().await?;
        for slot in &left {
            let owner = kept.contains(&slot.slot).then(|| shared.instance.id.clone());
            let needs = slot.needs.clone();
            let state = SlotState { position: slot.done, owner, started: None, needs };
            work.put(state.record(shared.name(), slot.slot), as_seen(slot.revision));
        }
        match work.commit().await {
            Commit::Committed(_) => return Ok(()),
            Commit::Conflict(Conflict::Record { id, .. }) => {
                left.retain(|slot| SlotState::id(shared.name(), slot.slot) != id);
            }
            other => return Err(as_store_error(other)),
        }
    }
    Ok(())
}

/// Removes the read-ahead records of instances that hold nothing any more.
pub(crate) async fn forget_gone(shared: &Shared) -> Result<(), StoreError> {
    let group = format!("{}/ahead", shared.name());
    // Read before the slots: whoever takes one after that writes its own record anew, which moves it from here.
    let records = shared.store.find(RecordKind::CONSUMER, &RecordQuery::group(group)).await?;
    let own = ReadAhead::id(shared.name(), &shared.instance.id);
    let mut others: Vec<_> = records.into_iter().filter(|record| record.id != own).collect();
    if others.is_empty() {
        return Ok(());
    }
    let query = RecordQuery { limit: usize::from(SLOTS), ..RecordQuery::group(shared.name().as_str()) };
    for record in shared.store.find(RecordKind::SLOT, &query).await? {
        if let Some(owner) = read::<SlotState>(&record)?.owner {
            let still = ReadAhead::id(shared.name(), &owner);
            others.retain(|record| record.id != still);
        }
    }
    let mut work = shared.store.begin().await?;
    for record in others {
        work.remove(RecordKind::CONSUMER, record.id, Guard::At(record.revision));
    }
    if work.is_empty() {
        return Ok(());
    }
    match work.commit().await {
        // A conflict means that another instance tidies at the same time.
        Commit::Committed(_) | Commit::Conflict(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

/// Reads the parked keys of held slots.
pub(crate) async fn load_parked(shared: &Shared, held: &mut [Held]) -> Result<u64, StoreError> {
    let mut total = 0;
    let mut query = RecordQuery::group(shared.name().as_str());
    loop {
        let records = shared.store.find(RecordKind::PARKED_KEY, &query).await?;
        for record in &records {
            let state = read::<ParkedKey>(record)?;
            total += state.queued;
            if let Some(slot) = held.iter_mut().find(|slot| slot.slot.number() == state.slot) {
                let view =
                    KeyView { revision: record.revision, not_before: std::time::Duration::ZERO, state };
                slot.parked.insert(view.state.key.clone(), view);
            }
        }
        match records.last() {
            Some(last) if records.len() == query.limit => query.after_id = Some(last.id.clone()),
            _ => return Ok(total),
        }
    }
}

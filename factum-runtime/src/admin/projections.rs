//! Operating projections: fill new tables beside the live ones, look at them, let them go live, give them up, drop
//! what is no longer used.
//!
//! The running app does the filling, as the projection's record says. Tables are dropped only where no instance that
//! lives fills them.

use std::time::Duration;

use factum_core::{
    Commit, ConsumerName, Guard, Position, Record, RecordKind, RecordQuery, Store, StoreError, TableName,
    Work,
};

use super::{Admin, AdminError, all_of, checkpoints};
use crate::instance::{Instance, as_store_error};
use crate::projection::filler;
use crate::state::projection::version_of;
use crate::state::{ProjectionState, SlotState, read, to_bytes};

/// One projection as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionInfo {
    /// Its name.
    pub name: String,
    /// Its record.
    pub state: ProjectionState,
    /// Whether its tables change in the unit of the append, and are never behind.
    pub is_inline: bool,
    /// How far the live tables are.
    pub position: Position,
    /// How far the tables being filled are.
    pub building_position: Option<Position>,
    /// How long they will take to catch up, at the pace so far; `None` while nothing is filled or known of its pace.
    pub left: Option<Duration>,
    /// The head of the log.
    pub head: Position,
}

/// What becomes of new tables once they have caught up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// They go live at once.
    #[default]
    CutOver,
    /// They wait for [`Admin::cut_over`], so that somebody can look at them before.
    Hold,
}

impl Admin {
    /// Every projection that the store has seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn projections(&self) -> Result<Vec<ProjectionInfo>, AdminError> {
        let store = self.store().as_ref();
        let (head, now) = (store.head().await?, store.now().await?);
        let mut infos = Vec::new();
        for record in all_of(store, RecordKind::PROJECTION, RecordQuery::default()).await? {
            let state = read::<ProjectionState>(&record)?;
            let mut at = Vec::new();
            for suffix in [&state.live, &state.building] {
                at.push(match suffix {
                    Some(suffix) => Some(self.least(&format!("{}.{suffix}", record.id)).await?),
                    None => None,
                });
            }
            let building_position = at.pop().flatten();
            let is_inline = !record.group.is_empty();
            let position = if is_inline { head } else { at.pop().flatten().unwrap_or_default() };
            let took = state.since.map(|since| now.since(since));
            let left = building_position.zip(took).and_then(|(at, took)| left(at, head, took));
            let name = record.id;
            infos.push(ProjectionInfo { name, state, is_inline, position, building_position, left, head });
        }
        Ok(infos)
    }

    async fn least(&self, consumer: &str) -> Result<Position, AdminError> {
        let Ok(name) = consumer.parse() else { return Ok(Position::START) };
        let at = checkpoints(self.store().as_ref(), &name).await?;
        Ok(at.into_values().min().unwrap_or_default())
    }

    /// Fills new tables of a projection beside the live ones, by the newest code that has run; the running app does it
    /// and cuts over when they have caught up, unless they are to be held. Asking again while it
    /// is under way begins nothing.
    ///
    /// # Errors
    /// When the store has never seen it, it is inline, a part of the log was moved out, or the store fails.
    pub async fn rebuild(&self, name: &ConsumerName, then: Then) -> Result<ProjectionState, AdminError> {
        let now = self.store().now().await?;
        if self.projection(name).await?.1.building.is_none() {
            self.refuse_archived(&format!("a rebuild of {name}"), Position::START).await?;
        }
        self.change_projection(name, Some("rebuild"), |state| {
            if state.building.is_some() {
                state.is_held |= then == Then::Hold;
                return Ok(());
            }
            let suffix = state.next_suffix(state.code.max(state.version));
            (state.building, state.since) = (Some(suffix), Some(now));
            (state.is_held, state.lacks, state.declined) = (then == Then::Hold, None, None);
            Ok(())
        })
        .await
    }

    /// Lets tables that were held go live: the running app cuts over as soon as they have caught up.
    ///
    /// # Errors
    /// When the store has never seen the projection, nothing is being filled, or the store fails.
    pub async fn cut_over(&self, name: &ConsumerName) -> Result<ProjectionState, AdminError> {
        self.change_projection(name, Some("cut-over"), |state| {
            if state.building.is_none() {
                return Err(nothing_is_filled(name));
            }
            state.is_held = false;
            Ok(())
        })
        .await
    }

    /// Gives up the tables that are being filled; the live ones stay. They are dropped once the app has let go.
    ///
    /// # Errors
    /// When the store has never seen the projection, nothing is being filled, or the store fails.
    pub async fn cancel_rebuild(&self, name: &ConsumerName) -> Result<ProjectionState, AdminError> {
        self.change_projection(name, Some("cancel"), |state| {
            let Some(suffix) = state.building.take() else { return Err(nothing_is_filled(name)) };
            // A version that would begin again by itself does so only when it is asked.
            state.declined = Some(version_of(&suffix)).filter(|version| *version > state.version);
            state.dropping.push(suffix);
            (state.is_held, state.since) = (false, None);
            Ok(())
        })
        .await
    }

    /// Drops what was given up and is no longer filled; answers what is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_cancelled(&self, name: &ConsumerName) -> Result<Vec<String>, AdminError> {
        Ok(sweep(self.store().as_ref(), name, &Instance::new(Vec::new())).await?)
    }

    /// Drops the tables that are no longer live; answers those that are gone, and those that an instance still fills.
    ///
    /// # Errors
    /// When the store has never seen the projection, or fails.
    pub async fn drop_retired(&self, name: &ConsumerName) -> Result<(Vec<String>, Vec<String>), AdminError> {
        let instance = Instance::new(Vec::new());
        let (mut kept, mut go) = (Vec::new(), Vec::new());
        for suffix in self.any_projection(name).await?.1.retired {
            let is_filled = is_filled(self.store().as_ref(), &filler(name, &suffix)?, &instance).await?;
            if is_filled { kept.push(suffix) } else { go.push(suffix) }
        }
        self.change_any_projection(name, Some("drop"), |state| {
            state.retired.retain(|suffix| !go.contains(suffix));
            state.dropping.extend(
                go.iter().filter(|suffix| !state.dropping.contains(suffix)).cloned().collect::<Vec<_>>(),
            );
            Ok(())
        })
        .await?;
        // The app may be there first.
        sweep(self.store().as_ref(), name, &instance).await?;
        let left = self.any_projection(name).await?.1.dropping;
        let (stay, gone) = go.into_iter().partition(|suffix| left.contains(suffix));
        kept.extend::<Vec<String>>(stay);
        Ok((gone, kept))
    }

    /// The record of a projection that follows the log, and what stands in it.
    pub(super) async fn projection(
        &self,
        name: &ConsumerName,
    ) -> Result<(Record, ProjectionState), AdminError> {
        let (record, state) = self.any_projection(name).await?;
        if !record.group.is_empty() {
            return Err(AdminError::Refused(format!(
                "projection {name} is inline: its tables change with each append, and are filled anew from the log when an app starts that raised its VERSION"
            )));
        }
        Ok((record, state))
    }

    pub(super) async fn any_projection(
        &self,
        name: &ConsumerName,
    ) -> Result<(Record, ProjectionState), AdminError> {
        let record = self.store().find_one(RecordKind::PROJECTION, name.as_str()).await?;
        let record = record.ok_or_else(|| AdminError::Unknown {
            what: "projection",
            name: name.to_string(),
            hint: "`factum projections` lists them".to_owned(),
        })?;
        let state = read::<ProjectionState>(&record)?;
        Ok((record, state))
    }

    /// Changes a projection's record, whoever else writes it at the same time; an action is kept in the audit.
    pub(super) async fn change_projection(
        &self,
        name: &ConsumerName,
        action: Option<&str>,
        change: impl Fn(&mut ProjectionState) -> Result<(), AdminError> + Send + Sync,
    ) -> Result<ProjectionState, AdminError> {
        self.projection(name).await?;
        self.change_any_projection(name, action, change).await
    }

    pub(super) async fn change_any_projection(
        &self,
        name: &ConsumerName,
        action: Option<&str>,
        change: impl Fn(&mut ProjectionState) -> Result<(), AdminError> + Send + Sync,
    ) -> Result<ProjectionState, AdminError> {
        loop {
            let (record, before) = self.any_projection(name).await?;
            let mut state = before.clone();
            change(&mut state)?;
            if state == before {
                return Ok(state);
            }
            let mut work = self.store().begin().await?;
            let new =
                Record::new(RecordKind::PROJECTION, record.group.as_str(), name.as_str(), to_bytes(&state));
            work.put(new, Guard::At(record.revision));
            if let Some(action) = action {
                let detail = told(&state);
                work.put(self.audit_record(action, name.as_str(), detail).await?, Guard::Absent);
            }
            match work.commit().await {
                Commit::Committed(_) => {
                    self.changed();
                    return Ok(state);
                }
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
    }
}

/// Where the tables of a projection are, for the audit.
fn told(state: &ProjectionState) -> String {
    let live = state.live.as_deref().unwrap_or("none");
    match &state.building {
        Some(building) => {
            format!("live {live}, filling {building}{}", if state.is_held { ", held" } else { "" })
        }
        None => format!("live {live}"),
    }
}

fn nothing_is_filled(name: &ConsumerName) -> AdminError {
    AdminError::Refused(format!(
        "projection {name} has no tables that are being filled; `factum projections rebuild {name} --hold` begins some"
    ))
}

/// What is left at the pace so far.
fn left(at: Position, head: Position, took: Duration) -> Option<Duration> {
    let (done, all) = (at.number(), head.number());
    (done > 0 && !took.is_zero())
        .then(|| took.mul_f64(all.saturating_sub(done) as f64 / done as f64))
        .filter(|left| !left.is_zero())
}

/// Whether an instance that lives holds a filler's slot.
pub(crate) async fn is_filled(
    store: &dyn Store,
    filler: &ConsumerName,
    instance: &Instance,
) -> Result<bool, StoreError> {
    for record in store.find(RecordKind::SLOT, &RecordQuery::group(filler.as_str())).await? {
        if let Some(owner) = read::<SlotState>(&record)?.owner
            && instance.lives(&owner, store).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Drops tables that are to go and that nobody fills, with everything that their consumer left; the copy of a
/// comparison whose process is gone is one of them. Answers what is gone.
pub(crate) async fn sweep(
    store: &dyn Store,
    name: &ConsumerName,
    instance: &Instance,
) -> Result<Vec<String>, StoreError> {
    loop {
        let Some(record) = store.find_one(RecordKind::PROJECTION, name.as_str()).await? else {
            return Ok(Vec::new());
        };
        let before = read::<ProjectionState>(&record)?;
        let mut state = before.clone();
        if let Some(checking) = &before.checking
            && !instance.lives(&checking.by, store).await?
        {
            state.checking = None;
        }
        let (mut work, mut gone) = (store.begin().await?, Vec::new());
        for suffix in std::mem::take(&mut state.dropping) {
            // An app that has seen that they are to go lets go of the slot within a second.
            if is_filled(store, &filler(name, &suffix)?, instance).await? {
                state.dropping.push(suffix);
            } else {
                drop_tables(&mut state, &suffix, work.as_mut())?;
                remove_records(store, &filler(name, &suffix)?, work.as_mut()).await?;
                gone.push(suffix);
            }
        }
        if state.checking.is_none() {
            // Dropped by the next who looks, when whoever fills it has seen that it is to go.
            state.dropping.extend(before.checking.as_ref().map(|checking| checking.suffix.clone()));
        }
        if state == before {
            return Ok(gone);
        }
        let new = Record::new(RecordKind::PROJECTION, record.group.clone(), name.as_str(), to_bytes(&state));
        work.put(new, Guard::At(record.revision));
        match work.commit().await {
            Commit::Committed(_) => return Ok(gone),
            Commit::Conflict(_) => {}
            other => return Err(as_store_error(other)),
        }
    }
}

/// Collects the end of a suffix's tables.
fn drop_tables(state: &mut ProjectionState, suffix: &str, work: &mut dyn Work) -> Result<(), StoreError> {
    let shapes = state.made.remove(suffix);
    let tables = match shapes {
        Some(shapes) => shapes.into_iter().map(|shape| shape.table).collect(),
        None => state.tables.clone(),
    };
    for table in tables {
        let table = physical(&table, suffix)?;
        state.personal.retain(|known| known.table != table);
        work.execute(format!("drop table if exists {table}").into(), vec![]);
    }
    Ok(())
}

/// A table's name under a suffix, checked before it becomes SQL.
pub(super) fn physical(table: &str, suffix: &str) -> Result<String, StoreError> {
    let is_name = table.parse::<TableName>().is_ok();
    if is_name && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(format!("{table}__{suffix}"));
    }
    let message = format!("the projection's record names {table:?} and {suffix:?}, which name no table");
    Err(StoreError::new(factum_core::StoreErrorKind::Corrupt, message))
}

/// Collects the end of whatever a consumer has left beside its tables.
async fn remove_records(
    store: &dyn Store,
    consumer: &ConsumerName,
    work: &mut dyn Work,
) -> Result<(), StoreError> {
    let name = consumer.as_str();
    let own = RecordQuery::group(name);
    let below = RecordQuery { group_prefix: Some(format!("{name}/")), ..RecordQuery::default() };
    let kinds = [RecordKind::SLOT, RecordKind::PARKED_KEY, RecordKind::DEAD, RecordKind::REFUSED];
    let mut all: Vec<(RecordKind, RecordQuery)> = kinds.map(|kind| (kind, own.clone())).into();
    all.extend([RecordKind::PARKED, RecordKind::CONSUMER].map(|kind| (kind, below.clone())));
    all.push((RecordKind::CONSUMER, RecordQuery::id(name)));
    for (kind, query) in all {
        for record in all_of(store, kind, query).await? {
            // Whoever takes the slot at this very moment undoes the unit.
            work.remove(kind, record.id, Guard::At(record.revision));
        }
    }
    Ok(())
}

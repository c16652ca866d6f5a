//! Reset: a consumer's checkpoints put to a position, back or forward.
//!
//! Going back handles events again as if for the first time; going forward leaves events out for good. A replay is
//! the gentler way back: its attempts are marked as such, and it knows where it ends.

use factum_core::{
    Commit, ConsumerName, Guard, Position, Query, Record, RecordKind, RecordQuery, SLOTS, Slot, Timestamp,
};

use super::{Admin, AdminError, position_at};
use crate::instance::as_store_error;
use crate::state::{ControlState, ReplayState, SlotState, as_seen, read, to_bytes};

/// What a reset would do, or has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetPlan {
    /// The consumer's least advanced slot.
    pub from: Position,
    /// Where its slots are put.
    pub to: Position,
    /// Events of the log that will be handled again.
    pub again: u64,
    /// Events of the log that will not be handled.
    pub left_out: u64,
    /// Whether the consumer has effects outside projections, so that going back needs the operator's word.
    pub needs_effects: bool,
}

impl Admin {
    /// The position just before the first event at or after a time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn position_at(&self, time: Timestamp) -> Result<Position, AdminError> {
        Ok(position_at(self.store.as_ref(), time).await?)
    }

    /// What a reset would do; changes nothing.
    ///
    /// # Errors
    /// When the consumer is unknown, the position is beyond the log, it goes back and the consumer is declared
    /// `replay: refuse`, or needs what was moved out of the log; or the store fails.
    pub async fn plan_reset(&self, name: &ConsumerName, to: Position) -> Result<ResetPlan, AdminError> {
        let info = self.consumer(name).await?;
        let head = self.store.head().await?;
        if to > head {
            let message = format!("the log ends at position {head}: nothing comes after {to}");
            return Err(AdminError::Refused(message));
        }
        if to < info.position {
            self.refuse_archived(&format!("a reset of {name} to {to}"), to).await?;
        }
        let (low, high) = (info.position.min(to), info.position.max(to));
        let count = self.count(Query { up_to: high, ..Query::default() }.after(low)).await?;
        let is_back = to < info.position;
        Ok(ResetPlan {
            from: info.position,
            to,
            again: if is_back { count } else { 0 },
            left_out: if is_back { 0 } else { count },
            needs_effects: is_back && info.needs_effects()?,
        })
    }

    /// Puts every slot of a consumer to a position; its instances read on from there. Parked and dead events stay.
    ///
    /// # Errors
    /// When it goes back, the consumer may have effects outside projections and `effects` is not given; or as
    /// [`Admin::plan_reset`].
    pub async fn reset(
        &self,
        name: &ConsumerName,
        to: Position,
        effects: bool,
    ) -> Result<ResetPlan, AdminError> {
        let plan = self.plan_reset(name, to).await?;
        if plan.needs_effects && !effects {
            return Err(AdminError::Refused(format!(
                "consumer {name} may have effects outside the store, which handling events again would repeat: pass --effects if that is meant"
            )));
        }
        let detail = format!("from {} to {}", plan.from, plan.to);
        let audit = self.audit_record("reset", name.as_str(), detail).await?;
        self.move_slots(name, |_| Some(to), None, audit).await?;
        Ok(plan)
    }

    /// Puts slots elsewhere and raises the consumer's generation, in one unit with the audit, so that running instances
    /// let go of what they knew. `to` answers nothing for a slot that stays where it is.
    pub(super) async fn move_slots(
        &self,
        name: &ConsumerName,
        to: impl Fn(Position) -> Option<Position>,
        replay: Option<ReplayState>,
        audit: Record,
    ) -> Result<(), AdminError> {
        let store = self.store.as_ref();
        loop {
            let mut work = store.begin().await?;
            let query = RecordQuery { limit: usize::from(SLOTS), ..RecordQuery::group(name.as_str()) };
            let records = store.find(RecordKind::SLOT, &query).await?;
            for slot in Slot::all() {
                let id = SlotState::id(name, slot);
                let record = records.iter().find(|record| record.id == id);
                if record.is_none() && !records.is_empty() {
                    // A consumer with one slot has no others.
                    continue;
                }
                let state = record.map(read::<SlotState>).transpose()?.unwrap_or_default();
                let Some(position) = to(state.position) else { continue };
                let moved = SlotState { position, started: None, needs: None, ..state };
                work.put(moved.record(name, slot), as_seen(record.map_or(0, |record| record.revision)));
            }
            let record = store.find_one(RecordKind::CONSUMER, name.as_str()).await?;
            let mut control = record.as_ref().map(read::<ControlState>).transpose()?.unwrap_or_default();
            control.generation += 1;
            control.replay = replay.clone();
            if to(Position::START) == Some(Position::START) {
                control.lacks = None;
            }
            let new = Record::new(RecordKind::CONSUMER, "control", name.as_str(), to_bytes(&control));
            work.put(new, as_seen(record.map_or(0, |record| record.revision)));
            work.put(audit.clone(), Guard::Absent);
            match work.commit().await {
                Commit::Committed(_) => {
                    self.changed();
                    return Ok(());
                }
                // A lane moved its slot between the look and the write.
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
    }

    async fn count(&self, mut query: Query) -> Result<u64, AdminError> {
        query.limit = Query::LIMIT_MAX;
        let mut count = 0;
        loop {
            let page = self.store.read(&query).await?;
            count += page.events.len() as u64;
            if !page.more {
                return Ok(count);
            }
            query.after = page.end;
        }
    }
}

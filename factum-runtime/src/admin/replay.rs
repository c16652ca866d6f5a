//! Replay: the same consumer, with its checkpoints moved back.
//!
//! A replay that would run effects outside the store needs the operator's explicit word. The checkpoints are moved
//! and the consumer's generation raised in one unit, so that running instances let go of what they knew.

use factum_core::{
    Commit, ConsumerName, EventId, Guard, Position, Query, RecordKind, SLOTS, Slot, Timestamp,
};

use super::{Admin, AdminError, position_at};
use crate::instance::as_store_error;
use crate::state::{ControlState, ReplayState, SlotState, as_seen, read, to_bytes};

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRequest {
    /// To which consumer.
    pub consumer: ConsumerName,
    /// From after this position.
    pub after: Position,
    /// From this time on, instead of a position.
    pub from_time: Option<Timestamp>,
    /// Run effects outside projections again too.
    pub effects: bool,
}

/// What a replay would do, or has begun to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayPlan {
    /// Identity of the replay, once begun.
    pub id: Option<EventId>,
    /// From after this position.
    pub after: Position,
    /// Up to this position, where live events begin.
    pub until: Position,
    /// Events by type.
    pub types: Vec<(String, u64)>,
    /// Events in all.
    pub events: u64,
    /// Whether the consumer has effects outside projections, which need `--effects`.
    pub needs_effects: bool,
}

impl Admin {
    /// What a replay would do; changes nothing.
    ///
    /// # Errors
    /// When the consumer is unknown, or the store fails.
    pub async fn plan_replay(&self, request: &ReplayRequest) -> Result<ReplayPlan, AdminError> {
        let info = self.consumer(&request.consumer).await?;
        let after = match request.from_time {
            Some(time) => position_at(self.store.as_ref(), time).await?,
            None => request.after,
        };
        // Up to the head, not to the checkpoint: slots that only look on write theirs a second late.
        let until = self.store.head().await?;
        let mut types = std::collections::BTreeMap::<String, u64>::new();
        let mut query = Query { limit: Query::LIMIT_MAX, up_to: until, ..Query::default() }.after(after);
        loop {
            let page = self.store.read(&query).await?;
            for event in &page.events {
                *types.entry(event.envelope.event_type.to_string()).or_default() += 1;
            }
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        Ok(ReplayPlan {
            id: None,
            after,
            until,
            events: types.values().sum(),
            types: types.into_iter().collect(),
            needs_effects: info.projection.is_none(),
        })
    }

    /// Moves a consumer's checkpoints back; its instances handle the events again.
    ///
    /// # Errors
    /// When the consumer has effects outside projections and `effects` is not given, or the store fails.
    pub async fn replay(&self, request: &ReplayRequest) -> Result<ReplayPlan, AdminError> {
        let mut plan = self.plan_replay(request).await?;
        if plan.needs_effects && !request.effects {
            return Err(AdminError::Refused(format!(
                "consumer {} may have effects outside the store, which a replay would run again: pass --effects if that is meant",
                request.consumer
            )));
        }
        let id = EventId::new();
        while !self.try_replay(request, &plan, id).await? {}
        self.changed();
        plan.id = Some(id);
        Ok(plan)
    }

    async fn try_replay(
        &self,
        request: &ReplayRequest,
        plan: &ReplayPlan,
        id: EventId,
    ) -> Result<bool, AdminError> {
        let store = self.store.as_ref();
        let name = &request.consumer;
        let mut work = store.begin().await?;
        let query = factum_core::RecordQuery {
            limit: usize::from(SLOTS),
            ..factum_core::RecordQuery::group(name.as_str())
        };
        let records = store.find(RecordKind::SLOT, &query).await?;
        for slot in Slot::all() {
            let slot_id = SlotState::id(name, slot);
            let Some(record) = records.iter().find(|record| record.id == slot_id) else { continue };
            let state = read::<SlotState>(record)?;
            if state.position > plan.after {
                let moved = SlotState { position: plan.after, started: None, ..state };
                work.put(moved.record(name, slot), Guard::At(record.revision));
            }
        }
        let record = store.find_one(RecordKind::CONSUMER, name.as_str()).await?;
        let mut control = record.as_ref().map(read::<ControlState>).transpose()?.unwrap_or_default();
        control.generation += 1;
        control.replay = Some(ReplayState { id, until: plan.until });
        let revision = record.map_or(0, |record| record.revision);
        let new =
            factum_core::Record::new(RecordKind::CONSUMER, "control", name.as_str(), to_bytes(&control));
        work.put(new, as_seen(revision));
        let detail = format!("replay {id} after {} until {}", plan.after, plan.until);
        work.put(self.audit_record("replay", name.as_str(), detail).await?, Guard::Absent);
        match work.commit().await {
            Commit::Committed(_) => Ok(true),
            // A lane moved its slot between the look and the write.
            Commit::Conflict(_) => Ok(false),
            other => Err(as_store_error(other).into()),
        }
    }
}

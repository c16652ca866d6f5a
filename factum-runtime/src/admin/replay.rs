//! Replay: the same consumer, with its checkpoints moved back.
//!
//! A replay that would run effects outside the store needs the operator's explicit word. How checkpoints are moved is
//! written beside the reset.

use factum_core::{ConsumerName, EventId, Position, Query, Timestamp};

use super::{Admin, AdminError, position_at};
use crate::state::ReplayState;

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
    /// Whether the consumer may have effects outside projections, which need `--effects`: it is no projection, and not
    /// declared `replay: safe`.
    pub needs_effects: bool,
}

impl Admin {
    /// What a replay would do; changes nothing.
    ///
    /// # Errors
    /// When the consumer is unknown or declared `replay: refuse`, or the store fails.
    pub async fn plan_replay(&self, request: &ReplayRequest) -> Result<ReplayPlan, AdminError> {
        let needs_effects = self.consumer(&request.consumer).await?.needs_effects()?;
        let after = match request.from_time {
            Some(time) => position_at(self.store.as_ref(), time).await?,
            None => request.after,
        };
        self.refuse_archived(&format!("a replay to {}", request.consumer), after).await?;
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
            needs_effects,
        })
    }

    /// Moves a consumer's checkpoints back; its instances handle the events again.
    ///
    /// # Errors
    /// When the consumer has effects outside projections and `effects` is not given; or as [`Admin::plan_replay`].
    pub async fn replay(&self, request: &ReplayRequest) -> Result<ReplayPlan, AdminError> {
        let mut plan = self.plan_replay(request).await?;
        if plan.needs_effects && !request.effects {
            return Err(AdminError::Refused(format!(
                "consumer {} may have effects outside the store, which a replay would run again: pass --effects if that is meant",
                request.consumer
            )));
        }
        let id = EventId::new();
        let detail = format!("replay {id} after {} until {}", plan.after, plan.until);
        let audit = self.audit_record("replay", request.consumer.as_str(), detail).await?;
        let after = plan.after;
        let back = |at: Position| (at > after).then_some(after);
        self.move_slots(&request.consumer, back, Some(ReplayState { id, until: plan.until }), audit).await?;
        plan.id = Some(id);
        Ok(plan)
    }
}

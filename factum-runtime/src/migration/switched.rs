//! The consumer's side of a migration: acts for what was decided for it, only speaks in a shadow.

use std::marker::PhantomData;

use factum_core::{Context, Event, Failure, Guard, Handler, Record, RecordKind, RecordQuery, StoreError};

use super::{NewCall, Switch};
use crate::state::{Path, ThingState, read};

pub(super) struct Switched<N, E> {
    switch: Switch,
    new: N,
    event: PhantomData<fn() -> E>,
}

impl<N, E> Switched<N, E> {
    pub(super) fn new(switch: Switch, new: N) -> Self {
        Self { switch, new, event: PhantomData }
    }
}

impl<E: Event, N: NewCall<E>> Handler<E> for Switched<N, E> {
    async fn handle(&self, event: E, cx: &mut Context<'_>) -> Result<(), Failure> {
        let id = cx.envelope().id;
        let Some(pointer) = found(cx, self.switch.pointer_id(&id)).await? else {
            return Err(Failure::reject("not-of-this-migration").detail(format!(
                "migration {} has decided nothing about it, or has forgotten it after its window",
                self.switch.name
            )));
        };
        let thing = String::from_utf8_lossy(&pointer.bytes).into_owned();
        let id_of_thing = ThingState::id(&self.switch.name, &thing);
        let Some(record) = found(cx, id_of_thing).await? else { return Ok(()) };
        let mut state = read::<ThingState>(&record).map_err(StoreError::from)?;
        // Done already, and asked for again by a replay or a reset.
        if state.new.is_some() {
            return Ok(());
        }
        let plan = self.new.plan(&event).await?;
        if state.path == Path::New {
            let key = self.switch.idempotency_key(&thing);
            self.new.perform(&plan, &key, cx).await?;
        }
        state.new = Some(plan);
        let now = cx.now();
        cx.work().put(self.switch.settled(&state, now), Guard::At(record.revision));
        cx.work().put(self.switch.ended_pointer(&id, &thing, now), Guard::Any);
        Ok(())
    }
}

async fn found(cx: &mut Context<'_>, id: String) -> Result<Option<Record>, StoreError> {
    Ok(cx.work().find(RecordKind::MIGRATION, &RecordQuery::id(id)).await?.pop())
}

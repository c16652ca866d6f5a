//! Where a consumer stands against the log: beyond its end, after a restore, or behind what was moved out of it.
//!
//! A consumer that is ahead of the log would pass over what comes in the places that it has been at; it rests until an
//! operator has said where to go on. One that begins on a log whose oldest part was archived has never met that part,
//! which is said and stays to be seen. Never moves a checkpoint by itself.

use std::sync::atomic::Ordering;

use factum_core::{Position, StoreError, StoreErrorKind};

use super::Effects;
use super::shared::Shared;
use super::slots::{Held, Taken};
use crate::admin::archive::moved_out;
use crate::admin::{change_control, pause};

/// Looks where a consumer stands that has just taken slots; false when it is to rest.
pub(crate) async fn is_within(shared: &Shared, taken: &Taken) -> Result<bool, StoreError> {
    if taken.held.is_empty() || shared.is_inbox.load(Ordering::Relaxed) {
        return Ok(true);
    }
    // A projection keeps for itself what it was filled without.
    if taken.is_new && shared.consumer.effects == Effects::Any {
        note_archived(shared, &taken.held).await?;
    }
    // After the slots were read, so that nothing they have seen can be missing from it.
    let head = shared.store.head().await?;
    let Some(beyond) = taken.held.iter().map(|held| held.saved).max().filter(|position| *position > head)
    else {
        return Ok(true);
    };
    let name = shared.name();
    let why = format!(
        "it stands at position {beyond}, beyond the log's end at {head}: was the store restored from a copy? `factum \
         consumers reset {name} --to end` takes it back there, then `factum consumers resume {name}`"
    );
    tracing::error!(consumer = %name, %beyond, %head, "the consumer is ahead of the log, and rests");
    pause(shared.store.as_ref(), name, &why).await?;
    Ok(false)
}

/// Says that a consumer begins without what was archived, and notes it.
async fn note_archived(shared: &Shared, held: &[Held]) -> Result<(), StoreError> {
    let start = held.iter().map(|held| held.saved).min().unwrap_or(Position::START);
    let out = moved_out(shared.store.as_ref()).await?;
    let Some((up_to, file)) = out.filter(|(up_to, _)| *up_to > start) else { return Ok(()) };
    let name = shared.name();
    tracing::warn!(
        consumer = %name, %up_to, %file,
        "the consumer is new and begins without what was archived: `factum archive restore FILE`, then `factum \
         consumers reset NAME --to 1 --effects`, hands that to it too"
    );
    let noted =
        change_control(shared.store.as_ref(), name, None, |control| control.lacks = Some(up_to)).await;
    noted.map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))
}

//! Runs the consumers that fill a projection's tables: the live ones, those being filled beside them, those that are
//! compared, and those that an older release still answers from.
//!
//! What is to be filled stands in the projection's record, which operators and other instances change; it is looked
//! at twice a second. Tables are dropped by whoever comes first once nobody fills them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use factum_core::{Position, StoreError};
use tokio::task::JoinHandle;

use super::Core;
use crate::admin::projections::sweep;
use crate::projection::{Declared, WATCH, filler};
use crate::state::ProjectionState;
use crate::stop::{Stop, Stopper};

/// Running consumers of a projection, by the suffix of the tables that they fill.
pub(super) type Fillers = HashMap<String, (Stopper, JoinHandle<()>)>;

/// Begins to fill what is to be filled.
pub(super) async fn start(core: &Arc<Core>, declared: &Declared) -> Result<Fillers, StoreError> {
    let mut fillers = Fillers::new();
    mind(core, declared, &mut fillers).await?;
    Ok(fillers)
}

/// Minds a projection until told to stop.
pub(super) async fn run(core: &Arc<Core>, declared: &Declared, mut fillers: Fillers, stop: &Stop) {
    while !stop.is_stopped() {
        if let Err(error) = mind(core, declared, &mut fillers).await {
            tracing::warn!(projection = %declared.name, error = error.to_string(), "the projection's record cannot be read");
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = core.clock.sleep(WATCH) => {}
        }
    }
    for (suffix, (stopper, task)) in fillers {
        stop_filler(core, declared, &suffix, stopper, task).await;
    }
}

async fn mind(core: &Arc<Core>, declared: &Declared, fillers: &mut Fillers) -> Result<(), StoreError> {
    let has_tables = |suffix: &str| fillers.contains_key(suffix);
    let state = declared.prepare(core.store.as_ref(), has_tables).await?;
    let wanted = declared.wanted(&state);
    let gone: Vec<String> = fillers.keys().filter(|suffix| !wanted.contains(suffix)).cloned().collect();
    for suffix in gone {
        if let Some((stopper, task)) = fillers.remove(&suffix) {
            stop_filler(core, declared, &suffix, stopper, task).await;
        }
    }
    let checking = state.checking.as_ref().map(|checking| checking.suffix.as_str());
    for suffix in wanted {
        if let Entry::Vacant(free) = fillers.entry(suffix) {
            let (stopper, stop) = Stopper::new();
            let consumer = declared.consumer(free.key())?.copying(checking == Some(free.key()));
            let task = core.spawn(consumer, stop);
            free.insert((stopper, task));
        }
    }
    if state.checking.is_some() || !state.dropping.is_empty() {
        sweep(core.store.as_ref(), &declared.name, &core.instance).await?;
    }
    cut_over(core, declared, &state).await
}

/// Makes new tables the live ones once they have caught up, unless an operator wants to look at them first.
async fn cut_over(core: &Core, declared: &Declared, state: &ProjectionState) -> Result<(), StoreError> {
    let Some(building) = state.building.as_ref().filter(|_| !state.is_held) else { return Ok(()) };
    let shared = core.get(&filler(&declared.name, building)?);
    let done = shared.and_then(|shared| shared.progress.least());
    if done.is_some_and(|done| done > Position::START) && done >= Some(core.store.head().await?) {
        declared.cut_over(core.store.as_ref(), building).await?;
        tracing::info!(projection = %declared.name, tables = building, "rebuilt tables are live");
    }
    Ok(())
}

async fn stop_filler(core: &Core, declared: &Declared, suffix: &str, stopper: Stopper, task: JoinHandle<()>) {
    stopper.stop();
    // A task that panicked has nothing more to finish.
    let _ = task.await;
    if let Ok(name) = filler(&declared.name, suffix) {
        core.forget(&name);
    }
}

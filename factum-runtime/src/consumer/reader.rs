//! Reads the log once for all lanes of a consumer, splits each page once, and hands each lane its part.
//!
//! Lanes' queues are short: when a lane is slow the reader waits, and nothing grows. Before it hands out events it
//! writes how far ahead it may be, so that after a crash only that range is run one by one.

use std::collections::HashMap;

use factum_core::{Commit, Guard, Position, Query, Recorded, SLOTS, Slot, StoreError};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::instance::as_store_error;
use crate::state::ReadAhead;
use crate::stop::Stop;

/// Positions that one write of the read-ahead limit covers: large enough to cost nothing, small enough that the
/// range is run alone in about a second after a crash.
const AHEAD: u64 = 4096;

/// A lane's part of a page.
#[derive(Debug)]
pub(crate) struct Portion {
    pub(crate) events: Vec<(Slot, Recorded)>,
    /// Everything up to here has been handed out.
    pub(crate) up_to: Position,
}

/// Where the reader sends what belongs to a slot.
pub(crate) struct Routes {
    /// By slot number: the lane's index, and from where on.
    pub(crate) slots: HashMap<u16, (usize, Position)>,
    pub(crate) lanes: Vec<mpsc::Sender<Portion>>,
}

/// Reads until told to stop, or until a lane is gone.
pub(crate) async fn read(shared: &Shared, routes: &Routes, stop: &Stop) -> Result<(), StoreError> {
    let Some(start) = routes.slots.values().map(|(_, from)| *from).min() else { return Ok(()) };
    let mut query = Query {
        types: shared.consumer.handles().into_iter().map(|known| known.name).collect(),
        kind: shared.consumer.kind(),
        limit: Query::LIMIT_MAX,
        ..Query::default()
    }
    .after(start);
    let mut targets: [Option<(usize, Position)>; SLOTS as usize] = [None; SLOTS as usize];
    for (slot, target) in &routes.slots {
        targets[usize::from(*slot)] = Some(*target);
    }
    let mut limit = Position::START;
    loop {
        let page = tokio::select! {
            biased;
            () = stop.stopped() => return Ok(()),
            page = shared.store.read(&query) => page?,
        };
        if let Some(last) = page.events.last()
            && last.position > limit
        {
            limit = Position::at(last.position.number() + AHEAD);
            write_limit(shared, limit).await?;
        }
        shared.sync_time().await?;
        let end = page.end;
        let mut portions: Vec<Vec<(Slot, Recorded)>> = routes.lanes.iter().map(|_| Vec::new()).collect();
        for event in page.events {
            let slot = Slot::of(&event.envelope.key);
            if let Some((lane, from)) = targets[usize::from(slot.number())]
                && event.position > from
            {
                portions[lane].push((slot, event));
            }
        }
        for (lane, events) in routes.lanes.iter().zip(portions) {
            tokio::select! {
                biased;
                () = stop.stopped() => return Ok(()),
                sent = lane.send(Portion { events, up_to: end }) => if sent.is_err() { return Ok(()) },
            }
        }
        query.after = end;
        if !page.more {
            tokio::select! {
                biased;
                () = stop.stopped() => return Ok(()),
                woken = shared.store.wait(end) => woken?,
            }
        }
    }
}

async fn write_limit(shared: &Shared, limit: Position) -> Result<(), StoreError> {
    let mut work = shared.store.begin().await?;
    work.put(ReadAhead { limit }.record(shared.name(), &shared.instance.id), Guard::Any);
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

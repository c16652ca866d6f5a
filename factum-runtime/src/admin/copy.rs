//! Copies everything that a store remembers into another: from one machine to a server, and back.
//!
//! Events keep their ids, streams, versions and positions, so that checkpoints and dead letters mean the same there.
//! Asked again after whatever stopped it, it goes on where the target's log ends. Projections are left out, because
//! they fill their tables anew from the log; so are leases. Never copies while an app runs on either store.

use std::collections::HashSet;

use factum_core::{
    Commit, Direction, Guard, Maintenance, Position, Query, Record, RecordKind, RecordQuery, Recorded, Store,
    StoreError,
};

use super::follow::Progress;
use super::{AdminError, all_of};
use crate::instance::as_store_error;
use crate::state::{ArchiveState, ProjectionState, SlotState, read, to_bytes};

/// Kinds of records that are copied: all but leases, questions that wait for an answer, what was moved out, which is
/// refused, and projections, which are made anew.
const KINDS: [RecordKind; 19] = [
    RecordKind::SLOT,
    RecordKind::CONSUMER,
    RecordKind::MARK,
    RecordKind::PARKED_KEY,
    RecordKind::PARKED,
    RecordKind::DEAD,
    RecordKind::REFUSED,
    RecordKind::TIMER,
    RecordKind::SAGA,
    RecordKind::SAGA_SHAPE,
    RecordKind::COMMAND,
    RecordKind::REPLY,
    RecordKind::SNAPSHOT,
    RecordKind::MIGRATION,
    RecordKind::ARCHIVED_STREAM,
    RecordKind::CONTRACT,
    RecordKind::KEYS,
    RecordKind::AUDIT,
    RecordKind::USER,
];

/// What the record with an operator's word on a consumer is listed under.
const CONTROL: &str = "control";

/// Writes of one commit.
const WRITES: usize = 200;

/// What was copied, or was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Events of the log.
    pub events: u64,
    /// Of these, taken over just now; the others were there from a run before.
    pub events_new: u64,
    /// Records beside the log.
    pub records: u64,
    /// Projections that fill their tables anew.
    pub projections: usize,
    /// The last position, of both.
    pub head: Position,
}

/// Copies a store into another, and compares both at the end, event by event and record by record.
///
/// # Errors
/// `Refused` when an app runs on either store, a part of the source was moved out, the target holds something else, or the stores differ at the end.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    maintenance: &dyn Maintenance,
    progress: Progress<'_>,
) -> Result<Copied, AdminError> {
    if let Some(range) = all_of(from, RecordKind::ARCHIVE, RecordQuery::default()).await?.last() {
        let range = read::<ArchiveState>(range)?;
        return Err(AdminError::Refused(format!(
            "positions up to {} were moved out of the store to copy: `factum archive restore {}` puts them back",
            range.up_to, range.to
        )));
    }
    nobody_runs(from, "the store to copy").await?;
    nobody_runs(to, "the target").await?;
    let begun = to.head().await?;
    let mut copied = Copied { head: from.head().await?, ..Copied::default() };
    is_prefix(from, to, begun, copied.head).await?;
    copied.events_new = take_over(from, to, maintenance, begun, Position::END, progress).await?;
    let left_out = LeftOut::of(from).await?;
    copied.projections = left_out.projections;
    for kind in KINDS {
        merge(from, to, kind, &left_out, true).await?;
    }
    copied.events = compare_logs(from, to).await?;
    for kind in KINDS {
        copied.records += merge(from, to, kind, &left_out, false).await?;
    }
    Ok(copied)
}

async fn nobody_runs(store: &dyn Store, which: &str) -> Result<(), AdminError> {
    let now = store.now().await?;
    let instances = all_of(store, RecordKind::INSTANCE, RecordQuery::default()).await?;
    if instances.iter().any(|record| record.due.is_some_and(|due| due > now)) {
        return Err(AdminError::Refused(format!(
            "an app runs on {which}: stop it; one that was killed counts as running for 15 s"
        )));
    }
    Ok(())
}

/// The target's log must be the beginning of the source's.
async fn is_prefix(
    from: &dyn Store,
    to: &dyn Store,
    begun: Position,
    head: Position,
) -> Result<(), AdminError> {
    let last = Query { kind: None, limit: 1, direction: Direction::Backward, ..Query::default() };
    let Some(there) = to.read(&last).await?.events.pop() else {
        if begun > Position::START {
            return Err(AdminError::Refused(format!(
                "the target has had events up to position {begun} that are gone; name another target"
            )));
        }
        return Ok(());
    };
    let before = Position::at(there.position.number() - 1);
    let at = Query { kind: None, up_to: there.position, limit: 1, ..Query::default() }.after(before);
    match from.read(&at).await?.events.pop() {
        Some(here) if here == there => Ok(()),
        _ => Err(AdminError::Refused(format!(
            "the target holds another log: its last event, {} at position {}, is not in the store to copy, which ends \
             at {head}; name another target",
            there.envelope.id, there.position
        ))),
    }
}

/// Takes the events of a range over, behind what is there; answers how many it has brought.
///
/// A copy that was killed may have asked its server for one more page, which comes only now. What comes so is what was
/// to come, so it is looked at and gone on behind.
pub(super) async fn take_over(
    from: &dyn Store,
    to: &dyn Store,
    maintenance: &dyn Maintenance,
    begun: Position,
    up_to: Position,
    progress: Progress<'_>,
) -> Result<u64, AdminError> {
    let mut query = Query { kind: None, up_to, limit: Query::LIMIT_MAX, ..Query::default() }.after(begun);
    let mut taken = 0;
    loop {
        let page = from.read(&query).await?;
        if let Some(last) = page.events.last()
            && let Err(error) = maintenance.import(&page.events).await
        {
            let there = to.head().await?;
            if there <= query.after || there > last.position {
                return Err(error.into());
            }
            is_prefix(from, to, there, page.head).await?;
            query.after = there;
            continue;
        }
        taken += page.events.len() as u64;
        progress(page.end, page.head);
        if !page.more {
            return Ok(taken);
        }
        query.after = page.end;
    }
}

/// What is made anew in the target.
struct LeftOut {
    fillers: HashSet<String>,
    projections: usize,
}

impl LeftOut {
    async fn of(store: &dyn Store) -> Result<Self, AdminError> {
        let mut fillers = HashSet::new();
        let records = all_of(store, RecordKind::PROJECTION, RecordQuery::default()).await?;
        for record in &records {
            let state = read::<ProjectionState>(record)?;
            let checking = state.checking.map(|checking| checking.suffix);
            let suffixes = [state.live, state.building, checking].into_iter().flatten();
            let suffixes = suffixes.chain(state.retired).chain(state.dropping);
            fillers.extend(suffixes.map(|suffix| format!("{}.{suffix}", record.id)));
        }
        Ok(Self { fillers, projections: records.len() })
    }

    /// The record as it is to be in the target; `None` when it is not to be there.
    fn copy(&self, record: Record) -> Result<Option<Record>, AdminError> {
        let of = match record.kind {
            RecordKind::CONSUMER if record.group == CONTROL => record.id.as_str(),
            _ => record.group.as_str(),
        };
        let (consumer, rest) = of.split_once('/').unwrap_or((of, ""));
        let is_ahead = record.kind == RecordKind::CONSUMER && rest == "ahead";
        if is_ahead || self.fillers.contains(consumer) {
            return Ok(None);
        }
        if record.kind != RecordKind::SLOT {
            return Ok(Some(record));
        }
        let state = read::<SlotState>(&record)?;
        let free = SlotState { owner: None, ..state };
        Ok(Some(Record { bytes: to_bytes(&free), ..record }))
    }
}

/// The records of a kind that are copied, one after the other by their ids, as they are to be in the target.
struct Records<'a> {
    store: &'a dyn Store,
    kind: RecordKind,
    left_out: &'a LeftOut,
    query: RecordQuery,
    page: std::vec::IntoIter<Record>,
    is_last: bool,
}

impl<'a> Records<'a> {
    fn of(store: &'a dyn Store, kind: RecordKind, left_out: &'a LeftOut) -> Self {
        let page = Vec::new().into_iter();
        Self { store, kind, left_out, query: RecordQuery::default(), page, is_last: false }
    }

    async fn next(&mut self) -> Result<Option<Record>, AdminError> {
        loop {
            for record in self.page.by_ref() {
                if let Some(record) = self.left_out.copy(record)? {
                    return Ok(Some(record));
                }
            }
            if self.is_last {
                return Ok(None);
            }
            let page = self.store.find(self.kind, &self.query).await?;
            self.is_last = page.len() < self.query.limit;
            self.query.after_id = page.last().map(|record| record.id.clone()).or(self.query.after_id.take());
            self.page = page.into_iter();
        }
    }
}

/// Makes the target's records of a kind those of the source, or refuses where they differ; answers how many there are.
async fn merge(
    from: &dyn Store,
    to: &dyn Store,
    kind: RecordKind,
    left_out: &LeftOut,
    writes: bool,
) -> Result<u64, AdminError> {
    let (mut here, mut there) = (Records::of(from, kind, left_out), Records::of(to, kind, left_out));
    let mut count = 0;
    let (mut puts, mut removes) = (Vec::new(), Vec::new());
    let mut found = there.next().await?;
    loop {
        let wanted = here.next().await?;
        // What only the target has.
        while let Some(extra) =
            found.take_if(|found| wanted.as_ref().is_none_or(|wanted| found.id < wanted.id))
        {
            removes.push(extra);
            found = there.next().await?;
        }
        let Some(wanted) = wanted else { break };
        count += 1;
        match found.take_if(|found| found.id == wanted.id) {
            Some(same) if is_same(&same, &wanted) => found = there.next().await?,
            Some(_) => {
                found = there.next().await?;
                puts.push(wanted);
            }
            None => puts.push(wanted),
        }
        if writes && puts.len() + removes.len() >= WRITES {
            write(to, &mut puts, &mut removes).await?;
        }
    }
    if writes {
        write(to, &mut puts, &mut removes).await?;
    } else if let Some(differs) = puts.first().or(removes.first()) {
        return Err(AdminError::Refused(format!(
            "the stores differ after the copy: {} record {:?}; somebody else writes to one of them",
            kind.as_str(),
            differs.id
        )));
    }
    Ok(count)
}

fn is_same(one: &Record, other: &Record) -> bool {
    (&one.group, one.due, &one.bytes) == (&other.group, other.due, &other.bytes)
}

async fn write(to: &dyn Store, puts: &mut Vec<Record>, removes: &mut Vec<Record>) -> Result<(), AdminError> {
    if puts.is_empty() && removes.is_empty() {
        return Ok(());
    }
    let mut work = to.begin().await?;
    puts.drain(..).for_each(|record| work.put(record, Guard::Any));
    removes.drain(..).for_each(|record| work.remove(record.kind, record.id, Guard::Any));
    match work.commit().await {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other).into()),
    }
}

/// The events of a log, one after the other.
struct Events<'a> {
    store: &'a dyn Store,
    query: Query,
    page: std::vec::IntoIter<Recorded>,
    is_last: bool,
}

impl<'a> Events<'a> {
    fn of(store: &'a dyn Store) -> Self {
        let query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::default() };
        Self { store, query, page: Vec::new().into_iter(), is_last: false }
    }

    async fn next(&mut self) -> Result<Option<Recorded>, StoreError> {
        loop {
            if let Some(event) = self.page.next() {
                return Ok(Some(event));
            }
            if self.is_last {
                return Ok(None);
            }
            let page = self.store.read(&self.query).await?;
            (self.query.after, self.is_last) = (page.end, !page.more);
            self.page = page.events.into_iter();
        }
    }
}

/// Reads both logs side by side; answers how many events there are.
async fn compare_logs(from: &dyn Store, to: &dyn Store) -> Result<u64, AdminError> {
    let (mut here, mut there) = (Events::of(from), Events::of(to));
    let mut count = 0;
    loop {
        match (here.next().await?, there.next().await?) {
            (None, None) => return Ok(count),
            (Some(one), Some(other)) if one == other => count += 1,
            (Some(one), other) => return Err(differs(&one, other.as_ref())),
            (None, Some(extra)) => return Err(differs(&extra, None)),
        }
    }
}

fn differs(one: &Recorded, other: Option<&Recorded>) -> AdminError {
    let found = other.map_or_else(|| "nothing".to_owned(), |other| other.envelope.id.to_string());
    AdminError::Refused(format!(
        "the logs differ at position {}: event {} and {found}; somebody else writes to one of the stores",
        one.position, one.envelope.id
    ))
}

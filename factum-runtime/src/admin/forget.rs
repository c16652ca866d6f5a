//! Forgetting a data subject: its key is destroyed, what is left of it in the store is emptied, and all is told.
//!
//! The key goes first: from then on the log, its backups and every sealed copy read as forgotten. What follows may be
//! interrupted anywhere; forgetting again does the rest. A later event about the subject is recorded, and its
//! personal values as forgotten: refusing it would stop an order on its way for a name on its label.

use std::collections::BTreeMap;
use std::time::Duration;

use factum_contract::personal::sealed;
use factum_core::keys::{KeyName, SubjectState};
use factum_core::{
    Actor, Commit, ConsumerName, Envelope, EventId, Expected, Guard, Keys, KeysError, Maintenance, Position,
    Query, RecordKind, RecordQuery, StoreError, StoreErrorKind, SubjectForgotten, Work, values,
};

use super::follow::Progress;
use super::{Admin, AdminError, all_of, checkpoints};
use crate::erase::{self, tombstone};
use crate::instance::as_store_error;
use crate::projection::filler;
use crate::state::{ProjectionState, SlotState, Troubled, read};

/// How long running projections are waited for to meet the event.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Between two looks at how far they are.
const LOOK: Duration = Duration::from_millis(50);

/// How often cutting the journal off is tried while readers hold it.
const SCRUBS_MAX: u32 = 5;

/// Snapshots removed in one unit.
const SNAPSHOTS_AT_ONCE: usize = 500;

/// What forgetting a subject means: what goes, and what stays readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetPlan {
    /// Who, by pseudonym.
    pub subject: String,
    /// What is known of the subject.
    pub state: SubjectState,
    /// Events whose sealed values are the subject's, by type.
    pub events: Vec<(String, u64)>,
    /// Values in them.
    pub values: u64,
    /// Projections' tables with declared personal columns, and the subject's rows in them.
    pub tables: Vec<(String, u64)>,
    /// Snapshots of deciders' states, of whomever: all are dropped and made again.
    pub snapshots: u64,
    /// What stays readable in this store.
    pub stays: Vec<Stays>,
}

/// Something that forgetting does not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    /// Where: "projection table", "letter".
    pub place: &'static str,
    /// Which: a table, a consumer.
    pub what: String,
    /// How many rows or letters, where that can be counted.
    pub count: Option<u64>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgot {
    /// What there was before.
    pub plan: ForgetPlan,
    /// Where the log tells of it.
    pub position: Position,
    /// Projections that have not met the event yet: they empty their tables again when they do.
    pub behind: Vec<String>,
}

impl Admin {
    /// What forgetting a subject would mean; changes nothing. Reads the whole log.
    ///
    /// # Errors
    /// When the store was opened without keys, or fails.
    pub async fn plan_forget(&self, subject: &str, progress: Progress<'_>) -> Result<ForgetPlan, AdminError> {
        let keys = self.keys()?;
        let state = keys.subject(subject).map_err(keys_failed)?;
        let mut plan = ForgetPlan {
            subject: subject.to_owned(),
            state,
            events: Vec::new(),
            values: 0,
            tables: Vec::new(),
            snapshots: all_of(self.store.as_ref(), RecordKind::SNAPSHOT, RecordQuery::default()).await?.len()
                as u64,
            stays: Vec::new(),
        };
        if let SubjectState::Kept { number } | SubjectState::Forgotten { number } = state {
            self.count_sealed(&mut plan, keys.ring(), number, progress).await?;
        }
        self.count_tables(&mut plan).await?;
        self.count_letters(&mut plan).await?;
        Ok(plan)
    }

    async fn count_sealed(
        &self,
        plan: &mut ForgetPlan,
        ring: &str,
        number: u64,
        progress: Progress<'_>,
    ) -> Result<(), AdminError> {
        let mut types: BTreeMap<String, u64> = BTreeMap::new();
        let mut query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::default() };
        loop {
            let page = self.store.read(&query).await?;
            for event in &page.events {
                let own = |text: &str| KeyName::of_sealed(text) == Some(KeyName { ring, number });
                let count = sealed(&event.envelope.data).iter().filter(|one| own(&one.text)).count() as u64;
                if count > 0 {
                    plan.values += count;
                    *types.entry(event.envelope.event_type.to_string()).or_default() += 1;
                }
            }
            progress(page.end, page.head);
            if !page.more {
                break;
            }
            query.after = page.end;
        }
        plan.events = types.into_iter().collect();
        Ok(())
    }

    async fn count_tables(&self, plan: &mut ForgetPlan) -> Result<(), AdminError> {
        for record in all_of(self.store.as_ref(), RecordKind::PROJECTION, RecordQuery::default()).await? {
            let state = read::<ProjectionState>(&record)?;
            for table in &state.personal {
                let sql = erase::count_sql(table)?;
                let rows = self.store.query(&sql, &values![plan.subject.as_str()]).await?;
                plan.tables.push((table.table.clone(), erase::counted(&rows)));
            }
            let suffixes = [&state.live, &state.building].into_iter().flatten().chain(&state.retired);
            let names: Vec<String> = suffixes
                .flat_map(|suffix| state.tables.iter().map(move |table| format!("{table}__{suffix}")))
                .collect();
            let undeclared =
                names.into_iter().filter(|name| state.personal.iter().all(|one| one.table != *name));
            plan.stays.extend(undeclared.map(|what| Stays { place: "projection table", what, count: None }));
        }
        Ok(())
    }

    /// Letters of brokers' consumers hold their events whole; those of the log hold a position.
    async fn count_letters(&self, plan: &mut ForgetPlan) -> Result<(), AdminError> {
        let subject = plan.subject.as_bytes();
        let mut by_consumer: BTreeMap<String, u64> = BTreeMap::new();
        for kind in [RecordKind::DEAD, RecordKind::REFUSED, RecordKind::PARKED] {
            for record in all_of(self.store.as_ref(), kind, RecordQuery::default()).await? {
                let troubled = Troubled::read(&record)?;
                let Some(inline) = &troubled.inline else { continue };
                if inline.data.windows(subject.len().max(1)).any(|part| part == subject) {
                    *by_consumer.entry(troubled.consumer).or_default() += 1;
                }
            }
        }
        let letters = by_consumer.into_iter();
        plan.stays.extend(letters.map(|(what, count)| Stays { place: "letter", what, count: Some(count) }));
        Ok(())
    }

    /// Forgets a subject for good. Forgetting twice is forgetting once, and does what an interrupted one left undone.
    ///
    /// # Errors
    /// When the store was opened without keys, the subject is no pseudonym, or the keys or the store fail; forget
    /// again then.
    pub async fn forget(
        &self,
        subject: &str,
        maintenance: &dyn Maintenance,
        progress: Progress<'_>,
    ) -> Result<Forgot, AdminError> {
        let keys = self.keys()?.clone();
        let envelope = self.forgotten(keys.ring(), subject)?;
        // Refused before anything is destroyed, when the catalog describes the event in its own way.
        self.store.gate().admit(&envelope).map_err(factum_core::AppendError::Refused)?;
        let plan = self.plan_forget(subject, progress).await?;
        keys.forget(subject).map_err(keys_failed)?;
        let position = self.purge(subject, envelope, keys.as_ref()).await?;
        // After the tombstone: from then on no unit keeps a state that was folded from the subject's values.
        self.drop_snapshots().await?;
        self.changed();
        let behind = self.wait_for_projections(position).await?;
        // Once more: where units commit side by side, one may have been on its way beside the first time.
        let mut work = self.store.begin().await?;
        self.purge_tables(subject, work.as_mut()).await?;
        committed(work.commit().await)?;
        scrub(maintenance).await?;
        Ok(Forgot { plan, position, behind })
    }

    /// Notes that personal values are about to be shown.
    ///
    /// # Errors
    /// When the store fails; nothing may be shown then.
    pub async fn audit_reveal(&self, what: &str, values: usize) -> Result<(), AdminError> {
        self.note("reveal", what, format!("{values} personal values")).await
    }

    /// Notes that the keys of a ring are about to be wrapped by another master key.
    ///
    /// # Errors
    /// When the store fails; nothing may be rotated then.
    pub async fn audit_rotate(&self, ring: &str, from: &str, to: &str) -> Result<(), AdminError> {
        self.note("rotate", ring, format!("from master key {from} to {to}")).await
    }

    /// Notes that the keys of personal data lie elsewhere from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_moved_keys(&self, from: &str, to: &str) -> Result<(), AdminError> {
        self.note("move-keys", to, format!("from {from}")).await
    }

    async fn note(&self, action: &str, target: &str, detail: String) -> Result<(), AdminError> {
        let mut work = self.store.begin().await?;
        work.put(self.audit_record(action, target, detail).await?, Guard::Absent);
        match work.commit().await {
            Commit::Committed(_) => Ok(()),
            other => Err(as_store_error(other).into()),
        }
    }

    fn keys(&self) -> Result<&std::sync::Arc<dyn Keys>, AdminError> {
        self.store.gate().keys().ok_or_else(|| {
            AdminError::Refused("the store was opened without the keys of its personal data".to_owned())
        })
    }

    /// The event, with the same id each time.
    fn forgotten(&self, ring: &str, subject: &str) -> Result<Envelope, AdminError> {
        let key = subject
            .parse()
            .map_err(|error: factum_core::NameError| AdminError::Refused(error.to_string()))?;
        let envelope = Envelope::of(&SubjectForgotten::new(key));
        let envelope = envelope.map_err(|error| AdminError::Refused(error.to_string()))?;
        let id = EventId::foreign(&format!("factum:ring:{ring}"), subject);
        let correlation = id.to_string().parse().unwrap_or_else(|_| envelope.correlation.clone());
        let actor = self.actor.parse::<Actor>().ok();
        Ok(Envelope { id, correlation, actor, ..envelope })
    }

    async fn drop_snapshots(&self) -> Result<(), AdminError> {
        loop {
            let query = RecordQuery { limit: SNAPSHOTS_AT_ONCE, ..RecordQuery::default() };
            let found = self.store.find(RecordKind::SNAPSHOT, &query).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut work = self.store.begin().await?;
            for record in found {
                work.remove(RecordKind::SNAPSHOT, record.id, Guard::Any);
            }
            committed(work.commit().await)?;
        }
    }

    /// Appends the event, empties the tables and keeps the audit, in one unit.
    async fn purge(
        &self,
        subject: &str,
        envelope: Envelope,
        keys: &dyn Keys,
    ) -> Result<Position, AdminError> {
        let stream = SubjectForgotten::new(envelope.key.clone()).stream();
        let mut work = self.store.begin().await?;
        if let SubjectState::Forgotten { number } = keys.subject(subject).map_err(keys_failed)? {
            tombstone::put(keys.ring(), number, work.as_mut());
        }
        self.purge_tables(subject, work.as_mut()).await?;
        let expected = Expected::Any;
        work.append(stream.clone(), expected, vec![envelope.clone()]);
        work.put(
            self.audit_record("forget", subject, format!("event {}", envelope.id)).await?,
            Guard::Absent,
        );
        let done = work.commit().await.into_result()?;
        let told = done.appended.last().map(|appended| appended.position);
        told.ok_or_else(|| StoreError::new(StoreErrorKind::Other, "the commit named no append").into())
    }

    async fn purge_tables(&self, subject: &str, work: &mut dyn Work) -> Result<(), AdminError> {
        for record in all_of(self.store.as_ref(), RecordKind::PROJECTION, RecordQuery::default()).await? {
            for table in &read::<ProjectionState>(&record)?.personal {
                erase::purge(table, subject, work)?;
            }
        }
        Ok(())
    }

    /// Waits until projections that run have met the event; answers those that have not.
    async fn wait_for_projections(&self, position: Position) -> Result<Vec<String>, AdminError> {
        let started = tokio::time::Instant::now();
        loop {
            let (mut behind, mut runs) = (Vec::new(), false);
            for record in all_of(self.store.as_ref(), RecordKind::PROJECTION, RecordQuery::default()).await? {
                let state = read::<ProjectionState>(&record)?;
                let Ok(name) = record.id.parse::<ConsumerName>() else { continue };
                for suffix in [&state.live, &state.building].into_iter().flatten() {
                    let declares =
                        state.personal.iter().any(|one| one.table.ends_with(&format!("__{suffix}")));
                    let filler = filler(&name, suffix)?;
                    let at = checkpoints(self.store.as_ref(), &filler).await?;
                    if declares && at.values().min().is_some_and(|at| *at < position) {
                        runs |= self.is_held(&filler).await?;
                        behind.push(filler.to_string());
                    }
                }
            }
            if !runs || started.elapsed() > WAIT_MAX {
                return Ok(behind);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn is_held(&self, consumer: &ConsumerName) -> Result<bool, AdminError> {
        let slots =
            all_of(self.store.as_ref(), RecordKind::SLOT, RecordQuery::group(consumer.as_str())).await?;
        for record in &slots {
            if read::<SlotState>(record)?.owner.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn scrub(maintenance: &dyn Maintenance) -> Result<(), AdminError> {
    for _ in 1..SCRUBS_MAX {
        match maintenance.scrub().await {
            Err(error) if error.is_transient() => tokio::time::sleep(LOOK).await,
            done => return Ok(done?),
        }
    }
    Ok(maintenance.scrub().await?)
}

fn committed(commit: Commit) -> Result<(), AdminError> {
    match commit {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other).into()),
    }
}

fn keys_failed(error: KeysError) -> AdminError {
    match error {
        KeysError::Store(error) => error.into(),
        other => AdminError::Refused(other.to_string()),
    }
}

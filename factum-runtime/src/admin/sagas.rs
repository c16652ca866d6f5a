//! Sagas for operators: instances by state, what each did and what would undo it, its timers; resume, cancel, move.
//!
//! Nothing is changed from here: the word of an operator goes to the instance through the log, in order with all that
//! it hears, and is done while an app with the saga runs.

use std::collections::BTreeMap;
use std::time::Duration;

use factum_core::saga::Told;
use factum_core::{
    Actor, Commit, ConsumerName, Envelope, EventId, Expected, Guard, RecordKind, RecordQuery, SagaSignalled,
    SagaStatus, TimerName, Timestamp,
};

use super::{Admin, AdminError, Which, all_of};
use crate::instance::as_store_error;
use crate::state::{SagaState, ShapeState, TimerState, read};

/// A timer that is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerInfo {
    /// Whose it is.
    pub state: TimerState,
    /// When it is due.
    pub due: Timestamp,
}

/// How a stuck saga goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The command that failed is tried again: its letter is requeued, or it is sent anew where there is none.
    TryAgain,
    /// What the command was to do has been done by hand: the next step is undone.
    ByHand,
}

/// How a saga is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// What it did is undone, the last step first.
    Undo,
    /// It ends as it stands.
    AsItStands,
}

impl Admin {
    /// How many instances of each saga there are, by name and version, and where they stand.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn saga_counts(&self) -> Result<BTreeMap<(String, u32), Vec<(SagaStatus, u64)>>, AdminError> {
        let mut counts = BTreeMap::new();
        for record in all_of(self.store.as_ref(), RecordKind::SAGA_SHAPE, RecordQuery::default()).await? {
            let shape = read::<ShapeState>(&record)?.shape;
            let mut each = Vec::with_capacity(SagaStatus::ALL.len());
            for status in SagaStatus::ALL {
                let group = SagaState::group(&shape.saga, shape.version, status);
                each.push((status, self.store.count(RecordKind::SAGA, &group).await?));
            }
            counts.insert((shape.saga, shape.version), each);
        }
        Ok(counts)
    }

    /// Instances of a saga, or of all, that stand at one of `statuses`; of one version, where one is named; at most
    /// `most`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sagas(
        &self,
        name: Option<&ConsumerName>,
        of_version: Option<u32>,
        statuses: &[SagaStatus],
        most: usize,
    ) -> Result<Vec<SagaState>, AdminError> {
        let mut found = Vec::new();
        for (saga, version) in self.saga_counts().await?.into_keys() {
            if name.is_some_and(|name| *name != saga.as_str())
                || of_version.is_some_and(|wanted| wanted != version)
            {
                continue;
            }
            for status in statuses {
                let mut query = RecordQuery::group(SagaState::group(&saga, version, *status));
                while found.len() < most {
                    query.limit = (most - found.len()).min(RecordQuery::LIMIT_MAX);
                    let page = self.store.find(RecordKind::SAGA, &query).await?;
                    let is_last = page.len() < query.limit;
                    query.after_id = page.last().map(|record| record.id.clone());
                    for record in &page {
                        found.push(read::<SagaState>(record)?);
                    }
                    if is_last {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// One instance.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn saga(&self, name: &ConsumerName, key: &str) -> Result<SagaState, AdminError> {
        match self.store.find_one(RecordKind::SAGA, &SagaState::id(name, key)).await? {
            Some(record) => Ok(read::<SagaState>(&record)?),
            None => {
                let hint = "`factum sagas list` shows the instances that there are".to_owned();
                Err(AdminError::Unknown { what: "saga", name: format!("{name} {key}"), hint })
            }
        }
    }

    /// Lets a stuck saga go on.
    ///
    /// # Errors
    /// When it is not stuck, or the store fails.
    pub async fn resume_saga(
        &self,
        name: &ConsumerName,
        key: &str,
        how: Resume,
    ) -> Result<SagaState, AdminError> {
        let state = self.saga(name, key).await?;
        let status = state.instance.status;
        let letter = match state.instance.undoing.as_ref().and_then(|undoing| undoing.command) {
            Some(command) => self.letter(&command.to_string()).await.ok(),
            None => None,
        };
        let letter = letter.filter(|(which, _)| *which != Which::Parked).map(|(_, letter)| letter);
        // One that was resumed is not stuck any more, though its letter lies there still: a crash came between.
        let may = status == SagaStatus::Stuck || (status == SagaStatus::Compensating && letter.is_some());
        if !may {
            return Err(AdminError::Refused(format!("saga {name} {key} is {status}, and not stuck")));
        }
        let told = match (how, &letter) {
            (Resume::TryAgain, Some(_)) => Told::ResumedRequeued,
            (Resume::TryAgain, None) => Told::ResumedAgain,
            (Resume::ByHand, _) => Told::ResumedByHand,
        };
        // Told first: what becomes of the command is heard after this.
        self.tell(&state, told, "resume-saga", String::new()).await?;
        match (how, letter) {
            (Resume::TryAgain, Some(letter)) => _ = self.requeue(std::slice::from_ref(&letter)).await?,
            (Resume::ByHand, Some(letter)) => self.discard(&letter, "undone by hand").await?,
            (_, None) => {}
        }
        Ok(state)
    }

    /// Cancels a saga that is under way.
    ///
    /// # Errors
    /// When it has ended, or the store fails.
    pub async fn cancel_saga(
        &self,
        name: &ConsumerName,
        key: &str,
        how: Cancel,
        why: &str,
    ) -> Result<SagaState, AdminError> {
        let state = self.saga(name, key).await?;
        let status = state.instance.status;
        if !status.is_live() {
            return Err(AdminError::Refused(format!("saga {name} {key} is {status}: it has ended")));
        }
        let told = match how {
            Cancel::Undo => Told::CancelledUndoing,
            Cancel::AsItStands => Told::CancelledAsItStands,
        };
        self.tell(&state, told, "cancel-saga", why.to_owned()).await?;
        Ok(state)
    }

    /// Pending timers, earliest first, due at `from` or later; of one saga when it is named. At most `most`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn timers(
        &self,
        name: Option<&ConsumerName>,
        from: Option<Timestamp>,
        most: usize,
    ) -> Result<Vec<TimerInfo>, AdminError> {
        let (all, mut found) = (Timestamp::from_micros(i64::MAX), Vec::new());
        let mut query = RecordQuery {
            due_until: Some(all),
            due_from: from,
            group_prefix: name.map(|name| format!("{name}/")),
            ..RecordQuery::default()
        };
        while found.len() < most {
            query.limit = (most - found.len()).min(RecordQuery::LIMIT_MAX);
            let page = self.store.find(RecordKind::TIMER, &query).await?;
            for record in &page {
                let due = record.due.unwrap_or_default();
                found.push(TimerInfo { state: read::<TimerState>(record)?, due });
            }
            let is_last = page.len() < query.limit;
            match (page.last(), query.after_id.is_some()) {
                // First the rest of those that are due at the very same time, then what is due later.
                (Some(last), _) if !is_last => {
                    (query.due_from, query.due_until) = (last.due, last.due);
                    query.after_id = Some(last.id.clone());
                }
                (_, true) => {
                    query.due_from = query.due_from.map(|due| due.plus(Duration::from_micros(1)));
                    (query.due_until, query.after_id) = (Some(all), None);
                }
                (_, false) => break,
            }
        }
        Ok(found)
    }

    /// Moves a pending timer of an instance.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn move_timer(
        &self,
        name: &ConsumerName,
        key: &str,
        timer: &TimerName,
        due: Timestamp,
    ) -> Result<(), AdminError> {
        let state = self.with_timer(name, key, timer).await?;
        let told = Told::TimerMoved { timer: timer.clone(), due };
        self.tell(&state, told, "move-timer", format!("{timer}, due {due}")).await
    }

    /// Cancels a pending timer of an instance.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn cancel_timer(
        &self,
        name: &ConsumerName,
        key: &str,
        timer: &TimerName,
    ) -> Result<(), AdminError> {
        let state = self.with_timer(name, key, timer).await?;
        let told = Told::TimerCancelled { timer: timer.clone() };
        self.tell(&state, told, "cancel-timer", timer.to_string()).await
    }

    async fn with_timer(
        &self,
        name: &ConsumerName,
        key: &str,
        timer: &TimerName,
    ) -> Result<SagaState, AdminError> {
        let state = self.saga(name, key).await?;
        if state.instance.timers.contains_key(timer) {
            return Ok(state);
        }
        let hint = format!("`factum sagas show {name} {key}` lists those that are pending");
        Err(AdminError::Unknown { what: "timer", name: timer.to_string(), hint })
    }

    /// Appends the word of an operator, and the audit of it, in one unit.
    async fn tell(
        &self,
        state: &SagaState,
        told: Told,
        action: &str,
        detail: String,
    ) -> Result<(), AdminError> {
        let refused = |error: &dyn std::fmt::Display| AdminError::Refused(error.to_string());
        let signalled = SagaSignalled {
            saga: state.saga.clone(),
            instance: state.key.parse().map_err(|error| refused(&error))?,
            field: state.field.clone(),
            told,
        };
        let envelope = Envelope::of(&signalled).map_err(|error| refused(&error))?;
        let envelope = Envelope {
            id: EventId::new(),
            time: self.store.now().await?,
            correlation: state.correlation.parse().unwrap_or_else(|_| envelope.correlation.clone()),
            actor: self.actor.parse::<Actor>().ok(),
            ..envelope
        };
        let target = format!("{} {}", state.saga, state.key);
        let mut work = self.store.begin().await?;
        work.append(signalled.stream(), Expected::Any, vec![envelope]);
        work.put(self.audit_record(action, &target, detail).await?, Guard::Absent);
        match work.commit().await {
            Commit::Committed(_) => Ok(()),
            other => Err(as_store_error(other).into()),
        }
    }
}

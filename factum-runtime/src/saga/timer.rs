//! Durable timers: a record that is due becomes a `saga.signalled` in the log, once.
//!
//! The record goes in the very unit that appends the signal, so two instances that see a timer due cannot both fire it.
//! Waiting costs nothing: the least due time is one look into an index, and what this process sets sooner rings the
//! alarm. The wait is cut now and then, because the store's time may jump, and others may set timers too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use factum_core::saga::Told;
use factum_core::{
    Clock, Commit, Envelope, EventId, Expected, Guard, Record, RecordKind, RecordQuery, SagaSignalled, Store,
    StoreError, StoreErrorKind, Timestamp, Work,
};
use tokio::sync::Notify;

use crate::instance::as_store_error;
use crate::state::{TimerState, read};
use crate::stop::Stop;

/// The longest wait before the next look: what others set, and a clock that jumped, is noticed within it.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest, while a timer that this process has set is about to be committed.
const SOON: Duration = Duration::from_millis(20);
/// Most timers that share a commit.
const TOGETHER: usize = 256;

/// Tells the loop of a timer that may be due before its next look.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    bell: Notify,
    /// The least due time that rang and was not yet waited for; 0 when none.
    rung: AtomicI64,
}

impl Alarm {
    /// A timer is about to be committed.
    pub(crate) fn ring(&self, due: Timestamp) {
        let due = due.as_micros().max(1);
        let least = |rung: i64| Some(if rung == 0 { due } else { rung.min(due) });
        let _ = self.rung.fetch_update(Ordering::AcqRel, Ordering::Acquire, least);
        self.bell.notify_one();
    }

    /// What rang since the last time.
    fn take(&self) -> Option<Timestamp> {
        match self.rung.swap(0, Ordering::AcqRel) {
            0 => None,
            due => Some(Timestamp::from_micros(due)),
        }
    }
}

/// Fires timers until told to stop.
pub(crate) async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, alarm: Arc<Alarm>, stop: Stop) {
    let mut expected: Option<(Timestamp, Duration)> = None;
    while !stop.is_stopped() {
        let looked = clock.elapsed();
        if let Some(due) = alarm.take() {
            // Rung before the commit: looked for until it must be there, or nobody will commit it any more.
            let due = expected.map_or(due, |(before, _)| before.min(due));
            expected = Some((due, looked));
        }
        let wait = match fire_due(store.as_ref()).await {
            Ok((next, now)) => {
                let wait = next.map_or(LOOK, |next| next.since(now).min(LOOK));
                let soon = expected.filter(|(due, rung)| {
                    let since = looked.saturating_sub(*rung);
                    due.since(now) < LOOK && since < due.since(now) + LOOK
                });
                if soon.is_none() {
                    expected = None;
                }
                soon.map_or(wait, |(due, _)| wait.min(due.since(now).max(SOON)))
            }
            Err(error) => {
                tracing::warn!(error = error.to_string(), "timers that are due could not be fired");
                LOOK
            }
        };
        tokio::select! {
            biased;
            () = stop.stopped() => return,
            () = alarm.bell.notified() => {}
            () = clock.sleep_until(looked + wait.max(Duration::from_millis(1))) => {}
        }
    }
}

/// Fires what is due; answers when the next one is, and the store's time.
async fn fire_due(store: &dyn Store) -> Result<(Option<Timestamp>, Timestamp), StoreError> {
    loop {
        let now = store.now().await?;
        let end = Timestamp::from_micros(i64::MAX);
        let least = RecordQuery { due_until: Some(end), limit: 1, ..RecordQuery::default() };
        let next = store.find(RecordKind::TIMER, &least).await?.pop().and_then(|record| record.due);
        if next.is_none_or(|next| next > now) {
            return Ok((next, now));
        }
        let due = RecordQuery { due_until: Some(now), limit: TOGETHER, ..RecordQuery::default() };
        let records = store.find(RecordKind::TIMER, &due).await?;
        if !fire(store, &records, now).await? {
            // Somebody came between: one by one, so that the others fire all the same.
            for record in &records {
                fire(store, std::slice::from_ref(record), now).await?;
            }
        }
    }
}

/// `false` when somebody else fired, moved or cancelled one of them meanwhile.
async fn fire(store: &dyn Store, records: &[Record], now: Timestamp) -> Result<bool, StoreError> {
    let mut work = store.begin().await?;
    for record in records {
        collect(record, now, work.as_mut())?;
    }
    match work.commit().await {
        Commit::Committed(_) => Ok(true),
        Commit::Conflict(_) => Ok(false),
        other => Err(as_store_error(other)),
    }
}

fn collect(record: &Record, now: Timestamp, work: &mut dyn Work) -> Result<(), StoreError> {
    let state = read::<TimerState>(record)?;
    let told = Told::TimerDue { timer: state.timer.clone(), due: record.due.unwrap_or(now) };
    let (saga, instance, field) = (state.saga, state.instance, state.field);
    let signalled = SagaSignalled { saga, instance, field, told };
    let envelope = Envelope::of(&signalled)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()).because(error))?;
    let by = format!("timer/{}", record.id);
    let envelope = Envelope {
        id: EventId::derived(state.cause, &by, record.revision as u32),
        time: now,
        correlation: state.correlation,
        causation: Some(state.cause),
        ..envelope
    };
    work.append(signalled.stream(), Expected::Any, vec![envelope]);
    work.remove(RecordKind::TIMER, record.id.clone(), Guard::At(record.revision));
    Ok(())
}

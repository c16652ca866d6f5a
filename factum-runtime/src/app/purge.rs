//! Removes what is past its window: marks, replies, ended sagas, migrated things, questions, and instances past their
//! lease.
//!
//! One instance does so for all of a store, in turns of a minute. It takes its turn by moving a record that is due when
//! the turn ends, and every commit that removes something moves that record again: no two look for the same, and one that
//! slept through its turn can commit nothing. Nobody waits longer for an instance that died in its turn.
//! Never removes what was written again since it was looked at.

use std::sync::Arc;
use std::time::Duration;

use factum_core::{
    Commit, Conflict, Guard, Record, RecordKind, RecordQuery, Revision, Store, StoreError, Timestamp,
};

use super::Core;
use crate::instance::as_store_error;
use crate::state::{TurnState, as_seen};
use crate::stop::Stop;

/// How long a turn lasts, and so how often something is removed.
const TURN: Duration = Duration::from_secs(60);

/// The shortest wait for the end of another's turn: clocks of two machines do not agree to the millisecond.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Kinds of records that are removed once they are due.
const PURGED: [RecordKind; 6] = [
    RecordKind::MARK,
    RecordKind::REPLY,
    RecordKind::INSTANCE,
    RecordKind::MIGRATION,
    RecordKind::SAGA,
    RecordKind::ASKED,
];

/// Purges whenever it is this instance's turn, until told to stop.
pub(super) async fn run(core: Arc<Core>, stop: Stop) {
    loop {
        let wait = purge(core.store.as_ref(), &core.instance.id).await.unwrap_or_else(|error| {
            tracing::warn!(error = error.to_string(), "records past their window could not be removed");
            TURN
        });
        tokio::select! {
            () = stop.stopped() => return,
            () = core.clock.sleep(wait) => {}
        }
    }
}

/// Removes what is past its window, unless it is another instance's turn; answers how long to wait for the next turn.
async fn purge(store: &dyn Store, instance: &str) -> Result<Duration, StoreError> {
    let found = store.find_one(RecordKind::PURGE, TurnState::ID).await?;
    let now = store.now().await?;
    let left = found.as_ref().and_then(|record| record.due).map_or(Duration::ZERO, |due| due.since(now));
    // No turn is longer: the clock was set back meanwhile.
    if !left.is_zero() && left <= TURN {
        return Ok(left.max(WAIT_MIN));
    }
    let seen = found.map_or(0, |record| record.revision);
    let Some(mut turn) = Turn::take(store, instance, seen, now).await? else { return Ok(TURN) };
    for kind in PURGED {
        match turn.remove_due(store, kind).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(
                    ?kind,
                    error = error.to_string(),
                    "records past their window could not be removed"
                );
            }
        }
    }
    Ok(TURN)
}

/// This instance's turn, for as long as nobody else has taken one.
struct Turn {
    state: TurnState,
    revision: Revision,
}

impl Turn {
    /// Takes the turn behind the one last seen; `None` when somebody else has taken it at the same moment.
    async fn take(
        store: &dyn Store,
        instance: &str,
        seen: Revision,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let turn = Self { state: TurnState { by: instance.to_owned() }, revision: seen + 1 };
        let mut work = store.begin().await?;
        work.put(turn.record(now), as_seen(seen));
        match work.commit().await {
            Commit::Committed(_) => Ok(Some(turn)),
            Commit::Conflict(_) => Ok(None),
            other => Err(as_store_error(other)),
        }
    }

    fn record(&self, now: Timestamp) -> Record {
        self.state.record(now.plus(TURN))
    }

    /// Removes what is due of a kind; answers whether the turn is still this instance's.
    async fn remove_due(&mut self, store: &dyn Store, kind: RecordKind) -> Result<bool, StoreError> {
        loop {
            let now = store.now().await?;
            let query = RecordQuery { due_until: Some(now), ..RecordQuery::default() };
            let expired = store.find(kind, &query).await?;
            if expired.is_empty() {
                return Ok(true);
            }
            let mut work = store.begin().await?;
            work.put(self.record(now), Guard::At(self.revision));
            for record in &expired {
                work.remove(kind, record.id.clone(), Guard::At(record.revision));
            }
            match work.commit().await {
                Commit::Committed(_) => self.revision += 1,
                Commit::Conflict(Conflict::Record { kind, .. }) if kind == RecordKind::PURGE => {
                    return Ok(false);
                }
                // One was met again just now, and stays.
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other)),
            }
            if expired.len() < query.limit {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
mod tests {
    use factum_core::{Clock as _, ManualClock};
    use factum_store::SqliteStore;
    use factum_store::sqlite::Options;

    use super::*;

    /// More than one commit removes.
    const MARKS: usize = RecordQuery::LIMIT_MAX * 2 + 1;

    fn store() -> (Arc<dyn Store>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at("2026-01-05T10:00:00Z".parse().unwrap()));
        let told = clock.clone();
        let store = SqliteStore::open("memory:", Options::default().now(move || told.now())).unwrap();
        (Arc::new(store), clock)
    }

    /// Puts marks that are due at once.
    async fn put_marks(store: &dyn Store) {
        let now = store.now().await.unwrap();
        let mut work = store.begin().await.unwrap();
        for number in 0..MARKS {
            let mark = Record::new(RecordKind::MARK, "walker", format!("walker/{number}"), Vec::new());
            work.put(mark.due(now), Guard::Any);
        }
        work.commit().await.into_result().unwrap();
    }

    async fn marks(store: &dyn Store) -> u64 {
        store.count(RecordKind::MARK, "walker").await.unwrap()
    }

    async fn take(store: &dyn Store, instance: &str) -> Option<Turn> {
        let found = store.find_one(RecordKind::PURGE, TurnState::ID).await.unwrap();
        let seen = found.map_or(0, |record| record.revision);
        Turn::take(store, instance, seen, store.now().await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn one_instance_purges_and_the_others_wait_for_the_end_of_its_turn() {
        let (store, clock) = store();
        put_marks(store.as_ref()).await;
        assert_eq!(purge(store.as_ref(), "one").await.unwrap(), TURN);
        assert_eq!(marks(store.as_ref()).await, 0);
        put_marks(store.as_ref()).await;
        clock.advance(TURN - Duration::from_secs(1));
        assert_eq!(purge(store.as_ref(), "two").await.unwrap(), Duration::from_secs(1));
        assert_eq!(marks(store.as_ref()).await, MARKS as u64, "it is not its turn");
        // Whoever had the last turn may have died.
        clock.advance(Duration::from_secs(1));
        assert_eq!(purge(store.as_ref(), "two").await.unwrap(), TURN);
        assert_eq!(marks(store.as_ref()).await, 0);
    }

    #[tokio::test]
    async fn of_two_that_take_a_turn_at_the_same_moment_one_has_it() {
        let (store, _) = store();
        let now = store.now().await.unwrap();
        assert!(Turn::take(store.as_ref(), "one", 0, now).await.unwrap().is_some());
        assert!(Turn::take(store.as_ref(), "two", 0, now).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_instance_that_slept_through_its_turn_removes_nothing() {
        let (store, clock) = store();
        put_marks(store.as_ref()).await;
        let mut sleeper = take(store.as_ref(), "one").await.unwrap();
        clock.advance(TURN);
        let mut turn = take(store.as_ref(), "two").await.unwrap();
        assert!(!sleeper.remove_due(store.as_ref(), RecordKind::MARK).await.unwrap());
        assert_eq!(marks(store.as_ref()).await, MARKS as u64);
        assert!(turn.remove_due(store.as_ref(), RecordKind::MARK).await.unwrap());
        assert_eq!(marks(store.as_ref()).await, 0);
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_holds_nothing_up() {
        let (store, _) = store();
        put_marks(store.as_ref()).await;
        let later = store.now().await.unwrap().plus(Duration::from_secs(3600));
        Turn::take(store.as_ref(), "one", 0, later).await.unwrap().unwrap();
        assert_eq!(purge(store.as_ref(), "two").await.unwrap(), TURN);
        assert_eq!(marks(store.as_ref()).await, 0);
    }
}

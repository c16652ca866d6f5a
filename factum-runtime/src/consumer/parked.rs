//! Setting events aside and trying them again, without losing the order of their key.
//!
//! A parked event takes its key with it: later events of the key queue behind, by position, and are tried in that
//! order. A key is released in the commit that empties its queue. Everything here is committed under the slot's
//! guard, so that an instance that lost the slot can change nothing.

use std::time::Duration;

use factum_core::retry::{Failed, Next};
use factum_core::saga::CommandEnd;
use factum_core::{
    Attempt, Envelope, Guard, OnDead, Origin, Position, Query, Record, RecordKind, RecordQuery, Slot,
    Timestamp, Work, hash64,
};

use tracing::Instrument;

use super::aside::{Aside, set_aside};
use super::attempt::{Arrived, Outcome, attempt, sent_by_saga};
use super::lane::{CONFLICTS_MAX, Committed, Lane, LaneEnd, too_many_conflicts};
use super::letter::{fingerprint, troubled};
use super::slots::KeyView;
use crate::observe::{count, lower};
use crate::state::{KeyWaits, ParkedKey, Troubled, as_seen, read};

/// Events of one parked key that are tried before live events get their turn.
const SLICE: usize = 16;

impl Lane {
    fn troubled(&self, arrived: &Arrived, attempts: u32, reason: &str, error: String) -> Troubled {
        troubled(&self.shared, arrived, attempts, reason, error)
    }

    /// Refuses an event by name: kept findable, never tried again, never holding its key.
    pub(crate) async fn refuse(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        reason: &str,
        error: String,
    ) -> Result<(), LaneEnd> {
        let consumer = self.shared.name();
        tracing::warn!(%consumer, id = %arrived.envelope.id, event = %arrived.envelope.event_type, reason, error, "event refused");
        let troubled = self.troubled(arrived, 1, reason, error);
        let mut work = self.begin().await?;
        work.put(troubled.record(RecordKind::REFUSED, slot), Guard::Any);
        tell_saga(arrived, &troubled, work.as_mut());
        self.advance(slot, position, work).await?;
        self.shared.succeeded();
        count(&self.shared.metrics.refused, 1);
        Ok(())
    }

    /// After failed attempts: parks the event, or makes it a dead letter when its attempts are used up.
    pub(crate) async fn set_aside(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        failed: Failed,
        reason: &str,
        error: String,
    ) -> Result<(), LaneEnd> {
        let troubled = self.troubled(arrived, failed.attempts, reason, error);
        match failed.next {
            Next::Park(delay) => self.park(slot, arrived, position, troubled, delay).await,
            Next::AtOnce | Next::Dead => self.bury(slot, arrived, position, troubled).await,
        }
    }

    pub(crate) async fn park_later(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        after: Duration,
        why: String,
    ) -> Result<(), LaneEnd> {
        let mut troubled = self.troubled(arrived, 0, "later", why);
        troubled.later_since = Some(troubled.since);
        self.park(slot, arrived, position, troubled, after).await
    }

    async fn park(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        troubled: Troubled,
        delay: Duration,
    ) -> Result<(), LaneEnd> {
        // Looked at before the commit: a clock that is moved while it is on its way counts as time that has passed.
        let not_before = self.shared.clock.elapsed() + delay;
        let now = self.shared.sync_time().await?;
        tracing::info!(consumer = %self.shared.name(), id = %troubled.event, key = troubled.key, ?delay, error = troubled.error, "parked");
        let mut work = self.begin().await?;
        let due = Some(now.plus(delay));
        let state = set_aside(&self.shared, slot, &troubled, Aside::Parked, None, due, work.as_mut());
        let span = tracing::info_span!("park", consumer = %self.shared.name(), id = %troubled.event);
        if self.try_advance(slot, position, work).instrument(span).await?
            && let Some(state) = state
        {
            let view = KeyView { revision: 1, state, not_before };
            self.held_mut(slot).parked.insert(troubled.key, view);
            self.parked_one().await?;
            return Ok(());
        }
        // An operator has just put an older event of the key back: this one goes behind it.
        self.reload_key(slot, &troubled.key).await?;
        Box::pin(self.queue_behind(slot, arrived, position)).await
    }

    async fn parked_one(&mut self) -> Result<(), LaneEnd> {
        count(&self.shared.metrics.parked, 1);
        count(&self.shared.metrics.waiting, 1);
        self.shared.nudge.notify_one();
        let waiting = self.shared.metrics.waiting.load(std::sync::atomic::Ordering::Relaxed);
        if waiting >= self.shared.consumer.parked_max {
            let why = format!("{waiting} events are parked, the most this consumer allows");
            crate::admin::pause(self.shared.store.as_ref(), self.shared.name(), &why).await?;
        }
        Ok(())
    }

    /// Makes an event a dead letter on its way past; its key stays behind it, or goes on.
    async fn bury(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
        troubled: Troubled,
    ) -> Result<(), LaneEnd> {
        let key = troubled.key.clone();
        let mut work = self.begin().await?;
        let aside = if sent_by_saga(arrived) { Aside::DeadAndTold } else { Aside::Dead };
        let held = set_aside(&self.shared, slot, &troubled, aside, None, None, work.as_mut());
        tell_saga(arrived, &troubled, work.as_mut());
        self.advance(slot, position, work).await?;
        self.note_dead(&troubled);
        if held.is_some() { self.reload_key(slot, &key).await } else { Ok(()) }
    }

    fn held_key(&self, slot: Slot, troubled: &Troubled, queued: u64) -> ParkedKey {
        ParkedKey {
            key: troubled.key.clone(),
            slot: slot.number(),
            queued,
            waits: KeyWaits::Held,
            since: troubled.since,
            error: troubled.error.clone(),
        }
    }

    fn note_dead(&self, troubled: &Troubled) {
        count(&self.shared.metrics.dead, 1);
        tracing::error!(consumer = troubled.consumer, id = %troubled.event, key = troubled.key, attempts = troubled.attempts, error = troubled.error, "dead letter");
    }

    /// Queues an event behind its parked key.
    pub(crate) async fn queue_behind(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
    ) -> Result<(), LaneEnd> {
        let shared = self.shared.clone();
        let key = shared.consumer.key_of(&arrived.envelope);
        loop {
            let Some(view) = self.held(slot).parked.get(key).cloned() else {
                // Released meanwhile: nothing is in front of it any more. It comes back to the front of the lane.
                return Box::pin(self.run_released(slot, arrived, position)).await;
            };
            let troubled = self.troubled(arrived, 0, "queued", String::new());
            let due = self.due_of(slot, key).await?;
            let mut work = self.begin().await?;
            let known = Some((view.revision, view.state));
            let state = set_aside(&self.shared, slot, &troubled, Aside::Parked, known, due, work.as_mut());
            if self.try_advance(slot, position, work).await?
                && let Some(state) = state
            {
                let view = KeyView { revision: view.revision + 1, state, not_before: view.not_before };
                self.held_mut(slot).parked.insert(key.to_owned(), view);
                return self.parked_one().await;
            }
            self.reload_key(slot, key).await?;
        }
    }

    async fn run_released(
        &mut self,
        slot: Slot,
        arrived: &Arrived,
        position: Position,
    ) -> Result<(), LaneEnd> {
        self.look();
        self.run_live(slot, arrived, position, false).await
    }

    async fn due_of(&mut self, slot: Slot, key: &str) -> Result<Option<Timestamp>, LaneEnd> {
        let id = ParkedKey::id(self.shared.name(), slot, key);
        Ok(self.shared.store.find_one(RecordKind::PARKED_KEY, &id).await?.and_then(|record| record.due))
    }

    /// Reads a key's record anew: an operator has written it.
    async fn reload_key(&mut self, slot: Slot, key: &str) -> Result<(), LaneEnd> {
        let id = ParkedKey::id(self.shared.name(), slot, key);
        match self.shared.store.find_one(RecordKind::PARKED_KEY, &id).await? {
            None => _ = self.held_mut(slot).parked.remove(key),
            Some(record) => {
                let state = read::<ParkedKey>(&record)?;
                let view = KeyView { revision: record.revision, state, not_before: Duration::ZERO };
                self.held_mut(slot).parked.insert(key.to_owned(), view);
            }
        }
        Ok(())
    }

    /// Tries a parked key whose time has come; `true` when more of it can be tried at once.
    pub(crate) async fn revisit(&mut self, slot: Slot, key: &str) -> Result<bool, LaneEnd> {
        if !self.holds(slot) {
            return Ok(false);
        }
        let seen = self.held(slot).parked.get(key).map(|view| (view.revision, view.not_before));
        let id = ParkedKey::id(self.shared.name(), slot, key);
        let record = self.shared.store.find_one(RecordKind::PARKED_KEY, &id).await?;
        let Some(record) = record else {
            self.held_mut(slot).parked.remove(key);
            return Ok(false);
        };
        let is_as_seen = seen.is_some_and(|(revision, _)| revision == record.revision);
        let not_before = seen.filter(|_| is_as_seen).map_or(Duration::ZERO, |(_, not_before)| not_before);
        let state = read::<ParkedKey>(&record)?;
        let (waits, due) = (state.waits, record.due);
        let view = KeyView { revision: record.revision, state, not_before };
        self.held_mut(slot).parked.insert(key.to_owned(), view);
        let now = self.shared.sync_time().await?;
        let is_due = due.is_none_or(|due| due <= now) && self.shared.clock.elapsed() >= not_before;
        if waits == KeyWaits::Held || !is_due {
            return Ok(false);
        }
        for _ in 0..SLICE {
            if self.stop.is_stopped() || self.shared.must_wait().is_some() {
                return Ok(false);
            }
            let query = RecordQuery { limit: 1, ..RecordQuery::group(id.clone()) };
            let head = self.shared.store.find(RecordKind::PARKED, &query).await?.pop();
            let goes_on = match head {
                None => self.release_key(slot, key).await?,
                Some(head) => self.retry(slot, key, &head).await?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The record says that events wait, and none does: lets the key go.
    async fn release_key(&mut self, slot: Slot, key: &str) -> Result<bool, LaneEnd> {
        let mut work = self.begin().await?;
        self.put_key(slot, key, 0, None, work.as_mut());
        if self.try_here(slot, work).await? {
            self.held_mut(slot).parked.remove(key);
        }
        Ok(false)
    }

    /// Tries the first event of a parked key; `true` when the next one may be tried at once.
    async fn retry(&mut self, slot: Slot, key: &str, head: &Record) -> Result<bool, LaneEnd> {
        let mut troubled = Troubled::read(head)?;
        let Some(arrived) = self.fetch(&troubled).await? else {
            troubled.reason = "missing".to_owned();
            troubled.error = "the event is no longer in the log".to_owned();
            return self.end_parked(slot, key, head, None, troubled, RecordKind::REFUSED).await;
        };
        let started = self.shared.clock.elapsed();
        let number = troubled.attempts + 1;
        let mut outcome = too_many_conflicts();
        for _ in 0..=CONFLICTS_MAX {
            let mut work = self.begin().await?;
            let try_ = Attempt { number, is_replay: self.is_replay(&arrived) };
            outcome =
                attempt(&self.shared, &self.seat, &arrived, try_, self.shared.now(), work.as_mut()).await;
            let Outcome::Handled = outcome else { break };
            work.remove(RecordKind::PARKED, head.id.clone(), Guard::At(head.revision));
            let left = self.left(slot, key);
            let now = self.shared.now();
            self.put_key(slot, key, left, Some(now), work.as_mut());
            match self.try_commit(slot, work).await? {
                Committed::Yes => {
                    self.after_key(slot, key, left, Duration::ZERO);
                    self.shared.succeeded();
                    count(&self.shared.metrics.handled, 1);
                    self.shared.metrics.attempt.observe(self.shared.clock.elapsed().saturating_sub(started));
                    return Ok(left > 0);
                }
                Committed::Again => {
                    count(&self.shared.metrics.conflicts, 1);
                    self.reload_key(slot, key).await?;
                    if !self.held(slot).parked.contains_key(key) {
                        return Ok(false);
                    }
                    outcome = too_many_conflicts();
                }
                Committed::No(no) => {
                    outcome = no;
                    break;
                }
            }
        }
        self.retry_failed(slot, key, head, &arrived, troubled, outcome).await
    }

    async fn retry_failed(
        &mut self,
        slot: Slot,
        key: &str,
        head: &Record,
        arrived: &Arrived,
        mut troubled: Troubled,
        outcome: Outcome,
    ) -> Result<bool, LaneEnd> {
        let (elapsed, now) = (self.shared.clock.elapsed(), self.shared.sync_time().await?);
        troubled.at = now;
        let failed = match outcome {
            Outcome::Handled => return Ok(true),
            Outcome::Refused { reason, error } => {
                tracing::warn!(consumer = %self.shared.name(), id = %troubled.event, reason, error, "event refused");
                (troubled.reason, troubled.error) = (reason, error);
                return self.end_parked(slot, key, head, Some(arrived), troubled, RecordKind::REFUSED).await;
            }
            Outcome::Newer { why } => return Err(self.let_go(slot, arrived, &why)),
            Outcome::Later { after, why } => {
                let since = *troubled.later_since.get_or_insert(now);
                (troubled.reason, troubled.error) = ("later".to_owned(), why);
                let policy = &self.shared.consumer.policy;
                if now.since(since) >= policy.later_max {
                    policy.after_parked(&troubled.event, troubled.attempts, false)
                } else {
                    Failed { attempts: troubled.attempts, next: Next::Park(after) }
                }
            }
            Outcome::Failed { reason, error } => {
                count(&self.shared.metrics.failed, 1);
                let is_never = self.shared.consumer.policy.is_never(&reason);
                let is_outage = !is_never && self.shared.failed(hash64(key.as_bytes()));
                troubled.fingerprint = fingerprint(&troubled.consumer, &reason, &error);
                (troubled.reason, troubled.error) = (reason.into_owned(), error);
                troubled.later_since = None;
                let policy = &self.shared.consumer.policy;
                if is_never {
                    Failed { attempts: troubled.attempts + 1, next: Next::Dead }
                } else {
                    policy.after_parked(&troubled.event, troubled.attempts, is_outage)
                }
            }
        };
        troubled.attempts = failed.attempts;
        let Next::Park(delay) = failed.next else {
            return self.end_parked(slot, key, head, Some(arrived), troubled, RecordKind::DEAD).await;
        };
        let mut work = self.begin().await?;
        let queued = self.held(slot).parked.get(key).map_or(1, |view| view.state.queued);
        work.put(troubled.record(RecordKind::PARKED, slot), Guard::At(head.revision));
        if let Some(view) = self.held_mut(slot).parked.get_mut(key) {
            view.state.error = troubled.error.clone();
        }
        self.put_key(slot, key, queued, Some(now.plus(delay)), work.as_mut());
        if self.try_here(slot, work).await? {
            self.after_key(slot, key, queued, elapsed + delay);
            self.shared.nudge.notify_one();
        }
        Ok(false)
    }

    /// Ends a parked event as refused or dead.
    async fn end_parked(
        &mut self,
        slot: Slot,
        key: &str,
        head: &Record,
        arrived: Option<&Arrived>,
        troubled: Troubled,
        kind: RecordKind,
    ) -> Result<bool, LaneEnd> {
        let left = self.left(slot, key);
        let is_told = arrived.is_some_and(sent_by_saga);
        let holds = self.shared.consumer.policy.on_dead == OnDead::Hold && !is_told;
        let is_held = kind == RecordKind::DEAD && holds;
        let mut work = self.begin().await?;
        work.remove(RecordKind::PARKED, head.id.clone(), Guard::At(head.revision));
        work.put(troubled.record(kind, slot), Guard::Any);
        if let Some(arrived) = arrived {
            tell_saga(arrived, &troubled, work.as_mut());
        }
        if is_held {
            let revision = self.held(slot).parked.get(key).map_or(0, |view| view.revision);
            let state = self.held_key(slot, &troubled, left);
            work.put(state.record(self.shared.name(), None), as_seen(revision));
        } else {
            let now = self.shared.now();
            self.put_key(slot, key, left, Some(now), work.as_mut());
        }
        if !self.try_here(slot, work).await? {
            return Ok(false);
        }
        lower(&self.shared.metrics.waiting, 1);
        if kind == RecordKind::DEAD {
            self.note_dead(&troubled);
        } else {
            count(&self.shared.metrics.refused, 1);
        }
        if is_held {
            self.reload_key(slot, key).await?;
            return Ok(false);
        }
        self.drop_or_keep(slot, key, left, Duration::ZERO);
        Ok(left > 0)
    }

    /// How many of a key's events wait once its first is gone.
    fn left(&self, slot: Slot, key: &str) -> u64 {
        self.held(slot).parked.get(key).map_or(0, |view| view.state.queued.saturating_sub(1))
    }

    /// Collects the key's new record, or its release when nothing waits any more.
    fn put_key(&self, slot: Slot, key: &str, queued: u64, due: Option<Timestamp>, work: &mut dyn Work) {
        let Some(view) = self.held(slot).parked.get(key) else { return };
        if queued == 0 {
            let id = ParkedKey::id(self.shared.name(), slot, key);
            return work.remove(RecordKind::PARKED_KEY, id, as_seen(view.revision));
        }
        let state = ParkedKey { queued, waits: KeyWaits::Due, ..view.state.clone() };
        work.put(state.record(self.shared.name(), due), as_seen(view.revision));
    }

    /// Notes what `put_key` wrote after an event left the queue.
    fn after_key(&mut self, slot: Slot, key: &str, queued: u64, not_before: Duration) {
        let before = self.held(slot).parked.get(key).map_or(0, |view| view.state.queued);
        let gone = before.saturating_sub(queued);
        lower(&self.shared.metrics.waiting, gone);
        self.drop_or_keep(slot, key, queued, not_before);
    }

    fn drop_or_keep(&mut self, slot: Slot, key: &str, queued: u64, not_before: Duration) {
        let parked = &mut self.held_mut(slot).parked;
        if queued == 0 {
            parked.remove(key);
        } else if let Some(view) = parked.get_mut(key) {
            view.revision += 1;
            view.state.queued = queued;
            view.state.waits = KeyWaits::Due;
            view.not_before = not_before;
        }
    }

    /// Finds a parked event again: in the log, or whole in its record.
    async fn fetch(&mut self, troubled: &Troubled) -> Result<Option<Arrived>, LaneEnd> {
        let Some(position) = troubled.position else {
            let envelope: Option<Envelope> = troubled.inline_envelope();
            return Ok(envelope.map(|envelope| {
                let topic = envelope.event_type.topic.clone();
                Arrived { envelope, origin: Origin::Topic(topic) }
            }));
        };
        let before = Position::at(position.number().saturating_sub(1));
        let query = Query { kind: None, up_to: position, limit: 1, ..Query::default() }.after(before);
        let event = self.shared.store.read(&query).await?.events.pop();
        Ok(event.map(Arrived::from))
    }

    /// Commits a unit that moves the slot past `position`; `false` when somebody came between.
    async fn try_advance(
        &mut self,
        slot: Slot,
        position: Position,
        mut work: Box<dyn Work>,
    ) -> Result<bool, LaneEnd> {
        let (record, guard) = self.held(slot).record(&self.shared, position);
        work.put(record, guard);
        match self.commit(work).await? {
            Committed::Yes => {
                self.held_mut(slot).moved(position);
                self.shared.progress.set(slot, position);
                Ok(true)
            }
            Committed::Again => Ok(false),
            Committed::No(outcome) => Err(LaneEnd::Store(own_write_failed(&outcome))),
        }
    }

    /// The same where nobody can come between.
    async fn advance(&mut self, slot: Slot, position: Position, work: Box<dyn Work>) -> Result<(), LaneEnd> {
        if self.try_advance(slot, position, work).await? { Ok(()) } else { Err(LaneEnd::Fenced) }
    }

    /// Commits a unit under the slot's guard without moving its checkpoint.
    async fn try_commit(&mut self, slot: Slot, mut work: Box<dyn Work>) -> Result<Committed, LaneEnd> {
        let done = self.held(slot).done;
        let (record, guard) = self.held(slot).record(&self.shared, done);
        work.put(record, guard);
        let committed = self.commit(work).await?;
        if let Committed::Yes = committed {
            self.held_mut(slot).moved(done);
        }
        Ok(committed)
    }

    async fn try_here(&mut self, slot: Slot, work: Box<dyn Work>) -> Result<bool, LaneEnd> {
        match self.try_commit(slot, work).await? {
            Committed::Yes => Ok(true),
            Committed::Again => Ok(false),
            Committed::No(outcome) => Err(LaneEnd::Store(own_write_failed(&outcome))),
        }
    }
}

/// Tells the saga that sent a command that it was not handled.
fn tell_saga(arrived: &Arrived, troubled: &Troubled, work: &mut dyn Work) {
    // A command that was requeued may fail as it failed before: its time tells the two apart.
    let ending = troubled.at.as_micros() as u32;
    super::attempt::tell_saga(arrived, CommandEnd::Failed(&troubled.error), ending, work);
}

fn own_write_failed(outcome: &Outcome) -> factum_core::StoreError {
    let message = format!("the runtime's own records could not be written: {outcome:?}");
    factum_core::StoreError::new(factum_core::StoreErrorKind::Other, message)
}

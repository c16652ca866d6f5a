//! Consumers of a broker: each delivery is handled once, because the mark that it was is committed with its effects.
//!
//! The broker is told only after the commit, so a crash in between means a second delivery, which the mark stops.
//! What fails is parked in the store with its bytes, under the same records as events of the log, so that one set of
//! tools sees everything; the lanes of a session without a reader try it again. Nothing stops the intake but the
//! broker itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use factum_contract::System;
use factum_contract::system::Replay;
use factum_core::retry::Next;
use factum_core::{
    Attempt, Broker, BrokerError, Commit, Conflict, Delivered, Deliveries, Guard, Origin, Record, RecordKind,
    Slot, StoreError, Topic, hash64,
};

use tracing::Instrument;

use crate::consumer::Consumer;
use crate::consumer::aside::{self, Aside};
use crate::consumer::attempt::{Arrived, Outcome, attempt};
use crate::consumer::lane::{CONFLICTS_MAX, too_many_conflicts};
use crate::consumer::letter::{troubled, undecodable};
use crate::consumer::session;
use crate::consumer::shared::Shared;
use crate::instance::as_store_error;
use crate::observe::count;
use crate::state::{ParkedKey, StateError, Troubled, read};
use crate::stop::Stop;
use crate::watchdog::Seat;

/// Deliveries taken at a time: enough to keep the lanes busy, few enough to give back soon.
const TAKE: usize = 256;
/// How long a mark stops a second delivery unless told otherwise: longer than brokers redeliver.
const WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Where a consumer's events come from, when not from the store's log.
#[derive(Clone)]
pub struct From {
    broker: Arc<dyn Broker>,
    pub(crate) topics: Vec<Topic>,
    window: Option<Duration>,
}

impl From {
    /// The events of a broker's topics.
    ///
    /// # Panics
    /// When a topic breaks the grammar of topics.
    pub fn broker<'t>(broker: Arc<dyn Broker>, topics: impl IntoIterator<Item = &'t str>) -> Self {
        let parse = |topic: &str| topic.parse().unwrap_or_else(|error| panic!("{error}"));
        Self { broker, topics: topics.into_iter().map(parse).collect(), window: None }
    }

    /// The topics of the events that the consumer handles, as their contracts name them.
    pub fn topics_of_events(broker: Arc<dyn Broker>) -> Self {
        Self { broker, topics: Vec::new(), window: None }
    }

    /// How long a mark stops a second delivery; longer than the broker may redeliver or replay. Default: the window
    /// that the catalog names beside `idempotency: { by: event-id }`, else seven days.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// The topics to listen to.
    pub(crate) fn topics_of(&self, consumer: &Consumer) -> Vec<Topic> {
        if !self.topics.is_empty() {
            return self.topics.clone();
        }
        let mut topics: Vec<Topic> = consumer.handled().map(|(known, _)| known.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        topics
    }
}

pub(crate) struct InboxDeclared {
    pub(crate) source: From,
    pub(crate) consumer: Consumer,
}

impl InboxDeclared {
    /// Where effects are held in a replay, what was handled is remembered as long as its topics keep events: a topic
    /// that is sent again finds it, and nothing happens twice.
    pub(crate) fn remember_as_long_as(&mut self, system: &System) {
        if matches!(self.consumer.replay, Some(Replay::EffectsHeld | Replay::Refuse)) {
            let topics = self.source.topics_of(&self.consumer);
            let kept = topics.iter().filter_map(|topic| system.retention(topic)).max();
            self.source.window = Some(self.window().max(kept.unwrap_or_default()));
        }
    }

    /// How long it remembers what was handled.
    pub(crate) fn window(&self) -> Duration {
        self.source.window.or(self.consumer.window).unwrap_or(WINDOW)
    }
}

/// Runs the intake of every topic, and the lanes that try parked deliveries again.
pub(crate) async fn supervise(shared: Arc<Shared>, source: From, stop: Stop) {
    shared.is_inbox.store(true, Ordering::Relaxed);
    let mut intakes = tokio::task::JoinSet::new();
    for topic in source.topics_of(&shared.consumer) {
        let (shared, source, stop) = (shared.clone(), source.clone(), stop.clone());
        intakes.spawn(async move { keep_taking(&shared, &source, &topic, &stop).await });
    }
    session::supervise(shared, stop).await;
    while intakes.join_next().await.is_some() {}
}

async fn keep_taking(shared: &Shared, source: &From, topic: &Topic, stop: &Stop) {
    let mut backoff = Duration::from_millis(50);
    while !stop.is_stopped() {
        match take_all(shared, source, topic, stop).await {
            Ok(()) => backoff = Duration::from_millis(50),
            Err(error) => {
                tracing::warn!(consumer = %shared.name(), %topic, error, ?backoff, "the intake stopped; trying again");
                tokio::select! {
                    () = stop.stopped() => {}
                    () = shared.clock.sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}

async fn take_all(shared: &Shared, source: &From, topic: &Topic, stop: &Stop) -> Result<(), String> {
    let text = |error: BrokerError| error.to_string();
    let start_at = shared.consumer.start_at;
    let mut deliveries = source.broker.subscribe(topic, shared.name(), start_at).await.map_err(text)?;
    loop {
        // A consumer that an operator paused takes nothing.
        while session::control(shared).await.map_err(|error| error.to_string())?.paused && !stop.is_stopped()
        {
            tokio::select! {
                () = stop.stopped() => {}
                () = shared.clock.sleep(Duration::from_secs(1)) => {}
            }
        }
        let batch = tokio::select! {
            biased;
            () = stop.stopped() => return deliveries.close().await.map_err(text),
            batch = deliveries.next(TAKE) => batch.map_err(text)?,
        };
        shared.sync_time().await.map_err(|error| error.to_string())?;
        if let Err(error) = handle_all(shared, source, topic, batch, deliveries.as_mut(), stop).await {
            // What was not acknowledged comes again; the marks know what was done.
            let _ = deliveries.close().await;
            return Err(error);
        }
    }
}

/// Handles a batch: keys at the same time, the deliveries of one key in order.
async fn handle_all(
    shared: &Shared,
    source: &From,
    topic: &Topic,
    batch: Vec<Delivered>,
    deliveries: &mut dyn Deliveries,
    stop: &Stop,
) -> Result<(), String> {
    let lanes = shared.consumer.lanes;
    let mut parts: Vec<Vec<Delivered>> = (0..lanes).map(|_| Vec::new()).collect();
    for delivered in batch {
        let slot = delivered.event.as_ref().map_or(0, |envelope| Slot::of(&envelope.key).number());
        parts[usize::from(slot) % lanes].push(delivered);
    }
    let (done_sender, mut done) = tokio::sync::mpsc::channel(TAKE);
    let work: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let done = done_sender.clone();
            async move {
                let seat = shared.seats.take();
                for delivered in part {
                    if stop.is_stopped() {
                        return Ok(());
                    }
                    let span = tracing::info_span!("deliver", consumer = %shared.name(), %topic);
                    let handled = handle_one(shared, &seat, source, topic, &delivered).instrument(span).await;
                    handled.map_err(|error| error.to_string())?;
                    // The receiver lives as long as this future does.
                    let _ = done.send(delivered.token).await;
                }
                Ok::<(), String>(())
            }
        })
        .collect();
    let all = join_all(work.into_iter());
    drop(done_sender);
    tokio::pin!(all);
    let result = loop {
        tokio::select! {
            biased;
            Some(token) = done.recv() => deliveries.ack(token).await.map_err(|error| error.to_string())?,
            result = &mut all => break result,
        }
    };
    // Ack after the commit: a crash in between means a second delivery, which the mark stops.
    while let Ok(token) = done.try_recv() {
        deliveries.ack(token).await.map_err(|error| error.to_string())?;
    }
    result
}

/// Runs futures side by side in one task; the first error is answered when all have ended.
async fn join_all<F: Future<Output = Result<(), String>>>(
    futures: impl Iterator<Item = F>,
) -> Result<(), String> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut result = Ok(());
    std::future::poll_fn(move |cx| {
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(ended) => {
                if result.is_ok() {
                    result = ended;
                }
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() {
            std::task::Poll::Ready(std::mem::replace(&mut result, Ok(())))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

fn mark(shared: &Shared, id: &str, window: Duration) -> Record {
    let id = format!("{}/{id}", shared.name());
    Record::new(RecordKind::MARK, shared.name().as_str(), id, Vec::new()).due(shared.now().plus(window))
}

async fn handle_one(
    shared: &Shared,
    seat: &Seat,
    source: &From,
    topic: &Topic,
    delivered: &Delivered,
) -> Result<(), StoreError> {
    let envelope = match &delivered.event {
        Ok(envelope) => envelope,
        Err(broken) => {
            let troubled = undecodable(shared, topic, broken);
            tracing::warn!(consumer = %shared.name(), %topic, why = broken.why, "a delivery is no event; kept with its bytes");
            count(&shared.metrics.refused, 1);
            let mut work = shared.store.begin().await?;
            work.put(troubled.record(RecordKind::REFUSED, Slot::of_text(&troubled.key)), Guard::Any);
            return committed(work.commit().await);
        }
    };
    let window = source.window.or(shared.consumer.window).unwrap_or(WINDOW);
    let mark = mark(shared, &envelope.id.to_string(), window);
    if shared.store.find_one(RecordKind::MARK, &mark.id).await?.is_some() {
        return Ok(());
    }
    let arrived = Arrived { envelope: envelope.clone(), origin: Origin::Topic(topic.clone()) };
    let slot = Slot::of(&envelope.key);
    let key_id = ParkedKey::id(shared.name(), slot, envelope.key.as_str());
    let (mut failed, mut conflicts) = (0, 0);
    loop {
        if shared.store.find_one(RecordKind::PARKED_KEY, &key_id).await?.is_some() {
            return set_aside(shared, &arrived, slot, &mark, 0, "queued", String::new(), None).await;
        }
        let started = shared.clock.elapsed();
        let mut work = shared.store.begin().await?;
        let try_ = Attempt { number: failed + 1, is_replay: false };
        let mut outcome = attempt(shared, seat, &arrived, try_, shared.now(), work.as_mut()).await;
        if let Outcome::Handled = outcome {
            work.put(mark.clone(), Guard::Absent);
            match work.commit().await {
                Commit::Committed(_) => {
                    shared.succeeded();
                    count(&shared.metrics.handled, 1);
                    shared.metrics.attempt.observe(shared.clock.elapsed().saturating_sub(started));
                    shared.metrics.end_to_end.observe(shared.now().since(envelope.time));
                    return Ok(());
                }
                Commit::Conflict(Conflict::Record { kind: RecordKind::MARK, id, .. }) if id == mark.id => {
                    return Ok(());
                }
                Commit::Conflict(_) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    count(&shared.metrics.conflicts, 1);
                    continue;
                }
                Commit::Conflict(_) => outcome = too_many_conflicts(),
                Commit::Failed(error) => outcome = Outcome::of_write(error)?,
                Commit::Unknown(error) => return Err(error),
            }
        }
        match outcome {
            Outcome::Handled => return Ok(()),
            Outcome::Refused { reason, error } => {
                tracing::warn!(consumer = %shared.name(), id = %envelope.id, reason, error, "event refused");
                count(&shared.metrics.refused, 1);
                let refused = troubled(shared, &arrived, 1, &reason, error);
                let mut work = shared.store.begin().await?;
                work.put(refused.record(RecordKind::REFUSED, slot), Guard::Any);
                work.put(mark.clone(), Guard::Any);
                return committed(work.commit().await);
            }
            Outcome::Later { after, why } => {
                return set_aside(shared, &arrived, slot, &mark, 0, "later", why, Some(after)).await;
            }
            Outcome::Newer { why } => {
                // Its slot's lane finds it parked, and lets the slot go to an instance that can read it.
                let now = Some(Duration::ZERO);
                return set_aside(shared, &arrived, slot, &mark, 0, "newer", why, now).await;
            }
            Outcome::Failed { reason, error } => {
                count(&shared.metrics.failed, 1);
                if shared.consumer.policy.is_never(&reason) {
                    return set_aside(shared, &arrived, slot, &mark, failed + 1, &reason, error, None).await;
                }
                let is_outage = shared.failed(hash64(envelope.key.as_str().as_bytes()));
                let next = shared.consumer.policy.after_turn(&envelope.id, failed, is_outage);
                failed = next.attempts;
                let delay = match next.next {
                    Next::AtOnce => continue,
                    Next::Park(delay) => Some(delay),
                    Next::Dead => None,
                };
                return set_aside(shared, &arrived, slot, &mark, failed, &reason, error, delay).await;
            }
        }
    }
}

/// Parks a delivery, behind its key when that waits already; without a delay left it is a dead letter.
#[expect(clippy::too_many_arguments, reason = "one call site's locals; a struct would name them twice")]
async fn set_aside(
    shared: &Shared,
    arrived: &Arrived,
    slot: Slot,
    mark: &Record,
    attempts: u32,
    reason: &str,
    error: String,
    delay: Option<Duration>,
) -> Result<(), StoreError> {
    let now = shared.sync_time().await?;
    let mut letter: Troubled = troubled(shared, arrived, attempts, reason, error);
    letter.later_since = (reason == "later").then_some(now);
    let is_dead = delay.is_none() && reason != "queued";
    let how = if is_dead { Aside::Dead } else { Aside::Parked };
    loop {
        let id = ParkedKey::id(shared.name(), slot, &letter.key);
        let record = shared.store.find_one(RecordKind::PARKED_KEY, &id).await?;
        let due = match &record {
            Some(record) => record.due,
            None => delay.map(|delay| now.plus(delay)),
        };
        let known = record.map(|record| Ok::<_, StateError>((record.revision, read::<ParkedKey>(&record)?)));
        let mut work = shared.store.begin().await?;
        aside::set_aside(shared, slot, &letter, how, known.transpose()?, due, work.as_mut());
        work.put(mark.clone(), Guard::Any);
        match work.commit().await {
            Commit::Committed(_) => {
                let counter = if is_dead { &shared.metrics.dead } else { &shared.metrics.parked };
                count(counter, 1);
                count(&shared.metrics.waiting, u64::from(!is_dead));
                shared.nudge.notify_one();
                return Ok(());
            }
            Commit::Conflict(_) => {}
            other => return Err(as_store_error(other)),
        }
    }
}

fn committed(commit: Commit) -> Result<(), StoreError> {
    match commit {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

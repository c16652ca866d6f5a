//! The one task that writes for everybody: takes what has come, sends it in one round trip, and answers.
//!
//! While one call is in flight, the next group forms in the queue, so that no unit waits for company. Units that cannot
//! share (SQL, expectations of `Unchanged`) do not come here. A group that meets a lock held for long is broken up, and
//! its units wait on connections of their own, so that one open transaction does not stop everybody else.
//! Never answers "committed" for what it does not know: after a lost connection it makes sure that the server process
//! is gone, and then looks for the events by their ids.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{Commit, EventType, RecordKind, StoreError, WriteError};
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::cluster;
use super::connect::{self, Backend, Purpose};
use super::error::{Trouble, code, store_error};
use super::handle::Core;
use super::step::Step;
use super::write::{Answers, Call, Fault};

/// Requests that wait for the writer; more wait for a place.
pub(super) const QUEUE_MAX: usize = 8192;

/// Units that share one round trip at most.
const GROUP_UNITS_MAX: usize = 1024;

/// Events that share one round trip at most, unless one append alone has more.
const GROUP_EVENTS_MAX: usize = 4096;

/// Bytes that share one round trip, roughly: bounds how long the first of a group waits.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a group that others were in the way of is tried before it is broken up.
const TRIES_MAX: u32 = 3;

/// How long a call may go without an answer: longer than the server gives its statement.
const CALL_MAX: Duration = Duration::from_secs(30);

/// How long after it was asked a unit waits for a server that cannot be reached.
const OUTAGE_MAX: Duration = Duration::from_secs(15);

/// Between two attempts to connect, at first and at most.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// What the writer is asked.
pub(super) enum Request {
    Unit(Unit),
    /// Give these types numbers.
    Types(Vec<EventType>, oneshot::Sender<Result<(), StoreError>>),
}

/// Writes that are committed together or not at all, and share a round trip with others.
pub(super) struct Unit {
    pub(super) steps: Vec<Step>,
    pub(super) reply: oneshot::Sender<Commit>,
    pub(super) asked: Instant,
    /// Its share of what may wait; given back when it has been answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// Why a group got no answers.
enum Miss {
    /// The statement failed, and would again.
    Failed(StoreError),
    /// Others were in the way; `is_long` when they held a lock for long.
    Rival { error: StoreError, is_long: bool },
    /// There is no connection, or it was lost after the call was sent.
    Lost { error: StoreError, sent_to: Option<Backend> },
}

pub(super) struct Writer {
    core: Arc<Core>,
    queue: mpsc::Receiver<Request>,
    /// Taken from the queue, and not done yet.
    waiting: VecDeque<Unit>,
    connection: Option<(PgConnection, Backend)>,
}

impl Writer {
    pub(super) fn new(
        core: Arc<Core>,
        queue: mpsc::Receiver<Request>,
        connected: (PgConnection, Backend),
    ) -> Self {
        Self { core, queue, waiting: VecDeque::new(), connection: Some(connected) }
    }

    /// Serves until every sender is gone, and finishes what is queued.
    pub(super) async fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.queue.recv().await {
                    Some(request) => self.take(request).await,
                    None => return,
                }
            }
            while self.waiting.len() < GROUP_UNITS_MAX {
                match self.queue.try_recv() {
                    Ok(request) => self.take(request).await,
                    Err(_) => break,
                }
            }
            let group = self.group();
            if !group.is_empty() {
                self.commit(group).await;
            }
        }
    }

    async fn take(&mut self, request: Request) {
        match request {
            // Whoever asked has given up, and may already be trying again.
            Request::Unit(unit) if unit.reply.is_closed() => {}
            Request::Unit(unit) => self.waiting.push_back(unit),
            Request::Types(types, reply) => {
                let learned = self.learn(types).await;
                // Whoever asked may have gone away.
                let _ = reply.send(learned);
            }
        }
    }

    /// The units from the front that can share a call: no event id twice, no record twice.
    fn group(&mut self) -> Vec<Unit> {
        let (mut group, mut left) = (Vec::<Unit>::new(), VecDeque::new());
        let (mut taken, mut events, mut bytes) = (Taken::default(), 0, 0);
        for unit in self.waiting.drain(..) {
            let size = unit.steps.iter().map(Step::bytes).sum::<usize>();
            let count = unit.steps.iter().map(events_of).sum::<usize>();
            let fits = events + count <= GROUP_EVENTS_MAX && bytes + size <= GROUP_BYTES_MAX;
            if group.is_empty() || (left.is_empty() && fits) {
                // The first needs no comparison until a second one comes.
                if group.len() == 1 {
                    taken.add(&group[0].steps);
                }
                if group.is_empty() || taken.add(&unit.steps) {
                    (events, bytes) = (events + count, bytes + size);
                    group.push(unit);
                    continue;
                }
            }
            left.push_back(unit);
        }
        self.waiting = left;
        group
    }

    /// Commits units together, and answers them.
    async fn commit(&mut self, mut units: Vec<Unit>) {
        let mut tries = 0;
        while !units.is_empty() {
            tries += 1;
            let began = Instant::now();
            match self.attempt(&units).await {
                Ok(answers) => return self.finish(units, answers, began),
                Err(Miss::Failed(error)) if units.len() == 1 => {
                    return self.answer_all(units, || Commit::Failed(WriteError::Store(error.clone())));
                }
                // One of them is at fault: each alone tells which.
                Err(Miss::Failed(_)) => {
                    for unit in units {
                        Box::pin(self.commit(vec![unit])).await;
                    }
                    return;
                }
                Err(Miss::Rival { error, is_long }) => {
                    if is_long || tries >= TRIES_MAX {
                        tracing::debug!(%error, units = units.len(), "others hold what a group needs; it is broken up");
                        return self.break_up(units);
                    }
                }
                Err(Miss::Lost { error, sent_to }) => units = self.recover(units, error, sent_to).await,
            }
        }
    }

    async fn attempt(&mut self, units: &[Unit]) -> Result<Answers, Miss> {
        let core = Arc::clone(&self.core);
        self.connected().await.map_err(|error| Miss::Lost { error, sent_to: None })?;
        let names = &core.reading.names;
        let unknown = names.unknown(units.iter().flat_map(|unit| &unit.steps).flat_map(Step::types));
        let Some((connection, backend)) = &mut self.connection else { return Err(no_connection()) };
        if let Err(error) = names.learn(connection, &core.statements, unknown).await {
            // Nothing was sent yet that could count.
            return Err(self.miss(error, false));
        }
        let mut call = Call::default();
        for unit in units {
            match call.unit(unit.steps.iter(), names) {
                Ok(()) => {}
                Err(fault) => return Err(self.fault(fault)),
            }
        }
        call.take_buckets();
        let backend = backend.clone();
        let answered = tokio::time::timeout(CALL_MAX, call.run(connection, &core.statements)).await;
        match answered {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(fault)) => Err(self.fault(fault)),
            Err(_) => {
                self.connection = None;
                let message = format!("the server did not answer within {} s", CALL_MAX.as_secs());
                let error = StoreError::new(factum_core::StoreErrorKind::Unavailable, message);
                Err(Miss::Lost { error, sent_to: Some(backend) })
            }
        }
    }

    fn fault(&mut self, fault: Fault) -> Miss {
        match fault {
            Fault::Driver(error) => self.miss(error, true),
            Fault::Answer(error) => Miss::Failed(error),
            Fault::UnknownType => {
                let message = "an event type could not be made known to the store; ask again";
                Miss::Failed(StoreError::new(factum_core::StoreErrorKind::Unavailable, message))
            }
        }
    }

    fn miss(&mut self, error: sqlx::Error, was_sent: bool) -> Miss {
        let trouble = Trouble::of(&error);
        let is_long = code(&error) == Some("55P03");
        let error = store_error("cannot write", error);
        match trouble {
            Trouble::Statement => Miss::Failed(error),
            Trouble::Rival => Miss::Rival { error, is_long },
            Trouble::Lost => {
                let sent_to = self.connection.take().map(|(_, backend)| backend).filter(|_| was_sent);
                Miss::Lost { error, sent_to }
            }
        }
    }

    async fn connected(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let Core { place, statements, reading, .. } = &*self.core;
        let mut connected = connect::connect(place, statements, Purpose::Write).await?;
        // The server behind the name may be another than before.
        if cluster::settle(&mut connected.0, statements).await? {
            reading.names.forget();
        }
        self.connection = Some(connected);
        Ok(())
    }

    async fn learn(&mut self, types: Vec<EventType>) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        self.connected().await?;
        let Some((connection, _)) = &mut self.connection else { return Err(super::error::closed()) };
        let learned = core.reading.names.learn(connection, &core.statements, types).await;
        learned.map_err(|error| {
            if Trouble::of(&error) == Trouble::Lost {
                self.connection = None;
            }
            store_error("cannot make event types known to the store", error)
        })
    }

    /// Connects again and finds out which units happened; the rest, which did not, is to be tried again.
    async fn recover(&mut self, units: Vec<Unit>, error: StoreError, sent_to: Option<Backend>) -> Vec<Unit> {
        tracing::warn!(%error, units = units.len(), in_doubt = sent_to.is_some(), "the connection that writes was lost");
        let asked = units.iter().map(|unit| unit.asked).min().unwrap_or_else(Instant::now);
        let [mut back_off, back_off_max] = BACK_OFF;
        let known = loop {
            match self.known(&units, sent_to.as_ref()).await {
                Ok(Some(known)) => break known,
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the server cannot be asked yet"),
            }
            if asked.elapsed() > OUTAGE_MAX {
                self.answer_all(units, || match &sent_to {
                    Some(_) => Commit::Unknown(error.clone()),
                    None => Commit::Failed(WriteError::Store(error.clone())),
                });
                return Vec::new();
            }
            tokio::time::sleep(back_off).await;
            back_off = (back_off * 2).min(back_off_max);
        };
        if sent_to.is_none() {
            return units;
        }
        let mut again = Vec::new();
        for unit in units {
            match first_id(&unit) {
                Some(id) if known.contains(&id) => {
                    let answer = match self.core.answer_again(&unit.steps).await {
                        Ok(committed) => Commit::Committed(committed),
                        Err(error) => Commit::Unknown(error),
                    };
                    self.answer(unit, answer);
                }
                Some(_) => again.push(unit),
                // Records alone leave nothing behind by which to tell who wrote them.
                None => self.answer(unit, Commit::Unknown(error.clone())),
            }
        }
        again
    }

    /// The first ids of those units that happened; `None` while the server process that was asked still runs.
    async fn known(
        &mut self,
        units: &[Unit],
        sent_to: Option<&Backend>,
    ) -> Result<Option<HashSet<Uuid>>, StoreError> {
        self.connected().await?;
        let Some(backend) = sent_to else { return Ok(Some(HashSet::new())) };
        let core = Arc::clone(&self.core);
        let Some((connection, _)) = &mut self.connection else { return Ok(None) };
        let looked = async {
            let ask = sqlx::query(core.statements.is_gone.sql()).bind(backend.pid).bind(&backend.started);
            if !ask.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
                return Ok(None);
            }
            let ids: Vec<Uuid> = units.iter().filter_map(first_id).collect();
            let rows =
                sqlx::query(core.statements.known_ids.sql()).bind(ids).fetch_all(&mut *connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<Uuid>, _>>().map(Some)
        };
        let looked: Result<_, sqlx::Error> = looked.await;
        looked.map_err(|error| {
            self.connection = None;
            store_error("cannot look for what was sent", error)
        })
    }

    /// Lets units wait on connections of their own.
    fn break_up(&self, units: Vec<Unit>) {
        for unit in units {
            let core = Arc::clone(&self.core);
            tokio::spawn(async move {
                let Unit { steps, reply, asked, room } = unit;
                let answer = core.commit_alone(steps).await;
                core.count(&answer, asked);
                // Whoever asked may have gone away; what it wrote stays.
                let _ = reply.send(answer);
                drop(room);
            });
        }
    }

    /// Answers the units of a call that was committed.
    fn finish(&self, units: Vec<Unit>, answers: Answers, began: Instant) {
        let shared = &self.core.shared;
        let done = answers.units.iter().flatten();
        let position = done.clone().filter_map(|committed| committed.position).max();
        let count = done.count() as u64;
        if count > 0 {
            shared.counters.committed(count, answers.events, began.elapsed());
        }
        if let Some(position) = position {
            shared.appended(position);
        }
        for (unit, answer) in units.into_iter().zip(answers.units) {
            self.answer(unit, answer.map_or_else(Commit::from, Commit::Committed));
        }
    }

    fn answer_all(&self, units: Vec<Unit>, answer: impl Fn() -> Commit) {
        units.into_iter().for_each(|unit| self.answer(unit, answer()));
    }

    fn answer(&self, unit: Unit, answer: Commit) {
        self.core.count(&answer, unit.asked);
        // Whoever asked may have gone away; what it wrote stays.
        let _ = unit.reply.send(answer);
        drop(unit.room);
    }
}

fn no_connection() -> Miss {
    Miss::Lost { error: super::error::closed(), sent_to: None }
}

fn events_of(step: &Step) -> usize {
    match step {
        Step::Append { events, .. } => events.len(),
        _ => 0,
    }
}

fn first_id(unit: &Unit) -> Option<Uuid> {
    unit.steps.iter().find_map(|step| match step {
        Step::Append { events, .. } => events.ids().next().map(|id| Uuid::from_bytes(*id)),
        _ => None,
    })
}

/// What the units of a group hold already.
#[derive(Default)]
struct Taken {
    ids: HashSet<[u8; 16]>,
    records: HashSet<(RecordKind, String)>,
}

impl Taken {
    /// Adds what a unit holds; false when the group holds some of it, and then nothing is added.
    fn add(&mut self, steps: &[Step]) -> bool {
        let ids = || {
            steps.iter().flat_map(|step| match step {
                Step::Append { events, .. } => Some(events.ids()),
                _ => None,
            })
        };
        let records = || steps.iter().filter_map(Step::record).map(|(kind, id)| (kind, id.to_owned()));
        if ids().flatten().any(|id| self.ids.contains(id))
            || records().any(|name| self.records.contains(&name))
        {
            return false;
        }
        self.ids.extend(ids().flatten());
        self.records.extend(records());
        true
    }
}

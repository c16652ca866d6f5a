//! The one task that writes for everybody: takes what has come, sends it in one round trip, and answers.
//!
//! While a call is in flight, the next group forms in the queue. Callers that have been answered together tend to come
//! back together, and each call costs a sync of the disk: so the next call waits a moment for as many as were answered,
//! an eighth of what a call takes at most. A second connection takes what has come meanwhile once that is much: when
//! writing it takes so long that the disk's sync is little beside it. Fewer are better off in one call than in two that
//! wait for each other's sync. Units that cannot share (SQL, expectations of `Unchanged`) do not come here.
//! Never has more calls in flight than connections, and never the same event id twice in one call.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{Commit, EventType, RecordKind, StoreError};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::handle::Core;
use super::line::Line;
use super::step::Step;

/// Requests that wait for the writer; more wait for a place.
pub(super) const QUEUE_MAX: usize = 8192;

/// Units that share one round trip at most.
const GROUP_UNITS_MAX: usize = 1024;

/// Events that share one round trip at most, unless one append alone has more.
const GROUP_EVENTS_MAX: usize = 4096;

/// Bytes that share one round trip, roughly: bounds how long the first of a group waits.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a unit costs the server and this process, roughly.
const UNIT_COST: Duration = Duration::from_micros(60);

/// Units that wait for nobody, when their work is what their call will take, rather than the disk's sync.
const MUCH_MIN: usize = 16;

/// The longest that a call waits for company.
const COMPANY_MAX: Duration = Duration::from_micros(500);

/// How long a call may take, at least, before others stop waiting for its end.
const OVERDUE_MIN: Duration = Duration::from_millis(5);

/// What the writer is asked.
pub(super) enum Request {
    Unit(Unit),
    Errand(Errand, Run),
}

/// What is to be done before something can be written.
pub(super) enum Errand {
    /// Give these types numbers.
    Learn(Vec<EventType>),
    /// Connect anew, unless this is the server at the other end.
    Follow(String),
}

/// Who is told that an errand was run.
type Run = oneshot::Sender<Result<(), StoreError>>;

/// Writes that are committed together or not at all, and share a round trip with others.
pub(super) struct Unit {
    pub(super) steps: Vec<Step>,
    pub(super) reply: oneshot::Sender<Commit>,
    pub(super) asked: Instant,
    /// Its share of what may wait; given back when it has been answered.
    pub(super) room: OwnedSemaphorePermit,
}

impl Unit {
    /// How many events it appends.
    fn events(&self) -> usize {
        self.steps.iter().map(events_of).sum()
    }

    fn bytes(&self) -> usize {
        self.steps.iter().map(Step::bytes).sum()
    }
}

pub(super) struct Writer {
    queue: mpsc::Receiver<Request>,
    /// Taken from the queue, and not on their way yet.
    waiting: VecDeque<Unit>,
    errands: VecDeque<(Errand, Run)>,
    /// Connections without a call, the one to use first at the end: a program with one caller needs no other.
    idle: Vec<Line>,
    flights: FuturesUnordered<BoxFuture<'static, Landing>>,
    /// How long the last call took.
    took: Duration,
    /// When the call that departed last should have ended; then others wait for it no longer.
    overdue: Instant,
    /// Whom the next call waits for.
    company: Option<Company>,
}

/// A connection whose call has ended.
struct Landing {
    line: Line,
    /// How many units it answered.
    units: usize,
    /// How long it took.
    took: Duration,
}

/// Callers that have just been answered, and will probably be back at once.
struct Company {
    units: usize,
    until: Instant,
}

impl Writer {
    /// Writes over so many connections, the first of which is made at once, others when they are needed.
    pub(super) fn new(core: &Arc<Core>, queue: mpsc::Receiver<Request>, connections: usize) -> Self {
        let idle = (0..connections).rev().map(|number| Line::new(Arc::clone(core), number)).collect();
        Self {
            queue,
            waiting: VecDeque::new(),
            errands: VecDeque::new(),
            idle,
            flights: FuturesUnordered::new(),
            took: Duration::ZERO,
            overdue: Instant::now(),
            company: None,
        }
    }

    /// Serves until every sender is gone, and finishes what is queued.
    pub(super) async fn run(mut self) {
        let mut is_open = true;
        if let Some(first) = self.idle.last_mut() {
            first.stand_by().await;
        }
        loop {
            self.depart();
            if !is_open && self.flights.is_empty() {
                return;
            }
            let takes = is_open && self.can_take();
            tokio::select! {
                Some(landing) = self.flights.next(), if !self.flights.is_empty() => self.land(landing),
                () = tokio::task::yield_now(), if self.company.is_some() => {}
                () = tokio::time::sleep_until(self.overdue.into()), if self.is_behind_call() => {}
                request = self.queue.recv(), if takes => match request {
                    Some(request) => self.take(request),
                    None => is_open = false,
                },
            }
            while is_open && self.can_take() {
                match self.queue.try_recv() {
                    Ok(request) => self.take(request),
                    Err(_) => break,
                }
            }
        }
    }

    /// Whether what is taken from the queue can soon be sent; in the queue it keeps others from queueing without end.
    fn can_take(&self) -> bool {
        self.waiting.len() < GROUP_UNITS_MAX && self.has_line()
    }

    /// Whether a connection is free, or can be made now.
    fn has_line(&self) -> bool {
        self.idle.iter().any(|line| line.is_ready() || !line.rests())
    }

    fn take(&mut self, request: Request) {
        match request {
            // Whoever asked has given up, and may already be trying again.
            Request::Unit(unit) if unit.reply.is_closed() => {}
            Request::Unit(unit) => self.waiting.push_back(unit),
            Request::Errand(errand, reply) => self.errands.push_back((errand, reply)),
        }
    }

    /// Sends what waits, as far as there are connections for it.
    fn depart(&mut self) {
        while !self.errands.is_empty() || self.should_depart() {
            let Some(at) = self.idle.iter().rposition(Line::is_ready) else { return self.reinforce() };
            let mut line = self.idle.remove(at);
            if let Some((errand, reply)) = self.errands.pop_front() {
                self.flights.push(Box::pin(async move {
                    // Whoever asked may have gone away.
                    let _ = reply.send(line.run(errand).await);
                    Landing::without_call(line)
                }));
                continue;
            }
            let (group, began) = (self.group(), Instant::now());
            self.overdue = began + (self.took * 2).max(OVERDUE_MIN);
            self.flights.push(Box::pin(async move {
                let units = group.len();
                line.commit(group).await;
                Landing { line, units, took: began.elapsed() }
            }));
        }
    }

    /// Whether what waits should go now, rather than wait for more.
    fn should_depart(&mut self) -> bool {
        let units = self.waiting.len();
        if self.company.as_ref().is_some_and(|company| units >= company.units || company.is_late()) {
            self.company = None;
        }
        let work = UNIT_COST * u32::try_from(units).unwrap_or(u32::MAX);
        if units >= MUCH_MIN && work >= self.took / 2 {
            return true;
        }
        let is_free = self.flights.is_empty() || Instant::now() >= self.overdue;
        units > 0 && is_free && self.company.is_none()
    }

    /// Whether units wait for a call to end, though a connection is free.
    fn is_behind_call(&self) -> bool {
        !self.waiting.is_empty() && !self.flights.is_empty() && self.has_line()
    }

    /// Has another connection made; nobody waits for it meanwhile.
    fn reinforce(&mut self) {
        let Some(at) = self.idle.iter().rposition(|line| !line.rests()) else { return };
        let mut line = self.idle.remove(at);
        self.flights.push(Box::pin(async move {
            line.stand_by().await;
            Landing::without_call(line)
        }));
    }

    fn land(&mut self, landing: Landing) {
        let Landing { line, units, took } = landing;
        if units > 0 {
            self.took = took;
        }
        // Nobody waits for one caller alone, nor beside a call that is on its way.
        self.company = (units > 1 && self.flights.is_empty()).then(|| Company {
            units: units + self.waiting.len(),
            until: Instant::now() + (took / 8).min(COMPANY_MAX),
        });
        let at = self.idle.iter().position(|other| other.number() < line.number()).unwrap_or(self.idle.len());
        self.idle.insert(at, line);
    }

    /// The units from the front that can share a call: no event id twice, no record twice.
    fn group(&mut self) -> Vec<Unit> {
        let (mut group, mut left) = (Vec::<Unit>::new(), VecDeque::new());
        let (mut taken, mut events, mut bytes) = (Taken::default(), 0, 0);
        for unit in self.waiting.drain(..) {
            let (size, count) = (unit.bytes(), unit.events());
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
}

impl Company {
    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

impl Landing {
    /// A connection that was made, or has done something else than commit units.
    fn without_call(line: Line) -> Self {
        Self { line, units: 0, took: Duration::ZERO }
    }
}

fn events_of(step: &Step) -> usize {
    match step {
        Step::Append { events, .. } => events.len(),
        _ => 0,
    }
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

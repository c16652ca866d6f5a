//! The play: lanes, the reader in front of them and the minder of parked keys, moved from one moment to the next.
//!
//! Each does what its namesake in the runtime does, without a store: a commit takes no time. What happens at the same
//! moment happens in the order in which it was planned, so a run is the same each time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use factum_core::retry::Next;
use factum_core::{Breaker, EventId, OnDead, Query, RetryPolicy, SLOTS, Slot, hash64};

use super::{Arrival, Load, Outcome, Totals, arrivals};

/// Pages that wait for a lane.
const PORTIONS: usize = 2;
/// Keys offered at a time.
const DUE_MAX: usize = 256;
/// How often due keys are looked for when nothing calls.
const TICK: Duration = Duration::from_secs(1);
/// The shortest wait between two looks.
const LOOK_MIN: Duration = Duration::from_millis(5);
/// Events of a parked key that are tried before live events get their turn.
const SLICE: u32 = 16;
/// Parked events at which a consumer pauses itself.
const PARKED_MAX: u64 = 10_000;
/// How long it goes on once no retry can be left. What is open then fails on five keys or more while nothing succeeds,
/// which no consumer can tell from an outage: it is probed until something else comes.
const QUIET: Duration = Duration::from_secs(60);

/// Whether outages are told from bad events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outages {
    Told,
    Unknown,
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Second {
    pub(super) backlog: u64,
    pub(super) parked: u64,
    pub(super) attempts: u64,
    pub(super) failed: u64,
}

pub(super) struct Played {
    pub(super) outcome: Outcome,
    pub(super) seconds: Vec<Second>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Arrive,
    /// A lane's attempt is over.
    Over(usize),
    /// A lane looks at the breaker again; the number tells late calls from the one it waits for.
    Ask(usize, u64),
    Mind(u64),
}

type KeyId = u32;

#[derive(Debug, Clone)]
struct Event {
    at: Duration,
    key: KeyId,
    id: EventId,
    is_poison: bool,
}

struct Parked {
    queue: VecDeque<Event>,
    /// Attempts of the first one that failed.
    attempts: u32,
    /// None while it waits for an operator.
    due: Option<Duration>,
}

struct Key {
    hash: u64,
    lane: usize,
    parked: Option<Parked>,
}

enum Doing {
    Nothing,
    /// An attempt of an event whose turn it is.
    Turn {
        event: Event,
        before: u32,
        fails: bool,
    },
    /// It waits for a probe.
    Waits {
        event: Event,
        before: u32,
    },
    /// An attempt of the first event of a parked key, so many left in the slice.
    Again {
        key: KeyId,
        left: u32,
        fails: bool,
    },
}

struct Lane {
    portions: VecDeque<VecDeque<Event>>,
    queue: VecDeque<Event>,
    again: VecDeque<KeyId>,
    is_turn_of_again: bool,
    doing: Doing,
    asked: u64,
}

struct Play<'a> {
    policy: &'a RetryPolicy,
    load: &'a Load,
    outages: Outages,
    now: Duration,
    planned: BinaryHeap<Reverse<(Duration, u64, Moment)>>,
    sequence: u64,
    to_come: std::iter::Peekable<Box<dyn Iterator<Item = Arrival> + 'a>>,
    log: VecDeque<Event>,
    /// The reader's page: a part for each lane, and the lane that is next to be handed its part.
    page: Option<(Vec<VecDeque<Event>>, usize)>,
    lanes: Vec<Lane>,
    keys: Vec<Key>,
    names: HashMap<String, KeyId>,
    breaker: Breaker,
    due: BTreeSet<(Duration, KeyId)>,
    minded: u64,
    is_paused: bool,
    open: u64,
    parked: u64,
    held: u64,
    is_reading: bool,
    outcome: Outcome,
    seconds: Vec<Second>,
}

/// Plays a load to its end: until every event is handled, dead, or behind a dead one.
pub(super) fn play(policy: &RetryPolicy, load: &Load, outages: Outages) -> Played {
    let lane = || Lane {
        portions: VecDeque::new(),
        queue: VecDeque::new(),
        again: VecDeque::new(),
        is_turn_of_again: true,
        doing: Doing::Nothing,
        asked: 0,
    };
    let to_come: Box<dyn Iterator<Item = Arrival> + '_> = Box::new(arrivals(load));
    let mut play = Play {
        policy,
        load,
        outages,
        now: Duration::ZERO,
        planned: BinaryHeap::new(),
        sequence: 0,
        to_come: to_come.peekable(),
        log: VecDeque::new(),
        page: None,
        lanes: (0..load.consumers.clamp(1, usize::from(SLOTS))).map(|_| lane()).collect(),
        keys: Vec::new(),
        names: HashMap::new(),
        breaker: Breaker::default(),
        due: BTreeSet::new(),
        minded: 0,
        is_paused: false,
        open: 0,
        parked: 0,
        held: 0,
        is_reading: false,
        outcome: Outcome {
            totals: Totals::default(),
            backlog_max: 0,
            parked_max: 0,
            recovered_after_seconds: None,
            longest_seconds: 0.0,
            paused_at_seconds: None,
        },
        seconds: Vec::new(),
    };
    play.run();
    Played { outcome: play.outcome, seconds: play.seconds }
}

impl Play<'_> {
    fn run(&mut self) {
        self.plan_arrival();
        self.plan(Duration::ZERO, Moment::Mind(0));
        let end = self.load.arriving() + self.policy.longest() + QUIET;
        while let Some(Reverse((at, _, moment))) = self.planned.pop() {
            if at > end {
                break;
            }
            self.note_seconds(at);
            self.now = at;
            match moment {
                Moment::Arrive => self.arrive(),
                Moment::Over(lane) => self.over(lane),
                Moment::Ask(lane, asked) if self.lanes[lane].asked == asked => self.ask(lane),
                Moment::Mind(minded) if self.minded == minded => self.mind(),
                Moment::Ask(..) | Moment::Mind(_) => {}
            }
            self.note_recovery();
            if self.to_come.peek().is_none() && (self.open == 0 || self.is_paused) {
                break;
            }
        }
        self.note_seconds(self.now + Duration::from_secs(1));
        self.outcome.totals.held = self.held;
        self.outcome.totals.open = self.open;
    }

    fn plan(&mut self, at: Duration, moment: Moment) {
        self.sequence += 1;
        self.planned.push(Reverse((at, self.sequence, moment)));
    }

    fn plan_arrival(&mut self) {
        if let Some(next) = self.to_come.peek() {
            let at = next.at;
            self.plan(at, Moment::Arrive);
        }
    }

    fn arrive(&mut self) {
        let Some(arrival) = self.to_come.next() else { return };
        let key = self.key(arrival.key.as_str());
        let Arrival { at, id, is_poison, .. } = arrival;
        self.log.push_back(Event { at, key, id, is_poison });
        self.outcome.totals.events += 1;
        self.open += 1;
        self.outcome.backlog_max = self.outcome.backlog_max.max(self.open);
        self.plan_arrival();
        self.read();
    }

    fn key(&mut self, name: &str) -> KeyId {
        if let Some(key) = self.names.get(name) {
            return *key;
        }
        let id = self.keys.len() as KeyId;
        let lane = usize::from(Slot::of_text(name).number()) % self.lanes.len();
        self.keys.push(Key { hash: hash64(name.as_bytes()), lane, parked: None });
        self.names.insert(name.to_owned(), id);
        id
    }

    /// The reader: hands each lane its part of a page, and waits for the first that has no room.
    fn read(&mut self) {
        // A lane that takes its part makes room, which the reader sees when it goes on.
        if !std::mem::replace(&mut self.is_reading, true) {
            self.hand_out();
            self.is_reading = false;
        }
    }

    fn hand_out(&mut self) {
        while !self.is_paused {
            if self.page.is_none() {
                if self.log.is_empty() {
                    return;
                }
                let mut parts = vec![VecDeque::new(); self.lanes.len()];
                let most = self.log.len().min(Query::LIMIT_MAX);
                for event in self.log.drain(..most) {
                    parts[self.keys[event.key as usize].lane].push_back(event);
                }
                self.page = Some((parts, 0));
            }
            let Some((parts, lane)) = &mut self.page else { return };
            if *lane == parts.len() {
                self.page = None;
                continue;
            }
            let to = *lane;
            if self.lanes[to].portions.len() >= PORTIONS {
                return;
            }
            let part = std::mem::take(&mut parts[to]);
            *lane += 1;
            self.lanes[to].portions.push_back(part);
            self.advance(to);
        }
    }

    /// Lets a lane that does nothing begin with what is next.
    fn advance(&mut self, lane: usize) {
        while !self.is_paused && matches!(self.lanes[lane].doing, Doing::Nothing) {
            let here = &mut self.lanes[lane];
            if std::mem::replace(&mut here.is_turn_of_again, false)
                && let Some(key) = here.again.pop_front()
            {
                self.revisit(lane, key, SLICE);
                continue;
            }
            here.is_turn_of_again = true;
            if let Some(event) = here.queue.pop_front() {
                match &mut self.keys[event.key as usize].parked {
                    Some(parked) => {
                        let is_held = parked.due.is_none();
                        parked.queue.push_back(event);
                        self.hold(u64::from(is_held));
                        self.parked_one();
                    }
                    None => self.begin(lane, event, 0),
                }
            } else if let Some(portion) = here.portions.pop_front() {
                here.queue = portion;
                self.read();
            } else if here.again.is_empty() {
                return;
            }
        }
    }

    /// Begins an attempt of an event whose turn it is, or waits while an outage lasts.
    fn begin(&mut self, lane: usize, event: Event, before: u32) {
        match self.must_wait() {
            None => {
                let fails = self.fails(&event);
                self.lanes[lane].doing = Doing::Turn { event, before, fails };
                self.plan(self.now + self.time_of(fails), Moment::Over(lane));
            }
            Some(wait) => {
                let here = &mut self.lanes[lane];
                here.doing = Doing::Waits { event, before };
                here.asked += 1;
                let asked = here.asked;
                self.plan(self.now + wait.max(Duration::from_millis(1)), Moment::Ask(lane, asked));
            }
        }
    }

    fn ask(&mut self, lane: usize) {
        match std::mem::replace(&mut self.lanes[lane].doing, Doing::Nothing) {
            Doing::Waits { event, before } => self.begin(lane, event, before),
            other => self.lanes[lane].doing = other,
        }
    }

    /// Tries a parked key whose time has come.
    fn revisit(&mut self, lane: usize, key: KeyId, left: u32) {
        let now = self.now;
        let is_due = |parked: &Parked| parked.due.is_some_and(|due| due <= now);
        if !self.keys[key as usize].parked.as_ref().is_some_and(is_due) || self.must_wait().is_some() {
            return;
        }
        let head = self.keys[key as usize].parked.as_ref().and_then(|parked| parked.queue.front());
        let Some(fails) = head.map(|head| self.fails(head)) else { return };
        self.lanes[lane].doing = Doing::Again { key, left, fails };
        self.plan(now + self.time_of(fails), Moment::Over(lane));
    }

    fn must_wait(&mut self) -> Option<Duration> {
        if !self.breaker.is_open() || self.breaker.take_probe(self.now) {
            return None;
        }
        Some(self.breaker.wait(self.now))
    }

    /// Whether an attempt that begins now will fail.
    fn fails(&self, event: &Event) -> bool {
        event.is_poison || self.load.is_away(self.now)
    }

    fn time_of(&self, fails: bool) -> Duration {
        if fails { self.load.fail } else { self.load.work }
    }

    fn over(&mut self, lane: usize) {
        match std::mem::replace(&mut self.lanes[lane].doing, Doing::Nothing) {
            Doing::Turn { event, before, fails } => self.turn_over(lane, event, before, fails),
            Doing::Again { key, left, fails } => self.again_over(lane, key, left, fails),
            other => self.lanes[lane].doing = other,
        }
        self.advance(lane);
    }

    fn turn_over(&mut self, lane: usize, event: Event, before: u32, is_failed: bool) {
        self.attempted(is_failed);
        if !is_failed {
            return self.handled(&event);
        }
        let is_outage = self.failed(event.key);
        let failed = self.policy.after_turn(&event.id, before, is_outage);
        match failed.next {
            Next::AtOnce => self.begin(lane, event, failed.attempts),
            Next::Park(delay) => {
                let due = self.now + delay;
                let key = event.key;
                let queue = VecDeque::from([event]);
                self.due.insert((due, key));
                self.keys[key as usize].parked =
                    Some(Parked { queue, attempts: failed.attempts, due: Some(due) });
                self.parked_one();
            }
            Next::Dead => {
                self.dead();
                if self.policy.on_dead == OnDead::Hold {
                    let held = Parked { queue: VecDeque::new(), attempts: 0, due: None };
                    self.keys[event.key as usize].parked = Some(held);
                }
            }
        }
    }

    fn again_over(&mut self, lane: usize, key: KeyId, left: u32, is_failed: bool) {
        let Some(parked) = &self.keys[key as usize].parked else { return };
        let Some(head) = parked.queue.front().cloned() else { return };
        let before = parked.attempts;
        self.attempted(is_failed);
        if !is_failed {
            self.handled(&head);
            if self.next_of(key, Some(self.now)) {
                if left > 1 {
                    self.revisit(lane, key, left - 1)
                } else {
                    self.lanes[lane].again.push_back(key)
                }
            }
            return;
        }
        let is_outage = self.failed(key);
        let failed = self.policy.after_parked(&head.id, before, is_outage);
        if let Next::Park(delay) = failed.next {
            if let Some(parked) = &mut self.keys[key as usize].parked {
                parked.attempts = failed.attempts;
            }
            self.set_due(key, Some(self.now + delay));
            return self.nudge();
        }
        self.dead();
        let is_held = self.policy.on_dead == OnDead::Hold;
        if self.next_of(key, if is_held { None } else { Some(self.now) }) && !is_held {
            self.lanes[lane].again.push_back(key);
        }
    }

    /// Takes the first event from a parked key; answers whether more wait. A key that waits for nobody is let go.
    fn next_of(&mut self, key: KeyId, due: Option<Duration>) -> bool {
        let Some(parked) = &mut self.keys[key as usize].parked else { return false };
        parked.queue.pop_front();
        parked.attempts = 0;
        self.parked = self.parked.saturating_sub(1);
        let is_left = !parked.queue.is_empty();
        self.set_due(key, due);
        if !is_left && due.is_some() {
            self.set_due(key, None);
            self.keys[key as usize].parked = None;
        }
        is_left
    }

    fn set_due(&mut self, key: KeyId, due: Option<Duration>) {
        let Some(parked) = &mut self.keys[key as usize].parked else { return };
        if let Some(before) = std::mem::replace(&mut parked.due, due) {
            self.due.remove(&(before, key));
        }
        if let Some(due) = due {
            self.due.insert((due, key));
        } else {
            let behind = parked.queue.len() as u64;
            self.hold(behind);
        }
    }

    /// What waits behind a dead letter waits for an operator, not for the end of the play.
    fn hold(&mut self, events: u64) {
        self.held += events;
        self.open -= events;
    }

    fn attempted(&mut self, is_failed: bool) {
        self.outcome.totals.attempts += 1;
        self.outcome.totals.failed += u64::from(is_failed);
        if let Some(second) = self.seconds.last_mut() {
            second.attempts += 1;
            second.failed += u64::from(is_failed);
        }
    }

    fn handled(&mut self, event: &Event) {
        self.outcome.totals.handled += 1;
        self.open -= 1;
        let took = (self.now - event.at).as_secs_f64();
        self.outcome.longest_seconds = self.outcome.longest_seconds.max(took);
        if self.breaker.succeeded() {
            for lane in 0..self.lanes.len() {
                if matches!(self.lanes[lane].doing, Doing::Waits { .. }) {
                    let asked = self.lanes[lane].asked;
                    self.plan(self.now, Moment::Ask(lane, asked));
                }
            }
            self.nudge();
        }
    }

    fn failed(&mut self, key: KeyId) -> bool {
        if self.outages == Outages::Unknown {
            return false;
        }
        self.breaker.failed(self.keys[key as usize].hash, self.now);
        self.breaker.is_open()
    }

    fn dead(&mut self) {
        self.outcome.totals.dead += 1;
        self.open -= 1;
    }

    fn parked_one(&mut self) {
        self.parked += 1;
        self.outcome.parked_max = self.outcome.parked_max.max(self.parked);
        self.nudge();
        if self.parked >= PARKED_MAX && !self.is_paused {
            self.is_paused = true;
            self.outcome.paused_at_seconds = Some(self.now.as_secs_f64());
        }
    }

    fn nudge(&mut self) {
        self.minded += 1;
        self.plan(self.now, Moment::Mind(self.minded));
    }

    /// The minder: offers keys that are due to their lanes.
    fn mind(&mut self) {
        let soon: Vec<(Duration, KeyId)> = self.due.iter().take(DUE_MAX).copied().collect();
        let mut wait = TICK;
        let minded = self.minded;
        for (due, key) in soon {
            if due > self.now {
                wait = (due - self.now).clamp(LOOK_MIN, TICK);
                break;
            }
            let lane = self.keys[key as usize].lane;
            let again = &mut self.lanes[lane].again;
            if again.len() < DUE_MAX && !again.contains(&key) {
                again.push_back(key);
                self.advance(lane);
            }
        }
        if self.minded == minded {
            self.minded += 1;
            self.plan(self.now + wait, Moment::Mind(self.minded));
        }
    }

    fn note_recovery(&mut self) {
        let end = self.load.before + self.load.outage;
        let waits = self.log.len() as u64 + self.parked - self.held;
        if self.outcome.recovered_after_seconds.is_none() && self.now >= end && waits == 0 {
            let is_waiting =
                |lane: &Lane| !lane.queue.is_empty() || !lane.portions.iter().all(VecDeque::is_empty);
            if self.page.is_none() && !self.lanes.iter().any(is_waiting) {
                self.outcome.recovered_after_seconds = Some((self.now - end).as_secs_f64());
            }
        }
    }

    fn note_seconds(&mut self, at: Duration) {
        let (open, parked) = (self.open, self.parked);
        while (self.seconds.len() as u64) <= at.as_secs() {
            if let Some(last) = self.seconds.last_mut() {
                (last.backlog, last.parked) = (open, parked);
            }
            self.seconds.push(Second { backlog: open, parked, ..Second::default() });
        }
    }
}

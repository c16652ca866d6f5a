//! One process, then four, then two, on one PostgreSQL database and under load. On the way one is killed, and one sleeps
//! for longer than its lease, with work in hand, and wakes up. Slots are spread evenly at every stage, and afterwards
//! every promise is checked.
//!
//! Once, unless `FACTUM_LONG=1`: then ten times over, with 30 kills at random moments in each, unless `FACTUM_CRASHES` says
//! another number.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use factum::contract::Contracts;
use factum::state::{InstanceState, SlotState, read};
use factum::{Query, Record, RecordKind, RecordQuery, Recorded, Store};
use factum_conformance::postgres::{fresh_url, psql};

use crate::crash::{Acknowledged, Moments, all_have_ended, number, whole};
use crate::many::{CLIENTS, Doors, client, is_long};
use crate::program::{LOOK, Program, wait_until};

/// How often the shop grows and shrinks in the long form.
const ROUNDS_LONG: usize = 10;
/// Kills while it is large, in each of those.
const KILLS_LONG: u64 = 30;
/// Longest that everybody lives between two of them.
const LIFE_MS_MAX: u64 = 600;
/// Consumers whose slots processes share; a projection is filled by one of them.
const SHARED: [&str; 6] = [
    "orders.payments",
    "orders.stock",
    "payments.charge",
    "payments.refund",
    "stock.release",
    "stock.reserve",
];
const SLOTS: usize = 64;
/// Longest that slots may take to be spread evenly: a lease, and what follows its end.
const SPREAD_MAX: Duration = Duration::from_secs(30);

/// The processes of a shop, all of which do everything.
struct Fleet {
    url: String,
    data: PathBuf,
    programs: Vec<Program>,
    doors: Doors,
    log: Log,
}

impl Fleet {
    fn new(url: String, data: &Path) -> Self {
        let log = Log::of(&url);
        Self { url, data: data.to_owned(), programs: Vec::new(), doors: Doors::default(), log }
    }

    /// A process more. Charging takes a moment, so that there is always work in hand.
    fn grow(&mut self) {
        self.programs
            .push(Program::start(&self.data, &["--store", &self.url, "--payments", "approve,slow=20"]));
        self.open_doors();
    }

    /// A process less, of which clients hear before it is gone.
    fn shrink(&mut self, index: usize) -> Program {
        let program = self.programs.remove(index);
        self.open_doors();
        program
    }

    fn open_doors(&self) {
        *self.doors.lock().unwrap() = self.programs.iter().map(|program| program.address).collect();
    }

    /// Each consumer's slots are held by these processes alone, by each as many as by any other, give or take one.
    fn becomes_even(&self) {
        let expected: BTreeSet<u32> = self.programs.iter().map(Program::id).collect();
        let until = Instant::now() + SPREAD_MAX;
        loop {
            let all = SHARED.map(|consumer| (consumer, self.log.held(consumer)));
            if all.iter().all(|(_, held)| is_even(held, &expected)) {
                return;
            }
            if Instant::now() > until {
                let open = "select pid, state, wait_event, now() - state_change, query from pg_stat_activity \
                            where state like '%transaction%' or wait_event_type = 'Lock'";
                panic!("processes {expected:?} hold {all:#?}; open: {}", psql(&self.url, open));
            }
            thread::sleep(LOOK);
        }
    }

    /// One process, four, three because one was killed, two because one sleeps, three because it wakes, two.
    fn grow_and_shrink(&mut self, moments: &mut Moments, kills: u64) {
        self.becomes_even();
        (0..3).for_each(|_| self.grow());
        self.becomes_even();
        for _ in 0..kills {
            // The moment of death is the point of the test; there is nothing to wait for.
            thread::sleep(Duration::from_millis(moments.below(LIFE_MS_MAX)));
            let index = moments.below(self.programs.len() as u64) as usize;
            self.shrink(index).kill();
            self.grow();
        }
        let index = moments.below(4) as usize;
        self.shrink(index).kill();
        self.becomes_even();
        let sleeper = self.shrink(1);
        sleeper.signal("STOP");
        // Its lease ends: the others have all that it had.
        self.becomes_even();
        sleeper.signal("CONT");
        self.programs.push(sleeper);
        self.open_doors();
        self.becomes_even();
        let (status, _) = self.shrink(0).stop("INT");
        assert!(status.success(), "{status}");
        self.becomes_even();
    }
}

impl Drop for Fleet {
    #[expect(clippy::print_stdout, reason = "a test that failed says what it saw")]
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        // The folder goes with the test, and what the programs said with it.
        let said = std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
        let told = said.lines().filter(|line| line.contains("ERROR") || line.contains("problem"));
        told.for_each(|line| println!("{line}"));
    }
}

/// Whether these processes hold all slots, and each as many as any other, give or take one.
fn is_even(held: &BTreeMap<u32, usize>, expected: &BTreeSet<u32>) -> bool {
    let (least, most) = (held.values().min().copied(), held.values().max().copied());
    held.keys().eq(expected)
        && held.values().sum::<usize>() == SLOTS
        && most.unwrap_or(0) - least.unwrap_or(0) <= 1
}

/// What the store holds, seen from outside of the shop.
pub(crate) struct Log {
    runtime: tokio::runtime::Runtime,
    store: Arc<dyn Store>,
}

impl Log {
    pub(crate) fn of(url: &str) -> Self {
        let gate = Arc::new(Contracts::try_from(orders::contracts::CATALOG).unwrap());
        let store = factum::store::open(url, gate).unwrap().store;
        Self { runtime: tokio::runtime::Runtime::new().unwrap(), store }
    }

    /// How many slots of a consumer each process holds.
    fn held(&self, consumer: &str) -> BTreeMap<u32, usize> {
        let find = |kind, query: RecordQuery| self.runtime.block_on(self.store.find(kind, &query)).unwrap();
        let instances = find(RecordKind::INSTANCE, RecordQuery::default());
        let processes: HashMap<&str, u32> = instances
            .iter()
            .map(|record| (record.id.as_str(), read::<InstanceState>(record).unwrap().pid))
            .collect();
        let mut held = BTreeMap::new();
        for record in find(RecordKind::SLOT, RecordQuery::group(consumer)) {
            if let Some(owner) = read::<SlotState>(&record).unwrap().owner {
                // One that ended, and whose slots nobody has taken yet, is no process.
                *held.entry(processes.get(owner.as_str()).copied().unwrap_or(0)).or_default() += 1;
            }
        }
        held
    }

    /// The records of a kind, all of them.
    pub(crate) fn records(&self, kind: RecordKind) -> Vec<Record> {
        let (mut all, mut query) = (Vec::new(), RecordQuery::default());
        loop {
            let page = self.runtime.block_on(self.store.find(kind, &query)).unwrap();
            query.after_id = page.last().map(|record| record.id.clone());
            let is_last = page.len() < query.limit;
            all.extend(page);
            if is_last {
                return all;
            }
        }
    }

    pub(crate) fn events(&self) -> Vec<Recorded> {
        let (mut all, mut query) = (Vec::new(), Query::all());
        loop {
            let page = self.runtime.block_on(self.store.read(&query)).unwrap();
            all.extend(page.events);
            query.after = page.end;
            if !page.more {
                return all;
            }
        }
    }

    /// No event has led to two of one type, every order was charged once, and what one context made of another's events of
    /// a key came in their order.
    pub(crate) fn shows_each_effect_once_and_in_order(&self) {
        let events = self.events();
        let causes: HashMap<_, _> = events.iter().map(|event| (event.envelope.id, event)).collect();
        let context = |event: &Recorded| {
            let name = event.envelope.event_type.name.to_string();
            name.split('.').next().unwrap_or_default().to_owned()
        };
        let (mut effects, mut charged, mut latest) = (HashSet::new(), HashSet::new(), HashMap::new());
        for event in &events {
            let Some(cause) = event.envelope.causation.and_then(|id| causes.get(&id)) else { continue };
            let name = event.envelope.event_type.name.to_string();
            assert!(effects.insert((cause.position, name.clone())), "{name} came twice of {cause:?}");
            if context(event) == "payment" {
                assert!(charged.insert(cause.envelope.key.to_string()), "{cause:?} was charged twice");
            }
            let way = (event.envelope.key.to_string(), context(cause), context(event));
            let before = latest.insert(way, cause.position);
            assert!(before.is_none_or(|before| before <= cause.position), "{event:?} came too early");
        }
        let placed = events.iter().filter(|event| event.envelope.event_type.name.as_str() == "order.placed");
        for order in placed {
            assert!(charged.contains(&order.envelope.key.to_string()), "{order:?} was never charged");
        }
    }
}

#[test]
fn from_one_process_to_four_to_two_every_order_counts_once_and_slots_are_spread_evenly() {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::new(fresh_url(), &folder.path().join("shop/orders.db"));
    let (mut moments, seed) = Moments::new();
    println!("FACTUM_SEED={seed}");
    fleet.grow();
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Acknowledged::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (doors, stop, acknowledged) = (fleet.doors.clone(), stop.clone(), acknowledged.clone());
            thread::spawn(move || client(number, &doors, &stop, &acknowledged))
        })
        .collect();
    let kills = number("FACTUM_CRASHES").unwrap_or(KILLS_LONG);
    let (rounds, kills) = if is_long() { (ROUNDS_LONG, kills) } else { (1, 0) };
    for round in 0..rounds {
        if round > 0 {
            let (status, _) = fleet.shrink(0).stop("INT");
            assert!(status.success(), "{status}");
        }
        fleet.grow_and_shrink(&mut moments, kills);
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(acknowledged.all().len() > 20, "the shop hardly did anything");
    // Whoever filled the read model may just have been stopped.
    for id in acknowledged.all().keys() {
        wait_until("the read model is there", || {
            fleet.programs[0].get(&format!("/orders/{id}")).status == 200
        });
    }
    all_have_ended(&fleet.programs[0], &acknowledged, &mut BTreeSet::new());
    fleet.log.shows_each_effect_once_and_in_order();
    for program in std::mem::take(&mut fleet.programs) {
        let (status, _) = program.stop("INT");
        assert!(status.success(), "{status}");
    }
    whole(&fleet.url);
    println!("{} orders survived", acknowledged.all().len());
}

//! The program is killed at random moments under load, again and again; after each start every promise is checked.
//!
//! 200 kills unless `FACTUM_CRASHES` says another number; `FACTUM_LONG=1` means 2,000. The moments differ from run to
//! run; a failure prints its seed, and `FACTUM_SEED` repeats the moments of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use factum::contract::Contracts;
use serde_json::Value;

use crate::client::send;
use crate::program::{LOOK, PATIENCE, Program, order};

/// Clients that place orders all the time.
const CLIENTS: usize = 6;
/// Customers that they place them for.
pub(crate) const CUSTOMERS: usize = 3;
/// Longest that the program lives under load.
const LIFE_MS_MAX: u64 = 400;
/// Longest that a start takes which is cut off.
const START_MS_MAX: u64 = 80;
/// Kills on one store, after which a new one begins: looking at all orders takes ever longer.
const STORE_KILLS_MAX: usize = 50;

/// A small generator of moments: no dependency, and the same again from its seed.
pub(crate) struct Moments(u64);

impl Moments {
    /// Those of `FACTUM_SEED`, else of a run of its own; and the seed, for whoever wants them again.
    pub(crate) fn new() -> (Self, u64) {
        let seed = number("FACTUM_SEED").unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) | 1
        });
        (Self(seed), seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // Marsaglia's xorshift with 64 bits of state.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn kills() -> usize {
    let long = number("FACTUM_LONG") == Some(1);
    number("FACTUM_CRASHES").map_or(if long { 2_000 } else { 200 }, |kills| usize::try_from(kills).unwrap())
}

/// What the clients were told: order by customer.
#[derive(Default)]
pub(crate) struct Acknowledged(Mutex<BTreeMap<String, String>>);

impl Acknowledged {
    pub(crate) fn add(&self, order: String, customer: &str) {
        self.0.lock().unwrap().insert(order, customer.to_owned());
    }

    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap().clone()
    }
}

/// Places orders, and cancels some, until the program is gone. A key of its own for each order lets the client ask
/// again after the next start when it got no answer.
fn client(
    number: usize,
    program: std::net::SocketAddr,
    stop: &AtomicBool,
    acknowledged: &Acknowledged,
    round: usize,
) {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let customer = format!("c-{}", (number + count) % CUSTOMERS);
        let key = format!("{round}-{number}-{count}");
        let headers = [("Idempotency-Key", key.as_str())];
        let Ok(answer) = send(program, "POST", "/orders", &headers, &order(&customer).to_string()) else {
            return;
        };
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["orderId"].as_str().unwrap().to_owned();
        acknowledged.add(id.clone(), &customer);
        if count.is_multiple_of(7) {
            let Ok(answer) = send(program, "POST", &format!("/orders/{id}/cancel"), &[], "") else { return };
            assert!([200, 409].contains(&answer.status), "{answer:?}");
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice_however_often_it_is_killed() {
    let (mut moments, seed) = Moments::new();
    println!("FACTUM_SEED={seed}");
    let (mut left, mut survived) = (kills(), 0);
    while left > 0 {
        let kills = left.min(STORE_KILLS_MAX);
        survived += one_store(&mut moments, kills);
        left -= kills;
    }
    assert!(survived > 0, "no order was ever acknowledged");
    println!("{survived} orders survived {} kills", kills());
}

/// Kills the program so often on one store; answers how many acknowledged orders are in it.
fn one_store(moments: &mut Moments, kills: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop/orders.db");
    let acknowledged = Arc::new(Acknowledged::default());
    let mut checked = BTreeSet::new();
    let behaviours = ["approve", "approve,twice", "decline", "approve,out-of-order"];
    for round in 0..kills {
        let payments = behaviours[usize::try_from(moments.below(behaviours.len() as u64)).unwrap()];
        let stock = behaviours[usize::try_from(moments.below(behaviours.len() as u64)).unwrap()];
        let life = Duration::from_millis(moments.below(LIFE_MS_MAX));
        live_and_die(&data, &["--payments", payments, "--stock", stock], life, &acknowledged, round);
        if moments.below(3) == 0 {
            // A second death, while the first is being recovered from.
            Program::start_and_kill(&data, Duration::from_millis(moments.below(START_MS_MAX)));
        }
        check(&data, &acknowledged, &mut checked);
    }
    // Once more from the first order on: what was whole must have stayed so.
    checked.clear();
    check(&data, &acknowledged, &mut checked);
    checked.len()
}

fn live_and_die(
    data: &Path,
    arguments: &[&str],
    life: Duration,
    acknowledged: &Arc<Acknowledged>,
    round: usize,
) {
    let program = Program::start(data, arguments);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (stop, acknowledged, address) = (stop.clone(), acknowledged.clone(), program.address);
            thread::spawn(move || client(number, address, &stop, &acknowledged, round))
        })
        .collect();
    // The moment of death is the point of the test; there is nothing to wait for.
    thread::sleep(life);
    program.kill();
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
}

/// Starts it in fair weather and looks at everything that was promised.
fn check(data: &Path, acknowledged: &Acknowledged, checked: &mut BTreeSet<String>) {
    let program = Program::start(data, &[]);
    all_have_ended(&program, acknowledged, checked);
    let (status, _) = program.stop("INT");
    assert!(status.success(), "{status}");
    whole(&format!("sqlite:{}", data.display()));
}

/// Every order that a client was told of comes to its end, having met each of its events once.
pub(crate) fn all_have_ended(program: &Program, acknowledged: &Acknowledged, checked: &mut BTreeSet<String>) {
    for (id, customer) in acknowledged.all() {
        if checked.contains(&id) {
            continue;
        }
        let seen = comes_to_its_end(program, &id);
        assert_eq!(seen["customerId"], customer.as_str(), "{seen}");
        let changes = seen["changes"].as_i64().unwrap();
        let expected = match (seen["status"].as_str().unwrap(), seen["paidAt"].is_string()) {
            ("cancelled", false) => 2,
            ("cancelled" | "stock-reserved", true) => 3,
            other => panic!("{other:?}: {seen}"),
        };
        assert_eq!(changes, expected, "handled twice, or not at all: {seen}");
        assert_eq!(seen["shippingAddress"]["street"], "Lane 1", "{seen}");
        checked.insert(id);
    }
    counts_agree(program, acknowledged);
}

/// The order once it is over; tells everything that is known when it never is.
fn comes_to_its_end(program: &Program, id: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = program.order(id);
        if seen["status"] == "stock-reserved" || seen["status"] == "cancelled" {
            return seen;
        }
        if Instant::now() > until {
            let events = program.get(&format!("/orders/{id}/events")).body;
            let metrics = program.get("/metrics").body;
            let telling = ["parked", "dead", "failed", "lag", "up"];
            let metrics: Vec<&str> = metrics
                .lines()
                .filter(|line| !line.starts_with('#') && telling.iter().any(|word| line.contains(word)))
                .collect();
            panic!("order {id} never ends: {seen}\n{events}\n{}", metrics.join("\n"));
        }
        thread::sleep(LOOK);
    }
}

/// The counters of customers are what their orders add up to: none was counted twice, none left out. Orders that
/// nobody was told of count too: their client died, so to say, before the answer.
fn counts_agree(program: &Program, acknowledged: &Acknowledged) {
    let all = acknowledged.all();
    for number in 0..CUSTOMERS {
        let customer = format!("c-{number}");
        let mut listed = BTreeSet::new();
        let mut page = program.get(&format!("/orders?customerId={customer}&limit=200&wait=5000")).json();
        let placed = page["placed"].as_u64().unwrap();
        loop {
            let orders = page["orders"].as_array().unwrap().iter();
            listed.extend(orders.map(|order| order["orderId"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            page = program.get(next).json();
        }
        assert_eq!(placed, listed.len() as u64, "{customer}: counted against listed");
        let mine = all.iter().filter(|(_, owner)| **owner == customer).map(|(id, _)| id);
        let lost: Vec<&String> = mine.filter(|id| !listed.contains(*id)).collect();
        assert!(lost.is_empty(), "{customer} has lost {lost:?}");
    }
}

/// What `factum check` looks at.
pub(crate) fn whole(url: &str) {
    let gate = Arc::new(Contracts::try_from(orders::contracts::CATALOG).unwrap());
    let opened = factum::store::open(url, gate).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(opened.maintenance.check()).unwrap();
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.is_error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

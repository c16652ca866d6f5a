//! Many processes on one PostgreSQL database: two of each role, killed at random under load.
//!
//! Twelve kills unless `FACTUM_CRASHES` says another number; `FACTUM_LONG=1` means 300, and between them processes sleep
//! for longer than their lease, with work in hand, and wake up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use factum_conformance::postgres::fresh_url;
use serde_json::json;

use crate::client::send;
use crate::crash::{Acknowledged, CUSTOMERS, Moments, all_have_ended, number, whole};
use crate::program::{Program, order, wait_until};

/// Clients that place orders all the time.
pub(crate) const CLIENTS: usize = 3;
/// Longest that everybody lives between two deaths.
const LIFE_MS_MAX: u64 = 600;
/// In the long form, kills between two sleeps.
const KILLS_A_SLEEP: u64 = 25;
/// Longer than a lease.
const SLEEP: Duration = Duration::from_secs(17);
/// Two of each; the first two serve the clients.
const ROLES: [&str; 6] = ["orders", "orders", "payments", "payments", "stock", "stock"];

pub(crate) fn is_long() -> bool {
    number("FACTUM_LONG") == Some(1)
}

fn kills() -> u64 {
    number("FACTUM_CRASHES").unwrap_or(if is_long() { 300 } else { 12 })
}

fn start(data: &Path, url: &str, role: &str) -> Program {
    Program::start(data, &["--store", url, "--role", role])
}

/// Where orders are placed just now; a process that was started again listens elsewhere.
pub(crate) type Doors = Arc<Mutex<Vec<SocketAddr>>>;

/// Places orders, each under a key of its own, and asks again elsewhere when it gets no answer.
pub(crate) fn client(number: usize, doors: &Doors, stop: &AtomicBool, acknowledged: &Acknowledged) {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let customer = format!("c-{}", (number + count) % CUSTOMERS);
        let (key, body) = (format!("{number}-{count}"), order(&customer).to_string());
        let mut tries = 0;
        let answer = loop {
            let door = {
                let doors = doors.lock().unwrap();
                doors[(number + count + tries) % doors.len()]
            };
            tries += 1;
            match send(door, "POST", "/orders", &[("Idempotency-Key", &key)], &body) {
                Ok(answer) if answer.status == 201 => break answer,
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
            assert!(tries < 2000, "nobody takes the order");
        };
        let id = answer.json()["orderId"].as_str().unwrap().to_owned();
        acknowledged.add(id.clone(), &customer);
        if count.is_multiple_of(5) {
            let door = { doors.lock().unwrap()[0] };
            // Whether it was cancelled is seen by how it ends.
            let _ = send(door, "POST", &format!("/orders/{id}/cancel"), &[], "");
        }
    }
}

#[test]
fn two_processes_of_each_role_lose_no_order_however_often_they_are_killed() {
    let url = fresh_url();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop/orders.db");
    let (mut moments, seed) = Moments::new();
    println!("FACTUM_SEED={seed}");
    let mut programs: Vec<Program> = ROLES.iter().map(|role| start(&data, &url, role)).collect();
    let doors: Doors = Arc::new(Mutex::new(programs[..2].iter().map(|program| program.address).collect()));
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Acknowledged::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (doors, stop, acknowledged) = (doors.clone(), stop.clone(), acknowledged.clone());
            thread::spawn(move || client(number, &doors, &stop, &acknowledged))
        })
        .collect();
    for kill in 0..kills() {
        if is_long() && kill % KILLS_A_SLEEP == 1 {
            // Not one that clients wait for.
            let sleeper = &programs[2 + moments.below(ROLES.len() as u64 - 2) as usize];
            sleeper.signal("STOP");
            thread::sleep(SLEEP);
            sleeper.signal("CONT");
        }
        // The moment of death is the point of the test; there is nothing to wait for.
        thread::sleep(Duration::from_millis(moments.below(LIFE_MS_MAX)));
        let index = moments.below(ROLES.len() as u64) as usize;
        programs.remove(index).kill();
        let program = start(&data, &url, ROLES[index]);
        if index < 2 {
            doors.lock().unwrap()[index] = program.address;
        }
        programs.insert(index, program);
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(!acknowledged.all().is_empty(), "no order was ever acknowledged");
    // Whoever filled the read model may just have been killed.
    for id in acknowledged.all().keys() {
        wait_until("the read model is there", || programs[0].get(&format!("/orders/{id}")).status == 200);
    }
    all_have_ended(&programs[0], &acknowledged, &mut BTreeSet::new());
    for program in programs {
        let (status, _) = program.stop("INT");
        assert!(status.success(), "{status}");
    }
    whole(&url);
    println!("{} orders survived {} kills", acknowledged.all().len(), kills());
}

#[test]
fn a_role_serves_what_it_has_and_the_others_do_the_rest() {
    let url = fresh_url();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop/orders.db");
    let orders = start(&data, &url, "orders");
    let id = orders.place();
    assert_eq!(orders.order(&id)["status"], "awaiting-payment");
    assert_eq!(orders.get("/simulation/payments").status, 404);
    let payments = start(&data, &url, "payments");
    assert_eq!(payments.post("/orders", &order("c-1")).status, 404);
    assert_eq!(payments.get("/simulation/payments").status, 200);
    orders.order_becomes(&id, "paid");
    let mut stock = start(&data, &url, "stock");
    orders.order_becomes(&id, "stock-reserved");
    assert_eq!(stock.put("/simulation/stock", &json!({ "answer": "decline" })).status, 200);
    let rejected = orders.place();
    orders.order_becomes(&rejected, "cancelled");
    let listed = orders.get("/orders?customerId=c-1&wait=5000").json();
    assert_eq!((&listed["placed"], &listed["orders"][0]["orderId"]), (&json!(2), &json!(rejected)));
    let before = orders.get(&format!("/orders?customerId=c-1&before={rejected}")).json();
    assert_eq!(before["orders"][0]["orderId"], json!(id));
    let greeting = stock.greeting();
    assert!(greeting.contains("tail --store 'postgres://postgres@") && !greeting.contains("place an order"));
    wait_until("each runs", || [&orders, &payments].iter().all(|one| one.get("/health").status == 200));
}

//! Sagas in a process that is killed, at whatever step they are: every order ends, and no step happens twice.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use factum_core::{Event, OpenGate, Query, SagaSignalled, SagaStatus, Store};
use factum_runtime::App;

use crate::kit::*;
use crate::place::{self, Place};
use crate::shop::*;
use crate::timers::Bell;

/// Names the store to the program that is to be killed.
const STORE: &str = "FACTUM_SAGA_KILLED";
/// Names the orders of a run; with it a run is begun in the same way again.
const SEED: &str = "FACTUM_SEED";
const ORDERS: usize = 6;
/// About what one round adds to the log when nobody disturbs it.
const EVENTS: u64 = 60;

/// Short unless the long form is asked for.
fn rounds() -> usize {
    if std::env::var_os("FACTUM_LONG").is_some() { 150 } else { 8 }
}

fn whole(store: &Arc<dyn Store>) -> App {
    let patient = factum_core::RetryPolicy { crashes_max: 1_000, ..quick() };
    let services = factum_runtime::Consumer::new("services").on::<Asked>(Services::default()).retry(patient);
    App::new(store.clone()).saga::<Fulfilment>().saga::<Bell>().consumer(services)
}

/// The program: serves until it is killed. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by every_order_ends_and_no_step_happens_twice_wherever_the_program_is_killed"]
async fn the_program_itself() {
    let Ok(url) = std::env::var(STORE) else { return };
    let store = place::open(&url, Arc::new(OpenGate));
    let _running = whole(&store).start().await.unwrap();
    std::future::pending::<()>().await;
}

fn start(url: &str) -> Child {
    let module = module_path!().split_once("::").map_or("saga_killed", |(_, module)| module);
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::the_program_itself"), "--ignored", "--nocapture"])
        .env(STORE, url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Numbers that look random and are the same for one seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn order(round: usize, number: usize) -> String {
    let kind = ["good", "rare", "poor"][number % 3];
    format!("{kind}-{round}-{number}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_and_no_step_happens_twice_wherever_the_program_is_killed() {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = given.unwrap_or_else(|| u64::from(now.subsec_nanos()));
    println!("{SEED}={seed}");
    let mut numbers = Numbers(seed);
    let place = Place::new();
    let store = place.open(Arc::new(OpenGate));
    tables(store.as_ref()).await;
    for round in 0..rounds() {
        let mut child = start(&place.url());
        for number in 0..ORDERS {
            append(store.as_ref(), &Placed::of(&order(round, number))).await;
        }
        let head = store.head().await.unwrap().number();
        // As far as it comes in its time; the last steps of one round are often those of the next.
        let (until, began) = (head + numbers.below(EVENTS), Instant::now());
        while store.head().await.unwrap().number() < until && began.elapsed() < Duration::from_secs(4) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        tokio::time::sleep(Duration::from_micros(numbers.below(4_000))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let running = whole(&store).start().await.unwrap();
    let orders: Vec<String> =
        (0..rounds()).flat_map(|round| (0..ORDERS).map(move |number| order(round, number))).collect();
    for order in &orders {
        let ends = if order.starts_with("good") { SagaStatus::Completed } else { SagaStatus::Compensated };
        until_status(store.as_ref(), order, ends).await;
    }
    let rang = async || {
        let mut rang: BTreeMap<String, usize> = BTreeMap::new();
        let mut query = Query { types: vec![SagaSignalled::TYPE.name], ..Query::default() };
        loop {
            let page = store.read(&query).await.unwrap();
            for event in &page.events {
                let signalled: SagaSignalled = serde_json::from_slice(&event.envelope.data).unwrap();
                if signalled.saga == "bell" {
                    *rang.entry(signalled.instance.to_string()).or_default() += 1;
                }
            }
            if !page.more {
                return rang;
            }
            query.after = page.end;
        }
    };
    until("every bell has rung three times", async || {
        rang().await.values().filter(|rang| **rang >= 3).count() == orders.len()
    })
    .await;
    running.settled(SOON).await.unwrap();
    running.stop().await;
    assert!(rang().await.values().all(|rang| *rang == 3), "a timer fires once: {:?}", rang().await);
    for order in &orders {
        let steps: &[&str] = match &order[..4] {
            "good" => &["take.payment", "reserve.stock", "ship.order"],
            "rare" => &["take.payment", "reserve.stock", "refund.payment"],
            _ => &["take.payment"],
        };
        let expected: Vec<String> = steps.iter().map(|step| format!("{step} {order}")).collect();
        assert_eq!(committed(store.as_ref(), order).await, expected);
    }
}

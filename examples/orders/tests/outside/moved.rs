//! The shop's store moved to a server and back by `factum copy`, which is killed again and again on the way: with orders
//! half done, parked events and dead letters in it. On either side the shop goes on as if nothing had happened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use factum::admin::Which;
use factum::keys::{KeyOptions, MasterKey};
use factum::{RecordKind, RetryPolicy};
use factum_conformance::postgres::fresh_url;
use orders::orders::application::{Asked, Desk};
use orders::orders::domain::{Address, Line, Lines, Placing};
use orders::orders::infrastructure::shipping;
use orders::shop::{Settings, Shop};
use orders::values::{Money, OrderId};
use serde_json::{Value, json};

use crate::client::send;
use crate::crash::{Acknowledged, all_have_ended, whole};
use crate::many::{CLIENTS, Doors, client};
use crate::program::{LOOK, PATIENCE, Program, order, wait_until};
use crate::scale::Log;

/// The tables that the shop's handlers fill, and no projection.
const TABLES: &str = "order_shipping,payments,stock_orders";
/// Orders that are placed before the move, at least: over a thousand events, so that a copy has more than one page.
const ORDERS: usize = 300;
/// Orders whose payment is a dead letter.
const DEAD: usize = 3;
/// How long the first copy lives; each lives a little longer than the one before.
const LIFE: Duration = Duration::from_millis(80);
const LONGER: f64 = 1.15;
/// The metric that counts payments that wait.
const PARKED: &str = "factum_consumer_parked{consumer=\"payments.charge\"}";
/// Kinds of records whose copies are those of the source, to the byte.
const SAME: [RecordKind; 9] = [
    RecordKind::PARKED_KEY,
    RecordKind::PARKED,
    RecordKind::DEAD,
    RecordKind::REFUSED,
    RecordKind::REPLY,
    RecordKind::MARK,
    RecordKind::SNAPSHOT,
    RecordKind::CONTRACT,
    RecordKind::AUDIT,
];

/// `factum`, with the shop's master key.
fn factum(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_orders")).with_file_name("factum"));
    command.args(arguments).env("FACTUM_MASTER_KEY_FILE", master(data)).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn master(data: &Path) -> PathBuf {
    data.with_file_name("master.key")
}

fn succeeds(data: &Path, arguments: &[&str]) {
    let output = factum(data, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Copies, killing the copy again and again until one gets through; then moves the keys and looks whether all is there.
fn moves(data: &Path, from: &str, to: &str) {
    let (mut kills, mut life) = (0, LIFE);
    let said: Value = loop {
        let mut child = factum(data, &["copy", from, to, "--tables", TABLES, "--json"]).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < life && child.try_wait().unwrap().is_none() {
            thread::sleep(LOOK);
        }
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            break serde_json::from_slice(&output.stdout).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        life = life.mul_f64(LONGER);
        assert!(life < PATIENCE, "no copy gets through");
    };
    assert!(kills > 2, "it was hardly killed");
    assert!(
        said["eventsNew"].as_u64() < said["events"].as_u64(),
        "the last one went on where others were: {said}"
    );
    let (here, there) = (Log::of(from), Log::of(to));
    assert!(here.events() == there.events(), "the log came along whole");
    for kind in SAME {
        let records = |log: &Log| -> Vec<_> {
            let records = log.records(kind).into_iter();
            records.map(|record| (record.id, record.group, record.due, record.bytes)).collect()
        };
        assert_eq!(records(&here), records(&there), "{kind:?}");
    }
    succeeds(data, &["keys", "move", "--store", from, "--to", to]);
    succeeds(data, &["check", "--store", to]);
}

/// Places orders whose payment fails until it is a dead letter, in a shop of this process that loses patience soon.
async fn dead_letters(data: &Path) -> Vec<String> {
    let retry = RetryPolicy {
        immediate: 1,
        attempts: 2,
        first: Duration::from_millis(20),
        max: Duration::from_millis(20),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    std::fs::create_dir_all(data.parent().unwrap()).unwrap();
    let keys = KeyOptions::default().master(MasterKey::make(&master(data)).unwrap());
    let payments = "fail-always".parse().unwrap();
    let settings = Settings { payments, retry: Some(retry), keys, ..Settings::default() };
    let shop = Shop::open(&format!("sqlite:{}", data.display()), settings).await.unwrap();
    let desk = Desk::new(shop.running().store().clone(), shipping::keep);
    let mut dead = Vec::new();
    for _ in 0..DEAD {
        let order = OrderId::of(uuid::Uuid::now_v7());
        desk.place(placing(order), Asked::default()).await.unwrap();
        dead.push(order.to_string());
    }
    let admin = shop.running().admin();
    let until = Instant::now() + PATIENCE;
    while admin.letters(Which::Dead, None).await.unwrap().len() < DEAD {
        assert!(Instant::now() < until, "they never die");
        tokio::time::sleep(LOOK).await;
    }
    drop((admin, desk));
    shop.stop().await;
    dead
}

fn placing(order: OrderId) -> Placing {
    let price = Money::parse("10.50", "EUR".parse().unwrap()).unwrap();
    let line = Line { product: "teapot".parse().unwrap(), quantity: 2.try_into().unwrap(), price };
    Placing {
        order,
        customer: "c-1".parse().unwrap(),
        lines: Lines::new(vec![line]).unwrap(),
        email: None,
        ship_to: Address::new("Lane 1", "Bonn", "53111", "DE").unwrap(),
        at: "2026-01-05T10:00:00Z".parse().unwrap(),
    }
}

/// Has clients place orders, and cancel some, until there are enough.
fn trade(program: &Program, acknowledged: &Arc<Acknowledged>, orders: usize) {
    let doors: Doors = Arc::new(Mutex::new(vec![program.address]));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (doors, stop, acknowledged) = (doors.clone(), stop.clone(), acknowledged.clone());
            thread::spawn(move || client(number, &doors, &stop, &acknowledged))
        })
        .collect();
    wait_until("there are orders enough", || acknowledged.all().len() >= orders);
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
}

/// Places an order under a key: the same one, however often, and wherever its store is.
fn place_once(program: &Program) -> String {
    let headers = [("Idempotency-Key", "the-one-and-only")];
    let answer = send(program.address, "POST", "/orders", &headers, &order("c-2").to_string()).unwrap();
    assert!([200, 201].contains(&answer.status), "{answer:?}");
    answer.json()["orderId"].as_str().unwrap().to_owned()
}

/// How many payments wait for another attempt.
fn parked(program: &Program) -> u64 {
    let metrics = program.get("/metrics").body;
    let waiting = metrics.lines().find_map(|line| line.strip_prefix(PARKED));
    waiting.and_then(|waiting| waiting.trim().parse().ok()).unwrap_or_default()
}

fn stop(program: Program) {
    let (status, _) = program.stop("INT");
    assert!(status.success(), "{status}");
}

/// Every order that anybody was told of comes to its end where the store is now, and a new one does.
fn goes_on(program: &Program, acknowledged: &Acknowledged, once: &str) {
    for id in acknowledged.all().keys() {
        wait_until("the read model is there", || program.get(&format!("/orders/{id}")).status == 200);
    }
    assert_eq!(place_once(program), once, "its key is known");
    acknowledged.add(program.place(), "c-1");
    all_have_ended(program, acknowledged, &mut BTreeSet::new());
}

#[test]
fn a_store_is_moved_to_a_server_and_back_however_often_the_copy_is_killed_and_the_shop_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, home) = (folder.path().join("shop/orders.db"), folder.path().join("shop/home.db"));
    let (file, server) = (format!("sqlite:{}", data.display()), fresh_url());
    let dead = tokio::runtime::Runtime::new().unwrap().block_on(dead_letters(&data));
    let acknowledged = Arc::new(Acknowledged::default());
    let program = Program::start(&data, &[]);
    let once = place_once(&program);
    acknowledged.add(once.clone(), "c-2");
    trade(&program, &acknowledged, ORDERS);
    // Parked when the shop is stopped, and others half done.
    let fails = json!({ "answer": "approve", "failAlways": true });
    assert_eq!(program.put("/simulation/payments", &fails).status, 200);
    for _ in 0..2 {
        acknowledged.add(program.place(), "c-1");
    }
    wait_until("something is parked", || parked(&program) > 0);
    stop(program);
    assert!(!Log::of(&file).records(RecordKind::PARKED).is_empty());

    moves(&data, &file, &server);
    let program = Program::start(&data, &["--store", &server]);
    goes_on(&program, &acknowledged, &once);
    let letters = Log::of(&server).records(RecordKind::DEAD).len();
    assert_eq!(letters, DEAD, "what was dead is dead here too");
    succeeds(&data, &["dlq", "requeue", "--all", "--store", &server]);
    for id in &dead {
        program.order_becomes(id, "stock-reserved");
        acknowledged.add(id.clone(), "c-1");
    }
    trade(&program, &acknowledged, acknowledged.all().len() + ORDERS / 3);
    stop(program);
    whole(&server);

    let back = format!("sqlite:{}", home.display());
    moves(&data, &server, &back);
    let program = Program::start(&home, &[]);
    goes_on(&program, &acknowledged, &once);
    stop(program);
    whole(&back);
    Log::of(&back).shows_each_effect_once_and_in_order();
}

//! A mail that a monolith sends in the request, moved to an event, back, and forward again: every order gets its mail
//! once, whatever the switch does meanwhile, and whatever ends the process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum_core::{
    ConsumerName, Context, Event, EventType, Failure, MigrationName, OpenGate, PartitionKey, Store, values,
};
use factum_runtime::state::{Path as Way, Stage};
use factum_runtime::{Admin, App, Migration, MigrationError, NewCall, OldCall, Ran, Running};
use serde_json::{Value, json};

use crate::kit::*;
use crate::place::{self, Place};

const NAME: MigrationName = MigrationName::constant("email-sync");
const MAILS: ConsumerName = ConsumerName::constant("mails");

/// A request of the monolith: an order that wants its confirmation.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Order {
    id: String,
    to: String,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct MailDue {
    order: String,
    to: String,
}

impl Event for MailDue {
    const TYPE: EventType = EventType::event("mail.due", 1, "mail", "mail.due");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

/// The provider: a file, a line for each mail that it was asked to send.
#[derive(Debug, Clone)]
struct Provider {
    file: PathBuf,
}

impl Provider {
    fn at(folder: &Path) -> Self {
        Self { file: folder.join("sent") }
    }

    fn send(&self, way: &str, key: &str, to: &str) {
        let line = format!("{key} {way} {to}\n");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.file).unwrap();
        // One write, so that two lines never mix.
        file.write_all(line.as_bytes()).unwrap();
    }

    /// Which ways each mail was asked for, by key.
    fn sent(&self) -> BTreeMap<String, Vec<String>> {
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in std::fs::read_to_string(&self.file).unwrap_or_default().lines() {
            let mut parts = line.split(' ');
            let (key, way) = (parts.next().unwrap(), parts.next().unwrap());
            sent.entry(key.to_owned()).or_default().push(way.to_owned());
        }
        sent
    }

    fn of(&self, order: &str) -> Vec<String> {
        self.sent().remove(&format!("email-sync/{order}")).unwrap_or_default()
    }
}

/// What both sides say that they do.
fn mail(order: &str, to: &str) -> Value {
    json!({ "to": to, "subject": format!("Your order {order}") })
}

struct SendsInTheRequest {
    provider: Provider,
    /// Whether the provider hangs, as one does before a process is given up.
    hangs: Arc<AtomicBool>,
}

impl OldCall<Order> for SendsInTheRequest {
    async fn call(&self, order: &Order, key: &str) -> Result<Value, Failure> {
        if order.to == "nobody" {
            return Err("no such address".into());
        }
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.provider.send("old", key, &order.to);
        Ok(mail(&order.id, &order.to))
    }
}

struct SendsFromTheEvent {
    provider: Provider,
    /// Writes another subject.
    is_wrong: bool,
}

impl NewCall<MailDue> for SendsFromTheEvent {
    async fn plan(&self, event: &MailDue) -> Result<Value, Failure> {
        let order = if self.is_wrong { "?" } else { &event.order };
        Ok(mail(order, &event.to))
    }

    async fn perform(&self, plan: &Value, key: &str, _: &mut Context<'_>) -> Result<(), Failure> {
        self.provider.send("new", key, plan["to"].as_str().unwrap_or_default());
        Ok(())
    }
}

struct Monolith {
    migration: Migration<Order>,
    store: Arc<dyn Store>,
    running: Running,
    hangs: Arc<AtomicBool>,
}

impl Monolith {
    async fn start(store: Arc<dyn Store>, provider: &Provider, is_wrong: bool) -> Self {
        let hangs = Arc::new(AtomicBool::new(false));
        let old = SendsInTheRequest { provider: provider.clone(), hangs: hangs.clone() };
        let due = |order: &Order| MailDue { order: order.id.clone(), to: order.to.clone() };
        let mut migration = Migration::new("email-sync", old, due).patience(Duration::from_millis(300));
        let new = SendsFromTheEvent { provider: provider.clone(), is_wrong };
        let consumer = migration.consumer(MAILS.as_str(), new).retry(quick());
        migration.recover(store.as_ref()).await.unwrap();
        let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
        Self { migration, store, running, hangs }
    }

    /// The request: the order's row and the decision about its mail are one unit.
    async fn place(&self, id: &str) -> Result<Ran, MigrationError> {
        let order = Order { id: id.to_owned(), to: format!("{id}@example.com") };
        let sql = "insert into placed (id) values ($1)";
        self.migration
            .run_with(self.store.as_ref(), id, &order, |work| work.execute(sql.into(), values![id]))
            .await
    }

    async fn place_all(&self, from: u32, to: u32) {
        for number in from..to {
            self.place(&format!("o{number}")).await.unwrap();
        }
        self.running.settled(SOON).await.unwrap();
    }

    fn admin(&self) -> Admin {
        self.running.admin().actor("ann")
    }
}

async fn orders(store: &dyn Store) {
    let mut work = store.begin().await.unwrap();
    work.execute("create table if not exists placed (id text primary key)".into(), vec![]);
    work.commit().await.into_result().unwrap();
}

async fn monolith(folder: &Path) -> (Monolith, Provider) {
    let (store, provider) = (fresh(), Provider::at(folder));
    orders(store.as_ref()).await;
    (Monolith::start(store, &provider, false).await, provider)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_from_the_request_to_an_event_and_back_and_forward_and_none_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    let admin = monolith.admin();
    let stages = [Stage::Off, Stage::Shadow, Stage::Canary(30), Stage::On];
    let mut placed = 0;
    for round in 0..2 {
        for (index, stage) in stages.into_iter().enumerate() {
            if index > 0 {
                let canary = matches!(stage, Stage::Canary(_)).then_some(30);
                let moved = admin.advance_migration(&NAME, canary, "on with it").await.unwrap();
                assert_eq!((moved.to, moved.by.as_str()), (stage, "ann"));
            }
            monolith.place_all(placed, placed + 20).await;
            let ways: Vec<Vec<String>> =
                (placed..placed + 20).map(|number| provider.of(&format!("o{number}"))).collect();
            let old = ways.iter().filter(|ways| **ways == ["old"]).count();
            let new = ways.iter().filter(|ways| **ways == ["new"]).count();
            assert_eq!(old + new, 20, "{stage}: each has one mail, {ways:?}");
            match stage {
                Stage::Off | Stage::Shadow => assert_eq!(new, 0, "{stage}"),
                Stage::Canary(_) => assert!(new > 0 && old > 0, "{stage}: {old} and {new}"),
                Stage::On | Stage::Retired => assert_eq!(old, 0, "{stage}"),
            }
            placed += 20;
        }
        if round == 0 {
            admin.rollback_migration(&NAME, None, "the template is wrong").await.unwrap();
        }
    }
    admin.advance_migration(&NAME, None, "a month without a letter").await.unwrap();
    monolith.place_all(placed, placed + 5).await;
    assert_eq!(provider.of(&format!("o{placed}")), ["new"]);

    let info = admin.migration(&NAME).await.unwrap();
    let stages: Vec<String> = info.state.history.iter().map(|moved| moved.to.to_string()).collect();
    assert_eq!(stages, ["shadow", "canary 30 %", "on", "off", "shadow", "canary 30 %", "on", "retired"]);
    assert_eq!((info.old_open, info.new_open, info.differing), (0, 0, 0));
    let audit = admin.audit().await.unwrap();
    let told: Vec<&str> = audit.iter().map(|entry| entry.detail.as_str()).collect();
    assert!(told.contains(&"on to off: the template is wrong"), "{told:?}");
    let error = admin.rollback_migration(&NAME, None, "").await.unwrap_err().to_string();
    assert!(error.contains("retired: the old call may be gone"), "{error}");
    monolith.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_keeps_its_way_while_the_canary_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    let admin = monolith.admin();
    admin.advance_migration(&NAME, None, "").await.unwrap();
    monolith.place_all(0, 3).await;
    admin.advance_migration(&NAME, Some(20), "").await.unwrap();
    let new_of = |thing: &str| {
        let order = Order { id: "key".into(), to: "a".into() };
        let (migration, store) = (monolith.migration.clone(), monolith.store.clone());
        let thing = thing.to_owned();
        async move { migration.run(store.as_ref(), &thing, &order).await.unwrap().path }
    };
    let first = new_of("first").await;
    assert_eq!(new_of("second").await, first, "the way is the key's");
    admin.advance_migration(&NAME, Some(60), "").await.unwrap();
    if first == Way::New {
        assert_eq!(new_of("third").await, Way::New);
    }
    let error = admin.advance_migration(&NAME, Some(40), "").await.unwrap_err().to_string();
    assert!(error.contains("60 percent of the keys are there already"), "{error}");
    monolith.running.settled(SOON).await.unwrap();
    assert!(provider.sent().values().all(|ways| ways.len() == 1));
    monolith.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn comparisons_that_differ_hold_the_next_stage_back_until_a_shadow_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let (store, provider) = (fresh(), Provider::at(folder.path()));
    orders(store.as_ref()).await;
    let wrong = Monolith::start(store.clone(), &provider, true).await;
    let admin = wrong.admin();
    admin.advance_migration(&NAME, None, "").await.unwrap();
    let error = admin.advance_migration(&NAME, None, "").await.unwrap_err().to_string();
    assert!(error.contains("nothing has been compared"), "{error}");
    wrong.place_all(0, 2).await;
    let error = admin.advance_migration(&NAME, None, "").await.unwrap_err().to_string();
    assert!(error.contains("may not go to canary 10 %: 2 things came out differently"), "{error}");
    let differences = admin.differences(&NAME, 10).await.unwrap();
    assert_eq!(differences[0].thing, "o0");
    assert_eq!(
        (&differences[0].old["subject"], &differences[0].new["subject"]),
        (&json!("Your order o0"), &json!("Your order ?"))
    );
    assert_eq!(provider.of("o0"), ["old"], "the new side has only spoken");
    wrong.running.stop().await;

    let right = Monolith::start(store, &provider, false).await;
    let admin = right.admin();
    admin.rollback_migration(&NAME, None, "the subject lacks the order").await.unwrap();
    admin.advance_migration(&NAME, None, "mended").await.unwrap();
    right.place_all(2, 4).await;
    let moved = admin.advance_migration(&NAME, None, "").await.unwrap();
    assert_eq!((moved.equal, moved.differing), (2, 0));
    right.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_again_a_thing_is_done_once_whatever_the_switch_says_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    let admin = monolith.admin();
    let first = monolith.place("o1").await.unwrap();
    assert_eq!((first.path, first.is_repeated), (Way::Old, false));
    assert_eq!(first.answer, Some(mail("o1", "o1@example.com")));
    for _ in 0..3 {
        admin.advance_migration(&NAME, None, "").await.unwrap();
        let again = monolith.place("o1").await.unwrap();
        assert_eq!((again.path, again.is_repeated), (Way::Old, true));
        // A shadow needs something to compare.
        monolith.place_all(10, 12).await;
    }
    assert_eq!(provider.of("o1"), ["old"]);
    monolith.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_is_made_again_by_whoever_asks_next() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    let store = monolith.store.as_ref();
    let refused = Order { id: "o1".into(), to: "nobody".into() };
    for _ in 0..2 {
        let error = monolith.migration.run(store, "o1", &refused).await.unwrap_err();
        assert!(
            matches!(&error, MigrationError::Call(failure) if failure.to_string() == "no such address"),
            "{error}"
        );
    }
    assert_eq!(monolith.admin().migration(&NAME).await.unwrap().old_open, 1);
    assert_eq!(provider.sent().len(), 0);
    monolith.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cut_off_is_finished_on_the_way_that_was_decided() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    monolith.hangs.store(true, Ordering::SeqCst);
    let cut_off = tokio::time::timeout(Duration::from_millis(100), monolith.place("o1")).await;
    assert!(cut_off.is_err(), "the request was given up in the middle of the call");
    monolith.hangs.store(false, Ordering::SeqCst);
    let under_way = monolith.place("o1").await;
    assert!(matches!(under_way, Err(MigrationError::UnderWay { .. })), "{under_way:?}");
    // The switch moves on meanwhile; the thing stays on its way.
    let admin = monolith.admin();
    admin.advance_migration(&NAME, None, "").await.unwrap();
    until("the call is finished", async || {
        monolith.migration.recover(monolith.store.as_ref()).await.unwrap() == 1
    })
    .await;
    assert_eq!(provider.of("o1"), ["old"]);
    let again = monolith.place("o1").await.unwrap();
    assert_eq!((again.path, again.is_repeated), (Way::Old, true));
    assert_eq!(admin.migration(&NAME).await.unwrap().old_open, 0);
    monolith.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_told_again_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (monolith, provider) = monolith(folder.path()).await;
    let admin = monolith.admin();
    for canary in [None, Some(99)] {
        admin.advance_migration(&NAME, canary, "").await.unwrap();
        monolith.place_all(0, 3).await;
    }
    admin.advance_migration(&NAME, None, "").await.unwrap();
    monolith.place_all(10, 13).await;
    assert_eq!(provider.of("o10"), ["new"]);
    admin.reset(&MAILS, factum_core::Position::START, true).await.unwrap();
    monolith.running.settled(SOON).await.unwrap();
    until("the reset is through", async || admin.consumer(&MAILS).await.unwrap().lag == 0).await;
    assert!(provider.sent().values().all(|ways| ways.len() == 1), "{:?}", provider.sent());
    monolith.running.stop().await;
}

const FOLDER: &str = "FACTUM_TEST_MONOLITH";
const STORE: &str = "FACTUM_TEST_MONOLITH_STORE";
/// Kills in the test below; each at another moment.
const KILLS: u32 = 12;

fn open(url: &str) -> Arc<dyn Store> {
    place::open(url, Arc::new(OpenGate))
}

/// Does nothing unless another test has started it as a process of its own: places orders until it is killed, those
/// first that the process before was asked for and never answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_monolith_that_takes_orders() {
    let (Ok(folder), Ok(url)) = (std::env::var(FOLDER), std::env::var(STORE)) else { return };
    let folder = PathBuf::from(folder);
    let monolith = Monolith::start(open(&url), &Provider::at(&folder), false).await;
    let answered = folder.join("answered");
    let done = std::fs::read_to_string(&answered).unwrap_or_default().lines().count() as u32;
    for number in done.. {
        let id = format!("o{number}");
        while let Err(error) = monolith.place(&id).await {
            // Customers ask again.
            assert!(matches!(error, MigrationError::UnderWay { .. }), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&answered).unwrap();
        file.write_all(format!("{id}\n").as_bytes()).unwrap();
    }
}

fn start_child(folder: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["migration::a_monolith_that_takes_orders", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(STORE, url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn answered(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("answered")).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_any_stage_every_order_gets_its_mail_and_on_one_way() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let place = Place::new();
    let store = open(&place.url());
    orders(store.as_ref()).await;
    let admin = Admin::new(store.clone());
    let mut moves = [Some(Stage::Shadow), Some(Stage::Canary(50)), Some(Stage::On), None].into_iter().cycle();
    for kill in 0..KILLS {
        let before = answered(folder);
        let mut child = start_child(folder, &place.url());
        until("the monolith takes orders", async || answered(folder) > before + 3).await;
        // The switch moves under load: forward when nothing speaks against it, and back.
        if kill % 2 == 1 {
            let to = moves.next().unwrap();
            until("the switch moves", async || match to {
                Some(Stage::Canary(percent)) => {
                    admin.advance_migration(&NAME, Some(percent), "").await.is_ok()
                }
                Some(_) => admin.advance_migration(&NAME, None, "").await.is_ok(),
                None => admin.rollback_migration(&NAME, None, "").await.is_ok(),
            })
            .await;
        }
        let at = answered(folder) + 2 + (kill as usize * 7) % 5;
        until("a few more orders", async || answered(folder) >= at).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let provider = Provider::at(folder);
    let monolith = Monolith::start(store.clone(), &provider, false).await;
    until("every call that was cut off is finished", async || {
        monolith.migration.recover(store.as_ref()).await.unwrap();
        admin.migration(&NAME).await.unwrap().old_open == 0
    })
    .await;
    monolith.running.settled(SOON).await.unwrap();
    let info = admin.migration(&NAME).await.unwrap();
    assert_eq!((info.old_open, info.new_open, info.waiting, info.differing), (0, 0, 0, 0));
    assert!(info.state.history.len() > 3, "{:?}", info.state.history);

    let rows = store.query("select id from placed", &[]).await.unwrap();
    let sent = provider.sent();
    let mut repeated = 0;
    for row in rows.iter() {
        let id: String = row.get("id").unwrap();
        let ways = sent.get(&format!("email-sync/{id}")).unwrap_or_else(|| panic!("{id} has no mail"));
        assert!(ways.iter().all(|way| way == &ways[0]), "{id} went both ways: {ways:?}");
        repeated += ways.len() - 1;
    }
    assert_eq!(sent.len(), rows.len(), "no mail without an order");
    // Asked for again under the same key where a kill came between the mail and the note of it: never otherwise.
    let under_way = 1 + 8;
    assert!(repeated <= KILLS as usize * under_way, "{repeated} repeats in {KILLS} kills");
    monolith.running.stop().await;
}

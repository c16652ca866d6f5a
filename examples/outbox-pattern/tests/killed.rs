//! The shop is killed, again and again, between commit and publish and anywhere else: what was committed is published,
//! nothing else is, and each order has one letter.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use factum::broker::{MemoryBroker, MemoryOptions};
use factum::{
    App, Broker, BrokerError, Consumer, ConsumerName, Deliveries, Envelope, Event, Guarantees, PublishError,
    Relay, Source, StartAt, Store, Topic,
};

use outbox_pattern::contracts::{CATALOG, OrderPlaced};
use outbox_pattern::mailer;
use outbox_pattern::shop::{End, Shop};

/// Names the folder and the round to the program that is to be killed.
const FOLDER: &str = "OUTBOX_PATTERN_FOLDER";
const SOON: Duration = Duration::from_secs(60);

/// Short unless the long form is asked for.
fn rounds() -> u64 {
    if std::env::var_os("FACTUM_LONG").is_some() { 60 } else { 6 }
}

/// A broker that outlives the shop: a file, a line for each event that it was given.
struct Spool(PathBuf);

#[async_trait]
impl Broker for Spool {
    fn guarantees(&self) -> Guarantees {
        MemoryBroker::new(MemoryOptions::default()).guarantees()
    }

    async fn publish(&self, _: &Topic, batch: &[Envelope]) -> Result<(), PublishError> {
        let lines: String = batch
            .iter()
            .map(|event| format!("{}\t{}\t{}\n", event.id, event.key, String::from_utf8_lossy(&event.data)))
            .collect();
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        file.sync_data().unwrap();
        Ok(())
    }

    async fn subscribe(
        &self,
        _: &Topic,
        _: &ConsumerName,
        _: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        Err(BrokerError { message: "nobody reads a spool".to_owned(), is_transient: false })
    }
}

async fn serve(folder: &Path) -> (Shop, factum::Running) {
    let shop = Shop::open(&folder.join("shop.db")).unwrap();
    let relay = Relay::to(Arc::new(Spool(folder.join("spool")))).topics(["order.placed"]);
    let running = App::new(shop.store.clone()).service("shop").relay(relay).start().await.unwrap();
    (shop, running)
}

/// The shop: takes orders until it is killed. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_shop_itself() {
    let Ok(named) = std::env::var(FOLDER) else { return };
    let (folder, round) = named.rsplit_once('#').unwrap();
    let (mut shop, _running) = serve(Path::new(folder)).await;
    for number in 0.. {
        let end = if number % 5 == 4 { End::Rollback } else { End::Commit };
        tokio::task::block_in_place(|| shop.place(&format!("{round}-{number}"), "teapot", end)).unwrap();
        println!("placed");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

fn run_and_kill(folder: &Path, round: u64) {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_shop_itself", "--nocapture"])
        .env(FOLDER, format!("{}#{round}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // A few orders later each time, and some moment after the last of them: its event may be out, or not.
    let placed = lines.filter(|line| line.contains("placed")).take(1 + (round * 7 % 12) as usize).count();
    assert!(placed > 0, "the shop of round {round} took no order");
    std::thread::sleep(Duration::from_micros(round * 2_713 % 9_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_published_and_each_order_has_one_letter_however_often_the_shop_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..rounds() {
        run_and_kill(folder.path(), round);
    }
    let (shop, running) = serve(folder.path()).await;
    let rows = shop.store.query("select id from orders", &[]).await.unwrap();
    let committed: BTreeSet<String> = rows.iter().map(|row| row.get("id").unwrap()).collect();
    let read = || std::fs::read_to_string(folder.path().join("spool")).unwrap_or_default();
    let published =
        |spool: &str| spool.lines().filter_map(|line| Some(line.split('\t').nth(1)?.to_owned())).collect();
    let began = Instant::now();
    while began.elapsed() < SOON {
        let found: BTreeSet<String> = published(&read());
        if found.is_superset(&committed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    assert_eq!(published(&read()), committed, "all that was committed is out, and nothing that was not");

    // What the broker has, repeated events included, comes to the mailer.
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let mails: Arc<dyn Store> = factum::open("memory:", CATALOG).await.unwrap();
    mailer::prepare(mails.as_ref()).await.unwrap();
    let confirm = Consumer::new("mailer.confirm").on::<OrderPlaced>(mailer::Confirm);
    let source = Source::topics_of_events(broker.clone());
    let mailing = App::new(mails.clone()).service("mailer").consumer_from(source, confirm);
    let mailing = mailing.start().await.unwrap();
    let spool = read();
    // The last one twice in any case.
    for line in spool.lines().chain(spool.lines().last()) {
        let [id, key, data] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let envelope = Envelope::raw(OrderPlaced::TYPE, key.parse().unwrap(), data.to_owned().into());
        let event = Envelope { id: id.parse().unwrap(), ..envelope };
        broker.publish(&OrderPlaced::TYPE.topic, &[event]).await.unwrap();
    }
    let began = Instant::now();
    while mailer::letters(mails.as_ref()).await.unwrap().len() < committed.len() && began.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    mailing.stop().await;
    let letters = mailer::letters(mails.as_ref()).await.unwrap();
    assert_eq!(letters.len(), committed.len(), "one letter each: {letters:?}");
    assert_eq!(letters.into_iter().collect::<BTreeSet<_>>(), committed);
}

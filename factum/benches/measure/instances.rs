//! Instances of one consumer on one PostgreSQL database, beside as many bare connections: how far more of them help.
//!
//! A backlog waits behind a gate until the instances have shared the slots among them, so that a round measures what
//! they handle together, and not how they come to their shares.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use factum::observe::ConsumerMetrics;
use factum::state::{SlotState, read};
use factum::store::postgres::{Options, PostgresStore};
use factum::{
    App, Consumer, Context, Failure, Handler, RecordKind, RecordQuery, Running, SLOTS, StartAt, Store, values,
};
use factum_conformance::postgres::{PostgresServer, psql};
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::kit::{Kit, Pair, Spec, Target, per_second};
use crate::scene::{Stepped, fill, key_of_each_slot, run_sql};

/// Instances of each row.
const INSTANCES: [usize; 3] = [1, 2, 4];
const LANES: usize = 8;
/// Each lane has a connection: of these, four write, watch and listen, and a third of the rest reads.
const CONNECTIONS: usize = 16;
/// What a round handles, on either side.
const EVENTS: usize = 64 * 150;
/// How often it is looked whether the backlog is handled: rare beside what that takes.
const LOOK: Duration = Duration::from_millis(1);
/// How often it is looked whether slots are shared.
const LOOK_SHARED: Duration = Duration::from_millis(50);

/// Room for what is measured, and no checkpoint in the middle of a round; durable in every respect.
const SETTINGS: &str = "-c shared_buffers=1GB -c max_wal_size=8GB -c checkpoint_timeout=30min \
                        -c autovacuum_naptime=60s";

const TABLE: &str =
    "create table total (thing text primary key, steps bigint not null, last bigint not null)";
const UPSERT: &str = "insert into total (thing, steps, last) values ($1, 1, $2)
    on conflict (thing) do update set steps = total.steps + 1, last = excluded.last";

/// The twin's tables have room for new versions of a row beside the old ones, as the store's have.
const RAW_TABLE: &str = "create table raw_total
    (thing text primary key, steps bigint not null, last bigint not null) with (fillfactor = 50)";
const RAW_UPSERT: &str = "insert into raw_total (thing, steps, last) values ($1, 1, $2)
    on conflict (thing) do update set steps = raw_total.steps + 1, last = excluded.last";
const RAW_CHECKPOINTS: &str = "create table raw_checkpoint
    (slot bigint primary key, position bigint not null) with (fillfactor = 50)";
const RAW_SLOTS: &str = "insert into raw_checkpoint select slot, 0 from generate_series(0, 63) slot";
const RAW_CHECKPOINT: &str = "update raw_checkpoint set position = $1 where slot = $2";

/// Writes one row an event, once the gate is open.
struct Totals {
    opened: watch::Receiver<bool>,
}

impl Handler<Stepped> for Totals {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        // It fails when the round is over, and then there is nothing to wait for.
        let _ = self.opened.clone().wait_for(|is_open| *is_open).await;
        cx.execute(UPSERT, values![event.thing.as_str(), event.step]);
        Ok(())
    }
}

struct Bench {
    keys: Vec<String>,
    /// One for each instance.
    stores: Vec<Arc<dyn Store>>,
    connections: Vec<PgConnection>,
    server: PostgresServer,
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    let mut bench = Bench::start(runtime);
    let names = [
        "consumer with one SQL effect, batch 1, 1 instance of 8 lanes",
        "the same, 2 instances of 8 lanes",
        "the same, 4 instances of 8 lanes",
    ];
    let specs = names.map(|name| Spec {
        name,
        unit: "events/s",
        beside: "as many connections",
        target: Target::Stated,
    });
    let server = format!("PostgreSQL {}, durable", psql(&bench.server.url(), "show server_version"));
    let mut round = 0;
    kit.measure(specs, |_| {
        round += 1;
        let mut first = None;
        INSTANCES.map(|instances| {
            psql(&bench.server.url(), "checkpoint");
            let raw = per_second(EVENTS, runtime.block_on(bench.commits(instances * LANES)));
            let name = format!("round.r{round}i{instances}");
            let ours = per_second(EVENTS, runtime.block_on(bench.handles(&name, instances)));
            let Some((first_ours, first_raw)) = first else {
                first = Some((ours, raw));
                return Pair::new(ours, raw).note(server.clone());
            };
            let (more, raw_more) = (ours / first_ours, raw / first_raw);
            let note = format!("{more:.2} times one instance; {raw_more:.2} times 8 connections");
            Pair::new(ours, raw).note(note)
        })
    });
}

impl Bench {
    fn start(runtime: &Runtime) -> Self {
        let server = PostgresServer::start_with(SETTINGS).expect("a server");
        let url = server.fresh_url();
        let open = |_| {
            let options = Options { connections: CONNECTIONS, ..Options::default() };
            Arc::new(PostgresStore::open(&url, options).expect("the store opens")) as Arc<dyn Store>
        };
        let most = INSTANCES[INSTANCES.len() - 1];
        let stores: Vec<_> = (0..most).map(open).collect();
        let connections = runtime.block_on(async {
            for sql in [TABLE, RAW_TABLE, RAW_CHECKPOINTS, RAW_SLOTS] {
                run_sql(stores[0].as_ref(), sql).await;
            }
            let mut connections = Vec::new();
            for _ in 0..most * LANES {
                connections.push(PgConnection::connect(&bare(&url)).await.expect("a bare connection"));
            }
            connections
        });
        Self { keys: key_of_each_slot(), stores, connections, server }
    }

    /// Has instances of a new consumer handle a backlog; answers how long that takes them.
    async fn handles(&self, name: &str, instances: usize) -> Duration {
        let (gate, opened) = watch::channel(false);
        let mut all: Vec<Running> = Vec::new();
        for store in &self.stores[..instances] {
            let totals = Totals { opened: opened.clone() };
            let consumer = Consumer::new(name).on::<Stepped>(totals).lanes(LANES).start_at(StartAt::New);
            all.push(App::new(store.clone()).consumer(consumer).start().await.expect("the app starts"));
        }
        let store = self.stores[0].as_ref();
        while !is_shared(store, name, instances).await {
            tokio::time::sleep(LOOK_SHARED).await;
        }
        fill(store, &self.keys, EVENTS).await;
        let mut metrics = Vec::new();
        for running in &all {
            metrics.extend(running.figures().await.expect("figures").into_iter().map(|one| one.metrics));
        }
        let handled = |one: &Arc<ConsumerMetrics>| one.handled.load(Ordering::Relaxed) as usize;
        let began = Instant::now();
        gate.send(true).expect("the instances wait for it");
        while metrics.iter().map(handled).sum::<usize>() < EVENTS {
            tokio::time::sleep(LOOK).await;
        }
        let took = began.elapsed();
        for running in all {
            running.stop().await;
        }
        took
    }

    /// The same by hand: each connection commits one effect and one checkpoint after the other.
    async fn commits(&mut self, connections: usize) -> Duration {
        let each = EVENTS / connections;
        let work: Vec<PgConnection> = self.connections.drain(..connections).collect();
        let began = Instant::now();
        let tasks = work.into_iter().enumerate().map(|(number, mut connection)| {
            let own: Vec<(usize, String)> =
                self.keys.iter().cloned().enumerate().skip(number).step_by(connections).collect();
            tokio::spawn(async move {
                for step in 0..each {
                    let (slot, key) = &own[step % own.len()];
                    commit(&mut connection, *slot, key, step).await.expect("commits");
                }
                connection
            })
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            self.connections.push(task.await.expect("a connection ends"));
        }
        began.elapsed()
    }
}

async fn commit(connection: &mut PgConnection, slot: usize, key: &str, step: usize) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query(RAW_UPSERT).bind(key).bind(step as i64).execute(&mut *tx).await?;
    sqlx::query(RAW_CHECKPOINT).bind(step as i64).bind(slot as i64).execute(&mut *tx).await?;
    tx.commit().await
}

/// Whether so many instances hold the consumer's slots, each as many as the others.
async fn is_shared(store: &dyn Store, name: &str, instances: usize) -> bool {
    let query = RecordQuery { limit: usize::from(SLOTS), ..RecordQuery::group(name) };
    let records = store.find(RecordKind::SLOT, &query).await.expect("slots");
    let mut held = std::collections::HashMap::new();
    for record in &records {
        if let Some(owner) = read::<SlotState>(record).expect("a slot").owner {
            *held.entry(owner).or_insert(0) += 1;
        }
    }
    held.len() == instances && held.values().all(|slots| *slots == usize::from(SLOTS) / instances)
}

/// A store's URL without what only stores know.
fn bare(url: &str) -> String {
    let (server, words) = url.split_once('?').expect("a URL with a schema");
    let words: Vec<&str> = words.split('&').filter(|word| !word.starts_with("schema=")).collect();
    format!("{server}?{}", words.join("&"))
}

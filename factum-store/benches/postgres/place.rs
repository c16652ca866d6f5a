//! What all parts share: the server, stores in schemas of their own, bare connections, and events ready to be written.

use std::time::{Duration, Instant};

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::envelope::Meta;
use factum_core::{Envelope, EventType, StreamId, Version, hash64};
use factum_store::postgres::{Options, PostgresStore};
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::runtime::Runtime;

pub(crate) const PAYLOAD_BYTES: usize = 256;

pub(crate) const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

const EVENTS_OF_ORDER: usize = 10;

/// Room for what is measured, and no checkpoint in the middle of a round; durable in every respect.
const SETTINGS: &str = "-c shared_buffers=1GB -c max_wal_size=8GB -c checkpoint_timeout=30min \
                        -c autovacuum_naptime=60s";

pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    server: PostgresServer,
}

/// A schema with a store's tables in it.
pub(crate) struct Place {
    pub(crate) url: String,
}

impl Bench {
    pub(crate) fn start() -> Self {
        let server = PostgresServer::start_with(SETTINGS).expect("a server");
        let runtime = Runtime::new().expect("a runtime starts");
        Self { runtime, server }
    }

    /// Tables that nobody has used.
    pub(crate) fn place(&self) -> Place {
        let place = Place { url: self.server.fresh_url() };
        drop(place.open());
        place
    }

    /// Writes what has been written back, so that a round does not begin with another one's work.
    pub(crate) fn settle(&self) {
        psql(&self.server.url(), "checkpoint");
    }

    pub(crate) fn settings(&self) -> String {
        let show = "select string_agg(name || ' ' || current_setting(name), ', ' order by name) from unnest(array[\
                    'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', \
                    'wal_sync_method', 'autovacuum']) as s(name)";
        let version = psql(&self.server.url(), "show server_version");
        let settings = psql(&self.server.url(), show);
        format!(
            "PostgreSQL {version}, {settings}; TCP on one machine, payloads of {PAYLOAD_BYTES} bytes, release build"
        )
    }
}

impl Place {
    /// On threads of the store's own.
    pub(crate) fn open(&self) -> PostgresStore {
        self.open_with(Options::default())
    }

    /// On the executor of the bench, where its twins run.
    pub(crate) fn open_here(&self, bench: &Bench) -> PostgresStore {
        let executor = Some(bench.runtime.handle().clone());
        self.open_with(Options { executor, ..Options::default() })
    }

    pub(crate) fn open_with(&self, options: Options) -> PostgresStore {
        PostgresStore::open(&self.url, options).expect("the store opens")
    }

    fn schema(&self) -> &str {
        let (_, schema) = self.url.split_once("schema=").expect("a schema");
        schema.split('&').next().expect("a name")
    }

    /// A statement in which `factum.` stands for the schema.
    pub(crate) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("factum.", &format!("{}.", self.schema())))
    }

    /// What the server answers.
    pub(crate) fn psql(&self, text: &str) -> String {
        psql(&self.url, &text.replace("factum.", &format!("{}.", self.schema())))
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        let url = self.url.replace(&format!("schema={}&", self.schema()), "");
        PgConnection::connect(&url).await.expect("a bare connection")
    }

    /// Connections that insert one row a commit.
    pub(crate) fn bare(&self, bench: &Bench, count: usize) -> Vec<Bare> {
        let text =
            "insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
                    values (nextval('factum.position'), $1, $2, $3, $4, 1, $5, $6, $7)";
        let sql = self.sql(text).0;
        bench.runtime.block_on(async {
            let mut all = Vec::new();
            for _ in 0..count {
                let mut connection = self.connect().await;
                let next = self.sql("insert into factum.stream (name, version) values (gen_random_uuid()::text, 0) returning id");
                let stream = sqlx::query(next).fetch_one(&mut connection).await.expect("a stream").get(0);
                all.push(Bare { connection, sql: sql.clone(), stream, version: 0 });
            }
            all
        })
    }
}

/// A bare client: one prepared insert a commit.
pub(crate) struct Bare {
    connection: PgConnection,
    sql: String,
    stream: i64,
    version: i64,
}

impl Bare {
    async fn insert(&mut self, ready: &Ready) {
        self.version += 1;
        let insert = sqlx::query(AssertSqlSafe(self.sql.clone()))
            .bind(self.stream)
            .bind(self.version)
            .bind(ready.time)
            .bind(ready.sum)
            .bind(ready.id)
            .bind(&*ready.meta)
            .bind(&*ready.data);
        insert.execute(&mut self.connection).await.expect("inserts");
    }
}

/// How long bare clients take, each inserting so many rows one by one.
pub(crate) fn bare_inserts(bench: &Bench, clients: &mut Vec<Bare>, each: usize) -> Duration {
    let work: Vec<_> = clients.drain(..).map(|client| (client, ready(each))).collect();
    bench.runtime.block_on(async {
        let began = Instant::now();
        let tasks: Vec<_> = work
            .into_iter()
            .map(|(mut client, batch)| {
                tokio::spawn(async move {
                    for one in &batch {
                        client.insert(one).await;
                    }
                    client
                })
            })
            .collect();
        for task in tasks {
            clients.push(task.await.expect("a client ends"));
        }
        began.elapsed()
    })
}

/// What a bare twin inserts: ready-made bytes.
pub(crate) struct Ready {
    pub(crate) id: Uuid,
    pub(crate) time: i64,
    pub(crate) sum: i64,
    pub(crate) meta: Vec<u8>,
    pub(crate) data: bytes::Bytes,
}

pub(crate) fn ready(count: usize) -> Vec<Ready> {
    let make = |event: Envelope| Ready {
        id: Uuid::from_bytes(*event.id.as_bytes()),
        time: event.time.as_micros(),
        sum: hash64(&event.data).cast_signed(),
        meta: Meta::encode(&event),
        data: event.data,
    };
    events(count).into_iter().map(make).collect()
}

pub(crate) fn event() -> Envelope {
    Envelope::raw(PLACED, "42".parse().expect("a key"), vec![b'x'; PAYLOAD_BYTES].into())
}

pub(crate) fn events(count: usize) -> Vec<Envelope> {
    (0..count).map(|_| event()).collect()
}

pub(crate) fn stream(name: &str) -> StreamId {
    name.parse().expect("a stream")
}

/// Where a caller's event goes: an order has some ten events, and there are ever new orders.
pub(crate) fn place_of(
    category: &str,
    caller: usize,
    index: usize,
    events: &[Envelope],
) -> (StreamId, Version) {
    let first = &events[index - index % EVENTS_OF_ORDER];
    let version = Version::at((index % EVENTS_OF_ORDER) as u64);
    (stream(&format!("{category}-{}-{caller}", first.id)), version)
}

/// Random numbers that are the same each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

//! The SQLite store beside bare rusqlite on the same schema, in turn, in the same run.
//!
//! `cargo bench -p factum-store`, or parts by name: `-- single many answers bulk catch-up growth --long --json`.
//! What the rows mean, and how rounds are kept comparable, is in `docs/benchmarks.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use factum_core::envelope::Meta;
use factum_core::{Envelope, EventType, Expected, Position, Query, Store, StreamId, Version, hash64};
use factum_store::sqlite::{Options, SqliteStore};
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Runtime;

#[path = "../../factum/benches/measure/kit.rs"]
#[expect(dead_code, reason = "the kit serves the runtime's rows too")]
mod kit;

use kit::{Kit, Pair, Spec, Target, millis, per_second, quantile};

const SINGLES: usize = 1_500;
const TASKS: usize = 64;
const TASK_APPENDS: usize = 150;
/// Tasks whose answers are timed, and what each appends.
const ASKERS: usize = 16;
const ASKS: usize = 400;
const EVENTS_OF_ORDER: usize = 10;
const BATCH: usize = 1_000;
const BATCHES: usize = 100;
const LOG: usize = 1_000_000;
const SMALL_LOG: usize = 100_000;
const LARGE_LOG: usize = 1_000_000;
const LARGE_LOG_LONG: usize = 10_000_000;
const PAYLOAD_BYTES: usize = 256;

const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

type Part = (&'static str, fn(&mut Kit, &Runtime));

const PARTS: [Part; 6] = [
    ("single", single),
    ("many", many),
    ("answers", answers),
    ("bulk", bulk),
    ("catch-up", catch_up),
    ("growth", growth),
];

fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let runtime = Runtime::new().expect("a runtime starts");
    let mut kit = Kit::from_arguments(Path::new(env!("CARGO_TARGET_TMPDIR")));
    for (name, measure) in PARTS {
        if kit.wants(name) {
            measure(&mut kit, &runtime);
        }
    }
    let sqlite = rusqlite::version();
    kit.finish(&format!(
        "SQLite {sqlite}, WAL, synchronous FULL, pages of 8 KiB, payloads of {PAYLOAD_BYTES} bytes, release build"
    ));
}

fn store(place: &Path) -> SqliteStore {
    SqliteStore::open(place.to_str().expect("a plain path"), Options::default()).expect("the store opens")
}

/// A store's file, opened with bare rusqlite and the store's settings.
fn raw(place: &Path) -> Connection {
    drop(store(place));
    let raw = Connection::open(place).expect("the file opens");
    raw.execute_batch("pragma synchronous = full; pragma wal_autocheckpoint = 4000").expect("settings");
    raw.set_prepared_statement_cache_capacity(64);
    let placed = PLACED;
    let name = [placed.name.as_str(), "1", "event", placed.category.as_str(), placed.topic.as_str()];
    raw.execute("insert into factum_type (name, version, kind, category, topic) values (?,?,?,?,?)", name)
        .expect("a type");
    raw.execute("insert into factum_stream (name, version) values ('order-1', 0)", []).expect("a stream");
    raw
}

fn event() -> Envelope {
    Envelope::raw(PLACED, "42".parse().expect("a key"), vec![b'x'; PAYLOAD_BYTES].into())
}

fn events(count: usize) -> Vec<Envelope> {
    (0..count).map(|_| event()).collect()
}

/// What the bare twin inserts: ready-made bytes.
struct Ready {
    id: [u8; 16],
    meta: Vec<u8>,
    data: bytes::Bytes,
    sum: i64,
}

fn ready(count: usize) -> Vec<Ready> {
    let make = |event: Envelope| Ready {
        id: *event.id.as_bytes(),
        meta: Meta::encode(&event),
        sum: hash64(&event.data).cast_signed(),
        data: event.data,
    };
    events(count).into_iter().map(make).collect()
}

fn insert(raw: &mut Connection, position: &mut i64, batch: &[Ready]) {
    let tx = raw.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
    {
        let version = *position + batch.len() as i64;
        let mut moves =
            tx.prepare_cached("update factum_stream set version = ?2 where id = ?1").expect("sql");
        moves.execute([1, version]).expect("moves");
        let mut insert = tx
            .prepare_cached(
                "insert into factum_event (position, stream_id, version, type_id, time, sum, id, meta, data)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .expect("sql");
        for one in batch {
            *position += 1;
            let at = *position;
            insert
                .execute((at, 1, at, 1, at, one.sum, &one.id[..], &one.meta[..], &one.data[..]))
                .expect("inserts");
        }
    }
    tx.commit().expect("commits");
}

fn stream(name: &str) -> StreamId {
    name.parse().expect("a stream")
}

/// Events a second of the twin, one commit each.
fn raw_singles(raw: &mut Connection, position: &mut i64) -> f64 {
    let batch = ready(SINGLES);
    let began = Instant::now();
    batch.iter().for_each(|one| insert(raw, position, std::slice::from_ref(one)));
    per_second(SINGLES, began.elapsed())
}

fn single(kit: &mut Kit, runtime: &Runtime) {
    let (store, mut raw) = (store(&kit.path("single.db")), raw(&kit.path("single-raw.db")));
    let mut position = 0;
    let spec = Spec {
        name: "append, 1 writer, 1 event each",
        unit: "events/s",
        beside: "raw",
        target: Target::AtLeast(0.9),
    };
    kit.measure([spec], |_| {
        let bare = raw_singles(&mut raw, &mut position);
        let batch = events(SINGLES);
        let began = Instant::now();
        runtime.block_on(async {
            for one in &batch {
                let appended =
                    store.append(&stream("order-1"), Expected::Any, std::slice::from_ref(one)).await;
                appended.expect("appends");
            }
        });
        [Pair::new(per_second(SINGLES, began.elapsed()), bare)]
    });
}

fn many(kit: &mut Kit, runtime: &Runtime) {
    let (store, mut raw) = (Arc::new(store(&kit.path("many.db"))), raw(&kit.path("many-raw.db")));
    let mut position = 0;
    let spec = Spec {
        name: "append, 64 waiting tasks, 1 event each at an expected version",
        unit: "events/s",
        beside: "raw",
        target: Target::AtLeast(8.0),
    };
    kit.measure([spec], |_| {
        let bare = raw_singles(&mut raw, &mut position);
        let before = store.stats();
        let task = |number: usize| {
            let (store, batch) = (Arc::clone(&store), events(TASK_APPENDS));
            async move {
                for (index, one) in batch.iter().enumerate() {
                    let (to, expected) = place_of(number, index, &batch);
                    store.append(&to, expected, std::slice::from_ref(one)).await.expect("appends");
                }
            }
        };
        let began = Instant::now();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(number))).collect();
            for task in tasks {
                task.await.expect("a task ends");
            }
        });
        let own = per_second(TASKS * TASK_APPENDS, began.elapsed());
        let after = store.stats();
        let shared = (after.events - before.events) as f64 / (after.commits - before.commits) as f64;
        [Pair::new(own, bare).note(format!("{shared:.1} events a sync"))]
    });
}

/// Where a task's event goes: an order has some ten events, and there are ever new orders.
fn place_of(task: usize, index: usize, events: &[Envelope]) -> (StreamId, Expected) {
    let first = &events[index - index % EVENTS_OF_ORDER];
    let version = Version::at((index % EVENTS_OF_ORDER) as u64);
    (stream(&format!("order-{}-{task}", first.id)), Expected::At(version))
}

/// How long 16 waiting tasks wait for their answers, in syncs.
fn answers(kit: &mut Kit, runtime: &Runtime) {
    let store = Arc::new(store(&kit.path("answers.db")));
    let spec = |name, beside, most| Spec { name, unit: "ms", beside, target: Target::AtMost(most) };
    let specs = [
        spec("answer to an append, 16 tasks, p50", "sync p50", 4.0),
        spec("answer to an append, 16 tasks, p99", "sync p50", 8.0),
        spec("answer to an append, 16 tasks, longest", "own p50", 30.0),
    ];
    kit.measure(specs, |disk| {
        let task = |number: usize| {
            let store = Arc::clone(&store);
            async move {
                let mut took = Vec::with_capacity(ASKS);
                let batch = events(ASKS);
                for (index, one) in batch.iter().enumerate() {
                    let (to, expected) = place_of(number, index, &batch);
                    let began = Instant::now();
                    store.append(&to, expected, std::slice::from_ref(one)).await.expect("appends");
                    took.push(millis(began.elapsed()));
                }
                took
            }
        };
        let mut took: Vec<f64> = runtime.block_on(async {
            let tasks: Vec<_> = (0..ASKERS).map(|number| tokio::spawn(task(number))).collect();
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.expect("a task ends"));
            }
            all
        });
        let [p50, p99, longest] = [0.50, 0.99, 1.0].map(|share| quantile(&mut took, share));
        [Pair::new(p50, disk.p50), Pair::new(p99, disk.p50), Pair::new(longest, p50)]
    });
}

fn bulk(kit: &mut Kit, runtime: &Runtime) {
    let (store, mut raw) = (store(&kit.path("bulk.db")), raw(&kit.path("bulk-raw.db")));
    let mut position = 0;
    let spec = Spec {
        name: "import, 1,000 events an append",
        unit: "events/s",
        beside: "raw",
        target: Target::AtLeast(0.85),
    };
    kit.measure([spec], |_| {
        let batches: Vec<Vec<Ready>> = (0..BATCHES).map(|_| ready(BATCH)).collect();
        let began = Instant::now();
        batches.iter().for_each(|batch| insert(&mut raw, &mut position, batch));
        let bare = per_second(BATCH * BATCHES, began.elapsed());
        [Pair::new(append_batches(runtime, &store, BATCHES), bare)]
    });
}

/// Events a second of appends of a thousand.
fn append_batches(runtime: &Runtime, store: &SqliteStore, count: usize) -> f64 {
    let batches: Vec<Vec<Envelope>> = (0..count).map(|_| events(BATCH)).collect();
    let began = Instant::now();
    runtime.block_on(async {
        for batch in &batches {
            store.append(&stream("order-1"), Expected::Any, batch).await.expect("appends");
        }
    });
    per_second(BATCH * count, began.elapsed())
}

fn fill(runtime: &Runtime, store: &SqliteStore, count: usize) {
    runtime.block_on(async {
        for number in 0..count / BATCH {
            let to = stream(&format!("order-{}", number % 50));
            store.append(&to, Expected::Any, &events(BATCH)).await.expect("appends");
        }
    });
}

fn catch_up(kit: &mut Kit, runtime: &Runtime) {
    let place = kit.path("catch-up.db");
    let store = store(&place);
    fill(runtime, &store, LOG);
    let raw = Connection::open(&place).expect("the file opens");
    let spec = Spec {
        name: "catch-up read of 1 M events, raw bytes",
        unit: "events/s",
        beside: "bare cursor",
        target: Target::AtLeast(0.5),
    };
    kit.measure([spec], |_| {
        let began = Instant::now();
        assert_eq!(raw_read(&raw), LOG);
        let bare = per_second(LOG, began.elapsed());
        let began = Instant::now();
        let (mut seen, mut query) = (0, Query { limit: Query::LIMIT_MAX, ..Query::all() });
        runtime.block_on(async {
            loop {
                let page = store.read(&query).await.expect("reads");
                seen += page.events.len();
                query.after = page.end;
                if !page.more {
                    break;
                }
            }
        });
        assert_eq!((seen, query.after), (LOG, Position::at(LOG as u64)));
        [Pair::new(per_second(LOG, began.elapsed()), bare)]
    });
}

/// Whether a long log takes events as fast as a short one.
fn growth(kit: &mut Kit, runtime: &Runtime) {
    let (name, count) = match kit.is_long {
        true => ("import into a log of 10 M events", LARGE_LOG_LONG),
        false => ("import into a log of 1 M events (--long: 10 M)", LARGE_LOG),
    };
    let large = store(&kit.path("large.db"));
    fill(runtime, &large, count);
    let spec = Spec { name, unit: "events/s", beside: "of 100 k", target: Target::AtLeast(0.85) };
    let mut places: Vec<PathBuf> = (0..32).map(|number| kit.path(&format!("small-{number}.db"))).collect();
    kit.measure([spec], |_| {
        let small = store(&places.pop().expect("a place for each round"));
        fill(runtime, &small, SMALL_LOG);
        let beside = append_batches(runtime, &small, BATCHES / 2);
        [Pair::new(append_batches(runtime, &large, BATCHES / 2), beside)]
    });
}

/// The bare cursor: pages of 500, values borrowed.
fn raw_read(raw: &Connection) -> usize {
    let sql = "select position, stream_id, version, type_id, time, sum, id, meta, data
               from factum_event where position > ?1 order by position limit 500";
    let (mut after, mut seen, mut bytes) = (0, 0, 0);
    loop {
        let mut page = raw.prepare_cached(sql).expect("sql");
        let mut rows = page.query([after]).expect("reads");
        let before = seen;
        while let Some(row) = rows.next().expect("reads") {
            after = row.get::<_, i64>(0).expect("a position");
            for index in 1..6 {
                bytes += row.get::<_, i64>(index).expect("a number") as usize & 1;
            }
            for index in 6..9 {
                bytes += row.get_ref(index).expect("a value").as_blob().expect("a blob").len();
            }
            seen += 1;
        }
        if seen == before {
            std::hint::black_box(bytes);
            return seen;
        }
    }
}

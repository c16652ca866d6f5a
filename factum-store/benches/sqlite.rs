//! The SQLite store against bare rusqlite on the same schema, in turn, in the same run.
//!
//! `cargo bench -p factum-store -- single many answers bulk catch-up` runs the parts that are named, or all.
//! Prints ratios, because a disk's sync time moves by more than any code: medians over rounds, with the sync time of
//! each round beside them. Never compares numbers of different runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::envelope::Meta;
use factum_core::{Envelope, EventType, Expected, Position, Query, Store, StreamId, hash64};
use factum_store::sqlite::{Options, SqliteStore};
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Runtime;

const ROUNDS: usize = 5;
const SINGLES: usize = 1_500;
const TASKS: usize = 64;
const TASK_APPENDS: usize = 150;
const BATCH: usize = 1_000;
const BATCHES: usize = 100;
const PAYLOAD_BYTES: usize = 256;

const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

type Part = fn(&Runtime);

fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let runtime = Runtime::new().expect("a runtime starts");
    println!("SQLite, WAL, synchronous FULL, pages of 8 KiB, {PAYLOAD_BYTES} byte payloads, {ROUNDS} rounds");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, Part); 5] =
        [("single", single), ("many", many), ("answers", answers), ("bulk", bulk), ("catch-up", catch_up)];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&runtime);
        }
    }
}

struct Place {
    _folder: tempfile::TempDir,
    path: String,
}

fn place() -> Place {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let path = folder.path().join("store.db").display().to_string();
    Place { _folder: folder, path }
}

fn store(place: &Place) -> SqliteStore {
    SqliteStore::open(&place.path, Options::default()).expect("the store opens")
}

/// A store's file, opened with bare rusqlite and the store's settings.
fn raw(place: &Place) -> Connection {
    drop(store(place));
    let raw = Connection::open(Path::new(&place.path)).expect("the file opens");
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

/// The median time of a sync of one small write, as every commit needs one.
fn sync_p50(place: &Place) -> Duration {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::File::create(format!("{}-sync", place.path)).expect("a file");
    let mut took: Vec<Duration> = (0..200)
        .map(|_| {
            file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&[1; 8192])).expect("writes");
            let began = Instant::now();
            file.sync_data().expect("syncs");
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(what: &str, goal: &str, ratios: Vec<f64>, note: &str) {
    let list: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    println!("{what}: {:.2} (goal {goal}; rounds {}); {note}", median(ratios), list.join(" "));
}

fn stream(name: &str) -> StreamId {
    name.parse().expect("a stream")
}

fn single(runtime: &Runtime) {
    let (ours, theirs) = (place(), place());
    let (store, mut raw, mut position) = (store(&ours), raw(&theirs), 0);
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let batch = ready(SINGLES);
        let began = Instant::now();
        batch.iter().for_each(|one| insert(&mut raw, &mut position, std::slice::from_ref(one)));
        let bare = per_second(SINGLES, began.elapsed());
        let batch = events(SINGLES);
        let began = Instant::now();
        runtime.block_on(async {
            for one in &batch {
                let appended =
                    store.append(&stream("order-1"), Expected::Any, std::slice::from_ref(one)).await;
                appended.expect("appends");
            }
        });
        let own = per_second(SINGLES, began.elapsed());
        ratios.push(own / bare);
        notes.push(format!("{own:.0}/{bare:.0} at sync p50 {:.2?}", sync_p50(&ours)));
    }
    print("1 task, 1 event an append", ">= 0.90", ratios, &format!("events/s ours/bare {}", notes.join(" ")));
}

fn many(runtime: &Runtime) {
    let (ours, theirs) = (place(), place());
    let (store, mut raw, mut position) = (Arc::new(store(&ours)), raw(&theirs), 0);
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let batch = ready(SINGLES);
        let began = Instant::now();
        batch.iter().for_each(|one| insert(&mut raw, &mut position, std::slice::from_ref(one)));
        let bare = per_second(SINGLES, began.elapsed());
        let before = store.stats();
        let began = Instant::now();
        runtime.block_on(async {
            let task = |number: usize| {
                let (store, batch) = (Arc::clone(&store), events(TASK_APPENDS));
                tokio::spawn(async move {
                    // An order has some ten events, and there are ever new orders.
                    let mut to = stream("order-0");
                    for (index, one) in batch.iter().enumerate() {
                        if index % 10 == 0 {
                            to = stream(&format!("order-{}-{number}", one.id));
                        }
                        let appended = store.append(&to, Expected::Any, std::slice::from_ref(one)).await;
                        appended.expect("appends");
                    }
                })
            };
            let tasks: Vec<_> = (0..TASKS).map(task).collect();
            for task in tasks {
                task.await.expect("a task ends");
            }
        });
        let own = per_second(TASKS * TASK_APPENDS, began.elapsed());
        let after = store.stats();
        let shared = (after.events - before.events) as f64 / (after.commits - before.commits) as f64;
        ratios.push(own / bare);
        notes.push(format!("{own:.0}/{bare:.0} at {shared:.0} an fsync"));
    }
    print("64 tasks, 1 event an append", ">= 8", ratios, &format!("events/s ours/bare {}", notes.join(", ")));
}

/// How long 16 waiting tasks wait for their answers, in syncs.
fn answers(runtime: &Runtime) {
    let ours = place();
    let store = Arc::new(store(&ours));
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let sync = sync_p50(&ours);
        let task = |number: usize| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut took = Vec::with_capacity(200);
                for one in events(200) {
                    let to = stream(&format!("order-{}-{number}", one.id));
                    let began = Instant::now();
                    store.append(&to, Expected::NoStream, &[one]).await.expect("appends");
                    took.push(began.elapsed());
                }
                took
            })
        };
        let mut took: Vec<Duration> = runtime.block_on(async {
            let tasks: Vec<_> = (0..16).map(task).collect();
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.expect("a task ends"));
            }
            all
        });
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        ratios.push(at(0.5).as_secs_f64() / sync.as_secs_f64());
        notes.push(format!("{sync:.2?}/{:.2?}/{:.2?}/{:.2?}", at(0.5), at(0.99), at(1.0)));
    }
    let note = format!("sync p50/answer p50/p99/max {}", notes.join(" "));
    print("16 tasks, answer p50 in syncs", "<= 4", ratios, &note);
}

fn bulk(runtime: &Runtime) {
    let (ours, theirs) = (place(), place());
    let (store, mut raw, mut position) = (store(&ours), raw(&theirs), 0);
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let batches: Vec<Vec<Ready>> = (0..BATCHES).map(|_| ready(BATCH)).collect();
        let began = Instant::now();
        batches.iter().for_each(|batch| insert(&mut raw, &mut position, batch));
        let bare = per_second(BATCH * BATCHES, began.elapsed());
        let batches: Vec<Vec<Envelope>> = (0..BATCHES).map(|_| events(BATCH)).collect();
        let began = Instant::now();
        runtime.block_on(async {
            for batch in &batches {
                store.append(&stream("order-1"), Expected::Any, batch).await.expect("appends");
            }
        });
        let own = per_second(BATCH * BATCHES, began.elapsed());
        ratios.push(own / bare);
        notes.push(format!("{own:.0}/{bare:.0}"));
    }
    print(
        "1 task, 1000 events an append",
        ">= 0.85",
        ratios,
        &format!("events/s ours/bare {}", notes.join(" ")),
    );
}

fn catch_up(runtime: &Runtime) {
    let ours = place();
    let store = store(&ours);
    let count = BATCH * 500;
    runtime.block_on(async {
        for number in 0..500 {
            let to = stream(&format!("order-{}", number % 50));
            store.append(&to, Expected::Any, &events(BATCH)).await.expect("appends");
        }
    });
    let raw = Connection::open(&ours.path).expect("the file opens");
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        assert_eq!(raw_read(&raw), count);
        let bare = per_second(count, began.elapsed());
        let began = Instant::now();
        let (mut seen, mut query) = (0, Query { limit: 1000, ..Query::all() });
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
        let own = per_second(count, began.elapsed());
        assert_eq!((seen, query.after), (count, Position::at(count as u64)));
        ratios.push(own / bare);
        notes.push(format!("{own:.0}/{bare:.0}"));
    }
    print("catch-up read", ">= 0.50", ratios, &format!("events/s ours/bare {}", notes.join(" ")));
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

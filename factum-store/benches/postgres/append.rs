//! Appends: by many instances, by many callers of one, and in bulk.

use std::time::{Duration, Instant};

use factum_core::{Envelope, Expected, Store};
use factum_store::postgres::PostgresStore;

use crate::kit::{Kit, Pair, Spec, Target, per_second};
use crate::place::{Bench, PAYLOAD_BYTES, Place, Ready, bare_inserts, events, place_of, ready, stream};

/// Appends of a round, shared out among the clients.
const APPENDS: [(usize, usize); 3] = [(1, 3_000), (8, 12_000), (32, 16_000)];
const BATCH: usize = 1_000;
const BATCHES: usize = 40;

/// How long callers take, each appending so many events one by one at the version that it expects.
pub(crate) fn appends(
    bench: &Bench,
    stores: &[PostgresStore],
    callers: usize,
    each: usize,
    category: impl Fn(usize) -> String,
) -> Duration {
    let work: Vec<_> = (0..callers)
        .map(|caller| (stores[caller % stores.len()].clone(), events(each), category(caller)))
        .collect();
    bench.runtime.block_on(async {
        let began = Instant::now();
        let tasks: Vec<_> = work
            .into_iter()
            .enumerate()
            .map(|(caller, (store, batch, category))| {
                tokio::spawn(append_all(store, batch, category, caller))
            })
            .collect();
        for task in tasks {
            task.await.expect("a caller ends");
        }
        began.elapsed()
    })
}

async fn append_all(store: PostgresStore, batch: Vec<Envelope>, category: String, caller: usize) {
    for (index, one) in batch.iter().enumerate() {
        let (to, version) = place_of(&category, caller, index, &batch);
        let appended = store.append(&to, Expected::At(version), std::slice::from_ref(one)).await;
        appended.expect("appends");
    }
}

/// Every client an instance of its own, with its own connections.
pub(crate) fn clients(kit: &mut Kit, bench: &Bench) {
    let rows = [
        ("append at an expected version, fenced, 1 instance", Target::AtLeast(0.80)),
        ("append at an expected version, fenced, 8 instances", Target::AtLeast(0.70)),
        ("append at an expected version, fenced, 32 instances", Target::AtLeast(0.65)),
    ];
    for (row, size) in rows.into_iter().zip(APPENDS) {
        instances(kit, bench, row, size, |place| place.open_here(bench));
    }
    let rows = [
        ("the same on threads of the store's own, 1 instance", Target::Stated),
        ("the same on threads of the store's own, 8 instances", Target::Stated),
        ("the same on threads of the store's own, 32 instances", Target::Stated),
    ];
    for (row, size) in rows.into_iter().zip(APPENDS) {
        instances(kit, bench, row, size, Place::open);
    }
}

fn instances(
    kit: &mut Kit,
    bench: &Bench,
    (name, target): (&'static str, Target),
    (count, total): (usize, usize),
    open: impl Fn(&Place) -> PostgresStore,
) {
    let (place, beside) = (bench.place(), bench.place());
    let stores: Vec<PostgresStore> = (0..count).map(|_| open(&place)).collect();
    let mut bare = beside.bare(bench, count);
    let each = total / count;
    warm(bench, &stores, count, &mut bare);
    let mut turn = 0;
    kit.measure([Spec { name, unit: "events/s", beside: "bare inserts", target }], |_| {
        turn += 1;
        let own = || per_second(total, appends(bench, &stores, count, each, |_| "order".to_owned()));
        // Who goes first has no advantage in the end.
        let (first, twin) = match turn % 2 {
            0 => {
                let first = own();
                (first, per_second(total, bare_inserts(bench, &mut bare, each)))
            }
            _ => {
                let twin = per_second(total, bare_inserts(bench, &mut bare, each));
                (own(), twin)
            }
        };
        [Pair::new(first, twin)]
    });
}

fn warm(bench: &Bench, stores: &[PostgresStore], callers: usize, bare: &mut Vec<crate::place::Bare>) {
    appends(bench, stores, callers, 200, |_| "order".to_owned());
    bare_inserts(bench, bare, 200);
    bench.settle();
}

/// Many callers of one instance, beside as many bare connections.
pub(crate) fn callers(kit: &mut Kit, bench: &Bench) {
    let spec = |name, beside, target| Spec { name, unit: "events/s", beside, target };
    let specs = [
        (1, 3_000, spec("append, 1 caller in one process", "1 bare client", Target::Stated)),
        (8, 12_000, spec("append, 8 callers in one process", "8 bare clients", Target::AtLeast(1.0))),
        (32, 24_000, spec("append, 32 callers in one process", "32 bare clients", Target::AtLeast(1.3))),
    ];
    for (count, total, spec) in specs {
        let (place, beside) = (bench.place(), bench.place());
        let stores = [place.open()];
        let mut bare = beside.bare(bench, count);
        let each = total / count;
        warm(bench, &stores, count, &mut bare);
        kit.measure([spec], |_| {
            let twin = per_second(total, bare_inserts(bench, &mut bare, each));
            let before = stores[0].stats();
            let own =
                per_second(total, appends(bench, &stores, count, each, |caller| format!("kind{caller}")));
            let after = stores[0].stats();
            let shared = (after.events - before.events) as f64 / (after.commits - before.commits) as f64;
            [Pair::new(own, twin).note(format!("{shared:.1} events a commit"))]
        });
    }
    let place = bench.place();
    let stores = [place.open()];
    let each = 24_000 / 32;
    appends(bench, &stores, 32, 200, |_| "order".to_owned());
    let one = spec("the same, all into one category", "into 32 categories", Target::AtLeast(0.9));
    kit.measure([one], |_| {
        let many = appends(bench, &stores, 32, each, |caller| format!("kind{caller}"));
        let one = appends(bench, &stores, 32, each, |_| "order".to_owned());
        [Pair::new(per_second(32 * each, one), per_second(32 * each, many))]
    });
}

/// Large appends on one connection, beside a binary COPY of ready-made rows.
pub(crate) fn bulk(kit: &mut Kit, bench: &Bench) {
    let (place, beside) = (bench.place(), bench.place());
    let store = place.open();
    let mut copy = Copy {
        connection: bench.runtime.block_on(beside.connect()),
        sql: beside
            .sql("copy factum.event (position, stream_id, version, time, sum, type_id, id, meta, data) from stdin (format binary)")
            .0,
        position: 0,
    };
    let spec = Spec {
        name: "import, 1,000 events an append, 1 caller",
        unit: "events/s",
        beside: "binary COPY",
        target: Target::AtLeast(0.9),
    };
    append_batches(bench, &store, 5);
    bench.settle();
    kit.measure([spec], |_| {
        let batches: Vec<Vec<u8>> = (0..BATCHES).map(|_| copy.rows(&ready(BATCH))).collect();
        let twin = bench.runtime.block_on(async {
            let began = Instant::now();
            for batch in &batches {
                copy.send(batch).await;
            }
            per_second(BATCH * BATCHES, began.elapsed())
        });
        [Pair::new(append_batches(bench, &store, BATCHES), twin)]
    });
}

/// Events a second of appends of a thousand, one after the other.
pub(crate) fn append_batches(bench: &Bench, store: &PostgresStore, count: usize) -> f64 {
    let batches: Vec<Vec<Envelope>> = (0..count).map(|_| events(BATCH)).collect();
    bench.runtime.block_on(async {
        let began = Instant::now();
        for batch in &batches {
            store.append(&stream("order-1"), Expected::Any, batch).await.expect("appends");
        }
        per_second(BATCH * count, began.elapsed())
    })
}

struct Copy {
    connection: sqlx::PgConnection,
    sql: String,
    position: i64,
}

impl Copy {
    /// Rows as the server takes them.
    fn rows(&mut self, batch: &[Ready]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(batch.len() * (PAYLOAD_BYTES + 256));
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.extend_from_slice(&[0; 8]);
        let field = |bytes: &mut Vec<u8>, value: &[u8]| {
            bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
            bytes.extend_from_slice(value);
        };
        for one in batch {
            self.position += 1;
            bytes.extend_from_slice(&9_i16.to_be_bytes());
            for number in [self.position, 1, self.position, one.time, one.sum] {
                field(&mut bytes, &number.to_be_bytes());
            }
            field(&mut bytes, &1_i32.to_be_bytes());
            field(&mut bytes, one.id.as_bytes());
            field(&mut bytes, &one.meta);
            field(&mut bytes, &one.data);
        }
        bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        bytes
    }

    async fn send(&mut self, rows: &[u8]) {
        let mut copy = self.connection.copy_in_raw(&self.sql).await.expect("copies");
        copy.send(rows).await.expect("sends");
        copy.finish().await.expect("commits");
    }
}

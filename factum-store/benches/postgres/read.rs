//! Reading: catching up, from an append to its effect, and whether a long log is as fast as a short one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use factum_core::{Commit, Expected, Guard, Position, Query, Record, RecordKind, Store, values};
use factum_store::postgres::PostgresStore;
use sqlx::{PgConnection, Row as _};

use crate::append::appends;
use crate::kit::{Disk, Kit, Pair, Spec, Target, millis, per_second, quantile};
use crate::place::{Bench, Place, event, events, stream};

const LOG: usize = 300_000;
const SMALL_LOG: usize = 500_000;
const LARGE_LOG: usize = 5_000_000;
const SMALL_LOG_LONG: usize = 1_000_000;
const LARGE_LOG_LONG: usize = 50_000_000;
const FILL_BATCH: usize = 1_000;
const FILLERS: usize = 3;
const CALLERS: usize = 32;
const CALLS: usize = 500;
/// Events read of each log in a round of `growth`.
const READ: usize = 200_000;
const RATE: u32 = 1_000;
const SECONDS: u32 = 4;
/// Events before the first that counts.
const WARM: usize = 500;
const EFFECTS_MAX: usize = 256;

/// Appends so many events to streams in turn, a thousand at a time.
pub(crate) fn fill(bench: &Bench, store: &PostgresStore, count: usize) {
    bench.runtime.block_on(async {
        let fillers: Vec<_> = (0..FILLERS)
            .map(|filler| {
                let store = store.clone();
                tokio::spawn(async move {
                    for number in (0..count / FILL_BATCH).filter(|number| number % FILLERS == filler) {
                        let to = stream(&format!("fill-{}", number % 5_000));
                        store.append(&to, Expected::Any, &events(FILL_BATCH)).await.expect("appends");
                    }
                })
            })
            .collect();
        for filler in fillers {
            filler.await.expect("a filler ends");
        }
    });
}

async fn read(store: &PostgresStore, after: Position, count: usize) -> usize {
    let (mut seen, mut query) = (0, Query { limit: Query::LIMIT_MAX, after, ..Query::all() });
    while seen < count {
        let page = store.read(&query).await.expect("reads");
        seen += page.events.len();
        query.after = page.end;
        if !page.more {
            break;
        }
    }
    seen
}

/// Pages of a thousand by a prepared select; every column of every row is looked at.
async fn raw_read(connection: &mut PgConnection, place: &Place) -> usize {
    let sql = place.sql(
        "select position, stream_id, version, type_id, time, sum, id, meta, data
         from factum.event where position > $1 order by position limit 1000",
    );
    let sql = sql.0;
    let (mut after, mut seen, mut bytes) = (0_i64, 0, 0);
    loop {
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .bind(after)
            .fetch_all(&mut *connection)
            .await
            .expect("reads");
        let Some(last) = rows.last() else {
            std::hint::black_box(bytes);
            return seen;
        };
        after = last.get(0);
        for row in &rows {
            for index in [1, 2, 4, 5] {
                bytes += usize::from(row.get::<i64, _>(index) > 0);
            }
            bytes += usize::from(row.get::<i32, _>(3) > 0);
            bytes += row.get::<sqlx::types::Uuid, _>(6).as_bytes().len();
            bytes += row.get::<&[u8], _>(7).len() + row.get::<&[u8], _>(8).len();
        }
        seen += rows.len();
    }
}

pub(crate) fn catch_up(kit: &mut Kit, bench: &Bench) {
    let place = bench.place();
    let store = place.open();
    fill(bench, &store, LOG);
    place.psql("vacuum analyze factum.event");
    let mut connection = bench.runtime.block_on(place.connect());
    let spec = Spec {
        name: "catch-up read of 300 k events, verified and decoded",
        unit: "events/s",
        beside: "raw select, bytes",
        target: Target::AtLeast(0.7),
    };
    kit.measure([spec], |_| {
        let began = Instant::now();
        assert_eq!(bench.runtime.block_on(raw_read(&mut connection, &place)), LOG);
        let raw = per_second(LOG, began.elapsed());
        let began = Instant::now();
        assert_eq!(bench.runtime.block_on(read(&store, Position::START, LOG)), LOG);
        [Pair::new(per_second(LOG, began.elapsed()), raw)]
    });
}

/// From when an append is due to its effect being committed by another instance.
pub(crate) fn delay(kit: &mut Kit, bench: &Bench) {
    let specs = [
        Spec {
            name: "append to effect committed elsewhere, 1,000 events/s, open loop, p50",
            unit: "ms",
            beside: "limit",
            target: Target::Within(15.0),
        },
        Spec {
            name: "the same, p99",
            unit: "ms",
            beside: "3 × sync p99 + 30 ms",
            target: Target::AtMost(1.0),
        },
    ];
    let place = bench.place();
    let (store, other) = (place.open(), place.open());
    bench.runtime.block_on(async {
        let mut unit = store.begin().await.expect("begins");
        unit.execute("create table total (id bigint primary key, n bigint not null)".into(), vec![]);
        unit.execute("insert into total select i, 0 from generate_series(0, 63) i".into(), vec![]);
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
    });
    kit.measure(specs, |disk: Disk| {
        let mut late = bench.runtime.block_on(pace(&store, &other));
        let (p50, p99) = (quantile(&mut late, 0.5), quantile(&mut late, 0.99));
        let note = format!("max {:.1} ms", late.last().copied().unwrap_or_default());
        [Pair::new(p50, 15.0).note(note), Pair::new(p99, 3.0 * disk.p99 + 30.0)]
    });
}

async fn pace(store: &PostgresStore, other: &PostgresStore) -> Vec<f64> {
    let total = WARM + (RATE * SECONDS) as usize;
    let from = store.head().await.expect("a head");
    let handled = Arc::new(Mutex::new(Vec::with_capacity(total)));
    let handler = tokio::spawn(handle(other.clone(), from, total, Arc::clone(&handled)));
    let start = Instant::now() + Duration::from_millis(20);
    let mut tick = tokio::time::interval_at(start.into(), Duration::from_secs(1) / RATE);
    let mut due = std::collections::HashMap::new();
    for number in 0..total {
        let at = tick.tick().await;
        let (store, one) = (store.clone(), event());
        if number >= WARM {
            due.insert(one.id, Instant::from(at));
        }
        tokio::spawn(async move {
            let to = stream(&format!("order-{}", number % 64));
            store.append(&to, Expected::Any, &[one]).await.expect("appends");
        });
    }
    handler.await.expect("the handler ends");
    let handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
    let late = handled.iter().filter_map(|(id, at): &(_, Instant)| {
        due.get(id).map(|due: &Instant| millis(at.saturating_duration_since(*due)))
    });
    late.collect()
}

/// A consumer by hand: a row for each event, and how far it has got, in one unit for what a page holds.
async fn handle(
    store: PostgresStore,
    from: Position,
    total: usize,
    handled: Arc<Mutex<Vec<(factum_core::EventId, Instant)>>>,
) {
    let mut query = Query { after: from, limit: EFFECTS_MAX, ..Query::all() };
    let mut seen = 0;
    while seen < total {
        let page = store.read(&query).await.expect("a page");
        if !page.events.is_empty() {
            let mut unit = store.begin().await.expect("begins");
            for event in &page.events {
                let id = (event.version.number() % 64) as i64;
                unit.execute("update total set n = n + 1 where id = $1".into(), values![id]);
            }
            unit.put(
                Record::new(RecordKind::USER, "delay", "total", page.end.number().to_string()),
                Guard::Any,
            );
            assert!(matches!(unit.commit().await, Commit::Committed(_)));
            let now = Instant::now();
            let mut handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
            handled.extend(page.events.iter().map(|event| (event.envelope.id, now)));
        }
        seen += page.events.len();
        query.after = page.end;
        if !page.more && seen < total {
            store.wait(query.after).await.expect("waits");
        }
    }
}

/// Whether a long log takes and gives events as fast as a short one.
pub(crate) fn growth(kit: &mut Kit, bench: &Bench) {
    let (small_count, large_count) = match kit.is_long {
        true => (SMALL_LOG_LONG, LARGE_LOG_LONG),
        false => (SMALL_LOG, LARGE_LOG),
    };
    let names = match kit.is_long {
        true => [
            "append, 32 callers, to a log of 50 M",
            "import, 1,000 an append, to 50 M",
            "read from the middle of 50 M",
        ],
        false => [
            "append, 32 callers, to a log of 5 M (--long: 50 M)",
            "import, 1,000 an append, to 5 M",
            "read from the middle of 5 M",
        ],
    };
    let beside = if kit.is_long { "of 1 M" } else { "of 500 k" };
    let (places, started) = ([bench.place(), bench.place()], Instant::now());
    let [small, large] = [places[0].open(), places[1].open()];
    fill(bench, &small, small_count);
    fill(bench, &large, large_count);
    crate::kit::say(&format!("  filled in {:.0} s", started.elapsed().as_secs_f64()));
    for place in &places {
        place.psql("vacuum analyze factum.event");
    }
    bench.settle();
    let specs = names.map(|name| Spec { name, unit: "events/s", beside, target: Target::AtLeast(0.8) });
    kit.measure(specs, |_| {
        let single = |store: &PostgresStore| {
            let took = appends(bench, std::slice::from_ref(store), CALLERS, CALLS, |_| "order".to_owned());
            per_second(CALLERS * CALLS, took)
        };
        let import = |store: &PostgresStore| crate::append::append_batches(bench, store, 20);
        let scan = |store: &PostgresStore, count: usize| {
            let began = Instant::now();
            let from = Position::at(count as u64 / 2);
            assert!(bench.runtime.block_on(read(store, from, READ)) >= READ);
            per_second(READ, began.elapsed())
        };
        [
            Pair::new(single(&large), single(&small)),
            Pair::new(import(&large), import(&small)),
            Pair::new(scan(&large, large_count), scan(&small, small_count)),
        ]
    });
}

//! What order costs: the fence, the tag buckets, decisions over tags, and how long readers are held back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use factum_core::{AppendError, Conflict, EventId, Expected, Position, Query, Store, Tag, Tags};
use factum_store::postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::kit::{Kit, Pair, Spec, Target, millis, per_second, quantile};
use crate::place::{Bench, Place, Random, Ready, event, events, ready, stream};

/// Appends of a round with one connection and with eight.
const CALLS: [(usize, usize); 2] = [(1, 3_000), (8, 12_000)];
/// Any two numbers: what counts is that they are taken.
const HASHES: [i64; 2] = [1_000_003, 77];
const BUCKETS: [i32; 2] = [77, 579];
const DECIDERS: usize = 8;
const DECISIONS: usize = 250;
const HOLDERS: usize = 4;
const APPENDERS: usize = 16;
const HELD_FOR: Duration = Duration::from_secs(3);

/// The function of the store, called over bare connections.
struct Direct {
    connections: Vec<(PgConnection, String)>,
    sql: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Tagged {
    No,
    WithBuckets,
    WithoutBuckets,
}

impl Direct {
    fn new(bench: &Bench, place: &Place, function: &str, count: usize) -> Self {
        let connections = bench.runtime.block_on(async {
            let mut all = Vec::new();
            for number in 0..count {
                let mut connection = place.connect().await;
                let plans = "select set_config('plan_cache_mode', 'force_generic_plan', false), \
                             set_config('enable_seqscan', 'off', false)";
                sqlx::query(plans).execute(&mut connection).await.expect("settings");
                all.push((connection, format!("{function}-{number}")));
            }
            all
        });
        let arguments = "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let sql = format!("select o_version, o_position, o_actual from factum.{function}{arguments}");
        Self { connections, sql: place.sql(&sql).0 }
    }

    /// How long it takes all connections to append so many events each, one by one, each to a stream of its own.
    fn appends(&mut self, bench: &Bench, each: usize, tagged: Tagged) -> Duration {
        let work: Vec<_> = self.connections.drain(..).map(|connection| (connection, ready(each))).collect();
        let connections = &mut self.connections;
        bench.runtime.block_on(async {
            let began = Instant::now();
            let tasks: Vec<_> = work
                .into_iter()
                .map(|((mut connection, name), batch)| {
                    let sql = self.sql.clone();
                    tokio::spawn(async move {
                        for one in &batch {
                            call(&mut connection, &sql, &name, one, tagged).await;
                        }
                        (connection, name)
                    })
                })
                .collect();
            for task in tasks {
                connections.push(task.await.expect("a client ends"));
            }
            began.elapsed()
        })
    }
}

async fn call(connection: &mut PgConnection, sql: &str, to: &str, one: &Ready, tagged: Tagged) {
    let (tags, hashes): (&[i32], &[i64]) = if tagged == Tagged::No { (&[], &[]) } else { (&[1, 1], &HASHES) };
    let buckets: &[i32] = if tagged == Tagged::WithBuckets { &BUCKETS } else { &[] };
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .bind([to].as_slice())
        .bind([-1_i64].as_slice())
        .bind([1_i32].as_slice())
        .bind(buckets)
        .bind([1_i32].as_slice())
        .bind([1_i32].as_slice())
        .bind([one.time].as_slice())
        .bind([one.sum].as_slice())
        .bind([one.id].as_slice())
        .bind([&*one.meta].as_slice())
        .bind([&*one.data].as_slice())
        .bind(tags)
        .bind(hashes)
        .execute(connection)
        .await
        .expect("appends");
}

/// Makes a copy of the function that takes no fence.
fn unfence(place: &Place) {
    let text = place.psql("select pg_get_functiondef('factum.append'::regproc)");
    let from = text.find("    v_fence := coalesce").expect("the fence is there");
    let to = from + text[from..].find("    if v_events = 1").expect("the fence ends");
    let text = format!("{}{}", &text[..from], &text[to..]).replacen(".append(", ".append_unfenced(", 1);
    assert!(!text.contains("position'::regclass::oid"), "no fence is left");
    place.psql(&text);
}

/// The same function with and without the fence.
pub(crate) fn fence(kit: &mut Kit, bench: &Bench) {
    let spec = |name| Spec { name, unit: "events/s", beside: "without", target: Target::AtLeast(0.95) };
    let specs = [spec("append with the fence, 1 connection"), spec("append with the fence, 8 connections")];
    for (spec, (count, total)) in specs.into_iter().zip(CALLS) {
        let place = bench.place();
        unfence(&place);
        let mut fenced = Direct::new(bench, &place, "append", count);
        let mut unfenced = Direct::new(bench, &place, "append_unfenced", count);
        for direct in [&mut fenced, &mut unfenced] {
            direct.appends(bench, 200, Tagged::No);
        }
        bench.settle();
        kit.measure([spec], |_| {
            // In four turns, so that neither always comes behind the other.
            let quarter = total / count / 2;
            let first = fenced.appends(bench, quarter, Tagged::No);
            let twin = unfenced.appends(bench, 2 * quarter, Tagged::No);
            let own = first + fenced.appends(bench, quarter, Tagged::No);
            [Pair::new(per_second(2 * quarter * count, own), per_second(2 * quarter * count, twin))]
        });
    }
}

/// Appends of two tags with and without their buckets, and decisions over them.
pub(crate) fn tags(kit: &mut Kit, bench: &Bench) {
    let spec =
        |name| Spec { name, unit: "events/s", beside: "without buckets", target: Target::AtLeast(0.95) };
    let specs = [
        spec("append of two tags, buckets taken, 1 connection"),
        spec("append of two tags, buckets taken, 8 connections"),
    ];
    for (spec, (count, total)) in specs.into_iter().zip(CALLS) {
        let place = bench.place();
        let mut direct = Direct::new(bench, &place, "append", count);
        direct.appends(bench, 200, Tagged::WithBuckets);
        bench.settle();
        kit.measure([spec], |_| {
            let quarter = total / count / 2;
            let first = direct.appends(bench, quarter, Tagged::WithBuckets);
            let twin = direct.appends(bench, 2 * quarter, Tagged::WithoutBuckets);
            let own = first + direct.appends(bench, quarter, Tagged::WithBuckets);
            [Pair::new(per_second(2 * quarter * count, own), per_second(2 * quarter * count, twin))]
        });
    }
    let place = bench.place();
    let store = place.open();
    let name = "append that expects two tags unchanged, 8 deciders, tags of their own";
    let stated = Spec { name, unit: "events/s", beside: "plain, same tags", target: Target::Stated };
    kit.measure([stated], |_| {
        let (plain, _) = decide(bench, &store, false);
        let (own, conflicts) = decide(bench, &store, true);
        let all = DECIDERS * DECISIONS;
        let note = format!("{conflicts} of {all} met a conflict that was none");
        [Pair::new(per_second(all, own), per_second(all, plain)).note(note)]
    });
}

/// Deciders whose tags nobody else has: how long they take, and how often they were told that something changed.
fn decide(bench: &Bench, store: &PostgresStore, expects: bool) -> (Duration, usize) {
    bench.runtime.block_on(async {
        let began = Instant::now();
        let tasks: Vec<_> =
            (0..DECIDERS).map(|number| tokio::spawn(decide_all(store.clone(), number, expects))).collect();
        let mut conflicts = 0;
        for task in tasks {
            conflicts += task.await.expect("a decider ends");
        }
        (began.elapsed(), conflicts)
    })
}

async fn decide_all(store: PostgresStore, number: usize, expects: bool) -> usize {
    let seed = event().id;
    let tags: Vec<Tag> = ["course", "student"]
        .map(|field| format!("{field}:{number}-{seed}").parse().expect("a tag"))
        .to_vec();
    let to = stream(&format!("course-{number}-{seed}"));
    let (mut since, mut conflicts, mut done) = (Position::START, 0, 0);
    while done < DECISIONS {
        let mut one = event();
        one.tags = Tags::new(tags.clone()).expect("two tags");
        let query = Box::new(Query { tags: tags.clone(), ..Query::all() });
        let expected = if expects { Expected::Unchanged { query, since } } else { Expected::Any };
        match store.append(&to, expected, &[one]).await {
            Ok(appended) => (since, done) = (appended.position, done + 1),
            Err(AppendError::Conflict(Conflict::Boundary { .. })) => conflicts += 1,
            Err(error) => panic!("an append that nothing speaks against failed: {error}"),
        }
    }
    conflicts
}

/// When each event was acknowledged, and how long the transactions took.
#[derive(Default)]
struct Told {
    at: HashMap<EventId, Instant>,
    took: Vec<f64>,
}

/// How long committed events stay hidden from a reader in another instance, while some transactions stay open.
pub(crate) fn held(kit: &mut Kit, bench: &Bench) {
    let spec = Spec {
        name: "committed to visible elsewhere, p99; 16 appenders, of which 4 keep transactions open",
        unit: "ms",
        beside: "p99 of appending transactions + 20 ms",
        target: Target::AtMost(1.0),
    };
    let place = bench.place();
    let (store, reader) = (place.open(), place.open());
    kit.measure([spec], |_| {
        let (mut late, mut took) = bench.runtime.block_on(hold(&place, &store, &reader));
        let note = format!(
            "p50 {:.1} ms of {} events; transactions p50 {:.1} ms",
            quantile(&mut late, 0.5),
            late.len(),
            quantile(&mut took, 0.5)
        );
        [Pair::new(quantile(&mut late, 0.99), quantile(&mut took, 0.99) + 20.0).note(note)]
    });
}

async fn hold(place: &Place, store: &PostgresStore, reader: &PostgresStore) -> (Vec<f64>, Vec<f64>) {
    let told = Arc::new(Mutex::new(Told::default()));
    let until = Instant::now() + HELD_FOR;
    let following = tokio::spawn(follow(reader.clone(), store.head().await.expect("a head")));
    let mut tasks = Vec::new();
    for number in 0..APPENDERS {
        let (store, told) = (store.clone(), Arc::clone(&told));
        let app = if number < HOLDERS { Some(place.connect().await) } else { None };
        tasks.push(tokio::spawn(append_until(store, app, number, until, told)));
    }
    for task in tasks {
        task.await.expect("an appender ends");
    }
    store.append(&stream("end-1"), Expected::Any, &events(1)).await.expect("appends");
    let seen = following.await.expect("the reader ends");
    let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    let late = told.at.iter().map(|(id, at)| {
        let seen = seen.get(id).expect("no event is lost");
        millis(seen.saturating_duration_since(*at))
    });
    (late.collect(), told.took)
}

async fn append_until(
    store: PostgresStore,
    mut app: Option<PgConnection>,
    number: usize,
    until: Instant,
    told: Arc<Mutex<Told>>,
) {
    let mut random = Random::new(number as u64 + 3);
    let to = stream(&format!("order-{number}"));
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_micros(random.below(6_000))).await;
        let batch = events(1);
        let began = Instant::now();
        match &mut app {
            Some(app) => {
                let mut tx = app.begin().await.expect("begins");
                store.append_with(&mut tx, &to, Expected::Any, &batch).await.expect("appends");
                tokio::time::sleep(Duration::from_micros(random.below(6_000))).await;
                tx.commit().await.expect("commits");
            }
            None => {
                store.append(&to, Expected::Any, &batch).await.expect("appends");
            }
        }
        let now = Instant::now();
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.at.insert(batch[0].id, now);
        told.took.push(millis(now - began));
    }
}

/// When a reader saw each event, up to the one that ends it.
async fn follow(store: PostgresStore, after: Position) -> HashMap<EventId, Instant> {
    let (mut seen, mut query) = (HashMap::new(), Query { after, ..Query::all() });
    loop {
        let page = store.read(&query).await.expect("a page");
        let now = Instant::now();
        query.after = page.end;
        for event in page.events {
            seen.insert(event.envelope.id, now);
            if event.stream.category() == "end" {
                return seen;
            }
        }
        if !page.more {
            store.wait(query.after).await.expect("waits");
        }
    }
}

//! Positions are final: whatever writers do, no reader loses an event, sees one twice, or sees one out of order.
//!
//! And in no other order of a reader's three steps: each wrong order is shown to lose an event, in an interleaving that
//! the right one survives.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum_core::{EventId, Expected, Maintenance, Position, Query, Store};
use factum_store::postgres::{Options, PostgresStore};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::kit::*;

const WRITERS: u64 = 16;
const READERS: usize = 4;
/// Most events of an append. In the long form more: commits are what takes the time.
const BATCH: u64 = 3;
const BATCH_LONG: u64 = 400;
/// Events of a reader's page.
const PAGES: [usize; READERS] = [1000, 7, 1, 500];
const PAGES_LONG: [usize; READERS] = [1000, 70, 50, 500];

/// The events that one writer committed.
type Ids = Vec<EventId>;

/// Appends in transactions of its own that stay open for a while and end in every way there is.
async fn write(store: PostgresStore, url: Arc<Place>, number: u64, goal: Arc<AtomicU64>) -> Ids {
    let mut random = Random::new(number + 7);
    let mut committed = Ids::new();
    let mut app = url.app().await;
    let mut turn = 0;
    while goal.load(Ordering::Relaxed) > 0 {
        turn += 1;
        let to = stream(&format!("order-{number}"));
        let batch = events(1 + random.below(if is_long() { BATCH_LONG } else { BATCH }) as usize);
        let ids = batch.iter().map(|event| event.id);
        if random.below(4) == 0 {
            // The store's own connections, where appends share calls.
            store.append(&to, Expected::Any, &batch).await.expect("appends");
            committed.extend(ids);
            continue;
        }
        let outcome = random.below(20);
        let mut tx = app.begin().await.expect("begins");
        if random.below(3) == 0 {
            // A transaction number from before the append, as applications have.
            tx.execute("create temporary table if not exists scratch (n integer)").await.expect("writes");
            tx.execute("insert into scratch values (1)").await.expect("writes");
        }
        store.append_with(&mut tx, &to, Expected::Any, &batch).await.expect("appends");
        tokio::time::sleep(Duration::from_micros(random.below(6_000))).await;
        match outcome {
            0..=11 => {
                tx.commit().await.expect("commits");
                committed.extend(ids);
            }
            12..=13 => tx.rollback().await.expect("rolls back"),
            14..=16 => {
                let mut inner = tx.begin().await.expect("a savepoint");
                store.append_with(&mut inner, &to, Expected::Any, &events(2)).await.expect("appends");
                inner.rollback().await.expect("rolls back to the savepoint");
                tokio::time::sleep(Duration::from_micros(random.below(3_000))).await;
                let more = events(1);
                store.append_with(&mut tx, &to, Expected::Any, &more).await.expect("appends");
                tx.commit().await.expect("commits");
                committed.extend(ids.chain(more.iter().map(|event| event.id)));
            }
            17 => {
                let pid: i32 = tx.fetch_one("select pg_backend_pid()").await.expect("a row").get(0);
                let mut killer = url.app().await;
                let kill = sqlx::query("select pg_terminate_backend($1)").bind(pid);
                kill.execute(&mut killer).await.expect("kills");
                drop(tx);
                app = url.app().await;
            }
            _ => {
                let name = format!("{}-{number}-{turn}", url.schema());
                // The temporary table, if there is one, cannot be part of a prepared transaction.
                let prepare = sqlx::AssertSqlSafe(format!("prepare transaction '{name}'"));
                let is_prepared = tx.execute(sqlx::raw_sql(prepare)).await.is_ok();
                drop(tx);
                app = url.app().await;
                if is_prepared {
                    tokio::time::sleep(Duration::from_micros(random.below(6_000))).await;
                    let commit = sqlx::AssertSqlSafe(format!("commit prepared '{name}'"));
                    app.execute(sqlx::raw_sql(commit)).await.expect("commits what was prepared");
                    committed.extend(ids);
                }
            }
        }
        let _ = goal.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(batch.len() as u64))
        });
    }
    committed
}

/// Follows the log to the event that ends it.
async fn follow(store: PostgresStore, limit: usize) -> Vec<(Position, EventId)> {
    let (mut seen, mut query) = (Vec::new(), Query { limit, kind: None, ..Query::all() });
    loop {
        let page = store.read(&query).await.expect("a page");
        query.after = page.end;
        for event in page.events {
            seen.push((event.position, event.envelope.id));
            if event.stream == stream("end-1") {
                return seen;
            }
        }
        if !page.more {
            store.wait(query.after).await.expect("waits");
        }
    }
}

#[test]
fn no_event_is_lost_doubled_or_out_of_order_while_transactions_stay_open() {
    let place = Arc::new(place());
    let goal = if is_long() { 10_000_000 } else { 1_500 };
    run(async {
        let store = place.open();
        let others: Vec<PostgresStore> =
            (1..READERS).map(|_| place.open_with(Options { connections: 5, ..Options::default() })).collect();
        let readers: Vec<_> = std::iter::once(&store)
            .chain(&others)
            .zip(if is_long() { PAGES_LONG } else { PAGES })
            .map(|(store, limit)| tokio::spawn(follow(store.clone(), limit)))
            .collect();
        let goal = Arc::new(AtomicU64::new(goal));
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| tokio::spawn(write(store.clone(), Arc::clone(&place), number, Arc::clone(&goal))))
            .collect();
        let mut committed = HashSet::new();
        for writer in writers {
            committed.extend(writer.await.expect("a writer ends"));
        }
        let end = event();
        store
            .append(&stream("end-1"), Expected::NoStream, std::slice::from_ref(&end))
            .await
            .expect("appends");
        committed.insert(end.id);
        for reader in readers {
            let seen = reader.await.expect("a reader ends");
            assert!(seen.is_sorted_by(|one, next| one.0 < next.0), "out of order");
            let ids: HashSet<EventId> = seen.iter().map(|(_, id)| *id).collect();
            assert_eq!(ids.len(), seen.len(), "doubled");
            let lost = committed.difference(&ids).count();
            let whole = if lost > 0 { read_all(&store).await } else { Vec::new() };
            for id in committed.difference(&ids) {
                let at = whole.iter().find(|event| event.envelope.id == *id);
                eprintln!("lost {id}: {at:?}");
            }
            assert_eq!(
                (lost, ids.difference(&committed).count()),
                (0, 0),
                "lost, and seen though never committed"
            );
        }
    });
}

/// Two writers: one has drawn the first position and is open, one has committed the second.
struct Interleaved {
    reader: PgConnection,
    place: Place,
    store: PostgresStore,
}

async fn interleaved() -> Interleaved {
    let place = place();
    let store = place.open();
    Interleaved { reader: place.app().await, place, store }
}

impl Interleaved {
    async fn number(&mut self, sql: &str) -> Option<i64> {
        let sql = sql.replace("factum.", &format!("{}.", self.place.schema()));
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.reader).await.expect("a row");
        row.get(0)
    }

    async fn scan(&mut self, up_to: i64) -> i64 {
        let sql = format!("select count(*) from factum.event where position <= {up_to}");
        self.number(&sql).await.expect("a count")
    }
}

const BOUND: &str = "select coalesce(max(position), 0) from factum.event";
const PENDING: &str = "select min(objid::bigint) from pg_locks where locktype = 'advisory' and objsubid = 2 \
                       and classid = 'factum.position'::regclass::oid and granted";

#[test]
fn locks_before_the_bound_lose_an_event() {
    run(async {
        let mut at = interleaved().await;
        let (mut slow, mut quick) = (at.place.app().await, at.place.app().await);
        // The reader looks at the locks first, and nobody holds one.
        let pending = at.number(PENDING).await;
        assert_eq!(pending, None);
        // The fence's own order, in the same place, would have asked for the bound.
        let right_bound = at.number(BOUND).await.expect("a bound");
        let mut open = slow.begin().await.expect("begins");
        at.store
            .append_with(&mut open, &stream("order-1"), Expected::Any, &events(1))
            .await
            .expect("appends");
        let mut done = quick.begin().await.expect("begins");
        at.store
            .append_with(&mut done, &stream("order-2"), Expected::Any, &events(1))
            .await
            .expect("appends");
        done.commit().await.expect("commits");
        // Only now the bound: it is above an event that is still to come.
        let bound = at.number(BOUND).await.expect("a bound");
        assert_eq!(
            (bound, at.scan(bound).await),
            (2, 1),
            "the reader goes on behind 2 and has seen one of two"
        );
        open.commit().await.expect("commits");
        assert_eq!(at.scan(bound).await, 2, "the other came in before where the reader is: it is lost");
        assert_eq!(right_bound, 0, "bound first: the reader has not moved");
    });
}

#[test]
fn a_position_drawn_before_the_fence_loses_an_event() {
    run(async {
        let mut at = interleaved().await;
        // A writer that draws first, as none of the store's does: its fence names a position that is not below its own.
        let mut slow = at.place.app().await;
        let mut open = slow.begin().await.expect("begins");
        let drawn = at.place.psql("select nextval('factum.position')");
        assert_eq!(drawn, "1");
        at.store.append(&stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
        let bounds = "select least(bound, coalesce(pending, bound)) from factum.bounds()";
        assert_eq!(at.number(bounds).await, Some(2), "nothing holds the reader back");
        assert_eq!(at.scan(2).await, 1, "it goes on behind 2 and has seen one of two");
        let fence = "select pg_advisory_xact_lock_shared('factum.position'::regclass::oid::integer, \
                     pg_sequence_last_value('factum.position')::integer)";
        let late = format!(
            "{fence}; insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data) \
             select 1, stream_id, 2, time, sum, type_id, gen_random_uuid(), meta, data from factum.event"
        );
        let late = late.replace("factum.", &format!("{}.", at.place.schema()));
        open.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(late))).await.expect("writes");
        // Fenced at last, it holds back what comes next, and not what was read.
        assert_eq!(at.number(bounds).await, Some(2));
        open.commit().await.expect("commits");
        assert_eq!(at.scan(2).await, 2, "the other came in before where the reader is: it is lost");
    });
}

#[test]
fn all_in_one_statement_loses_an_event() {
    run(async {
        let mut at = interleaved().await;
        let (mut slow, mut quick, mut gate) =
            (at.place.app().await, at.place.app().await, at.place.app().await);
        let mut open = slow.begin().await.expect("begins");
        at.store
            .append_with(&mut open, &stream("order-1"), Expected::Any, &events(1))
            .await
            .expect("appends");
        let mut done = quick.begin().await.expect("begins");
        at.store
            .append_with(&mut done, &stream("order-2"), Expected::Any, &events(1))
            .await
            .expect("appends");
        done.commit().await.expect("commits");
        // The right order, at the same time: the open transaction holds the reader back.
        let bounds = "select least(bound, pending) from factum.bounds()";
        assert_eq!(
            at.number(bounds).await,
            Some(0),
            "bound, then locks, then a new statement: nothing is read yet"
        );
        // One statement: its snapshot is taken, then it waits at the gate, then it looks at the locks.
        let key = 4_242_000 + i64::from(std::process::id());
        sqlx::query("select pg_advisory_lock($1)")
            .bind(key)
            .execute(&mut gate)
            .await
            .expect("shuts the gate");
        let one = format!(
            "select coalesce(p.pending, b.bound)::text || ' ' || (
                 select count(*) from factum.event e where e.position <= coalesce(p.pending, b.bound)
             )
             from (select pg_advisory_lock_shared({key}) is null as no offset 0) w,
                 lateral (select min(objid::bigint) as pending from pg_locks where locktype = 'advisory' and w.no is not null
                     and objsubid = 2 and classid = 'factum.position'::regclass::oid and granted) p,
                 lateral (select coalesce(max(position), 0) as bound from factum.event where w.no is not null) b"
        );
        let one = one.replace("factum.", &format!("{}.", at.place.schema()));
        let mut reader = at.place.app().await;
        let reading = tokio::spawn(async move {
            let row = sqlx::query(sqlx::AssertSqlSafe(one)).fetch_one(&mut reader).await.expect("a row");
            row.get::<String, _>(0)
        });
        let waits = format!(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted \
             and (classid::bigint << 32) + objid::bigint = {key}"
        );
        until("the reader waits at the gate", Duration::from_secs(20), async || {
            at.number(&waits).await == Some(1)
        })
        .await;
        open.commit().await.expect("commits");
        sqlx::query("select pg_advisory_unlock($1)")
            .bind(key)
            .execute(&mut gate)
            .await
            .expect("opens the gate");
        let read = reading.await.expect("the reader ends");
        assert_eq!(read, "2 1", "it goes on behind 2, and has seen one of two");
        assert_eq!(at.scan(2).await, 2, "the other is before where the reader is: it is lost");
    });
}

#[test]
fn an_open_transaction_that_has_appended_is_named() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(store.stats().held_us, 0);
        let mut app = place.app().await;
        let mut open = app.begin().await.expect("begins");
        store.append_with(&mut open, &stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
        let pid: i32 =
            open.fetch_one("select pg_backend_pid() as the_last_query").await.expect("a row").get(0);
        // What comes after it is committed, and held back.
        let later = store.append(&stream("order-3"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(read_all(&store).await.len(), 1);
        until("the store counts how long readers are held", Duration::from_secs(5), async || {
            store.stats().held_us > 0
        })
        .await;
        let findings = store.doctor().await.expect("looks");
        let finding = findings.iter().find(|finding| finding.what.contains("held")).expect("a finding");
        assert!(finding.is_error && finding.what.contains(&format!("pid {pid}")), "{finding:?}");
        assert!(finding.what.contains("the_last_query"), "{finding:?}");
        // One stream needs no fence: a decider goes on.
        let page = store.read(&Query::stream(stream("order-3"))).await.expect("a page");
        assert_eq!(page.events.len(), 1);
        open.rollback().await.expect("rolls back");
        store.wait(Position::at(later.position.number() - 1)).await.expect("readers go on");
        assert_eq!(read_all(&store).await.len(), 2);
        until("nobody is held any more", Duration::from_secs(5), async || store.stats().held_us == 0).await;
        assert!(store.doctor().await.expect("looks").iter().all(|finding| !finding.what.contains("held")));
    });
}

#[test]
fn the_short_ways_hold_readers_back_until_they_have_committed() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
        // What the store's own connections ask, held open here as no store holds it.
        let many = "select o_version from factum.append(array['order-1', 'order-2'], array[1, 0], array[1, 1], \
                    array[]::integer[], array[1, 2], array[1, 1], array[0, 0], array[0, 0], \
                    array[gen_random_uuid(), gen_random_uuid()], array['', '']::bytea[], array['', '']::bytea[], \
                    array[]::integer[], array[]::bigint[])";
        let with = |sql: &str, values: &[&str]| {
            let numbered = (1..).zip(values);
            numbered.fold(sql.to_owned(), |sql, (number, value)| sql.replace(&format!("${number}"), value))
        };
        let one = include_str!("../../src/postgres/sql/append_one.sql");
        let one = with(one, &["'order-1'", "1", "0", "0", "1", "gen_random_uuid()", "''", "''"]);
        let new = include_str!("../../src/postgres/sql/append_new.sql");
        let new = with(new, &["'order-4'", "0", "0", "1", "gen_random_uuid()", "''", "''"]);
        let mut app = place.app().await;
        for call in [many, &*one, &*new] {
            let before = store.head().await.expect("a head");
            let mut open = app.begin().await.expect("begins");
            let call = call.replace("factum.", &format!("{}.", place.schema()));
            let rows = open.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(call))).await.expect("appends");
            assert_eq!(rows.len(), 1, "it has written");
            let later = store.append(&stream("order-3"), Expected::Any, &events(1)).await.expect("appends");
            assert_eq!(store.head().await.expect("a head"), before, "the open call holds readers back");
            open.rollback().await.expect("rolls back");
            assert_eq!(store.head().await.expect("a head"), later.position);
        }
    });
}

#[test]
fn a_prepared_transaction_is_named_too() {
    let place = place();
    run(async {
        let store = place.open();
        let mut app = place.app().await;
        let mut tx = app.begin().await.expect("begins");
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let name = format!("{}-held", place.schema());
        let prepare = sqlx::AssertSqlSafe(format!("prepare transaction '{name}'"));
        tx.execute(sqlx::raw_sql(prepare)).await.expect("prepares");
        drop(tx);
        until("the prepared transaction is named", Duration::from_secs(5), async || {
            let findings = store.doctor().await.expect("looks");
            findings.iter().any(|finding| finding.what.contains(&name))
        })
        .await;
        let mut app = place.app().await;
        let end = sqlx::AssertSqlSafe(format!("commit prepared '{name}'"));
        app.execute(sqlx::raw_sql(end)).await.expect("commits");
        store.wait(Position::START).await.expect("readers go on");
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn a_wait_ends_without_hints() {
    let place = place();
    run(async {
        let quiet = || Options { hints: false, ..Options::default() };
        let (one, two) = (place.open_with(quiet()), place.open_with(quiet()));
        for _ in 0..5 {
            let head = one.head().await.expect("a head");
            two.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
            let began = std::time::Instant::now();
            one.wait(head).await.expect("the wait ends by polling");
            // Looked for every 50 ms; a busy machine is slower.
            assert!(began.elapsed() < Duration::from_secs(5), "after {:?}", began.elapsed());
        }
        // A listener that is gone is no loss either.
        let three = place.open();
        place.psql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'");
        let head = three.head().await.expect("a head");
        two.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        three.wait(head).await.expect("the wait ends");
    });
}

#[test]
fn stores_of_one_database_know_nothing_of_each_other() {
    let (one, two) = (place(), place());
    run(async {
        let (first, second) = (one.open(), two.open());
        let same = events(1);
        for store in [&first, &second] {
            let done = store.append(&stream("order-1"), Expected::NoStream, &same).await.expect("appends");
            assert!(!done.known, "the other's events are not its own");
        }
        let mut app = one.app().await;
        let mut open = app.begin().await.expect("begins");
        first.append_with(&mut open, &stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
        let later = first.append(&stream("order-3"), Expected::Any, &events(1)).await.expect("appends");
        assert!(first.head().await.expect("a head") < later.position, "its own readers wait");
        let done = second.append(&stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(second.head().await.expect("a head"), done.position, "the other's do not");
        assert!(second.doctor().await.expect("looks").is_empty());
        open.commit().await.expect("commits");
        first.wait(Position::at(later.position.number() - 1)).await.expect("waits");
        assert_eq!((read_all(&first).await.len(), read_all(&second).await.len()), (3, 2));
    });
}

#[test]
fn a_writer_elsewhere_in_the_server_holds_nobody_up() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table note (n integer)").await;
        let mut app = place.app().await;
        let mut open = app.begin().await.expect("begins");
        open.execute("insert into note values (1)").await.expect("writes");
        for _ in 0..3 {
            let done = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
            assert_eq!(store.head().await.expect("a head"), done.position);
        }
        open.rollback().await.expect("rolls back");
    });
}

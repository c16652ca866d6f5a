//! Units of work: shared round trips, interactive units, native access, what others in the way do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use factum_core::{Commit, Expected, Guard, Lock, Record, RecordKind, Store, Version, WriteError, values};
use factum_store::postgres::{Options, PostgresStore, PostgresWork};
use sqlx::Executor as _;

use super::kit::*;

#[test]
fn appends_of_many_tasks_share_round_trips() {
    let place = place();
    run(async {
        let store = Arc::new(place.open());
        let task = |number: usize| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..20 {
                    let to = stream(&format!("order-{number}"));
                    store.append(&to, Expected::Any, &events(1)).await.expect("appends");
                }
            })
        };
        let tasks: Vec<_> = (0..64).map(task).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        let stats = store.stats();
        assert_eq!((stats.units, stats.events, stats.refused), (1280, 1280, 0));
        assert!(stats.commits * 2 < stats.units, "{} commits for {} appends", stats.commits, stats.units);
        assert_eq!(stats.shares.iter().sum::<u64>(), stats.commits);
        assert_eq!(stats.answers.iter().sum::<u64>(), stats.units);
        assert_eq!(read_all(&store).await.len(), 1280);
    });
}

#[test]
fn a_failing_unit_leaves_those_that_share_its_round_trip_alone() {
    let place = place();
    run(async {
        let store = Arc::new(place.open());
        let unit = |number: i64| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut unit = store.begin().await.expect("begins");
                unit.append(stream(&format!("seat-{number}")), Expected::NoStream, events(1));
                // Three of four want a seat that another has.
                unit.append(stream(&format!("row-{}", number / 4)), Expected::NoStream, events(2));
                matches!(unit.commit().await, Commit::Committed(_))
            })
        };
        let units: Vec<_> = (0..200).map(unit).collect();
        let mut committed = 0;
        for unit in units {
            committed += usize::from(unit.await.expect("no panic"));
        }
        assert_eq!(committed, 50);
        let recorded = read_all(&store).await;
        assert_eq!(recorded.len(), 150, "events of failed units left no trace");
        for seat in recorded.iter().filter(|event| event.stream.category() == "seat") {
            assert_eq!(seat.version, Version::at(1));
        }
    });
}

#[test]
fn units_keep_to_their_connections_and_leave_none_in_a_transaction() {
    let place = place();
    run(async {
        let store = place.open_with(Options { connections: 6, ..Options::default() });
        create(&store, "create table seat (number bigint primary key)").await;
        let mine = "select count(*) from pg_stat_activity where application_name = 'factum' and query like '%factum%' \
                    and query like '%SCHEMA%'";
        let tasks: Vec<_> = (0..30_i64)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut unit = store.begin().await.expect("begins");
                    unit.execute("insert into seat values ($1)".into(), values![number]);
                    unit.append(stream(&format!("seat-{number}")), Expected::NoStream, events(1));
                    if number % 3 == 0 {
                        unit.query("select count(*) as n from seat", &[], Lock::None).await.expect("rows");
                    }
                    if number % 2 == 0 {
                        drop(unit)
                    } else {
                        assert!(matches!(unit.commit().await, Commit::Committed(_)))
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(count(&store, "select count(*) as n from seat").await, 15);
        let used = place.psql(&mine.replace("SCHEMA", place.schema()));
        assert!(used.parse::<usize>().expect("a number") <= 6, "{used} connections");
        let idle = format!(
            "select count(*) from pg_stat_activity a join pg_locks l on l.pid = a.pid \
             where a.state like 'idle in transaction%' and l.relation = '{}.event'::regclass",
            place.schema()
        );
        until("no transaction is left open", Duration::from_secs(5), async || place.psql(&idle) == "0").await;
    });
}

#[test]
fn a_store_keeps_to_its_connections_under_every_load_at_once() {
    const CONNECTIONS: usize = 6;
    let place = place();
    run(async {
        // Known by its name, beside the connections of other tests.
        let name = format!("budget-{}", place.schema());
        let url = format!("{}&application_name={name}", place.url);
        let open = Options { connections: CONNECTIONS, ..Options::default() };
        let store = PostgresStore::open(&url, open).expect("opens");
        create(&store, "create table seat (number bigint primary key)").await;
        let stop = Arc::new(AtomicBool::new(false));
        let load = |number: usize| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let to = stream(&format!("order-{number}"));
                    let mut unit = store.begin().await.expect("begins");
                    unit.append(to.clone(), Expected::Any, events(1));
                    match turn % 4 {
                        0 => {}
                        1 => drop(store.read(&factum_core::Query::all()).await.expect("reads")),
                        2 => unit.execute(
                            "insert into seat values ($1)".into(),
                            values![(number * 1_000_000 + turn) as i64],
                        ),
                        _ => drop(unit.query("select 1 as one", &[], Lock::None).await.expect("asks")),
                    }
                    assert!(matches!(unit.commit().await, Commit::Committed(_)));
                }
                turn
            })
        };
        let tasks: Vec<_> = (0..32).map(load).collect();
        let used = format!("select count(*) from pg_stat_activity where application_name = '{name}'");
        let (mut app, mut most) = (place.app().await, 0);
        for _ in 0..150 {
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(used.clone()))
                .fetch_one(&mut app)
                .await
                .expect("a count");
            most = most.max(found as usize);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            assert!(task.await.expect("no panic") > 0, "everybody gets a turn");
        }
        assert!(most > 3 && most <= CONNECTIONS, "{most} connections");
    });
}

#[test]
fn a_unit_that_waits_for_nobody_is_ended_soon_when_its_program_stands_still() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table patience (unit text, said text)").await;
        let note = |unit: &str| {
            let sql =
                "insert into patience values ($1, current_setting('idle_in_transaction_session_timeout'))";
            (sql.into(), values![unit])
        };
        let mut unit = store.begin().await.expect("begins");
        let (sql, params) = note("collected");
        unit.execute(sql, params);
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        // A handler may think, until it has nothing more to say.
        let mut unit = store.begin().await.expect("begins");
        let (sql, params) = note("interactive");
        unit.execute(sql, params);
        unit.query("select 1 as one", &[], Lock::None).await.expect("rows");
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        let rows = store.query("select unit || ' ' || said as said from patience order by 1", &[]).await;
        let said: Vec<String> =
            rows.expect("rows").iter().map(|row| row.get("said").expect("a text")).collect();
        assert_eq!(said, ["collected 5s", "interactive 30s"]);
    });
}

#[test]
fn an_interactive_unit_sees_its_own_writes_and_commits_them() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table stock (item text primary key, n bigint)").await;
        let mut unit = store.begin().await.expect("begins");
        unit.execute("insert into stock values ('tea', 3)".into(), vec![]);
        let sql = "select n from stock where item = $1";
        let rows = unit.query(sql, &values!["tea"], Lock::None).await.expect("rows");
        assert_eq!(rows.first().expect("a row").get::<i64>("n"), Ok(3));
        assert_eq!(count(&store, "select count(*) as n from stock").await, 0, "others see nothing yet");
        unit.append(stream("stock-tea"), Expected::NoStream, events(1));
        unit.execute("update stock set n = n + 1".into(), vec![]);
        let Commit::Committed(committed) = unit.commit().await else { panic!("expected a commit") };
        assert_eq!(committed.appended.len(), 1);
        assert_eq!(count(&store, "select n from stock").await, 4);
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn an_interactive_unit_holds_no_reader_up_before_it_commits() {
    let place = place();
    run(async {
        let store = place.open();
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::NoStream, events(1));
        unit.query("select 1 as n", &[], Lock::ForUpdate).await.expect("rows");
        let done = store.append(&stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(store.head().await.expect("a head"), done.position);
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        assert_eq!(read_all(&store).await.len(), 2);
    });
}

#[test]
fn native_access_commits_with_its_unit() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table seat (number bigint primary key)").await;
        for (number, commits) in [(1_i64, true), (2, false)] {
            let mut unit = store.begin().await.expect("begins");
            unit.append(stream("order-1"), Expected::Any, events(1));
            let native = unit.as_any().downcast_mut::<PostgresWork>().expect("a unit of PostgreSQL");
            let tx = native.transaction().await.expect("a transaction");
            sqlx::query("insert into seat values ($1)")
                .bind(number)
                .execute(&mut **tx)
                .await
                .expect("inserts");
            if commits {
                assert!(matches!(unit.commit().await, Commit::Committed(_)));
            }
        }
        assert_eq!(count(&store, "select count(*) as n from seat").await, 1);
        assert_eq!(read_all(&store).await.len(), 1);
        let mut unit = store.begin().await.expect("begins");
        let native = unit.as_any().downcast_mut::<PostgresWork>().expect("a unit of PostgreSQL");
        let tx = native.transaction().await.expect("a transaction");
        let own = sqlx::AssertSqlSafe(format!("delete from {}.event", place.schema()));
        tx.execute(sqlx::raw_sql(own)).await.expect("deletes");
        assert!(matches!(unit.commit().await, Commit::Failed(WriteError::Sql { .. })));
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn units_that_deadlock_are_run_again() {
    let place = place();
    run(async {
        let store = Arc::new(place.open());
        create(&store, "create table stock (item text primary key, n bigint)").await;
        create(&store, "insert into stock values ('a', 0), ('b', 0)").await;
        let task = |first: &'static str, second: &'static str| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for turn in 0..5 {
                    let mut unit = store.begin().await.expect("begins");
                    let raise = "update stock set n = n + 1 where item = $1";
                    unit.execute(raise.into(), values![first]);
                    // The other has its first row by now, and will want this one's.
                    unit.execute("select pg_sleep(0.05)".into(), vec![]);
                    unit.execute(raise.into(), values![second]);
                    unit.append(
                        stream(&format!("stock-{first}")),
                        Expected::At(Version::at(turn)),
                        events(1),
                    );
                    let commit = unit.commit().await;
                    assert!(matches!(commit, Commit::Committed(_)), "{commit:?}");
                }
            })
        };
        for task in [task("a", "b"), task("b", "a")] {
            task.await.expect("no panic");
        }
        assert_eq!(count(&store, "select sum(n) as n from stock").await, 20);
        assert_eq!(read_all(&store).await.len(), 10);
    });
}

#[test]
fn a_statement_that_takes_too_long_is_stopped_and_the_unit_fails() {
    let place = place();
    run(async {
        let store = place.open();
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::Any, events(1));
        let native = unit.as_any().downcast_mut::<PostgresWork>().expect("a unit of PostgreSQL");
        let tx = native.transaction().await.expect("a transaction");
        tx.execute("set local statement_timeout = '100ms'").await.expect("sets");
        let began = Instant::now();
        unit.execute("select pg_sleep(60)".into(), vec![]);
        let commit = unit.commit().await;
        assert!(
            matches!(&commit, Commit::Failed(WriteError::Sql { source, .. }) if source.message.contains("too long"))
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(read_all(&store).await.len(), 0);
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("the store goes on");
    });
}

#[test]
fn an_id_that_comes_twice_in_a_unit_is_recorded_once() {
    let place = place();
    run(async {
        let store = place.open();
        let batch = events(2);
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::NoStream, batch.clone());
        unit.append(stream("order-2"), Expected::NoStream, batch.clone());
        let Commit::Committed(committed) = unit.commit().await else { panic!("expected a commit") };
        assert!(!committed.appended[0].known && committed.appended[1].known);
        assert_eq!(committed.appended[1].stream, stream("order-1"));
        assert_eq!(read_all(&store).await.len(), 2);
    });
}

#[test]
fn records_and_events_of_one_unit_share_their_fate() {
    let place = place();
    run(async {
        let store = place.open();
        let mark = || Record::new(RecordKind::MARK, "consumer", "a\0b", "x");
        for is_first in [true, false] {
            let mut unit = store.begin().await.expect("begins");
            unit.put(mark(), Guard::Absent);
            unit.append(stream("order-1"), Expected::Any, events(1));
            assert_eq!(matches!(unit.commit().await, Commit::Committed(_)), is_first);
        }
        assert_eq!(read_all(&store).await.len(), 1);
        assert!(store.find_one(RecordKind::MARK, "a\0b").await.expect("finds").is_some());
    });
}

#[test]
fn the_time_is_the_servers() {
    let place = place();
    run(async {
        let store: PostgresStore = place.open();
        let server =
            || place.psql("select (extract(epoch from clock_timestamp()) * 1000000)::bigint").parse::<i64>();
        let before = server().expect("a number");
        let now = store.now().await.expect("a time").as_micros();
        let after = server().expect("a number");
        let slack = 50_000;
        assert!(before - slack <= now && now <= after + slack, "{before} {now} {after}");
    });
}

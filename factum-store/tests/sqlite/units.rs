//! Units of work: shared commits, interactive units, what a failing one does to the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{
    AppendError, Commit, Expected, Guard, Lock, Record, RecordKind, Store, Work, WriteError, values,
};
use factum_store::sqlite::{SqliteStore, SqliteWork};

use super::kit::*;

async fn create(store: &SqliteStore, sql: &'static str) {
    let mut unit = store.begin().await.expect("begins");
    unit.execute(sql.into(), vec![]);
    assert!(matches!(unit.commit().await, Commit::Committed(_)));
}

async fn count(store: &SqliteStore, sql: &str) -> i64 {
    let rows = store.query(sql, &[]).await.expect("rows");
    rows.first().expect("a row").get("n").expect("a number")
}

#[test]
fn appends_of_many_tasks_share_commits() {
    let place = place();
    run(async {
        let store = Arc::new(place.open());
        let task = |number: usize| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..20 {
                    store
                        .append(&stream(&format!("order-{number}")), Expected::Any, &events(1))
                        .await
                        .expect("appends");
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
fn a_failing_unit_leaves_those_that_share_its_commit_alone() {
    run(async {
        let store = Arc::new(open("memory:"));
        create(&store, "create table seat (number integer primary key)").await;
        let unit = |number: i64| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut unit = store.begin().await.expect("begins");
                unit.append(stream(&format!("seat-{number}")), Expected::NoStream, events(1));
                // Three of four want a seat that another has: they fail late, after their event was written.
                unit.execute("insert into seat values ($1)".into(), values![number / 4]);
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
        assert_eq!(recorded.len(), 50, "events of failed units left no trace");
        assert!(recorded.windows(2).all(|pair| pair[0].position.number() + 1 == pair[1].position.number()));
    });
}

#[test]
fn a_statement_that_rolls_everything_back_costs_the_others_nothing() {
    run(async {
        let store = Arc::new(open("memory:"));
        create(&store, "create table seat (number integer primary key)").await;
        let unit = |number: i64| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut unit = store.begin().await.expect("begins");
                unit.append(stream(&format!("seat-{number}")), Expected::NoStream, events(1));
                unit.execute("insert or rollback into seat values ($1)".into(), values![number / 2]);
                matches!(unit.commit().await, Commit::Committed(_))
            })
        };
        let units: Vec<_> = (0..100).map(unit).collect();
        let mut committed = 0;
        for unit in units {
            committed += usize::from(unit.await.expect("no panic"));
        }
        assert_eq!((committed, read_all(&store).await.len()), (50, 50));
        assert_eq!(count(&store, "select count(*) as n from seat").await, 50);
    });
}

#[test]
fn an_interactive_unit_sees_its_own_writes_and_commits_them() {
    run(async {
        let store = open("memory:");
        create(&store, "create table stock (item text primary key, n integer)").await;
        let mut unit = store.begin().await.expect("begins");
        unit.execute("insert into stock values ('tea', 3)".into(), vec![]);
        let rows = unit
            .query("select n from stock where item = $1", &values!["tea"], Lock::None)
            .await
            .expect("rows");
        assert_eq!(rows.first().expect("a row").get::<i64>("n").expect("a number"), 3);
        assert_eq!(count(&store, "select count(*) as n from stock").await, 0, "others see nothing yet");
        unit.append(stream("stock-tea"), Expected::NoStream, events(1));
        let Commit::Committed(committed) = unit.commit().await else { panic!("expected a commit") };
        assert_eq!(committed.appended.len(), 1);
        assert_eq!(count(&store, "select n from stock").await, 3);
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn an_interactive_unit_that_takes_too_long_is_undone() {
    run(async {
        let store = open("memory:");
        create(&store, "create table stock (item text primary key, n integer)").await;
        let mut unit = store.begin().await.expect("begins");
        unit.query("select 1", &[], Lock::ForUpdate).await.expect("rows");
        unit.execute("insert into stock values ('tea', 3)".into(), vec![]);
        let began = Instant::now();
        // Everybody else goes on once the unit's time is up.
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect_err("it waits for itself");
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        match unit.commit().await {
            Commit::Failed(WriteError::Store(error)) => assert!(error.message.contains("250 ms"), "{error}"),
            other => panic!("expected a failure, found {other:?}"),
        }
        assert_eq!(count(&store, "select count(*) as n from stock").await, 0);
    });
}

#[test]
fn an_append_from_inside_an_interactive_unit_is_refused_by_name() {
    run(async {
        let store = open("memory:");
        let mut unit = store.begin().await.expect("begins");
        unit.query("select 1", &[], Lock::ForUpdate).await.expect("rows");
        match store.append(&stream("order-1"), Expected::Any, &events(1)).await {
            Err(AppendError::Invalid(message)) => {
                assert!(message.contains("append through the unit of work"), "{message}")
            }
            other => panic!("expected a refusal, found {other:?}"),
        }
        drop(unit);
    });
}

#[test]
fn an_append_of_another_task_waits_for_an_interactive_unit() {
    run(async {
        let store = open("memory:");
        let mut unit = store.begin().await.expect("begins");
        unit.query("select 1", &[], Lock::ForUpdate).await.expect("rows");
        let other = {
            let store = store.clone();
            tokio::spawn(
                async move { store.append(&stream("order-1"), Expected::NoStream, &events(1)).await },
            )
        };
        unit.append(stream("order-2"), Expected::NoStream, events(1));
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        other.await.expect("no panic").expect("appends");
    });
}

#[test]
fn a_dropped_interactive_unit_lets_go_of_the_writer_at_once() {
    run(async {
        let store = open("memory:");
        for _ in 0..20 {
            let mut unit = store.begin().await.expect("begins");
            unit.append(stream("order-1"), Expected::Any, events(1));
            unit.query("select 1", &[], Lock::ForUpdate).await.expect("rows");
            drop(unit);
        }
        let began = Instant::now();
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    });
}

#[test]
fn a_conflict_inside_an_interactive_unit_is_what_its_commit_answers() {
    run(async {
        let store = open("memory:");
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::NoStream, events(1));
        unit.query("select 1", &[], Lock::None).await.expect_err("the unit is undone");
        unit.query("select 1", &[], Lock::None).await.expect_err("the unit stays undone");
        assert!(matches!(unit.commit().await, Commit::Conflict(_)));
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn a_native_closure_commits_with_its_unit() {
    run(async {
        let store = open("memory:");
        create(&store, "create table seat (number integer primary key)").await;
        let native = |unit: &mut Box<dyn Work>, number: i64| {
            let native = unit.as_any().downcast_mut::<SqliteWork>().expect("a unit of SQLite");
            native.run(move |connection| {
                connection.execute("insert into seat values (?1)", [number])?;
                Ok(())
            });
        };
        let mut unit = store.begin().await.expect("begins");
        native(&mut unit, 1);
        unit.append(stream("order-1"), Expected::NoStream, events(1));
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::Any, events(1));
        native(&mut unit, 1);
        assert!(matches!(unit.commit().await, Commit::Failed(WriteError::Sql { .. })));
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn a_native_closure_that_panics_fails_its_unit_alone() {
    run(async {
        let store = open("memory:");
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::Any, events(1));
        unit.as_any().downcast_mut::<SqliteWork>().expect("a unit of SQLite").run(|_| panic!("on purpose"));
        assert!(matches!(unit.commit().await, Commit::Failed(_)));
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("the writer goes on");
    });
}

#[test]
fn a_native_closure_has_the_rights_of_the_application() {
    run(async {
        let store = open("memory:");
        for sql in ["commit", "delete from factum_event", "pragma user_version = 9", "attach ':memory:' as x"]
        {
            let mut unit = store.begin().await.expect("begins");
            let native = unit.as_any().downcast_mut::<SqliteWork>().expect("a unit of SQLite");
            native.run(move |connection| Ok(connection.execute_batch(sql)?));
            match unit.commit().await {
                Commit::Failed(WriteError::Sql { source, .. }) => {
                    assert!(source.message.contains("not allowed"), "{source}")
                }
                other => panic!("expected a failure of {sql}, found {other:?}"),
            }
        }
    });
}

#[test]
fn records_and_events_of_one_unit_share_their_fate() {
    run(async {
        let store = open("memory:");
        let mark = || Record::new(RecordKind::MARK, "consumer", "1", "x");
        let mut unit = store.begin().await.expect("begins");
        unit.put(mark(), Guard::Absent);
        unit.append(stream("order-1"), Expected::Any, events(1));
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        let mut unit = store.begin().await.expect("begins");
        unit.append(stream("order-1"), Expected::Any, events(1));
        unit.put(mark(), Guard::Absent);
        assert!(matches!(unit.commit().await, Commit::Conflict(_)));
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

//! SQL in units of work, for stores that have it.
//!
//! Column types are names that SQLite and PostgreSQL both take. Placeholders are `$1`, `$2` … everywhere.
//! Never asks for what the two do differently, such as the type of a computed column.

use std::sync::Arc;

use factum_core::{
    Bytes, Commit, Expected, Guard, Lock, Query, RecordKind, RecordQuery, Sql, Store, Timestamp, Value,
    WriteError, values,
};

use super::StoreHarness;
use super::kit::*;
use crate::promise::within;

type Harness = Arc<dyn StoreHarness>;

async fn execute(store: &dyn Store, sql: &'static str, params: Vec<Value>) {
    let mut unit = begin(store).await;
    unit.execute(sql.into(), params);
    commit(unit).await;
}

/// A store with one table of counters.
async fn open_with_counters(harness: &Harness) -> Arc<dyn Store> {
    let store = open(harness).await;
    execute(&*store, "create table suite_counter (name text primary key, n bigint not null)", vec![]).await;
    execute(&*store, "insert into suite_counter (name, n) values ('a', 1)", vec![]).await;
    store
}

const COUNT: &str = "select n from suite_counter where name = $1";
const RAISE: &str = "update suite_counter set n = n + 1 where name = $1";

async fn count(store: &dyn Store, name: &str) -> Option<i64> {
    let rows = store.query(COUNT, &[name.into()]).await.expect("a query");
    rows.first().map(|row| row.get("n").expect("a whole number"))
}

pub(super) async fn values_read_back_as_written(harness: Harness) {
    let store = open(&harness).await;
    let create = "create table suite_value (id bigint primary key, b boolean, i bigint, f double precision, \
                  t text, y bytea, at timestamptz)";
    execute(&*store, create, vec![]).await;
    let insert = "insert into suite_value (id, b, i, f, t, y, at) values ($1, $2, $3, $4, $5, $6, $7)";
    let at = Timestamp::from_micros(1_767_607_200_123_456);
    let text = "é \u{1F511} '; \" \\ \n\t %_ $1 ?1";
    let bytes = Bytes::from_static(b"\0\x01\xff'");
    execute(&*store, insert, values![1_i64, true, i64::MAX, 0.1_f64, text, bytes.clone(), at]).await;
    execute(
        &*store,
        insert,
        values![2_i64, false, i64::MIN, -1.5e300_f64, "", Vec::<u8>::new(), Timestamp::EPOCH],
    )
    .await;
    let none =
        vec![Value::Int(3), Value::Null, Value::Null, Value::Null, Value::Null, Value::Null, Value::Null];
    execute(&*store, insert, none).await;

    let rows = store.query("select * from suite_value order by id", &[]).await.expect("a query");
    assert_eq!(rows.columns(), ["id", "b", "i", "f", "t", "y", "at"]);
    let rows: Vec<_> = rows.iter().collect();
    let expected = [
        (true, i64::MAX, 0.1, text, bytes, at),
        (false, i64::MIN, -1.5e300, "", Bytes::new(), Timestamp::EPOCH),
    ];
    for (row, (b, i, f, t, y, at)) in rows.iter().zip(expected) {
        assert_eq!(row.get::<bool>("b").expect("a bool"), b);
        assert_eq!(row.get::<i64>("i").expect("a whole number"), i);
        assert_eq!(row.get::<f64>("f").expect("a number"), f);
        assert_eq!(row.get::<String>("t").expect("text"), t);
        assert_eq!(row.get::<Bytes>("y").expect("bytes"), y);
        assert_eq!(row.get::<Timestamp>("at").expect("a time"), at);
    }
    assert_eq!(rows[2].values()[1..], [const { Value::Null }; 6]);
    assert_eq!(rows.len(), 3);
}

pub(super) async fn placeholders_are_bound_by_number(harness: Harness) {
    let store = open_with_counters(&harness).await;
    execute(&*store, "insert into suite_counter (n, name) values ($2, $1)", values!["b", 7_i64]).await;
    assert_eq!(count(&*store, "b").await, Some(7), "$1 is the first value, wherever it stands");
    let raise = "update suite_counter set n = n + $1 where name = $2 and n < $1 * 100 and n > -$1";
    execute(&*store, raise, values![5_i64, "b"]).await;
    assert_eq!(count(&*store, "b").await, Some(12), "$1 may stand more than once");
    let eleven =
        "insert into suite_counter (name, n) values ($11, $10 - $9 + $8 - $7 + $6 - $5 + $4 - $3 + $2 - $1)";
    let params = values![1_i64, 2_i64, 3_i64, 4_i64, 5_i64, 6_i64, 7_i64, 8_i64, 9_i64, 100_i64, "c"];
    execute(&*store, eleven, params).await;
    assert_eq!(count(&*store, "c").await, Some(95), "$10 and $11 are not $1");
}

pub(super) async fn values_are_never_spliced(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let hostile = "a'; drop table suite_counter; --";
    execute(&*store, "insert into suite_counter (name, n) values ($1, 2)", values![hostile]).await;
    assert_eq!(count(&*store, hostile).await, Some(2));
    assert_eq!(count(&*store, "a' or '1'='1").await, None);
    assert_eq!(count(&*store, "a").await, Some(1));
}

pub(super) async fn wrong_sql_is_an_error_and_the_store_goes_on(harness: Harness) {
    let store = open_with_counters(&harness).await;
    for wrong in ["select * from suite_nothing", "selekt 1", "select n from suite_counter where name = $2"] {
        let answer = store.query(wrong, &["a".into()]).await;
        let error = answer.err().unwrap_or_else(|| panic!("{wrong:?} answered"));
        assert!(!error.is_transient(), "asking again does not help: {error:?}");
        assert_eq!(count(&*store, "a").await, Some(1), "the store goes on after {wrong:?}");
    }
    let mut unit = begin(&*store).await;
    unit.execute(RAISE.into(), values!["a"]);
    assert!(unit.query("selekt 1", &[], Lock::None).await.is_err());
    drop(unit);
    append(&*store, "suite-1", &events(1)).await;
    assert_eq!(count(&*store, "a").await, Some(1));
}

pub(super) async fn a_query_before_any_write_reads_what_is_committed(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    let rows = unit.query(COUNT, &["a".into()], Lock::None).await.expect("a query");
    assert_eq!(rows.first().expect("a row").get::<i64>("n").expect("a number"), 1);
    // The unit holds nothing: others write meanwhile.
    within("a write beside a unit that only read", execute(&*store, RAISE, values!["a"])).await;
    let rows = unit.query(COUNT, &["a".into()], Lock::None).await.expect("a query");
    assert_eq!(rows.first().expect("a row").get::<i64>("n").expect("a number"), 2);
    commit(unit).await;
}

pub(super) async fn a_query_after_a_write_sees_the_write(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    unit.execute(RAISE.into(), values!["a"]);
    unit.append(stream("suite-1"), Expected::NoStream, events(2));
    let rows = unit.query(COUNT, &["a".into()], Lock::None).await.expect("a query");
    assert_eq!(
        rows.first().expect("a row").get::<i64>("n").expect("a number"),
        2,
        "a unit sees its own write"
    );
    assert_eq!(count(&*store, "a").await, Some(1), "nobody else sees it yet");
    unit.execute(RAISE.into(), values!["a"]);
    let committed = commit(unit).await;
    assert_eq!(committed.appended.len(), 1, "an interactive unit answers its appends too");
    assert_eq!(committed.position, Some(store.head().await.expect("a head")));
    assert_eq!(count(&*store, "a").await, Some(3));
    assert_eq!(read_all(&*store).await.len(), 2);
}

pub(super) async fn sql_and_events_commit_together(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    unit.execute(RAISE.into(), values!["a"]);
    unit.append(stream("suite-1"), Expected::NoStream, events(1));
    unit.execute(Sql::from(format!("{RAISE} and n = $2")), values!["a", 2_i64]);
    unit.put(record("a", "1"), Guard::Absent);
    commit(unit).await;
    assert_eq!(count(&*store, "a").await, Some(3), "statements run in the order collected");
    assert_eq!(read_all(&*store).await.len(), 1);
    assert!(find_one(&*store, "a").await.is_some());
}

async fn assert_untouched(store: &dyn Store) {
    assert_eq!(count(store, "a").await, Some(1), "a unit that did not happen left its SQL");
    assert_eq!(read_all(store).await, [], "a unit that did not happen left events");
    assert_eq!(find_one(store, "a").await, None, "a unit that did not happen left a record");
}

pub(super) async fn a_failing_statement_undoes_the_whole_unit(harness: Harness) {
    let store = open_with_counters(&harness).await;
    for failing in
        ["insert into suite_counter (name, n) values ('a', 5)", "update suite_nothing set n = 1", "selekt"]
    {
        let mut unit = begin(&*store).await;
        unit.execute(RAISE.into(), values!["a"]);
        unit.append(stream("suite-1"), Expected::NoStream, events(1));
        unit.put(record("a", "1"), Guard::Absent);
        unit.execute(failing.into(), vec![]);
        unit.execute(RAISE.into(), values!["a"]);
        match unit.commit().await {
            Commit::Failed(WriteError::Sql { sql, .. }) => {
                assert_eq!(sql, failing, "the failure names its statement")
            }
            other => panic!("expected the unit to fail by its statement, found {other:?}"),
        }
        assert_untouched(&*store).await;
    }
}

pub(super) async fn a_conflict_undoes_the_sql(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    unit.execute(RAISE.into(), values!["a"]);
    unit.put(record("a", "1"), Guard::At(3));
    let outcome = unit.commit().await;
    assert!(matches!(outcome, Commit::Conflict(_)), "expected a conflict, found {outcome:?}");
    assert_untouched(&*store).await;
}

pub(super) async fn a_dropped_unit_undoes_its_sql(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    unit.execute(RAISE.into(), values!["a"]);
    unit.append(stream("suite-1"), Expected::NoStream, events(1));
    drop(unit);
    assert_untouched(&*store).await;
}

pub(super) async fn a_dropped_interactive_unit_undoes_its_sql(harness: Harness) {
    let store = open_with_counters(&harness).await;
    for _ in 0..3 {
        let mut unit = begin(&*store).await;
        unit.execute(RAISE.into(), values!["a"]);
        unit.append(stream("suite-1"), Expected::NoStream, events(1));
        unit.put(record("a", "1"), Guard::Absent);
        unit.query(COUNT, &["a".into()], Lock::None).await.expect("a query");
        drop(unit);
        within("a read after a dropped unit", assert_untouched(&*store)).await;
    }
    within("a write after a dropped unit", append(&*store, "suite-1", &events(1))).await;
}

pub(super) async fn sql_cannot_end_its_unit(harness: Harness) {
    let store = open_with_counters(&harness).await;
    for escape in ["commit", "rollback", "end", "COMMIT;", "begin", "savepoint x"] {
        let mut unit = begin(&*store).await;
        unit.execute(RAISE.into(), values!["a"]);
        unit.append(stream("suite-1"), Expected::NoStream, events(1));
        unit.put(record("a", "1"), Guard::Absent);
        unit.execute(escape.into(), vec![]);
        let outcome = unit.commit().await;
        assert!(matches!(outcome, Commit::Failed(_)), "{escape:?} in a unit ended with {outcome:?}");
        assert_untouched(&*store).await;
    }
    within("an append afterwards", append(&*store, "suite-1", &events(1))).await;
}

pub(super) async fn rows_read_for_update_are_not_overtaken(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    let mut unit = begin(&*store).await;
                    let rows =
                        unit.query(COUNT, &["a".into()], Lock::ForUpdate).await.expect("a locked query");
                    let n: i64 = rows.first().expect("a row").get("n").expect("a number");
                    unit.execute("update suite_counter set n = $1 where name = 'a'".into(), values![n + 1]);
                    commit(unit).await;
                }
            })
        })
        .collect();
    for writer in writers {
        within("a writer that locks", writer)
            .await
            .unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    }
    assert_eq!(count(&*store, "a").await, Some(21), "an update that was read for was overtaken");
}

pub(super) async fn a_moment_stands_still_while_others_write(harness: Harness) {
    let store = open_with_counters(&harness).await;
    let mut unit = begin(&*store).await;
    unit.put(record("a", "1"), Guard::Absent);
    unit.append(stream("suite-1"), Expected::Any, events(1));
    commit(unit).await;
    let moment = store.moment().await.expect("a moment");
    let stands = async || {
        let rows = moment.query(COUNT, &["a".into()]).await.expect("a query");
        let found = moment.find(RecordKind::USER, &RecordQuery::id("a")).await.expect("records");
        let log = moment.read(&Query::all()).await.expect("a page").events.len();
        (rows.first().expect("a row").get::<i64>("n").expect("a number"), found[0].bytes.clone(), log)
    };
    let before = (1, Bytes::from_static(b"1"), 1);
    for n in 2..5 {
        // The first write comes before anything was asked of the moment.
        let mut unit = begin(&*store).await;
        unit.execute(RAISE.into(), values!["a"]);
        unit.put(record("a", "2"), Guard::Any);
        unit.append(stream("suite-1"), Expected::Any, events(1));
        within("a write beside a moment", commit(unit)).await;
        assert_eq!(count(&*store, "a").await, Some(n));
        assert_eq!(stands().await, before, "a moment moved");
    }
    drop(moment);
    let moment = store.moment().await.expect("another moment");
    let rows = moment.query(COUNT, &["a".into()]).await.expect("a query");
    assert_eq!(rows.first().expect("a row").get::<i64>("n").expect("a number"), 4);
}

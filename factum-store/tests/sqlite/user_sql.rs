//! What an application's SQL may and may not do.

use factum_core::{Commit, Expected, Lock, Store, StoreErrorKind, WriteError, values};
use factum_store::sqlite::SqliteStore;

use super::kit::*;

async fn execute(store: &SqliteStore, sql: &str) -> Result<(), String> {
    let mut unit = store.begin().await.expect("begins");
    unit.execute(sql.to_owned().into(), vec![]);
    match unit.commit().await {
        Commit::Committed(_) => Ok(()),
        Commit::Failed(WriteError::Sql { source, .. }) => Err(source.message),
        other => panic!("expected a statement's error, found {other:?}"),
    }
}

#[test]
fn transactions_settings_and_own_tables_are_out_of_reach() {
    run(async {
        let store = open("memory:");
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let forbidden = [
            "begin",
            "commit",
            "rollback",
            "end",
            "savepoint x",
            "release factum_unit",
            "attach database ':memory:' as other",
            "detach main",
            "pragma journal_mode = delete",
            "pragma synchronous = off",
            "vacuum",
            "vacuum into '/tmp/x.db'",
            "insert into factum_stream (name, version) values ('order-9', 1)",
            "update factum_event set data = x'00'",
            "delete from factum_event",
            "delete from FACTUM_event",
            "drop table factum_event",
            "drop view event_json",
            "alter table factum_event rename to x",
            "create index x on factum_event (time)",
            "create table factum_mine (id integer)",
            "create trigger x after insert on factum_event begin select 1; end",
            "create view factum_view as select 1",
            "delete from event_json",
            "-- factum: the log; it is mine\ndelete from factum_event",
            "select load_extension('x')",
        ];
        for sql in forbidden {
            let error = execute(&store, sql).await.expect_err(sql);
            assert!(!error.is_empty(), "{sql}");
        }
        assert_eq!(
            execute(&store, "delete from factum_event").await.expect_err("refused"),
            "the statement is not allowed: factum_event is Factum's own; append through the unit of work"
        );
        let queries = [
            "select * from factum_event",
            "select * from main.factum_record",
            "select * from Factum_Event",
            "pragma user_version",
            "select * from pragma_user_version",
            "select * from pragma_table_info('x')",
            "with event_json as (select * from factum_record) select * from event_json",
            "select (select count(*) from factum_tag)",
        ];
        for sql in queries {
            let error = store.query(sql, &[]).await.expect_err(sql);
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{sql}: {error}");
            let mut unit = store.begin().await.expect("begins");
            unit.query(sql, &[], Lock::ForUpdate).await.expect_err(sql);
        }
        assert_eq!(read_all(&store).await.len(), 1);
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("the store goes on");
    });
}

#[test]
fn the_log_is_readable_as_json_by_name() {
    run(async {
        let store = open("memory:");
        let event = event();
        store.append(&stream("order-1"), Expected::Any, std::slice::from_ref(&event)).await.expect("appends");
        let sql = "select position, stream, version, id, type, kind, time, json_extract(data, '$.n') as n
                   from event_json where stream = $1";
        let rows = store.query(sql, &values!["order-1"]).await.expect("rows");
        let row = rows.first().expect("a row");
        assert_eq!(row.get::<String>("id").expect("text"), event.id.to_string());
        assert_eq!(row.get::<String>("type").expect("text"), "order.placed");
        assert_eq!(row.get::<i64>("n").expect("a number"), 1);
        let time: factum_core::Timestamp = row.get("time").expect("a time");
        assert_eq!(time.as_micros() / 1_000_000, event.time.as_micros() / 1_000_000);
    });
}

#[test]
fn a_query_cannot_write() {
    run(async {
        let store = open("memory:");
        execute(&store, "create table seat (number integer)").await.expect("a table");
        let error = store.query("insert into seat values (1)", &[]).await.expect_err("refused");
        assert!(error.message.contains("use execute"), "{error}");
    });
}

#[test]
fn placeholders_and_values_must_fit() {
    run(async {
        let store = open("memory:");
        for (sql, values) in [
            ("select ?", values![1]),
            ("select :a", values![1]),
            ("select $2", values![1]),
            ("select $0", values![1]),
        ] {
            let error = store.query(sql, &values).await.expect_err(sql);
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{sql}");
        }
        let rows = store.query("select $2 as b, $1 as a, $1 as c", &values![1, "two"]).await.expect("rows");
        let row = rows.first().expect("a row");
        assert_eq!((row.get::<i64>("a"), row.get::<i64>("c")), (Ok(1), Ok(1)));
        assert_eq!(row.get::<String>("b"), Ok("two".to_owned()));
    });
}

#[test]
fn a_statement_in_an_interactive_unit_is_stopped_in_time() {
    run(async {
        let store = open("memory:");
        let mut unit = store.begin().await.expect("begins");
        let endless =
            "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
        unit.query(endless, &[], Lock::ForUpdate).await.expect_err("it is stopped");
        assert!(matches!(unit.commit().await, Commit::Failed(_)));
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("the writer goes on");
    });
}

#[test]
fn hostile_names_are_only_names() {
    run(async {
        let store = open("memory:");
        let long = format!("order-{}", "ü".repeat(120));
        let hostile =
            ["order-'; drop table factum_event; --", "order-\"%_*?[]{}$1", "order-\u{202e}\u{10ffff}", &long];
        for (index, name) in hostile.iter().enumerate() {
            let name = name.replace(' ', "");
            let to = stream(&name);
            store.append(&to, Expected::NoStream, &events(2)).await.expect("appends");
            let page = store.read(&factum_core::Query::stream(to.clone())).await.expect("a page");
            assert_eq!(page.events.len(), 2, "{name}");
            assert!(page.events.iter().all(|event| event.stream == to));
            assert_eq!(read_all(&store).await.len(), 2 * (index + 1));
        }
        let ids = ["", "'", "a\0b", "%", "\u{10ffff}", "a\0"];
        let mut unit = store.begin().await.expect("begins");
        for id in ids {
            let record = factum_core::Record::new(factum_core::RecordKind::USER, id, id, "x");
            unit.put(record, factum_core::Guard::Absent);
        }
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
        for id in ids {
            let found = store.find_one(factum_core::RecordKind::USER, id).await.expect("finds");
            assert_eq!(found.expect("is there").group, id);
        }
        let all = store.find(factum_core::RecordKind::USER, &factum_core::RecordQuery::default()).await;
        assert_eq!(all.expect("finds").len(), ids.len());
        let mut query = factum_core::RecordQuery { group_prefix: Some("a\0".into()), ..Default::default() };
        assert_eq!(store.find(factum_core::RecordKind::USER, &query).await.expect("finds").len(), 2);
        query.group_prefix = Some("%".into());
        assert_eq!(store.find(factum_core::RecordKind::USER, &query).await.expect("finds").len(), 1);
    });
}

//! What an application's SQL may and may not do.

use factum_core::{Commit, Expected, Lock, Store, StoreErrorKind, Value, WriteError, values};
use factum_store::postgres::PostgresStore;

use super::kit::*;

async fn refusal(store: &PostgresStore, sql: &str) -> String {
    match execute(store, sql).await {
        Commit::Failed(WriteError::Sql { source, .. }) => source.message,
        other => panic!("expected the error of {sql:?}, found {other:?}"),
    }
}

#[test]
fn transactions_settings_and_own_tables_are_out_of_reach() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let forbidden = [
            "begin",
            "commit",
            "rollback",
            "end",
            "abort",
            "savepoint x",
            "release x",
            "start transaction",
            "prepare transaction 'x'",
            "/* c */ -- d\n commit",
            "set role postgres",
            "set search_path = pg_catalog",
            "reset all",
            "discard all",
            "notify x",
            "listen x",
            "vacuum",
            "copy (select 1) to stdout",
            "do $$ begin commit; end $$",
            "insert into factum.stream (name, version) values ('order-9', 1)",
            "update factum.event set data = ''",
            "delete from factum.event",
            "truncate factum.tag",
            "drop table factum.event cascade",
            "alter table factum.event add column x integer",
            "create index on factum.event (time)",
            "with gone as (delete from factum.event returning 1) select * from gone",
            "lock table factum.event in exclusive mode",
            "insert into seat values (1); delete from seat",
        ];
        create(&store, "create table seat (number bigint)").await;
        for sql in forbidden {
            let error = refusal(&store, &sql.replace("factum.", &format!("{}.", place.schema()))).await;
            assert!(!error.is_empty(), "{sql}");
        }
        assert_eq!(
            refusal(&store, &format!("delete from {}.event", place.schema())).await,
            "the statement is not allowed: event is Factum's own; append through the unit of work"
        );
        assert_eq!(
            refusal(&store, "commit").await,
            "the statement is not allowed: transactions belong to the unit of work: no BEGIN, COMMIT, ROLLBACK, SAVEPOINT"
        );
        for sql in ["commit", "set role x", "update factum.event set time = 0 returning 1 as n"] {
            let sql = sql.replace("factum.", &format!("{}.", place.schema()));
            let error = store.query(&sql, &[]).await.expect_err(&sql);
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{sql}: {error}");
            let mut unit = store.begin().await.expect("begins");
            unit.query(&sql, &[], Lock::ForUpdate).await.expect_err(&sql);
        }
        assert_eq!(read_all(&store).await.len(), 1);
        assert_eq!(count(&store, "select count(*) as n from seat").await, 0);
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("the store goes on");
    });
}

#[test]
fn the_log_is_readable_as_json_by_name() {
    let place = place();
    run(async {
        let store = place.open();
        let event = event();
        let mut no_json = super::kit::event();
        no_json.data = "\0 no json".into();
        store.append(&stream("order-1"), Expected::Any, &[event.clone(), no_json]).await.expect("appends");
        let sql = "select position, stream, version, id, type, kind, time, (data ->> 'n')::bigint as n
                   from factum.event_json where stream = $1 order by version";
        let sql = sql.replace("factum.", &format!("{}.", place.schema()));
        let rows = store.query(&sql, &values!["order-1"]).await.expect("rows");
        let row = rows.first().expect("a row");
        assert_eq!(row.get::<String>("id"), Ok(event.id.to_string()));
        assert_eq!(row.get::<String>("type"), Ok("order.placed".to_owned()));
        assert_eq!(row.get::<i64>("n"), Ok(1));
        assert_eq!(row.get::<factum_core::Timestamp>("time"), Ok(event.time));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.iter().nth(1).expect("a row").get::<Option<i64>>("n"), Ok(None));
    });
}

#[test]
fn a_query_cannot_write() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table seat (number bigint)").await;
        let error =
            store.query("insert into seat values (1) returning number", &[]).await.expect_err("refused");
        assert!(error.message.contains("use execute"), "{error}");
    });
}

#[test]
fn placeholders_and_values_must_fit() {
    let place = place();
    run(async {
        let store = place.open();
        for (sql, values) in [
            ("select ?", values![1]),
            ("select $2 as a", values![1]),
            ("select $0", values![1]),
            ("select :a", values![1]),
        ] {
            let error = store.query(sql, &values).await.expect_err(sql);
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{sql}: {error:?}");
        }
        let rows = store.query("select $2 as b, $1 as a, $1 as c", &values![1, "two"]).await.expect("rows");
        let row = rows.first().expect("a row");
        assert_eq!((row.get::<i64>("a"), row.get::<i64>("c")), (Ok(1), Ok(1)));
        assert_eq!(row.get::<String>("b"), Ok("two".to_owned()));
    });
}

#[test]
fn the_same_text_takes_values_of_other_types() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table seat (number integer, name text)").await;
        let insert = "insert into seat values ($1, $2)";
        for values in [
            vec![Value::Null, Value::Null],
            values![7, "seven"],
            vec![Value::Int(8), Value::Null],
            vec![Value::Null, Value::Text("none".to_owned())],
        ] {
            let mut unit = store.begin().await.expect("begins");
            unit.execute(insert.into(), values.clone());
            let commit = unit.commit().await;
            assert!(matches!(commit, Commit::Committed(_)), "{values:?}: {commit:?}");
        }
        assert_eq!(count(&store, "select sum(number) as n from seat").await, 15);
        let sql =
            "select 19.99::numeric as price, sum(number) as whole, '{\"a\":1}'::jsonb as json from seat";
        let rows = store.query(sql, &[]).await.expect("rows");
        let row = rows.first().expect("a row");
        assert_eq!(row.get::<String>("price"), Ok("19.99".to_owned()));
        assert_eq!(row.get::<i64>("whole"), Ok(15));
        assert_eq!(row.get::<String>("json"), Ok("{\"a\": 1}".to_owned()));
        let error = store.query("select point(1, 2) as p", &[]).await.expect_err("no such value");
        assert!(error.message.contains("cast it"), "{error}");
    });
}

#[test]
fn hostile_names_are_only_names() {
    let place = place();
    run(async {
        let store = place.open();
        let long = format!("order-{}", "ü".repeat(120));
        let hostile = ["order-';droptableevent;--", "order-\"%_*?[]{}$1", "order-\u{202e}\u{10ffff}", &long];
        for (index, name) in hostile.iter().enumerate() {
            let to = stream(name);
            store.append(&to, Expected::NoStream, &events(2)).await.expect("appends");
            let page = store.read(&factum_core::Query::stream(to.clone())).await.expect("a page");
            assert!(page.events.len() == 2 && page.events.iter().all(|event| event.stream == to), "{name}");
            assert_eq!(read_all(&store).await.len(), 2 * (index + 1));
        }
    });
}

//! A commit that is cut off by the server's death, by whose number the server then commits another transaction.

use std::time::Duration;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{Commit, Guard, Record, RecordKind, Store, values};
use factum_store::postgres::{Options, PostgresStore};
use sqlx::{Connection as _, Executor as _};

use super::kit::*;

/// Nothing reaches the disk before a commit sends it there, so that a death gives numbers back.
const LAZY: &str = "-c wal_level=minimal -c max_wal_senders=0 -c wal_writer_delay=10s -c wal_writer_flush_after=100MB \
                    -c autovacuum=off -c checkpoint_timeout=1h";

/// Whose commit it is that the server dies in.
const COMMITTING: &str = "select pid from pg_stat_activity where wait_event = 'PgSleep'";

struct Fixture {
    server: PostgresServer,
    place: Place,
    store: PostgresStore,
}

/// A table whose commits take without end, when a row asks for it.
async fn fixture() -> Fixture {
    let server = PostgresServer::start_with(LAZY).expect("a server");
    let place = Place { url: server.fresh_url() };
    let mut app = place.app().await;
    let table = "create table tally (id bigint primary key, is_slow boolean not null);
        create function linger() returns trigger language plpgsql as $$
        begin if new.is_slow then perform pg_sleep(1000); end if; return null; end $$;
        create constraint trigger linger after insert on tally deferrable initially deferred
        for each row execute function linger();";
    app.execute(sqlx::raw_sql(table)).await.expect("a table");
    let store = PostgresStore::open(&place.url, Options::default()).expect("opens");
    Fixture { server, place, store }
}

impl Fixture {
    /// What a unit with a row and, perhaps, a record answers when the server dies in its commit and
    /// gives its number to somebody else.
    async fn answer(&self, has_record: bool, die: impl Fn(&PostgresServer, &str)) -> Commit {
        let mut unit = self.store.begin().await.expect("begins");
        unit.execute("insert into tally values ($1, $2)".into(), values![1, true]);
        if has_record {
            unit.put(Record::new(RecordKind::USER, "tally", "1", "x"), Guard::Any);
        }
        let answer = tokio::spawn(unit.commit());
        until("the commit is under way", Duration::from_secs(20), async || {
            !self.place.psql(COMMITTING).is_empty()
        })
        .await;
        let pid = self.place.psql(COMMITTING);
        let sql = format!("select backend_xid::text::bigint from pg_stat_activity where pid = {pid}");
        let number: i64 = self.place.psql(&sql).parse().expect("a number");
        die(&self.server, &pid);
        let mut last = 0;
        until("somebody else has the number", Duration::from_secs(20), async || {
            last = self.next_number().await.unwrap_or(last);
            last >= number
        })
        .await;
        assert_eq!(last, number, "the number was given to another");
        answer.await.expect("no panic")
    }

    /// Commits a transaction of somebody else's, and says its number.
    async fn next_number(&self) -> Result<i64, sqlx::Error> {
        let (url, _) = self.place.url.split_once('?').expect("a URL with parameters");
        let mut other = sqlx::PgConnection::connect(url).await?;
        sqlx::query_scalar("select pg_current_xact_id()::text::bigint").fetch_one(&mut other).await
    }

    fn rows(&self) -> String {
        let table = self.place.url.split_once("search_path%3D").expect("a path").1;
        self.place.psql(&format!("select count(*) from {table}.tally"))
    }
}

fn kill_server(server: &PostgresServer, _: &str) {
    server.kill().expect("killed");
    // It does not start before the last of its processes has noticed.
    let began = std::time::Instant::now();
    while let Err(error) = server.up() {
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The server ends all of its processes when one is killed, and recovers without starting anew.
fn kill_process(server: &PostgresServer, pid: &str) {
    let other = psql(&server.url(), "select pid from pg_stat_activity where backend_type = 'checkpointer'");
    assert!(signal("-9", pid));
    let began = std::time::Instant::now();
    while signal("-0", &other) {
        assert!(began.elapsed() < Duration::from_secs(20), "the server does not recover");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(which: &str, pid: &str) -> bool {
    std::process::Command::new("kill").args([which, pid]).output().expect("kill starts").status.success()
}

#[test]
fn a_unit_without_events_is_unknown_when_the_server_was_killed_in_its_commit() {
    run(async {
        let fixture = fixture().await;
        let answer = fixture.answer(false, kill_server).await;
        assert!(matches!(answer, Commit::Unknown(_)), "{answer:?}");
        assert_eq!(fixture.rows(), "0", "it did not happen");
    });
}

#[test]
fn a_unit_with_a_record_is_unknown_when_the_server_recovered_from_a_killed_process() {
    run(async {
        let fixture = fixture().await;
        let answer = fixture.answer(true, kill_process).await;
        assert!(matches!(answer, Commit::Unknown(_)), "{answer:?}");
        assert_eq!(fixture.rows(), "0", "it did not happen");
    });
}

#[test]
fn a_unit_without_events_is_settled_when_the_server_lives_on() {
    run(async {
        let fixture = fixture().await;
        let mut unit = fixture.store.begin().await.expect("begins");
        unit.execute("insert into tally values ($1, $2)".into(), values![1, true]);
        let answer = tokio::spawn(unit.commit());
        until("the commit is under way", Duration::from_secs(20), async || {
            !fixture.place.psql(COMMITTING).is_empty()
        })
        .await;
        // Ended in its commit, it is run again; then nothing keeps it.
        let app = fixture.place.url.split_once("search_path%3D").expect("a path").1;
        fixture.place.psql(&format!(
            "create or replace function {app}.linger() returns trigger language plpgsql as \
            'begin return null; end'"
        ));
        fixture.place.psql(&COMMITTING.replace("select pid", "select pg_terminate_backend(pid)"));
        let answer = answer.await.expect("no panic");
        assert!(matches!(answer, Commit::Committed(_)), "{answer:?}");
        assert_eq!(fixture.rows(), "1", "once");
    });
}

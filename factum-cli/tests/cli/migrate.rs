//! `factum migrate` on a server: killed anywhere, run twice at the same time, it leaves all of the tables or none.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use factum_conformance::postgres::{PostgresServer, psql};

use crate::terminal::Terminal;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on which every statement that makes something takes its time, and is counted whatever becomes of it.
fn deliberate() -> PostgresServer {
    let server = PostgresServer::start().unwrap();
    psql(
        &server.url(),
        "create sequence public.made;
         create function public.made() returns event_trigger language plpgsql as $$ begin
             perform nextval('public.made');
             perform pg_sleep(0.05);
         end $$;
         create event trigger made on ddl_command_end execute function public.made()",
    );
    server
}

fn made(server: &PostgresServer) -> u64 {
    let sql = "select case when is_called then last_value else 0 end from public.made";
    psql(&server.url(), sql).parse().unwrap()
}

fn migrate(terminal: &Terminal) -> Child {
    terminal.command(&["migrate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn tables(server: &PostgresServer) -> u64 {
    psql(&server.url(), "select count(*) from pg_tables where schemaname = 'factum'").parse().unwrap()
}

#[test]
fn a_migration_that_is_killed_anywhere_leaves_nothing_and_the_next_one_makes_it_all() {
    let server = deliberate();
    let terminal = Terminal::on(server.url());
    for after in [1, 2, 3, 6, 10, 15] {
        let before = made(&server);
        let mut child = migrate(&terminal);
        until("so much is made", || made(&server) >= before + after);
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = "select count(*) from pg_stat_activity where application_name = 'factum'";
        until("the server has noticed", || psql(&server.url(), gone) == "0");
        assert_eq!(tables(&server), 0, "after {after} statements: all or nothing");
        assert_eq!(terminal.code(&["log"]), 3, "and nothing of it is taken for a store");
    }
    assert_eq!(terminal.code(&["migrate"]), 0);
    assert_eq!((terminal.code(&["check"]), terminal.code(&["migrate"])), (0, 0));
}

#[test]
fn two_migrations_at_the_same_time_make_it_once_also_when_one_of_them_is_killed() {
    let server = deliberate();
    let terminal = Terminal::on(server.url());
    let mut killed = migrate(&terminal);
    until("the first has begun", || made(&server) > 2);
    let mut second = migrate(&terminal);
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    until("the second waits for it", || psql(&server.url(), waits) == "1");
    let mut third = migrate(&terminal);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(second.wait().unwrap().success() && third.wait().unwrap().success());
    assert_eq!(psql(&server.url(), "select count(*) = max(number) from factum.revision"), "t");
    assert_eq!(terminal.code(&["check"]), 0);
}

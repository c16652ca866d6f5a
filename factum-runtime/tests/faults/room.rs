//! A server that has no room: no connection left, or a full disk. An app waits, says why, and goes on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{AppendError, Envelope, Expected, OpenGate, StoreErrorKind};
use factum_runtime::{App, Consumer};

use crate::kit::*;
use crate::place;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_finds_no_connection_is_told_why_and_starts_when_there_is_one() {
    let server = PostgresServer::start().unwrap();
    // A program's own limit, below what two of its instances need.
    psql(&server.url(), "create role shop login connection limit 14");
    psql(&server.url(), "grant create on database postgres to shop");
    let url = server.fresh_url();
    psql(&url, &format!("alter schema {} owner to shop", url.split_once("search_path%3D").unwrap().1));
    let url = url.replace("postgres@", "shop@");
    let open = || factum_store::open(&url, Arc::new(OpenGate));
    let first = open().unwrap().store;
    effects(first.as_ref()).await;
    let seen = Seen::default();
    let walker = || {
        let does = Does { seen: seen.clone(), answer: |_: &Stepped, _| yes() };
        Consumer::new("walker").on::<Stepped>(does).retry(quick())
    };
    let running = App::new(first.clone()).consumer(walker()).start().await.unwrap();
    let mut others = Vec::new();
    let refused = loop {
        match open() {
            Ok(opened) => others.push(opened),
            Err(error) => break error,
        }
        assert!(others.len() < 10, "the limit is never reached");
    };
    assert_eq!(refused.kind, StoreErrorKind::Unavailable);
    assert!(refused.is_transient());
    let said = refused.to_string();
    assert!(said.contains("raise max_connections or the role's connection limit"), "{said}");
    assert!(said.contains("ask again"), "{said}");
    // Who is there goes on meanwhile.
    for number in 0..5 {
        step(first.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    others.clear();
    until("there is room again", async || open().is_ok()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_app_waits_through_a_server_that_lets_nobody_in() {
    let server = PostgresServer::start().unwrap();
    psql(&server.url(), "create role shop login");
    psql(&server.url(), "grant create on database postgres to shop");
    let url = server.fresh_url();
    psql(&url, &format!("alter schema {} owner to shop", url.split_once("search_path%3D").unwrap().1));
    let store = factum_store::open(&url.replace("postgres@", "shop@"), Arc::new(OpenGate)).unwrap().store;
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let running = start(&store, Consumer::new("walker").on::<Stepped>(does).retry(quick())).await;
    for number in 0..3 {
        step(store.as_ref(), "a", number).await;
    }
    psql(&server.url(), "alter role shop connection limit 0");
    psql(&server.url(), "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shop'");
    let trouble = async {
        let mut refused = 0;
        while refused < 20 {
            if let Err(error) = store.head().await {
                assert!(error.is_transient(), "{error:?}");
                refused += 1;
            }
        }
        psql(&server.url(), "alter role shop connection limit -1");
    };
    let (settled, ()) = tokio::join!(running.settled(SOON), trouble);
    settled.unwrap();
    assert_eq!(effects_of(store.as_ref(), "a").await, [0, 1, 2]);
    running.stop().await;
}

/// A small file system in memory; unmounted when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None` where there is no right to mount, which is said.
    fn new(test: &str, megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], folder.path());
        if !mounted {
            println!("skipped: {test}: no right to mount a small file system");
        }
        mounted.then_some(Self { folder })
    }

    /// A folder in it that the server may write to.
    fn place(&self) -> PathBuf {
        let place = self.folder.path().join("space");
        std::fs::create_dir(&place).unwrap();
        // Where the server runs as the same user, there is nothing to change.
        let _ = Command::new("chown").arg("postgres").arg(self.folder.path()).arg(&place).output();
        place
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.folder.path());
    }
}

fn run(program: &str, args: &[&str], on: &Path) -> bool {
    let done = Command::new(program).args(args).arg(on).output();
    done.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_server_is_said_and_costs_no_event_when_there_is_room_again() {
    const TEST: &str = "a_full_disk_of_the_server_is_said_and_costs_no_event_when_there_is_room_again";
    let Some(disk) = Disk::new(TEST, 24) else { return };
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let store = place::open(&url, Arc::new(OpenGate));
    effects(store.as_ref()).await;
    let schema = url.split_once("schema=").unwrap().1.split('&').next().unwrap().to_owned();
    let space = disk.place();
    psql(&url, &format!("create tablespace small location '{}'", space.display()));
    psql(&url, &format!("alter table {schema}.event set tablespace small"));
    std::fs::write(disk.ballast(), vec![0; 12 * 1024 * 1024]).unwrap();
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let consumer = Consumer::new("walker").on::<Stepped>(does).retry(quick());
    let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
    // Until the disk is full; each thing's name is what fills it.
    let mut kept = Vec::new();
    let (refused, envelope) = loop {
        let thing = format!("thing-{}", kept.len());
        let envelope = padded(&thing, 60 * 1024, kept.len() as u64);
        let to = envelope.stream().unwrap();
        match store.append(&to, Expected::Any, std::slice::from_ref(&envelope)).await {
            Ok(_) => kept.push(thing),
            Err(error) => break (error, envelope),
        }
        assert!(kept.len() < 1000, "the disk is never full");
    };
    match &refused {
        AppendError::Store(error) => {
            assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
            assert!(error.message.contains("the server's disk is full; make room and ask again"), "{error}");
        }
        other => panic!("expected a full disk, found {other:?}"),
    }
    // What is there is still read and handled.
    running.settled(SOON).await.unwrap();
    std::fs::remove_file(disk.ballast()).unwrap();
    let to = envelope.stream().unwrap();
    let done = store.append(&to, Expected::Any, std::slice::from_ref(&envelope)).await.unwrap();
    assert!(!done.known, "what was refused is not there");
    running.settled(SOON).await.unwrap();
    for thing in kept.iter().map(String::as_str).chain([envelope.key.as_str()]) {
        assert_eq!(effects_of(store.as_ref(), thing).await, [0], "{thing}");
    }
    running.stop().await;
    drop((store, server));
}

/// Moves a server's write-ahead log to another disk.
fn move_log(server: &PostgresServer, disk: &Disk) {
    server.down().unwrap();
    let (log, space) = (Path::new(&server.data()).join("pg_wal"), disk.place());
    assert!(run("cp", &["-a", &format!("{}/.", log.display())], &space));
    std::fs::remove_dir_all(&log).unwrap();
    std::os::unix::fs::symlink(&space, &log).unwrap();
    server.up().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_of_a_full_disk_under_its_wal_costs_no_event_when_there_is_room_again() {
    const TEST: &str =
        "a_server_that_dies_of_a_full_disk_under_its_wal_costs_no_event_when_there_is_room_again";
    let Some(disk) = Disk::new(TEST, 96) else { return };
    let server = PostgresServer::start().unwrap();
    move_log(&server, &disk);
    let url = server.fresh_url();
    let store = place::open(&url, Arc::new(OpenGate));
    effects(store.as_ref()).await;
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let consumer = Consumer::new("walker").on::<Stepped>(does).retry(quick());
    let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
    std::fs::write(disk.ballast(), vec![0; 24 * 1024 * 1024]).unwrap();
    // Until a commit finds no room in the log: then the server ends, because it can promise nothing any more.
    let mut kept = Vec::new();
    let (refused, envelope) = loop {
        let envelope = padded(&format!("thing-{}", kept.len()), 512 * 1024, kept.len() as u64);
        let to = envelope.stream().unwrap();
        match store.append(&to, Expected::Any, std::slice::from_ref(&envelope)).await {
            Ok(_) => kept.push(envelope.key.to_string()),
            Err(error) => break (error, envelope),
        }
        assert!(kept.len() < 1000, "the disk is never full");
    };
    match &refused {
        AppendError::Unknown(_) => {}
        AppendError::Store(error) => assert!(error.is_transient() || error.kind == StoreErrorKind::Full),
        other => panic!("expected a server that is gone, or full, found {other:?}"),
    }
    std::fs::remove_file(disk.ballast()).unwrap();
    // It may have come back by itself meanwhile, unless there was no room to recover in.
    until("the server is back", async || {
        server.up().is_ok() || store.query("select 1 as one", &[]).await.is_ok()
    })
    .await;
    let to = envelope.stream().unwrap();
    until("asking again by the same id succeeds", async || {
        match store.append(&to, Expected::Any, std::slice::from_ref(&envelope)).await {
            Ok(_) => true,
            Err(AppendError::Unknown(_)) => false,
            Err(AppendError::Store(error)) if error.is_transient() => false,
            Err(error) => panic!("an append that nothing speaks against failed: {error:?}"),
        }
    })
    .await;
    running.settled(SOON).await.unwrap();
    kept.push(envelope.key.to_string());
    for thing in &kept {
        assert_eq!(effects_of(store.as_ref(), thing).await, [0], "{thing}");
    }
    let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), kept.len() as i64);
    running.stop().await;
    drop((store, server));
}

/// A step of a thing, with much beside it that does not get smaller by being compressed.
fn padded(thing: &str, bytes: usize, seed: u64) -> Envelope {
    let mut envelope = Envelope::of(&Stepped { thing: thing.to_owned(), step: 0 }).unwrap();
    let pad = random_text(bytes, seed);
    envelope.data = format!("{{\"thing\":\"{thing}\",\"step\":0,\"pad\":\"{pad}\"}}").into();
    envelope
}

/// Text that does not get smaller by being compressed.
fn random_text(bytes: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'a' + (state >> 40) as u8 % 26)
        })
        .collect()
}

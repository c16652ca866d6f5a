//! A disk that is full, and one that cannot be written to. Needs the right to mount; says so where it lacks it.

use std::path::Path;
use std::process::Command;

use factum_core::{AppendError, Envelope, Expected, Maintenance, Query, Store, StoreErrorKind};
use factum_store::sqlite::{Options, SqliteStore};

use super::kit::*;

/// A small file system in memory; unmounted when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

fn disk(test: &str, megabytes: usize) -> Option<Disk> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let size = format!("size={megabytes}m");
    let mounted = mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], folder.path());
    if !mounted {
        skip(test, "no right to mount a small file system");
    }
    mounted.then_some(Disk { folder })
}

fn mount(args: &[&str], on: &Path) -> bool {
    let done = Command::new("mount").args(args).arg(on).output();
    done.is_ok_and(|output| output.status.success())
}

impl Disk {
    fn url(&self) -> String {
        self.folder.path().join("store.db").display().to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

#[test]
fn a_full_disk_is_said_and_forgiven_when_there_is_room() {
    let Some(disk) = disk("a_full_disk_is_said_and_forgiven_when_there_is_room", 8) else { return };
    run(async {
        let store = open(&disk.url());
        let ballast = disk.folder.path().join("ballast");
        std::fs::write(&ballast, vec![0; 2 * 1024 * 1024]).expect("room for ballast");
        let large = || Envelope { data: vec![b'x'; 64 * 1024].into(), ..event() };
        let mut kept = Vec::new();
        let refused = loop {
            let event = large();
            let id = event.id;
            match store.append(&stream("order-1"), Expected::Any, &[event]).await {
                Ok(_) => kept.push(id),
                Err(error) => break error,
            }
        };
        match refused {
            AppendError::Store(error) => {
                assert!(error.kind == StoreErrorKind::Full && error.is_transient(), "{error}")
            }
            other => panic!("expected a full disk, found {other:?}"),
        }
        assert_eq!(ids(&store).await, kept, "readers go on, and see what was acknowledged");
        std::fs::remove_file(ballast).expect("makes room");
        let appended =
            store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("there is room again");
        assert_eq!(appended.version.number(), kept.len() as u64 + 1, "versions stay dense");
        assert_eq!(store.check().await.expect("checks").findings, vec![]);
        drop(store);
        assert_eq!(ids(&open(&disk.url())).await.len(), kept.len() + 1);
    });
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    let Some(disk) = disk("a_file_that_cannot_be_written_is_refused", 4) else { return };
    drop(open(&disk.url()));
    assert!(mount(&["-o", "remount,ro"], disk.folder.path()), "the file system becomes read-only");
    let error = SqliteStore::open(&disk.url(), Options::default()).expect_err("refused");
    assert_eq!(error.kind, StoreErrorKind::ReadOnly, "{error:?}");
    assert!(error.message.contains("permissions"), "{error}");
}

#[test]
fn a_disk_that_turns_read_only_is_an_error_and_no_loss() {
    let Some(disk) = disk("a_disk_that_turns_read_only_is_an_error_and_no_loss", 8) else { return };
    run(async {
        let store = open(&disk.url());
        store.append(&stream("order-1"), Expected::Any, &events(3)).await.expect("appends");
        // An open file keeps a file system from turning read-only: only a store that is closed can see it happen.
        store.close().await;
        assert!(mount(&["-o", "remount,ro"], disk.folder.path()));
        SqliteStore::open(&disk.url(), Options::default()).expect_err("refused");
        assert!(mount(&["-o", "remount,rw"], disk.folder.path()));
        let store = open(&disk.url());
        assert_eq!(store.read(&Query::all()).await.expect("a page").events.len(), 3);
    });
}

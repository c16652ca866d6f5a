//! What is left on the disk when the power goes, and what becomes of a sync that fails.
//!
//! A shim between a child process and the system's library writes down each write and each sync of the store's folder.
//! From that, what the disk would hold after a power failure at any moment is put together: everything synced, and of
//! the rest nothing, or some torn sectors in any order. Each such disk must open, be whole, and hold whatever the
//! child had been told was recorded. Unix only, and needs a C compiler, which building SQLite needs too.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use factum_core::{AppendError, Envelope, Expected, Maintenance, Store, StoreErrorKind};
use factum_store::sqlite::{Options, SqliteStore, Synchronous};

use super::kit::*;

const ROLE: &str = "FACTUM_TEST_DISK_ROLE";
const FOLDER: &str = "FACTUM_SHIM_FOLDER";
const TRACE: &str = "FACTUM_SHIM_TRACE";
const BROKEN: &str = "FACTUM_SHIM_BROKEN";

/// The file in which the child notes what was acknowledged.
const ACKS: &str = "acks";
/// The unit in which a disk writes; a page is torn between two of them.
const SECTOR: usize = 512;

/// Builds the shim, once for each folder.
fn shim(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqlite/shim.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("a C compiler, which building SQLite needs as well");
    assert!(built.success(), "the shim is built");
    library
}

/// Runs this test program in a role, with the shim in front of its files.
fn child(role: &str, tools: &Path, folder: &Path) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["power::a_child_with_a_shim", "--exact", "--nocapture"])
        .env("LD_PRELOAD", shim(tools))
        .env(ROLE, role)
        .env(FOLDER, folder)
        .env(TRACE, tools.join("trace"))
        .env(BROKEN, tools.join("broken"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("a child runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Does nothing unless another test has started it as a process of its own.
#[test]
fn a_child_with_a_shim() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let folder = PathBuf::from(std::env::var(FOLDER).expect("the folder"));
    match role.as_str() {
        "full" => run(append_and_note(&folder, Synchronous::Full)),
        "normal" => run(append_and_note(&folder, Synchronous::Normal)),
        "broken" => run(live_through_failing_syncs(&folder)),
        other => panic!("no role {other:?}"),
    }
}

fn store(folder: &Path, synchronous: Synchronous) -> Arc<SqliteStore> {
    let options = Options { synchronous, ..Options::default() };
    let url = folder.join("store.db").display().to_string();
    Arc::new(SqliteStore::open(&url, options).expect("the store opens"))
}

/// Notes ids in one write, which the shim sees.
fn acknowledge(folder: &Path, ids: &str) {
    use std::io::Write as _;
    let acks = fs::OpenOptions::new().create(true).append(true).open(folder.join(ACKS));
    acks.expect("the list opens").write_all(format!("{ids}\n").as_bytes()).expect("noted");
}

/// Appends from four tasks, some events large; closes the store and goes on, so that the log is copied back too.
async fn append_and_note(folder: &Path, synchronous: Synchronous) {
    for round in 0..4 {
        let store = store(folder, synchronous);
        let task = |number: usize| {
            let (store, folder) = (Arc::clone(&store), folder.to_owned());
            tokio::spawn(async move {
                for turn in 0..12 {
                    let data = vec![b'x'; if turn % 5 == 4 { 20_000 } else { 40 }].into();
                    let batch: Vec<_> = events(1 + turn % 3)
                        .into_iter()
                        .map(|event| Envelope { data: bytes::Bytes::clone(&data), ..event })
                        .collect();
                    let ids: Vec<String> = batch.iter().map(|event| event.id.to_string()).collect();
                    let to = stream(&format!("order-{round}-{number}"));
                    store.append(&to, Expected::Any, &batch).await.expect("appends");
                    acknowledge(&folder, &ids.join(" "));
                }
            })
        };
        let tasks: Vec<_> = (0..4).map(task).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        if round == 3 {
            // The last one is not closed: its log is what the power failure leaves.
            std::mem::forget(store);
        }
    }
}

/// Meets a disk that cannot sync; notes what was acknowledged before, between and after.
async fn live_through_failing_syncs(folder: &Path) {
    let broken = PathBuf::from(std::env::var(BROKEN).expect("the switch"));
    let store = store(folder, Synchronous::Full);
    let append = async |count: usize| {
        let batch = events(count);
        let ids: Vec<String> = batch.iter().map(|event| event.id.to_string()).collect();
        let answer = store.append(&stream("order-1"), Expected::Any, &batch).await;
        if answer.is_ok() {
            acknowledge(folder, &ids.join(" "));
        }
        (batch, answer)
    };
    for _ in 0..3 {
        append(2).await.1.expect("a sound disk takes it");
    }
    for round in 0..3 {
        fs::write(&broken, "").expect("the disk breaks");
        // Everybody who shares the failed sync is told, and nobody that it worked.
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                let store = Arc::clone(&store);
                let to = stream(&format!("other-{round}-{number}"));
                tokio::spawn(async move { store.append(&to, Expected::Any, &events(1)).await })
            })
            .collect();
        for task in tasks {
            let error = task.await.expect("no panic").expect_err("the sync failed");
            assert!(matches!(error, AppendError::Unknown(_) | AppendError::Store(_)), "{error:?}");
        }
        let (lost, answer) = append(1).await;
        let error = answer.expect_err("the sync failed");
        assert!(is_said(&error), "{error:?}");
        fs::remove_file(&broken).expect("the disk is mended");
        // The same event again is how an unknown outcome is settled.
        let again = until_taken(&store, &lost).await;
        acknowledge(folder, &lost[0].id.to_string());
        assert!(again > 0);
        append(2).await.1.expect("a mended disk takes it");
    }
    std::mem::forget(store);
}

fn is_said(error: &AppendError) -> bool {
    match error {
        AppendError::Unknown(_) => true,
        AppendError::Store(error) => error.kind != StoreErrorKind::Invalid,
        _ => false,
    }
}

/// Appends until the store has opened again; answers the version.
async fn until_taken(store: &SqliteStore, batch: &[Envelope]) -> u64 {
    let taken = async {
        loop {
            match store.append(&stream("order-1"), Expected::Any, batch).await {
                Ok(appended) => return appended.version.number(),
                Err(error) => assert!(is_said(&error), "{error:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken).await.expect("the store goes on")
}

/// What the child did to its files, in order.
enum Op {
    Write { file: String, at: usize, bytes: Vec<u8> },
    Truncate { file: String, size: usize },
    Remove { file: String },
    Sync { file: String },
    FailedSync { file: String },
    Ack { ids: Vec<String> },
}

fn read_trace(tools: &Path) -> Vec<Op> {
    let trace = fs::read(tools.join("trace")).expect("the trace");
    let (mut ops, mut rest) = (Vec::new(), &trace[..]);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
        let line = std::str::from_utf8(&rest[..end]).expect("text");
        let [what, file, at, count] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (at, count): (usize, usize) = (at.parse().expect("a number"), count.parse().expect("a number"));
        let bytes = rest[end + 1..][..count].to_vec();
        rest = &rest[end + 1 + count..];
        let file = file.to_owned();
        ops.push(match what {
            "W" if file == ACKS => {
                let text = String::from_utf8(bytes).expect("text");
                Op::Ack { ids: text.split_whitespace().map(str::to_owned).collect() }
            }
            "W" => Op::Write { file, at, bytes },
            "T" => Op::Truncate { file, size: at },
            "U" => Op::Remove { file },
            "S" => Op::Sync { file },
            "F" => Op::FailedSync { file },
            other => panic!("{other:?}"),
        });
    }
    ops
}

/// Numbers from a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// One file as the disk has it, and what was written since its last sync.
#[derive(Default, Clone)]
struct File {
    synced: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    truncated: Option<usize>,
}

impl File {
    fn write(synced: &mut Vec<u8>, at: usize, bytes: &[u8]) {
        if synced.len() < at + bytes.len() {
            synced.resize(at + bytes.len(), 0);
        }
        synced[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        if let Some(size) = self.truncated.take() {
            self.synced.resize(size, 0);
        }
        for (at, bytes) in std::mem::take(&mut self.pending) {
            Self::write(&mut self.synced, at, &bytes);
        }
    }

    /// The file after the power went: of what was not synced, nothing, or some sectors in any order.
    fn after_power_loss(&self, torn: Option<&mut Dice>) -> Vec<u8> {
        let mut left = self.synced.clone();
        let Some(dice) = torn else { return left };
        let mut sectors: Vec<(usize, &[u8])> = self
            .pending
            .iter()
            .flat_map(|(at, bytes)| {
                bytes.chunks(SECTOR).enumerate().map(move |(number, part)| (at + number * SECTOR, part))
            })
            .collect();
        let kept = dice.roll(sectors.len() + 1);
        for _ in 0..kept {
            let (at, part) = sectors.swap_remove(dice.roll(sectors.len()));
            Self::write(&mut left, at, part);
        }
        left
    }
}

/// The disk at a moment of the trace, and what had been acknowledged by then.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, File>,
    acknowledged: Vec<Vec<String>>,
}

impl Disk {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Ack { ids } => self.acknowledged.push(ids.clone()),
            Op::Write { file, at, bytes } => self.file(file).pending.push((*at, bytes.clone())),
            Op::Truncate { file, size } => {
                let file = self.file(file);
                file.pending.retain(|(at, bytes)| at + bytes.len() <= *size);
                file.truncated = Some(*size);
            }
            Op::Remove { file } => {
                self.files.remove(file);
            }
            Op::Sync { file } => self.file(file).sync(),
            // What could not be written is gone for good: the system takes its pages for clean.
            Op::FailedSync { file } => self.file(file).pending.clear(),
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    fn write_to(&self, folder: &Path, mut torn: Option<Dice>) {
        for (name, file) in &self.files {
            fs::write(folder.join(name), file.after_power_loss(torn.as_mut())).expect("written");
        }
    }
}

/// Opens what a power failure left; answers the ids that are recorded.
fn open_and_check(folder: &Path, moment: &str) -> HashSet<String> {
    run(async {
        let store = store(folder, Synchronous::Full);
        let report = store.check().await.expect("checks");
        assert_eq!(report.findings, vec![], "{moment}: the log is whole");
        let recorded = ids(&store).await.into_iter().map(|id| id.to_string()).collect();
        store.append(&stream("order-after"), Expected::Any, &events(1)).await.expect("the store goes on");
        recorded
    })
}

/// Cuts the power at moments of a trace, and looks at what is left.
fn cut_the_power(tools: &Path, may_lose: bool) {
    let ops = read_trace(tools);
    let syncs = ops.iter().filter(|op| matches!(op, Op::Sync { .. })).count();
    let acks = ops.iter().filter(|op| matches!(op, Op::Ack { .. })).count();
    assert!(syncs > 4 && acks > 5, "the shim saw {syncs} syncs and {acks} acknowledgements");
    let cuts = if std::env::var_os("FACTUM_LONG").is_some() { 2_000 } else { 120 };
    let step = (ops.len() / cuts).max(1);
    let (mut disk, mut looked, mut behind) = (Disk::default(), 0, 0);
    for (index, op) in ops.iter().enumerate() {
        disk.apply(op);
        if index % step != 0 && index + 1 != ops.len() {
            continue;
        }
        for torn in [None, Some(Dice(index as u64))] {
            let left = tempfile::tempdir().expect("a folder");
            disk.write_to(left.path(), torn);
            let recorded = open_and_check(left.path(), &format!("power cut after operation {index}"));
            looked += 1;
            for batch in &disk.acknowledged {
                let kept = batch.iter().filter(|id| recorded.contains(*id)).count();
                assert!(
                    kept == 0 || kept == batch.len(),
                    "a batch is one piece: cut after operation {index}"
                );
                assert!(
                    kept == batch.len() || may_lose,
                    "{batch:?} was acknowledged, and lost: cut after operation {index}"
                );
                behind += usize::from(kept == 0);
            }
        }
    }
    println!(
        "{looked} power failures over {} operations, {syncs} syncs, {acks} acknowledgements; {behind} times one was lost",
        ops.len()
    );
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_unsynced_writes() {
    let (tools, place) = (place(), place());
    child("full", tools.folder.path(), place.folder.path());
    cut_the_power(tools.folder.path(), false);
}

#[test]
fn with_less_than_full_the_power_takes_the_last_commits_and_breaks_nothing() {
    let (tools, place) = (place(), place());
    child("normal", tools.folder.path(), place.folder.path());
    cut_the_power(tools.folder.path(), true);
}

#[test]
fn a_sync_that_fails_is_told_to_all_and_never_counted_on() {
    let (tools, place) = (place(), place());
    child("broken", tools.folder.path(), place.folder.path());
    // What was acknowledged after the disk was mended must not rest on what the failed sync has lost.
    cut_the_power(tools.folder.path(), false);
}

//! Promise 10 with real processes: one is stopped in the middle of its work for longer than its lease, another takes
//! over, and the first wakes up.
//!
//! The children are this very test program, told by a variable of the environment what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use factum_core::{Context, Failure, Handler, OpenGate, Store, values};
use factum_runtime::{App, Consumer};

use crate::kit::*;

const FILE: &str = "FACTUM_TEST_ZOMBIE_FILE";
const THINGS: u32 = 6;
const STEPS: u32 = 60;
/// A lease is fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(file: &str) -> Arc<dyn Store> {
    factum_store::open(file, Arc::new(OpenGate)).unwrap().store
}

/// Says that it has begun with an event, takes its time, and leaves one row.
struct Slowly;

impl Handler<Stepped> for Slowly {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        // One write, so that two lines never mix.
        std::io::stdout().write_all(format!("begun {} {}\n", event.thing, event.step).as_bytes())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        cx.execute("insert into effect (thing, step) values ($1, $2)", values![event.thing, event.step]);
        Ok(())
    }
}

/// Does nothing unless another test has started it as a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_walks() {
    let Ok(file) = std::env::var(FILE) else { return };
    let consumer = Consumer::new("walker").on::<Stepped>(Slowly).retry(quick()).lanes(4);
    let running = App::new(open(&file)).consumer(consumer).start().await.unwrap();
    // The parent ends it.
    std::future::pending::<()>().await;
    running.stop().await;
}

struct Walker {
    child: Child,
    begun: Receiver<String>,
}

impl Walker {
    fn start(file: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["zombie::a_child_that_walks", "--exact", "--nocapture"])
            .env(FILE, file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, begun) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, what)) = line.split_once("begun ")
                    && sender.send(what.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self { child, begun }
    }

    fn begins_something(&self) {
        self.begun.recv_timeout(PATIENCE).expect("it begins with an event");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name} is sent");
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_through_its_lease_commits_nothing_when_it_wakes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db").display().to_string();
    let store = open(&file);
    effects(store.as_ref()).await;
    for number in 0..STEPS {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    let sleeper = Walker::start(&file);
    (0..8).for_each(|_| sleeper.begins_something());
    // Stopped with events in hand: handlers that have begun, and units that may be on their way.
    loop {
        sleeper.signal("-STOP");
        // Stopped in the middle of a commit it would hold SQLite's one write lock, and nobody could write at all.
        let write = tokio::time::timeout(Duration::from_secs(2), step(store.as_ref(), "other", 0));
        if write.await.is_ok() {
            break;
        }
        sleeper.signal("-CONT");
        sleeper.begins_something();
    }
    let heir = Walker::start(&file);
    heir.begins_something();
    sleeper.signal("-CONT");
    let is_done = async || {
        let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
        rows.first().unwrap().get::<i64>("n").unwrap() > i64::from(THINGS * STEPS)
    };
    until("every event is handled", is_done).await;
    // Both are awake; what either still had in hand must not have counted a second time.
    (0..2).for_each(|_| _ = sleeper.begun.recv_timeout(Duration::from_millis(200)));
    for thing in 0..THINGS {
        let effects = effects_of(store.as_ref(), &format!("thing-{thing}")).await;
        assert_eq!(effects, (0..STEPS).collect::<Vec<_>>(), "thing-{thing}: once each, in order");
    }
}

//! A rebuild whose process is killed goes on in the next one, where it was.
//!
//! The children are this very test program, told by a variable of the environment what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum_core::{ConsumerName, Failure, OpenGate, Position, Projection, Table, Tables, values};
use factum_runtime::admin::{ProjectionInfo, Then};
use factum_runtime::{Admin, App, ReadSide};

use crate::kit::*;
use crate::place::{self, Place};

const URL: &str = "FACTUM_TEST_REBUILDER_URL";
const EVENTS: u32 = 2000;

/// Counts, and says so; takes its time, so that there is one to be killed in.
struct Counted;

impl Projection for Counted {
    const NAME: ConsumerName = ConsumerName::constant("counted");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("counted", "thing text primary key, steps integer not null")]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        // One write, so that two lines never mix.
        std::io::stdout().write_all(b"applied\n")?;
        tokio::time::sleep(Duration::from_micros(200)).await;
        tables.execute(
            "insert into {counted} as known (thing, steps) values ($1, 1)
             on conflict (thing) do update set steps = known.steps + 1",
            values![event.thing],
        );
        Ok(())
    }
}

/// Does nothing unless another test has started it as a process of its own; ends when it is asked to, or killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_rebuilds() {
    let Ok(url) = std::env::var(URL) else { return };
    App::new(place::open(&url, Arc::new(OpenGate))).projection(Counted).run().await.unwrap();
}

struct Rebuilder {
    child: Child,
    applied: Arc<AtomicU32>,
}

impl Rebuilder {
    fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["rebuild_killed::a_child_that_rebuilds", "--exact", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let applied = Arc::new(AtomicU32::new(0));
        let counter = applied.clone();
        std::thread::spawn(move || {
            let told = lines.map_while(Result::ok).filter(|line| line.ends_with("applied"));
            told.for_each(|_| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        });
        Self { child, applied }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Rebuilder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn info(admin: &Admin) -> Option<ProjectionInfo> {
    admin.projections().await.unwrap().pop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_whose_process_is_killed_goes_on_where_it_was() {
    let place = Place::new();
    let (url, store) = (place.url(), place.open(Arc::new(OpenGate)));
    for number in 0..EVENTS {
        step(store.as_ref(), &format!("thing-{}", number % 10), number).await;
    }
    let (admin, head) = (Admin::new(store.clone()), store.head().await.unwrap());
    let first = Rebuilder::start(&url);
    until("the first tables are filled", async || {
        info(&admin).await.is_some_and(|info| info.position >= head)
    })
    .await;
    admin.rebuild(&Counted::NAME, Then::CutOver).await.unwrap();
    until("the rebuild is under way", async || {
        info(&admin).await.unwrap().building_position.is_some_and(|at| at > Position::START)
    })
    .await;
    first.kill();
    let cut_off = info(&admin).await.unwrap();
    let at = cut_off.building_position.unwrap();
    assert!(at < head, "it was killed before its end, at {at} of {head}");
    assert_eq!(
        (cut_off.state.live.as_deref(), cut_off.state.building.as_deref()),
        (Some("v1"), Some("v1r1"))
    );
    let answers = async || {
        let side = ReadSide::<Counted>::new(store.clone());
        let rows = side.query("select steps from {counted} order by thing", &[]).await.unwrap();
        rows.iter().map(|row| row.get::<i64>("steps").unwrap()).collect::<Vec<_>>()
    };
    let whole = vec![i64::from(EVENTS / 10); 10];
    assert_eq!(answers().await, whole, "the live tables answer meanwhile");

    let second = Rebuilder::start(&url);
    until("the new tables are live", async || {
        info(&admin).await.unwrap().state.live.as_deref() == Some("v1r1")
    })
    .await;
    assert_eq!(answers().await, whole, "nothing is missing and nothing is counted twice");
    let (applied, left) = (second.applied.load(Ordering::SeqCst), head.number() - at.number());
    // What the dead one had in hand and had not committed comes again: two batches at most.
    assert!(u64::from(applied) <= left + 512, "{applied} applied anew, {left} were left");
    second.kill();
}

//! Rows that need a process of their own: its memory, its death, its subscriber for spans.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use factum::{App, Consumer, Context, Failure, Handler, values};
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt;

use crate::dispatch;
use crate::kit::{Kit, Pair, Spec, Target, millis};
use crate::scene::{Stepped, caught_up, fill, keys, open, run_sql};
use crate::twin::{TABLE, UPSERT_NAMED};

/// The first argument that makes this program a child of itself.
pub(crate) const WORD: &str = "child";

const CATCH_UP: &str = "catch-up";
const WORK: &str = "work";
/// Dispatches with nobody who listens to spans.
pub(crate) const PLAIN: &str = "plain";
/// Dispatches with every span recorded.
pub(crate) const TRACED: &str = "traced";

const KEYS: usize = 10_000;
const SHORT: usize = 1_000_000;
const LONG: usize = 5_000_000;
/// How long a child works before it is killed: some events are handled, nearly all are not.
const WORKS: Duration = Duration::from_millis(100);
const START_MAX_MS: f64 = 1_000.0;

/// What a child does.
#[expect(clippy::print_stdout, reason = "a child tells its parent")]
pub(crate) fn run(runtime: &Runtime, arguments: &[String]) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [CATCH_UP, place] => println!("{}", runtime.block_on(catch_up(Path::new(place)))),
        [WORK, place] => runtime.block_on(work(Path::new(place))),
        [PLAIN] => println!("{}", runtime.block_on(dispatch::dispatch())),
        [TRACED] => {
            let spans = tracing_subscriber::registry().with(Fields);
            tracing::subscriber::set_global_default(spans).expect("the only subscriber");
            println!("{}", runtime.block_on(dispatch::dispatch()));
        }
        _ => panic!("no such child: {words:?}"),
    }
}

fn start(arguments: &[&str]) -> Child {
    let own = std::env::current_exe().expect("this program's path");
    let mut command = Command::new(own);
    command.arg(WORD).args(arguments).stdout(Stdio::piped());
    command.spawn().expect("a child starts")
}

/// Nanoseconds an event, in a process whose subscriber is the one named.
pub(crate) fn dispatch(subscriber: &str) -> f64 {
    answer(&[subscriber])
}

fn answer(arguments: &[&str]) -> f64 {
    let output = start(arguments).wait_with_output().expect("the child ends");
    let text = String::from_utf8(output.stdout).expect("a number");
    text.trim().parse().expect("a number")
}

/// Reads every field of every span, as an exporter does.
struct Fields;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Fields {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        struct Reads(usize);
        impl tracing::field::Visit for Reads {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += format!("{value:?}").len();
            }
        }
        let mut reads = Reads(0);
        attributes.record(&mut reads);
        std::hint::black_box(reads.0);
    }
}

pub(crate) fn measure_memory(kit: &mut Kit, runtime: &Runtime) {
    let place = kit.path("memory.db");
    let events = if kit.is_long { LONG } else { SHORT };
    let store = open(&place);
    runtime.block_on(fill(store.as_ref(), &keys(KEYS), events));
    drop(store);
    let name = if kit.is_long {
        "most memory while catching up over 5 M events"
    } else {
        "most memory while catching up over 1 M events (--long: 5 M)"
    };
    let spec = Spec { name, unit: "MB", beside: "limit", target: Target::AtMost(1.0) };
    let place = place.to_str().expect("a plain path").to_owned();
    kit.measure([spec], |_| [Pair::new(answer(&[CATCH_UP, &place]), 100.0)]);
}

/// Handles the whole log anew; answers the most memory that was resident, in megabytes.
async fn catch_up(place: &Path) -> f64 {
    let name = format!("catch-up.p{}", std::process::id());
    let app = App::new(open(place)).consumer(dispatch::idle(&name));
    let running = app.start().await.expect("the app starts");
    let most = tokio::spawn(async {
        let mut most = 0.0_f64;
        loop {
            most = most.max(resident_megabytes());
            MOST.store(most as u64 * 1_000 + (most.fract() * 1_000.0) as u64, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    caught_up(&running).await;
    most.abort();
    running.stop().await;
    MOST.load(Ordering::Relaxed) as f64 / 1_000.0
}

static MOST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn resident_megabytes() -> f64 {
    const PAGE: f64 = 4_096.0;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * PAGE / 1e6
}

pub(crate) fn measure_restart(kit: &mut Kit, runtime: &Runtime) {
    let place = kit.path("restart.db");
    let store = open(&place);
    runtime.block_on(run_sql(store.as_ref(), TABLE));
    runtime.block_on(fill(store.as_ref(), &keys(KEYS), SHORT));
    drop(store);
    let spec = Spec {
        name: "first handler call after SIGKILL with 1 M unread, from the start of the process",
        unit: "ms",
        beside: "limit",
        target: Target::AtMost(1.0),
    };
    let place = place.to_str().expect("a plain path").to_owned();
    kit.measure([spec], |_| {
        let (mut first, _) = start_working(&place);
        std::thread::sleep(WORKS);
        end(&mut first);
        let (mut second, took) = start_working(&place);
        end(&mut second);
        [Pair::new(millis(took), START_MAX_MS)]
    });
}

/// Starts a child, and waits for its first handler call.
fn start_working(place: &str) -> (Child, Duration) {
    let began = Instant::now();
    let mut child = start(&[WORK, place]);
    let mut line = String::new();
    let said = child.stdout.as_mut().expect("its output is a pipe");
    BufReader::new(said).read_line(&mut line).expect("the child says when it handles");
    assert_eq!(line.trim(), "handling");
    (child, began.elapsed())
}

fn end(child: &mut Child) {
    child.kill().expect("the child is killed");
    child.wait().expect("the child is gone");
}

/// Works until it is killed.
async fn work(place: &Path) {
    let consumer = Consumer::new("work").on::<Stepped>(Says(AtomicBool::new(false)));
    let _running = App::new(open(place)).consumer(consumer).start().await.expect("the app starts");
    std::future::pending::<()>().await;
}

struct Says(AtomicBool);

impl Handler<Stepped> for Says {
    #[expect(clippy::print_stdout, reason = "a child tells its parent")]
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !self.0.swap(true, Ordering::Relaxed) {
            println!("handling");
        }
        cx.execute(UPSERT_NAMED, values![event.thing.as_str(), event.step]);
        Ok(())
    }
}

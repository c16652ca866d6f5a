//! From a page of the log to a handler that does nothing, and a checkpoint: what each event pays for being handled.
//!
//! The pages are read beforehand, so that the row is about the runtime alone; reading stands in its own rows. The
//! twin is the loop that `limits-and-faults.md` recommends, by hand: pages split once, a queue for each lane, a
//! boxed call for each event.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use factum::{
    Anything, App, Consumer, Context, Failure, Handler, Page, Position, Query, Recorded, Slot, Store,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::child;
use crate::kit::{Kit, Pair, Spec, Target};
use crate::scene::{caught_up, fill, keys, open};
use crate::staged::Staged;

/// Events of one round of pages read beforehand; rounds together are over a million.
pub(crate) const STAGED: usize = 250_000;
/// Events of the log in the rows that read it.
const LOG: usize = 1_000_000;
const KEYS: usize = 10_000;
const LANES: usize = 8;

/// Does nothing but note when it was first called.
#[derive(Clone, Default)]
struct Nothing(Arc<OnceLock<Instant>>);

impl Handler<Anything> for Nothing {
    async fn handle(&self, _: Anything, _: &mut Context<'_>) -> Result<(), Failure> {
        self.0.get_or_init(Instant::now);
        Ok(())
    }
}

/// A consumer whose handler does nothing.
pub(crate) fn idle(name: &str) -> Consumer {
    Consumer::new(name).on_everything(Nothing::default()).lanes(LANES)
}

pub(crate) fn measure(kit: &mut Kit, runtime: &Runtime) {
    staged(kit, runtime);
    for (what, name) in [
        ("dispatch added to reading, memory:", "memory:"),
        ("dispatch added to reading, a file", "dispatch.db"),
    ] {
        let place = if name == "memory:" { name.into() } else { kit.path(name) };
        let store = open(&place);
        runtime.block_on(fill(store.as_ref(), &keys(KEYS), LOG));
        added_to_reading(kit, runtime, what, &store);
    }
}

fn staged(kit: &mut Kit, runtime: &Runtime) {
    let spec = |name, target| Spec { name, unit: "ns/event", beside: "by hand", target };
    let specs = [
        spec("dispatch, pages at hand", Target::Stated),
        spec("dispatch, pages at hand, spans recorded", Target::Within(1_000.0)),
    ];
    kit.measure(specs, |_| {
        let ours = child::dispatch(child::PLAIN);
        let by_hand = runtime.block_on(by_hand());
        let traced = child::dispatch(child::TRACED);
        [Pair::new(ours, by_hand), Pair::new(traced, by_hand)]
    });
}

async fn staged_pages() -> (Arc<dyn Store>, Vec<Page>) {
    let store = open("memory:".as_ref());
    fill(store.as_ref(), &keys(KEYS), STAGED).await;
    let (mut pages, mut query) = (Vec::new(), Query { limit: Query::LIMIT_MAX, ..Query::all() });
    loop {
        let page = store.read(&query).await.expect("a page");
        let is_last = !page.more;
        query.after = page.end;
        pages.push(page);
        if is_last {
            return (store, pages);
        }
    }
}

/// Nanoseconds an event, from the first call of the handler to the last event's checkpoint.
pub(crate) async fn dispatch() -> f64 {
    let (store, pages) = staged_pages().await;
    let store: Arc<dyn Store> = Arc::new(Staged::pages(store, pages));
    let handler = Nothing::default();
    let consumer = Consumer::new("staged").on_everything(handler.clone()).lanes(LANES);
    let running = App::new(store).consumer(consumer).start().await.expect("the app starts");
    caught_up(&running).await;
    let took = handler.0.get().expect("it was called").elapsed();
    running.stop().await;
    nanos_each(took, STAGED)
}

fn nanos_each(took: Duration, events: usize) -> f64 {
    took.as_secs_f64() * 1e9 / events as f64
}

type Call =
    Box<dyn for<'e> Fn(&'e Recorded) -> Pin<Box<dyn Future<Output = bool> + Send + 'e>> + Send + Sync>;

async fn by_hand() -> f64 {
    let (_store, pages) = staged_pages().await;
    let began = Instant::now();
    let call: Arc<Call> =
        Arc::new(Box::new(|event| Box::pin(async move { event.position > Position::START })));
    let mut senders = Vec::new();
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (sender, mut events) = mpsc::channel::<Vec<(Slot, Recorded)>>(2);
        senders.push(sender);
        let call = call.clone();
        lanes.spawn(async move {
            let mut checkpoints: HashMap<Slot, Position> = HashMap::new();
            while let Some(portion) = events.recv().await {
                for (slot, event) in portion {
                    assert!(call(&event).await, "the handler says yes");
                    checkpoints.insert(slot, event.position);
                }
            }
            checkpoints
        });
    }
    let reader = tokio::spawn(async move {
        for page in pages {
            let mut portions: Vec<Vec<_>> = senders.iter().map(|_| Vec::new()).collect();
            for event in page.events {
                let slot = Slot::of(&event.envelope.key);
                portions[usize::from(slot.number()) % LANES].push((slot, event));
            }
            for (sender, portion) in senders.iter().zip(portions) {
                sender.send(portion).await.expect("the lane takes it");
            }
        }
    });
    reader.await.expect("all is handed out");
    let checkpoints = lanes.join_all().await;
    let took = began.elapsed();
    assert!(checkpoints.iter().any(|lane| !lane.is_empty()), "something was handled");
    nanos_each(took, STAGED)
}

fn added_to_reading(kit: &mut Kit, runtime: &Runtime, what: &'static str, store: &Arc<dyn Store>) {
    let spec = Spec { name: what, unit: "ns/event", beside: "reading", target: Target::Within(150.0) };
    let mut round = 0;
    kit.measure([spec], |_| {
        round += 1;
        let reading = nanos_each(runtime.block_on(read_all(store.as_ref())), LOG);
        let name = format!("round.r{round}");
        let handling = runtime.block_on(async {
            let app = App::new(store.clone()).consumer(idle(&name));
            let began = Instant::now();
            let running = app.start().await.expect("the app starts");
            caught_up(&running).await;
            let took = began.elapsed();
            running.stop().await;
            nanos_each(took, LOG)
        });
        let note = format!("{handling:.0} ns with reading, {LOG} events");
        [Pair::new((handling - reading).max(0.0), reading).note(note)]
    });
}

async fn read_all(store: &dyn Store) -> Duration {
    let began = Instant::now();
    let (mut seen, mut query) = (0, Query { limit: Query::LIMIT_MAX, ..Query::all() });
    loop {
        let page = store.read(&query).await.expect("a page");
        seen += page.events.len();
        query.after = page.end;
        if !page.more {
            assert_eq!(seen, LOG, "all of the log was read");
            return began.elapsed();
        }
    }
}

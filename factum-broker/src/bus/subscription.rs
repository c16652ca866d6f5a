//! One subscription: what it wants, its queue, and the task that handles one event after another.
//!
//! The task ends when its queue is closed and empty, or after the event at hand when it is stopped.
//! Never lets a panic out: it is a failure of this handler like any other.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use factum_core::{Envelope, EventName, Failure, Topic};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{BusOptions, Overflow, Published, Shared};

/// What a handler is to the bus.
pub(super) type Handle =
    Box<dyn Fn(Arc<Envelope>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send + Sync>;

/// Which events a subscription wants.
pub(super) enum Interest {
    Types(Vec<EventName>),
    Topic(Topic),
    Everything,
}

impl Interest {
    fn label(&self) -> String {
        match self {
            Self::Types(names) => names.iter().map(EventName::as_str).collect::<Vec<_>>().join(", "),
            Self::Topic(topic) => format!("topic {topic}"),
            Self::Everything => "everything".to_owned(),
        }
    }
}

/// Counts one event as open until it is dropped, however that comes about.
pub(super) struct Open(Arc<watch::Sender<usize>>);

impl Open {
    pub(super) fn of(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// An event in a queue.
pub(super) struct Queued {
    envelope: Arc<Envelope>,
    _open: Open,
}

impl Queued {
    pub(super) fn new(envelope: Arc<Envelope>, open: Open) -> Self {
        Self { envelope, _open: open }
    }
}

/// What a subscription has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that the handler handled.
    pub handled: u64,
    /// Events that the handler failed on, by an error or a panic, or that could not be read as its type.
    pub failed: u64,
    /// Events that found the queue full.
    pub missed: u64,
}

#[derive(Default)]
struct Counters {
    handled: AtomicU64,
    failed: AtomicU64,
    missed: AtomicU64,
}

/// The bus's end of a subscription.
pub(super) struct Running {
    interest: Interest,
    overflow: Overflow,
    queue: mpsc::Sender<Queued>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(interest: Interest, handle: Handle, options: BusOptions) -> Self {
        let (queue, queued) = mpsc::channel(options.queue_max.max(1));
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::<Counters>::default();
        let task = tokio::spawn(run(interest.label(), handle, queued, stopped, counters.clone()));
        Self { interest, overflow: options.overflow, queue, counters, stop, task }
    }

    pub(super) fn wants(&self, envelope: &Envelope) -> bool {
        match &self.interest {
            Interest::Types(names) => names.contains(&envelope.event_type.name),
            Interest::Topic(topic) => *topic == envelope.event_type.topic,
            Interest::Everything => true,
        }
    }

    pub(super) fn overflow(&self) -> Overflow {
        self.overflow
    }

    pub(super) fn queue(&self) -> mpsc::Sender<Queued> {
        self.queue.clone()
    }

    /// Queues what there is room for.
    pub(super) fn offer(&self, wanted: impl Iterator<Item = Queued>, published: &mut Published) {
        for queued in wanted {
            if self.queue.try_send(queued).is_ok() {
                published.queued += 1;
            } else {
                self.counters.missed.fetch_add(1, Ordering::Relaxed);
                published.missed += 1;
            }
        }
    }

    /// Has the task end after the event at hand; what waits is not handled.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Closes the queue, so that the task ends when it has handled what waits.
    pub(super) fn close(self) -> (String, JoinHandle<()>) {
        (self.interest.label(), self.task)
    }
}

async fn run(
    label: String,
    handle: Handle,
    mut queue: mpsc::Receiver<Queued>,
    mut stopped: watch::Receiver<bool>,
    counters: Arc<Counters>,
) {
    loop {
        let queued = tokio::select! {
            biased;
            // Gone without a word, as when the bus closes: what is queued is handled first.
            Ok(_) = stopped.wait_for(|stopped| *stopped) => return,
            queued = queue.recv() => queued,
        };
        let Some(queued) = queued else { return };
        let outcome = outcome_of(&handle, queued.envelope.clone()).await;
        let counter = if outcome.is_ok() { &counters.handled } else { &counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Err(failure) = outcome {
            let (event, id) = (&queued.envelope.event_type, queued.envelope.id);
            tracing::warn!(subscription = %label, %event, %id, %failure, "a handler on the bus failed");
        }
    }
}

/// Calls the handler; a panic in it is a failure.
async fn outcome_of(handle: &Handle, envelope: Arc<Envelope>) -> Result<(), Failure> {
    let mut handling = Box::pin(async move { handle(envelope).await });
    std::future::poll_fn(move |cx| {
        let looked = std::panic::catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx)));
        looked.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::from(format!("the handler panicked: {}", text.unwrap_or_default()))).into()
        })
    })
    .await
}

/// A handler's place on the bus; dropping it ends the subscription after the event at hand.
#[must_use = "dropping the subscription ends it; `keep` lets it last as long as the bus"]
pub struct Subscription {
    bus: Weak<Shared>,
    id: u64,
    counters: Arc<Counters>,
    is_kept: bool,
}

impl Subscription {
    pub(super) fn new(bus: Weak<Shared>, id: u64, running: &Running) -> Self {
        Self { bus, id, counters: running.counters.clone(), is_kept: false }
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            handled: self.counters.handled.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            missed: self.counters.missed.load(Ordering::Relaxed),
        }
    }

    /// Ends the subscription and waits for the event at hand; what else is queued is not handled. Its own handler
    /// must not call this, because it would wait for itself.
    pub async fn unsubscribe(self) {
        let running = self.bus.upgrade().and_then(|bus| bus.take(self.id));
        if let Some(running) = running {
            // The task catches its handler's panics, and nobody cancels it.
            let _ = running.task.await;
        }
    }

    /// Lets the subscription last as long as the bus.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Some(bus) = self.bus.upgrade()
            && let Some(running) = bus.take(self.id)
        {
            bus.state().ending.push(running);
        }
    }
}

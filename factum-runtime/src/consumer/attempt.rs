//! One attempt to handle one event: opened by the gate, bounded by the timeout, a panic turned into a failure.
//!
//! Decides nothing about what follows; it only says how the attempt went. Never commits.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use factum_core::saga::{CommandEnd, Undo};
use factum_core::{
    Attempt, Breach, Context, Envelope, Expected, Failure, Kind, Origin, Position, Recorded, Timestamp,
    Unopened, Work, WriteError,
};
use tracing::Instrument;

use super::once::{Marks, Seen};
use super::shared::Shared;
use super::{Handled, once};
use crate::contracts;
use crate::observe::count;
use crate::telemetry;
use crate::watchdog::Seat;

/// An event that came to a consumer.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) envelope: Envelope,
    pub(crate) origin: Origin,
}

impl Arrived {
    /// Its place in the log; the start when it did not come from there.
    pub(crate) fn position(&self) -> Position {
        match self.origin {
            Origin::Log { position, .. } => position,
            Origin::Topic(_) => Position::START,
        }
    }
}

impl From<Recorded> for Arrived {
    fn from(event: Recorded) -> Self {
        let origin = Origin::Log { stream: event.stream, version: event.version, position: event.position };
        Self { envelope: event.envelope, origin }
    }
}

/// How an attempt went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The handler said yes; what it collected waits for the commit.
    Handled,
    /// Never: a rejection, an undecodable payload, a broken contract.
    Refused { reason: String, error: String },
    /// Not yet, counting no attempt.
    Later { after: Duration, why: String },
    /// Of a contract version that this release cannot read: another one will.
    Newer { why: String },
    /// No; try again, unless the policy says never of this reason.
    Failed { reason: Cow<'static, str>, error: String },
}

impl Outcome {
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        let (error, reason) = (failure.to_string(), failure.reason().map(str::to_owned));
        match (failure.delay(), reason) {
            (Some(after), _) => Self::Later { after, why: error },
            (None, Some(reason)) if failure.is_rejection() => Self::Refused { reason, error },
            (None, reason) => Self::Failed { reason: reason.map_or("failed".into(), Cow::Owned), error },
        }
    }

    pub(crate) fn failed(reason: &'static str, error: String) -> Self {
        Self::Failed { reason: Cow::Borrowed(reason), error }
    }

    pub(crate) fn of_breach(breach: &Breach) -> Self {
        Self::Refused { reason: format!("contract-{}", breach.rule), error: breach.to_string() }
    }

    /// A collected write that could not be done; `Err` gives the store's own trouble back, which is no handler's
    /// fault.
    pub(crate) fn of_write(error: WriteError) -> Result<Self, factum_core::StoreError> {
        match error {
            WriteError::Refused(breach) => {
                Ok(Self::Refused { reason: format!("emitted-{}", breach.rule), error: breach.to_string() })
            }
            // It says so at every attempt, until somebody opens the stream.
            WriteError::Closed { .. } => {
                Ok(Self::Refused { reason: "stream-closed".to_owned(), error: error.to_string() })
            }
            WriteError::Store(error) => Err(error),
            WriteError::Sql { source, .. } if source.is_transient() => Err(source),
            WriteError::Sql { sql, source } => {
                Ok(Self::failed("sql", format!("statement failed: {sql}: {source}")))
            }
            other => Ok(Self::failed("failed", other.to_string())),
        }
    }
}

/// Runs the consumer's handler once; `now` is what its context tells.
pub(crate) async fn attempt(
    shared: &Shared,
    seat: &Seat,
    arrived: &Arrived,
    attempt: Attempt,
    now: Timestamp,
    work: &mut dyn Work,
) -> Outcome {
    let mut marks = Marks::default();
    let outcome = attempt_of_many(shared, seat, arrived, attempt, now, &mut marks, work).await;
    if let Outcome::Handled = outcome {
        marks.put(work);
    }
    outcome
}

/// The same for one of several events that share a unit of work; their marks are put when all are handled.
pub(crate) async fn attempt_of_many(
    shared: &Shared,
    seat: &Seat,
    arrived: &Arrived,
    attempt: Attempt,
    now: Timestamp,
    marks: &mut Marks,
    work: &mut dyn Work,
) -> Outcome {
    let Some((known, handler)) = shared.consumer.route(&arrived.envelope.event_type) else {
        return Outcome::Handled;
    };
    let mut opened = None;
    if let Some(known) = known {
        let written = &arrived.envelope.event_type;
        if written.version > known.version && !contracts::can_read(&*shared.store, written, known).await {
            let why = format!("{written} is newer than {known}, which this release reads");
            return Outcome::Newer { why };
        }
        match shared.store.gate().open(&arrived.envelope, known) {
            Ok(changed) => opened = changed,
            Err(Unopened::Breach(breach)) => return Outcome::of_breach(&breach),
            Err(Unopened::Keys(error)) => {
                return Outcome::failed("keys", error.to_string());
            }
        }
    }
    let envelope = opened.as_ref().unwrap_or(&arrived.envelope);
    let span = tracing::info_span!(
        "handle",
        consumer = %shared.name(),
        event = %envelope.event_type,
        id = %envelope.id,
        correlation = %envelope.correlation,
        attempt = attempt.number,
    );
    telemetry::follow(&span, envelope.trace.as_ref());
    let mut mark = None;
    if let Some(once) = &shared.consumer.once {
        match once::look(shared, once, envelope, now, marks, work).await {
            Ok(Seen::New(new)) => mark = new,
            Ok(Seen::Repeated) => {
                tracing::debug!(parent: &span, field = once.field, "another event said the same: passed over");
                count(&shared.metrics.repeated, 1);
                return Outcome::Handled;
            }
            Err(error) => return Outcome::of_failure(&Failure::from(error)),
        }
    }
    let cx = Context::new(envelope, &arrived.origin, shared.name(), attempt, now, work);
    let mut cx = cx.traced(telemetry::trace_of(&span)).declared(shared.consumer.emits.as_deref());
    let handled = handler.handle(envelope, &mut cx);
    seat.begin(&envelope.id);
    let result = bounded(shared, handled).instrument(span).await;
    seat.end();
    if let Some(name) = cx.take_undeclared() {
        shared.undeclared(name);
    }
    match result {
        Ok(Ok(())) => match cx.take_fault() {
            None => {
                tell_saga(arrived, CommandEnd::Handled, attempt.number, work);
                marks.note(mark);
                Outcome::Handled
            }
            Some(fault) => Outcome::of_failure(&Failure::from(fault)),
        },
        Ok(Err(failure)) => Outcome::of_failure(&failure),
        Err(stopped) => stopped,
    }
}

/// What the saga that sent a command has written on it; nothing on what is no command of a saga.
fn sender(command: &Envelope) -> Option<Undo> {
    (command.event_type.kind == Kind::Command).then(|| Undo::of(&command.tags)).flatten()
}

/// Whether a saga sent it, and is told how it ends.
pub(crate) fn sent_by_saga(arrived: &Arrived) -> bool {
    sender(&arrived.envelope).is_some()
}

/// Tells the saga that sent a command how it ended, where it waits to hear of it.
pub(crate) fn tell_saga(arrived: &Arrived, end: CommandEnd<'_>, ending: u32, work: &mut dyn Work) {
    let command = &arrived.envelope;
    if let Some((stream, told)) = sender(command).and_then(|undo| undo.told(command, end, ending)) {
        work.append(stream, Expected::Any, vec![told]);
    }
}

/// Bounds a handler by the policy's timeout and catches its panic.
async fn bounded(shared: &Shared, handled: Handled<'_>) -> Result<Result<(), Failure>, Outcome> {
    let timeout = shared.consumer.policy.timeout;
    tokio::select! {
        biased;
        result = CatchPanic(handled) => result.map_err(|error| Outcome::failed("panic", error)),
        // Made only when the handler waits: a handler that is done at once pays for no timer.
        () = async { shared.clock.sleep(timeout).await } => {
            let error = format!("no answer within {timeout:?}; the handler was dropped");
            Err(Outcome::failed("timeout", error))
        }
    }
}

struct CatchPanic<'a>(Handled<'a>);

impl Future for CatchPanic<'_> {
    type Output = Result<Result<(), Failure>, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let handled = self.0.as_mut();
        // What the handler leaves half-done is its unit of work, which is dropped.
        match std::panic::catch_unwind(AssertUnwindSafe(|| handled.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
            Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()))),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&'static str>().copied());
    format!("the handler panicked: {}", text.unwrap_or("with a value that is no text"))
}

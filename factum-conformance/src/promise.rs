//! A promise, the running of it, and the report on many.
//!
//! A broken promise panics in a task of its own, so that one adapter's report can hold many; an endless one is cut
//! off and counts as broken. Never counts a skipped promise as kept.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long one wait of a promise may last: generous, because a busy machine is no broken promise.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long one promise may take in all.
const PROMISE_MAX: Duration = Duration::from_secs(180);

/// What the check of a promise is to the runner.
pub type Check = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something an adapter promises, with the function that tries to see it broken on harness `H`.
pub struct Promise<H: ?Sized + 'static> {
    /// Its number in the design; 0 for what only the traits' documentation says.
    pub number: u8,
    /// Its name, which says what is promised.
    pub name: &'static str,
    /// What an adapter must declare for the promise to concern it.
    pub need: Need,
    /// Panics when the promise is broken.
    pub check: fn(Arc<H>) -> Check,
}

/// What an adapter must declare, or its harness offer, for a promise to concern it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// Nothing: every adapter keeps it.
    Nothing,
    /// A store that runs SQL.
    Sql,
    /// A store that survives its process.
    SurvivesProcess,
    /// A store that several processes may use at once.
    Shared,
    /// A store that commits units in the order in which they are handed over.
    CommitsInOrder,
    /// A broker that keeps the order of a key.
    OrderByKey,
    /// A broker that delivers again what is not acknowledged.
    Redelivers,
    /// A broker that counts deliveries.
    CountsDeliveries,
    /// A broker that can deliver old events.
    Replays,
    /// A broker that knows an event id again.
    Dedupes,
    /// A harness that can publish bytes that are no event.
    ForeignBytes,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Sql => "SQL",
            Self::SurvivesProcess => "a store that survives its process",
            Self::Shared => "a store that several processes may use",
            Self::CommitsInOrder => "a store that commits units in the order in which they come",
            Self::OrderByKey => "a broker that keeps the order of a key",
            Self::Redelivers => "a broker that delivers again",
            Self::CountsDeliveries => "a broker that counts deliveries",
            Self::Replays => "a broker that delivers old events",
            Self::Dedupes => "a broker that knows event ids again",
            Self::ForeignBytes => "a harness that publishes foreign bytes",
        })
    }
}

/// What became of one promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing broke it.
    Kept,
    /// It does not concern this adapter, which lacks what is named.
    Skipped(Need),
    /// It was broken: how.
    Broken(String),
}

/// What became of every promise of a suite.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each promise's name and outcome, in the suite's order.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The names of the promises that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        self.named(|outcome| matches!(outcome, Outcome::Broken(_)))
    }

    /// The names of the promises that were skipped.
    #[must_use]
    pub fn skipped(&self) -> Vec<&'static str> {
        self.named(|outcome| matches!(outcome, Outcome::Skipped(_)))
    }

    fn named(&self, is_wanted: fn(&Outcome) -> bool) -> Vec<&'static str> {
        self.outcomes.iter().filter(|(_, outcome)| is_wanted(outcome)).map(|(name, _)| *name).collect()
    }
}

/// One line a promise: what was kept, what was skipped for want of what, what was broken how.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.outcomes {
            match outcome {
                Outcome::Kept => writeln!(f, "kept     {name}")?,
                Outcome::Skipped(need) => writeln!(f, "skipped  {name}: needs {need}")?,
                Outcome::Broken(how) => writeln!(f, "BROKEN   {name}: {how}")?,
            }
        }
        Ok(())
    }
}

/// Tries to see one promise broken.
pub(crate) async fn try_promise<H: ?Sized>(promise: &Promise<H>, harness: Arc<H>) -> Outcome {
    let mut check = tokio::spawn((promise.check)(harness));
    match tokio::time::timeout(PROMISE_MAX, &mut check).await {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(end)) => Outcome::Broken(said(end)),
        Err(_) => {
            check.abort();
            Outcome::Broken(format!("did not end within {PROMISE_MAX:?}"))
        }
    }
}

fn said(end: tokio::task::JoinError) -> String {
    let Ok(panic) = end.try_into_panic() else { return "was cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}

/// Waits for what a promise says will happen.
///
/// # Panics
/// When it does not happen within [`WAIT_MAX`].
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WAIT_MAX, happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: did not happen within {WAIT_MAX:?}"),
    }
}

/// For the suite macros: runs on an executor with two workers, so that concurrent promises are concurrent.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    executor.expect("the system gives threads and timers to a test").block_on(future)
}

/// For the suite macros: fails the test of a broken promise, says aloud that one was skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says so aloud")]
pub(crate) fn judge(name: &str, outcome: Outcome) {
    match outcome {
        Outcome::Kept => {}
        Outcome::Skipped(need) => eprintln!("skipped: {name} needs {need}"),
        Outcome::Broken(how) => panic!("broken promise: {name}: {how}"),
    }
}

/// For the suite macros: compares what is skipped with the committed list, one name a line.
pub(crate) fn judge_skips(skipped: &[&str], committed: &str) {
    let names = committed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut committed: Vec<&str> = names.collect();
    let mut skipped = skipped.to_vec();
    committed.sort_unstable();
    skipped.sort_unstable();
    assert_eq!(skipped, committed, "what is skipped (left) is not what was committed (right)");
}

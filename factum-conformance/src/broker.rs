//! The promises of `Broker` and `Deliveries`, for every adapter.
//!
//! A broker runs the promises that its `guarantees()` declare; [`broker_suite!`](crate::broker_suite) writes one test
//! for each, and one that compares what is skipped with a committed list. Each promise has topics and consumers of
//! its own, so that a broker that outlives a test can serve many.

use std::sync::Arc;

use async_trait::async_trait;
use factum_core::{Broker, Bytes, Guarantees, Topic};

use crate::promise::{self, Need, Outcome, Promise, Report};

mod acks;
mod consumers;
mod foreign;
mod kit;
mod order;
mod publish;

/// Opens a broker for the suite; one harness serves one promise.
#[async_trait]
pub trait BrokerHarness: Send + Sync + 'static {
    /// Connects to the broker; further calls give further connections.
    async fn open(&self) -> Arc<dyn Broker>;

    /// Whether [`BrokerHarness::publish_foreign`] does it.
    fn publishes_foreign(&self) -> bool {
        false
    }

    /// Publishes bytes that are no event, as a foreign producer would.
    async fn publish_foreign(&self, _topic: &Topic, _bytes: Bytes) {}
}

/// Tries every promise on harnesses that `harness` makes, one at a time.
pub async fn run_all(harness: impl Fn() -> Arc<dyn BrokerHarness>) -> Report {
    run(PROMISES, harness).await
}

/// Tries the promises of these names alone.
///
/// # Panics
/// When there is no promise of a name.
pub async fn run_some(names: &[&str], harness: impl Fn() -> Arc<dyn BrokerHarness>) -> Report {
    let mut report = Report::default();
    for name in names {
        report.outcomes.extend(run(std::slice::from_ref(named(name)), &harness).await.outcomes);
    }
    report
}

async fn run(
    promises: &[Promise<dyn BrokerHarness>],
    harness: impl Fn() -> Arc<dyn BrokerHarness>,
) -> Report {
    let first = harness();
    let (guarantees, foreign) = (first.open().await.guarantees(), first.publishes_foreign());
    let mut report = Report::default();
    for promise in promises {
        let outcome = if offers(guarantees, foreign, promise.need) {
            promise::try_promise(promise, harness()).await
        } else {
            Outcome::Skipped(promise.need)
        };
        report.outcomes.push((promise.name, outcome));
    }
    report
}

fn named(name: &str) -> &'static Promise<dyn BrokerHarness> {
    let promise = PROMISES.iter().find(|promise| promise.name == name);
    promise.unwrap_or_else(|| panic!("there is no promise {name:?}"))
}

fn offers(guarantees: Guarantees, foreign: bool, need: Need) -> bool {
    match need {
        Need::Nothing => true,
        Need::OrderByKey => guarantees.order_by_key,
        Need::Redelivers => guarantees.redelivers,
        Need::CountsDeliveries => guarantees.counts_deliveries,
        Need::Replays => guarantees.replays,
        Need::Dedupes => guarantees.dedupes,
        Need::ForeignBytes => foreign,
        Need::Sql | Need::SurvivesProcess | Need::Shared | Need::CommitsInOrder => false,
    }
}

/// For [`broker_suite!`](crate::broker_suite): tries one promise.
///
/// # Panics
/// When the promise is broken, or there is none of this name.
#[doc(hidden)]
pub fn verify(name: &str, harness: impl Fn() -> Arc<dyn BrokerHarness>) {
    let report = promise::block_on(run(std::slice::from_ref(named(name)), harness));
    report.outcomes.into_iter().for_each(|(name, outcome)| promise::judge(name, outcome));
}

/// For [`broker_suite!`](crate::broker_suite): compares what the broker does not offer with the committed list.
///
/// # Panics
/// When they differ.
#[doc(hidden)]
pub fn verify_skips(committed: &str, harness: impl Fn() -> Arc<dyn BrokerHarness>) {
    let harness = harness();
    let guarantees = promise::block_on(harness.open()).guarantees();
    let foreign = harness.publishes_foreign();
    let skipped = PROMISES.iter().filter(|promise| !offers(guarantees, foreign, promise.need));
    promise::judge_skips(&skipped.map(|promise| promise.name).collect::<Vec<_>>(), committed);
}

/// The list of promises: number, need, module and name of each, handed to the macro named first.
#[doc(hidden)]
#[macro_export]
macro_rules! broker_promises {
    ([$($then:tt)*] $($args:tt)*) => { $($then)* ! { [$($args)*]
        16 Nothing publish::what_is_published_is_delivered_as_written,
        16 Nothing publish::a_batch_is_delivered_whole,
        16 Nothing publish::what_is_published_waits_for_its_consumer,
        16 Nothing publish::publishers_at_the_same_time_lose_nothing,
        16 Nothing publish::what_was_not_taken_is_named,
        16 Nothing publish::publishing_nothing_succeeds,
        16 Dedupes publish::an_event_id_published_twice_is_delivered_once,
        17 Redelivers acks::what_is_acknowledged_is_not_delivered_again,
        17 Redelivers acks::what_is_given_back_is_delivered_again,
        17 Redelivers acks::what_was_in_flight_at_close_is_delivered_again,
        17 Redelivers acks::what_a_dropped_member_held_is_delivered_again,
        17 Redelivers acks::a_late_acknowledgement_acknowledges_nothing,
        17 CountsDeliveries acks::deliveries_are_counted,
        18 OrderByKey order::a_key_keeps_its_order,
        18 OrderByKey order::a_key_keeps_its_order_across_members,
        18 OrderByKey order::a_key_keeps_its_order_when_given_back,
        19 ForeignBytes foreign::foreign_bytes_are_delivered_as_they_are,
        19 ForeignBytes foreign::foreign_bytes_stop_nothing,
        0 Nothing consumers::topics_are_apart,
        0 Nothing consumers::members_share_the_deliveries,
        0 Nothing consumers::every_consumer_is_given_everything,
        0 Nothing consumers::a_new_consumer_may_start_with_what_comes,
        0 Replays consumers::a_new_consumer_may_start_with_the_oldest,
        0 Replays consumers::a_new_consumer_may_start_at_a_time,
        0 Nothing consumers::a_known_consumer_goes_on_where_it_was,
        0 Nothing consumers::next_waits_for_an_event,
        0 Nothing consumers::next_gives_at_most_its_limit,
        0 Nothing consumers::a_cancelled_next_loses_nothing,
    } };
}

macro_rules! list {
    ([] $($number:literal $need:ident $module:ident::$name:ident,)*) => {
        /// Every promise of a broker.
        pub const PROMISES: &[Promise<dyn BrokerHarness>] = &[$(Promise {
            number: $number,
            name: stringify!($name),
            need: Need::$need,
            check: |harness| Box::pin($module::$name(harness)),
        }),*];
    };
}

broker_promises!([list]);

/// Writes one test for each promise of a broker, and one that compares what is skipped with the committed list.
///
/// `broker_suite!(harness, skips: include_str!("nats.skips"))`: the expression makes a new [`BrokerHarness`] for each
/// test; the list has one name a line, and may be left out when nothing is skipped.
#[macro_export]
macro_rules! broker_suite {
    ($harness:expr) => { $crate::broker_suite!($harness, skips: ""); };
    ($harness:expr, skips: $skips:expr) => {
        $crate::broker_promises!([$crate::broker_tests] $harness; $skips);
    };
}

/// For [`broker_suite!`]: the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! broker_tests {
    ([$harness:expr; $skips:expr] $($number:literal $need:ident $module:ident::$name:ident,)*) => {
        $(#[test]
        fn $name() {
            $crate::broker::verify(stringify!($name), || ::std::sync::Arc::new($harness));
        })*

        #[test]
        fn what_is_skipped_is_what_was_committed() {
            $crate::broker::verify_skips($skips, || ::std::sync::Arc::new($harness));
        }
    };
}

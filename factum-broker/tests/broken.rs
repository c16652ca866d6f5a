//! The broker suite sees through brokers that break one promise each.
//!
//! Every lie is a wrapper around the memory broker that spoils one thing. A suite that lets one pass has a hole.

#[path = "broken/lies.rs"]
mod lies;
#[path = "broken/spoiled.rs"]
mod spoiled;

use std::sync::Arc;

use factum_broker::MemoryBroker;
use factum_conformance::{BrokerHarness, async_trait, broker};
use factum_core::{Broker, Bytes, Topic};
use spoiled::{Lie, Spoiled};

/// Opens memory brokers that a lie has spoiled.
struct Harness<L> {
    memory: MemoryBroker,
    lie: Arc<L>,
}

#[async_trait]
impl<L: Lie> BrokerHarness for Harness<L> {
    async fn open(&self) -> Arc<dyn Broker> {
        Arc::new(Spoiled { memory: self.memory.clone(), lie: self.lie.clone() })
    }

    fn publishes_foreign(&self) -> bool {
        true
    }

    async fn publish_foreign(&self, topic: &Topic, bytes: Bytes) {
        let published = self.memory.publish_bytes(&self.lie.topic(topic), bytes).await;
        published.expect("a broker with room takes bytes");
    }
}

fn harness<L: Lie>(make: fn() -> L) -> impl Fn() -> Arc<dyn BrokerHarness> {
    move || {
        let lie = make();
        Arc::new(Harness { memory: MemoryBroker::new(lie.options()), lie: Arc::new(lie) })
    }
}

#[tokio::test]
async fn an_honest_wrapper_breaks_nothing() {
    let report = broker::run_all(harness(|| lies::Honest)).await;
    assert!(report.broken().is_empty() && report.skipped().is_empty(), "{report}");
}

/// Writes a test that the suite catches a lie by this promise.
macro_rules! caught {
    ($($test:ident: $lie:expr => $promise:ident;)*) => {
        $(
            // Time stands still while anything can happen, so that endless waits end at once.
            #[tokio::test(start_paused = true)]
            async fn $test() {
                let report = broker::run_some(&[stringify!($promise)], harness(|| $lie)).await;
                assert_eq!(report.broken(), [stringify!($promise)], "it was not caught:\n{report}");
            }
        )*
    };
}

caught! {
    losing_the_last_of_a_batch: lies::LosesTheLast => a_batch_is_delivered_whole;
    saying_that_all_was_taken: lies::SaysAllIsWell => what_was_not_taken_is_named;
    naming_the_wrong_event: lies::NamesTheFirst => what_was_not_taken_is_named;
    delivering_duplicates: lies::KnowsNoId => an_event_id_published_twice_is_delivered_once;
    losing_the_cause: lies::LosesTheCause => what_is_published_is_delivered_as_written;
    forgetting_acknowledgements: lies::ForgetsAcks => what_is_acknowledged_is_not_delivered_again;
    acknowledging_on_delivery: lies::AcksAtOnce => what_a_dropped_member_held_is_delivered_again;
    taking_back_for_done: lies::NackIsAck => what_is_given_back_is_delivered_again;
    crediting_late_acknowledgements: lies::CreditsLateAcks::default() => a_late_acknowledgement_acknowledges_nothing;
    counting_every_delivery_first: lies::CountsOne => deliveries_are_counted;
    reversing_batches: lies::Reverses => a_key_keeps_its_order;
    taking_no_note_of_keys: lies::KnowsNoKey::default() => a_key_keeps_its_order_when_given_back;
    swallowing_foreign_bytes: lies::SwallowsForeign => foreign_bytes_are_delivered_as_they_are;
    mixing_topics: lies::MixesTopics => topics_are_apart;
    giving_each_member_everything: lies::SharesNothing::default() => members_share_the_deliveries;
    taking_all_consumers_for_one: lies::KnowsOneConsumer => every_consumer_is_given_everything;
    starting_with_new_events_only: lies::StartsNew => a_new_consumer_may_start_with_the_oldest;
    starting_with_the_oldest_only: lies::StartsOldest => a_new_consumer_may_start_with_what_comes;
    forgetting_where_a_consumer_was: lies::SharesNothing::default() => a_known_consumer_goes_on_where_it_was;
    forgetting_a_consumer_that_is_away: lies::SharesNothing::default() => what_is_published_waits_for_its_consumer;
    ignoring_the_limit: lies::IgnoresTheLimit => next_gives_at_most_its_limit;
    losing_what_a_cancelled_next_took: lies::LosesWhenCancelled => a_cancelled_next_loses_nothing;
}

//! The suite sees through stores that break one promise each.
//!
//! Every lie is a wrapper around the model store that spoils one thing. A suite that lets one pass has a hole.

#[path = "broken/lies_of_appends.rs"]
mod lies_of_appends;
#[path = "broken/lies_of_reads.rs"]
mod lies_of_reads;
#[path = "broken/lies_of_units.rs"]
mod lies_of_units;
#[path = "broken/spoiled.rs"]
mod spoiled;

use std::sync::Arc;

use factum_conformance::{ModelStore, Report, StoreHarness, async_trait, store};
use factum_core::{Gate, Store};
use spoiled::{Lie, Spoiled};

/// Opens model stores that a lie has spoiled.
struct Harness<L>(L);

#[async_trait]
impl<L: Lie + Clone> StoreHarness for Harness<L> {
    async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        // Its state is the store's: a new store begins with a new lie.
        let lie = self.0.clone();
        Arc::new(Spoiled::new(ModelStore::new(lie.gate(gate)), lie))
    }
}

async fn try_all<L: Lie + Clone>(lie: L) -> Report {
    store::run_all(|| Arc::new(Harness(lie.clone()))).await
}

/// Writes a test that the suite catches a lie, by this promise at least.
macro_rules! caught {
    ($($test:ident: $lie:expr => $promise:ident;)*) => {
        $(
            // Time stands still while anything can happen, so that endless waits end at once.
            #[tokio::test(start_paused = true)]
            async fn $test() {
                let report = try_all($lie).await;
                assert!(report.broken().contains(&stringify!($promise)), "it was not caught:\n{report}");
            }
        )*
    };
}

#[tokio::test(start_paused = true)]
async fn an_honest_wrapper_breaks_nothing() {
    let report = try_all(spoiled::Honest).await;
    assert_eq!(report.broken(), Vec::<&str>::new(), "{report}");
    assert!(report.outcomes.len() > 90, "the suite has shrunk to {} promises", report.outcomes.len());
}

/// Writes a test that the model test sees a lie.
macro_rules! seen {
    ($($test:ident: $lie:expr;)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                let comparing = tokio::spawn(async move {
                    let store = Spoiled::new(ModelStore::default(), $lie);
                    factum_conformance::compare_with_model(&store, 7, 2_000).await;
                });
                assert!(comparing.await.is_err(), "2,000 random operations did not see it");
            }
        )*
    };
}

#[tokio::test]
async fn the_model_test_finds_nothing_in_an_honest_wrapper() {
    for seed in 0..20 {
        let store = Spoiled::new(ModelStore::default(), spoiled::Honest);
        factum_conformance::compare_with_model(&store, seed, 300).await;
    }
}

seen! {
    the_model_test_sees_a_lost_event: lies_of_appends::LosesTheLast;
    the_model_test_sees_ignored_expectations: lies_of_appends::IgnoresExpected;
    the_model_test_sees_ignored_boundaries: lies_of_appends::IgnoresBoundaries;
    the_model_test_sees_expectations_judged_too_early: lies_of_appends::JudgesFirst;
    the_model_test_sees_reused_versions: lies_of_reads::ReusesVersions;
    the_model_test_sees_patterns_in_categories: lies_of_reads::CategoriesByPrefix;
    the_model_test_sees_leaks: lies_of_units::LeaksDropped;
    the_model_test_sees_halves: lies_of_units::DoesHalf;
    the_model_test_sees_another_order_of_writes: lies_of_units::WritesBackwards;
    the_model_test_sees_ignored_guards: lies_of_units::IgnoresGuards;
    the_model_test_sees_patterns_in_groups: lies_of_units::FindsByPattern;
    the_model_test_sees_due_records_out_of_order: lies_of_units::FindsDueById;
}

caught! {
    losing_the_last_of_a_batch: lies_of_appends::LosesTheLast => a_batch_is_recorded_in_its_order;
    ignoring_what_is_expected: lies_of_appends::IgnoresExpected => a_stale_append_conflicts;
    ignoring_boundaries: lies_of_appends::IgnoresBoundaries => one_of_many_rivals_within_a_boundary_wins;
    forgetting_ids: lies_of_appends::ForgetsIds::default() => the_same_event_id_is_recorded_once;
    repeats_where_new_events_are_expected:
        lies_of_appends::ForgivesRepeats => known_ids_are_a_conflict_where_new_ones_are_expected;
    judging_expected_before_ids: lies_of_appends::JudgesFirst => known_ids_answer_before_expected_is_judged;
    answering_known_ids_with_now: lies_of_appends::AnswersNow::default() => known_ids_answer_as_the_first_time;
    taking_the_new_part_of_a_batch: lies_of_appends::TakesTheNewPart::default() => a_partly_known_batch_is_refused;
    having_no_gate: lies_of_appends::HasNoGate => a_breach_refuses_the_append;
    never_sealing: lies_of_appends::HasNoGate => what_is_stored_is_what_the_gate_sealed;
    truncating_payloads: lies_of_appends::Truncates => a_payload_is_kept_byte_for_byte;
    tidying_payloads: lies_of_appends::Tidies => a_payload_is_kept_byte_for_byte;
    dropping_tags: lies_of_appends::DropsTags => all_tags_must_be_carried;
    never_closing: lies_of_appends::NeverCloses => nothing_comes_behind_the_end_of_a_stream_whoever_writes;
    rounding_times: lies_of_appends::RoundsTimes => an_envelope_reads_back_as_written;
    answering_with_the_first_position: lies_of_appends::AnswersTheFirst => an_append_says_where_its_last_event_is;

    reusing_a_version: lies_of_reads::ReusesVersions => versions_are_dense;
    showing_events_late: lies_of_reads::ShowsLate => a_reader_that_follows_positions_misses_nothing;
    showing_positions_out_of_order: lies_of_reads::Swaps => a_position_that_was_read_is_final;
    ending_at_the_last_match: lies_of_reads::EndsAtTheLastMatch => a_last_page_ends_at_the_head;
    ending_too_late: lies_of_reads::EndsTooLate => pages_follow_one_another_without_gap;
    saying_there_is_no_more: lies_of_reads::SaysNoMore => a_page_holds_at_most_its_limit;
    reading_backward_forward: lies_of_reads::ReadsForward => backward_reads_newest_first;
    taking_the_page_for_the_log: lies_of_reads::HeadIsThePage => the_head_is_the_last_position_whatever_is_asked;
    taking_the_page_for_the_stream: lies_of_reads::VersionIsThePage => a_page_of_a_stream_says_how_far_it_has_come;
    including_commands: lies_of_reads::IncludesCommands => commands_are_left_out_unless_asked_for;
    reading_categories_by_prefix: lies_of_reads::CategoriesByPrefix => a_category_is_that_of_the_stream;
    including_after: lies_of_reads::IncludesAfter => after_and_up_to_bound_a_read;
    never_waking: lies_of_reads::NeverWakes => a_wait_ends_when_an_event_is_appended;

    leaking_a_dropped_unit: lies_of_units::LeaksDropped => a_dropped_unit_leaves_no_trace;
    doing_half_of_a_unit: lies_of_units::DoesHalf => a_failing_write_undoes_the_whole_unit;
    doing_nothing: lies_of_units::DoesNothing => a_unit_commits_everything_together;
    committing_in_parts: lies_of_units::CommitsInParts => a_unit_is_seen_whole;
    letting_units_overtake: lies_of_units::LetsOvertake::default() => units_commit_in_the_order_in_which_they_were_handed_over;
    writing_records_last: lies_of_units::WritesBackwards => writes_happen_in_the_order_collected;
    ignoring_guards: lies_of_units::IgnoresGuards => a_record_moves_only_from_the_revision_named;
    ignoring_guards_of_removals: lies_of_units::IgnoresRemovalGuards => a_removal_keeps_its_guard;
    keeping_the_old_due_time: lies_of_units::KeepsDue::default() => a_write_replaces_the_whole_record;
    finding_by_pattern: lies_of_units::FindsByPattern => a_group_prefix_is_no_pattern;
    finding_due_records_by_id: lies_of_units::FindsDueById => due_records_come_earliest_first;
    paging_records_inclusively: lies_of_units::PagesInclusively => records_page_by_id;
}

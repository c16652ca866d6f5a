//! The promises of `Store` and `Work`, for every adapter.
//!
//! A store runs the promises that its `guarantees()` declare; [`store_suite!`](crate::store_suite) writes one test
//! for each, and one that compares what is skipped with a committed list. Promises hold on an empty store that
//! nobody else uses, so each opens its own.

use std::sync::Arc;

use async_trait::async_trait;
use factum_core::{Gate, OpenGate, Store, StoreGuarantees};

use crate::promise::{self, Need, Outcome, Promise, Report};

mod append;
mod boundary;
mod closed;
mod fidelity;
mod follow;
mod ids;
mod kit;
mod limits;
mod paging;
mod query;
mod records;
mod sql;
mod survive;
mod units;

/// Opens stores for the suite; one harness serves one promise.
#[async_trait]
pub trait StoreHarness: Send + Sync + 'static {
    /// Opens a new, empty store behind this gate.
    async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store>;

    /// Opens what `open` opened once more: a second handle of a store that is shared, or the same again after every
    /// handle was dropped.
    ///
    /// # Panics
    /// When the harness of a store that survives its process, or is shared, leaves it out.
    async fn reopen(&self, _gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        panic!("a store that survives its process, or is shared, needs a harness with `reopen`")
    }
}

/// Tries every promise on harnesses that `harness` makes, one at a time.
pub async fn run_all(harness: impl Fn() -> Arc<dyn StoreHarness>) -> Report {
    run(PROMISES, harness).await
}

/// Tries the promises of these names alone.
///
/// # Panics
/// When there is no promise of a name.
pub async fn run_some(names: &[&str], harness: impl Fn() -> Arc<dyn StoreHarness>) -> Report {
    let mut report = Report::default();
    for name in names {
        report.outcomes.extend(run(std::slice::from_ref(named(name)), &harness).await.outcomes);
    }
    report
}

async fn run(promises: &[Promise<dyn StoreHarness>], harness: impl Fn() -> Arc<dyn StoreHarness>) -> Report {
    let guarantees = guarantees(harness()).await;
    let mut report = Report::default();
    for promise in promises {
        let outcome = if offers(guarantees, promise.need) {
            promise::try_promise(promise, harness()).await
        } else {
            Outcome::Skipped(promise.need)
        };
        report.outcomes.push((promise.name, outcome));
    }
    report
}

async fn guarantees(harness: Arc<dyn StoreHarness>) -> StoreGuarantees {
    harness.open(Arc::new(OpenGate)).await.guarantees()
}

fn named(name: &str) -> &'static Promise<dyn StoreHarness> {
    let promise = PROMISES.iter().find(|promise| promise.name == name);
    promise.unwrap_or_else(|| panic!("there is no promise {name:?}"))
}

fn offers(guarantees: StoreGuarantees, need: Need) -> bool {
    match need {
        Need::Nothing => true,
        Need::Sql => guarantees.sql,
        Need::SurvivesProcess => guarantees.survives_process,
        Need::Shared => guarantees.shared,
        Need::CommitsInOrder => guarantees.commits_in_order,
        Need::OrderByKey
        | Need::Redelivers
        | Need::CountsDeliveries
        | Need::Replays
        | Need::Dedupes
        | Need::ForeignBytes => false,
    }
}

/// For [`store_suite!`](crate::store_suite): tries one promise.
///
/// # Panics
/// When the promise is broken.
#[doc(hidden)]
pub fn verify(name: &str, harness: impl Fn() -> Arc<dyn StoreHarness>) {
    let report = promise::block_on(run(std::slice::from_ref(named(name)), harness));
    report.outcomes.into_iter().for_each(|(name, outcome)| promise::judge(name, outcome));
}

/// For [`store_suite!`](crate::store_suite): compares what the store does not offer with the committed list.
///
/// # Panics
/// When they differ.
#[doc(hidden)]
pub fn verify_skips(committed: &str, harness: impl Fn() -> Arc<dyn StoreHarness>) {
    let guarantees = promise::block_on(guarantees(harness()));
    let skipped = PROMISES.iter().filter(|promise| !offers(guarantees, promise.need));
    promise::judge_skips(&skipped.map(|promise| promise.name).collect::<Vec<_>>(), committed);
}

/// The list of promises: number, need, module and name of each, handed to the macro named first.
#[doc(hidden)]
#[macro_export]
macro_rules! store_promises {
    ([$($then:tt)*] $($args:tt)*) => { $($then)* ! { [$($args)*]
        1 Nothing append::an_append_is_all_or_nothing,
        1 Nothing append::a_batch_is_recorded_in_its_order,
        1 Nothing append::an_append_says_where_its_last_event_is,
        2 Nothing append::a_stale_append_conflicts,
        2 Nothing append::a_version_ahead_of_the_stream_conflicts,
        2 Nothing append::a_new_stream_is_new_once,
        2 Nothing append::a_conflict_changes_nothing,
        2 Nothing append::one_of_many_rivals_wins,
        2 Nothing boundary::a_matching_event_breaks_what_was_expected_unchanged,
        2 Nothing boundary::other_events_leave_the_boundary_unchanged,
        2 Nothing boundary::a_boundary_names_a_tag,
        2 Nothing boundary::a_boundary_looks_at_events_after_its_position_only,
        2 Nothing boundary::one_of_many_rivals_within_a_boundary_wins,
        2 Nothing boundary::all_parts_of_an_expectation_hold_or_nothing_is_appended,
        2 Nothing boundary::one_of_many_rivals_over_two_boundaries_wins,
        3 Nothing ids::the_same_event_id_is_recorded_once,
        3 Nothing ids::known_ids_answer_as_the_first_time,
        3 Nothing ids::known_ids_answer_before_expected_is_judged,
        3 Nothing ids::known_ids_are_a_conflict_where_new_ones_are_expected,
        3 Nothing ids::known_ids_answer_with_the_stream_that_holds_them,
        3 Nothing ids::a_partly_known_batch_is_refused,
        3 Nothing ids::an_id_twice_in_a_batch_is_refused,
        3 Nothing ids::the_id_of_a_refused_append_is_still_new,
        3 Nothing ids::rivals_with_the_same_id_record_it_once,
        3 Nothing ids::a_unit_with_known_ids_commits,
        4 SurvivesProcess survive::what_was_acknowledged_is_there_after_reopening,
        4 SurvivesProcess survive::a_reopened_store_goes_on_where_it_was,
        4 Shared survive::two_handles_share_one_log,
        4 Shared survive::a_wait_ends_when_another_handle_appends,
        4 Shared survive::rivals_on_two_handles_keep_every_promise,
        5 Nothing follow::a_position_that_was_read_is_final,
        5 Sql follow::an_open_unit_is_not_seen_and_not_skipped,
        6 Nothing follow::a_reader_that_follows_positions_misses_nothing,
        6 Nothing follow::a_unit_is_seen_whole,
        6 Nothing follow::a_wait_ends_when_an_event_is_appended,
        6 Nothing follow::a_wait_ends_when_a_unit_commits,
        6 Nothing follow::a_wait_ends_at_once_when_there_are_events,
        6 Nothing follow::every_wait_ends,
        7 Nothing append::versions_are_dense,
        7 Nothing append::refused_appends_leave_versions_dense,
        7 Nothing closed::a_closed_stream_takes_no_more_events,
        7 Nothing closed::a_closed_stream_fails_the_whole_unit,
        7 Nothing closed::known_ids_of_a_closed_stream_answer_as_the_first_time,
        7 Nothing closed::what_closes_a_stream_is_the_last_of_its_batch,
        7 Nothing closed::a_closed_stream_is_opened_again,
        7 Nothing closed::nothing_comes_behind_the_end_of_a_stream_whoever_writes,
        7 SurvivesProcess closed::a_closed_stream_is_closed_after_reopening,
        8 Nothing units::a_dropped_unit_leaves_no_trace,
        8 Nothing units::a_unit_commits_everything_together,
        8 Nothing units::a_failing_write_undoes_the_whole_unit,
        8 Nothing units::a_unit_answers_each_append_in_order,
        8 Nothing units::writes_happen_in_the_order_collected,
        8 Nothing units::a_unit_builds_on_its_own_appends,
        8 Nothing units::a_unit_reads_what_is_committed,
        8 Nothing units::an_empty_unit_commits,
        8 Nothing units::a_unit_of_records_alone_has_no_position,
        8 Nothing units::units_at_the_same_time_all_commit,
        8 CommitsInOrder units::units_commit_in_the_order_in_which_they_were_handed_over,
        9 Nothing records::a_record_moves_only_from_the_revision_named,
        9 Nothing records::a_record_is_created_once,
        9 Nothing records::a_removal_keeps_its_guard,
        9 Nothing records::a_removed_record_is_gone,
        9 Nothing records::one_of_many_rivals_moves_a_record,
        9 Nothing records::a_record_reads_back_as_written,
        9 Nothing records::a_write_replaces_the_whole_record,
        9 Nothing records::kinds_never_see_each_other,
        9 Nothing records::records_are_found_by_group,
        9 Nothing records::a_group_prefix_is_no_pattern,
        9 Nothing records::due_records_come_earliest_first,
        9 Nothing records::records_page_by_id,
        9 Nothing records::a_find_answers_at_most_the_largest_page,
        0 Nothing fidelity::an_envelope_reads_back_as_written,
        0 Nothing fidelity::a_payload_is_kept_byte_for_byte,
        0 Nothing fidelity::the_longest_names_fit,
        0 Nothing fidelity::names_are_never_patterns,
        0 Nothing query::a_stream_is_read_alone_and_in_order,
        0 Nothing query::a_page_of_a_stream_says_how_far_it_has_come,
        0 Nothing query::a_category_is_that_of_the_stream,
        0 Nothing query::any_of_the_types_will_do,
        0 Nothing query::all_tags_must_be_carried,
        0 Nothing query::a_correlation_is_found,
        0 Nothing query::an_event_is_found_by_its_id,
        0 Nothing query::commands_are_left_out_unless_asked_for,
        0 Nothing query::all_conditions_must_hold,
        0 Nothing query::after_and_up_to_bound_a_read,
        0 Nothing paging::an_empty_store_has_nothing_to_read,
        0 Nothing paging::a_page_holds_at_most_its_limit,
        0 Nothing paging::a_page_is_never_larger_than_the_largest,
        0 Nothing paging::pages_follow_one_another_without_gap,
        0 Nothing paging::backward_reads_newest_first,
        0 Nothing paging::a_last_page_ends_at_the_head,
        0 Nothing paging::the_head_is_the_last_position_whatever_is_asked,
        0 Nothing limits::a_breach_refuses_the_append,
        0 Nothing limits::a_breach_fails_the_unit,
        0 Nothing limits::the_gate_is_the_one_given,
        0 Nothing limits::what_is_stored_is_what_the_gate_sealed,
        0 Nothing limits::what_cannot_be_sealed_is_not_stored,
        0 Nothing limits::an_event_beyond_the_limit_is_refused,
        0 Nothing limits::an_event_at_the_limit_is_stored,
        0 Nothing limits::an_append_of_nothing_is_refused,
        0 Nothing limits::a_record_name_beyond_the_limit_is_refused,
        0 Sql sql::values_read_back_as_written,
        0 Sql sql::placeholders_are_bound_by_number,
        0 Sql sql::values_are_never_spliced,
        0 Sql sql::wrong_sql_is_an_error_and_the_store_goes_on,
        0 Sql sql::a_query_before_any_write_reads_what_is_committed,
        0 Sql sql::a_query_after_a_write_sees_the_write,
        0 Sql sql::a_moment_stands_still_while_others_write,
        8 Sql sql::sql_and_events_commit_together,
        8 Sql sql::a_failing_statement_undoes_the_whole_unit,
        8 Sql sql::a_conflict_undoes_the_sql,
        8 Sql sql::a_dropped_unit_undoes_its_sql,
        8 Sql sql::a_dropped_interactive_unit_undoes_its_sql,
        8 Sql sql::sql_cannot_end_its_unit,
        8 Sql sql::rows_read_for_update_are_not_overtaken,
    } };
}

macro_rules! list {
    ([] $($number:literal $need:ident $module:ident::$name:ident,)*) => {
        /// Every promise of a store.
        pub const PROMISES: &[Promise<dyn StoreHarness>] = &[$(Promise {
            number: $number,
            name: stringify!($name),
            need: Need::$need,
            check: |harness| Box::pin($module::$name(harness)),
        }),*];
    };
}

store_promises!([list]);

/// Writes one test for each promise of a store, and one that compares what is skipped with the committed list.
///
/// `store_suite!(harness, skips: include_str!("sqlite.skips"))`: the expression makes a new [`StoreHarness`] for each
/// test; the list has one name a line, and may be left out when nothing is skipped.
#[macro_export]
macro_rules! store_suite {
    ($harness:expr) => { $crate::store_suite!($harness, skips: ""); };
    ($harness:expr, skips: $skips:expr) => {
        $crate::store_promises!([$crate::store_tests] $harness; $skips);
    };
}

/// For [`store_suite!`]: the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! store_tests {
    ([$harness:expr; $skips:expr] $($number:literal $need:ident $module:ident::$name:ident,)*) => {
        $(#[test]
        fn $name() {
            $crate::store::verify(stringify!($name), || ::std::sync::Arc::new($harness));
        })*

        #[test]
        fn what_is_skipped_is_what_was_committed() {
            $crate::store::verify_skips($skips, || ::std::sync::Arc::new($harness));
        }
    };
}

//! What readers ask costs the same however long the log behind them is.

use super::kit::*;

/// How many pages of the server's memory it may touch more: the log's index is a level higher.
const MORE_MAX: u64 = 8;

/// A hundred events that are the newest of so many, as a relay asks for them that has all before.
fn pages_touched(place: &Place, events: u64) -> u64 {
    let from = place.psql("select coalesce(max(position), 0) + 1 from factum.event");
    place.psql(&format!(
        "insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data) \
         select i, 1, i, 0, 0, (select min(id) from factum.type), gen_random_uuid(), '', decode(repeat('ab', 100), 'hex') \
         from generate_series({from}, {events}) i"
    ));
    place.psql("vacuum analyze factum.event");
    let after = (events - 100).to_string();
    let up_to = events.to_string();
    let values = [&*after, &*up_to, "1000", "array['order.placed']::text[]", "'event'", "null"];
    let asked = include_str!("../../src/postgres/sql/log_forward.sql");
    let asked = (1..)
        .zip(values)
        .fold(asked.to_owned(), |sql, (number, value)| sql.replace(&format!("${number}"), value));
    let plan = place.psql(&format!("explain (analyze, buffers, costs off, timing off) {asked}"));
    assert!(plan.contains("rows=100 "), "{plan}");
    let touched =
        plan.lines().find_map(|line| line.trim().strip_prefix("Buffers: shared ")).expect("buffers");
    touched.split(' ').filter_map(|part| part.split_once('=')?.1.parse::<u64>().ok()).sum()
}

#[test]
fn the_newest_events_are_found_as_fast_behind_many_old_ones_as_behind_few() {
    let place = place();
    let many = if is_long() { 10_000_000 } else { 200_000 };
    run(async {
        let store = place.open();
        factum_core::Store::append(&store, &stream("order-1"), factum_core::Expected::Any, &events(1))
            .await
            .expect("appends");
        let few = pages_touched(&place, 1_000);
        let many = pages_touched(&place, many);
        assert!(many <= few + MORE_MAX, "{many} pages, where it was {few}");
    });
}

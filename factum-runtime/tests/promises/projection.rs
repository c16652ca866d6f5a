//! Projections: tables that follow the log, rebuilt beside the live ones, inline ones in the unit of the append.

use std::sync::Arc;

use factum_core::{
    ConsumerName, Expected, Failure, Projection, Query, Store, StreamId, Table, Tables, Version, values,
};
use factum_runtime::admin::Then;
use factum_runtime::{App, InlineStore, ReadSide};

use crate::kit::*;

pub(crate) struct Steps;

impl Projection for Steps {
    const NAME: ConsumerName = ConsumerName::constant("steps");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("steps", "thing text primary key, steps integer not null, total integer not null")
                .indexes(&["steps"]),
        ]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute(
            "insert into {steps} as known (thing, steps, total) values ($1, 1, $2)
             on conflict (thing) do update set steps = known.steps + 1, total = known.total + excluded.total",
            values![event.thing, event.step],
        );
        Ok(())
    }
}

/// The same, where a later release counts double.
pub(crate) struct StepsTwo;

impl Projection for StepsTwo {
    const NAME: ConsumerName = ConsumerName::constant("steps");
    const VERSION: u32 = 2;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        Steps::tables()
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let total = event.step * 2;
        Steps.apply(Stepped { step: total, ..event }, tables).await
    }
}

pub(crate) async fn total(store: &Arc<dyn Store>, thing: &str) -> Option<(i64, i64)> {
    total_of::<Steps>(store, thing).await
}

/// As code of one version reads it.
pub(crate) async fn total_of<P: Projection>(store: &Arc<dyn Store>, thing: &str) -> Option<(i64, i64)> {
    let side = ReadSide::<P>::new(store.clone());
    let rows =
        side.query("select steps, total from {steps} where thing = $1", &values![thing]).await.unwrap();
    rows.first().map(|row| (row.get("steps").unwrap(), row.get("total").unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_follows_the_log_and_reads_see_what_was_written() {
    let store = fresh();
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    for number in 1..=100 {
        let position = step(store.as_ref(), "a", number).await;
        if number % 25 == 0 {
            running.wait_for(&Steps::NAME, position, SOON).await.unwrap();
            assert_eq!(total(&store, "a").await.unwrap().0, i64::from(number));
        }
    }
    assert_eq!(total(&store, "a").await, Some((100, 5050)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_fills_new_tables_beside_the_live_ones_and_cuts_over() {
    let store = fresh();
    for number in 1..=300 {
        step(store.as_ref(), "a", number).await;
    }
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    // Damage that only a rebuild mends.
    let names = ReadSide::<Steps>::new(store.clone()).names().await.unwrap();
    let mut work = store.begin().await.unwrap();
    work.execute(names.resolve("update {steps} set total = 0").unwrap().into(), vec![]);
    work.commit().await.into_result().unwrap();

    let admin = running.admin();
    let asked = admin.rebuild(&Steps::NAME, Then::CutOver).await.unwrap();
    assert_eq!(asked.building.as_deref(), Some("v1r1"));
    assert_eq!(
        admin.rebuild(&Steps::NAME, Then::CutOver).await.unwrap(),
        asked,
        "asking again changes nothing"
    );
    until("the new tables are live", async || total(&store, "a").await == Some((300, 45150))).await;
    let state = &admin.projections().await.unwrap()[0].state;
    assert_eq!((state.live.as_deref(), state.building.as_deref()), (Some("v1r1"), None));
    let position = step(store.as_ref(), "a", 1).await;
    running.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    assert_eq!(total(&store, "a").await, Some((301, 45151)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_filled_from_the_start_while_the_old_tables_answer() {
    let store = fresh();
    step(store.as_ref(), "a", 5).await;
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let running = App::new(store.clone()).projection(StepsTwo).start().await.unwrap();
    assert!(total_of::<StepsTwo>(&store, "a").await.is_some(), "readers always have tables");
    until("the second version is live", async || total_of::<StepsTwo>(&store, "a").await == Some((1, 10)))
        .await;
    assert_eq!(total(&store, "a").await, Some((1, 5)), "old code goes on with the old tables");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_on_a_foreign_table_is_refused_by_name() {
    let store = fresh();
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    let error = ReadSide::<Steps>::new(store).query("select * from {orders}", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "{orders} is not a table of projection steps; it has: steps");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_projection_is_never_behind_and_never_doubled() {
    let plain = fresh();
    step(plain.as_ref(), "old", 3).await;
    let store: Arc<dyn Store> = Arc::new(InlineStore::new(plain.clone()).projection(Steps).await.unwrap());
    assert_eq!(total(&plain, "old").await, Some((1, 3)), "filled from the log when it is new");

    let event = Stepped { thing: "a".into(), step: 7 };
    let envelope = factum_core::Envelope::of(&event).unwrap();
    let stream: StreamId = "thing-a".parse().unwrap();
    let first = store.append(&stream, Expected::NoStream, std::slice::from_ref(&envelope)).await.unwrap();
    assert_eq!(total(&plain, "a").await, Some((1, 7)), "there as soon as the append is");
    let again = store.append(&stream, Expected::NoStream, std::slice::from_ref(&envelope)).await.unwrap();
    assert_eq!((again.version, again.known), (first.version, true));
    assert_eq!(total(&plain, "a").await, Some((1, 7)), "the same event again changes nothing");

    let next = factum_core::Envelope::of(&Stepped { thing: "a".into(), step: 1 }).unwrap();
    let stale = store.append(&stream, Expected::NoStream, std::slice::from_ref(&next)).await.unwrap_err();
    assert_eq!(stale.to_string(), "stream thing-a is at version 1, not at a new stream");
    let any = store.append(&stream, Expected::Any, std::slice::from_ref(&next)).await.unwrap_err();
    assert!(any.to_string().contains("inline projection steps follows stream thing-a"), "{any}");
    assert_eq!(total(&plain, "a").await, Some((1, 7)), "what was refused left no trace");
    store.append(&stream, Expected::At(Version::at(1)), &[next]).await.unwrap();
    assert_eq!(total(&plain, "a").await, Some((2, 8)));
    assert_eq!(plain.read(&Query::stream(stream)).await.unwrap().events.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_inline_projections_answers_what_the_one_within_does() {
    let plain = fresh();
    let store = InlineStore::new(plain.clone()).projection(Steps).await.unwrap();
    step(plain.as_ref(), "a", 1).await;
    assert_eq!((store.stats().events, store.stats()), (1, plain.stats()));
    assert_eq!(store.head().await.unwrap(), plain.head().await.unwrap());
    assert!(store.moment().await.is_ok(), "comparisons work on it");
    let found = store.find_one(factum_core::RecordKind::PROJECTION, "steps").await.unwrap();
    assert_eq!(found.map(|record| record.group), Some("inline".to_owned()));
    assert_eq!(store.query("select 1 as n", &[]).await.unwrap().len(), 1);
}

/// Fails on one thing until told otherwise.
struct Picky(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Projection for Picky {
    const NAME: ConsumerName = ConsumerName::constant("picky");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("picky", crate::place::NUMBERED_STEP)]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        if event.thing == "bad" && !self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Failure::reject("not-yet"));
        }
        tables.execute("insert into {picky} (step) values ($1)", values![event.step]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_sees_all_keys_in_the_order_of_the_log_and_its_letters_can_be_put_back() {
    let store = fresh();
    for number in 0..1200 {
        let thing = if number == 700 { "bad".to_owned() } else { format!("thing-{}", number % 37) };
        step(store.as_ref(), &thing, number).await;
    }
    let is_mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let running = App::new(store.clone()).projection(Picky(is_mended.clone())).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    let side = ReadSide::<Picky>::new(store.clone());
    let steps = async || {
        let rows = side.query("select step from {picky} order by n", &[]).await.unwrap();
        rows.iter().map(|row| row.get::<u32>("step").unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(steps().await, (0..1200).filter(|number| *number != 700).collect::<Vec<_>>());

    is_mended.store(true, std::sync::atomic::Ordering::SeqCst);
    let admin = running.admin();
    let refused = admin.letters(factum_runtime::admin::Which::Refused, None).await.unwrap();
    assert_eq!(admin.requeue(&refused).await.unwrap().requeued, 1);
    until("the letter is handled", async || steps().await.last() == Some(&700)).await;
    until("nothing waits", async || {
        let name = "picky.v1".parse().unwrap();
        admin.consumer(&name).await.unwrap().parked == 0
    })
    .await;
    running.stop().await;
}

//! Rebuilds: held until somebody has looked, given up, gone on with after a crash; and two versions of a projection
//! that run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use factum_core::{ConsumerName, Failure, Projection, Rebuild, Store, Table, Tables, values};
use factum_runtime::admin::Then;
use factum_runtime::{App, ReadSide};

use crate::kit::*;
use crate::projection::{Steps, StepsTwo, total, total_of};

async fn execute(store: &dyn Store, sql: &str) {
    let mut work = store.begin().await.unwrap();
    work.execute(sql.to_owned().into(), vec![]);
    work.commit().await.into_result().unwrap();
}

async fn live(store: &Arc<dyn Store>) -> Option<String> {
    let admin = factum_runtime::Admin::new(store.clone());
    admin.projections().await.unwrap().remove(0).state.live
}

/// Whether a table is there.
async fn is_there(store: &dyn Store, table: &str) -> bool {
    store.query(&format!("select count(*) as n from {table}"), &[]).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn held_tables_are_compared_with_the_live_ones_before_they_go_live() {
    let store = fresh();
    for number in 1..=300 {
        step(store.as_ref(), &format!("thing-{}", number % 7), number).await;
    }
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    execute(store.as_ref(), "update steps__v1 set total = -1 where thing = 'thing-3'").await;
    execute(store.as_ref(), "delete from steps__v1 where thing = 'thing-5'").await;

    let admin = running.admin();
    admin.rebuild(&Steps::NAME, Then::Hold).await.unwrap();
    let found = admin.diff(&Steps::NAME, 10, &mut |_, _| {}).await.unwrap();
    assert_eq!((found.live.as_str(), found.with.as_str(), found.differ()), ("v1", "v1r1", 2));
    let keys: Vec<String> = found.tables[0].first.iter().map(|row| format!("{:?}", row.key[0].1)).collect();
    assert_eq!(keys, [r#"Text("thing-3")"#, r#"Text("thing-5")"#]);
    assert_eq!((found.tables[0].rows, found.tables[0].expected), (6, 7));

    // What comes while it is held is in both.
    let position = step(store.as_ref(), "thing-5", 1000).await;
    running.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    running.settled(SOON).await.unwrap();
    assert_eq!(live(&store).await.as_deref(), Some("v1"), "it waits for a word");
    assert_eq!(total(&store, "thing-3").await.unwrap().1, -1);
    admin.cut_over(&Steps::NAME).await.unwrap();
    until("the new tables are live", async || live(&store).await.as_deref() == Some("v1r1")).await;
    assert!(total(&store, "thing-3").await.unwrap().1 > 0);
    assert!(is_there(store.as_ref(), "steps__v1").await, "the old stay until they are dropped");
    until("the old are gone", async || {
        admin.drop_retired(&Steps::NAME).await.unwrap();
        !is_there(store.as_ref(), "steps__v1").await
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_given_up_leaves_nothing_behind() {
    let store = fresh();
    for number in 1..=50 {
        step(store.as_ref(), "a", number).await;
    }
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    let admin = running.admin();
    assert!(admin.cancel_rebuild(&Steps::NAME).await.unwrap_err().to_string().contains("no tables that are"));
    admin.rebuild(&Steps::NAME, Then::Hold).await.unwrap();
    until("it is being filled", async || is_there(store.as_ref(), "steps__v1r1").await).await;
    admin.cancel_rebuild(&Steps::NAME).await.unwrap();
    until("its tables are gone", async || !is_there(store.as_ref(), "steps__v1r1").await).await;
    let consumers = admin.consumers().await.unwrap();
    assert_eq!(consumers.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["steps.v1"]);
    step(store.as_ref(), "a", 50).await;
    running.settled(SOON).await.unwrap();
    assert_eq!(total(&store, "a").await.unwrap().0, 51);
    // The next one has a name that none has had.
    assert_eq!(admin.rebuild(&Steps::NAME, Then::Hold).await.unwrap().building.as_deref(), Some("v1r1"));
    running.stop().await;
}

/// Counts what it applies, and waits in the middle until it is told to go on.
struct Slow {
    applied: Arc<AtomicU32>,
    stops_at: u32,
}

impl Projection for Slow {
    const NAME: ConsumerName = ConsumerName::constant("slow");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("slow", "thing text primary key, steps integer not null")]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        if event.step == self.stops_at {
            std::future::pending::<()>().await;
        }
        self.applied.fetch_add(1, Ordering::SeqCst);
        tables.execute(
            "insert into {slow} as known (thing, steps) values ($1, 1)
             on conflict (thing) do update set steps = known.steps + 1",
            values![event.thing],
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_a_crash_cut_off_goes_on_where_it_was() {
    let store = fresh();
    let (all, stops_at) = (3000, 2500);
    for number in 1..=all {
        step(store.as_ref(), "a", number).await;
    }
    let applied = Arc::new(AtomicU32::new(0));
    let slow = |stops_at| App::new(store.clone()).projection(Slow { applied: applied.clone(), stops_at });
    let running = slow(0).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;

    let running = slow(stops_at).start().await.unwrap();
    let admin = running.admin();
    admin.rebuild(&Slow::NAME, Then::CutOver).await.unwrap();
    until("most of it is filled", async || {
        let info = admin.projections().await.unwrap().remove(0);
        info.building_position.is_some_and(|at| at.number() > 2000) && info.left.is_some()
    })
    .await;
    running.abort().await;
    drop(running);

    applied.store(0, Ordering::SeqCst);
    let running = slow(0).start().await.unwrap();
    until("it is live", async || live(&store).await.as_deref() == Some("v1r1")).await;
    let again = applied.load(Ordering::SeqCst);
    assert!(again < 1000, "{again} of {all} events were applied again");
    let names = ReadSide::<Slow>::new(store.clone()).names().await.unwrap();
    let sql = names.resolve("select steps from {slow}").unwrap();
    let steps: u32 = store.query(&sql, &[]).await.unwrap().first().unwrap().get("steps").unwrap();
    assert_eq!(steps, all, "each event counts once");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_two_versions_each_answer_from_tables_of_their_own() {
    let store = fresh();
    step(store.as_ref(), "a", 5).await;
    let old = App::new(store.clone()).projection(Steps).start().await.unwrap();
    old.settled(SOON).await.unwrap();
    let new = App::new(store.clone()).projection(StepsTwo).start().await.unwrap();
    until("the second version is live", async || live(&store).await.as_deref() == Some("v2")).await;

    let totals =
        async || (total(&store, "a").await.unwrap().1, total_of::<StepsTwo>(&store, "a").await.unwrap().1);
    assert_eq!(totals().await, (5, 10));
    let position = step(store.as_ref(), "a", 7).await;
    old.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    new.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    assert_eq!(totals().await, (12, 24), "the old tables go on being filled while the old code runs");

    let admin = new.admin();
    let (gone, kept) = admin.drop_retired(&Steps::NAME).await.unwrap();
    assert_eq!((gone.len(), kept), (0, vec!["v1".to_owned()]), "an instance still fills them");
    // A restart of the old code takes its own tables up again, and does not bring them back to life.
    old.stop().await;
    let old = App::new(store.clone()).projection(Steps).start().await.unwrap();
    let position = step(store.as_ref(), "a", 1).await;
    old.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    new.wait_for(&Steps::NAME, position, SOON).await.unwrap();
    assert_eq!(totals().await, (13, 26));
    assert_eq!(live(&store).await.as_deref(), Some("v2"));
    old.stop().await;
    assert_eq!(admin.drop_retired(&Steps::NAME).await.unwrap(), (vec!["v1".to_owned()], vec![]));
    assert!(!is_there(store.as_ref(), "steps__v1").await);
    new.stop().await;
}

/// The second version, which waits until it is asked.
struct StepsAsked;

impl Projection for StepsAsked {
    const NAME: ConsumerName = Steps::NAME;
    const VERSION: u32 = 2;
    const REBUILD: Rebuild = Rebuild::Asked;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        Steps::tables()
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        StepsTwo.apply(event, tables).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_version_that_is_to_be_asked_waits_for_it() {
    let store = fresh();
    step(store.as_ref(), "a", 5).await;
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let running = App::new(store.clone()).projection(StepsAsked).start().await.unwrap();
    let admin = running.admin();
    let state = admin.projections().await.unwrap().remove(0).state;
    assert_eq!((state.version, state.code, state.building), (1, 2, None));
    assert_eq!(total(&store, "a").await, Some((1, 5)), "the old tables answer");
    let state = admin.rebuild(&Steps::NAME, Then::CutOver).await.unwrap();
    assert_eq!(state.building.as_deref(), Some("v2"));
    until("the second version is live", async || live(&store).await.as_deref() == Some("v2")).await;
    running.stop().await;
}

//! A projection is recomputed in a copy and compared: holes are found, and what is sound is called so while events
//! keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum_core::{ConsumerName, Envelope, Expected, Failure, Projection, Store, Table, Tables, values};
use factum_runtime::{Admin, App, InlineStore};

use crate::kit::*;
use crate::projection::Steps;

async fn execute(store: &dyn Store, sql: &str) {
    let mut work = store.begin().await.unwrap();
    work.execute(sql.to_owned().into(), vec![]);
    work.commit().await.into_result().unwrap();
}

async fn is_there(store: &dyn Store, table: &str) -> bool {
    store.query(&format!("select count(*) as n from {table}"), &[]).await.is_ok()
}

/// A projection with all that a comparison meets: keys of two columns, numbers of the database, other types.
struct Lines;

impl Projection for Lines {
    const NAME: ConsumerName = ConsumerName::constant("lines");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("line", "thing text, step integer, price numeric(10, 2), primary key (thing, step)"),
            Table::new("numbered", crate::place::NUMBERED_STEP),
        ]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute(
            "insert into {line} (thing, step, price) values ($1, $2, cast($3 as numeric))",
            values![event.thing, event.step, format!("{}.50", event.step)],
        );
        tables.execute("insert into {numbered} (step) values ($1)", values![event.step]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_from_the_log_is_named_with_what_it_should_be() {
    let store = fresh();
    // Several pages of rows.
    for number in 0..2300 {
        step(store.as_ref(), &format!("thing-{}", number % 1150), number).await;
    }
    let running = App::new(store.clone()).projection(Lines).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    let admin = running.admin();
    let same = admin.verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap();
    assert!(same.is_same(), "{same:?}");
    assert_eq!((same.tables[0].rows, same.tables[0].expected, same.position.number()), (2300, 2300, 2300));
    assert_eq!((same.live.as_str(), same.with.as_str()), ("v1", "v1c1"));

    execute(store.as_ref(), "update line__v1 set price = 1 where thing = 'thing-7' and step = 7").await;
    execute(store.as_ref(), "delete from line__v1 where thing = 'thing-1149'").await;
    execute(store.as_ref(), "insert into line__v1 (thing, step, price) values ('zz', 1, 2)").await;
    execute(store.as_ref(), "delete from numbered__v1 where step = 9").await;
    let found = admin.verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap();
    let line = &found.tables[0];
    let shown: Vec<String> = line
        .first
        .iter()
        .map(|row| {
            let value = |side: &Option<Vec<(String, factum_core::Value)>>| {
                side.as_ref().map(|columns| format!("{:?}", columns[2].1))
            };
            format!("{:?} {:?} {:?} {:?}", row.key[0].1, row.key[1].1, value(&row.live), value(&row.expected))
        })
        .collect();
    assert_eq!(line.differ, 4, "{shown:#?}");
    let has = |parts: [&str; 3]| {
        assert!(shown.iter().any(|row| parts.iter().all(|part| row.contains(part))), "{parts:?}: {shown:#?}");
    };
    has(["thing-7\") Int(7)", "Some", "7.5"]);
    has(["thing-1149\") Int(1149)", "None", "1149.5"]);
    has(["thing-1149\") Int(2299)", "None", "2299.5"]);
    has(["zz\") Int(1)", "Some", "None"]);
    assert_eq!((found.tables[1].differ, found.tables[1].rows), (1, 2299), "a row without a key is counted");
    let first = admin.verify(&Lines::NAME, 1, &mut |_, _| {}).await.unwrap();
    assert_eq!((first.tables[0].first.len(), first.tables[0].differ), (1, 4), "the list is bounded");

    assert!(!is_there(store.as_ref(), "line__v1c1").await, "the copy is dropped");
    let consumers = admin.consumers().await.unwrap();
    assert_eq!(consumers.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["lines.v1"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sound_is_called_so_while_events_keep_coming() {
    let store = fresh();
    for number in 0..500 {
        step(store.as_ref(), &format!("thing-{}", number % 10), number).await;
    }
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut number = 500;
            while !stop.load(Ordering::Relaxed) {
                step(store.as_ref(), &format!("thing-{}", number % 10), number).await;
                number += 1;
            }
            u64::from(number)
        }
    });
    let admin = running.admin();
    let mut positions = Vec::new();
    for _ in 0..3 {
        let found = admin.verify(&Steps::NAME, 10, &mut |_, _| {}).await.unwrap();
        assert!(found.is_same(), "{found:?}");
        positions.push(found.position.number());
    }
    stop.store(true, Ordering::Relaxed);
    let all = writing.await.unwrap();
    assert!(
        positions.windows(2).all(|pair| pair[0] < pair[1]) && positions[2] < all,
        "{positions:?} of {all}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_a_comparison_that_broke_off_is_dropped() {
    let store = fresh();
    for number in 0..50 {
        step(store.as_ref(), "a", number).await;
    }
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    let admin = running.admin();
    let checking = tokio::spawn({
        let admin = admin.clone();
        async move {
            // Never lets it end.
            let mut wait = |_, _| std::thread::sleep(Duration::from_millis(20));
            admin.verify(&Steps::NAME, 10, &mut wait).await
        }
    });
    until("the copy is there", async || is_there(store.as_ref(), "steps__v1c1").await).await;
    checking.abort();
    let _ = checking.await;
    until("the copy is gone", async || !is_there(store.as_ref(), "steps__v1c1").await).await;
    let state = admin.projections().await.unwrap().remove(0).state;
    assert_eq!((state.checking, state.dropping.len()), (None, 0));
    assert!(admin.verify(&Steps::NAME, 10, &mut |_, _| {}).await.unwrap().is_same());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_app_that_fills_the_copy_nothing_is_compared() {
    let store = fresh();
    step(store.as_ref(), "a", 1).await;
    let running = App::new(store.clone()).projection(Steps).start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let admin = Admin::new(store.clone());
    let error = admin.verify(&Steps::NAME, 10, &mut |_, _| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no app that runs fills the tables of steps: start the app that has this version of it, and ask again"
    );
    let state = admin.projections().await.unwrap().remove(0).state;
    assert_eq!((state.checking, state.dropping.len()), (None, 0));
    let unknown = admin.verify(&ConsumerName::constant("stepz"), 10, &mut |_, _| {}).await.unwrap_err();
    assert!(unknown.to_string().contains("projection \"stepz\" is not known"), "{unknown}");
}

/// Appends through whoever fills inline tables: a stream of its own for each.
async fn line(store: &dyn Store, number: u32) {
    let event = Envelope::of(&Stepped { thing: format!("{number}"), step: number }).unwrap();
    let stream = event.stream().unwrap();
    store.append(&stream, Expected::NoStream, &[event]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_projection_is_recomputed_in_a_copy_and_compared() {
    let plain = fresh();
    let store: Arc<dyn Store> = Arc::new(InlineStore::new(plain.clone()).projection(Lines).await.unwrap());
    for number in 0..300 {
        line(store.as_ref(), number).await;
    }
    let alone = Admin::new(store.clone()).verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap_err();
    assert_eq!(
        alone.to_string(),
        "no app that runs fills a copy of inline projection lines: start one that declares this version of it with `App::inline`, and ask again"
    );
    let running = App::new(store.clone()).inline(Lines).start().await.unwrap();
    let admin = running.admin();
    let same = admin.verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap();
    assert!(same.is_same(), "{same:?}");
    assert_eq!((same.tables[0].rows, same.tables[0].expected, same.position.number()), (300, 300, 300));

    // Writers go on, several at once, and never one that is not in both.
    let stop = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = (0..4u32)
        .map(|writer| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut number = 1_000 + writer * 100_000;
                while !stop.load(Ordering::Relaxed) {
                    line(store.as_ref(), number).await;
                    number += 1;
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let found = admin.verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap();
        assert!(found.is_same(), "{found:?}");
    }
    stop.store(true, Ordering::Relaxed);
    for writing in writing {
        writing.await.unwrap();
    }

    execute(plain.as_ref(), "update line__v1 set price = 1 where thing = '7'").await;
    execute(plain.as_ref(), "delete from line__v1 where thing = '8'").await;
    // Somebody appends beside the projection.
    line(plain.as_ref(), 900).await;
    let found = admin.verify(&Lines::NAME, 10, &mut |_, _| {}).await.unwrap();
    let things = found.tables[0].first.iter().map(|row| format!("{:?}", row.key[0].1)).collect::<Vec<_>>();
    assert_eq!(found.tables[0].differ, 3, "{things:?}");
    for (thing, is_live) in [("7", true), ("8", false), ("900", false)] {
        let row = found.tables[0]
            .first
            .iter()
            .find(|row| format!("{:?}", row.key[0].1).contains(&format!("\"{thing}\"")));
        let row = row.unwrap_or_else(|| panic!("{thing} of {things:?}"));
        assert_eq!((row.live.is_some(), row.expected.is_some()), (is_live, true), "{thing}");
    }
    assert!(!is_there(store.as_ref(), "line__v1c1").await, "the copy is dropped");
    let info = admin.projections().await.unwrap().remove(0);
    assert_eq!((info.is_inline, info.state.live.as_deref(), info.state.checking), (true, Some("v1"), None));
    running.stop().await;
}

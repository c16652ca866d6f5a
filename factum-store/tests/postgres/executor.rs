//! A store on an executor that it was given: the same promises, and an end with that executor or before it.

use std::future::{Future as _, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use factum_conformance::{StoreHarness, async_trait, postgres};
use factum_core::{AppendError, Commit, Expected, Gate, Store, StoreErrorKind};
use factum_store::postgres::{Options, PostgresStore};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::kit::{count, events, execute, place, read_all, stream, until};

fn threads(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().expect("a runtime")
}

fn on(executor: &Handle) -> Options {
    Options { executor: Some(executor.clone()), ..Options::default() }
}

struct Given {
    url: String,
}

#[async_trait]
impl StoreHarness for Given {
    async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        let options = Options { gate, ..on(&Handle::current()) };
        Arc::new(PostgresStore::open(&self.url, options).expect("the store opens"))
    }

    async fn reopen(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        self.open(gate).await
    }
}

#[test]
fn every_promise_is_kept_on_the_programs_own_executor() {
    let report = threads(2).block_on(async {
        // Spawned, so that stores are opened on the very threads that they need.
        let all = factum_conformance::store::run_all(|| Arc::new(Given { url: postgres::fresh_url() }));
        tokio::spawn(all).await.expect("the suite ends")
    });
    assert!(report.outcomes.len() > 40, "{report}");
    assert!(report.broken().is_empty(), "{report}");
}

#[test]
fn a_store_opens_and_works_on_the_one_thread_that_asks_for_it() {
    let place = place();
    threads(1).block_on(async {
        let url = place.url.clone();
        let opened = tokio::spawn(async move {
            let store = PostgresStore::open(&url, on(&Handle::current())).expect("the store opens");
            store.append(&stream("order-1"), Expected::NoStream, &events(3)).await.expect("appends");
            let done = execute(&store, "create table t (n bigint)").await;
            assert!(matches!(done, Commit::Committed(_)), "{done:?}");
            assert_eq!(count(&store, "select count(*) as n from t").await, 0);
            store
        });
        let store = tokio::time::timeout(Duration::from_secs(30), opened).await.expect("it is not stuck");
        assert_eq!(read_all(&store.expect("no panic")).await.len(), 3);
    });
}

#[test]
fn an_executor_of_one_thread_is_refused_by_name() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let error = PostgresStore::open(&place().url, on(runtime.handle())).expect_err("it is refused");
    assert_eq!(error.kind, StoreErrorKind::Invalid);
    assert!(error.to_string().contains("an executor of one thread was given to the store"), "{error}");
}

#[test]
fn a_store_that_is_dropped_on_its_executor_leaves_no_connection_behind() {
    let place = place();
    threads(1).block_on(async {
        // Found by a name of their own: other stores are on this server.
        let url = format!("{}&application_name={}", place.url, place.schema());
        let open =
            format!("select count(*) from pg_stat_activity where application_name = '{}'", place.schema());
        let dropped = tokio::spawn(async move {
            let store = PostgresStore::open(&url, on(&Handle::current())).expect("the store opens");
            store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
            assert!(matches!(execute(&store, "select 1").await, Commit::Committed(_)));
        });
        dropped.await.expect("no panic");
        until("its connections end", Duration::from_secs(30), async || place.psql(&open) == "0").await;
    });
    assert_eq!(place.psql("select count(*) from factum.event"), "1");
}

/// Appends one after the other, each under one id however often it asks; answers how many.
async fn append_until(store: PostgresStore, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let one = events(1);
        while let Err(error) = store.append(&stream("order-1"), Expected::Any, &one).await {
            assert!(
                matches!(&error, AppendError::Unknown(_))
                    || matches!(&error, AppendError::Store(error) if error.is_transient()),
                "{error:?}"
            );
        }
        count += 1;
    }
    count
}

#[test]
fn a_caller_who_is_alone_loses_and_doubles_nothing_when_its_connection_is_ended() {
    let place = place();
    threads(2).block_on(async {
        let url = format!("{}&application_name={}", place.url, place.schema());
        let store = PostgresStore::open(&url, on(&Handle::current())).expect("the store opens");
        let stop = Arc::new(AtomicBool::new(false));
        let appending = tokio::spawn(append_until(store.clone(), Arc::clone(&stop)));
        // In the middle of whatever it does: only one caller is there, so that the connection that works is its own.
        let end = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where application_name = '{}' and state = 'active'",
            place.schema()
        );
        let mut ended = 0;
        until("ten connections end at work", Duration::from_secs(90), async || {
            ended += place.psql(&end).parse::<u32>().expect("a number");
            ended >= 10
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let appended = appending.await.expect("no panic");
        let versions: Vec<u64> = read_all(&store).await.iter().map(|event| event.version.number()).collect();
        assert_eq!(versions, (1..=appended as u64).collect::<Vec<_>>(), "each once, in order");
    });
}

#[test]
fn a_caller_who_goes_away_leaves_the_way_open_to_the_next() {
    let place = place();
    threads(2).block_on(async {
        let store = PostgresStore::open(&place.url, on(&Handle::current())).expect("the store opens");
        tokio::spawn(async move {
            let mut acknowledged = 0;
            for polls in 0..60 {
                let (to, all) = (stream("order-1"), events(1));
                let mut append = Box::pin(store.append(&to, Expected::Any, &all));
                // Given up after some polls, with the statement on its way or answered already.
                for _ in 0..polls % 6 {
                    let polled = poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await;
                    if let Poll::Ready(done) = polled {
                        acknowledged += usize::from(done.is_ok());
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                drop(append);
                store.append(&stream("order-2"), Expected::Any, &events(1)).await.expect("appends");
            }
            let recorded = read_all(&store).await;
            let of = |name| recorded.iter().filter(|event| event.stream == stream(name)).count();
            assert_eq!(of("order-2"), 60);
            assert!((acknowledged..=60).contains(&of("order-1")), "{} {acknowledged}", of("order-1"));
        })
        .await
        .expect("no panic");
    });
}

#[test]
fn a_store_that_outlives_its_executor_says_that_it_is_closed() {
    let place = place();
    let (first, second) = (threads(2), threads(2));
    let store =
        first.block_on(async { PostgresStore::open(&place.url, on(&Handle::current())).expect("opens") });
    first.block_on(store.append(&stream("order-1"), Expected::NoStream, &events(1))).expect("appends");
    first.shutdown_timeout(Duration::from_secs(5));
    second.block_on(async {
        let answers = async {
            let refused = store.append(&stream("order-1"), Expected::Any, &events(1)).await;
            assert!(
                matches!(&refused, Err(AppendError::Store(error)) if error.kind == StoreErrorKind::Closed),
                "{refused:?}"
            );
            let refused = store.head().await.expect_err("it is closed");
            assert_eq!(refused.kind, StoreErrorKind::Closed);
            drop(store);
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("it is not stuck");
    });
}

//! Promise 7: nothing comes behind the end of a stream, until it is opened again.
//!
//! The end is an event like any other; what is judged here is what it does to the appends that follow.

use std::sync::Arc;

use factum_core::{
    AppendError, Commit, Conflict, Envelope, Expected, OpenGate, Store, StreamClosed, StreamReopened,
    Version, WriteError,
};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

fn closing(name: &str) -> Envelope {
    let closed = StreamClosed::new(&stream(name)).expect("the suite names streams rightly");
    closed.envelope().expect("text has a JSON form")
}

fn opening(name: &str) -> Envelope {
    let opened = StreamReopened::new(&stream(name)).expect("the suite names streams rightly");
    opened.envelope().expect("text has a JSON form")
}

async fn is_closed(store: &dyn Store, name: &str, at: u64) {
    for expected in [Expected::Any, Expected::At(Version::at(at))] {
        let answer = store.append(&stream(name), expected.clone(), &[event("late")]).await;
        match refusal(answer, "the stream is closed") {
            AppendError::Closed { stream: found, version } => {
                assert_eq!(
                    (found, version),
                    (stream(name), Version::at(at)),
                    "the refusal says which, and where"
                );
            }
            other => panic!("expected {expected:?} to be told that the stream is closed, found {other:?}"),
        }
    }
}

pub(super) async fn a_closed_stream_takes_no_more_events(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &[event(1), event(2)]).await;
    append(&*store, "suite-1", &[event(3), closing("suite-1")]).await;
    is_closed(&*store, "suite-1", 4).await;
    // Several at once take another way than one alone.
    let many = store.append(&stream("suite-1"), Expected::Any, &events(3)).await;
    assert!(matches!(many, Err(AppendError::Closed { .. })), "{many:?}");
    let tagged = store.append(&stream("suite-1"), Expected::Any, &[tagged(["a:1"])]).await;
    assert!(matches!(tagged, Err(AppendError::Closed { .. })), "{tagged:?}");
    let again = store.append(&stream("suite-1"), Expected::Any, &[closing("suite-1")]).await;
    assert!(matches!(again, Err(AppendError::Closed { .. })), "a stream ends once: {again:?}");
    let stale = store.append(&stream("suite-1"), Expected::At(Version::at(2)), &[event("late")]).await;
    let conflict = refusal(stale, "the stream has moved on, and who has not seen its end reads it first");
    assert!(matches!(conflict, AppendError::Conflict(Conflict::Stream { .. })), "{conflict:?}");
    assert_eq!(
        versions(&read_stream(&*store, "suite-1").await),
        [1, 2, 3, 4],
        "refused appends left something"
    );
    assert_eq!(append(&*store, "suite-10", &events(1)).await.version, Version::at(1), "others go on");
}

pub(super) async fn a_closed_stream_fails_the_whole_unit(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &[event(1), closing("suite-1")]).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::Any, events(1));
    unit.append(stream("suite-1"), Expected::Any, events(1));
    unit.put(record("beside", "1"), factum_core::Guard::Any);
    match unit.commit().await {
        Commit::Failed(WriteError::Closed { stream: found, version }) => {
            assert_eq!((found, version), (stream("suite-1"), Version::at(2)));
        }
        other => panic!("expected the unit to fail for the closed stream, found {other:?}"),
    }
    assert_eq!(version_of(&*store, "suite-2").await, Version::EMPTY, "a part of the unit was done");
    assert_eq!(find_one(&*store, "beside").await, None, "a part of the unit was done");
    // One unit may do both: what it decides last, and the end.
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-3"), Expected::NoStream, events(2));
    unit.append(stream("suite-3"), Expected::At(Version::at(2)), vec![closing("suite-3")]);
    commit(unit).await;
    is_closed(&*store, "suite-3", 3).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-4"), Expected::Any, vec![closing("suite-4")]);
    unit.append(stream("suite-4"), Expected::Any, events(1));
    assert!(!matches!(unit.commit().await, Commit::Committed(_)), "a unit came behind the end that it wrote");
}

pub(super) async fn known_ids_of_a_closed_stream_answer_as_the_first_time(harness: Harness) {
    let store = open(&harness).await;
    let (batch, end) = (events(2), [closing("suite-1")]);
    let first = append(&*store, "suite-1", &batch).await;
    let ended = append(&*store, "suite-1", &end).await;
    let again = append(&*store, "suite-1", &batch).await;
    assert_eq!((again.version, again.position, again.known), (first.version, first.position, true));
    let again = append(&*store, "suite-1", &end).await;
    assert_eq!((again.position, again.known), (ended.position, true));
    // What opened a stream, asked again after it was closed again, opens it no second time.
    let opened = [opening("suite-1")];
    append(&*store, "suite-1", &opened).await;
    append(&*store, "suite-1", &[closing("suite-1")]).await;
    assert!(append(&*store, "suite-1", &opened).await.known);
    is_closed(&*store, "suite-1", 5).await;
}

pub(super) async fn what_closes_a_stream_is_the_last_of_its_batch(harness: Harness) {
    let store = open(&harness).await;
    for batch in [vec![closing("suite-1"), event(1)], vec![event(1), opening("suite-1")]] {
        let answer = store.append(&stream("suite-1"), Expected::Any, &batch).await;
        let error = refusal(answer, "events would come behind the end of their stream");
        assert!(matches!(error, AppendError::Invalid(_)), "{error:?}");
    }
    assert_eq!(read_all(&*store).await, []);
}

pub(super) async fn a_closed_stream_is_opened_again(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &[event(1), closing("suite-1")]).await;
    let opened = append(&*store, "suite-1", &[opening("suite-1"), event(2)]).await;
    assert_eq!(opened.version, Version::at(4));
    assert_eq!(append(&*store, "suite-1", &[event(3)]).await.version, Version::at(5), "it goes on");
    append(&*store, "suite-1", &[closing("suite-1")]).await;
    is_closed(&*store, "suite-1", 6).await;
    let stale = store.append(&stream("suite-1"), Expected::At(Version::at(5)), &[opening("suite-1")]).await;
    assert!(matches!(stale, Err(AppendError::Conflict(_))), "{stale:?}");
    is_closed(&*store, "suite-1", 6).await;
}

pub(super) async fn nothing_comes_behind_the_end_of_a_stream_whoever_writes(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..8 {
        let name = format!("suite-{round}");
        append(&*store, &name, &events(1)).await;
        let writers = (0..8).map(|writer| {
            let (store, name) = (Arc::clone(&store), name.clone());
            tokio::spawn(async move {
                for number in 0..4 {
                    // Half of them come with others, or within a unit, which are other ways to write.
                    let batch = if writer % 2 == 0 { events(1) } else { events(2) };
                    let answer = match number % 2 {
                        0 => store.append(&stream(&name), Expected::Any, &batch).await.map(drop),
                        _ => {
                            let mut unit = begin(&*store).await;
                            unit.append(stream(&name), Expected::Any, batch);
                            unit.commit().await.into_result().map(drop)
                        }
                    };
                    match answer {
                        Ok(()) => {}
                        Err(AppendError::Closed { .. }) => return,
                        Err(other) => {
                            panic!("expected to be told that the stream is closed, found {other:?}")
                        }
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut unit = begin(&*store).await;
        unit.append(stream(&name), Expected::Any, vec![closing(&name)]);
        commit(unit).await;
        for writer in writers {
            writer.await.expect("a writer ends");
        }
        let read = read_stream(&*store, &name).await;
        let last = read.last().expect("it has events");
        assert_eq!(last.envelope.event_type.name.as_str(), "stream.closed", "an event came behind the end");
        is_closed(&*store, &name, last.version.number()).await;
    }
}

pub(super) async fn a_closed_stream_is_closed_after_reopening(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &[event(1), closing("suite-1")]).await;
    append(&*store, "suite-2", &[event(1), closing("suite-2")]).await;
    append(&*store, "suite-2", &[opening("suite-2")]).await;
    drop(store);
    let store = harness.reopen(Arc::new(OpenGate)).await;
    is_closed(&*store, "suite-1", 2).await;
    assert_eq!(append(&*store, "suite-2", &events(1)).await.version, Version::at(4));
}

//! Snapshots and forgetting: a decision that had opened a value before its subject was forgotten keeps no state of it.

use std::sync::atomic::{AtomicBool, Ordering};

use factum::admin::Made;
use factum::state::{Compared, SnapshotState, read};
use factum::{
    Admin, App, AsOf, Decider, ExecuteOptions, Guard, Personal, RecordKind, RecordQuery, Snapshots, StreamId,
};

use crate::kit::*;

/// Keeps the last address of a customer.
struct Customer;

#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

impl Decider for Customer {
    type Command = ();
    type Event = Joined;
    type State = Option<String>;
    type Refusal = Never;

    fn evolve(_: Option<String>, event: &Joined) -> Option<String> {
        event.email.known().cloned()
    }

    fn decide(_: &Option<String>, (): ()) -> Result<Vec<Joined>, Never> {
        Ok(vec![Joined { customer_id: "c-1".into(), email: Personal::from("later".to_owned()), plan: None }])
    }

    fn snapshots() -> Option<Snapshots<Option<String>>> {
        Some(Snapshots::new("customer", 1).every(1))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_opened_before_its_subject_was_forgotten_is_not_kept_after_it() {
    let opened = memory().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    let stream: StreamId = "customer-c-1".parse().unwrap();
    let is_first = AtomicBool::new(true);
    // The decision is taken; before its unit commits, the subject is forgotten, snapshots and all.
    let meanwhile = |_: &[Joined], _: &mut dyn factum::Work| {
        if is_first.swap(false, Ordering::SeqCst) {
            let here = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| here.block_on(forget(&opened, "c-1")));
        }
    };
    let options = ExecuteOptions::default();
    let done =
        factum::execute_with::<Customer>(opened.store.as_ref(), &stream, (), &options, meanwhile).await;
    assert_eq!(done.unwrap().version.number(), 2);
    let kept = opened.store.find(RecordKind::SNAPSHOT, &RecordQuery::default()).await.unwrap();
    let holds = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    assert_eq!(kept.len(), 1, "the decision was taken again, on what is left");
    assert!(!holds(&kept[0].bytes), "the state that is kept was folded from what is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_holds_personal_values_is_told_to_no_operator() {
    let opened = memory().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    let stream: StreamId = "customer-c-1".parse().unwrap();
    let running = App::new(opened.store.clone()).decider::<Customer>().start().await.unwrap();
    let admin = Admin::new(opened.store.clone());
    let refused = admin.state_of(&stream, None, AsOf::Now).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "the state of customer-c-1 holds personal values, which are written nowhere: ask in the app, with `state_of`"
    );
    factum::execute::<Customer>(opened.store.as_ref(), &stream, (), &ExecuteOptions::default())
        .await
        .unwrap();
    let record = opened.store.find(RecordKind::SNAPSHOT, &RecordQuery::default()).await.unwrap().remove(0);
    let mut kept = read::<SnapshotState>(&record).unwrap();
    kept.state = "\"another@example.org\"".to_owned();
    let mut work = opened.store.begin().await.unwrap();
    work.put(kept.record(&stream, Customer::snapshots().unwrap().name()), Guard::Any);
    work.commit().await.into_result().unwrap();
    let info = admin.verify_snapshots(None, &mut |_, _| {}).await.unwrap().remove(0);
    assert_eq!(info.made, Made::OfTheLog);
    let Some(Compared::Other { first, places: 1, .. }) = info.compared else { panic!("{:?}", info.compared) };
    assert_eq!((&*first[0].path, &first[0].kept, &first[0].folded), ("", &None, &None));
    running.stop().await;
}

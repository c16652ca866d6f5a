//! The gate and the limits: what is refused at the door, before anything is stored.
//!
//! Never tests a contract: the gate here refuses by a word in the payload.

use std::sync::Arc;

use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    AppendError, Breach, Bytes, Commit, Envelope, EventType, Expected, Gate, Guard, Record, StoreError,
    StoreErrorKind, Unopened, WriteError,
};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

/// Refuses payloads that hold the word "breach".
struct Guarded;

impl Gate for Guarded {
    fn admit(&self, envelope: &Envelope) -> Result<(), Breach> {
        if !envelope.data.windows(6).any(|part| part == b"breach") {
            return Ok(());
        }
        Err(Breach {
            event: envelope.event_type.name.to_string(),
            version: envelope.event_type.version,
            path: "/label".to_owned(),
            rule: "suite".to_owned(),
            message: "expected another word".to_owned(),
        })
    }

    fn open(&self, _: &Envelope, _: &EventType) -> Result<Option<Envelope>, Unopened> {
        Ok(None)
    }
}

pub(super) async fn a_breach_refuses_the_append(harness: Harness) {
    let store = harness.open(Arc::new(Guarded)).await;
    let batch = [event("good"), event("breach"), event("good")];
    let answer = store.append(&stream("suite-1"), Expected::Any, &batch).await;
    match refusal(answer, "the gate does not admit the second event") {
        AppendError::Refused(breach) => assert_eq!((&*breach.rule, &*breach.path), ("suite", "/label")),
        other => panic!("expected `Refused` with the breach, found {other:?}"),
    }
    assert_eq!(read_all(&*store).await, [], "the events before the breach were stored");
    append(&*store, "suite-1", &[event("good")]).await;
}

pub(super) async fn a_breach_fails_the_unit(harness: Harness) {
    let store = harness.open(Arc::new(Guarded)).await;
    let mut unit = begin(&*store).await;
    unit.put(record("beside", "1"), Guard::Any);
    unit.append(stream("suite-1"), Expected::Any, vec![event("good")]);
    unit.append(stream("suite-2"), Expected::Any, vec![event("breach")]);
    match unit.commit().await {
        Commit::Failed(WriteError::Refused(breach)) => assert_eq!(breach.rule, "suite"),
        other => panic!("expected the unit to fail with the breach, found {other:?}"),
    }
    assert_eq!(read_all(&*store).await, [], "a unit with a breach appended");
    assert_eq!(find_one(&*store, "beside").await, None, "a unit with a breach wrote a record");
}

pub(super) async fn the_gate_is_the_one_given(harness: Harness) {
    let store = harness.open(Arc::new(Guarded)).await;
    assert!(store.gate().admit(&event("breach")).is_err(), "the store's gate is the one it was opened with");
    let unit = begin(&*store).await;
    assert!(unit.gate().admit(&event("breach")).is_err(), "the unit's gate is the store's");
    assert!(unit.gate().admit(&event("good")).is_ok());
}

/// Stores "sealed" instead of every payload; has no keys for one that holds the word "locked".
struct Sealing;

impl Gate for Sealing {
    fn admit(&self, _: &Envelope) -> Result<(), Breach> {
        Ok(())
    }

    fn seal(&self, events: &[Envelope]) -> Result<Option<Vec<Bytes>>, WriteError> {
        if events.iter().any(|event| event.data.windows(6).any(|part| part == b"locked")) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the keys are out of reach").into());
        }
        Ok(Some(events.iter().map(|_| Bytes::from_static(b"\"sealed\"")).collect()))
    }

    fn open(&self, _: &Envelope, _: &EventType) -> Result<Option<Envelope>, Unopened> {
        Ok(None)
    }
}

pub(super) async fn what_is_stored_is_what_the_gate_sealed(harness: Harness) {
    let store = harness.open(Arc::new(Sealing)).await;
    let (alone, in_unit) = (event("plain"), event("plain"));
    append(&*store, "suite-1", std::slice::from_ref(&alone)).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::Any, vec![in_unit.clone()]);
    commit(unit).await;
    let sealed =
        [alone.clone(), in_unit].map(|event| Envelope { data: Bytes::from_static(b"\"sealed\""), ..event });
    assert_eq!(envelopes(&read_all(&*store).await), sealed, "payloads are stored as the gate sealed them");
    let again = store.append(&stream("suite-1"), Expected::Any, &[alone]).await;
    assert!(again.is_ok_and(|again| again.known), "ids are compared, never bytes");
}

pub(super) async fn what_cannot_be_sealed_is_not_stored(harness: Harness) {
    let store = harness.open(Arc::new(Sealing)).await;
    let answer = store.append(&stream("suite-1"), Expected::Any, &[event("locked")]).await;
    match refusal(answer, "the gate cannot seal it") {
        AppendError::Store(error) => assert!(error.is_transient()),
        other => panic!("expected the gate's own trouble, found {other:?}"),
    }
    assert_eq!(read_all(&*store).await, []);
}

pub(super) async fn an_event_beyond_the_limit_is_refused(harness: Harness) {
    let store = open(&harness).await;
    let large = Envelope { data: Bytes::from(vec![b'x'; EVENT_BYTES_MAX + 1]), ..event("large") };
    let answer = store.append(&stream("suite-1"), Expected::Any, std::slice::from_ref(&large)).await;
    let error = refusal(answer, "the payload is one byte too long");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, vec![large]);
    let outcome = unit.commit().await;
    assert!(
        matches!(outcome, Commit::Failed(WriteError::Invalid(_))),
        "expected the unit to fail with `Invalid`, found {outcome:?}"
    );
    assert_eq!(read_all(&*store).await, []);
}

pub(super) async fn an_event_at_the_limit_is_stored(harness: Harness) {
    let store = open(&harness).await;
    let full = Envelope { data: Bytes::from(vec![b'x'; EVENT_BYTES_MAX]), ..event("full") };
    append(&*store, "suite-1", std::slice::from_ref(&full)).await;
    assert!(
        envelopes(&read_all(&*store).await) == [full],
        "an event of the largest size reads back as written"
    );
}

pub(super) async fn an_append_of_nothing_is_refused(harness: Harness) {
    let store = open(&harness).await;
    let error =
        refusal(store.append(&stream("suite-1"), Expected::Any, &[]).await, "there is nothing to append");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, Vec::new());
    let outcome = unit.commit().await;
    assert!(
        matches!(outcome, Commit::Failed(WriteError::Invalid(_))),
        "expected the unit to fail with `Invalid`, found {outcome:?}"
    );
}

pub(super) async fn a_record_name_beyond_the_limit_is_refused(harness: Harness) {
    let store = open(&harness).await;
    let longest = "n".repeat(Record::NAME_BYTES_MAX);
    let mut unit = begin(&*store).await;
    unit.put(Record { group: longest.clone(), ..record(&longest, "1") }, Guard::Absent);
    commit(unit).await;
    assert_eq!(find_one(&*store, &longest).await.expect("it was put").group, longest);

    let beyond = "n".repeat(Record::NAME_BYTES_MAX + 1);
    for bad in [record(&beyond, "1"), Record { group: beyond.clone(), ..record("id", "1") }] {
        let mut unit = begin(&*store).await;
        unit.put(record("beside", "1"), Guard::Any);
        unit.put(bad, Guard::Any);
        let outcome = unit.commit().await;
        assert!(
            matches!(outcome, Commit::Failed(WriteError::Invalid(_))),
            "expected the unit to fail with `Invalid`, found {outcome:?}"
        );
        assert_eq!(find_one(&*store, "beside").await, None);
    }
}

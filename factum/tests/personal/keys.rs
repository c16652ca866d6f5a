//! The key file and the master key: who may open them, how they change, what other processes see.

use std::time::Duration;

use factum::keys::{Bound, KeyRing, Keys as _, KeysAt, MasterKey, OpenRingError, SubjectState, ToSeal};
use factum::{EventId, EventName, Personal};

use crate::kit::*;

const NAME: EventName = EventName::constant("customer.joined");

fn bound(event: EventId) -> Bound<'static> {
    static THE_NAME: EventName = NAME;
    Bound { event, name: &THE_NAME, version: 1, path: "/email" }
}

fn seal(ring: &KeyRing, subject: &str, event: EventId) -> Personal<String> {
    ring.seal(&[ToSeal { subject, bound: bound(event), value: b"\"ada\"" }]).unwrap().pop().unwrap()
}

#[test]
fn another_master_key_opens_nothing_and_changes_nothing() {
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    drop(KeyRing::open(&at, place.master.clone()).unwrap());
    let before = place.keys();
    let other = MasterKey::random().unwrap();
    let fingerprints = (place.master.fingerprint(), other.fingerprint());
    match KeyRing::open(&at, other) {
        Err(OpenRingError::OtherMaster { expected, found, .. }) => {
            assert_eq!((expected, found), fingerprints)
        }
        other => panic!("{other:?}"),
    }
    assert!(place.keys() == before);
}

#[test]
fn rotation_wraps_every_key_anew() {
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    let ring = KeyRing::open(&at, place.master.clone()).unwrap();
    let event = EventId::new();
    let sealed: Vec<_> = (0..50).map(|number| seal(&ring, &format!("c-{number}"), event)).collect();
    let next = MasterKey::make(&place.path("next.key")).unwrap();
    assert_eq!(ring.rotate(next.clone()).unwrap(), 50);
    assert!(matches!(KeyRing::open(&at, place.master.clone()), Err(OpenRingError::OtherMaster { .. })));
    let again = KeyRing::open(&at, MasterKey::read(&place.path("next.key")).unwrap()).unwrap();
    for sealed in sealed {
        let opened = again.open(sealed.known().unwrap(), &bound(event)).unwrap();
        assert_eq!(opened.into_known().as_deref(), Some(&b"\"ada\""[..]));
    }
    assert_eq!(again.counts().unwrap().kept, 50);
}

#[test]
fn what_one_process_forgets_another_stops_opening() {
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    let (one, other) = (
        KeyRing::open(&at, place.master.clone()).unwrap(),
        KeyRing::open(&at, place.master.clone()).unwrap(),
    );
    let event = EventId::new();
    let sealed = seal(&one, "c-1", event);
    let open = || other.open(sealed.known().unwrap(), &bound(event)).unwrap();
    assert!(!open().is_forgotten());
    assert!(matches!(one.forget("c-1").unwrap(), SubjectState::Kept { .. }));
    std::thread::sleep(factum::keys::STALE_MAX + Duration::from_millis(1));
    assert!(open().is_forgotten(), "a key is held no longer than is said");
    assert!(seal(&other, "c-1", event).is_forgotten(), "and there will be no other");
    assert!(matches!(other.subject("c-1").unwrap(), SubjectState::Forgotten { .. }));
}

#[test]
fn a_process_that_is_told_of_a_forgetting_opens_nothing_more_at_once() {
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    let (one, other) = (
        KeyRing::open(&at, place.master.clone()).unwrap(),
        KeyRing::open(&at, place.master.clone()).unwrap(),
    );
    let event = EventId::new();
    let sealed = seal(&one, "c-1", event);
    let open = || other.open(sealed.known().unwrap(), &bound(event)).unwrap();
    assert!(!open().is_forgotten());
    one.forget("c-1").unwrap();
    // As projections do when they meet `subject.forgotten`.
    assert!(matches!(other.subject("c-1").unwrap(), SubjectState::Forgotten { .. }));
    assert!(open().is_forgotten());
}

#[test]
fn two_processes_make_one_key_for_a_subject() {
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    let rings: Vec<KeyRing> = (0..4).map(|_| KeyRing::open(&at, place.master.clone()).unwrap()).collect();
    let event = EventId::new();
    std::thread::scope(|scope| {
        let sealing = rings.iter().map(|ring| {
            scope.spawn(move || {
                (0..20).map(|number| seal(ring, &format!("c-{number}"), event)).collect::<Vec<_>>()
            })
        });
        let all: Vec<_> =
            sealing.collect::<Vec<_>>().into_iter().flat_map(|one| one.join().unwrap()).collect();
        for sealed in all {
            assert!(rings[0].open(sealed.known().unwrap(), &bound(event)).is_ok());
        }
    });
    assert_eq!(rings[0].counts().unwrap().kept, 20);
}

//! Files with keys: who may open them, and when there are none.

use factum::keys::{KeyOptions, KeyRing, KeysAt, MasterKey};

use crate::kit::*;

#[cfg(unix)]
#[test]
fn files_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let at = KeysAt::beside(&place.url()).unwrap();
    drop(KeyRing::open(&at, place.master.clone()).unwrap());
    MasterKey::make(&place.path("master.key")).unwrap();
    for name in ["shop.keys.db", "master.key"] {
        let mode = std::fs::metadata(place.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let error = KeyRing::open(&at, place.master.clone()).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("644"), "{error}");
    let error = MasterKey::read(&place.path("master.key")).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("644"), "{error}");
}

#[tokio::test]
async fn a_missing_master_key_stops_the_start_and_makes_nothing() {
    // The environment of tests names no master key.
    if std::env::var_os("FACTUM_MASTER_KEY").is_some() || std::env::var_os("FACTUM_MASTER_KEY_FILE").is_some()
    {
        return;
    }
    let place = Place::new();
    let contracts = factum::contract::Contracts::try_from(CATALOG).unwrap();
    let error = factum::open_with(&place.url(), contracts, KeyOptions::default()).await.unwrap_err();
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    assert!(text.contains("customer.joined.v1") && text.contains("FACTUM_MASTER_KEY_FILE"), "{text}");
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

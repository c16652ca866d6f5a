//! Personal data from the append to the forgetting: what handlers see, and what is left in which file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![cfg(all(feature = "sqlite", feature = "memory"))]

#[path = "personal/erased.rs"]
mod erased;
#[path = "personal/files.rs"]
mod files;
#[path = "personal/inline.rs"]
mod inline;
#[path = "personal/keys.rs"]
mod keys;
#[path = "personal/kit.rs"]
mod kit;
#[path = "personal/place/file.rs"]
mod place;
#[path = "personal/quiet.rs"]
mod quiet;
#[path = "personal/sagas.rs"]
mod sagas;
#[path = "personal/sealed.rs"]
mod sealed;
#[path = "personal/snapshots.rs"]
mod snapshots;
#[path = "personal/upcasts.rs"]
mod upcasts;

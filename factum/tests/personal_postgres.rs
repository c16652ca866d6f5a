//! Personal data on PostgreSQL: the very tests that run on SQLite, with the keys in the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![cfg(all(feature = "sqlite", feature = "memory", feature = "postgres"))]

#[path = "personal/erased.rs"]
mod erased;
#[path = "personal/inline.rs"]
mod inline;
#[path = "personal/keys.rs"]
mod keys;
#[path = "personal/kit.rs"]
mod kit;
#[path = "personal/place/server.rs"]
mod place;
#[path = "personal/sagas.rs"]
mod sagas;
#[path = "personal/sealed.rs"]
mod sealed;
#[path = "personal/upcasts.rs"]
mod upcasts;

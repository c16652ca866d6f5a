//! The program from outside: over HTTP, by signals, by its exit codes, and while it is killed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod client;
mod program;

mod crash;
mod http;
#[cfg(feature = "postgres")]
mod many;
#[cfg(feature = "postgres")]
mod moved;
#[cfg(feature = "postgres")]
mod scale;

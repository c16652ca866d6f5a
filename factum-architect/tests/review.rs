//! Reviews: every rule by its own page, accepted findings, baselines, fixes, and code in five languages.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "review/accepted.rs"]
mod accepted;
#[path = "review/clients.rs"]
mod clients;
#[path = "review/corpus.rs"]
mod corpus;
#[path = "review/heldout.rs"]
mod heldout;
#[path = "review/loops.rs"]
mod loops;
#[path = "review/pages.rs"]
mod pages;
#[path = "review/sample.rs"]
mod sample;
#[path = "review/speed.rs"]
mod speed;
#[path = "review/traffic.rs"]
mod traffic;
#[path = "review/twins.rs"]
mod twins;
#[path = "review/versions.rs"]
mod versions;

//! The promises of the runtime, each the name of a test: consumers (10 to 15), and their meeting with brokers
//! (17 to 19).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod agree;
mod asked;
mod closing;
mod consumer;
mod contracts;
mod copying;
mod crash;
mod decider;
mod inbox;
mod kit;
mod legacy_flow;
mod metadata;
mod migration;
mod pinned;
#[path = "place/sqlite.rs"]
mod place;
mod projection;
mod read_models;
mod rebuild;
mod rebuild_killed;
mod replays;
mod saga;
mod saga_agrees;
mod saga_killed;
mod saga_together;
mod send;
mod share;
mod shop;
mod snapshots;
mod storm;
mod time;
mod timers;
mod trouble;
mod verify;
mod walker;
mod within;
#[cfg(target_os = "linux")]
mod zombie;

//! The promises of the runtime on PostgreSQL: the very tests that run on SQLite, on a real server.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stdout, reason = "skipped tests say so aloud")]

#[path = "promises/agree.rs"]
mod agree;
#[path = "promises/asked.rs"]
mod asked;
#[path = "faults/clocks.rs"]
mod clocks;
#[path = "promises/closing.rs"]
mod closing;
#[path = "promises/consumer.rs"]
mod consumer;
#[path = "promises/contracts.rs"]
mod contracts;
#[path = "promises/crash.rs"]
mod crash;
#[path = "promises/decider.rs"]
mod decider;
#[path = "faults/elsewhere.rs"]
mod elsewhere;
#[path = "promises/inbox.rs"]
mod inbox;
#[path = "promises/kit.rs"]
mod kit;
#[path = "faults/left.rs"]
mod left;
#[path = "promises/legacy_flow.rs"]
mod legacy_flow;
#[path = "promises/metadata.rs"]
mod metadata;
#[path = "promises/migration.rs"]
mod migration;
#[path = "promises/pinned.rs"]
mod pinned;
#[path = "promises/place/postgres.rs"]
mod place;
#[path = "promises/projection.rs"]
mod projection;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "promises/read_models.rs"]
mod read_models;
#[path = "promises/rebuild.rs"]
mod rebuild;
#[path = "promises/rebuild_killed.rs"]
mod rebuild_killed;
#[path = "promises/replays.rs"]
mod replays;
#[path = "faults/room.rs"]
mod room;
#[path = "promises/saga.rs"]
mod saga;
#[path = "promises/saga_killed.rs"]
mod saga_killed;
#[path = "promises/saga_together.rs"]
mod saga_together;
#[path = "promises/send.rs"]
mod send;
#[path = "faults/trouble.rs"]
mod server_trouble;
#[path = "promises/share.rs"]
mod share;
#[path = "promises/shop.rs"]
mod shop;
#[cfg(target_os = "linux")]
#[path = "faults/slow.rs"]
mod slow;
#[path = "faults/small.rs"]
mod small;
#[path = "promises/snapshots.rs"]
mod snapshots;
#[path = "promises/storm.rs"]
mod storm;
#[path = "promises/time.rs"]
mod time;
#[path = "promises/timers.rs"]
mod timers;
#[path = "promises/trouble.rs"]
mod trouble;
#[path = "promises/verify.rs"]
mod verify;
#[path = "promises/walker.rs"]
mod walker;
#[path = "promises/within.rs"]
mod within;
#[cfg(target_os = "linux")]
#[path = "promises/zombie.rs"]
mod zombie;

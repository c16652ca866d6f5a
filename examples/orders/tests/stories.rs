//! What becomes of orders, told in one process and in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "stories/contracts.rs"]
mod contracts;
#[path = "support/house.rs"]
mod house;
#[path = "support/place/memory.rs"]
mod place;
#[path = "stories/shop.rs"]
mod shop;

//! NATS JetStream, on real servers: every promise of a broker, what happens when servers die, and what errors say.
#![allow(clippy::unwrap_used, reason = "tests say what went wrong by where they stop")]

#[path = "nats/conformance.rs"]
mod conformance;
#[path = "nats/errors.rs"]
mod errors;
#[path = "nats/faults.rs"]
mod faults;
#[path = "nats/kit.rs"]
mod kit;

//! Brokers carry events between services; this crate has one adapter a feature, and the in-process bus.
//!
//! `memory` is the reference that the other adapters are measured by, and what tests and small systems run on.
//! Adapters never import the runtime: they hand deliveries over and are told what became of them.

#[cfg(feature = "memory")]
pub mod bus;
#[cfg(feature = "memory")]
pub mod memory;

#[cfg(feature = "memory")]
pub use bus::{Bus, BusOptions, Overflow, Subscription};
#[cfg(feature = "memory")]
pub use memory::{MemoryBroker, MemoryOptions};

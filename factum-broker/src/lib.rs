//!
//! `memory` is the reference that the other adapters are measured by, and what tests and small systems run on.
//! Adapters never import the runtime: they hand deliveries over and are told what became of them.

#[cfg(feature = "memory")]
#[cfg(feature = "memory")]
pub mod memory;

#[cfg(feature = "memory")]
#[cfg(feature = "memory")]
pub use memory::{MemoryBroker, MemoryOptions};

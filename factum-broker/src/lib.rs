//! Brokers carry events between services; this crate has one adapter a feature, and the in-process bus.
//!
//! `memory` is the reference that the other adapters are measured by, and what tests and small systems run on;
//! [`open`] chooses by URL, so that programs name a broker in their configuration and nowhere else.
//! Adapters never import the runtime: they hand deliveries over and are told what became of them.

#[cfg(feature = "memory")]
pub mod bus;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;

#[cfg(feature = "memory")]
pub use bus::{Bus, BusOptions, Overflow, Subscription};
#[cfg(feature = "memory")]
pub use memory::{MemoryBroker, MemoryOptions};
#[cfg(feature = "nats")]
pub use nats::{NatsBroker, NatsOptions};

use std::sync::Arc;

use factum_core::{Broker, BrokerError};

/// Connects to the broker that a URL names, with the options that it has by itself: `nats://host:port`, `tls://…` for
/// NATS with TLS, or `memory:`, a new one in this process.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// let broker = factum_broker::open("memory:").await?;
/// assert!(broker.guarantees().order_by_key);
/// let error = factum_broker::open("carrier-pigeon:loft").await.err().expect("there is no such adapter");
/// assert_eq!(error.to_string(), "no broker is called carrier-pigeon:; use nats://host:port, or memory:");
/// # Ok::<(), factum_core::BrokerError>(()) }).expect("nothing speaks against it");
/// ```
///
/// # Errors
/// When no adapter knows the URL, or the broker cannot be reached, refuses, or promises too little.
pub async fn open(url: &str) -> Result<Arc<dyn Broker>, BrokerError> {
    // Only the scheme is ever named: the rest may hold a password.
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "memory")]
        "memory" => Ok(Arc::new(MemoryBroker::default())),
        #[cfg(not(feature = "memory"))]
        "memory" => Err(not_built_in("The broker in memory", "memory")),
        #[cfg(feature = "nats")]
        "nats" | "tls" => Ok(Arc::new(NatsBroker::connect(url, NatsOptions::default()).await?)),
        #[cfg(not(feature = "nats"))]
        "nats" | "tls" => Err(not_built_in("NATS", "nats")),
        scheme if url.contains(':') => Err(unknown(&format!("{scheme}:"))),
        _ => Err(unknown("that")),
    }
}

fn unknown(what: &str) -> BrokerError {
    let message = format!("no broker is called {what}; use nats://host:port, or memory:");
    BrokerError { message, is_transient: false }
}

#[cfg(any(not(feature = "memory"), not(feature = "nats")))]
fn not_built_in(what: &str, feature: &str) -> BrokerError {
    let message = format!("{what} is not built into this program; build with the feature `{feature}`");
    BrokerError { message, is_transient: false }
}

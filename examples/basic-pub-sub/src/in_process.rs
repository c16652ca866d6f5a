//! Subscriptions within one process: typed, wildcard, and one that ends. What may be forgotten goes this way.

use std::sync::{Arc, Mutex, PoisonError};

use factum::broker::Bus;

use crate::contracts::{OrderPlaced, UserCreated};

/// What handlers saw, in the order of their names.
type Seen = Arc<Mutex<Vec<String>>>;

fn note(seen: &Seen, what: String) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

/// Publishes a user and two orders; answers what was seen.
pub(crate) async fn tell() -> anyhow::Result<Vec<String>> {
    let (bus, seen) = (Bus::default(), Seen::default());
    let (welcome, everything, orders) = (seen.clone(), seen.clone(), seen.clone());
    bus.subscribe(move |user: UserCreated, _| {
        note(&welcome, format!("welcome {}", user.user_id().as_str()));
        async { Ok(()) }
    })
    .keep();
    bus.subscribe_all(move |envelope| {
        note(&everything, format!("wildcard saw {}", envelope.event_type.name));
        async { Ok(()) }
    })
    .keep();
    // One that fails is its own trouble alone.
    bus.subscribe(|_: OrderPlaced, _| async { Err("the printer is out of paper".into()) }).keep();
    let first_order = bus.subscribe(move |order: OrderPlaced, _| {
        note(&orders, format!("order {}", order.order_id().as_str()));
        async { Ok(()) }
    });
    bus.publish(&UserCreated::example()).await?;
    bus.publish(&OrderPlaced::example()).await?;
    bus.settled().await;
    // From here on it hears of nothing.
    first_order.unsubscribe().await;
    bus.publish(&OrderPlaced::new("43".to_owned().try_into()?, "cup".to_owned().try_into()?)).await?;
    bus.settled().await;
    let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    // Subscriptions run side by side: only the order within each is promised.
    seen.sort();
    Ok(seen)
}

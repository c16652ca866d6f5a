//! A mail leaves the request: the switch between a call and an event, moved forward and back.
//!
//! Run it with `cargo run -p factum --example email_sync`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use factum::prelude::*;
use factum::{Admin, EventType, Migration, NewCall, OldCall, OpenGate, PartitionKey};
use serde_json::{Value, json};

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    id: String,
    customer: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct MailDue {
    order: String,
    customer: String,
}

impl Event for MailDue {
    const TYPE: EventType = EventType::event("mail.due", 1, "mail", "mail.due");

    fn key(&self) -> PartitionKey {
        self.order.parse().expect("an order's id is a key")
    }
}

// quote: begin
/// The call as it stood in the request.
struct InTheRequest;

impl OldCall<Order> for InTheRequest {
    async fn call(&self, order: &Order, key: &str) -> Result<Value, Failure> {
        let mail = json!({ "to": order.customer, "subject": format!("Your order {}", order.id) });
        provider::send("the request", &mail, key).await?;
        Ok(mail)
    }
}

/// What the consumer of the event does instead: it says what, then does it.
struct FromTheEvent;

impl NewCall<MailDue> for FromTheEvent {
    async fn plan(&self, due: &MailDue) -> Result<Value, Failure> {
        Ok(json!({ "to": due.customer, "subject": format!("Your order {}", due.order) }))
    }

    async fn perform(&self, mail: &Value, key: &str, _: &mut Context<'_>) -> Result<(), Failure> {
        provider::send("the event", mail, key).await?;
        Ok(())
    }
}

fn email_sync() -> Migration<Order> {
    Migration::new("email-sync", InTheRequest, |order: &Order| MailDue {
        order: order.id.clone(),
        customer: order.customer.clone(),
    })
}
// quote: end

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = factum::store::open("memory:", std::sync::Arc::new(OpenGate))?.store;
    let mut migration = email_sync();
    let consumer = migration.consumer("mails", FromTheEvent);
    migration.recover(store.as_ref()).await?;
    let shop = App::new(store.clone()).consumer(consumer).start().await?;
    let admin = Admin::new(store.clone());
    let name = migration.name().clone();

    for (id, forward) in [("o1", true), ("o2", true), ("o3", false), ("o4", true)] {
        println!("{} at stage {}", id, admin.migration(&name).await?.state.stage);
        let order = Order { id: id.to_owned(), customer: "c-1".to_owned() };
        migration.run(store.as_ref(), id, &order).await?;
        shop.settled(Duration::from_secs(10)).await?;
        if forward {
            admin.advance_migration(&name, Some(99), "as planned").await?;
        } else {
            admin.rollback_migration(&name, None, "customers wonder").await?;
        }
    }
    shop.stop().await;
    Ok(())
}

mod provider {
    //! Stands for a mail provider that knows idempotency keys.

    use std::io;

    use serde_json::Value;

    /// Sends once for each key.
    pub(crate) async fn send(from: &str, mail: &Value, key: &str) -> io::Result<()> {
        println!("  mail {key} from {from}: {}", mail["subject"].as_str().unwrap_or_default());
        Ok(())
    }
}

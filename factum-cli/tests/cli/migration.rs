//! `factum migration`: a plan from sources, and a switch that is moved while an app runs on it.

use std::path::Path;
use std::sync::Arc;

use factum_core::{Context, Event, EventType, Failure, OpenGate, PartitionKey, Store};
use factum_runtime::{Admin, App, Migration, NewCall, OldCall};
use insta::assert_snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::look::shown;
use crate::sample::{PATIENCE, empty};
use crate::terminal::Terminal;

#[derive(Serialize, Deserialize)]
struct Order {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct MailDue {
    order: String,
}

impl Event for MailDue {
    const TYPE: EventType = EventType::event("mail.due", 1, "mail", "mail.due");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

struct InTheRequest;

impl OldCall<Order> for InTheRequest {
    async fn call(&self, order: &Order, _: &str) -> Result<Value, Failure> {
        Ok(json!({ "to": "c-1", "subject": format!("Your order {}", order.id) }))
    }
}

struct FromTheEvent {
    is_right: bool,
}

impl NewCall<MailDue> for FromTheEvent {
    async fn plan(&self, due: &MailDue) -> Result<Value, Failure> {
        let subject =
            if self.is_right { format!("Your order {}", due.order) } else { "Your order".to_owned() };
        Ok(json!({ "to": "c-1", "subject": subject }))
    }

    async fn perform(&self, _: &Value, _: &str, _: &mut Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Runs a monolith on a store for a few orders.
async fn take_orders(store: Arc<dyn Store>, orders: &[&str], is_right: bool, advance: bool) {
    let due = |order: &Order| MailDue { order: order.id.clone() };
    let mut migration = Migration::new("email-sync", InTheRequest, due);
    let consumer = migration.consumer("mails", FromTheEvent { is_right });
    migration.recover(store.as_ref()).await.unwrap();
    let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
    if advance {
        Admin::new(store.clone())
            .actor("ann")
            .advance_migration(migration.name(), None, "let us see")
            .await
            .unwrap();
    }
    for id in orders {
        migration.run(store.as_ref(), id, &Order { id: (*id).to_owned() }).await.unwrap();
    }
    running.settled(PATIENCE).await.unwrap();
    running.stop().await;
}

/// A store whose migration is in a shadow, with two differences.
pub(crate) async fn in_shadow(store: &str) {
    let store = factum_store::open(store, Arc::new(OpenGate)).unwrap().store;
    take_orders(store, &["o1", "o2"], false, true).await;
}

/// Sources of a monolith that sends mails.
pub(crate) fn sources(folder: &Path) {
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let text = "use mail::send_email;\n\npub async fn checkout(cart: Cart, db: &Db) -> Result<Order, Error> {\n    \
                let order = price(cart)?;\n    let tx = db.begin().await?;\n    tx.insert(&order).await?;\n    \
                tx.commit().await?;\n    send_email(&order.customer, confirmation(&order)).await?;\n    Ok(order)\n}\n";
    std::fs::write(folder.join("src/checkout.rs"), text).unwrap();
    let text = "export async function resend(id: string) {\n  const order = await find(id);\n  await send_email(order.to);\n}\n";
    std::fs::write(folder.join("src/support.ts"), text).unwrap();
}

#[test]
fn a_plan_says_what_is_what_will_be_and_every_way_back() {
    let terminal = Terminal::new();
    sources(terminal.folder());
    let call = ["migration", "plan", "email-sync", "the confirmation mail leaves the request"];
    let typed: Vec<&str> =
        call.into_iter().chain(["--call", "send_email", "--event", "mail.due", "--source", "src"]).collect();
    assert_snapshot!(terminal.run(&typed));
    let file = terminal.folder().join("docs/migrations/email-sync.md");
    let document = std::fs::read_to_string(&file).unwrap();
    assert_snapshot!("the_document_of_a_call", document);
    // Written again it is the same; what people wrote is theirs.
    assert_eq!(terminal.code(&typed), 0);
    std::fs::write(&file, document + "\nMine.\n").unwrap();
    assert_snapshot!("a_plan_that_was_edited", terminal.run(&typed));
}

#[test]
fn a_legacy_flow_is_planned_against_the_catalog() {
    let terminal = Terminal::new();
    let at = Terminal::contracts().display().to_string();
    assert_snapshot!(shown!(
        terminal,
        [
            "migration",
            "plan",
            "orders-flow",
            "--kind",
            "flow",
            "--call",
            "legacy.orders",
            "--event",
            "order.placed",
            "--consumer",
            "payments",
            "--contracts",
            &at,
            "--dry-run"
        ],
        ["migration", "plan", "orders-flow", "--source", "nowhere", "--call", "x"],
        ["migration", "plan", "no name"],
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_moves_when_nothing_speaks_against_it_and_back() {
    let terminal = empty();
    assert_snapshot!(
        "no_migration",
        shown!(terminal, ["migration", "status"], ["migration", "status", "email-sync"])
    );
    in_shadow(&terminal.store()).await;
    assert_snapshot!(
        "a_shadow_with_differences",
        shown!(
            terminal,
            ["migration", "status"],
            ["migration", "status", "email-sync"],
            ["migration", "differences", "email-sync"],
            ["migration", "advance", "email-sync", "--dry-run"],
            ["migration", "advance", "email-sync"],
            ["migration", "status", "email-snyc"],
            ["migration", "rollback", "email-sync", "--to", "on"],
            ["migration", "rollback", "email-sync", "--why", "the subject lacks the order"],
        )
    );
    let store = factum_store::open(&terminal.store(), Arc::new(OpenGate)).unwrap().store;
    take_orders(store, &["o3", "o4"], true, true).await;
    assert_snapshot!(
        "a_shadow_without",
        shown!(
            terminal,
            ["migration", "differences", "email-sync"],
            ["migration", "advance", "email-sync", "--dry-run"],
            ["migration", "advance", "email-sync", "--canary", "25", "--why", "two of two"],
            ["migration", "advance", "email-sync", "--canary", "10"],
            ["migration", "advance", "email-sync", "--canary", "50"],
            ["migration", "status", "email-sync"],
            ["migration", "status", "--json"],
            ["audit", "--last", "3"],
        )
    );
}

//! Consumers of the store's log: three of one event, of which one fails. What must not be forgotten goes this way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use factum::{Consumer, Context, Event, Failure, Handler, Store, values};

use crate::contracts::{OrderPlaced, UserCreated};

/// Confirms orders by a mail server that is away at first.
#[derive(Clone, Default)]
pub(crate) struct Email {
    tries: Arc<AtomicU32>,
}

impl Email {
    /// How often it was tried.
    pub(crate) fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }
}

/// Tries until the mail server is back.
const AWAY: u32 = 2;

// quote: begin
impl Handler<OrderPlaced> for Email {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.tries.fetch_add(1, Ordering::SeqCst) < AWAY {
            return Err("the mail server is away".into());
        }
        done(cx, "email", order.order_id().as_str());
        Ok(())
    }
}
// quote: end

pub(crate) struct Inventory;

impl Handler<OrderPlaced> for Inventory {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        done(cx, "inventory", order.order_id().as_str());
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Analytics;

impl Handler<OrderPlaced> for Analytics {
    async fn handle(&self, _: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        done(cx, "analytics", OrderPlaced::TYPE.name.as_str());
        Ok(())
    }
}

impl Handler<UserCreated> for Analytics {
    async fn handle(&self, _: UserCreated, cx: &mut Context<'_>) -> Result<(), Failure> {
        done(cx, "analytics", UserCreated::TYPE.name.as_str());
        Ok(())
    }
}

/// A row that commits with the mark that the event was handled.
fn done(cx: &mut Context<'_>, who: &str, what: &str) {
    cx.execute("insert into done (who, what) values ($1, $2)", values![who, what]);
}

pub(crate) fn consumers(email: &Email) -> [Consumer; 3] {
    [
        Consumer::new("email").on::<OrderPlaced>(email.clone()),
        Consumer::new("inventory").on::<OrderPlaced>(Inventory),
        Consumer::new("analytics").on::<OrderPlaced>(Analytics).on::<UserCreated>(Analytics),
    ]
}

/// Makes the table of what was done.
pub(crate) async fn prepare(store: &dyn Store) -> anyhow::Result<()> {
    let mut work = store.begin().await?;
    work.execute("create table done (who text not null, what text not null)".into(), vec![]);
    work.commit().await.into_result()?;
    Ok(())
}

/// What was done, by whom.
pub(crate) async fn all_done(store: &dyn Store) -> anyhow::Result<Vec<String>> {
    let rows = store.query("select who, what from done order by who, what", &[]).await?;
    rows.iter()
        .map(|row| Ok(format!("{}: {}", row.get::<String>("who")?, row.get::<String>("what")?)))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
mod tests {
    use std::time::Duration;

    use factum::testing::{TestApp, given_handler};

    use super::*;
    use crate::contracts::CATALOG;

    const TABLE: &str = "create table done (who text not null, what text not null)";
    const ROWS: &str = "select who, what from done order by who, what";

    // quote: begin test
    #[test]
    fn email_fails_while_the_mail_server_is_away_and_then_confirms() {
        given_handler::<OrderPlaced, _>(Email::default())
            .sql(TABLE)
            .when(OrderPlaced::example())
            .fails(None)
            .when(OrderPlaced::example())
            .fails(None)
            .rows(ROWS, &[])
            .when(OrderPlaced::example())
            .then_nothing()
            .rows(ROWS, &["email|42"]);
    }
    // quote: end

    // quote: begin orders
    #[test]
    fn inventory_may_hear_orders_in_whatever_order_and_nothing_that_is_malformed() {
        let other =
            OrderPlaced::new("43".to_owned().try_into().unwrap(), "cup".to_owned().try_into().unwrap());
        given_handler::<OrderPlaced, _>(Inventory)
            .sql(TABLE)
            .out_of_order([OrderPlaced::example(), other], ROWS)
            .rows(ROWS, &["inventory|42", "inventory|43"])
            .malformed::<OrderPlaced>(OrderPlaced::invalid_json());
    }
    // quote: end

    #[tokio::test(flavor = "multi_thread")]
    async fn the_others_do_not_wait_for_the_one_that_fails() {
        let email = Email::default();
        let build = {
            let email = email.clone();
            move |app| consumers(&email).into_iter().fold(app, factum::App::consumer)
        };
        let app = TestApp::start(CATALOG, build).await;
        prepare(app.store().as_ref()).await.unwrap();
        app.given(&UserCreated::example()).await;
        let id = app.given(&OrderPlaced::example()).await;
        app.settled(id).await.then(["order.placed"]);
        let done = async || all_done(app.store().as_ref()).await.unwrap();
        let quick = ["analytics: order.placed", "analytics: user.created", "inventory: 42"];
        assert_eq!(done().await, quick, "e-mail waits for its next attempt");
        // Away once more, then back.
        for _ in 0..2 {
            app.advance(Duration::from_secs(60)).await;
        }
        assert_eq!((done().await.len(), email.tries()), (4, 3));
        app.settled(id).await.without_trouble();
        app.malformed::<OrderPlaced>(OrderPlaced::invalid_json()).await;
        app.stop().await;
    }
}

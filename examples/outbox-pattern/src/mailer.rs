//! The mailer: another service, with a store of its own. Its inbox stops what it has met before.

use factum::{Context, Failure, Handler, Store, Work, values};

use crate::contracts::OrderPlaced;

/// Confirms each order.
pub struct Confirm;

impl Handler<OrderPlaced> for Confirm {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        // Committed together with the mark that this event was handled.
        cx.execute("insert into letter (order_id) values ($1)", values![order.order_id().as_str()]);
        Ok(())
    }
}

/// Makes the mailer's table.
///
/// # Errors
/// When the store fails.
pub async fn prepare(store: &dyn Store) -> anyhow::Result<()> {
    let mut work: Box<dyn Work> = store.begin().await?;
    work.execute("create table if not exists letter (order_id text not null)".into(), vec![]);
    work.commit().await.into_result()?;
    Ok(())
}

/// To whom it has written, one entry for each letter.
///
/// # Errors
/// When the store fails.
pub async fn letters(store: &dyn Store) -> anyhow::Result<Vec<String>> {
    let rows = store.query("select order_id from letter order by order_id", &[]).await?;
    rows.iter().map(|row| Ok(row.get("order_id")?)).collect()
}

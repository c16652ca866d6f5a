//! A command that is sent from outside a handler: recorded once by its key, and handled.

use std::time::Duration;

use factum::SendOptions;
use saga_pattern::contracts::{CATALOG, TakePayment};
use saga_pattern::{app, make_tables};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_asked_for_twice_with_one_key_is_taken_once() -> anyhow::Result<()> {
    let store = factum::open("memory:", CATALOG).await?;
    make_tables(store.as_ref()).await?;
    let app = app(store.clone()).start().await?;
    let command = TakePayment::new("pay-1".try_into()?, "o-1".try_into()?, 2100.try_into()?);
    // quote: begin
    let once = SendOptions::once("request-7");
    let sent = app.send_as(&command, &once).await?;
    let again = app.send_as(&command, &once).await?;
    assert_eq!((again.id, again.is_repeated), (sent.id, true));
    app.wait_for(&"payments.desk".parse()?, sent.position, SOON).await?;
    // quote: end
    assert_eq!(store.query("select id from payment", &[]).await?.len(), 1);
    app.stop().await;
    Ok(())
}

//! A crash between commit and publish loses nothing, and repeats nothing at the consumer: `cargo run -p outbox-pattern`.

#![allow(clippy::print_stdout, reason = "it is a demonstration")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use factum::broker::{MemoryBroker, MemoryOptions};
use factum::{App, Consumer, Relay, Source, Store};

use outbox_pattern::shop::{End, Shop};
use outbox_pattern::{contracts, flaky, mailer};

/// Longest that a reader is kept waiting.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The first shop is a process of its own, which dies right after its last commit.
    if let Some(path) = std::env::args().nth(1) {
        let mut shop = Shop::open(Path::new(&path))?;
        for (order, item) in [("1", "teapot"), ("2", "kettle"), ("3", "cup")] {
            shop.place(order, item, End::Commit)?;
        }
        shop.place("9", "nothing", End::Rollback)?;
        std::process::abort();
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shop.db");
    let ended = Command::new(std::env::current_exe()?).arg(&path).status()?;
    ensure!(!ended.success(), "the first shop was to die");
    println!("the shop has died after three commits; nothing was published");

    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let mails: Arc<dyn Store> = factum::open("memory:", contracts::CATALOG).await?;
    mailer::prepare(mails.as_ref()).await?;
    let confirm = Consumer::new("mailer.confirm").on::<contracts::OrderPlaced>(mailer::Confirm);
    let source = Source::topics_of_events(broker.clone());
    let mailing = App::new(mails.clone()).service("mailer").consumer_from(source, confirm).start().await?;

    // The shop starts again. Its relay reads the log and publishes; the first answer of the broker is lost.
    let mut shop = Shop::open(&path)?;
    let flaky = Arc::new(flaky::Flaky::new(broker));
    let relay = Relay::to(flaky.clone()).topics(["order.placed"]);
    let shipping = App::new(shop.store.clone()).service("shop").relay(relay).start().await?;
    shop.place("4", "spoon", End::Commit)?;

    let written = async {
        loop {
            let letters = mailer::letters(mails.as_ref()).await?;
            // Everything is out when nothing is parked any more, and everything has come when four have a letter.
            let parked = shipping.admin().letters(factum::admin::Which::Parked, None).await?;
            if letters.len() >= 4 && parked.is_empty() && flaky.given() > 4 {
                return anyhow::Ok(letters);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let letters = tokio::time::timeout(PATIENCE, written).await.context("the letters never came")??;
    println!("the broker was given more than there are: {}", flaky.given() > 4);
    println!("letters: {}", letters.join(", "));
    shipping.stop().await;
    mailing.stop().await;
    Ok(())
}

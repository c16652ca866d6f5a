//! Publish and subscribe, in a process and durably: `cargo run -p basic-pub-sub`, or with a store to keep it in.

#![allow(clippy::print_stdout, reason = "it is a demonstration")]

use std::time::Duration;

use anyhow::Context as _;
use factum::{App, Envelope, EventSet, Expected, Store};

mod contracts;
mod durable;
mod in_process;

use contracts::{CATALOG, OrderPlaced, UserCreated};

/// Longest that a reader is kept waiting.
const PATIENCE: Duration = Duration::from_secs(60);

async fn publish<E: EventSet>(store: &dyn Store, event: &E) -> anyhow::Result<()> {
    let envelope: Envelope = event.encode()?;
    store.append(&envelope.stream()?, Expected::Any, &[envelope]).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("in the process:");
    for seen in in_process::tell().await? {
        println!("  {seen}");
    }
    println!("durable:");
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = factum::open(&url, CATALOG).await?;
    durable::prepare(store.as_ref()).await?;
    let email = durable::Email::default();
    let consumers = durable::consumers(&email);
    let app = consumers.into_iter().fold(App::new(store.clone()), App::consumer);
    let running = app.start().await?;
    publish(store.as_ref(), &UserCreated::example()).await?;
    publish(store.as_ref(), &OrderPlaced::example()).await?;
    // The others never wait for the one that fails; it is tried again by its policy until it succeeds.
    let all = async {
        loop {
            let done = durable::all_done(store.as_ref()).await?;
            if done.len() >= 4 {
                return anyhow::Ok(done);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, all).await.context("not everything was done in time")??;
    for done in done {
        println!("  {done}");
    }
    println!("e-mail was tried {} times", email.tries());
    running.stop().await;
    Ok(())
}

//! Tells the story of two accounts: `cargo run -p event-sourcing-cqrs`, or with a file to keep it in.

#![allow(clippy::print_stdout, reason = "it is a demonstration")]

use std::sync::Arc;
use std::time::Duration;

use event_sourcing_cqrs::account::{Account, Ask, Command, Refusal, stream};
use event_sourcing_cqrs::contracts::CATALOG;
use event_sourcing_cqrs::read::{Balances, Statement, balance, richest, statement};
use factum::{
    App, AsOf, ExecuteError, ExecuteOptions, Executed, Idempotency, InlineStore, Projection, ReadSide, Store,
    Version, execute, state_of, verify_snapshot,
};

type Done = Result<Executed<<Account as factum::Decider>::Event>, ExecuteError<Refusal>>;

// quote: begin
/// Asks something of an account.
async fn ask(store: &dyn Store, id: &str, ask: Ask, key: Option<&str>) -> anyhow::Result<Done> {
    let account = id.to_owned().try_into()?;
    let idempotency = key.map(|key| Idempotency::new(key, format!("{ask:?}").as_bytes()));
    let options = ExecuteOptions { idempotency, ..ExecuteOptions::default() };
    let stream = stream(&account)?;
    Ok(execute::<Account>(store, &stream, Command { account, ask }, &options).await)
}
// quote: end

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = factum::open(&url, CATALOG).await?;
    let store: Arc<dyn Store> = Arc::new(InlineStore::new(store).projection(Balances).await?);
    // Told of both, the app answers `factum projections verify balances`, `factum stream verify` and `factum stream state`.
    let app = App::new(store.clone()).projection(Statement).inline(Balances).decider::<Account>();
    let app = app.start().await?;
    let (balances, movements) = (ReadSide::new(store.clone()), ReadSide::new(store.clone()));

    // The write side: commands, decided on the account's own events.
    ask(store.as_ref(), "7", Ask::Open("Ada".to_owned().try_into()?), None).await??;
    ask(store.as_ref(), "8", Ask::Open("Bob".to_owned().try_into()?), None).await??;
    ask(store.as_ref(), "8", Ask::Deposit(5_000.try_into()?), None).await??;
    for _ in 0..120 {
        ask(store.as_ref(), "7", Ask::Deposit(100.try_into()?), None).await??;
    }
    let last = ask(store.as_ref(), "7", Ask::Withdraw(3_000.try_into()?), Some("withdrawal-1")).await??;
    println!("withdrawn at version {}", last.version);
    let again = ask(store.as_ref(), "7", Ask::Withdraw(3_000.try_into()?), Some("withdrawal-1")).await??;
    println!(
        "asked again with the same key: repeated {}, still version {}",
        again.is_repeated, again.version
    );
    if let Err(refusal) = ask(store.as_ref(), "7", Ask::Withdraw(99_999.try_into()?), None).await? {
        println!("refused: {refusal}");
    }

    // Its state: from a snapshot, or as it was.
    let ada = stream(&"7".to_owned().try_into()?)?;
    println!("snapshot: {:?}", verify_snapshot::<Account>(store.as_ref(), &ada).await?);
    let then = state_of::<Account>(store.as_ref(), &ada, AsOf::Version(Version::at(51))).await?;
    println!("at version 51: {:?}", then.state);
    let now = state_of::<Account>(store.as_ref(), &ada, AsOf::Now).await?;
    println!("now: {:?}", now.state);

    // The read side: balances are never behind, the statement is waited for.
    println!("balance of 7: {:?}", balance(&balances, "7").await?);
    println!("richest: {:?}", richest(&balances).await?);
    app.wait_for(&Statement::NAME, last.position, Duration::from_secs(10)).await?;
    for (cents, after) in statement(&movements, "7", 3).await? {
        println!("statement of 7: {cents:+}, then {after}");
    }
    app.stop().await;
    Ok(())
}

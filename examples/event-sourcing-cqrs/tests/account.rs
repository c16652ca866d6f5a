//! The rules without a store, the read models without a runtime, then all of it together.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use event_sourcing_cqrs::account::{Account, AccountEvent, Ask, Command, Refusal};
use event_sourcing_cqrs::contracts::account::Cents;
use event_sourcing_cqrs::contracts::{
    AccountClosed, AccountCredited, AccountDebited, AccountOpened, CATALOG,
};
use event_sourcing_cqrs::read::{Balances, Statement};
use factum::testing::{TestApp, any_commands, given, given_projection};

fn opened(account: &str) -> AccountEvent {
    AccountOpened::new(account.to_owned().try_into().unwrap(), "Ada".to_owned().try_into().unwrap()).into()
}

fn cents(cents: i64) -> Cents {
    cents.try_into().unwrap()
}

fn credited(account: &str, amount: i64) -> AccountEvent {
    AccountCredited::new(account.to_owned().try_into().unwrap(), cents(amount)).into()
}

fn debited(account: &str, amount: i64) -> AccountEvent {
    AccountDebited::new(account.to_owned().try_into().unwrap(), cents(amount)).into()
}

fn closed(account: &str) -> AccountEvent {
    AccountClosed::new(account.to_owned().try_into().unwrap()).into()
}

fn please(ask: Ask) -> Command {
    Command { account: "7".to_owned().try_into().unwrap(), ask }
}

// quote: begin
#[test]
fn what_is_there_can_be_withdrawn_and_no_more() {
    given::<Account>([opened("7"), credited("7", 500)])
        .when(please(Ask::Withdraw(cents(501))))
        .is_refused(Refusal::TooLittle { asked: 501, balance: 500 })
        .when(please(Ask::Withdraw(cents(500))))
        .then([debited("7", 500)])
        .when(please(Ask::Withdraw(cents(1))))
        .is_refused(Refusal::TooLittle { asked: 1, balance: 0 });
}
// quote: end

// quote: begin twice
#[test]
fn an_empty_account_is_closed_once_and_then_refuses() {
    given::<Account>([opened("7"), credited("7", 1)])
        .when(please(Ask::Close))
        .is_refused(Refusal::NotEmpty(1))
        .and([debited("7", 1), closed("7")])
        .when(please(Ask::Deposit(cents(1))))
        .is_refused(Refusal::NotOpen)
        .malformed::<AccountCredited>(AccountCredited::invalid_json());
    given::<Account>([opened("7")]).handled_twice(please(Ask::Close));
}
// quote: end

// quote: begin any
#[test]
fn no_sequence_of_commands_takes_an_account_below_zero() {
    any_commands::<Account>(
        |number| {
            let amount = cents((number % 90 + 1).cast_signed());
            please(match number % 7 {
                0 => Ask::Open("Ada".to_owned().try_into().unwrap()),
                1..=3 => Ask::Deposit(amount),
                4 | 5 => Ask::Withdraw(amount),
                _ => Ask::Close,
            })
        },
        |account| match account {
            Account::Open { balance } if *balance < 0 => Err(format!("the balance is {balance}")),
            _ => Ok(()),
        },
    );
}
// quote: end

#[test]
#[should_panic(expected = "the balance is 2, after these commands:\n  Command")]
fn a_broken_invariant_is_shown_with_the_commands_that_broke_it() {
    any_commands::<Account>(
        |number| {
            please(if number % 2 == 0 {
                Ask::Open("Ada".to_owned().try_into().unwrap())
            } else {
                Ask::Deposit(cents(1))
            })
        },
        |account| match account {
            Account::Open { balance } if *balance > 1 => Err(format!("the balance is {balance}")),
            _ => Ok(()),
        },
    );
}

// quote: begin projected
#[test]
fn balances_and_statements_are_made_of_events_in_whatever_order_accounts_come() {
    let sql = "select account_id, cents from {balances} order by account_id";
    given_projection(Balances, [opened("7"), opened("8"), credited("7", 500), credited("8", 70)])
        .rows(sql, &["7|500", "8|70"])
        .when(debited("7", 200))
        .rows(sql, &["7|300", "8|70"])
        .out_of_order(sql)
        .malformed::<AccountCredited>(AccountCredited::invalid_json());
    given_projection(Balances, [opened("7"), closed("7")]).rows(sql, &[]);
    let moved = AccountCredited::new("7".to_owned().try_into().unwrap(), cents(5));
    given_projection(Statement, [moved]).rows("select line, cents, balance from {movements}", &["1|5|5"]);
}
// quote: end

// quote: begin malformed
#[tokio::test]
async fn an_app_takes_what_keeps_its_contract_and_refuses_the_rest() {
    let app = TestApp::start(CATALOG, |app| app.partial().projection(Statement)).await;
    app.malformed::<AccountCredited>(AccountCredited::invalid_json()).await;
    app.given(&opened("7")).await;
    let id = app.given(&credited("7", 500)).await;
    app.settled(id).await.then(["account.credited"]).without_trouble();
    app.stop().await;
}
// quote: end

#[test]
fn the_guide_shows_the_contract_as_it_is() {
    let page = include_str!("../../../docs/guide/ten-steps.md");
    let contract = include_str!("../contracts/account.credited.v1.yaml");
    assert!(page.contains(&format!("```yaml\n{contract}```")), "copy the contract into step 1 of the page");
}

//! A stream that ends with what was decided last, and one that goes on from a summary.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![cfg(feature = "sqlite")]

use std::sync::Arc;

use factum::testing::given;
use factum::{
    AppendError, Decider, Event, EventType, ExecuteError, ExecuteOptions, OpenGate, PartitionKey,
    StreamClosed, StreamId, event_set, execute,
};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Deposited {
    account: String,
    cents: i64,
}

/// What stood on the account at the end of a year.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Balanced {
    account: String,
    cents: i64,
}

impl Event for Deposited {
    const TYPE: EventType = EventType::event("account.deposited", 1, "account", "account.deposited");

    fn key(&self) -> PartitionKey {
        self.account.parse().unwrap()
    }
}

impl Event for Balanced {
    const TYPE: EventType = EventType::event("account.balanced", 1, "account", "account.balanced");

    fn key(&self) -> PartitionKey {
        self.account.parse().unwrap()
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("there are {0} cents left")]
struct Left(i64);

#[derive(Debug, Clone)]
enum Ask {
    Deposit(i64),
    Balance,
    Close,
}

// quote: begin
event_set! {
    /// What happens to an account, its end among it.
    #[derive(Debug, Clone, PartialEq)]
    enum Happened { Deposited, Balanced, StreamClosed }
}

struct Account;

impl Decider for Account {
    type Command = Ask;
    type Event = Happened;
    type State = i64;
    type Refusal = Left;

    fn evolve(cents: i64, event: &Happened) -> i64 {
        match event {
            Happened::Deposited(deposited) => cents + deposited.cents,
            Happened::Balanced(balanced) => balanced.cents,
            Happened::StreamClosed(_) => cents,
        }
    }

    fn decide(cents: &i64, ask: Ask) -> Result<Vec<Happened>, Left> {
        let (account, cents) = ("7".to_owned(), *cents);
        Ok(match ask {
            Ask::Deposit(cents) => vec![Deposited { account, cents }.into()],
            Ask::Balance => vec![Balanced { account, cents }.into()],
            Ask::Close if cents == 0 => vec![StreamClosed::new(&stream()).unwrap().into()],
            Ask::Close => return Err(Left(cents)),
        })
    }

    /// `account.balanced` says all that is known: loading begins with the last one.
    fn summaries() -> Vec<EventType> {
        vec![Balanced::TYPE]
    }
}

#[test]
fn an_account_is_closed_when_nothing_is_left() {
    let deposited = |cents| Happened::from(Deposited { account: "7".into(), cents });
    assert_eq!(given::<Account>([deposited(500)]).when(Ask::Close), Err(Left(500)));
    let empty = given::<Account>([deposited(500), deposited(-500)]);
    assert_eq!(empty.when(Ask::Close), Ok(vec![StreamClosed::new(&stream()).unwrap().into()]));
}
// quote: end

fn stream() -> StreamId {
    "account-7".parse().unwrap()
}

#[tokio::test]
async fn a_closed_account_takes_nothing_and_says_why() {
    let store = factum::store::open("memory:", Arc::new(OpenGate)).unwrap().store;
    let ask = async |ask| execute::<Account>(&*store, &stream(), ask, &ExecuteOptions::default()).await;
    for cents in [500, -500] {
        ask(Ask::Deposit(cents)).await.unwrap();
    }
    ask(Ask::Balance).await.unwrap();
    ask(Ask::Close).await.unwrap();
    let late = ask(Ask::Deposit(1)).await.unwrap_err();
    assert!(matches!(late, ExecuteError::Append(AppendError::Closed { .. })), "{late}");
}

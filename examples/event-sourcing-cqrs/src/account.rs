//! The rules of an account: what may be asked, what can happen, why not. Pure: no store, no clock, no `async`.

use factum::{Decider, NameError, Snapshots, StreamId, event_set};
use serde::{Deserialize, Serialize};

use crate::contracts::account::{AccountId, Cents, Holder};
use crate::contracts::{AccountClosed, AccountCredited, AccountDebited, AccountOpened};

event_set! {
    /// What can happen to an account.
    #[derive(Debug, Clone, PartialEq)]
    pub enum AccountEvent { AccountOpened, AccountCredited, AccountDebited, AccountClosed }
}

/// What is asked of an account.
#[derive(Debug, Clone)]
pub struct Command {
    /// Which one.
    pub account: AccountId,
    /// What.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Let there be one, for this person.
    Open(Holder),
    /// Put money on it.
    Deposit(Cents),
    /// Take money from it.
    Withdraw(Cents),
    /// End it.
    Close,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account.
    #[error("there is no such account, or it was closed")]
    NotOpen,
    /// The account belongs to somebody.
    #[error("the account exists already")]
    Exists,
    /// More is asked for than is there.
    #[error("{asked} cents are asked for, and {balance} are there")]
    TooLittle {
        /// What is asked for.
        asked: i64,
        /// What is there.
        balance: i64,
    },
    /// An account with money on it stays open.
    #[error("{0} cents are on the account: withdraw them first")]
    NotEmpty(i64),
}

/// What is known of an account; kept beside its stream as a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Account {
    /// Nothing has happened yet.
    #[default]
    Unknown,
    /// It is used.
    Open {
        /// What is on it.
        balance: i64,
    },
    /// It was.
    Closed,
}

impl Decider for Account {
    type Command = Command;
    type Event = AccountEvent;
    type State = Self;
    type Refusal = Refusal;

    fn evolve(state: Self, event: &AccountEvent) -> Self {
        match (state, event) {
            (_, AccountEvent::AccountOpened(_)) => Self::Open { balance: 0 },
            (Self::Open { balance }, AccountEvent::AccountCredited(credited)) => {
                Self::Open { balance: balance + credited.cents().get() }
            }
            (Self::Open { balance }, AccountEvent::AccountDebited(debited)) => {
                Self::Open { balance: balance - debited.cents().get() }
            }
            (_, AccountEvent::AccountClosed(_)) => Self::Closed,
            (state, _) => state,
        }
    }

    // quote: begin
    fn decide(state: &Self, Command { account, ask }: Command) -> Result<Vec<AccountEvent>, Refusal> {
        match (state, ask) {
            (Self::Unknown, Ask::Open(holder)) => Ok(vec![AccountOpened::new(account, holder).into()]),
            (_, Ask::Open(_)) => Err(Refusal::Exists),
            (Self::Open { .. }, Ask::Deposit(cents)) => Ok(vec![AccountCredited::new(account, cents).into()]),
            (Self::Open { balance }, Ask::Withdraw(cents)) if cents.get() <= *balance => {
                Ok(vec![AccountDebited::new(account, cents).into()])
            }
            (Self::Open { balance }, Ask::Withdraw(cents)) => {
                Err(Refusal::TooLittle { asked: cents.get(), balance: *balance })
            }
            (Self::Open { balance: 0 }, Ask::Close) => Ok(vec![AccountClosed::new(account).into()]),
            (Self::Open { balance }, Ask::Close) => Err(Refusal::NotEmpty(*balance)),
            // Closing what is closed has happened already.
            (Self::Closed, Ask::Close) => Ok(vec![]),
            (Self::Unknown | Self::Closed, _) => Err(Refusal::NotOpen),
        }
    }
    // quote: end

    fn snapshots() -> Option<Snapshots<Self>> {
        Some(Snapshots::new("account", 1).every(50))
    }
}

/// The stream of an account.
///
/// # Errors
/// When the id cannot stand in a stream's name.
pub fn stream(account: &AccountId) -> Result<StreamId, NameError> {
    format!("account-{}", account.as_str()).try_into()
}

//! Business rules of one kind of stream, pure (elsewhere: aggregate).

use crate::event::{EventSet, EventType};
use crate::snapshot::Snapshots;

/// Decides what happens, from what has happened. No I/O, no clock, no randomness: those come in with the command.
///
/// ```
/// # use factum_core::{Decider, Event, EventType, PartitionKey};
/// # #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)] pub struct Opened { id: String }
/// # impl Event for Opened {
/// #     const TYPE: EventType = EventType::event("account.opened", 1, "account", "account.opened");
/// #     fn key(&self) -> PartitionKey { self.id.parse().unwrap() }
/// # }
/// struct Account;
/// impl Decider for Account {
///     type Command = String;
///     type Event = Opened;
///     type State = bool;
///     type Refusal = std::fmt::Error;
///     fn evolve(_: bool, _: &Opened) -> bool { true }
///     fn decide(is_open: &bool, id: String) -> Result<Vec<Opened>, std::fmt::Error> {
///         Ok(if *is_open { vec![] } else { vec![Opened { id }] })
///     }
/// }
/// assert_eq!(Account::decide(&false, "7".into()), Ok(vec![Opened { id: "7".into() }]));
/// assert_eq!(Account::decide(&true, "7".into()), Ok(vec![]));
/// ```
pub trait Decider: Send + Sync + 'static {
    /// What can be asked.
    type Command: Send;
    /// What can happen.
    type Event: EventSet + Sync;
    /// What is known from what has happened.
    type State: Default + Send + Sync;
    /// Why a command is refused; a refusal is final and never retried.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// The state after an event.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// What happens because of a command; nothing, when it has happened already.
    ///
    /// # Errors
    /// Why the command is refused.
    fn decide(state: &Self::State, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// When the state is kept beside its stream; never, unless a decider says so.
    #[must_use]
    fn snapshots() -> Option<Snapshots<Self::State>> {
        None
    }

    /// Events that say all that is known of their stream when they happen: `evolve` makes the same state of one,
    /// whatever came before. Loading begins with the last of them, so that earlier events may be archived; they stay
    /// readable. None, unless a decider says so.
    #[must_use]
    fn summaries() -> Vec<EventType> {
        Vec::new()
    }

    /// The state after a history.
    fn replay<'e>(history: impl IntoIterator<Item = &'e Self::Event>) -> Self::State {
        history.into_iter().fold(Self::State::default(), Self::evolve)
    }
}

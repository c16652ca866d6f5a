//! Multi-step workflows that react to events (elsewhere: process manager). Pure; a consumer runs them.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::event::EventSet;

/// What a saga wants done; committed together with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a command.
    Send(Envelope),
    /// Emit an event.
    Emit(Envelope),
    /// Wake the saga under this name after a while.
    Timer {
        /// The timer's name within the instance; starting it again moves it.
        name: String,
        /// How long from now.
        after: Duration,
    },
    /// Forget a timer.
    CancelTimer(String),
    /// Nothing more will happen in this instance.
    Complete,
}

/// Reacts to events with actions, from what it has seen so far.
pub trait Saga: Send + Sync + 'static {
    /// The events that it follows.
    type Input: EventSet + Sync;
    /// What it knows of one instance.
    type State: Default + Send + Sync + serde::Serialize + serde::de::DeserializeOwned;

    /// The state after an event.
    fn evolve(state: Self::State, event: &Self::Input) -> Self::State;

    /// What to do about an event, given the state after it.
    fn react(state: &Self::State, event: &Self::Input) -> Vec<Action>;
}

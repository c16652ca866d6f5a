//! Lends the domain's order to Factum's decider: the rules stay where they are.
//!
//! For placing, where the stream's version is guard enough; whatever comes later also depends on Stock, and is
//! decided from the order's `History`.

use factum::Decider;

use crate::orders::domain::{Command, Event, Order, Refusal};

impl Decider for Order {
    type Command = Command;
    type Event = Event;
    type State = Self;
    type Refusal = Refusal;

    fn evolve(state: Self, event: &Event) -> Self {
        state.evolve(event)
    }

    fn decide(state: &Self, command: Command) -> Result<Vec<Event>, Refusal> {
        state.decide(command)
    }
}

//! The test kit: given what happened, when something is asked or comes, then this is what follows.
//!
//! One style for everything that can be tested, from the smallest: a decider needs no runtime and no store
//! ([`given`]), nor does a saga, whose time a test moves ([`given_saga`]), nor any sequence of commands
//! ([`any_commands`]), nor a consumer's policy ([`given_policy`]); a handler is given an event, and shows what it emits
//! and writes ([`given_handler`]); a projection is given events and asked for its rows ([`given_projection`]); a whole
//! app runs in memory, with a clock that only the test moves, and is waited for without a sleep ([`TestApp`]). Whatever
//! does not hold shows what happened as a sequence diagram. For tests alone: here panics are the report.

mod diagram;
mod heard;

mod app;
mod crash;
mod given;
mod handler;
mod policy;
mod projection;
mod saga;
mod story;

pub use app::TestApp;
pub use given::{Decided, Given, any_commands, given};
pub use handler::{HandlerTest, given_handler};
pub use policy::{PolicyTest, given_policy};
use projection::text;
pub use projection::{ProjectionTest, given_projection};
pub use saga::{SagaTest, committed_shape, given_saga};
pub use story::Story;

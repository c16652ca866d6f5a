//! The loops of Factum: consumers, projections, deciders, relays, timers, replay and administration.
//!
//! Everything here stands on `Store`, `Work` and `Broker` alone: the runtime knows no adapter. What it keeps in a
//! store is in [`state`]; what it counts is in [`observe`].

pub mod admin;
mod answers;
pub mod app;
pub mod clock;
pub mod consumer;
pub mod contracts;
mod erase;
pub mod execute;
mod fold;
mod inbox;
pub mod inline;
mod instance;
pub mod migration;
mod moved_out;
pub mod observe;
pub mod projection;
pub mod relay;
pub mod ring;
mod saga;
pub mod send;
pub mod state;
mod stop;
pub mod telemetry;
mod watchdog;

pub use admin::Admin;
pub use app::{App, Running, StartError};
pub use clock::TokioClock;
pub use consumer::shared::Status;
pub use consumer::{Anything, Consumer, Effects};
pub use contracts::{ContractRefusal, ContractsRefused, Disagreement, Disagreements, record_contracts};
pub use execute::{
    AsOf, DecideError, ExecuteError, ExecuteOptions, Executed, Idempotency, LoadError, SnapshotVerdict,
    StateAt, decide, decide_within, execute, execute_with, execute_within, state_of, verify_snapshot,
};
pub use factum_contract::system::Replay;
pub use fold::{Folded, fold};
pub use inbox::From as Source;
pub use inline::InlineStore;
pub use migration::{Migration, MigrationError, NewCall, OldCall, Ran};
pub use moved_out::{MovedOut, MovedTo};
pub use projection::ReadSide;
pub use relay::Relay;
pub use saga::check::SagaRefused;
pub use send::{SendError, SendOptions, Sent, send};
pub use watchdog::Blocked;

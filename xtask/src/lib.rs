//! Chores of the repository: `cargo xtask test`, the one command for people and CI, and the rules that tidy keeps.
//!
//! A tool for those who work on Factum, so it talks on the terminal and stops with `anyhow` errors. No crate of ours
//! is imported: the checks must build and speak even when the code they check does not compile.

#![expect(clippy::print_stdout, reason = "a developer's tool talks on the terminal")]

pub mod stage;

pub mod deny;
pub mod example;
pub mod generated;
pub mod licence;
pub mod needs;
pub mod run;
pub mod server;
pub mod skips;
pub mod source;
pub mod tally;
pub mod tidy;
pub mod tools;
pub mod workspace;

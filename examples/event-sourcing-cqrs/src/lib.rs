//! A bank account as a stream of events: what happened is the truth, and all else is made of it.
//!
//! [`account`] holds the rules, which write; [`read`] holds two read models and the queries on them. They know each
//! other by events alone.

pub mod account;
#[allow(missing_docs, reason = "generated")]
pub mod contracts;
pub mod read;

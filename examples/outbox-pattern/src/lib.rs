//! A shop with plain tables whose events leave with its own transactions, and a mailer that hears of them.

pub mod contracts;
pub mod flaky;
pub mod mailer;
pub mod shop;

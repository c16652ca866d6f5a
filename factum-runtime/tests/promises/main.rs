//! The promises of the runtime, each the name of a test: consumers (10 to 15), and their meeting with brokers
//! (17 to 19).

mod consumer;
mod crash;
mod kit;
mod trouble;

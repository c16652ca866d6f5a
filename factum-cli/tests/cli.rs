//! The command line against real stores: every command's text, JSON, help and errors, and its exit codes.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot go on stops")]

#[path = "cli/sample.rs"]
mod sample;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/workshop.rs"]
mod workshop;

#[path = "cli/archive.rs"]
mod archive;
#[path = "cli/change.rs"]
mod change;
#[path = "cli/contracts.rs"]
mod contracts;
#[path = "cli/copy.rs"]
mod copy;
#[path = "cli/design.rs"]
mod design;
#[path = "cli/documented.rs"]
mod documented;
#[path = "cli/draft.rs"]
mod draft;
#[path = "cli/gate.rs"]
mod gate;
#[path = "cli/guide.rs"]
mod guide;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/long.rs"]
mod long;
#[path = "cli/look.rs"]
mod look;
#[path = "cli/masked.rs"]
mod masked;
#[path = "cli/mcp.rs"]
mod mcp;
#[cfg(feature = "postgres")]
#[path = "cli/migrate.rs"]
mod migrate;
#[path = "cli/migration.rs"]
mod migration;
#[path = "cli/personal.rs"]
mod personal;
#[cfg(feature = "postgres")]
#[path = "cli/postgres.rs"]
mod postgres;
#[path = "cli/project.rs"]
mod project;
#[path = "cli/projections.rs"]
mod projections;
#[path = "cli/refused.rs"]
mod refused;
#[path = "cli/reliability.rs"]
mod reliability;
#[path = "cli/review.rs"]
mod review;
#[cfg(feature = "nats")]
#[path = "cli/review_nats.rs"]
mod review_nats;
#[path = "cli/sagas.rs"]
mod sagas;
#[path = "cli/untidy.rs"]
mod untidy;

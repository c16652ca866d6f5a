//! What SQLite's adapter promises beyond the suite that every store runs.
#![expect(clippy::print_stdout, reason = "children talk to their parent so, and skipped tests say so aloud")]

#[path = "sqlite/damage.rs"]
mod damage;
#[path = "sqlite/disk.rs"]
mod disk;
#[path = "sqlite/foreign.rs"]
mod foreign;
#[path = "sqlite/kit.rs"]
mod kit;
#[path = "sqlite/open.rs"]
mod open;
#[cfg(target_os = "linux")]
#[path = "sqlite/power.rs"]
mod power;
#[path = "sqlite/processes.rs"]
mod processes;
#[path = "sqlite/read.rs"]
mod read;
#[path = "sqlite/revisions.rs"]
mod revisions;
#[path = "sqlite/units.rs"]
mod units;
#[path = "sqlite/user_sql.rs"]
mod user_sql;

//! PostgreSQL keeps every promise of a store, and what its adapter promises beyond them.

#[path = "postgres/doubt.rs"]
mod doubt;
#[path = "postgres/executor.rs"]
mod executor;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/fence.rs"]
mod fence;
#[path = "postgres/foreign.rs"]
mod foreign;
#[cfg(feature = "sqlite")]
#[path = "postgres/keys.rs"]
mod keys;
#[path = "postgres/kit.rs"]
mod kit;
#[path = "postgres/open.rs"]
mod open;
#[path = "postgres/plans.rs"]
mod plans;
#[path = "postgres/short.rs"]
mod short;
#[path = "postgres/suite.rs"]
mod suite;
#[path = "postgres/tls.rs"]
mod tls;
#[path = "postgres/units.rs"]
mod units;
#[path = "postgres/user_sql.rs"]
mod user_sql;

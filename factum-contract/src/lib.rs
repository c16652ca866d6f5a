//! Contracts first: the catalog of a system, the checks on it, and the code generated from it.
//!
//! A [`Catalog`] is read from YAML or JSON files, or from the one text that generated code embeds; compiled, it is
//! [`Contracts`], the gate of a store. Reading YAML, checking and generating need the feature `tooling`, which
//! programs at run time leave off; comparing versions needs `judge`. Pure: only [`folder`] touches files, and only when asked.

#[cfg(feature = "tooling")]
pub mod canonical;
pub mod catalog;
pub mod check;
pub mod contract;
pub mod contracts;
pub mod date;
mod downcast;
pub mod finding;
pub mod fixture;
pub mod flow;
#[cfg(feature = "tooling")]
pub mod folder;
#[cfg(feature = "tooling")]
pub mod generate;
#[cfg(feature = "tooling")]
pub mod history;
#[cfg(feature = "tooling")]
pub mod import;
mod json;
#[cfg(feature = "judge")]
pub mod judge;
pub mod meaning;
pub mod nearest;
pub mod node;
pub mod overview;
pub mod personal;
#[cfg(feature = "tooling")]
pub mod promises;
pub mod read;
pub mod rt;
pub mod schema;
pub mod system;
#[cfg(feature = "tooling")]
pub mod template;
pub mod upcast;
pub mod validate;
pub mod words;

pub use catalog::{Catalog, CatalogError, CatalogSource};
#[cfg(feature = "tooling")]
pub use check::check_one;
pub use check::{Report, check};
pub use contract::Contract;
pub use contracts::{Contracts, ContractsError};
pub use date::Date;
pub use finding::{Finding, Severity, Source, Span};
pub use schema::Schema;
pub use system::System;
pub use validate::{Flaw, Validator};

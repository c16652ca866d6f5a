//! The rules, a file for each family: first the table, then the functions that look.

use super::rule::Rule;

mod accept;
mod compat;
mod data;
mod delivery;
mod event;
mod handling;
mod name;
mod order;
mod owner;
mod privacy;
mod process;
mod schema;
mod topic;
mod topology;

/// Every rule, family by family.
pub(super) const FAMILIES: &[&[Rule]] = &[
    name::RULES,
    owner::RULES,
    schema::RULES,
    data::RULES,
    event::RULES,
    handling::RULES,
    order::RULES,
    delivery::RULES,
    topology::RULES,
    topic::RULES,
    compat::RULES,
    privacy::RULES,
    process::RULES,
    crate::sources::rules::RULES,
    crate::sources::rules::MORE,
    accept::RULES,
];

//! Rules for source code: drift from the catalog, and habits that lose or double events.

mod effects;
mod flow;
pub(crate) mod names;
mod typing;

pub(crate) use flow::RULES;
pub(crate) use typing::RULES as MORE;

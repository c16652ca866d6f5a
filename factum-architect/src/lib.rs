//! Thinks about a system of events: what it should be, what is wrong with it, and how to get from here to there.
//!
//! Everything here is deterministic and works offline: the same input gives the same judgement, with its evidence.
//! Pure but for reading files; the command line prints, and writes what is returned as files.

pub mod codebase;
pub mod design;
pub mod migration;
pub mod modes;
pub mod plan;
pub mod reliability;
pub mod review;
pub mod scaffold;
pub mod sources;

//! Documents for other tools, of the flagship and of a catalog with everything in it: what is written, that other
//! tools take it, and that it reads back as the same contracts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "a skipped test says so aloud")]

#[path = "interchange/catalogs.rs"]
mod catalogs;
#[path = "interchange/documents.rs"]
mod documents;
#[path = "interchange/import.rs"]
mod import;
#[path = "interchange/round.rs"]
mod round;
#[path = "interchange/tools.rs"]
mod tools;

//! What the runtime costs beside a raw twin in the same run: `cargo bench -p factum`, or parts by name.
//!
//! `cargo bench -p factum -- dispatch effects --long --json`. Rows that only need a store are measured beside it:
//! `cargo bench -p factum-store`. The part `instances` starts a PostgreSQL server of its own, and is there with
//! `--features postgres`. What each row means is in `docs/benchmarks.md`.

use std::path::Path;

use tokio::runtime::Runtime;

mod child;
mod decide;
mod decode;
mod delay;
mod dispatch;
mod effects;
mod flagship;
#[cfg(feature = "postgres")]
mod instances;
mod kit;
mod projection;
mod scene;
mod staged;
mod timers;
mod twin;

use kit::Kit;

/// A part: its name on the command line, and what measures its rows.
type Part = (&'static str, fn(&mut Kit, &Runtime));

const PARTS: &[Part] = &[
    ("decode", decode::measure),
    ("dispatch", dispatch::measure),
    ("effects", effects::measure),
    ("projection", projection::measure),
    ("execute", decide::measure_execute),
    ("boundary", decide::measure_boundary),
    ("inline", decide::measure_inline),
    ("delay", delay::measure),
    ("memory", child::measure_memory),
    ("restart", child::measure_restart),
    ("timers", timers::measure),
    ("flagship", flagship::measure),
    #[cfg(feature = "postgres")]
    ("instances", instances::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = Runtime::new().expect("a runtime starts");
    match arguments.get(1).map(String::as_str) {
        // What asks for the tests of a bench is told that there are none.
        Some("--list") => return,
        Some(child::WORD) => return child::run(&runtime, &arguments[2..]),
        _ => {}
    }
    let mut kit = Kit::from_arguments(Path::new(env!("CARGO_TARGET_TMPDIR")));
    for &(name, measure) in PARTS {
        if kit.wants(name) {
            measure(&mut kit, &runtime);
        }
    }
    let sqlite = rusqlite::version();
    kit.finish(&format!(
        "SQLite {sqlite}, WAL, synchronous FULL, pages of 8 KiB, one process unless said, release build"
    ));
}

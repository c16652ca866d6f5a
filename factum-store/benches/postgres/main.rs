//! The PostgreSQL store beside bare sqlx on the same tables, in turn, in the same run, on a server of its own.
//!
//! `cargo bench -p factum-store --features postgres --bench postgres`, or parts by name:
//! `-- clients callers bulk fence tags held catch-up outbox delay growth --long --json`.
//! What the rows mean, and how rounds are kept comparable, is in `docs/benchmarks.md`.

use std::path::Path;

#[path = "../../../factum/benches/measure/kit.rs"]
mod kit;

mod append;
mod drain;
mod order;
mod place;
mod read;

use kit::Kit;
use place::Bench;

type Part = (&'static str, fn(&mut Kit, &Bench));

const PARTS: [Part; 10] = [
    ("clients", append::clients),
    ("callers", append::callers),
    ("bulk", append::bulk),
    ("fence", order::fence),
    ("tags", order::tags),
    ("held", order::held),
    ("catch-up", read::catch_up),
    ("outbox", drain::outbox),
    ("delay", read::delay),
    ("growth", read::growth),
];

fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let mut kit = Kit::from_arguments(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let bench = Bench::start();
    for (name, measure) in PARTS {
        if kit.wants(name) {
            measure(&mut kit, &bench);
        }
    }
    kit.finish(&bench.settings());
}

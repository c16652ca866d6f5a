//! Generated files: committed, and what their generators write today.
//!
//! A generator plugs in by a line in the table: the command of the `factum` binary that compares without writing.

use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::run::{self, Run};

/// Longest that a generator may take.
const GENERATOR_MAX: Duration = Duration::from_secs(60);

/// Files that a command of `factum` writes, and how to compare them.
#[derive(Debug)]
pub struct Generated {
    /// The folder or file written.
    pub what: &'static str,
    /// Arguments of `factum` that compare; without `--check` they write.
    pub arguments: &'static [&'static str],
}

/// All generated files of the repository.
pub const GENERATED: [Generated; 6] = [
    Generated {
        what: "examples/orders/src/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "examples/orders/contracts",
            "--out",
            "examples/orders/src",
            "--check",
        ],
    },
    Generated {
        what: "examples/event-sourcing-cqrs/src/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "examples/event-sourcing-cqrs/contracts",
            "--out",
            "examples/event-sourcing-cqrs/src",
            "--check",
        ],
    },
    Generated {
        what: "examples/saga-pattern/src/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "examples/saga-pattern/contracts",
            "--out",
            "examples/saga-pattern/src",
            "--check",
        ],
    },
    Generated {
        what: "examples/outbox-pattern/src/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "examples/outbox-pattern/contracts",
            "--out",
            "examples/outbox-pattern/src",
            "--check",
        ],
    },
    Generated {
        what: "examples/basic-pub-sub/src/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "examples/basic-pub-sub/contracts",
            "--out",
            "examples/basic-pub-sub/src",
            "--check",
        ],
    },
    Generated {
        what: "factum/examples/thirty_seconds/contracts",
        arguments: &[
            "generate",
            "rust",
            "--contracts",
            "factum/examples/thirty_seconds/catalog",
            "--out",
            "factum/examples/thirty_seconds",
            "--check",
        ],
    },
];

/// Compares every generated file with what its generator writes; each counts as one test.
///
/// # Errors
/// When one is stale, with the command that writes it anew.
pub fn check_all(run: &mut Run) -> anyhow::Result<()> {
    run.build()?;
    let mut stale = Vec::new();
    for generated in &GENERATED {
        let mut command = Command::new(run.binary("factum"));
        command.args(generated.arguments).current_dir(&run.workspace.root);
        let ended = run::capture(command, GENERATOR_MAX)?;
        if ended.code == Some(0) {
            run.tally.passed += 1;
            println!("ok      {}", generated.what);
            continue;
        }
        run.tally.failed += 1;
        println!("FAILED  {}\n{}", generated.what, ended.lines.join("\n"));
        let write: Vec<&str> =
            generated.arguments.iter().copied().filter(|word| *word != "--check").collect();
        stale.push(format!("write it anew: cargo run -p factum-cli -- {}", write.join(" ")));
    }
    if stale.is_empty() { Ok(()) } else { bail!("{}", stale.join("; ")) }
}

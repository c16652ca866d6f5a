//! The examples: each is run as its reader would run it, in an empty folder, and must print what its page promises.
//!
//! An example plugs in by a line in the table. It ends by itself: one that needs a server or a key press is no example.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::run::{self, Run};
use crate::skips;

/// Longest that an example may take: its reader is waiting.
const EXAMPLE_MAX: Duration = Duration::from_secs(120);

/// An example and what it must print.
#[derive(Debug)]
pub struct Example {
    /// The binary in the target folder; `examples/NAME` for an example of a library.
    pub binary: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// Texts that must stand in what it prints, in this order.
    pub prints: &'static [&'static str],
}

/// All examples.
pub const EXAMPLES: [Example; 7] = [
    Example {
        binary: "orders",
        arguments: &["demo"],
        prints: &[
            "stock.reserved",
            "order.cancelled",
            "dead letter after 3 attempts",
            "stock.reserved",
            "A replay",
        ],
    },
    Example {
        binary: "event-sourcing-cqrs",
        arguments: &[],
        prints: &[
            "asked again with the same key: repeated true, still version 122",
            "refused: 99999 cents are asked for, and 9000 are there",
            "snapshot: Agrees { version: v100 }",
            "at version 51: Open { balance: 5000 }",
            "balance of 7: Some(9000)",
            "statement of 7: -3000, then 9000",
        ],
    },
    Example {
        binary: "saga-pattern",
        arguments: &[],
        prints: &[
            "o-1: all goes well",
            "order.shipped",
            "the saga is completed",
            "payment.declined",
            "the saga is compensated",
            "release.stock",
            "refund.payment",
            "order.cancelled",
            "o-4: nobody answers in time",
            "saga.signalled",
            "the saga is compensated",
            "parcel of o-1: JD-o-1 by DHL, due 2026-01-08, delivered",
        ],
    },
    Example {
        binary: "outbox-pattern",
        arguments: &[],
        prints: &[
            "the shop has died after three commits; nothing was published",
            "the broker was given more than there are: true",
            "letters: 1, 2, 3, 4",
        ],
    },
    Example {
        binary: "basic-pub-sub",
        arguments: &[],
        prints: &[
            "order 42",
            "welcome u-1",
            "wildcard saw user.created",
            "analytics: user.created",
            "email: 42",
            "inventory: 42",
            "e-mail was tried 3 times",
        ],
    },
    Example {
        binary: "examples/thirty_seconds",
        arguments: &[],
        prints: &["1 order.placed.v1 in order-", "2 payment.approved.v1 in payment-"],
    },
    Example {
        binary: "examples/email_sync",
        arguments: &[],
        prints: &[
            "o1 at stage off",
            "mail email-sync/o1 from the request",
            "o2 at stage shadow",
            "mail email-sync/o2 from the request",
            "o3 at stage canary 99 %",
            "mail email-sync/o3 from the event",
            "o4 at stage off",
            "mail email-sync/o4 from the request",
        ],
    },
];

/// Runs every example; each counts as one test.
///
/// # Errors
/// When one fails, hangs, or prints something else; when they do not compile.
pub fn run_all(run: &mut Run) -> anyhow::Result<()> {
    run.build()?;
    let mut failed = Vec::new();
    for example in &EXAMPLES {
        let name = [&[example.binary], example.arguments].concat().join(" ");
        let began = Instant::now();
        match run_one(run, example) {
            Ok(skipped) => {
                run.skipped.extend(skipped);
                run.tally.passed += 1;
                println!("ok      {name} ({:.1} s)", began.elapsed().as_secs_f64());
            }
            Err(error) => {
                run.tally.failed += 1;
                println!("FAILED  {name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join(", ")) }
}

fn run_one(run: &Run, example: &Example) -> anyhow::Result<Vec<String>> {
    let folder = run.workspace.target.join("examples-run").join(example.binary);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut command = Command::new(run.binary(example.binary));
    command.args(example.arguments).current_dir(&folder).env("NO_COLOR", "1");
    let ended = run::capture(command, EXAMPLE_MAX)?;
    let printed = ended.lines.join("\n");
    if ended.code != Some(0) {
        bail!("answered {:?}, after printing:\n{printed}", ended.code);
    }
    if let Some(text) = first_missing(&printed, example.prints) {
        bail!("did not print {text:?} in its place, but:\n{printed}");
    }
    // An example of a library has no page of its own.
    if let Ok(page) = run.workspace.file(&format!("examples/{}/README.md", example.binary))
        && let Some(text) = first_missing(&printed, &shown(&page.text, example.binary))
    {
        bail!("its README shows {text:?}, which it did not print in that place, but:\n{printed}");
    }
    Ok(ended.lines.iter().filter_map(|line| skips::in_line(line)).collect())
}

/// What a page says that the example prints: blocks of text, and what stands below `$ cargo run -p NAME`.
fn shown<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let command = format!("$ cargo run -p {name}");
    let (mut lines, mut found) = (page.lines(), Vec::new());
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let is_run = info == "console" && inside.first().is_some_and(|first| first.starts_with(&command));
        if is_run || info == "text" {
            found.extend(inside.into_iter().filter(|line| !line.starts_with("$ ") && !line.is_empty()));
        }
    }
    found
}

/// The first of the texts that does not stand behind the one before it.
fn first_missing<'a>(printed: &str, texts: &[&'a str]) -> Option<&'a str> {
    let mut rest = printed;
    for text in texts {
        match rest.split_once(text) {
            Some((_, behind)) => rest = behind,
            None => return Some(text),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_its_example_prints() {
        let page = "# A\n```console\n$ cargo run -p a # b\nplaced\n\npaid\n```\n```console\n$ ls\nb\n```\n```text\nout\n```\n";
        assert_eq!(shown(page, "a"), ["placed", "paid", "out"]);
        assert_eq!(shown("```mermaid\na\n```\n", "a"), [] as [&str; 0]);
    }

    #[test]
    fn texts_must_come_in_order() {
        assert_eq!(first_missing("placed, paid, stocked", &["placed", "stocked"]), None);
        assert_eq!(first_missing("paid, placed", &["placed", "paid"]), Some("paid"));
        assert_eq!(first_missing("", &[]), None);
    }
}

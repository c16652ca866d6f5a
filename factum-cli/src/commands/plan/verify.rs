//! `factum plan verify`: the tests that plans name are run, and every tick is held against them.
//!
//! A command comes out of a file: it is started as it stands, without a shell, and only when it is one of the test
//! runners that plans are written with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use factum_architect::plan::{self, Outcome};
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, counted, printable_line};

/// Programs that run tests.
const RUNNERS: [&str; 8] = ["cargo", "npx", "python", "python3", "mvn", "./gradlew", "go", "pytest"];

/// Run the tests that plans name, and say which ticked box has none that passes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A plan, or a folder with docs/specs in it
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where the tests are run
    #[arg(long, value_name = "DIR", default_value = ".")]
    code: PathBuf,
    /// Run the tests of open boxes, too
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Serialize)]
struct Json {
    tests: Vec<TestJson>,
    passed: usize,
    untrue: usize,
}

#[derive(Debug, Serialize)]
struct TestJson {
    plan: String,
    line: usize,
    says: String,
    command: String,
    ticked: bool,
    outcome: Outcome,
}

pub(super) fn run(args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let mut tests = Vec::new();
    let mut known: BTreeMap<String, Outcome> = BTreeMap::new();
    for (path, text) in super::plans(&args.path)? {
        for test in plan::tests(&text).into_iter().filter(|test| args.all || test.is_ticked) {
            let outcome = match known.get(&test.command) {
                Some(outcome) => *outcome,
                None => {
                    cx.out.note(&test.command);
                    execute(&test.command, &args.code)?
                }
            };
            known.insert(test.command.clone(), outcome);
            tests.push(TestJson {
                plan: path.display().to_string(),
                line: test.line,
                says: test.says,
                command: test.command,
                ticked: test.is_ticked,
                outcome,
            });
        }
    }
    let passed = tests.iter().filter(|test| test.outcome == Outcome::Passed).count();
    let untrue = tests.iter().filter(|test| test.ticked && test.outcome != Outcome::Passed).count();
    let done = if untrue == 0 { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&Json { tests, passed, untrue })?;
        return Ok(done);
    }
    let paint = cx.out.paint();
    for test in &tests {
        let (word, style) = match (test.outcome, test.ticked) {
            (Outcome::Passed, _) => ("passes", Style::Green),
            (Outcome::Failed, true) => ("ticked, and fails", Style::Red),
            (Outcome::Missing, true) => ("ticked, and no test ran", Style::Red),
            (Outcome::Failed, false) => ("open, and fails", Style::Dim),
            (Outcome::Missing, false) => ("open, and no test ran", Style::Dim),
        };
        cx.out.line(format!(
            "{}: {}:{}: {}",
            paint.style(style, word),
            test.plan,
            test.line,
            printable_line(&test.says)
        ))?;
        if test.outcome != Outcome::Passed && test.ticked {
            cx.out.line(format!("  {}", printable_line(&test.command)))?;
        }
    }
    let sum = format!(
        "{}: {passed} pass, {untrue} ticked without a test that passes",
        counted(tests.len() as u64, "test")
    );
    cx.out.line(paint.style(if untrue == 0 { Style::Green } else { Style::Red }, &sum))?;
    Ok(done)
}

fn execute(command: &str, folder: &Path) -> Result<Outcome, CliError> {
    let words = split(command);
    let Some((program, arguments)) = words.split_first() else { return Ok(Outcome::Missing) };
    if !RUNNERS.contains(&program.as_str()) {
        return Err(CliError::refused(format!("`{command}` is not run: {program} is no test runner"))
            .hint(format!("known: {}; put the plan's command right", RUNNERS.join(", "))));
    }
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.map_err(|error| {
        CliError::unreachable(format!("{program} cannot be started in {}: {error}", folder.display()))
    })?;
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(plan::judge(command, output.status.success(), &said))
}

/// Words of a command; single quotes keep spaces together.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_quotes = false;
    for c in command.chars() {
        match c {
            '\'' => in_quotes = !in_quotes,
            c if c.is_whitespace() && !in_quotes => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_without_a_shell() {
        assert_eq!(
            split("npx vitest run a.ts -t 'says `x` twice'"),
            ["npx", "vitest", "run", "a.ts", "-t", "says `x` twice"]
        );
        assert!(execute("rm -rf /", Path::new(".")).is_err());
    }
}

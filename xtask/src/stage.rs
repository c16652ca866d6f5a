//! The stages of `cargo xtask test`, in the order in which they run: the quick ones first.
//!
//! A stage is one idea that can fail alone. All cargo invocations carry the same selection of crates and features, so
//! that they share one profile, one target folder and one compilation.

use std::str::FromStr;

use crate::run::{Run, SELECTION};
use crate::{deny, example, generated, needs, server, tools};

/// One step of the test command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Layout of the code.
    Fmt,
    /// Licences, banned crates and sources of dependencies.
    Deny,
    /// The repository's own rules.
    Tidy,
    /// The compiler's and clippy's warnings.
    Clippy,
    /// Unit and integration tests.
    Tests,
    /// Code in doc comments.
    DocTests,
    /// Examples and what they print.
    Examples,
    /// Generated files.
    Generated,
    /// Reference documentation.
    Doc,
}

impl Stage {
    /// All stages, in the order in which they run.
    pub const ALL: [Self; 9] = [
        Self::Fmt,
        Self::Deny,
        Self::Tidy,
        Self::Clippy,
        Self::Tests,
        Self::DocTests,
        Self::Examples,
        Self::Generated,
        Self::Doc,
    ];

    /// What it is called on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Deny => "deny",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Tests => "tests",
            Self::DocTests => "doc-tests",
            Self::Examples => "examples",
            Self::Generated => "generated",
            Self::Doc => "doc",
        }
    }

    /// What it checks, in a few words.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Fmt => "the code is formatted",
            Self::Deny => "licences, banned crates and sources of dependencies",
            Self::Tidy => "the repository's own rules",
            Self::Clippy => "no warning of the compiler or clippy",
            Self::Tests => "unit and integration tests",
            Self::DocTests => "code in doc comments",
            Self::Examples => "each example runs and prints what it should",
            Self::Generated => "generated files are what the generators write today",
            Self::Doc => "reference documentation without warnings",
        }
    }

    /// Runs it; what tests ran and what they skipped is added to `run`.
    ///
    /// # Errors
    /// When it finds something, or cannot be run.
    pub fn run(self, run: &mut Run) -> anyhow::Result<()> {
        match self {
            Self::Fmt => run.quiet("cargo", &["fmt", "--all", "--check"], &[]),
            Self::Deny => deny::check(&run.workspace),
            Self::Tidy => run.tests("cargo", &with_selection("test", &["--test", "tidy"])),
            Self::Clippy => {
                run.quiet("cargo", &with_selection("clippy", &["--all-targets", "--", "-D", "warnings"]), &[])
            }
            Self::Tests => {
                needs::meet()?;
                // Tests that miss their tools skip themselves by name; the list of skips then refuses that.
                tools::install(&run.workspace, &[])?.iter().for_each(|missing| println!("{missing}"));
                all_tests(run)
            }
            Self::DocTests => run.tests("cargo", &with_selection("test", &["--doc", "--", "--show-output"])),
            Self::Examples => example::run_all(run),
            Self::Generated => generated::check_all(run),
            Self::Doc => {
                run.quiet("cargo", &with_selection("doc", &["--no-deps"]), &[("RUSTDOCFLAGS", "-D warnings")])
            }
        }
    }
}

impl FromStr for Stage {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let known = Self::ALL.into_iter().find(|stage| stage.name() == text);
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|stage| stage.name()).collect();
            anyhow::anyhow!("unknown stage {text:?}: expected one of {}", names.join(", "))
        })
    }
}

/// Runs the tests that tidy has not run, in nextest where it is installed.
fn all_tests(run: &mut Run) -> anyhow::Result<()> {
    // Tests of one crate call the binaries of another, which cargo would build only for the crate's own tests.
    run.build()?;
    // Held until the tests have ended.
    let postgres = server::postgres(run)?;
    if let Some((variable, url)) = postgres.as_ref().and_then(|server| server.environment.clone()) {
        run.set(variable, url);
    }
    if run.has_nextest() {
        let profile = ["--profile", "xtask", "--no-fail-fast", "--no-tests", "pass"];
        let options = [&profile[..], &["-E", "not binary(tidy)"]].concat();
        return run.nextest(&with_selection("nextest", &options));
    }
    // `cargo test` cannot leave a test binary out; tidy's tests share a module, and are left out by its name.
    let targets = ["--lib", "--bins", "--examples", "--tests", "--no-fail-fast"];
    let options = [&targets[..], &["--", "--show-output", "--skip", "this_workspace::"]].concat();
    run.tests("cargo", &with_selection("test", &options))
}

/// A cargo command with the selection behind its name, before options that end in `--`.
fn with_selection<'a>(command: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let command: &[&str] = if command == "nextest" { &["nextest", "run"] } else { &[command] };
    [command, &SELECTION[..], options].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_found_by_its_name() {
        for stage in Stage::ALL {
            assert_eq!(stage.name().parse::<Stage>().unwrap(), stage);
        }
    }

    #[test]
    fn every_cargo_command_carries_the_selection() {
        let line = with_selection("test", &["--doc"]).join(" ");
        assert_eq!(line, "test --workspace --all-features --locked --doc");
    }
}

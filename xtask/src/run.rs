//! One run of the test command: starts processes, shows what they print as it comes, and keeps what tests said.
//!
//! Nothing that is started may wait for input or outlive its limit: CI has no terminal and no patience.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::skips;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// What every cargo command that compiles is told, so that nothing is compiled under two sets of features.
pub const SELECTION: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// Longest that any one process may take: past it, it hangs.
const PROCESS_MAX: Duration = Duration::from_secs(40 * 60);

/// Lines that wait to be shown; a process that prints faster is made to wait.
const LINES_MAX: usize = 1024;

/// What the stages of one run share.
#[derive(Debug)]
pub struct Run {
    /// The repository.
    pub workspace: Workspace,
    /// Tests passed and failed so far.
    pub tally: Tally,
    /// What tests said that they skipped, as `NAME: reason`.
    pub skipped: Vec<String>,
    is_long: bool,
    has_built: bool,
    environment: Vec<(&'static str, String)>,
}

/// How a process ended, and what it printed where that was asked for.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when a signal or the limit ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, line by line as they came.
    pub lines: Vec<String>,
}

impl Run {
    /// A run in which nothing has happened yet.
    #[must_use]
    pub fn new(workspace: Workspace, is_long: bool) -> Self {
        Self {
            workspace,
            tally: Tally::default(),
            skipped: Vec::new(),
            is_long,
            has_built: false,
            environment: Vec::new(),
        }
    }

    /// Gives every command from here on an environment variable.
    pub fn set(&mut self, variable: &'static str, value: String) {
        self.environment.push((variable, value));
    }

    /// Runs a command that is no test; fails when it does.
    ///
    /// # Errors
    /// When it cannot be started or answers with an error.
    pub fn quiet(
        &self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut command = self.command(program, arguments);
        command.envs(environment.iter().copied());
        let status = command.status().with_context(|| format!("cannot start {program}"))?;
        if status.success() { Ok(()) } else { bail!("{program} {} answered {status}", arguments.join(" ")) }
    }

    /// Runs `cargo test` in one of its forms, counting tests and collecting what they skipped.
    ///
    /// # Errors
    /// When a test fails or the command cannot be run.
    pub fn tests(&mut self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let command = self.command(program, arguments);
        let (mut tally, mut skipped) = (Tally::default(), Vec::new());
        let code = each_line(command, PROCESS_MAX, &mut |line| {
            println!("{line}");
            tally.read(line);
            skipped.extend(skips::in_line(line));
        })?;
        self.tally.add(tally);
        self.skipped.extend(skipped);
        ended_well(code, program, arguments)
    }

    /// Runs nextest, which prints nothing of tests that pass: what they skipped is read from its report.
    ///
    /// # Errors
    /// When a test fails or the command cannot be run.
    pub fn nextest(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let report = self.workspace.target.join("nextest/xtask/junit.xml");
        remove_if_there(&report)?;
        let outcome = self.tests("cargo", arguments);
        if let Ok(text) = std::fs::read_to_string(&report) {
            self.skipped.extend(text.lines().filter_map(skips::in_report_line));
        }
        outcome
    }

    /// Whether nextest is installed.
    #[must_use]
    pub fn has_nextest(&self) -> bool {
        let mut command = self.command("cargo", &["nextest", "--version"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Builds all binaries and examples, once in a run.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build(&mut self) -> anyhow::Result<()> {
        if !self.has_built {
            // `--tests` makes cargo choose the same features of development dependencies as it did for the tests.
            let targets = ["build", "--lib", "--bins", "--examples", "--tests"];
            self.quiet("cargo", &[&targets[..], &SELECTION[..]].concat(), &[])?;
            self.has_built = true;
        }
        Ok(())
    }

    /// A binary of the workspace that [`Run::build`] has built; examples are `examples/NAME`.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.workspace.target.join("debug").join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        // Cargo says which cargo it is: a toolchain chosen by `cargo +1.90 xtask test` is kept.
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = Command::new(if program == "cargo" { &cargo } else { program });
        command.args(arguments).current_dir(&self.workspace.root).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(variable, value)| (*variable, value)));
        if self.is_long {
            command.env("FACTUM_LONG", "1");
        }
        command.env(crate::tools::SKIPS_ARE_HEARD, "1");
        command
    }
}

/// Runs a command to its end, or ends it at the limit, and keeps its last lines.
///
/// # Errors
/// When it cannot be started.
pub fn capture(command: Command, limit: Duration) -> anyhow::Result<Ended> {
    let mut lines = Vec::new();
    let code = each_line(command, limit, &mut |line| {
        if lines.len() < LINES_MAX {
            lines.push(line.to_owned());
        }
    })?;
    Ok(Ended { code, lines })
}

/// Hands over each line of both outputs as it comes; answers the exit code.
fn each_line(
    mut command: Command,
    limit: Duration,
    seen: &mut dyn FnMut(&str),
) -> anyhow::Result<Option<i32>> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let (sender, lines) = mpsc::sync_channel(LINES_MAX);
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|out| Box::new(out) as _),
        child.stderr.take().map(|out| Box::new(out) as _),
    ];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        // Ends by itself when the process does, or when nobody receives any more.
        std::thread::spawn(move || send_lines(output, &sender));
    }
    drop(sender);
    let deadline = Instant::now() + limit;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => seen(&line),
            Err(RecvTimeoutError::Disconnected) => return Ok(child.wait()?.code()),
            Err(RecvTimeoutError::Timeout) => {
                seen(&format!("ended after {} s: it hangs", limit.as_secs()));
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
        }
    }
}

fn send_lines(output: impl Read, sender: &mpsc::SyncSender<String>) {
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
        if sender.send(line).is_err() {
            return;
        }
        bytes.clear();
    }
}

fn ended_well(code: Option<i32>, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    match code {
        Some(0) => Ok(()),
        Some(code) => bail!("{program} {} answered {code}", arguments.join(" ")),
        None => bail!("{program} {} was ended", arguments.join(" ")),
    }
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_and_the_exit_code_are_kept() {
        let mut ended = capture(shell("echo one; echo two >&2; exit 3"), PROCESS_MAX).unwrap();
        ended.lines.sort();
        assert_eq!((ended.code, ended.lines), (Some(3), vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn a_process_that_hangs_is_ended() {
        let ended = capture(shell("exec sleep 600"), Duration::from_millis(50)).unwrap();
        assert_eq!(ended.code, None);
        assert!(ended.lines.last().unwrap().contains("hangs"));
    }

    #[test]
    fn a_process_gets_no_input() {
        assert_eq!(capture(shell("read line"), PROCESS_MAX).unwrap().code, Some(1));
    }
}

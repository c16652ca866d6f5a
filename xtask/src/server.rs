//! Servers that all tests of one run share: started before them, stopped after them.
//!
//! Each is a program of the workspace that prints its URL and stops when its input ends, so that nothing outlives the
//! run, however it ends. Tests that are run without this command start their own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::run::Run;

/// A server that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct Server {
    program: Child,
    /// The environment variable by which tests find it, and its URL.
    pub environment: Option<(&'static str, String)>,
}

/// Starts PostgreSQL, unless the environment names one.
///
/// # Errors
/// When it does not start: says what is missing.
pub fn postgres(run: &Run) -> anyhow::Result<Option<Server>> {
    const VARIABLE: &str = "FACTUM_TEST_POSTGRES_URL";
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(None);
    }
    let mut command = Command::new(run.binary("factum-test-postgres"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = command.spawn().context("cannot start PostgreSQL for the tests")?;
    let mut url = String::new();
    if let Some(output) = program.stdout.take() {
        BufReader::new(output).read_line(&mut url)?;
    }
    if url.trim().is_empty() {
        bail!("PostgreSQL for the tests did not start");
    }
    let environment = Some((VARIABLE, url.trim().to_owned()));
    Ok(Some(Server { program, environment }))
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.program.stdin.take());
        // It stops by itself; one that does not is not waited for by whoever reads the results.
        let _ = self.program.wait();
    }
}

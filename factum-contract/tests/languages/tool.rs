//! Calls the programs that judge generated code.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a program with an input; answers what it printed.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path, input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The program may print before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?} failed:\n{said}\n{complained}");
    said.into_owned()
}

/// Runs a program that has nothing to say when all is well.
#[track_caller]
pub(crate) fn quiet(program: &str, arguments: &[&str], folder: &Path) {
    run(program, arguments, folder, "");
}

//! Compiles generated code as one program that reads payloads, and asks it.
//!
//! Calls the compiler on what Cargo has built for this very test, so that nothing is built twice.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use factum_contract::generate::Generated;

use super::cases::Subject;

/// Lints of the workspace, as the compiler takes them.
const LINTS: &[&str] = &[
    "-Funsafe_code",
    "-Wmissing_docs",
    "-Wunreachable_pub",
    "-Wclippy::all",
    "-Wclippy::unwrap_used",
    "-Wclippy::todo",
    "-Wclippy::dbg_macro",
    "-Dwarnings",
];

pub(crate) struct Program {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

/// Writes the files and a `main` beside them, and compiles them without a warning.
pub(crate) fn compile(generated: &Generated, subjects: &[Subject]) -> Program {
    let folder = tempfile::tempdir().unwrap();
    generated.write(folder.path()).unwrap();
    let main = folder.path().join("main.rs");
    std::fs::write(&main, main_file(generated, subjects)).unwrap();
    let path = folder.path().join("program");
    let library = library();
    let mut command = Command::new(compiler());
    command
        .args(["--edition", "2024", "--crate-name", "corpus", "--crate-type", "bin", "-Cdebuginfo=0"])
        .arg("-L")
        .arg(format!("dependency={}", library.parent().unwrap().display()))
        .arg("--extern")
        .arg(format!("factum_contract={}", library.display()))
        .args(LINTS)
        .arg("-o")
        .args([&path, &main]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", said.chars().take(8_000).collect::<String>());
    Program { path, _folder: folder }
}

/// Clippy where it is installed: it compiles as `rustc` does, and knows the lints.
fn compiler() -> &'static str {
    let has_clippy =
        Command::new("clippy-driver").arg("--version").output().is_ok_and(|said| said.status.success());
    if has_clippy { "clippy-driver" } else { "rustc" }
}

/// The library that this test is linked with: the newest beside it.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libfactum_contract-") && name.ends_with(".rlib")
    };
    let age = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    entries.filter(is_ours).max_by_key(age).unwrap()
}

/// Reads lines of `label json`, and answers each by what the type writes again, or by nothing.
fn main_file(generated: &Generated, subjects: &[Subject]) -> String {
    let mut arms = String::new();
    for subject in subjects {
        let path = path_of(generated, subject);
        writeln!(arms, "            {:?} => again::<contracts::{path}>(json),", subject.label).unwrap();
    }
    format!(
        r#"//! Reads payloads.
mod contracts;

use factum_contract::rt::{{Event, serde_json}};
use std::io::{{BufRead, Write}};

fn again<E: Event>(json: &str) -> Option<String> {{
    let read: E = serde_json::from_str(json).ok()?;
    // Keys and tags never panic.
    let _ = (read.key(), read.tags());
    serde_json::to_string(&read).ok()
}}

fn main() {{
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {{
        let line = line.expect("text");
        let (label, json) = line.split_once(' ').expect("a label and a payload");
        let answer = match label {{
{arms}            other => panic!("{{other}} is not known"),
        }};
        writeln!(out, "{{}}", answer.unwrap_or_default()).expect("an answer");
    }}
}}
"#
    )
}

/// Where the type of a contract is, found by the constant that names it.
fn path_of(generated: &Generated, subject: &Subject) -> String {
    let document = &subject.document;
    let name = document["event"].as_str().or(document["command"].as_str()).unwrap();
    let version = document["version"].as_u64().unwrap();
    for file in &generated.files {
        let mut rest = file.text.as_str();
        while let Some(at) = rest.find("impl rt::Event for ") {
            rest = &rest[at + "impl rt::Event for ".len()..];
            let words: String = rest.chars().take(300).filter(|c| !c.is_whitespace()).collect();
            if words.contains(&format!("({name:?},{version},")) {
                let parts = Path::new(&file.path).with_extension("");
                let parts =
                    parts.components().skip(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
                let parts: Vec<String> =
                    parts.map(|part| if part == "type" { "r#type".to_owned() } else { part }).collect();
                let ty: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
                return format!("{}::{ty}", parts.join("::"));
            }
        }
    }
    panic!("{} has no type", subject.label);
}

impl Program {
    /// What the types make of payloads: each written again, or `None` where it is not read.
    pub(crate) fn read<'a>(&self, asked: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Option<String>> {
        let questions: String = asked.map(|(label, json)| format!("{label} {json}\n")).collect();
        let mut child =
            Command::new(&self.path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "the program failed");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| (!line.is_empty()).then(|| line.to_owned())).collect()
    }
}

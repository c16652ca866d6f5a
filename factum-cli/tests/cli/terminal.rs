//! Runs the real binary in a folder of its own, and makes what it printed the same in every run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use regex::{Captures, Regex};
use tempfile::TempDir;

/// A folder, and a store's name: in it, unless the store is on a server.
pub(crate) struct Terminal {
    folder: TempDir,
    server: Option<String>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: None }
    }

    /// The same with a store on a server.
    #[cfg(feature = "postgres")]
    pub(crate) fn on(url: String) -> Self {
        Self { server: Some(url), ..Self::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> String {
        self.server.clone().unwrap_or_else(|| self.folder().join("shop.db").display().to_string())
    }

    pub(crate) fn contracts() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts")
    }

    /// The command, in the folder, with a known environment and the store named.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.env("FACTUM_STORE", self.store());
        command
    }

    /// The same without a store.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_factum"));
        command.args(args).current_dir(self.folder()).env_clear();
        command.env("COLUMNS", "110").env("USER", "ann").stdin(Stdio::null());
        command
    }

    /// Runs it, and shows what was typed, printed and answered.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.show(args, &self.command(args).output().unwrap())
    }

    pub(crate) fn code(&self, args: &[&str]) -> i32 {
        self.command(args).output().unwrap().status.code().unwrap()
    }

    /// What it prints as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = self.command(&args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{args:?}: {error}: {text} {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    pub(crate) fn show(&self, args: &[&str], output: &Output) -> String {
        let out = String::from_utf8(output.stdout.clone()).unwrap();
        let err = String::from_utf8(output.stderr.clone()).unwrap();
        let code = output.status.code().map_or("by a signal".to_owned(), |code| code.to_string());
        let err = if err.is_empty() { String::new() } else { format!("[standard error]\n{err}") };
        self.same_in_every_run(&format!("$ factum {}\n{out}{err}[exit {code}]\n", args.join(" ")))
    }

    /// Ids are numbered as they come, times are one time, the folder has one name.
    pub(crate) fn same_in_every_run(&self, text: &str) -> String {
        static ID: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
        });
        static STEPS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
            [
                (r"20\d\d-\d\d-\d\dT[0-9:.]+Z", "2026-01-05T10:00:00Z"),
                (r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "2026-01-05 10:00:00.000"),
                (r"\d+(\.\d)? (µs|ms|s|min|h) ago +", "<a while> ago  "),
                // What the runtime keeps beside the log is its own business.
                (r"[1-9][\d,]* records", "<some> records"),
                (r#""records": [1-9]\d*"#, "\"records\": 9"),
                (r"in \d+ min {2,}", "in <a while>  "),
                (r"in \d+ min", "in <a while>"),
                ("last +error", "last  error"),
                // Where in its own code a server says no.
                (r"( exist| user [^ ]+) at line \d+", "$1"),
                // An id that was cut to the terminal's width.
                ("[0-9a-f]{8}-[0-9a-f-]*…", "<id>…"),
                (r"\+\d+(\.\d)? (µs|ms|s)", "+<a while>"),
                (r"\d+(\.\d)? (µs|ms|s) in all", "<a while> in all"),
                (r#"(since\w+Us"): \d+"#, "$1: 0"),
            ]
            .map(|(pattern, into)| (Regex::new(pattern).unwrap(), into))
            .into()
        });
        let folder = self.folder().canonicalize().unwrap().display().to_string();
        let text =
            text.replace(&folder, "<folder>").replace(&self.folder().display().to_string(), "<folder>");
        let text = text.replace(&Self::contracts().display().to_string(), "<contracts>");
        let mut known: HashMap<String, usize> = HashMap::new();
        let text = ID.replace_all(&text, |found: &Captures<'_>| {
            let next = known.len() + 1;
            format!("00000000-0000-0000-0000-{:012}", known.entry(found[0].to_owned()).or_insert(next))
        });
        let mut text = text.into_owned();
        for (pattern, into) in STEPS.iter() {
            text = pattern.replace_all(&text, *into).into_owned();
        }
        text
    }
}

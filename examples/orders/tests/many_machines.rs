//! Runs `docs/guide/from-one-machine-to-many.md` as it is written: every block of commands, in order.
//!
//! A block `sh` is run; the lines of a block `sh server` are programs that run until their section ends. Only ports
//! differ from the page, and `cargo run` starts the binaries that are built already.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use factum_conformance::postgres::fresh_url;

/// Longest that a block of commands may take.
const BLOCK_MAX: Duration = Duration::from_secs(120);

/// Where the page's programs listen unless they say otherwise.
const ADDRESS: &str = "127.0.0.1:8080";

/// A program of the page; dropped, it is stopped as by ctrl-c.
struct Server {
    child: Child,
    /// Held open: a program that cannot print its greeting ends.
    _output: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whether it heard is seen by how it ends.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let ended = self.child.wait().is_ok_and(|status| status.success());
        assert!(ended || std::thread::panicking(), "a program did not end well");
    }
}

struct Page {
    folder: tempfile::TempDir,
    database: String,
    /// The real address behind each of the page's.
    addresses: HashMap<String, String>,
}

#[test]
fn the_page_works_as_it_is_written() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root().join("docs/guide/from-one-machine-to-many.md"))?;
    let mut page = Page { folder: tempfile::tempdir()?, database: fresh_url(), addresses: HashMap::new() };
    let (mut servers, mut printed) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("## ") {
            servers.clear();
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match info {
            "sh server" => {
                for line in block {
                    servers.push(page.serve(line)?);
                }
            }
            _ => {
                // What is moved is not in use: the page says to stop the shop first.
                if block.iter().any(|line| line.contains(" copy ")) {
                    servers.clear();
                }
                printed.push_str(&page.run(&block.join("\n"))?);
            }
        }
    }
    for text in ["copied and compared", "the log is whole", "nothing unusual", "payments.charge"] {
        anyhow::ensure!(printed.contains(text), "{text:?} was not printed, but:\n{printed}");
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn factum() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_orders")).with_file_name("factum")
}

impl Page {
    /// Starts a program on a free port, and remembers which of the page's it stands for.
    fn serve(&mut self, line: &str) -> anyhow::Result<Server> {
        let arguments = line.split_once(" -- ").map_or("", |(_, arguments)| arguments);
        let arguments = arguments.replace("\"$DATABASE\"", &self.database);
        let mut words: Vec<&str> = arguments.split_whitespace().collect();
        let mut address = ADDRESS;
        if let Some(at) = words.iter().position(|word| *word == "--listen") {
            address = words.remove(at + 1);
            words.remove(at);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command.args(["--listen", "127.0.0.1:0"]).args(words).current_dir(self.folder.path());
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut greeting = String::new();
        while !greeting.contains("http://") {
            anyhow::ensure!(
                output.read_line(&mut greeting)? > 0,
                "{line} ended, after printing {greeting:?}"
            );
        }
        let real =
            greeting.split("http://").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
        self.addresses.insert(address.to_owned(), real.to_owned());
        Ok(Server { child, _output: output })
    }

    /// Runs a block, failing on the first command that fails; answers what it printed.
    fn run(&self, block: &str) -> anyhow::Result<String> {
        let mut block = block.to_owned();
        for (said, real) in &self.addresses {
            block = block.replace(said, real);
        }
        let script = format!(
            r#"set -euo pipefail
            cargo() {{
                case "$*" in
                    "run --quiet --package factum-cli --features postgres -- "*) shift 7; "{}" "$@" ;;
                    *) echo "the page runs cargo $*, which this test does not know"; return 1 ;;
                esac
            }}
            {block}"#,
            factum().display()
        );
        let printed = self.folder.path().join("printed");
        let output = std::fs::File::create(&printed)?;
        let mut command = Command::new("bash");
        command.args(["-c", &script]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("NO_COLOR", "1").env("DATABASE", &self.database);
        let mut child = command.stdout(output.try_clone()?).stderr(output).spawn()?;
        let until = Instant::now() + BLOCK_MAX;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() > until {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let printed = std::fs::read_to_string(&printed)?;
        let is_well = status.is_some_and(|status| status.success());
        anyhow::ensure!(is_well, "{block}\nended with {status:?} after printing:\n{printed}");
        Ok(printed)
    }
}

//! Runs `docs/quickstart.md` as a newcomer would: every block of commands, in order, against a shop of its own.
//!
//! A block `sh` is run, `sh server` is the shop itself, `sh elsewhere` is left to the reader. Only the port differs
//! from the page, and `cargo run` starts the binaries that are built already.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest that the page may take: a minute of it waits for a dead letter.
const PAGE_MAX: Duration = Duration::from_secs(240);

/// What the page calls the shop's address.
const ADDRESS: &str = "127.0.0.1:8080";

struct Shop {
    child: Child,
    address: String,
    /// Held open: a shop that cannot print its greeting ends.
    output: BufReader<ChildStdout>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_quickstart_works_as_it_is_written() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(root().join("docs/quickstart.md"))?;
    assert_eq!(blocks(&page, "sh server"), ["cargo run -p orders\n"], "the page starts the shop once");
    let folder = tempfile::tempdir()?;
    let shop = open(folder.path())?;
    let script = script(&blocks(&page, "sh").concat(), &shop.address);
    let printed = run(&script, folder.path())?;
    for text in ["awaiting-payment", "order.placed", "payments.charge", "stock-reserved"] {
        assert!(printed.contains(text), "{text:?} was not printed, but:\n{printed}");
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fenced blocks of a page whose opening says exactly this.
fn blocks(page: &str, info: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(opening) = line.strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if opening == info {
            found.push(format!("{}\n", inside.join("\n")));
        }
    }
    found
}

/// Starts the shop on a free port and waits until it says that it listens.
fn open(folder: &Path) -> anyhow::Result<Shop> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.args(["--listen", "127.0.0.1:0"]).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut shop = Shop { child, address: String::new(), output };
    let mut line = String::new();
    while shop.output.read_line(&mut line)? > 0 {
        if let Some((_, rest)) = line.split_once("http://") {
            shop.address = rest.split([',', ' ', '\n']).next().unwrap_or_default().to_owned();
            return Ok(shop);
        }
    }
    anyhow::bail!("the shop ended before it listened, after printing:\n{line}")
}

/// The commands of the page, on another port, failing on the first that fails.
fn script(commands: &str, address: &str) -> String {
    let factum = Path::new(env!("CARGO_BIN_EXE_orders")).with_file_name("factum");
    let preface = format!(
        r#"set -euo pipefail
        cargo() {{
            case "$*" in
                "run --quiet --package factum-cli -- "*) shift 5; "{}" "$@" ;;
                *) echo "the page runs cargo $*, which this test does not know"; return 1 ;;
            esac
        }}
        curl() {{ command curl --fail-with-body "$@"; }}
        "#,
        factum.display()
    );
    format!("{preface}\n{}", commands.replace(ADDRESS, address))
}

fn run(script: &str, folder: &Path) -> anyhow::Result<String> {
    build_factum()?;
    let printed = folder.join("printed");
    let output = std::fs::File::create(&printed)?;
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    let mut child = command.stdout(output.try_clone()?).stderr(output).spawn()?;
    let until = Instant::now() + PAGE_MAX;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let printed = std::fs::read_to_string(&printed)?;
    let ended_well = status.is_some_and(|status| status.success());
    anyhow::ensure!(ended_well, "the page ended with {status:?} after printing:\n{printed}");
    Ok(printed)
}

/// Another crate's binary: there after a build of the workspace, but not after `cargo test -p orders` alone.
fn build_factum() -> anyhow::Result<()> {
    let factum = Path::new(env!("CARGO_BIN_EXE_orders")).with_file_name("factum");
    if !factum.exists() {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "factum-cli", "--bin", "factum"]).current_dir(root());
        anyhow::ensure!(command.status()?.success(), "factum does not build");
    }
    Ok(())
}

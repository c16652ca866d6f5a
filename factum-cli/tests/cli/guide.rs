//! The pages of `docs/guide` that speak of contracts: every command is run, in order, and prints what the page says.
//!
//! A block `sh` is run; the block `text` behind it is what it prints. A block `yaml` is a pipeline of GitHub Actions:
//! its `run:` lines are run in a clone. A list of commands with what each is for behind `#` is typed line by line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::terminal::Terminal;
use crate::{sagas, sample, workshop};

/// A block of a page.
pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) text: String,
}

pub(crate) fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide").join(name)
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        found.push(Block { info: info.to_owned(), text: format!("{}\n", inside.join("\n")) });
    }
    found
}

/// Runs pieces of shell one after the other in one shell, and answers what each printed.
pub(crate) fn run(pieces: &[&str], folder: &Path) -> Vec<String> {
    run_with(pieces, folder, &[])
}

/// The same where more is known of the machine.
fn run_with(pieces: &[&str], folder: &Path, environment: &[(&str, OsString)]) -> Vec<String> {
    let factum = Path::new(env!("CARGO_BIN_EXE_factum"));
    let script: String = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| format!("{{\n{piece}}} > \"$PRINTED/{index}\" 2>&1\n"))
        .collect();
    let printed = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", factum.parent().unwrap().display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder).env_clear().stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command.env("PATH", path).env("PRINTED", printed.path()).env("HOME", folder).env("COLUMNS", "110");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "ann").env(format!("GIT_{who}_EMAIL"), "ann@example.com");
    }
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let read = |index| std::fs::read_to_string(printed.path().join(format!("{index}"))).unwrap();
    (0..pieces.len()).map(read).collect()
}

/// The page with what its commands print today.
fn printed_today(text: &str, outputs: &[String]) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    let mut outputs = outputs.iter();
    let mut last: Option<&String> = None;
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(info) = line.strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (info, last.take()) {
            ("text", Some(printed)) => out.push_str(printed),
            _ => inside.iter().for_each(|line| out.extend([line, "\n"])),
        }
        if info == "sh" {
            last = outputs.next();
        }
        out.push_str("```\n");
    }
    out
}

/// Runs a page's commands in a folder, and holds the page to what they print; answers its blocks.
fn works_as_written(name: &str, folder: &Path) -> Vec<Block> {
    works_with(name, folder, &[])
}

fn works_with(name: &str, folder: &Path, environment: &[(&str, OsString)]) -> Vec<Block> {
    let path = page(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let all = blocks(&text);
    let commands: Vec<&str> =
        all.iter().filter(|block| block.info == "sh").map(|block| block.text.as_str()).collect();
    let outputs = run_with(&commands, folder, environment);
    let today = printed_today(&text, &outputs);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(&path, &today).unwrap();
    }
    assert_eq!(text, today, "run the test with INSTA_UPDATE=always, and read what changed");
    let silent = commands.iter().zip(&outputs).filter(|(_, output)| output.is_empty()).count();
    let told = all.windows(2).filter(|pair| pair[0].info == "sh" && pair[1].info == "text").count();
    assert_eq!(told + silent, commands.len(), "what is printed is on the page");
    all
}

#[test]
fn the_guide_to_catalog_pages_works_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let hotel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hotel/contracts");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(hotel).arg(folder.path().join("contracts"));
    assert!(copy.status().unwrap().success());
    works_as_written("catalog-pages.md", folder.path());
}

#[test]
fn the_guide_from_ten_lines_works_as_it_is_written() {
    let folder = workshop::workshop("from-ten-lines").join("shop");
    std::fs::create_dir(&folder).unwrap();
    workshop::lock(&folder);
    works_with("from-ten-lines.md", &folder, &workshop::environment());
}

#[test]
fn the_guide_to_reliability_works_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders/contracts");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(shop).arg(folder.path().join("contracts"));
    assert!(copy.status().unwrap().success());
    works_as_written("reliability.md", folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_to_migration_works_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    crate::migration::sources(folder.path());
    crate::migration::in_shadow(&folder.path().join("shop.db").display().to_string()).await;
    works_as_written("migration.md", folder.path());
}

/// The commands of a page's list that begins with these words: each without what it is for, and with the names of a test's
/// store in the place of the page's.
fn listed(name: &str, begins: &str, names: &[(&str, &str)]) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(page(name)).unwrap();
    let list = blocks(&text).into_iter().find(|block| block.text.starts_with(begins));
    let list = list.unwrap_or_else(|| panic!("{name} has no list that begins with `{begins}`"));
    let word = |word: &str| {
        let named = names.iter().find(|(shown, _)| *shown == word);
        named.map_or(word, |(_, real)| *real).to_owned()
    };
    let typed = |line: &str| {
        let command = line.split(" # ").next().unwrap_or(line);
        let words = command.split_whitespace().map(word).collect::<Vec<_>>();
        assert_eq!(words[0], "factum", "{line}");
        words[1..].to_vec()
    };
    list.text.lines().map(typed).collect()
}

/// Types a command; answers what it exited with, unless it could not run.
fn typed(terminal: &Terminal, command: &[String]) -> i32 {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let ended = terminal.command(&words).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let code = ended.status.code().unwrap();
    assert!(!error.contains("error"), "{words:?} exited with {code}, and said\n{out}{error}");
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_to_sagas_names_commands_that_do_it() {
    let shop = sagas::stuck().await;
    let names = [("42", "1"), ("43", "2"), ("answer", "payment")];
    let commands = listed("sagas.md", "factum sagas list", &names);
    let codes: Vec<i32> = commands.iter().map(|command| typed(&shop, command)).collect();
    assert_eq!(
        codes,
        [1, 1, 0, 0, 0, 0],
        "what is stuck is a finding, until somebody has said what to do: {commands:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_steps_end_with_commands_that_run() {
    let (shop, led) = (sample::shop().await, sagas::stuck().await);
    let groups = shop.json(&["dlq", "list"]);
    let group = groups["groups"][0]["fingerprint"].as_str().unwrap();
    let names = [
        ("5c20a3", group),
        ("ID", "checkout-3"),
        ("account-7", "order-3"),
        ("balances", "order-summary"),
        ("bank-backup.db", "shop-backup.db"),
    ];
    let commands = listed("ten-steps.md", "factum stats", &names);
    assert!(commands.len() >= 10, "{commands:?}");
    for command in &commands {
        let is_led = ["sagas", "timers"].contains(&command[0].as_str());
        typed(if is_led { &led } else { &shop }, command);
    }
    assert!(shop.folder().join("shop-backup.db").exists());
    assert_eq!(shop.json(&["dlq", "list"])["letters"], 0, "what was dead is tried again");
}

#[test]
fn the_ten_steps_take_the_types_of_their_example_from_its_contracts() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/event-sourcing-cqrs");
    let folder = Terminal::new();
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(example.join("contracts")).arg(folder.folder());
    assert!(copy.status().unwrap().success());
    std::fs::create_dir(folder.folder().join("src")).unwrap();
    for command in listed("ten-steps.md", "factum generate rust", &[]) {
        assert_eq!(typed(&folder, &command), 0);
    }
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    for file in ["src/contracts.rs", "src/contracts/account.rs"] {
        assert_eq!(read(folder.folder().join(file)), read(example.join(file)), "{file}");
    }
}

#[test]
fn the_guide_to_reviews_works_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    works_as_written("review.md", folder.path());
}

#[test]
fn the_guide_to_the_gate_works_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let all = works_as_written("contract-gate.md", folder.path());

    let actions = all.iter().find(|block| block.info == "yaml" && block.text.contains("jobs:"));
    let actions = actions.expect("the page has a pipeline");
    let steps: Vec<&str> =
        actions.text.lines().filter_map(|line| line.trim().strip_prefix("- run: ")).collect();
    let steps = steps.join("\n").replace("${{ github.base_ref }}", "main");
    assert!(steps.contains("--format github"), "{steps}");
    let clone = "git clone --quiet shop clone && cd clone && git checkout --quiet -b change\n";
    let step = format!("{steps}\necho \"exit $?\"\n");
    let broken = "sed 's/^version: 2 /version: 3 /; s/type: string, format: decimal/type: integer/; s/\"21.00\"/21/' \\\n\
        contracts/order.placed.v2.yaml > contracts/order.placed.v3.yaml\n";
    let printed = run(&[clone, &step, broken, &step], folder.path());
    assert_eq!(printed[1], "exit 0\n");
    assert!(
        printed[3].contains("::error file=contracts/order.placed.v3.yaml")
            && printed[3].ends_with("exit 1\n"),
        "{}",
        printed[3]
    );
}

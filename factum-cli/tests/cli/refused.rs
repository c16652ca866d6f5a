//! What cannot be reached, is not known, or is not done: each with its reason, what to type next, and its exit code.

use std::io::Write as _;

use insta::assert_snapshot;

use crate::look::shown;
use crate::sample::{empty, shop};
use crate::terminal::Terminal;

#[test]
fn a_missing_store_is_never_made() {
    let terminal = Terminal::new();
    let commands: &[&[&str]] = &[
        &["tail"],
        &["log"],
        &["stream", "order-1"],
        &["event", "1"],
        &["trace", "1"],
        &["search", "x"],
        &["stats"],
        &["consumers"],
        &["consumers", "pause", "stock"],
        &["consumers", "reset", "stock", "--to", "start"],
        &["projections"],
        &["projections", "rebuild", "order-summary"],
        &["dlq", "list"],
        &["dlq", "requeue", "--all"],
        &["replay", "--consumer", "stock", "--from-position", "1"],
        &["check"],
        &["backup", "copy.db"],
        &["doctor"],
        &["audit"],
    ];
    for command in commands {
        assert_eq!(terminal.code(command), 3, "{command:?}");
    }
    assert_eq!(std::fs::read_dir(terminal.folder()).unwrap().count(), 0);
    assert_snapshot!(shown!(terminal, ["log"], ["log", "--json"]));
}

#[test]
fn what_is_no_store_is_said_to_be_none() {
    let terminal = Terminal::new();
    let path = |name: &str| terminal.folder().join(name);
    std::fs::write(path("notes.txt"), "milk, eggs, and some more text than a header has\n".repeat(9))
        .unwrap();
    std::fs::write(path("empty.db"), "").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    assert_snapshot!(shown!(
        terminal,
        ["log", "--store", "notes.txt"],
        ["log", "--store", "empty.db"],
        ["log", "--store", "folder"],
        ["log", "--store", "notes.txt/shop.db"],
        ["log", "--store", "away/shop.db"],
        ["log", "--store", "memory:"],
        ["log", "--store", "mongodb://ann:s3cret@db.example/orders"],
        ["doctor", "--store", "notes.txt", "--json"],
    ));
    assert_eq!(std::fs::metadata(path("empty.db")).unwrap().len(), 0);
}

#[test]
fn no_store_named_is_a_usage_error() {
    let terminal = Terminal::new();
    let show =
        |terminal: &Terminal, args: &[&str]| terminal.show(args, &terminal.bare(args).output().unwrap());
    let mut text = show(&terminal, &["log"]);
    std::fs::write(terminal.folder().join("factum.toml"), "store = \n").unwrap();
    text.push_str(&show(&terminal, &["log"]));
    std::fs::write(terminal.folder().join("factum.toml"), "store = \"away.db\"\n").unwrap();
    text.push_str(&show(&terminal, &["log"]));
    assert_snapshot!(text);
}

#[test]
fn the_settings_of_a_folder_above_hold_below() {
    let terminal = empty();
    std::fs::write(terminal.folder().join("factum.toml"), "store = \"sqlite:shop.db\"\n[other]\nkey = 1\n")
        .unwrap();
    let below = terminal.folder().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let output = terminal.bare(&["stats"]).current_dir(below).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the log is empty\n");
}

#[tokio::test]
async fn what_is_not_known_gets_the_nearest_name() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["event", "99"],
        ["event", "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"],
        ["event", "order-1"],
        ["trace", "checkout-99"],
        ["stream", "order-99"],
        ["consumers", "pause", "stok"],
        ["consumers", "resume", "warehouse"],
        ["projections", "rebuild", "order-sumary"],
        ["dlq", "list", "--consumer", "stokc"],
        ["dlq", "show", "stock/01/9/p1"],
        ["dlq", "requeue", "stock/01/9/p1"],
        ["replay", "--consumer", "paymets", "--from-position", "1"],
        ["event", "99", "--json"],
    ));
}

#[tokio::test]
async fn what_would_do_harm_needs_a_word() {
    let shop = shop().await;
    assert_snapshot!(shown!(
        shop,
        ["replay", "--consumer", "stock", "--from-position", "1"],
        ["replay", "--consumer", "stock", "--from-position", "999"],
        ["consumers", "reset", "stock", "--to", "start"],
        ["consumers", "reset", "stock", "--to", "999"],
        ["dlq", "discard", "--parked", "--all"],
    ));
    std::fs::write(shop.folder().join("copy.db"), "mine").unwrap();
    assert_snapshot!(
        "a_copy_never_overwrites",
        shown!(shop, ["backup", "copy.db"], ["backup", "nowhere/copy.db"])
    );
}

#[tokio::test]
async fn damage_is_found_and_named() {
    let shop = shop().await;
    assert_eq!(shop.code(&["backup", "copy.db"]), 0);
    let path = shop.folder().join("copy.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let payload = br#""customer":"customer-3""#;
    let at = bytes.windows(payload.len()).position(|window| window == payload).unwrap();
    bytes[at + payload.len() - 2] = b'4';
    std::fs::write(&path, &bytes).unwrap();
    assert_snapshot!(shown!(
        shop,
        ["check", "--store", "copy.db"],
        ["check", "--store", "copy.db", "--json"],
    ));
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&[0xff; 4096]).unwrap();
    assert_eq!(shop.code(&["check", "--store", "copy.db"]), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_cannot_be_written_is_said_to_be_so() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    let shop = shop().await;
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let path = shop.folder().join("shop.db");
    let args = ["log"];
    // Root may write to anything: it hands the command to nobody.
    let is_root = chown(&path, Some(0), None).is_ok();
    let output = if is_root {
        let binary = shop.folder().join("factum");
        std::fs::copy(env!("CARGO_BIN_EXE_factum"), &binary).unwrap();
        allow(&binary, 0o755);
        allow(shop.folder(), 0o755);
        allow(&path, 0o644);
        let mut command = std::process::Command::new(&binary);
        command.args(args).env_clear().env("FACTUM_STORE", &path).current_dir(shop.folder());
        command.uid(65534).gid(65534).output().unwrap()
    } else {
        allow(&path, 0o444);
        shop.command(&args).output().unwrap()
    };
    assert_snapshot!(shop.show(&args, &output));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let shop = shop().await;
    let mut child = shop
        .command(&["log"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

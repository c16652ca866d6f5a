//! The menu, every command's help, and what a wrong command line is answered.

use insta::assert_snapshot;

use crate::look::shown;
use crate::terminal::Terminal;

/// Commands that stand at the end of a command line.
pub(crate) const COMMANDS: [&[&str]; 83] = [
    &["tail"],
    &["log"],
    &["stream"],
    &["stream", "verify"],
    &["stream", "state"],
    &["stream", "close"],
    &["stream", "reopen"],
    &["stream", "archive"],
    &["stream", "restore"],
    &["event"],
    &["trace"],
    &["search"],
    &["stats"],
    &["publish"],
    &["consumers"],
    &["consumers", "pause"],
    &["consumers", "resume"],
    &["consumers", "reset"],
    &["projections"],
    &["projections", "rebuild"],
    &["projections", "verify"],
    &["projections", "diff"],
    &["projections", "cut-over"],
    &["projections", "cancel"],
    &["projections", "drop"],
    &["sagas", "list"],
    &["sagas", "show"],
    &["sagas", "resume"],
    &["sagas", "cancel"],
    &["timers", "list"],
    &["timers", "move"],
    &["timers", "cancel"],
    &["dlq"],
    &["dlq", "list"],
    &["dlq", "show"],
    &["dlq", "requeue"],
    &["dlq", "discard"],
    &["replay"],
    &["forget"],
    &["keys"],
    &["keys", "move"],
    &["keys", "new"],
    &["keys", "rotate"],
    &["migrate"],
    &["check"],
    &["backup"],
    &["copy"],
    &["archive"],
    &["archive", "restore"],
    &["new"],
    &["design"],
    &["plan"],
    &["plan", "status"],
    &["plan", "verify"],
    &["scaffold"],
    &["contract", "new"],
    &["contract", "check"],
    &["contract", "diff"],
    &["contract", "history"],
    &["contract", "list"],
    &["contract", "recorded"],
    &["contract", "show"],
    &["contract", "import", "asyncapi"],
    &["generate", "rust"],
    &["generate", "asyncapi"],
    &["generate", "json-schema"],
    &["generate", "cloudevents"],
    &["generate", "mermaid"],
    &["generate", "docs"],
    &["generate", "typescript"],
    &["generate", "python"],
    &["migration", "plan"],
    &["migration", "status"],
    &["migration", "differences"],
    &["migration", "advance"],
    &["migration", "rollback"],
    &["reliability"],
    &["review"],
    &["doctor"],
    &["bench"],
    &["audit"],
    &["mcp"],
    &["completions"],
];

#[test]
fn without_a_command_there_is_a_menu_with_examples() {
    let terminal = Terminal::new();
    assert_snapshot!(shown!(terminal, [], ["--json"]));
}

#[test]
fn every_command_has_help() {
    let terminal = Terminal::new();
    let mut text = terminal.run(&["-h"]);
    for command in COMMANDS {
        let args: Vec<&str> = command.iter().copied().chain(["-h"]).collect();
        text.push_str(&terminal.run(&args));
    }
    assert_snapshot!(text);
}

#[test]
fn every_command_of_the_menu_exists_and_every_command_is_in_the_menu() {
    let terminal = Terminal::new();
    let menu = terminal.json(&[]);
    let mut menu: Vec<&str> =
        menu["modes"].as_array().unwrap().iter().map(|mode| mode["name"].as_str().unwrap()).collect();
    menu.sort_unstable();
    let mut known: Vec<&str> = COMMANDS.iter().map(|command| command[0]).collect();
    known.dedup();
    known.sort_unstable();
    assert_eq!(menu, known);
    for name in known {
        assert_eq!(terminal.code(&[name, "--help"]), 0, "{name}");
    }
}

#[test]
fn a_wrong_command_line_exits_2_and_suggests() {
    let terminal = Terminal::new();
    assert_snapshot!(shown!(
        terminal,
        ["tial"],
        ["log", "--typs", "order.placed"],
        ["log", "--last", "0"],
        ["log", "--types", "not a name"],
        ["log", "--since", "yesterday"],
        ["stream", "order"],
        ["dlq", "requeue"],
        ["dlq", "requeue", "some-letter", "--all"],
        ["dlq", "list", "--refused", "--parked"],
        ["replay", "--consumer", "stock"],
        ["replay", "--consumer", "stock", "--from-time", "12"],
        ["bench", "--seconds", "0"],
        ["completions", "dos"],
        ["tial", "--json"],
    ));
}

#[test]
fn completions_are_scripts_of_the_shell() {
    let terminal = Terminal::new();
    for (shell, sign) in [("bash", "_factum()"), ("zsh", "#compdef factum"), ("fish", "complete -c factum")] {
        let output = terminal.bare(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(sign), "{shell}");
    }
}

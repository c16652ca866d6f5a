//! The gate: contracts against git, folders and files, with every wrong input that a pipeline can hand it.

use std::process::{Command, Output};

use insta::assert_snapshot;

use crate::terminal::Terminal;

/// A repository with contracts, and the path that finds `git`.
struct Repository {
    terminal: Terminal,
}

const SYSTEM: &str = "system: shop\nservices: { orders: {}, payments: {} }\nconsumers:\n  payments.charge: { service: payments, on: [order.placed@1] }\n";

const PLACED: &str = r#"event: order.placed
version: 1
summary: A customer completed checkout.
owner: orders
key: orderId
lifecycle: { since: 2020-01-05 }
payload:
  type: object
  required: [orderId, total]
  properties:
    orderId: { type: string, role: identifier }
    total: { type: string, format: decimal }
    note: { type: string }
examples:
  - { orderId: "42", total: "21.00" }
"#;

impl Repository {
    /// With one contract, published on `main`.
    fn new() -> Self {
        let repository = Self { terminal: Terminal::new() };
        repository.write("contracts/system.yaml", SYSTEM);
        repository.write("contracts/order.placed.v1.yaml", PLACED);
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.commit("publish");
        repository
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.terminal.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.terminal.folder().join(path)).unwrap();
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=ann", "-c", "user.email=ann@example.com"]).args(args);
        let output = command.current_dir(self.terminal.folder()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, title: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", title]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.terminal.command(args);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        self.terminal.show(args, &self.output(args))
    }

    fn code(&self, args: &[&str]) -> i32 {
        self.output(args).status.code().unwrap()
    }
}

/// The second version asks for the note.
fn broken_v2() -> String {
    PLACED
        .replace("version: 1", "version: 2")
        .replace("[orderId, total]", "[orderId, total, note]")
        .replace("total: \"21.00\" }", "total: \"21.00\", note: gift }")
        .replace("since: 2020-01-05", "since: 2020-03-01")
}

fn good_v2() -> String {
    PLACED
        .replace("version: 1", "version: 2")
        .replace("    note: { type: string }\n", "    note: { type: string }\n    gift: { type: boolean }\n")
}

#[test]
fn a_breaking_version_closes_the_gate_with_a_counterexample() {
    let repository = Repository::new();
    let check = ["contract", "check", "--against", "main", "--frozen"];
    let clean = repository.run(&check);
    repository.write("contracts/order.placed.v2.yaml", &broken_v2());
    let broken = repository.run(&check);
    repository.write("contracts/order.placed.v2.yaml", &good_v2());
    let good = repository.run(&check);
    assert_snapshot!([clean, broken, good].join("\n"));
}

#[test]
fn a_finding_has_four_forms() {
    let repository = Repository::new();
    repository.write("contracts/order.placed.v2.yaml", &broken_v2());
    let of = |format: &str| repository.run(&["contract", "check", "--against", "main", "--format", format]);
    assert_snapshot!(["json", "github", "sarif"].map(of).join("\n"));
    let sarif = repository.output(&["contract", "check", "--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let uri = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri";
    let uris: Vec<&str> = (0..9)
        .filter_map(|at| log.pointer(&uri.replace("results/0", &format!("results/{at}")))?.as_str())
        .collect();
    assert!(uris.contains(&"contracts/order.placed.v2.yaml"), "{uris:?}");
    assert_eq!(repository.code(&["contract", "check", "--json", "--format", "sarif"]), 2);
}

#[test]
fn published_contracts_stay_and_mean_what_they_meant() {
    let repository = Repository::new();
    let check = ["contract", "check", "--against", "main", "--frozen"];
    let edited = PLACED.replace("note: { type: string }", "note: { type: string, maxLength: 40 }");
    repository.write("contracts/order.placed.v1.yaml", &edited);
    let frozen = repository.run(&check);
    let thawed = repository.run(&check[..4]);
    let wording = PLACED.replace("A customer completed checkout.", "Somebody bought something.");
    repository.write("contracts/order.placed.v1.yaml", &wording);
    let worded = repository.run(&check);
    repository.remove("contracts/order.placed.v1.yaml");
    repository.write("contracts/system.yaml", "system: shop\nservices: { orders: {} }\n");
    let gone = repository.run(&check);
    assert_snapshot!([frozen, thawed, worded, gone].join("\n"));
}

#[test]
fn a_renamed_file_windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let repository = Repository::new();
    repository.remove("contracts/order.placed.v1.yaml");
    let windows = format!("\u{feff}{}", PLACED.replace('\n', "\r\n"));
    repository.write("contracts/orders/placed.yaml", &windows);
    let check = ["contract", "check", "--against", "main", "--frozen"];
    assert_eq!(repository.code(&check), 0, "{}", repository.run(&check));
    repository.commit("windows");
    repository.remove("contracts/orders/placed.yaml");
    repository.write("contracts/order.placed.v1.yaml", PLACED);
    assert_eq!(repository.code(&check), 0, "{}", repository.run(&check));
}

#[test]
fn a_version_gap_is_a_finding() {
    let repository = Repository::new();
    repository.write("contracts/order.placed.v3.yaml", &good_v2().replace("version: 2", "version: 3"));
    assert_snapshot!(repository.run(&["contract", "check", "--against", "main"]));
}

#[test]
fn a_reference_may_be_a_folder_a_file_or_a_revision_with_a_path() {
    let repository = Repository::new();
    repository.write("before/system.yaml", SYSTEM);
    repository.write("before/order.placed.v1.yaml", PLACED);
    repository.write("contracts/order.placed.v2.yaml", &broken_v2());
    repository.write("main", "a file with the name of a branch: no contract\n");
    let of = |what: &str| {
        repository
            .run(&["contract", "check", "contracts", "--against", what])
            .lines()
            .last()
            .map(str::to_owned)
            .unwrap()
    };
    for what in [
        "before",
        "before/order.placed.v1.yaml",
        "git:main",
        "HEAD",
        "main:contracts",
        "HEAD:contracts/order.placed.v1.yaml",
    ] {
        assert_eq!(
            of(what),
            "[exit 1]",
            "{what}: {}",
            repository.run(&["contract", "check", "--against", what])
        );
    }
    // The file is taken before the branch of the same name.
    assert_eq!(of("main"), "[exit 2]");
}

#[test]
fn a_folder_that_was_not_there_yet_is_all_new_and_says_so() {
    let repository = Repository::new();
    repository.write("other/system.yaml", SYSTEM);
    repository.write("other/order.placed.v1.yaml", PLACED);
    assert_snapshot!(repository.run(&["contract", "check", "other", "--against", "main"]));
}

#[test]
fn what_keeps_the_gate_from_its_work_exits_2() {
    let repository = Repository::new();
    let broken = PLACED.replace("version: 1", "version: [1");
    repository.write("contracts/order.placed.v1.yaml", &broken);
    repository.commit("broken");
    repository.git(&["branch", "broken"]);
    repository.write("contracts/order.placed.v1.yaml", PLACED);
    std::fs::create_dir(repository.terminal.folder().join("empty")).unwrap();
    let mut shown = vec![
        repository.run(&["contract", "check", "--against", "broken"]),
        repository.run(&["contract", "check", "--against", "broken", "--json"]),
        repository.run(&["contract", "check", "--against", "mian"]),
        repository.run(&["contract", "check", "--against", "no-such-thing"]),
        repository.run(&["contract", "check", "--against", "main:nowhere"]),
        repository.run(&["contract", "check", "--against", "main:../elsewhere"]),
        repository.run(&["contract", "check", "--against", "git:--output=x"]),
        repository.run(&["contract", "check", "--frozen"]),
        repository.run(&["contract", "check", "nowhere"]),
        repository.run(&["contract", "check", "empty"]),
        repository.run(&["contract", "check", "--against", "empty"]),
    ];
    let mut without_git = repository.terminal.command(&["contract", "check", "--against", "main"]);
    shown.push(repository.terminal.show(
        &["contract", "check", "--against", "main"],
        &without_git.env("PATH", "nowhere").output().unwrap(),
    ));
    assert!(shown.iter().all(|text| text.contains("[exit 2]")), "{}", shown.join("\n"));
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn outside_of_a_repository_and_in_a_shallow_one_it_is_said_what_to_do() {
    let repository = Repository::new();
    let outside = Repository { terminal: Terminal::new() };
    outside.write("contracts/system.yaml", SYSTEM);
    // The system's temporary folder might be in somebody's repository.
    let mut command = outside.command(&["contract", "check", "--against", "main"]);
    command.env("GIT_CEILING_DIRECTORIES", outside.terminal.folder().parent().unwrap());
    let alone =
        outside.terminal.show(&["contract", "check", "--against", "main"], &command.output().unwrap());
    repository.git(&["checkout", "--quiet", "-b", "work"]);
    repository.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    let from = format!("file://{}", repository.terminal.folder().display());
    let shallow = Repository { terminal: Terminal::new() };
    shallow.git(&["clone", "--quiet", "--depth", "1", "--branch", "work", &from, "."]);
    let said = shallow.run(&["contract", "check", "--against", "main"]);
    let whole = Repository { terminal: Terminal::new() };
    whole.git(&["clone", "--quiet", "--branch", "work", &from, "."]);
    let near = whole.run(&["contract", "check", "--against", "main"]);
    assert_eq!(whole.code(&["contract", "check", "--against", "origin/main"]), 0);
    assert_snapshot!([alone, said, near].join("\n"));
}

#[test]
fn a_hook_of_git_runs_the_gate() {
    let repository = Repository::new();
    repository.write("contracts/order.placed.v2.yaml", &broken_v2());
    let mut command = repository.command(&["contract", "check", "--against", "HEAD"]);
    // As git sets them for its hooks.
    command.env("GIT_DIR", ".git").env("GIT_INDEX_FILE", ".git/index").env("GIT_PREFIX", "");
    assert_eq!(command.output().unwrap().status.code(), Some(1));
}

#[test]
fn contracts_and_schemas_are_compared_change_by_change() {
    let repository = Repository::new();
    let v2 = broken_v2().replace("owner: orders", "owner: payments\ntopic: shop.orders");
    repository.write("contracts/order.placed.v2.yaml", &v2);
    repository.write(
        "old.json",
        r#"{ "type": "object", "properties": { "total": { "type": "number" } }, "required": ["total"] }"#,
    );
    repository
        .write("new.yaml", "type: object\nproperties: { total: { type: integer } }\nrequired: [total]\n");
    let shown = [
        repository.run(&["contract", "diff", "order.placed.v1", "order.placed.v2"]),
        repository.run(&[
            "contract",
            "diff",
            "main:contracts/order.placed.v1.yaml",
            "contracts/order.placed.v2.yaml",
            "--mode",
            "forward",
            "--json",
        ]),
        repository.run(&["contract", "diff", "order.placed@1", "order.placed.v1"]),
        repository.run(&["contract", "diff", "old.json", "new.yaml"]),
        repository.run(&[
            "contract", "diff", "new.yaml", "old.json", "--mode", "full", "--policy", "lenient", "--json",
        ]),
        repository.run(&["contract", "diff", "new.yaml", "old.json"]),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_cannot_be_compared_is_said_and_exits_2() {
    let repository = Repository::new();
    repository.write("schema.json", "{}");
    repository.write("broken.json", "{");
    let shown = [
        repository.run(&["contract", "diff", "schema.json", "order.placed.v1"]),
        repository.run(&["contract", "diff", "broken.json", "schema.json"]),
        repository.run(&["contract", "diff", "away.json", "schema.json"]),
        repository.run(&["contract", "diff", "contracts", "schema.json"]),
        repository.run(&["contract", "diff", "order.placd.v1", "order.placed.v1"]),
        repository.run(&["contract", "diff", "main:away.json", "schema.json"]),
        repository.run(&["contract", "diff", "schema.json"]),
        repository.run(&["contract", "diff", "schema.json", "schema.json", "--mode", "sideways"]),
        repository.run(&["contract", "diff", "--pairs", "broken.json"]),
    ];
    assert!(shown.iter().all(|text| text.contains("[exit 2]")), "{}", shown.join("\n"));
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn many_pairs_are_judged_from_lines() {
    let repository = Repository::new();
    let pairs = [
        r#"{"id":1,"old":{"type":"integer"},"new":{"type":"number"}}"#,
        r#"{"id":"b","old":{"type":"number"},"new":{"type":"integer"}}"#,
        "",
        r#"{"id":null,"old":{"type":"string","pattern":"^(?=a)b"},"new":{"type":"string","pattern":"^(?=b)a","minLength":1}}"#,
    ];
    repository.write("pairs.jsonl", &pairs.join("\n"));
    repository.write("one.jsonl", pairs[0]);
    assert_snapshot!(repository.run(&["contract", "diff", "--pairs", "pairs.jsonl"]));
    assert_eq!(repository.code(&["contract", "diff", "--pairs", "one.jsonl"]), 0);
    assert_eq!(repository.code(&["contract", "diff", "--pairs", "one.jsonl", "--mode", "full"]), 1);
}

#[test]
fn a_history_tells_every_version() {
    let repository = Repository::new();
    let v1 =
        PLACED.replace("since: 2020-01-05", "since: 2020-01-05, deprecated: 2020-02-01, sunset: 2999-01-01");
    repository.write("contracts/order.placed.v1.yaml", &v1);
    repository.write("contracts/order.placed.v2.yaml", &broken_v2());
    let v3 = good_v2()
        .replace("version: 2", "version: 3\ncompatibility: none")
        .replace("since: 2020-01-05", "since: 2999-01-01");
    repository.write("contracts/order.placed.v3.yaml", &v3);
    let shown = [
        repository.run(&["contract", "history", "order.placed"]),
        repository.run(&["contract", "history", "order.placed", "--json"]),
        repository.run(&["contract", "history", "order.placd"]),
        repository.run(&["contract", "show", "order.placed.v1"]),
        repository.run(&["contract", "show", "order.placed.v1", "--json"]),
    ];
    assert_snapshot!(shown.join("\n"));
}

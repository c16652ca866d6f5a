//! What is broken, empty, binary, endless or meaningless, handed to every mode that could be given it.

use insta::assert_snapshot;

use crate::look::shown;
use crate::terminal::Terminal;

const BROKEN: &str = "asyncapi: 3.0.0\nchannels: [\n";
const CYCLIC: &str = "asyncapi: 3.0.0\ninfo: { title: trees, version: \"1\" }\nchannels:\n  tree:\n    address: tree.grown\n    messages:\n      grown: { name: tree.grown, payload: { $ref: \"#/components/schemas/Node\" } }\noperations:\n  send: { action: send, channel: { $ref: \"#/channels/tree\" }, messages: [{ $ref: \"#/channels/tree/messages/grown\" }] }\ncomponents:\n  schemas:\n    Node: { type: object, required: [id], properties: { id: { type: string }, next: { $ref: \"#/components/schemas/Node\" } } }\n";

fn untidy() -> Terminal {
    let terminal = Terminal::new();
    let folder = terminal.folder().to_owned();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let binary = b"\x89PNG\r\n\x1a\n\0\0\0\xff\xfe";
    for name in ["binary.txt", "binary.md", "binary.yaml", "binary.ts", "binary.feature"] {
        write(name, binary);
    }
    write("empty.txt", b"");
    write("lorem.txt", b"Lorem ipsum dolor sit amet,\nconsectetur adipiscing elit.\n");
    write(
        "slices.md",
        b"# Orders\n## Slice 1: place\n## Slice 2: pay\n- [ ] on `order.placed` publishes `order.paid`\n",
    );
    write("broken.yaml", BROKEN.as_bytes());
    write("cyclic.yaml", CYCLIC.as_bytes());
    write("broken/system.yaml", b"system: [\n");
    write("broken/readme.md", b"text");
    write("code/a.ts", b"function ( {{{ ]]\n");
    terminal
}

#[test]
fn a_design_says_what_it_understood() {
    let terminal = untidy();
    assert_snapshot!(shown!(
        terminal,
        ["design", "binary.txt"],
        ["design", "empty.txt"],
        ["design", "lorem.txt"],
        ["design", "lorem ipsum dolor"],
        ["design", "nowhere.txt"],
        ["design", "code"],
        ["design", "--from-code", "code"],
        ["design", "--from-code", "nowhere"],
        ["design", "--from-asyncapi", "binary.yaml"],
        ["design", "--from-asyncapi", "broken.yaml"],
        ["design", "--from-asyncapi", "cyclic.yaml", "--dry-run"],
        ["design", "--from-asyncapi", "nowhere.yaml"],
    ));
}

#[test]
fn a_plan_says_what_it_read() {
    let terminal = untidy();
    assert_snapshot!(shown!(
        terminal,
        ["plan", "binary.md", "--slice", "1"],
        ["plan", "binary.feature", "--slice", "1"],
        ["plan", "empty.txt", "--slice", "1"],
        ["plan", "lorem.txt", "--slice", "1"],
        ["plan", "slices.md", "--slice", "1"],
        ["plan", "slices.md", "--slice", "9"],
        ["plan", "slices.md", "--slice", "2", "--contracts", "nowhere"],
        ["plan", "slices.md", "--slice", "2", "--contracts", "broken"],
        ["plan", "slices.md", "--slice", "2", "--code", "nowhere"],
        ["plan", "code", "--slice", "1"],
        ["plan", "status", "code"],
        ["plan", "verify", "code"],
    ));
}

#[test]
fn a_review_says_what_it_cannot_look_at() {
    let terminal = untidy();
    assert_snapshot!(shown!(
        terminal,
        ["review", "binary.txt"],
        ["review", "binary.ts"],
        ["review", "lorem.txt"],
        ["review", "empty.txt"],
        ["review", "broken.yaml"],
        ["review", "cyclic.yaml", "--only", "schema"],
        ["review", "code"],
    ));
}

#[test]
fn the_other_modes_say_what_is_wrong_with_their_input() {
    let terminal = untidy();
    assert_snapshot!(shown!(
        terminal,
        ["contract", "check", "broken"],
        ["contract", "check", "binary.yaml"],
        ["contract", "import", "asyncapi", "binary.yaml", "--out", "imported"],
        ["contract", "import", "asyncapi", "cyclic.yaml", "--out", "imported"],
        ["generate", "rust", "--contracts", "broken", "--out", "made"],
        ["scaffold", "consumer", "mail.send", "order.placed", "--contracts", "broken"],
        ["scaffold", "consumer", "mail.send", "order.placed"],
        ["reliability", "--contracts", "broken"],
        ["reliability", "payments", "--contracts", "nowhere"],
        ["reliability", "webhook ingestion", "--simulate", "outage=abc"],
        ["migration", "plan", "email-sync", "--call", "send_email", "--source", "nowhere"],
        ["migration", "plan", "email-sync", "--call", "send_email", "--contracts", "broken"],
        ["publish", "binary.txt", "--store", "memory:"],
        ["new", "Shop"],
        ["new", "code"],
    ));
}

/// Where there is too much, it is said: what is left out is never left out in silence.
#[test]
fn a_folder_of_a_hundred_thousand_files_is_read_in_part_or_refused() {
    let terminal = untidy();
    let many = terminal.folder().join("many");
    for part in 0..100 {
        let folder = many.join(format!("part{part:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        let first = folder.join("n000.ts");
        std::fs::write(&first, "await producer.publish('order.placed', data);\n").unwrap();
        for index in 1..1_000 {
            std::fs::hard_link(&first, folder.join(format!("n{index:03}.ts"))).unwrap();
        }
    }
    let said = |args: &[&str]| {
        let answer = terminal.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (answer.status.code(), text(&answer.stdout) + &text(&answer.stderr))
    };
    let (code, text) = said(&["review", "many"]);
    assert!(code == Some(2) && text.contains("holds more than 50000 source files"), "{text}");
    let (code, text) = said(&["design", "--from-code", "many", "--dry-run"]);
    assert!(
        code == Some(0) && text.contains("has more than 20000 files, and the rest was not read"),
        "{text}"
    );
    let (code, text) = said(&["plan", "slices.md", "--slice", "2", "--code", "many", "--dry-run"]);
    assert!(code == Some(0) && text.contains("Read: the first 20000 files alone"), "{text}");
    let args = ["migration", "plan", "email-sync", "--call", "publish", "--source", "many", "--dry-run"];
    let (code, text) = said(&args);
    assert!(code == Some(0) && text.contains("There are more; only the first are shown"), "{text}");
    let (code, text) = said(&["contract", "check", "many"]);
    assert!(code == Some(2) && text.contains("holds no .yaml, .yml or .json files"), "{text}");
}

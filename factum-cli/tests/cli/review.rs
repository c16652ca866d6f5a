//! `factum review` at the command line: what it takes, what it prints, and what it answers to broken inputs.

use insta::assert_snapshot;

use crate::look::shown;
use crate::sample::shop;
use crate::terminal::Terminal;

fn with(files: &[(&str, &[u8])]) -> Terminal {
    let terminal = Terminal::new();
    for (path, bytes) in files {
        let path = terminal.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    terminal
}

const SYSTEM: &[u8] = b"system: shop\nservices: { orders: { emits: [order.place] }, mail: {} }\nconsumers:\n  mail.letters:\n    service: mail\n    on: [order.place]\n";
const PLACE: &[u8] = b"event: order.place\nversion: 1\nowner: orders\npayload: { type: object, required: [orderId], properties: { orderId: { type: string }, placedAt: { type: string } } }\n";

#[test]
fn findings_come_the_worst_first_with_their_lines() {
    let terminal = with(&[("contracts/system.yaml", SYSTEM), ("contracts/order.place.v1.yaml", PLACE)]);
    assert_snapshot!(shown!(
        terminal,
        ["review"],
        ["review", "contracts", "--format", "github"],
        ["review", "--only", "name", "--json"],
        ["review", "--checklist"],
        ["review", "--fix", "--dry-run"],
        ["review", "dead letters"],
    ));
}

#[test]
fn sarif_names_files_from_the_root_of_the_repository() {
    let terminal = with(&[("contracts/system.yaml", SYSTEM), ("contracts/order.place.v1.yaml", PLACE)]);
    let output = terminal.command(&["review", "contracts", "--format", "sarif"]).output().unwrap();
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let uri = log.pointer("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri").unwrap();
    assert!(uri.as_str().unwrap().starts_with("contracts/"), "{uri}");
}

#[test]
fn what_cannot_be_reviewed_is_said_with_what_to_type() {
    let cyclic = b"event: tree.grown\nversion: 1\nowner: orders\nkey: id\npayload:\n  type: object\n  required: [id]\n  properties:\n    id: { type: string }\n    node: { $ref: \"#/$defs/Node\" }\n  $defs:\n    Node: { type: object, properties: { next: { $ref: \"#/$defs/Node\" } } }\n";
    let terminal = with(&[
        ("picture.yaml", b"\x89PNG\r\n\x1a\n\0\0\0"),
        ("notes.txt", b"nothing"),
        ("logo.svg", b"<svg/>"),
        ("empty/readme.md", b"# nothing"),
        ("broken/system.yaml", b"system: [\n"),
        ("cyclic/system.yaml", b"system: shop\nservices: { orders: {} }\n"),
        ("cyclic/tree.grown.v1.yaml", cyclic),
    ]);
    assert_snapshot!(shown!(
        terminal,
        ["review", "picture.yaml"],
        ["review", "notes.txt"],
        ["review", "logo.svg"],
        ["review", "empty"],
        ["review", "not/there"],
        ["review", "broken"],
        ["review", "cyclic", "--only", "schema"],
        ["review", "--explain", "name/comand"],
        ["review", "--only", "nmae"],
        ["review", "xyzzy"],
        ["review", "cyclic", "--baseline", "none.json"],
    ));
}

#[test]
fn documents_of_other_tools_are_reviewed() {
    let drawing =
        b"flowchart LR\n  orders[Orders] -->|order.placed| mail[Mail]\n  orders -->|send.mail| mail\n";
    let terminal = with(&[("flow.mmd", drawing)]);
    let light = Terminal::contracts().join("../asyncapi/light.yaml").display().to_string();
    assert_snapshot!(shown!(terminal, ["review", "flow.mmd", "--only", "name,event"]));
    assert!(terminal.json(&["review", &light])["contracts"].as_u64().unwrap() > 0);
}

#[test]
fn the_words_on_a_wall_are_reviewed_before_they_become_a_catalog() {
    let wall = b"system shop\nteam checkout: Orders\nOrders: place order -> order.placed [orderId, data:text!]\nMail: on order.placed -> send mail [orderId]\nOrders: on payment.approved -> order updated [orderId]\n";
    let terminal = with(&[("wall.txt", wall)]);
    assert_snapshot!(shown!(terminal, ["review", "wall.txt"]));
    assert!(!terminal.folder().join("contracts").exists(), "a review writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_store_has_recorded_with_other_content_is_found() {
    let terminal = crate::sample::empty();
    crate::sample::record(&terminal).await;
    let copy = terminal.folder().join("contracts");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(Terminal::contracts()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // A description is no content; the longest amount is.
        let text = text.replace("summary:", "summary: Indeed,");
        std::fs::write(copy.join(path.file_name().unwrap()), text).unwrap();
    }
    let args = ["review", "contracts", "--live", "shop.db", "--only", "compat/version-skipped-or-reused"];
    let same = terminal.json(&args);
    assert_eq!(same["findings"], serde_json::json!([]), "{same}");
    let placed = copy.join("order.placed.v1.yaml");
    let text = std::fs::read_to_string(&placed).unwrap();
    let changed = text.replacen("maxLength: 60", "maxLength: 61", 1);
    assert_ne!(text, changed);
    std::fs::write(&placed, changed).unwrap();
    let found = terminal.json(&args);
    let rules: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|found| found["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["compat/version-skipped-or-reused"], "{found}");
    assert!(found["findings"][0]["message"].as_str().unwrap().contains("order.placed.v1 with other content"));
}

#[tokio::test]
async fn what_a_store_holds_is_compared_with_what_is_declared() {
    let shop = shop().await;
    let write =
        |name: &str, text: &str| std::fs::write(shop.folder().join("drawn").join(name), text).unwrap();
    std::fs::create_dir(shop.folder().join("drawn")).unwrap();
    write(
        "system.yaml",
        "system: shop\nservices: { orders: { emits: [order.placed, order.shipped] }, packing: {} }\nconsumers:\n  packing: { service: packing, on: [order.placed, order.shipped] }\n",
    );
    write("order.placed.v1.yaml", "event: order.placed\nversion: 1\n");
    write("order.shipped.v1.yaml", "event: order.shipped\nversion: 1\n");
    assert_snapshot!(shown!(
        shop,
        ["review", "drawn", "--live", "shop.db", "--only", "code"],
        ["review", "drawn", "--live", "away.db", "--only", "code"],
        ["review", "drawn", "--live", "kafka://ann:secret@broker:9092"],
    ));
}

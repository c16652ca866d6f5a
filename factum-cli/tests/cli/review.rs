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
        ("empty/readme.md", b"# nothing"),
        ("broken/system.yaml", b"system: [\n"),
        ("cyclic/system.yaml", b"system: shop\nservices: { orders: {} }\n"),
        ("cyclic/tree.grown.v1.yaml", cyclic),
    ]);
    assert_snapshot!(shown!(
        terminal,
        ["review", "picture.yaml"],
        ["review", "notes.txt"],
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
    ));
}

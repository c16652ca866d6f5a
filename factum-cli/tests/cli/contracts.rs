//! Contracts and what is made of them: check, list, show, generate, publish.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::look::shown;
use crate::sample::{empty, record};
use crate::terminal::Terminal;

fn contracts() -> String {
    Terminal::contracts().display().to_string()
}

#[test]
fn contracts_are_checked_listed_and_shown() {
    let terminal = Terminal::new();
    let at = contracts();
    assert_snapshot!(shown!(
        terminal,
        ["contract", "check", &at],
        ["contract", "check", &at, "--json"],
        ["contract", "list", &at],
        ["contract", "list", "--contracts", &at, "--json"],
        ["contract", "show", "order.placed", &at],
        ["contract", "show", "order.placed.v1", &at, "--json"],
    ));
}

#[test]
fn what_is_wrong_with_contracts_is_shown_in_its_line() {
    let terminal = Terminal::new();
    let at = terminal.folder().join("contracts");
    std::fs::create_dir(&at).unwrap();
    for name in ["system.yaml", "order.placed.v1.yaml", "payment.approved.v1.yaml"] {
        std::fs::copy(Terminal::contracts().join(name), at.join(name)).unwrap();
    }
    let file = at.join("order.placed.v1.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("owner: orders", "ownr: orders");
    std::fs::write(&file, text).unwrap();
    assert_snapshot!(shown!(
        terminal,
        ["contract", "check"],
        ["contract", "list"],
        ["contract", "check", "nowhere"],
        ["contract", "check", "--json"],
        ["generate", "rust", "--out", "."],
    ));
    let at = contracts();
    assert_snapshot!(
        "an_unknown_contract",
        shown!(
            terminal,
            ["contract", "show", "order.plced", &at],
            ["contract", "show", "order.placed.v7", &at],
        )
    );
}

#[test]
fn generated_code_is_written_and_checked_fresh() {
    let terminal = Terminal::new();
    let at = contracts();
    std::fs::create_dir(terminal.folder().join("src")).unwrap();
    let first = shown!(
        terminal,
        ["generate", "rust", "--contracts", &at, "--out", "src", "--check"],
        ["generate", "rust", "--contracts", &at, "--out", "src"],
        ["generate", "rust", "--contracts", &at, "--out", "src"],
        ["generate", "rust", "--contracts", &at, "--out", "src", "--check"],
        ["generate", "rust", "--contracts", &at, "--out", "nowhere"],
    );
    let file = terminal.folder().join("src/contracts/order.rs");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}// mine\n")).unwrap();
    let second =
        shown!(terminal, ["generate", "rust", "--contracts", &at, "--out", "src", "--check", "--json"]);
    std::fs::write(&file, "// mine\n").unwrap();
    let third = shown!(terminal, ["generate", "rust", "--contracts", &at, "--out", "src"]);
    assert_snapshot!([first, second, third].join("\n"));
}

#[test]
fn documents_are_written_and_checked_fresh() {
    let terminal = Terminal::new();
    let at = contracts();
    let mut text = String::new();
    for target in ["asyncapi", "json-schema", "cloudevents", "mermaid"] {
        text.push_str(&shown!(
            terminal,
            ["generate", target, "--contracts", &at, "--out", ".", "--check"],
            ["generate", target, "--contracts", &at, "--out", "."],
            ["generate", target, "--contracts", &at, "--out", "."],
            ["generate", target, "--contracts", &at, "--out", ".", "--check"],
        ));
    }
    let file = terminal.folder().join("mermaid/event-flow.mmd");
    let drawn = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{drawn}%% mine\n")).unwrap();
    std::fs::write(terminal.folder().join("asyncapi.yaml"), "asyncapi: 3.1.0 # mine\n").unwrap();
    text.push_str(&shown!(
        terminal,
        ["generate", "mermaid", "--contracts", &at, "--out", ".", "--check"],
        ["generate", "asyncapi", "--contracts", &at, "--out", "."],
    ));
    assert_snapshot!(text);
}

#[test]
fn a_document_goes_where_its_file_says() {
    let terminal = Terminal::new();
    let at = contracts();
    let text = shown!(
        terminal,
        ["generate", "asyncapi", "--contracts", &at, "--out", "shop.json"],
        ["generate", "asyncapi", "--contracts", &at, "--out", "shop.json", "--format", "yaml"],
        ["generate", "asyncapi", "--contracts", &at, "--out", ".", "--format", "json"],
        ["generate", "asyncapi", "--contracts", &at, "--out", "away/shop.yaml"],
        ["generate", "asyncapi", "--contracts", &at, "--out", ".", "--server", "nats://me:secret@host"],
        ["generate", "asyncapi", "--contracts", &at, "--out", ".", "--server", "mqtt://host"],
        ["generate", "asyncapi", "--contracts", &at, "--out", ".", "--contact-email", "ann"],
    );
    for file in ["shop.json", "asyncapi.json"] {
        let text = std::fs::read_to_string(terminal.folder().join(file)).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["asyncapi"].is_string());
    }
    assert_snapshot!(text);
}

#[test]
fn pages_are_written_and_checked_fresh() {
    let terminal = Terminal::new();
    let at = contracts();
    let first = shown!(
        terminal,
        ["generate", "docs", "--contracts", &at, "--out", "pages", "--check"],
        ["generate", "docs", "--contracts", &at, "--out", "pages"],
        ["generate", "docs", "--contracts", &at, "--out", "pages"],
        ["generate", "docs", "--contracts", &at, "--out", "pages", "--check"],
        ["generate", "docs", "--contracts", &at, "--out", "."],
    );
    let page = terminal.folder().join("pages/services/orders.html");
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, format!("{text}<!-- mine -->\n")).unwrap();
    let second = shown!(terminal, ["generate", "docs", "--contracts", &at, "--out", "pages", "--check"]);
    std::fs::write(&page, "<!-- mine -->\n").unwrap();
    let third = shown!(terminal, ["generate", "docs", "--contracts", &at, "--out", "pages"]);
    let rest = terminal.folder().join("notes");
    std::fs::create_dir(&rest).unwrap();
    std::fs::write(rest.join("notes.md"), "mine").unwrap();
    let fourth = shown!(terminal, ["generate", "docs", "--contracts", &at, "--out", "notes"]);
    assert_snapshot!([first, second, third, fourth].join("\n"));
}

/// Blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_guide_to_typescript_and_python_is_as_it_says() {
    let terminal = Terminal::new();
    let path = "../docs/guide/typescript-and-python.md";
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    std::fs::write(terminal.folder().join("shop.yaml"), &blocks(&page, "yaml")[0]).unwrap();
    let commands = blocks(&page, "sh");
    let shown: Vec<String> = commands[0]
        .lines()
        .map(|line| terminal.run(&line.split_whitespace().skip(1).collect::<Vec<_>>()))
        .collect();
    assert_snapshot!(shown.join("\n"));
    let module = std::fs::read_to_string(terminal.folder().join("web/events/order.ts")).unwrap();
    assert!(module.contains("export function createOrderPlaced("), "{module}");
}

#[test]
fn what_cannot_be_generated_is_said_with_its_place() {
    let terminal = Terminal::new();
    let write = |name: &str, text: &str| std::fs::write(terminal.folder().join(name), text).unwrap();
    write("empty.yaml", "system: shop\n");
    write(
        "typo.yaml",
        "events:\n  order.placed:\n    payload: { required: [id], properties: { id: { typ: string } } }\n",
    );
    write(
        "inherited.yaml",
        "events:\n  order.placed:\n    payload: { required: [id], properties: { id: { type: string }, toString: { type: string } } }\n",
    );
    std::fs::create_dir(terminal.folder().join("mine")).unwrap();
    write("mine/index.ts", "export {};\n");
    write(
        "good.yaml",
        "events:\n  - event: order.placed\n    payload: { required: [id], properties: { id: { type: string } } }\n",
    );
    assert_snapshot!(shown!(
        terminal,
        ["generate", "typescript", "-i", "none.yaml", "-o", "ts"],
        ["generate", "typescript", "-i", "empty.yaml", "-o", "ts"],
        ["generate", "python", "-i", "typo.yaml", "-o", "py"],
        ["generate", "typescript", "-i", "inherited.yaml", "-o", "ts"],
        ["generate", "typescript", "-i", "good.yaml", "-o", "mine"],
        ["generate", "typescript", "-i", "good.yaml", "--contracts", ".", "-o", "ts"],
    ));
}

#[test]
fn contracts_are_read_from_documents_of_others() {
    let terminal = Terminal::new();
    let folder = Terminal::contracts().join("../asyncapi");
    std::fs::copy(folder.join("light.yaml"), terminal.folder().join("light.yaml")).unwrap();
    let files = [
        ("picture.yaml", &b"\x89PNG\r\n\x1a\n\0\0"[..]),
        ("old.yaml", b"asyncapi: 2.0.0\ninfo: { title: x }\n"),
        ("older.yaml", b"asyncapi: '1.2.0'\n"),
        ("rest.yaml", b"openapi: 3.1.0\npaths: {}\n"),
        ("other.json", b"{ \"name\": \"x\" }"),
        ("broken.yaml", b"asyncapi: [3\n"),
        ("empty.yaml", b"asyncapi: 3.0.0\ninfo: { title: none, version: '1' }\n"),
    ];
    for (name, bytes) in files {
        std::fs::write(terminal.folder().join(name), bytes).unwrap();
    }
    std::fs::copy(Terminal::contracts().join("system.yaml"), terminal.folder().join("system.yaml")).unwrap();
    let import = |file: &str| terminal.run(&["contract", "import", "asyncapi", file, "--out", "out"]);
    let mut text =
        vec![import("light.yaml"), terminal.run(&["contract", "check", "out"]), import("light.yaml")];
    for file in std::fs::read_dir(terminal.folder().join("out")).unwrap() {
        let path = file.unwrap().path();
        let written = std::fs::read_to_string(&path).unwrap();
        text.push(format!("==== {}\n{written}", path.file_name().unwrap().display()));
    }
    text[3..].sort();
    assert_snapshot!(text.join("\n"));
    let mut text: Vec<String> = files.iter().map(|(name, _)| import(name)).collect();
    text.extend(["away.yaml", "system.yaml"].map(import));
    assert_snapshot!("documents_that_are_none_are_refused", text.join("\n"));
}

/// The commands of the guide, as they stand there.
#[test]
fn the_guide_to_asyncapi_does_what_it_says() {
    let terminal = Terminal::new();
    let page = Terminal::contracts().join("../../../docs/guide/asyncapi.md");
    let page = std::fs::read_to_string(page).unwrap();
    std::fs::create_dir(terminal.folder().join("contracts")).unwrap();
    for name in ["system.yaml", "order.placed.v1.yaml", "payment.approved.v1.yaml"] {
        std::fs::copy(Terminal::contracts().join(name), terminal.folder().join("contracts").join(name))
            .unwrap();
    }
    let light = Terminal::contracts().join("../asyncapi/light.yaml");
    std::fs::copy(light, terminal.folder().join("light.yaml")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        let args: Vec<&str> = line.strip_prefix("factum ").unwrap().split(' ').collect();
        assert_eq!(terminal.code(&args), 0, "{line}: {}", terminal.run(&args));
    }
    for file in [
        "json-schema/order.placed.v1.json",
        "cloudevents/order.placed.v1.example1.json",
        "mermaid/event-flow.mmd",
    ] {
        assert!(terminal.folder().join(file).is_file(), "{file}");
    }
}

fn publish(terminal: &Terminal, input: &str, args: &[&str]) -> String {
    let at = contracts();
    let args: Vec<&str> = ["publish", "-", "--contracts", &at].iter().chain(args).copied().collect();
    let mut command = terminal.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    terminal.show(&args, &child.wait_with_output().unwrap())
}

const PLACED: &str = r#"{"type":"order.placed","id":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c","time":"2026-01-05T10:00:00Z","actor":"ann","data":{"orderId":"7","customer":"ann","amount":"10.50"}}"#;
const APPROVED: &str =
    r#"{"type":"payment.approved.v1","correlation":"checkout-7","data":{"orderId":"7","amount":"10.50"}}"#;

#[test]
fn events_are_published_when_they_keep_their_contracts() {
    let terminal = empty();
    let input = format!("{PLACED}\n{APPROVED}\n");
    let text = [
        publish(&terminal, &input, &["--dry-run"]),
        terminal.run(&["log"]),
        publish(&terminal, &input, &[]),
        publish(&terminal, PLACED, &[]),
        publish(&terminal, &format!("[{PLACED},\n {APPROVED}]"), &["--json"]),
        terminal.run(&["log"]),
        terminal.run(&["event", "1"]),
        terminal.run(&["check"]),
    ];
    assert_snapshot!(text.join("\n"));
}

#[test]
fn one_breach_and_nothing_is_published() {
    let terminal = empty();
    let bad = [
        r#"{"type":"order.placed","data":{"orderId":"8","customer":"bob"}}"#,
        r#"{"type":"order.placed","data":{"orderId":"8","customer":"bob","amount":"ten"}}"#,
        r#"{"type":"order.placed","subject":"9","data":{"orderId":"8","customer":"bob","amount":"1.00"}}"#,
        r#"{"type":"order.plced","data":{}}"#,
        r#"{"type":"order.placed","version":3,"data":{}}"#,
        r#"{"type":"order.placed","id":"7","data":{"orderId":"8","customer":"bob","amount":"1.00"}}"#,
    ]
    .join("\n");
    let text = [
        publish(&terminal, &format!("{PLACED}\n{bad}"), &[]),
        publish(&terminal, &bad, &["--json", "--dry-run"]),
        publish(&terminal, "{\"type\":", &[]),
        publish(&terminal, "{\"typ\":\"a\"}", &[]),
        publish(&terminal, "", &[]),
        terminal.run(&["publish", "away.json"]),
        terminal.run(&["publish", "away.json", "--contracts", &contracts()]),
        terminal.run(&["log"]),
    ];
    assert_snapshot!(text.join("\n"));
}

#[test]
fn a_large_file_is_published_in_parts_and_in_order() {
    let terminal = empty();
    let lines: Vec<String> = (0..1201)
        .map(|n| {
            format!(
                r#"{{"type":"order.placed","data":{{"orderId":"{}","customer":"c","amount":"{n}"}}}}"#,
                n % 7
            )
        })
        .collect();
    std::fs::write(terminal.folder().join("events.jsonl"), lines.join("\n")).unwrap();
    let said = terminal.json(&["publish", "events.jsonl", "--contracts", &contracts()]);
    assert_eq!(said["published"], 1201);
    let positions: Vec<u64> =
        said["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=1201).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_a_store_has_met_is_listed_and_what_differs_from_it_is_told() {
    let terminal = empty();
    assert!(terminal.run(&["contract", "recorded"]).contains("no app with a catalog has started"));
    record(&terminal).await;
    let listed = terminal.json(&["contract", "recorded"]);
    let names: Vec<&str> =
        listed["contracts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["order.placed", "payment.approved"]);
    let one = terminal.json(&["contract", "recorded", "order.placed"]);
    assert_eq!(one["contracts"][0]["contract"]["event"], "order.placed");
    assert!(terminal.run(&["contract", "recorded", "order.placd"]).contains("did you mean"));
    let at = terminal.folder().join("contracts");
    std::fs::create_dir(&at).unwrap();
    for name in ["system.yaml", "order.placed.v1.yaml", "payment.approved.v1.yaml"] {
        let text = std::fs::read_to_string(Terminal::contracts().join(name)).unwrap();
        std::fs::write(at.join(name), text.replace("key: orderId", "key: orderId\ntopic: orders")).unwrap();
    }
    let said = terminal.run(&["doctor"]);
    assert!(said.contains("contracts in contracts: order.placed.v1 was recorded on"), "{said}");
    assert!(said.contains("describe the new meaning as order.placed.v2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_is_compared_with_what_a_store_has_recorded() {
    let terminal = Terminal::new();
    crate::sample::record(&terminal).await;
    let url = format!("sqlite:{}", terminal.store());
    let copied = terminal.folder().join("contracts");
    std::fs::create_dir_all(&copied).unwrap();
    for file in std::fs::read_dir(Terminal::contracts()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copied.join(file.file_name())).unwrap();
    }
    let check = |more: &[&str]| {
        let args = [&["contract", "check", "contracts", "--against", url.as_str()], more].concat();
        terminal.command(&args).output().unwrap()
    };
    let same = check(&["--frozen"]);
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    let placed = copied.join("order.placed.v1.yaml");
    let text = std::fs::read_to_string(&placed).unwrap();
    std::fs::write(&placed, text.replacen("key: ", "topic: elsewhere\nkey: ", 1)).unwrap();
    let changed = check(&["--frozen", "--json"]);
    let said = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert_eq!(changed.status.code(), Some(1), "{changed:?}");
    assert!(said.contains("contract/frozen") && said.contains("order.placed.v1"), "{said}");
    let nowhere = terminal.run(&["contract", "check", "contracts", "--against", "sqlite:nowhere.db"]);
    assert!(nowhere.contains("[exit 2]"), "{nowhere}");
}

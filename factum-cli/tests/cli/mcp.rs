//! `factum mcp` with a client of the protocol's own SDK: what is offered, what is answered, what is refused.

use std::process::Stdio;

use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService, ServiceExt as _};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::sample::shop;
use crate::terminal::Terminal;

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Assistant {
    client: RunningService<RoleClient, ()>,
    _server: Child,
}

impl Assistant {
    /// Starts the program as an editor does, and says hello.
    async fn start(terminal: &Terminal, args: &[&str]) -> Self {
        let mut command = Command::from(terminal.command(args));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut server = command.spawn().unwrap();
        let (output, input) = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        let client = ().serve((output, input)).await.unwrap();
        Self { client, _server: server }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        self.client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap()
    }

    async fn ask(&self, tool: &'static str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer.is_error, Some(false), "{tool}: {answer:?}");
        answer.structured_content.unwrap_or_else(|| panic!("{tool} answers no object"))
    }

    async fn refused(&self, tool: &'static str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer.is_error, Some(true), "{tool}: {answer:?}");
        answer.content[0].as_text().unwrap().text.clone()
    }

    async fn tools(&self) -> Vec<rmcp::model::Tool> {
        self.client.list_all_tools().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assistant_gets_facts_of_the_catalog_and_the_store() {
    let shop = shop().await;
    let assistant = Assistant::start(&shop, &["mcp"]).await;
    let told = assistant.client.peer_info().unwrap().clone();
    assert!(told.instructions.as_ref().unwrap().contains("contract_show"));

    let contracts = Terminal::contracts().display().to_string();
    let shown =
        assistant.ask("contract_show", json!({"contract": "order.placed", "contracts": contracts})).await;
    assert_eq!((&shown["name"], &shown["key"]), (&json!("order.placed"), &json!("orderId")));
    let advice = assistant.ask("reliability", json!({"about": "payments", "contracts": contracts})).await;
    assert_eq!((&advice["source"], advice["attempts"].as_array().unwrap().len()), (&json!("catalog"), 8));
    let advice =
        assistant.ask("reliability", json!({"about": "webhook ingestion", "contracts": contracts})).await;
    assert_eq!(advice["source"], "words");

    let log = assistant.ask("log", json!({"types": "order.placed", "last": 2})).await;
    assert_eq!(log["events"].as_array().unwrap().len(), 2);
    let letters = assistant.ask("dead_letters", json!({"consumer": "stock"})).await;
    assert!(letters.to_string().contains("no paper"), "{letters}");
    let trace = assistant.ask("trace", json!({"id": "checkout-3"})).await;
    assert_eq!(trace["correlation"], "checkout-3");
    // The same as a person gets.
    assert_eq!(assistant.ask("consumers", json!({})).await, shop.json(&["consumers"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assistant_designs_reviews_plans_and_scaffolds_and_writes_only_where_it_may() {
    let terminal = crate::sample::empty();
    let reader = Assistant::start(&terminal, &["mcp"]).await;
    let wall = "system shop\nOrders: place order -> order.placed [orderId]\nMail: on order.placed -> mail.sent [orderId]";
    let design = reader.ask("design", json!({"text": wall})).await;
    assert_eq!((&design["system"], &design["dryRun"]), (&json!("shop"), &json!(true)));
    assert!(!design["questions"].as_array().unwrap().is_empty(), "what is not said is asked: {design}");
    let text = |files: &Value, ending: &str| -> String {
        let mut files = files.as_array().unwrap().iter();
        let file = files.find(|file| file["path"].as_str().unwrap().ends_with(ending)).unwrap();
        assert!(file["isCut"].is_null(), "a short document is whole: {file}");
        file["text"].as_str().unwrap().to_owned()
    };
    let document = text(&design["files"], "docs/architecture/shop.md");
    assert!(document.contains("## Who says what to whom") && document.contains("```mermaid"), "{document}");
    assert!(text(&design["files"], "order.placed.v1.yaml").starts_with("event: order.placed\n"));
    assert!(!terminal.folder().join("contracts").exists(), "nothing is written");
    let rule = reader.ask("review_rule", json!({"rule": "idem/undeclared"})).await;
    assert_eq!(rule["id"], "idem/undeclared");

    let writer = Assistant::start(&terminal, &["mcp", "--allow-write"]).await;
    writer.ask("design_write", json!({"text": wall})).await;
    // Findings are an answer, not a failure.
    let review = reader.ask("review", json!({"what": "contracts"})).await;
    assert_eq!(review["contracts"], 2);
    std::fs::write(
        terminal.folder().join("spec.md"),
        "# Points\n\n## Slice 1: points\n\n- [ ] on `order.placed` orders publishes `points.earned` with `orderId`\n",
    )
    .unwrap();
    let plan = reader.ask("plan", json!({"spec": "spec.md", "slice": "1"})).await;
    assert_eq!(plan["events"], json!([{"name": "points.earned", "isNew": true}]));
    let document = text(&plan["files"], "-slice-1-tdd-plan.md");
    assert!(document.contains("- [ ] **RED**") && document.contains("points.earned"), "{document}");
    let code = json!({"kind": "consumer", "name": "mail.send", "event": "order.placed", "lang": "rust"});
    let scaffold = reader.ask("scaffold", code).await;
    assert!(scaffold["files"][0]["text"].as_str().unwrap().contains("impl Handler<OrderPlaced>"));
    assert!(!terminal.folder().join("src").exists() && !terminal.folder().join("docs/specs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_design_of_any_size_is_an_answer_that_can_be_read() {
    let terminal = crate::sample::empty();
    let reader = Assistant::start(&terminal, &["mcp"]).await;
    let rules = |service: usize| {
        format!("Service{service}: on thing.n{service} -> thing.n{} [thingId]\n", service + 1)
    };
    let wall: String = (0..220).map(rules).collect();
    assert!(wall.len() < 16 * 1024, "an argument may be so long");
    let design = reader.ask("design", json!({"text": wall})).await;
    let files = design["files"].as_array().unwrap();
    let shown: usize = files.iter().map(|file| file["text"].as_str().unwrap().len()).sum();
    assert!(shown <= 128 * 1024, "{shown}");
    let is_cut = |file: &&Value| file["isCut"] == json!(true);
    assert!(files.iter().filter(is_cut).count() > 0, "what does not fit is said to be cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_answered_with_what_to_do() {
    let shop = shop().await;
    let assistant = Assistant::start(&shop, &["mcp"]).await;
    let error = assistant.refused("stream", json!({})).await;
    assert!(error.contains("stream needs \"stream\": such as order-42"), "{error}");
    let error = assistant.refused("event", json!({"event": "9999"})).await;
    assert!(error.contains("\"kind\":\"unknown\""), "{error}");
    // A text is never a flag.
    let error = assistant.refused("stream", json!({"stream": "--help"})).await;
    assert!(error.contains("--help"), "{error}");
    let unknown = assistant.client.call_tool(CallToolRequestParams::new("drop_store")).await;
    assert!(unknown.unwrap_err().to_string().contains("there is no tool \"drop_store\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_changed_unless_it_was_allowed_at_the_start() {
    let shop = shop().await;
    let reader = Assistant::start(&shop, &["mcp"]).await;
    let offered = reader.tools().await;
    let is_read_only =
        |tool: &rmcp::model::Tool| tool.annotations.as_ref().and_then(|notes| notes.read_only_hint);
    assert!(offered.iter().all(|tool| is_read_only(tool) == Some(true)));
    let error =
        reader.client.call_tool(CallToolRequestParams::new("consumer_pause")).await.unwrap_err().to_string();
    assert!(error.contains("start `factum mcp` with --allow-write"), "{error}");

    let writer = Assistant::start(&shop, &["mcp", "--allow-write"]).await;
    assert!(writer.tools().await.len() > offered.len());
    let paused = writer.ask("consumer_pause", json!({"consumer": "mail", "why": "the server is away"})).await;
    assert_eq!((&paused["consumer"], &paused["action"]), (&json!("mail"), &json!("paused")));
    let audit = reader.ask("audit", json!({"last": 1})).await;
    assert_eq!(
        (&audit["entries"][0]["action"], &audit["entries"][0]["actor"]),
        (&json!("pause"), &json!("ann"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_the_tools_that_are_offered() {
    let terminal = crate::sample::empty();
    let page = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let section = page.split("### `factum mcp`").nth(1).unwrap().split("\n### ").next().unwrap();
    let listed = |lead: &str| -> Vec<String> {
        let paragraph = section.split(lead).nth(1).unwrap().split("\n\n").next().unwrap();
        paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut all = listed("Tools that only look:");
    let names = |tools: Vec<rmcp::model::Tool>| -> Vec<String> {
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    };
    assert_eq!(names(Assistant::start(&terminal, &["mcp"]).await.tools().await), all);
    all.extend(listed("With `--allow-write` also:"));
    assert_eq!(names(Assistant::start(&terminal, &["mcp", "--allow-write"]).await.tools().await), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_editor_goes_away() {
    let terminal = crate::sample::empty();
    let mut command = Command::from(terminal.command(&["mcp"]));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = command.spawn().unwrap();
    drop(server.stdin.take());
    let ended = tokio::time::timeout(crate::sample::PATIENCE, server.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

//! `docs/cli.md` says what `--json` prints: nothing else is printed, and all that it says is printed at some time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::copy::note;
use crate::help::COMMANDS;
use crate::personal::personal_shop;
use crate::sample::{open, record};
use crate::terminal::Terminal;

/// Fields of a section, with what each is.
type Fields = Vec<(String, String)>;

/// The tables of the page, by heading.
pub(crate) fn tables() -> BTreeMap<String, Fields> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md")).unwrap();
    let mut tables: BTreeMap<String, Fields> = BTreeMap::new();
    let mut section = String::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            section = heading.trim_matches(['#', ' ', '`']).to_owned();
            tables.entry(section.clone()).or_default();
        }
        let Some(row) = line.strip_prefix('|') else { continue };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if cells[0] != "field" && !cells[0].starts_with("---") {
            let fields = tables.entry(section.clone()).or_default();
            fields.push((cells[0].trim_matches('`').to_owned(), cells[1].to_owned()));
        }
    }
    tables
}

/// What a section says, with its shapes (`event`, `list of letter`) put in.
fn expand(tables: &BTreeMap<String, Fields>, section: &str, prefix: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (path, what) in &tables[section] {
        let dot = if prefix.is_empty() || path.is_empty() { "" } else { "." };
        let path = format!("{prefix}{dot}{path}");
        let kind = what.split([',']).next().unwrap();
        for one in kind.split(" or ") {
            let (item, shape) = match one.strip_prefix("list of ") {
                Some(shape) => (format!("{path}[]"), shape),
                None => (path.clone(), one),
            };
            let article = if shape.starts_with(['a', 'e', 'o']) { "An" } else { "A" };
            let shape = format!("{article} {shape}");
            if tables.contains_key(&shape) {
                fields.extend(expand(tables, &shape, &item));
            }
        }
        if !path.is_empty() {
            fields.insert(path, what.clone());
        }
    }
    fields
}

fn fits(value: &Value, what: &str) -> bool {
    let kind = what.split(',').next().unwrap();
    kind.split(" or ").any(|one| match one {
        "text" => value.is_string(),
        "number" => value.is_number(),
        "true" | "false" => value.is_boolean(),
        "null" => value.is_null(),
        "any" => true,
        one if one.starts_with("list") => value.is_array(),
        _ => value.is_object(),
    })
}

/// Walks what was printed; answers the documented fields that were seen.
fn walk(value: &Value, path: &str, fields: &BTreeMap<String, String>, seen: &mut BTreeSet<String>, at: &str) {
    if let Some(what) = fields.get(path) {
        assert!(fits(value, what), "{at}: {path} should be {what}: {value}");
        seen.insert(path.to_owned());
        if matches!(what.as_str(), "map" | "list") || what.starts_with("any") {
            return;
        }
    } else {
        assert!(path.is_empty() || path.ends_with("[]"), "{at}: {path} is not in docs/cli.md");
    }
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if path.is_empty() { "" } else { "." };
                walk(value, &format!("{path}{dot}{name}"), fields, seen, at);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| walk(item, &format!("{path}[]"), fields, seen, at))
        }
        _ => {}
    }
}

/// Runs the commands of a section, and compares what they print with its table.
pub(crate) fn agree(terminal: &Terminal, tables: &BTreeMap<String, Fields>, section: &str, runs: &[&[&str]]) {
    let fields = expand(tables, section, "");
    let mut seen = BTreeSet::new();
    for args in runs {
        let typed = args.join(" ");
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = terminal
            .command(&args)
            .env("FACTUM_MASTER_KEY_FILE", terminal.folder().join("master.key"))
            .output()
            .unwrap();
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        for value in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
            let value =
                value.unwrap_or_else(|error| panic!("{typed}: {error}: {}", String::from_utf8_lossy(&text)));
            walk(&value, "", &fields, &mut seen, &typed);
        }
    }
    let missing: Vec<&String> = fields
        .iter()
        .filter(|(path, what)| !what.contains("optional") && !seen.contains(*path))
        .map(|(path, _)| path)
        .collect();
    assert!(missing.is_empty(), "{section}: never printed: {missing:?}");
}

#[test]
fn every_command_has_a_section() {
    let tables = tables();
    for command in COMMANDS.iter().filter(|command| **command != ["dlq"]) {
        let heading = format!("factum {}", command.join(" "));
        assert!(tables.contains_key(&heading), "{heading} is not in docs/cli.md");
    }
}

#[tokio::test]
async fn what_is_printed_as_json_is_what_the_page_says() {
    let (shop, tables) = (personal_shop().await, tables());
    record(&shop).await;
    let store = shop.store();
    note(open(&shop).as_ref()).await;
    let keys = shop.folder().join("shop.keys.db").display().to_string();
    assert_eq!(shop.code(&["migrate", "--store", "moved.db"]), 0);
    let contracts = Terminal::contracts().display().to_string();
    let light = Terminal::contracts().join("../asyncapi/light.yaml").display().to_string();
    crate::migration::in_shadow(&shop.store()).await;
    crate::migration::sources(shop.folder());
    let letter = shop.json(&["dlq", "list", "--each"])["letters"][0]["id"].as_str().unwrap().to_owned();
    let good = r#"{"type":"order.placed","data":{"orderId":"9","customer":"c","amount":"1"}}"#;
    std::fs::write(shop.folder().join("good.json"), good).unwrap();
    std::fs::write(shop.folder().join("bad.json"), r#"{"type":"order.placed","data":{}}"#).unwrap();
    let broken = shop.folder().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("system.yaml"), "system: shop\nsrvices: {}\n").unwrap();
    let versions = shop.folder().join("versions");
    std::fs::create_dir(&versions).unwrap();
    for name in ["system.yaml", "order.placed.v1.yaml", "payment.approved.v1.yaml"] {
        std::fs::copy(Terminal::contracts().join(name), versions.join(name)).unwrap();
    }
    let first = std::fs::read_to_string(versions.join("order.placed.v1.yaml")).unwrap();
    let second = first.replace("version: 1", "version: 2").replace("format: decimal", "format: date");
    std::fs::write(versions.join("order.placed.v2.yaml"), second.replace("10.50", "2026-01-05")).unwrap();
    std::fs::write(shop.folder().join("wall.txt"), "Orders: place order -> order.placed\n").unwrap();
    let spec = "# Orders\n## Slice 1: place\n- [ ] publishes `order.placed`\n";
    std::fs::write(shop.folder().join("spec.md"), spec).unwrap();
    let sections: &[(&str, &[&[&str]])] = &[
        ("factum", &[&[]]),
        ("An error", &[&["event", "99"], &["tial"], &["log", "--store", "away.db"], &["log", "--last", "x"]]),
        ("factum tail", &[&["tail", "--since", "1", "--limit", "3"]]),
        ("factum log", &[&["log"], &["log", "--types", "no.such"]]),
        ("factum stream", &[&["stream", "order-1"]]),
        ("factum event", &[&["event", "6"], &["event", "5"]]),
        ("factum trace", &[&["trace", "checkout-3"]]),
        ("factum search", &[&["search", "customer"]]),
        ("factum stats", &[&["stats"]]),
        ("factum consumers", &[&["consumers"]]),
        ("factum consumers pause", &[&["consumers", "pause", "mail"]]),
        ("factum consumers resume", &[&["consumers", "resume", "mail"]]),
        ("factum consumers reset", &[&["consumers", "reset", "mail", "--to", "start", "--dry-run"]]),
        ("factum projections", &[&["projections"]]),
        ("factum dlq list", &[&["dlq", "list"], &["dlq", "list", "--each"], &["dlq", "list", "--parked"]]),
        ("factum dlq show", &[&["dlq", "show", &letter]]),
        ("factum dlq requeue", &[&["dlq", "requeue", &letter], &["dlq", "requeue", &letter, "--dry-run"]]),
        ("factum dlq discard", &[&["dlq", "discard", "--all", "--dry-run"], &["dlq", "discard", "--all"]]),
        ("factum replay", &[&["replay", "--consumer", "stock", "--from-position", "3", "--effects"]]),
        ("factum projections rebuild", &[&["projections", "rebuild", "order-summary"]]),
        ("factum audit", &[&["audit"]]),
        (
            "factum forget",
            &[&["forget", "c-1", "--keys", &keys], &["forget", "c-1", "--keys", &keys, "--yes"]],
        ),
        ("factum keys", &[&["keys", "--keys", &keys]]),
        ("factum keys new", &[&["keys", "new", "next.key"]]),
        (
            "factum keys move",
            &[
                &["keys", "--keys", &keys, "move", "--to", "moved.db"],
                &["keys", "--keys", "moved.keys.db", "move", "--to", &store],
            ],
        ),
        ("factum keys rotate", &[&["keys", "--keys", &keys, "rotate", "--to", "next.key"]]),
        (
            "factum publish",
            &[
                &["publish", "good.json", "--contracts", &contracts, "--dry-run"],
                &["publish", "good.json", "--contracts", &contracts],
                &["publish", "bad.json", "--contracts", &contracts],
            ],
        ),
        (
            "factum contract new",
            &[&["contract", "new", "event", "a.made", "--owner", "a", "--contracts", "new"]],
        ),
        (
            "factum contract check",
            &[
                &["contract", "check", &contracts],
                &["contract", "check", "broken"],
                &["contract", "check", "versions", "--against", &contracts],
            ],
        ),
        (
            "factum contract diff",
            &[&["contract", "diff", "order.placed.v1", "order.placed.v2", "--contracts", "versions"]],
        ),
        ("factum contract history", &[&["contract", "history", "order.placed", "--contracts", "versions"]]),
        ("factum contract list", &[&["contract", "list", &contracts]]),
        (
            "factum contract recorded",
            &[&["contract", "recorded"], &["contract", "recorded", "order.placed.v1"]],
        ),
        ("factum contract show", &[&["contract", "show", "order.placed", &contracts]]),
        (
            "factum generate rust",
            &[
                &["generate", "rust", "--contracts", &contracts, "--out", ".", "--check"],
                &["generate", "rust", "--contracts", &contracts, "--out", "."],
            ],
        ),
        ("factum design", &[&["design", "wall.txt", "--out", "designed"]]),
        ("factum plan", &[&["plan", "spec.md"], &["plan", "spec.md", "--slice", "1", "--code", "designed"]]),
        ("factum plan status", &[&["plan", "status", "designed"]]),
        ("factum plan verify", &[&["plan", "verify", "designed"]]),
        (
            "factum scaffold",
            &[&[
                "scaffold",
                "consumer",
                "stock.count",
                "order.placed",
                "--contracts",
                &contracts,
                "--dry-run",
            ]],
        ),
        ("factum new", &[&["new", "project", "--dry-run"]]),
        ("factum contract import asyncapi", &[&["contract", "import", "asyncapi", &light, "--out", "light"]]),
        (
            "factum generate asyncapi",
            &[
                &["generate", "asyncapi", "--contracts", &contracts, "--out", ".", "--check"],
                &["generate", "asyncapi", "--contracts", &contracts, "--out", "."],
            ],
        ),
        (
            "factum generate json-schema",
            &[
                &["generate", "json-schema", "--contracts", &contracts, "--out", ".", "--check"],
                &["generate", "json-schema", "--contracts", &contracts, "--out", "."],
            ],
        ),
        (
            "factum generate cloudevents",
            &[
                &["generate", "cloudevents", "--contracts", &contracts, "--out", ".", "--check"],
                &["generate", "cloudevents", "--contracts", &contracts, "--out", "."],
            ],
        ),
        (
            "factum generate mermaid",
            &[
                &["generate", "mermaid", "--contracts", &contracts, "--out", ".", "--check"],
                &["generate", "mermaid", "--contracts", &contracts, "--out", "."],
            ],
        ),
        (
            "factum generate docs",
            &[
                &["generate", "docs", "--contracts", &contracts, "--out", "pages", "--check"],
                &["generate", "docs", "--contracts", &contracts, "--out", "pages"],
            ],
        ),
        (
            "factum generate typescript",
            &[
                &["generate", "typescript", "--contracts", &contracts, "--out", "ts", "--check"],
                &["generate", "typescript", "--contracts", &contracts, "--out", "ts"],
            ],
        ),
        (
            "factum generate python",
            &[
                &["generate", "python", "--contracts", &contracts, "--out", "py", "--check"],
                &["generate", "python", "--contracts", &contracts, "--out", "py"],
            ],
        ),
        ("factum review", &[&["review", &contracts]]),
        ("factum migrate", &[&["migrate"], &["migrate", "--print"]]),
        (
            "factum migration plan",
            &[&[
                "migration",
                "plan",
                "email-sync",
                "--call",
                "send_email",
                "--event",
                "order.placed",
                "--contracts",
                &contracts,
            ]],
        ),
        ("factum migration status", &[&["migration", "status"]]),
        ("factum migration differences", &[&["migration", "differences", "email-sync"]]),
        ("factum migration rollback", &[&["migration", "rollback", "email-sync"]]),
        (
            "factum migration advance",
            &[&["migration", "advance", "email-sync", "--dry-run"], &["migration", "advance", "email-sync"]],
        ),
        (
            "factum reliability",
            &[
                &["reliability", "--contracts", &contracts],
                &["reliability", "payments", "--contracts", &contracts, "--simulate", "outage=1m,rate=10/s"],
                &["reliability", "webhook", "ingestion", "--contracts", &contracts],
            ],
        ),
        ("factum check", &[&["check"]]),
        ("factum backup", &[&["backup", "copy.db"]]),
        ("factum copy", &[&["copy", &store, "target.db", "--tables", "notes"]]),
        ("factum archive", &[&["archive", "old.db", "--before", "3", "--past-consumers"], &["archive"]]),
        ("factum archive restore", &[&["archive", "restore", "old.db"]]),
        ("factum doctor", &[&["doctor"]]),
        ("factum bench", &[&["bench", "--seconds", "0.02", "--writers", "2"]]),
    ];
    let sagas = crate::sagas::stuck().await;
    let of_sagas: &[(&str, &[&[&str]])] = &[
        ("factum sagas list", &[&["sagas", "list"]]),
        (
            "factum sagas show",
            &[&["sagas", "show", "fulfilment", "1"], &["sagas", "show", "fulfilment", "2"]],
        ),
        ("factum sagas resume", &[&["sagas", "resume", "fulfilment", "1"]]),
        ("factum timers list", &[&["timers", "list"]]),
        (
            "factum timers move",
            &[&["timers", "move", "fulfilment", "2", "payment", "--to", "2099-01-01T00:00:00Z"]],
        ),
        ("factum timers cancel", &[&["timers", "cancel", "fulfilment", "2", "payment"]]),
        ("factum sagas cancel", &[&["sagas", "cancel", "fulfilment", "2"]]),
    ];
    for (section, runs) in of_sagas {
        agree(&sagas, &tables, section, runs);
    }
    for (section, runs) in sections {
        // A sound store has no findings; that they look as in `doctor` is known by their one type.
        let mut tables = tables.clone();
        if *section == "factum check" {
            tables.insert("A finding".to_owned(), Vec::new());
        }
        agree(&shop, &tables, section, runs);
    }
    let mut tried: BTreeSet<&str> = sections.iter().chain(of_sagas).map(|(section, _)| *section).collect();
    tried.extend(crate::projections::DOCUMENTED);
    tried.extend(crate::streams::DOCUMENTED);
    let told = tables.keys().filter(|heading| {
        heading.starts_with("factum") && !heading.ends_with("completions") && !heading.ends_with("mcp")
    });
    let untried: Vec<&String> = told.filter(|heading| !tried.contains(heading.as_str())).collect();
    assert!(untried.is_empty(), "never tried: {untried:?}");
}

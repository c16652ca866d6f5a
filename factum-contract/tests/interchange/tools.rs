//! The real tools take what is written: AsyncAPI's parser, Spectral's recommended rules, and Mermaid itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use factum_contract::generate::asyncapi::Format;
use factum_contract::generate::mermaid;
use factum_contract::{Catalog, Source};
use serde_json::Value;

use crate::catalogs::{document, flagship, rich};

/// Runs one of our scripts under Node on some files; answers a value for each line that it prints.
fn node(script: &str, tools: &Path, folder: &Path, files: &[&str]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange").join(script);
    let output =
        Command::new("node").arg(script).arg(tools).args(files).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_tools_of_asyncapi_find_nothing() {
    let Some(tools) = xtask::tools::or_skip("interchange::the_tools_of_asyncapi_find_nothing", "asyncapi")
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, catalog) in [("shop", flagship()), ("hotel", rich())] {
        for (ending, format) in [("yaml", Format::Yaml), ("json", Format::Json)] {
            files.push(format!("{name}.{ending}"));
            std::fs::write(folder.path().join(files.last().unwrap()), document(&catalog, format)).unwrap();
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let found = node("lint.cjs", &tools, folder.path(), &files);
    assert_eq!(found, Vec::<Value>::new());

    // And they would say so: a document with mistakes has findings of both.
    let bad = document(&flagship(), Format::Yaml);
    let bad = bad
        .replace("action: send", "action: shout")
        .replace("    description: The service", "    x-was: The");
    let bad = bad.replace("email:", "x-email:");
    std::fs::write(folder.path().join("bad.yaml"), bad).unwrap();
    let found = node("lint.cjs", &tools, folder.path(), &["bad.yaml"]);
    let by: BTreeSet<&str> = found.iter().map(|one| one["tool"].as_str().unwrap()).collect();
    assert_eq!(by.into_iter().collect::<Vec<&str>>(), ["parser", "spectral"]);
}

#[test]
fn mermaid_reads_every_drawing_as_it_was_meant() {
    let test = "interchange::mermaid_reads_every_drawing_as_it_was_meant";
    let Some(tools) = xtask::tools::or_skip(test, "mermaid") else { return };
    for catalog in [flagship(), rich(), odd()] {
        let folder = tempfile::tempdir().unwrap();
        let generated = mermaid::generate(&catalog);
        generated.write(folder.path()).unwrap();
        let files: Vec<&str> = generated.files.iter().map(|file| file.path.as_str()).collect();
        let read = node("draw.mjs", &tools, folder.path(), &files);
        assert_eq!(read.len(), files.len());
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for drawing in &read {
            assert!(drawing["error"].is_null(), "{drawing}");
            let texts = drawing["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
            seen.extend(texts.flat_map(|text| text.split("<br>").map(str::to_owned)));
        }
        let calls = catalog.system.consumers.values().flat_map(|consumer| consumer.calls.clone());
        let names = catalog.names().map(ToString::to_string);
        let parts = catalog.system.consumers.keys().map(ToString::to_string);
        for name in calls.chain(names).chain(parts) {
            let name = name.split_whitespace().collect::<Vec<&str>>().join(" ");
            assert!(seen.contains(&name), "{name:?} is in no drawing: {seen:?}");
        }
    }
}

/// A catalog whose words all mean something to Mermaid.
fn odd() -> Catalog {
    let calls = [
        "end",
        "graph TD",
        "a --> b",
        "click x \"y\"",
        "%%{init: {}}%%",
        "style a fill:#f9f;",
        "<script>alert(1)</script>",
        "`**md**`",
        "a\nb",
        "#35;#quot;",
        "classDef x fill:#fff;",
        "größe → ✓",
        "subgraph",
        "a & b",
        "((x))",
        "\\\"",
    ];
    let calls = serde_json::to_string(&calls).unwrap();
    let system = format!(
        r#"{{"system":"end","services":{{"end":{{"emits":["end.o","class.x"]}},"subgraph":{{}}}},"consumers":{{"graph":
        {{"service":"subgraph","on":["end.o","class.x"],"emits":["end.note"],"calls":{calls}}}}},"sagas":{{"loop":{{"service":"end",
        "starts":"end.o","correlate":"id","steps":[{{"on":"end.note","then":"class.x"}}]}}}}}}"#
    );
    let contract = |name: &str| {
        let text = format!(
            r#"{{"event":"{name}","version":1,"owner":"end","key":"id","payload":{{"type":"object","required":["id"],
            "properties":{{"id":{{"type":"string"}}}}}}}}"#
        );
        Source::new(format!("{name}.json"), text)
    };
    let sources =
        [Source::new("system.json", system), contract("end.o"), contract("class.x"), contract("end.note")];
    Catalog::read(&sources).unwrap()
}

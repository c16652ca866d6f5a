//! Generated TypeScript and Python accept and refuse what the gate does, document by document.
//!
//! One corpus for all: documents chosen because languages are known to read them differently, and examples of contracts
//! changed at every place. Each language says path and rule; they must be the gate's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::{Path, PathBuf};

use factum_contract::generate::{asyncapi, json_schema, python, typescript};
use factum_contract::{Catalog, check, folder};

#[path = "languages/corpus.rs"]
mod corpus;
#[path = "languages/page.rs"]
mod page;
#[path = "support/places.rs"]
mod places;
#[path = "support/theirs.rs"]
#[allow(dead_code, reason = "the rules that the gate has alone are for others")]
mod theirs;
#[path = "languages/tool.rs"]
mod tool;

use theirs::built;

fn catalog(path: &str) -> Catalog {
    let report = check(&folder::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap());
    assert_eq!(report.errors(), 0, "{report}");
    report.catalog.unwrap()
}

const TRAPS: &str = "tests/languages/contracts";
const CORNERS: &str = "tests/corpus/contracts";
const ORDERS: &str = "../examples/orders/contracts";

/// A folder for one test's generated code, empty at its start.
fn workshop(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages").join(name)
}

#[test]
fn the_gate_judges_the_corpus_as_written() {
    let (catalog, mut wrong) = (catalog(TRAPS), Vec::new());
    for document in corpus::written() {
        let found = corpus::judge(&catalog, &document);
        if !corpus::is_same(&found, &document.verdict) {
            wrong.push(format!("{}: {found:?}, not {:?}", document.shown(), document.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Documents that languages judge too are judged by the schemas that others are given: what personal values may be.
#[test]
fn schemas_for_others_agree_with_the_gate_about_personal_values() {
    let mut accepted = [0, 0];
    for catalog in [catalog(TRAPS), catalog(CORNERS), catalog(ORDERS)] {
        let documents = corpus::personal(&catalog);
        assert!(documents.len() > 20);
        let json_schema = json_schema::generate(&catalog).unwrap();
        let options = asyncapi::Options { format: asyncapi::Format::Json, ..asyncapi::Options::default() };
        let asyncapi = asyncapi::generate(&catalog, &options).unwrap();
        let asyncapi: serde_json::Value = serde_json::from_str(&asyncapi.files[0].text).unwrap();
        for contract in catalog.latest() {
            let label = contract.label();
            let file = json_schema.files.iter().find(|file| file.path.ends_with(&format!("/{label}.json")));
            let whole: serde_json::Value = serde_json::from_str(&file.unwrap().text).unwrap();
            let payload = &asyncapi["components"]["messages"][&label]["payload"];
            for schema in [built(&whole), built(payload)] {
                for document in
                    documents.iter().filter(|document| document.contract == contract.name.as_str())
                {
                    let is_valid = schema.is_valid(&serde_json::from_slice(&document.bytes).unwrap());
                    let verdict = &document.verdict;
                    assert_eq!(is_valid, verdict.is_none(), "{}: {verdict:?}", document.shown());
                    accepted[usize::from(is_valid)] += 1;
                }
            }
        }
    }
    assert!(accepted.iter().all(|count| *count > 50), "{accepted:?}");
}

/// What a language may refuse although the gate does not, and why.
const TYPESCRIPT_ALONE: [(&str, &str); 1] = [(
    "precision",
    "a number holds no whole number past 2^53; a contract that declares such bounds gets a bigint",
)];

#[test]
fn typescript_agrees_with_the_gate() {
    let Some(tools) = xtask::tools::or_skip("languages::typescript_agrees_with_the_gate", "typescript")
    else {
        return;
    };
    let folder = workshop("typescript");
    let catalogs = [("traps", catalog(TRAPS)), ("corners", catalog(CORNERS)), ("orders", catalog(ORDERS))];
    for (name, catalog) in &catalogs {
        typescript::generate(catalog).unwrap().write(&made(&folder.join("src").join(name))).unwrap();
    }
    std::fs::copy(source("typescript/use.ts"), folder.join("src/use.ts")).unwrap();
    std::fs::write(folder.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
    std::fs::copy(source("typescript/tsconfig.json"), folder.join("tsconfig.json")).unwrap();
    tool::quiet(
        "node",
        &[&tools.join("node_modules/typescript/bin/tsc").to_string_lossy(), "-p", "."],
        &folder,
    );

    let used = tool::run("node", &["out/use.js"], &folder, "");
    insta::assert_snapshot!("typescript_used", used.trim());

    let mut met = Vec::new();
    for (name, catalog) in &catalogs {
        let documents = documents(name, catalog);
        let script = source("typescript/run.mjs");
        let module = folder.join("out").join(name).join("index.js");
        let arguments = [script.to_string_lossy(), module.to_string_lossy()];
        let answers = tool::run("node", &[&arguments[0], &arguments[1]], &folder, &corpus::lines(&documents));
        met.extend(corpus::compare(&documents, &answers, &TYPESCRIPT_ALONE));
    }
    assert_eq!(met, ["precision"], "what TypeScript refuses alone is one document of the corpus");
}

/// The corpus of one catalog.
fn documents(name: &str, catalog: &Catalog) -> Vec<corpus::Document> {
    corpus::all(catalog, if name == "traps" { corpus::written() } else { Vec::new() })
}

#[test]
fn python_agrees_with_the_gate() {
    let Some(tools) = xtask::tools::or_skip("languages::python_agrees_with_the_gate", "python") else {
        return;
    };
    let python = xtask::tools::python(&tools).to_string_lossy().into_owned();
    let folder = workshop("python");
    let catalogs = [("traps", catalog(TRAPS)), ("corners", catalog(CORNERS)), ("orders", catalog(ORDERS))];
    for (name, catalog) in &catalogs {
        python::generate(catalog).unwrap().write(&made(&folder.join(name))).unwrap();
    }
    std::fs::copy(source("python/use.py"), folder.join("use.py")).unwrap();
    std::fs::write(folder.join("plugin.ini"), "[mypy]\nplugins = pydantic.mypy\n").unwrap();
    let strict = ["-m", "mypy", "--strict", "traps", "corners", "orders", "use.py"];
    tool::quiet(&python, &strict, &folder);
    tool::quiet(&python, &[&strict[..], &["--config-file", "plugin.ini"]].concat(), &folder);

    let used = tool::run(&python, &["use.py"], &folder, "");
    insta::assert_snapshot!("python_used", used.trim());

    for (name, catalog) in &catalogs {
        let documents = documents(name, catalog);
        let script = source("python/run.py");
        let answers =
            tool::run(&python, &[&script.to_string_lossy(), name], &folder, &corpus::lines(&documents));
        corpus::compare(&documents, &answers, &[]);
    }
}

/// A folder that is there.
fn made(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    folder.to_owned()
}

#[test]
fn one_contract_in_python() {
    let generated = python::generate(&catalog(TRAPS)).unwrap();
    let text = |path: &str| generated.files.iter().find(|file| file.path == path).unwrap().text.clone();
    insta::assert_snapshot!("python_module", text("trap.py"));
    insta::assert_snapshot!("python_index", text("__init__.py"));
}

#[test]
fn one_contract_in_typescript() {
    let generated = typescript::generate(&catalog(TRAPS)).unwrap();
    let text = |path: &str| generated.files.iter().find(|file| file.path == path).unwrap().text.clone();
    insta::assert_snapshot!("typescript_module", text("trap.ts"));
    insta::assert_snapshot!("typescript_index", text("index.ts"));
}

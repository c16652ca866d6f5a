//! The page of the guide about TypeScript and Python: what it shows compiles as strictly as it says, and runs.
//!
//! The fragments are taken from the page as they stand there; only what they speak of and do not make is put before
//! them, and what uses what they made behind.

use std::path::Path;

use factum_contract::generate::{python, typescript};
use factum_contract::{Catalog, Source, check_one};

use super::{made, source, tool, workshop};

/// The one fragment of a language.
fn fragment(info: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/typescript-and-python.md");
    let text = std::fs::read_to_string(page).unwrap();
    let fence = format!("\n```{info}\n");
    let mut found = text.split(&fence).skip(1);
    let fragment = found.next().and_then(|rest| rest.split("\n```").next()).unwrap().to_owned();
    assert!(found.next().is_none(), "the page has several fragments of {info}: which one is meant?");
    fragment + "\n"
}

/// The contracts that the page writes down.
fn catalog() -> Catalog {
    let report = check_one(&Source::new("shop.yaml", fragment("yaml")));
    assert_eq!(report.errors(), 0, "{report}");
    report.catalog.unwrap()
}

const BEFORE_TYPESCRIPT: &str = r#"
import { OrderPlaced as Sample, writeJson as written } from "./events/index.js";
declare const console: { log(...said: unknown[]): void; warn(...said: unknown[]): void };
const orderId = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";
const items = [{ productId: "cup", quantity: 2, price: "4.50" }];
const body = written(Sample.example());
const shipped: string[] = [];
const ship = (all: readonly { readonly productId: string }[]): void =>
  all.forEach((item) => void shipped.push(item.productId));
"#;

const BEHIND_TYPESCRIPT: &str = r#"
const any: ShopEvent = placed;
console.log(any.type, placed.data.items.length, fixture.data.currency, shipped.join(), readEvent(writeJson(any)).ok);
"#;

#[test]
fn what_the_page_shows_of_typescript_compiles_and_runs() {
    let test = "languages::page::what_the_page_shows_of_typescript_compiles_and_runs";
    let Some(tools) = xtask::tools::or_skip(test, "typescript") else { return };
    let folder = workshop("page-typescript");
    typescript::generate(&catalog()).unwrap().write(&made(&folder.join("src/events"))).unwrap();
    let page = [BEFORE_TYPESCRIPT, &fragment("ts"), BEHIND_TYPESCRIPT].concat();
    std::fs::write(folder.join("src/page.ts"), page).unwrap();
    std::fs::write(folder.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
    std::fs::copy(source("typescript/tsconfig.json"), folder.join("tsconfig.json")).unwrap();
    let compiler = tools.join("node_modules/typescript/bin/tsc");
    tool::quiet("node", &[&compiler.to_string_lossy(), "-p", "."], &folder);
    assert_eq!(tool::run("node", &["out/page.js"], &folder, "").trim(), "order.placed 1 USD teapot true");
}

const BEFORE_PYTHON: &str = r#"
from uuid import UUID

from events import OrderPlaced as Sample

order_id = UUID("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c")
body = Sample.example().to_json()
"#;

const BEHIND_PYTHON: &str = r#"
print(placed.type, placed.data.items[0].price, fixture.data.currency, event.type)
try:
    read_event(b"{}")
except ContractError as error:
    print(len(error.flaws) > 0)
"#;

#[test]
fn what_the_page_shows_of_python_passes_mypy_and_runs() {
    let test = "languages::page::what_the_page_shows_of_python_passes_mypy_and_runs";
    let Some(tools) = xtask::tools::or_skip(test, "python") else { return };
    let python = xtask::tools::python(&tools).to_string_lossy().into_owned();
    let folder = workshop("page-python");
    python::generate(&catalog()).unwrap().write(&made(&folder.join("events"))).unwrap();
    let page = [BEFORE_PYTHON, &fragment("python"), BEHIND_PYTHON].concat();
    std::fs::write(folder.join("page.py"), page).unwrap();
    tool::quiet(&python, &["-m", "mypy", "--strict", "events", "page.py"], &folder);
    let said = tool::run(&python, &["page.py"], &folder, "");
    assert_eq!(said.trim().lines().collect::<Vec<_>>(), ["order.placed 15.00 USD order.placed", "True"]);
}
